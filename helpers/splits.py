"""Split functions: which rows train, validate and test. Each answers its own question.

All give a Split: three DataFrames without a row in common that hold every row.
"""

import datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import values

#: One bit a rating of ml-100k, in the order of u.data: whether it is a test row.
MCREC = Path(__file__).with_name("mcrec.bits")


class Split(NamedTuple):
    """Rows to train on, rows to choose on, rows to judge by.

    Three tables; training.prepare() takes three parquet.Parquet, too.
    """

    train: pd.DataFrame
    valid: pd.DataFrame
    test: pd.DataFrame


def random_rows(rows: pd.DataFrame, seed: int) -> Split:
    """Random rows: how well are missing ratings of known users filled in?

    The order is numpy.random.default_rng(seed).permutation(n): test rows are the first
    n // 10 of it, validation rows the next n // 10, the rest is training.

    Raises ValueError for fewer than ten rows.
    """
    values.check_columns(rows, [])
    n = _at_least_ten(len(rows), "rows")
    test, valid, train = _tenths(np.random.default_rng(seed).permutation(n))
    return Split(rows.iloc[train], rows.iloc[valid], rows.iloc[test])


def unseen_users(rows: pd.DataFrame, seed: int, user: str = "user_id") -> Split:
    """Random users with all their rows: how well is a newcomer served?

    A tenth of the users to test, a tenth to validation; rows stay in their order.

    Raises ValueError for fewer than ten users, and for users that are lists.
    """
    values.check_columns(rows, [user])
    try:
        code, users = pd.factorize(rows[user], use_na_sentinel=False)
    except (TypeError, NotImplementedError):
        values.distinct(rows[user])  # says which rows cannot be
        raise
    n = _at_least_ten(len(users), f"values of {user!r}")
    tenths = _tenths(np.random.default_rng(seed).permutation(n))
    test, valid, train = (np.isin(code, tenth) for tenth in tenths)
    return Split(rows[train], rows[valid], rows[test])


def later_ratings(rows: pd.DataFrame, time: str = "timestamp") -> Split:
    """The last tenth in time to test, the tenth before to validation: what comes next?

    No row is older than any row of the one before. Rows of one moment stay together,
    so that validation and test can be a little smaller than a tenth.

    Times are dates or numbers; text counts where it reads as a number, since the order
    of text is not that of time.

    Raises ValueError for fewer than ten rows, for times that are missing or no times,
    and where so many rows share a moment that one of them stays empty.
    """
    values.check_columns(rows, [time])
    n = _at_least_ten(len(rows), "rows")
    when = rows[time]
    values.refuse(when, when.isna(), "has a missing value", "Drop those rows.")
    moments = _moments(when)
    in_order = np.sort(moments)
    # the first row after the last one that the rows before must still hold
    begins = [in_order[n - tenths * (n // 10) - 1] for tenths in (2, 1)]
    valid, test = moments > begins[0], moments > begins[1]
    split = Split(rows[~valid], rows[valid & ~test], rows[test])
    if not all(map(len, split)):
        raise ValueError(
            f"Column {time!r} tells only {when.nunique()} moments apart in {n} rows: "
            "too few to split by time. Does this set have timestamps?"
        )
    return split


def mcrec(rows: pd.DataFrame, seed: int | None = None) -> Split:
    """The split of ml-100k that published figures of lists are measured on.

    As Hu et al. (KDD 2018) drew it for MCRec and Ferrari Dacrema et al. (TOIS 2021)
    published results on it: 80,000 rows to train, 20,000 to judge.

    rows: all ratings of ml-100k, in the order of u.data
    seed: None leaves validation empty. A number draws a fifth of the training rows for
        it, as default_rng(seed).permutation has them: to choose settings by.

    Raises ValueError for another number of rows.
    """
    values.check_columns(rows, [])
    bits = np.frombuffer(MCREC.read_bytes(), "uint8")
    test = np.unpackbits(bits).astype(bool)
    if len(rows) != len(test):
        raise ValueError(
            f"{len(rows)} rows are not the {len(test)} ratings of ml-100k, the only "
            "set that this split is of."
        )
    train = rows[~test]
    if seed is None:
        return Split(train, rows[:0], rows[test])
    order = np.random.default_rng(seed).permutation(len(train))
    valid, train = (train.iloc[part] for part in np.split(order, [len(order) // 5]))
    return Split(train, valid, rows[test])


def of_each_user(rows: pd.DataFrame, seed: int, user: str = "user_id") -> Split:
    """A random fifth of each user's rows to test: all users' lists can be judged.

    The parts are cut by default_rng(seed).permutation of all rows, and keep its order.
    A user with fewer than five rows has none to test. Validation is empty.

    Raises ValueError for fewer than ten rows, and for users that are lists.
    """
    values.check_columns(rows, [user])
    n = _at_least_ten(len(rows), "rows")
    mixed = rows.iloc[np.random.default_rng(seed).permutation(n)]
    codes = pd.Series(values.distinct(mixed[user]).codes)
    place = codes.groupby(codes).cumcount().to_numpy()
    test = place < codes.map(codes.value_counts()).to_numpy() // 5
    return Split(mixed[~test], mixed[:0], mixed[test])


def _moments(when: pd.Series) -> np.ndarray:
    """Times in a form that can be compared: (n,)."""
    if when.dtype.kind in "iufmM":
        return when.to_numpy()
    first = when.iloc[0]
    dates = isinstance(first, datetime.date | np.datetime64 | pd.Period)
    return values.numbers(when, dates=dates)


def _at_least_ten(n: int, what: str) -> int:
    if n < 10:
        raise ValueError(f"{n} {what} cannot be split: ten are needed at least.")
    return n


def _tenths(order: np.ndarray) -> list[np.ndarray]:
    """The first tenth, the second, and the rest."""
    return np.split(order, [len(order) // 10, 2 * (len(order) // 10)])
