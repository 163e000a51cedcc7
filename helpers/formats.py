"""The files of MovieLens, as its README and RecBole 1.2.1 lay them out, to tables."""

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
    "other, educator, artist, clerical/admin, college/grad student, customer service, "
    "doctor/health care, executive, farmer, homemaker, K-12 student, lawyer, "
    "programmer, retired, sales/marketing, scientist, self-employed, "
    "technician/engineer, tradesman/craftsman, unemployed, writer"
).split(", ")
# The flags of ml-100k's u.item, in the order of its columns.
GENRES = (
    "unknown Action Adventure Animation Children's Comedy Crime Documentary Drama "
    "Fantasy Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
).split()
NO_GENRE = ("", "unknown", "(no genres listed)")


class Layout(NamedTuple):
    """How a publisher writes the three tables, in the order ratings, movies, users."""

    files: tuple[str, str, str]
    separators: tuple[str, str, str]
    widths: tuple[int, int, int]  # fields in a line
    encoding: str
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
KEYS = ["(user, movie)", "movie_id", "user_id"]  # none of them is there twice
USERS = ["user_id", "gender", "age", "occupation", "zip_code"]


def read(name: str, folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The ratings, movies and users of the set `name`, from the files in `folder`.

    Raises DataError where a file is missing or a line is wrong, and names both.
    """
    there = (x for x in LAYOUTS[name] if any((folder / f).exists() for f in x.files))
    layout = next(there, LAYOUTS[name][0])
    for file in layout.files:
        if not (folder / file).is_file():
            raise DataError(f"{folder / file} is missing. {_repair(folder)}")
    movies = pd.DataFrame(_rows(folder, layout, 1, layout.movie), columns=MOVIES)
    users = pd.DataFrame(_rows(folder, layout, 2, layout.user), columns=USERS)
    ratings = _ratings(folder, layout, users["user_id"], movies["movie_id"])
    return ratings, movies, users


def _rows(folder: Path, layout: Layout, which: int, parse: Callable) -> list[tuple]:
    """The parsed lines of one file. Slow, but it can say which line is wrong.

    parse: fields of a line -> row; row[0] is a key that no other line may have.
    """
    path, width = folder / layout.files[which], layout.widths[which]
    try:
        lines = path.read_text(layout.encoding).removesuffix("\n").split("\n")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not {layout.encoding}. {_repair(folder)}") from error
    if len(lines) <= layout.header or lines == [""]:
        raise DataError(f"{path} is empty. {_repair(folder)}")
    rows = {}
    for number, line in enumerate(lines[layout.header :], 1 + layout.header):
        fields = line.split(layout.separators[which])
        try:
            if len(fields) != width:
                raise ValueError(f"the number of fields is {len(fields)}, not {width}")
            row = parse(fields)
            if row[0] in rows:
                raise ValueError(f"{KEYS[which]} {row[0]} is on an earlier line too")
        except ValueError as wrong:
            where = f"{path}, line {number}"
            raise DataError(f"{where}: {wrong}. {_repair(folder)}") from None
        rows[row[0]] = row
    return list(rows.values())


def _ratings(
    folder: Path, layout: Layout, users: pd.Series, movies: pd.Series
) -> pd.DataFrame:
    """The ratings, all lines at once. _rows finds the wrong line where there is one."""
    separator = layout.separators[0].encode()
    text = (folder / layout.files[0]).read_bytes().replace(separator, b"\t")
    types = {0: "int64", 1: "int64", 2: "float32", 3: "int64"}
    options = {"sep": "\t", "header": None, "skiprows": int(layout.header)}
    options |= {"quoting": csv.QUOTE_NONE, "skip_blank_lines": False, "dtype": types}
    try:
        table = pd.read_csv(io.BytesIO(text), **options)
        sound = (
            table.shape[1] == 4
            and table[2].between(1, 5).all()
            and table[0].isin(users).all()
            and table[1].isin(movies).all()
            and (table[0] * 2**32 + table[1]).is_unique
        )
    except (ValueError, OverflowError):  # pandas' own errors are ValueErrors
        sound = False
    if not sound:
        known = set(users), set(movies)
        _rows(folder, layout, 0, lambda fields: _rating(*fields, *known))
        raise DataError(f"{folder / layout.files[0]} is damaged. {_repair(folder)}")
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
