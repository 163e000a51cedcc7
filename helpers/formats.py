"""The files of MovieLens, as its README and RecBole 1.2.1 lay them out, to tables."""

import codecs
import csv
import io
import re
from bisect import bisect
from collections.abc import Callable, Iterable
from itertools import compress
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from .sources import DataError

AGES = ("under 18", "18-24", "25-34", "35-44", "45-49", "50-55", "56+")
BOUNDS = (18, 25, 35, 45, 50, 56)  # years: the first of each bracket after "under 18"

# The codes 0 to 20 of ml-1m. A job that ml-100k has too is spelled as there; one that
# ml-1m draws wider or narrower ("sales/marketing") keeps its name.
OCCUPATIONS = (
    "other",
    "educator",
    "artist",
    "clerical/admin",
    "college/grad student",
    "customer service",
    "doctor/health care",
    "executive",
    "farmer",
    "homemaker",
    "K-12 student",
    "lawyer",
    "programmer",
    "retired",
    "sales/marketing",
    "scientist",
    "self-employed",
    "technician/engineer",
    "tradesman/craftsman",
    "unemployed",
    "writer",
)
# The flags of ml-100k's u.item, in the order of its columns.
GENRES = (
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
)
NO_GENRE = ("", "unknown", "(no genres listed)")


class Layout(NamedTuple):
    """How a publisher writes the three tables, in the order ratings, movies, users."""

    files: tuple[str, str, str]
    separators: tuple[str, str, str]
    widths: tuple[int, int, int]  # fields in a line
    encoding: str  # of a line that is not UTF-8
    header: bool
    movie: Callable[[list[str]], tuple]  # fields of a line -> row of the table
    user: Callable[[list[str]], tuple]


def _movie(number: str, title: str, genres: Iterable[str]) -> tuple:
    # "(V)", made for video, follows the year of one title in ml-100k.
    dated = re.fullmatch(r"(.*?)\s*\((\d{4})\)(?: \(V\))?\s*", title)
    title, year = dated.groups() if dated else (title.strip(), "nan")
    title = title.replace("unkonwn (unkonwn)", "unknown")  # so spelled in the wheel
    kept = tuple(genre for genre in genres if genre not in NO_GENRE)
    return _whole("movie", number), title, float(year), kept


def _user(number: str, gender: str, age: str, job: str, zip_code: str) -> tuple:
    if gender not in ("F", "M"):
        raise ValueError(f"the gender is {gender!r}, not F or M")
    if job.isdecimal():
        if int(job) >= len(OCCUPATIONS):
            raise ValueError(f"there is no occupation {job}")
        job = OCCUPATIONS[int(job)]
    bracket = AGES[bisect(BOUNDS, _whole("age", age))]
    return _whole("user", number), gender, bracket, job, zip_code


def _whole(what: str, text: str) -> int:
    if not text.isdecimal():
        raise ValueError(f"the {what} is {text!r}, not a whole number")
    return int(text)


_ML_1M = Layout(
    files=("ratings.dat", "movies.dat", "users.dat"),
    separators=("::", "::", "::"),
    widths=(4, 3, 5),
    encoding="iso-8859-1",
    header=False,
    movie=lambda f: _movie(f[0], f[1], f[2].split("|")),
    user=lambda f: _user(*f),
)
_ML_100K = Layout(
    files=("u.data", "u.item", "u.user"),
    separators=("\t", "|", "|"),
    widths=(4, 24, 5),
    encoding="iso-8859-1",
    header=False,
    movie=lambda f: _movie(f[0], f[1], compress(GENRES, map(int, f[5:]))),
    user=lambda f: _user(f[0], f[2], f[1], f[3], f[4]),
)
_ML_100K_IN_WHEEL = _ML_100K._replace(
    files=("ml-100k.inter", "ml-100k.item", "ml-100k.user"),
    separators=("\t", "\t", "\t"),
    widths=(4, 4, 5),
    encoding="utf-8",
    header=True,
    # The third field is "V" for the title that ends in "(1995) (V)" elsewhere.
    movie=lambda f: _movie(f[0], f"{f[1]} ({f[2]})", f[3].split(" ")),
)
LAYOUTS = {"ml-1m": (_ML_1M,), "ml-100k": (_ML_100K, _ML_100K_IN_WHEEL)}

RATINGS = ["user_id", "movie_id", "rating", "timestamp"]
MOVIES = ["movie_id", "title", "year", "genres"]
USERS = ["user_id", "gender", "age", "occupation", "zip_code"]
KEYS = ["(user, movie)", "movie_id", "user_id"]  # none of them is there twice


def read(name: str, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The ratings, movies and users of the set `name`, from the files in `folder`.

    A file may have gone through an editor: UTF-8 with or without its mark where the
    publisher wrote Latin-1, line ends of another system and blank lines at the end
    change nothing.
    Raises DataError where a file is missing or a line is wrong, and names both.
    """
    layout = _layout(name, folder)
    movies = pd.DataFrame(_rows(folder, layout, 1, layout.movie), columns=MOVIES)
    users = pd.DataFrame(_rows(folder, layout, 2, layout.user), columns=USERS)
    ratings = _ratings(folder, layout, users["user_id"], movies["movie_id"])
    return ratings, movies, users


def _layout(name: str, folder: Path) -> Layout:
    """The layout of which `folder` has all files; else an error names what is missing.

    The layout that was meant is the first of which there is any file.
    """
    layouts = LAYOUTS[name]
    meant = layouts[0]
    for layout in layouts:
        if any((folder / file).exists() for file in layout.files):
            meant = layout
            break
    for file in meant.files:
        if not (folder / file).is_file():
            raise DataError(f"{folder / file} is missing. {_repair(folder)}")
    return meant


def _content(path: Path) -> bytes:
    """The lines of a file as published, whatever an editor made of ends and start."""
    content = path.read_bytes()
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if marked or b"\0" in content:
        raise DataError(
            f"{path} is UTF-16, or no text. Save it as UTF-8. {_repair(path.parent)}"
        )
    content = content.removeprefix(codecs.BOM_UTF8)
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n").rstrip(b"\n")


def _rows(folder: Path, layout: Layout, which: int, parse: Callable) -> list[tuple]:
    """The parsed lines of one file. Slow, but it can say which line is wrong.

    parse: fields of a line -> row; row[0] is a key that no other line may have.
    """
    path = folder / layout.files[which]
    lines = _content(path).split(b"\n")
    if layout.header:
        del lines[0]
    if lines in ([], [b""]):
        raise DataError(f"{path} is empty. {_repair(folder)}")
    rows = {}
    for number, line in enumerate(lines, 2 if layout.header else 1):
        try:
            fields = _decoded(line, layout.encoding).split(layout.separators[which])
            if len(fields) != layout.widths[which]:
                raise ValueError(
                    f"the number of fields is {len(fields)}, not {layout.widths[which]}"
                )
            row = parse(fields)
            if row[0] in rows:
                raise ValueError(f"{KEYS[which]} {row[0]} is on an earlier line too")
        except ValueError as wrong:
            where = f"{path}, line {number}"
            raise DataError(f"{where}: {wrong}. {_repair(folder)}") from None
        rows[row[0]] = row
    return list(rows.values())


def _decoded(line: bytes, encoding: str) -> str:
    """The text of a line: UTF-8 where it is that, else in the encoding of its layout.

    No title of Latin-1 is UTF-8 by chance: that takes a pair such as "Ã©".
    """
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        raise ValueError(f"it is not {encoding}") from None


def _ratings(
    folder: Path, layout: Layout, users: pd.Series, movies: pd.Series
) -> pd.DataFrame:
    """The ratings, all lines at once. _rows finds the wrong line where there is one."""
    path = folder / layout.files[0]
    content = _content(path).replace(layout.separators[0].encode(), b"\t")
    try:
        table = pd.read_csv(
            io.BytesIO(content),
            sep="\t",
            header=None,
            skiprows=int(layout.header),
            dtype={0: "int64", 1: "int64", 2: "float32", 3: "int64"},
            quoting=csv.QUOTE_NONE,
            skip_blank_lines=False,
        )
        sound = (
            table.shape[1] == 4
            and table[2].between(1, 5).all()
            and table[0].isin(users).all()
            and table[1].isin(movies).all()
            and not table.duplicated([0, 1]).any()
        )
    except (ValueError, OverflowError):  # pandas' own errors are ValueErrors
        sound = False
    if not sound:
        known = set(users), set(movies)
        _rows(folder, layout, 0, lambda fields: _rating(*fields, *known))
        raise DataError(f"{path} is damaged. {_repair(folder)}")
    table.columns = RATINGS
    return table


def _rating(
    user: str, movie: str, rating: str, time: str, users: set[int], movies: set[int]
) -> tuple:
    key = _whole("user", user), _whole("movie", movie)
    if key[0] not in users:
        raise ValueError(f"user {user} is not in the file of users")
    if key[1] not in movies:
        raise ValueError(f"movie {movie} is not in the file of movies")
    try:
        value = float(rating)
    except ValueError:
        raise ValueError(f"the rating is {rating!r}, not a number") from None
    if not 1 <= value <= 5:
        raise ValueError(f"the rating is {rating}, not between 1 and 5")
    return key, value, _whole("timestamp", time)


def _repair(folder: Path) -> str:
    return f"Put the right file there, or delete {folder} and load again to fetch it."
