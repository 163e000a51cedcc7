"""The files of MovieLens and of UCI Adult, as their publishers lay them out, to tables.

MovieLens: as its README and RecBole 1.2.1 have it. Adult: as UCI's adult.data.
"""

import gzip
import zlib
from itertools import compress
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from .sources import DataError

AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
BOUNDS = (18, 25, 35, 45, 50, 56)  # years: the first of each bracket after "under 18"

# The codes 0 to 20 of ml-1m. A job that ml-100k has too is spelled as there; one that
# ml-1m draws wider or narrower ("sales/marketing") keeps its name.
OCCUPATIONS = (
    *("other", "educator", "artist", "clerical/admin", "college/grad student"),
    *("customer service", "doctor/health care", "executive", "farmer", "homemaker"),
    *("K-12 student", "lawyer", "programmer", "retired", "sales/marketing"),
    *("scientist", "self-employed", "technician/engineer", "tradesman/craftsman"),
    *("unemployed", "writer"),
)
# The flags of ml-100k's u.item, in the order of its columns.
GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)
NO_GENRE = ("", "unknown")


class File(NamedTuple):
    """How a publisher writes one table: a row a line.

    blanks: those around a field do not count. A name that ends in .gz is unpacked.
    """

    name: str
    separator: str
    columns: tuple[str, ...]
    header: bool = False
    blanks: bool = False


RATINGS = ("user_id", "movie_id", "rating", "timestamp")
MOVIES = ("movie_id", "title", "year", "genres")
USERS = ("user_id", "gender", "age", "occupation", "zip_code")
USERS_100K = ("user_id", "age", "gender", "occupation", "zip_code")
ITEMS_100K = ("movie_id", "title", "released", "on_video", "url", *GENRES)

#: The layouts of each set: its files of ratings, movies and users.
LAYOUTS = {
    "ml-1m": (
        (
            File("ratings.dat", "::", RATINGS),
            File("movies.dat", "::", ("movie_id", "title", "genres")),
            File("users.dat", "::", USERS),
        ),
    ),
    "ml-100k": (
        (
            File("u.data", "\t", RATINGS),
            File("u.item", "|", ITEMS_100K),
            File("u.user", "|", USERS_100K),
        ),
        (
            File("ml-100k.inter", "\t", RATINGS, header=True),
            File("ml-100k.item", "\t", MOVIES, header=True),
            File("ml-100k.user", "\t", USERS_100K, header=True),
        ),
    ),
}

# UCI's columns in their order, and which of them are numbers.
ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital_status"),
    *("occupation", "relationship", "race", "sex", "capital_gain", "capital_loss"),
    *("hours_per_week", "native_country", "income"),
)
ADULT_NUMBERS = (
    *("age", "fnlwgt", "education_num", "capital_gain", "capital_loss"),
    "hours_per_week",
)
INCOMES = ("<=50K", ">50K")
#: The one file of Adult: the first of these that is there.
ADULT_FILES = tuple(
    File(name, ",", ADULT, blanks=True)
    for name in ("adult-uci.csv.gz", "adult.csv", "adult.csv.gz")
)


def read(name: str, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The ratings, movies and users of the set `name`, from the files in `folder`.

    A file is UTF-8, or Latin-1 as GroupLens writes it; line ends are those of any
    system. Raises DataError where a file is missing or a line is wrong, and names both.
    """
    ratings, movies, users = (_Lines(folder, file) for file in _layout(name, folder))
    movies, users = _movies(movies), _users(users)
    return _ratings(ratings, movies, users), movies, users


def read_adult(folder: Path) -> pd.DataFrame:
    """The table of Adult, from the first of ADULT_FILES that is in `folder`.

    "?" and nothing are missing. Raises DataError as read().
    """
    there = [file for file in ADULT_FILES if (folder / file.name).exists()]
    lines = _Lines(folder, (there or ADULT_FILES)[0])
    income = lines["income"]
    lines.refuse(~income.isin(INCOMES), income, f"not {' or '.join(INCOMES)}")
    columns = {}
    for name in ADULT:
        if name in ADULT_NUMBERS:
            columns[name] = lines.whole(name)
        else:
            text = lines[name]
            columns[name] = text.mask(text.isin(["?", ""]))
    return pd.DataFrame(columns)


def _layout(name: str, folder: Path) -> tuple[File, File, File]:
    """The first layout of which there is any file, else the first."""
    for files in LAYOUTS[name]:
        if any((folder / file.name).exists() for file in files):
            return files
    return LAYOUTS[name][0]


class _Lines:
    """The fields of a file as text, by column; what is wrong is named by its line."""

    def __init__(self, folder: Path, file: File):
        self.path, self.first = folder / file.name, 1 + file.header
        if not self.path.is_file():
            self.fail("is missing")
        lines = self._text().rstrip("\n").split("\n")[file.header :]
        if not any(lines):
            self.fail("is empty")
        fields = pc.split_pattern(pa.array(lines), file.separator)  # C++, for a million
        widths = pd.Series(pc.list_value_length(fields), name="the number of fields")
        self.refuse(widths != len(file.columns), widths, f"not {len(file.columns)}")
        columns = [pc.list_element(fields, at) for at in range(len(file.columns))]
        if file.blanks:
            columns = [pc.utf8_trim_whitespace(column) for column in columns]
        self.columns = {
            name: pd.Series(column, name=name, dtype="str")
            for name, column in zip(file.columns, columns, strict=True)
        }

    def _text(self) -> str:
        """The file with the line ends of Python, UTF-8 or else Latin-1."""
        content = self.path.read_bytes()
        if self.path.suffix == ".gz":
            try:
                content = gzip.decompress(content)
            except (OSError, EOFError, zlib.error) as error:
                self.fail(f"is no gzip file, or not whole: {error}")
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            text = content.decode("iso-8859-1")
        return text.replace("\r\n", "\n").replace("\r", "\n")

    def __getitem__(self, column: str) -> pd.Series:
        return self.columns[column]

    def whole(self, column: str) -> pd.Series:
        """A column of whole numbers, int64."""
        text = self[column]
        self.refuse(~text.str.fullmatch("[0-9]{1,18}"), text, "not a whole number")
        return text.astype("int64[pyarrow]").astype("int64")

    def refuse(self, wrong: pd.Series, values: pd.Series, reason: str) -> None:
        """DataError for the first line of which `wrong` is True, with its value."""
        if wrong.any():
            at = [*wrong].index(True)
            value = values.tolist()[at]
            self.fail(f"line {at + self.first}: {values.name} is {value!r}, {reason}")

    def fail(self, what: str) -> NoReturn:
        """DataError with the file, what is wrong with it, and what to do."""
        folder = self.path.parent
        raise DataError(
            f"{self.path}, {what}. Put the right file there, or delete {folder} and "
            f"load again to fetch it."
        )


def _movies(lines: _Lines) -> pd.DataFrame:
    number, title = lines.whole("movie_id"), lines["title"]
    lines.refuse(number.duplicated(), number, "as on an earlier line")
    if "year" in lines.columns:  # it is in the title elsewhere
        title = title + " (" + lines["year"] + ")"
    # "(V)", made for video, follows the year of one title in ml-100k; the year of
    # another, unknown, is spelled unkonwn in the wheel.
    dated = title.str.extract(r"^(.*?)\s*\((\d{4})\)(?: \(V\))?\s*$")
    title = dated[0].fillna(title.str.strip()).replace("unkonwn (unkonwn)", "unknown")
    year = dated[1].astype("float64")
    columns = dict(zip(MOVIES, (number, title, year, _genres(lines)), strict=True))
    return pd.DataFrame(columns)


def _genres(lines: _Lines) -> list[tuple[str, ...]]:
    if "genres" in lines.columns:
        found = (text.replace("|", " ").split(" ") for text in lines["genres"])
    else:
        for genre in GENRES:
            flag = lines[genre]
            lines.refuse(~flag.isin(["0", "1"]), flag, "not 0 or 1")
        flags = zip(*(lines[genre] == "1" for genre in GENRES), strict=True)
        found = (compress(GENRES, row) for row in flags)
    return [tuple(genre for genre in row if genre not in NO_GENRE) for row in found]


def _users(lines: _Lines) -> pd.DataFrame:
    number, age, job = lines.whole("user_id"), lines.whole("age"), lines["occupation"]
    lines.refuse(number.duplicated(), number, "as on an earlier line")
    gender = lines["gender"]
    lines.refuse(~gender.isin(["F", "M"]), gender, "not F or M")
    codes = {str(code): job for code, job in enumerate(OCCUPATIONS)}
    named = job.map(codes).fillna(job)
    lines.refuse(named.str.isdecimal(), job, f"not 0 to {len(OCCUPATIONS) - 1}")
    bracket = np.array(AGES)[np.searchsorted(BOUNDS, age, side="right")]
    columns = number, gender, bracket, named, lines["zip_code"]
    return pd.DataFrame(dict(zip(USERS, columns, strict=True)))


def _ratings(lines: _Lines, movies: pd.DataFrame, users: pd.DataFrame) -> pd.DataFrame:
    user, movie = lines.whole("user_id"), lines.whole("movie_id")
    lines.refuse(~user.isin(users["user_id"]), user, "not in the file of users")
    lines.refuse(~movie.isin(movies["movie_id"]), movie, "not in the file of movies")
    again = pd.DataFrame({"user": user, "movie": movie}).duplicated()
    lines.refuse(again, movie, "rated by this user on an earlier line")
    stars = lines["rating"].str.removesuffix(".0")
    lines.refuse(~stars.isin([*"12345"]), lines["rating"], "not 1 to 5 stars")
    stars = stars.astype("float32")
    columns = user, movie, stars, lines.whole("timestamp")
    return pd.DataFrame(dict(zip(RATINGS, columns, strict=True)))
