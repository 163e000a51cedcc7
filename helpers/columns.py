"""One column of a table, and what can be asked of it before a model sees it."""

import datetime
from functools import cached_property

import numpy as np
import pandas as pd

from helpers import values

FOLDS, BINS, PRIOR = 5, 50, 20.0  # of the AUC; PRIOR: rows that the mean counts as
OFTEN = 20  # rows a number, on average, from which each counts for itself
LEAST = 10  # ones, and zeros, without which no AUC is computed; rows of one order
DATE = (
    r"\s*\d{4}([-/.])\d{1,2}\1\d{1,2}(?:[T ].*)?|"
    r"\s*\d{1,2}[./]\d{1,2}[./]\d{2,4}(?: .*)?|\s*\d{1,2}-\d{1,2}-\d{4}(?: .*)?"
)
#: An amount as people write it: "$1,234.50", "3,14", "45 %".
AMOUNT = r"[\s$€£]*[-+]?[\s$€£]*(?:\d{1,3}(?:[,' ]\d{3})+|\d+)(?:[.,]\d+)?[\s%$€£]*"


class Column:
    """A column, and what the rules ask of it."""

    def __init__(self, column: pd.Series):
        if isinstance(column.dtype, pd.SparseDtype):  # of which no rows can be chosen
            column = column.sparse.to_dense()
        self.column, self.n = column, len(column)
        self.missing = column.isna().to_numpy(bool)
        self.filled = column[~self.missing]
        self.odd = ""
        try:
            self.codes, self.values = self._coded()
            if self.values and not (self.is_date or self.is_list or self.is_text):
                values.numbers(self.column)  # of more than 32 bits are none
        except ValueError as error:
            self.codes, self.values, self.odd = np.full(self.n, -1), [], str(error)

    def _coded(self) -> tuple[np.ndarray, list]:
        """Codes, -1 where missing, and the values; text is stripped of nothing."""
        if self.is_date or self.is_list:
            text = self.column.map(repr)
            codes, found = pd.factorize(text.mask(self.missing))
            return codes, [*found]
        found = values.distinct(self.column)
        return found.codes, found.values

    @cached_property
    def first(self):
        """A value that is there, None without one."""
        return self.filled.iloc[0] if len(self.filled) else None

    @cached_property
    def counts(self) -> np.ndarray:
        """Rows of each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @cached_property
    def is_list(self) -> bool:
        """Whether it holds lists, tuples, sets or arrays."""
        return isinstance(self.first, list | tuple | set | frozenset | np.ndarray)

    @cached_property
    def is_text(self) -> bool:
        """Whether its values are text."""
        return bool(self.values) and isinstance(self.values[0], str)

    @cached_property
    def is_date(self) -> bool:
        """Whether it holds dates, or text that is written as dates are."""
        if self.column.dtype.kind == "M" or isinstance(
            self.first, datetime.date | np.datetime64 | pd.Period
        ):
            return True
        is_text = self.filled.map(lambda value: isinstance(value, str))
        if not is_text.all() or self.first is None:
            return False
        return bool(self.filled.astype(str).str.fullmatch(DATE).all())

    @cached_property
    def is_day(self) -> bool:
        """Whether all its numbers read as year, month and day: 20240131."""
        if self.numbers is None or not self.is_whole:
            return False
        x = np.unique(self.numbers[~self.missing])
        month, day = x // 100 % 100, x % 100
        of_year = (x >= 1900_01_01) & (x <= 2100_12_31)
        of_month = (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
        return bool((of_year & of_month).all())

    @cached_property
    def is_measured(self) -> bool:
        """Whether it holds lists of numbers that are not whole."""
        held = [value for found in self.filled for value in found]
        known = [values.canonical(value) for value in held[:1000]]
        return any(isinstance(value, float) for value in known)

    @cached_property
    def almost(self) -> tuple[float, str]:
        """Of text: which share of rows reads as amounts, and a value that does not yet.

        The value is that of most rows among those that values.numbers() does not read.
        """
        texts = pd.Series(self.values, dtype=object)
        now = pd.to_numeric(texts, errors="coerce").notna()
        then = now | texts.str.fullmatch(AMOUNT)
        share = self.counts[then].sum() / len(self.filled)
        odd = "" if now.all() else self.values[np.where(now, 0, self.counts).argmax()]
        return float(share), odd

    @cached_property
    def numbers(self) -> np.ndarray | None:
        """(n,) float64, NaN where missing; None where its values are no numbers."""
        if self.odd or self.is_date or self.is_list or not self.values:
            return None
        try:
            return values.numbers(self.column)
        except ValueError:
            return None

    @cached_property
    def is_whole(self) -> bool:
        """Whether all its numbers are whole."""
        x = self.numbers[~self.missing]
        return bool((x == np.round(x)).all())

    @cached_property
    def is_epoch(self) -> bool:
        """Whether they are large enough for seconds since 1970, or parts of them."""
        return self.numbers is not None and bool(np.nanmin(self.numbers) > 1e8)

    @cached_property
    def alone(self) -> float:
        """The share of rows whose value no other row has."""
        return float((self.counts == 1).sum() / max(1, len(self.filled)))

    def auc(self, y: np.ndarray) -> float:
        """See suggest(). y: (n,) of 0 and 1; NaN where there are too few of one."""
        from helpers import probabilities  # with SciPy: an encoder starts without

        if self.odd or min(y.sum(), len(y) - y.sum()) < LEAST:
            return np.nan
        group = self._groups()
        fold = _folds(y)
        said = np.empty(self.n)
        size = group.max() + 1
        for number in range(FOLDS):
            other, own = fold != number, fold == number
            ones = np.bincount(group[other], y[other], minlength=size)
            rows = np.bincount(group[other], minlength=size)
            mean = (ones + PRIOR * y.mean()) / (rows + PRIOR)
            said[own] = mean[group[own]]
        return probabilities.auc(said, y)

    def _groups(self) -> np.ndarray:
        """(n,) from 0: values, or intervals of numbers where there are many values."""
        codes = self.codes
        many = len(self.values) > max(BINS, self.n / OFTEN)
        if self.numbers is not None and many:
            x = self.numbers
            cuts = np.unique(np.nanquantile(x, np.arange(1, BINS) / BINS))
            codes = np.where(self.missing, -1, np.searchsorted(cuts, x))
        return codes + 1


def _folds(y: np.ndarray) -> np.ndarray:
    """(n,) numbers of folds; each has its share of ones."""
    order = np.random.default_rng([5, 0]).permutation(len(y))
    order = order[np.argsort(y[order], kind="stable")]
    fold = np.empty(len(y), "int64")
    fold[order] = np.arange(len(y)) % FOLDS
    return fold
