"""MovieLens to three DataFrames, and Adult to one. Knows files, no model."""

import os
import warnings
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from . import formats, sources
from .sources import DataError, Unavailable

__all__ = ["DATA", "DataError", "MovieLens", "Unavailable", "adult", "load"]

DATA = Path(__file__).resolve().parent.parent / "data"
ROWS = {"ml-1m": 1_000_209, "ml-100k": 100_000, "adult": 32_561}  # ratings, or people


@dataclass(frozen=True, eq=False)
class MovieLens:
    """One MovieLens set.

    ratings: user_id int64, movie_id int64, rating float32 (1 to 5), timestamp int64
        (seconds since 1970, UTC), in file order.
    movies: movie_id, title (without the year), year float64 (NaN: unknown), genres (a
        tuple of str, empty where the movie has none).
    users: user_id, gender ("F", "M"), age (one of formats.AGES), occupation, zip_code
        (str).
    """

    name: str
    ratings: pd.DataFrame
    movies: pd.DataFrame
    users: pd.DataFrame

    def joined(self) -> pd.DataFrame:
        """One row a rating, in file order, with all columns of the three tables."""
        rows = self.ratings.join(self.users.set_index("user_id"), on="user_id")
        return rows.join(self.movies.set_index("movie_id"), on="movie_id")

    def __repr__(self) -> str:
        counts = f"{len(self.ratings):,} ratings, {len(self.movies):,} movies"
        return f"<MovieLens {self.name}: {counts}, {len(self.users):,} users>"


def load(name: str | None = None, data_dir: Path | None = None) -> MovieLens:
    """A MovieLens set, "ml-1m" or "ml-100k", fetched first where it is not on disk.

    name: exactly that set, or an error. None: the set in $MOVIELENS; else ml-1m; else,
        where no source gives ml-1m, ml-100k, and one printed line says so.
    data_dir: where the sets are kept. None: the data/ folder of this project.
    Warns of a file with fewer ratings than the set has: it may have been cut short.
    Raises DataError, whose message says what is wrong, where, and what to do.
    """
    data_dir = Path(data_dir or DATA).expanduser()
    name = name or os.environ.get("MOVIELENS") or None
    if name not in (None, *formats.LAYOUTS):
        raise DataError(
            f"There is no set {name!r}. Choose {' or '.join(formats.LAYOUTS)}."
        )
    try:
        first = name or "ml-1m"
        return _read(first, sources.folder(first, data_dir))
    except Unavailable:
        if name:
            raise
    data = _read("ml-100k", sources.folder("ml-100k", data_dir))
    print(
        f"This is ml-100k, {len(data.ratings):,} ratings: ml-1m is not in "
        f"{data_dir.name}/ and no source gave it. load('ml-1m') says why."
    )
    return data


def adult(data_dir: Path | None = None) -> pd.DataFrame:
    """UCI Adult ("Census Income"), fetched first where it is not on disk.

    ->  32,561 rows in file order: a person each, of the US census of 1994. age, fnlwgt,
        education_num, capital_gain, capital_loss, hours_per_week int64; the others str,
        missing where the file has "?"; income is "<=50K" or ">50K" (dollars a year)

    data_dir: as of load(). $MOVIELENS says nothing of it.
    Warns and raises as load().
    """
    data_dir = Path(data_dir or DATA).expanduser()
    return _people(sources.folder("adult", data_dir))


def _read(name: str, folder: Path) -> MovieLens:
    data = MovieLens(name, *formats.read(name, folder))
    _warn_of_fewer(name, len(data.ratings), folder)
    return data


def _people(folder: Path) -> pd.DataFrame:
    people = formats.read_adult(folder)
    _warn_of_fewer("adult", len(people), folder)
    return people


def _warn_of_fewer(name: str, rows: int, folder: Path) -> None:
    """A file that was cut at the end of a line reads as a smaller one."""
    if rows < ROWS[name]:
        warnings.warn(
            f"{folder} has {rows:,} of the {ROWS[name]:,} rows of {name}. Where nobody "
            f"took some out, delete it and load again.",
            stacklevel=4,
        )
