"""Three kinds of fields: a number, a value, a list of values.

Each learns from training rows, frame by frame, encodes any rows, says what is wrong
with a column, describes itself to a model, and is written as JSON. All learn exactly,
whatever the cut into frames, and keep until then: a number nothing, with `intervals`
all different numbers; a value or a list all different values, hashed ones nothing; a
history all pairs of its log. What kinds share:

column: where the values stand; the name of the field where it is None.
missing: "refuse" (an error with column and rows), or what the kind offers beside it.
"""

import warnings
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from itertools import chain
from typing import ClassVar

import numpy as np
import pandas as pd

from helpers import values, vocabulary
from helpers.moments import Moments
from helpers.state import Learned
from helpers.values import Distinct
from helpers.vocabulary import FIRST, PADDING, UNKNOWN, Hashed

NUMERIC, CATEGORICAL, MULTI = "numeric", "categorical", "multi-categorical"
REFUSE = "refuse"
LARGE, FILLED = 2**26, 0.05  # bytes and share of an array of lists that is worth a word


@dataclass(frozen=True)
class FieldSpec:
    """What a model must know of a field; nothing that was learned but sizes.

    size: ids, padding and unknown included (0 for a number).
    length: columns of the encoded array; None where lists have any length.
    owners: rows of a history's table of lists (0 for other kinds).
    """

    name: Hashable
    kind: str
    size: int = 0
    length: int | None = 1
    owners: int = 0

    @property
    def dtype(self) -> str:
        """Of the encoded array."""
        return "float32" if self.kind == NUMERIC else "int32"


class Field(Learned):
    """One input of a model. fit() is start(), observe() for each frame, finish()."""

    column: Hashable = None

    def columns(self, name: Hashable) -> list[Hashable]:
        """The columns of raw rows that encode() reads."""
        return [name if self.column is None else self.column]

    def columns_to_learn(self, name: Hashable) -> list[Hashable]:
        """The columns of raw rows that observe() reads."""
        return self.columns(name)

    def start(self) -> None:
        """Begin to learn."""
        raise NotImplementedError

    def observe(self, name: Hashable, rows: pd.DataFrame) -> None:
        """Learn from one more frame. The order of frames makes no difference."""
        raise NotImplementedError

    def finish(self, name: Hashable) -> None:
        """Close what was learned. Raises ValueError where that is nothing."""
        raise NotImplementedError

    def encode(self, name: Hashable, rows: pd.DataFrame) -> np.ndarray:
        """(n, L). Raises ValueError that names column, value and rows."""
        raise NotImplementedError

    def spec(self, name: Hashable) -> FieldSpec:
        """What a model must know. Needs finish()."""
        raise NotImplementedError

    def meaning(self) -> dict:
        """The part of state() that a model's weights depend on."""
        return self.state()

    def _only(self, **choices: tuple) -> None:
        """Raise ValueError where a setting is none of its choices."""
        for setting, allowed in choices.items():
            if (given := getattr(self, setting)) not in allowed:
                raise ValueError(f"{setting} is one of {allowed}, not {given!r}.")

    def _whole(self, *settings: str, least: int = 1) -> None:
        """Make settings Python integers. Raises ValueError below `least`."""
        for setting in settings:
            given = getattr(self, setting)
            if given is not None or getattr(type(self), setting) is not None:
                setattr(self, setting, values.whole(setting, given, least))


@dataclass
class Numeric(Field):
    """A number x, for the model (x - mean) / sd, float32: (n, 1).

    missing: "refuse"; "mean": it counts as the mean of the training rows; "value": a
        missing number has an id of its own, which needs `intervals`.
    log: take sign(x) log(1 + |x|) first, where numbers differ by magnitudes.
    intervals: that many ids, (n, 1) int32, cut at quantiles of the training rows, so
        that the model learns a row for each, not a straight line. Fewer where many rows
        share a number. It keeps all different numbers while it learns.
    dates: the column holds dates; they count as days since 1970-01-01 UTC.

    A column of one number, as far as 32 bits can tell, is 0 throughout: no weight can
    learn what it means when it changes. A number so far from those of training that 32
    bits cannot hold its distance is refused.
    """

    kind: ClassVar[str] = NUMERIC
    column: Hashable = None
    missing: str = REFUSE
    log: bool = False
    intervals: int | None = None
    dates: bool = False

    def __post_init__(self):
        yes_no = (True, False)
        self._only(missing=(REFUSE, "mean", "value"), log=yes_no, dates=yes_no)
        self._whole("intervals", least=2)
        if self.missing == ("mean" if self.intervals else "value"):
            raise ValueError(
                'missing="value" needs intervals, and missing="mean" has none.'
            )

    def start(self) -> None:
        self._moments, self._missing = Moments(), False
        self._counted = np.zeros((2, 0))

    def observe(self, name: Hashable, rows: pd.DataFrame) -> None:
        x = self._numbers(rows[self.columns(name)[0]])
        there = x[~np.isnan(x)]
        self._missing = self._missing or len(there) < len(x)
        codes, different = pd.factorize(there)
        counts = np.bincount(codes, minlength=len(different))
        if self.intervals:
            both = np.hstack([self._counted, [different, counts]])
            codes, different = pd.factorize(both[0])
            self._counted = np.array([different, np.bincount(codes, both[1])])
        else:
            self._moments.add(different, counts)

    def finish(self, name: Hashable) -> None:
        if not (self._moments.count or self._counted.size):
            raise ValueError(f"Field {name!r}: no training row has a number.")
        if self.intervals:
            self._cut()
        else:
            self._scale()
        self.missing_ = self._missing
        del self._moments, self._counted, self._missing

    def _scale(self) -> None:
        self.mean_, self.scale_ = self._moments.mean, self._moments.scale

    def _cut(self) -> None:
        x, counts = self._counted
        shares = np.arange(1, self.intervals) / self.intervals
        cuts = np.quantile(x, shares, weights=counts, method="inverted_cdf")
        self.cuts_ = np.unique(cuts[cuts < x.max()]).tolist()

    def encode(self, name: Hashable, rows: pd.DataFrame) -> np.ndarray:
        column = rows[self.columns(name)[0]]
        x = self._numbers(column)
        if self.intervals:
            return self._interval(x)[:, None]
        if not self.scale_:
            return np.zeros((len(x), 1), "float32")
        with np.errstate(over="ignore"):
            z = ((x - self.mean_) / self.scale_).astype("float32")
        values.refuse(column, np.isinf(z), "is too far from training rows")
        return np.where(np.isnan(z), np.float32(0), z)[:, None]

    def _interval(self, x: np.ndarray) -> np.ndarray:
        ids = FIRST + np.searchsorted(self.cuts_, x)
        of_missing = FIRST + len(self.cuts_) + 1 if self.missing_ else UNKNOWN
        return np.where(np.isnan(x), of_missing, ids).astype("int32")

    def _numbers(self, column: pd.Series) -> np.ndarray:
        """(n,) float64, NaN where missing is allowed and missing."""
        x = values.numbers(column, self.dates)
        if self.missing == REFUSE:
            values.refuse(column, np.isnan(x), *_is_missing('missing="mean"'))
        return np.sign(x) * np.log1p(np.abs(x)) if self.log else x

    def spec(self, name: Hashable) -> FieldSpec:
        self.check_learned()
        if self.intervals:
            size = FIRST + len(self.cuts_) + 1 + self.missing_
            return FieldSpec(name, CATEGORICAL, size)
        return FieldSpec(name, NUMERIC)


class _Coded(Field):
    """What a value and a list of values share: a vocabulary."""

    min_count: int
    buckets: int | None

    def _check_settings(self) -> None:
        self._whole("min_count", "buckets")
        if self.buckets and self.min_count > 1:
            raise ValueError("A hashed field has an id for every value: no min_count.")

    def start(self) -> None:
        self._frequency = Counter()

    def _count(self, found: Distinct, times: np.ndarray | None = None) -> None:
        """Count the values of a frame. times: as of vocabulary.tally()"""
        if self.buckets:  # all have ids, however many they are: they count as one
            one = np.minimum(found.codes, 0)
            found = found._replace(codes=one, values=found.values[:1])
        vocabulary.tally(self._frequency, found, times)

    def finish(self, name: Hashable) -> None:
        seen = self._frequency
        self.holds_ = vocabulary.kind_of(seen)
        self.values_ = [] if self.buckets else vocabulary.known(seen, self.min_count)
        self._ids = None
        del self._frequency

    def restore(self, learned: dict) -> None:
        super().restore(learned)
        self._ids = None

    @property
    def vocabulary(self):
        """Value -> id, for all values of training that have one of their own."""
        self.check_learned()
        if self._ids is None:
            self._ids = (
                Hashed(self.buckets)
                if self.buckets
                else {value: i for i, value in enumerate(self.values_, FIRST)}
            )
        return self._ids

    @property
    def _size(self) -> int:
        self.check_learned()
        return FIRST + (self.buckets or len(self.values_))


@dataclass
class Categorical(_Coded):
    """One of many values, as its id: (n, 1) int32.

    min_count: values that fewer training rows hold count as unknown, which so learns
        what a rare value is like. With 1, no training row is unknown.
    missing: "refuse"; "value": missing is a value like others, and counted as they are.
    buckets: hash values into that many ids, whatever they are; several can share one.
    """

    kind: ClassVar[str] = CATEGORICAL
    column: Hashable = None
    min_count: int = 1
    missing: str = REFUSE
    buckets: int | None = None

    def __post_init__(self):
        self._only(missing=(REFUSE, "value"))
        self._check_settings()

    def observe(self, name: Hashable, rows: pd.DataFrame) -> None:
        self._count(self._distinct(name, rows))

    def finish(self, name: Hashable) -> None:
        self.missing_ = self._frequency[None] >= self.min_count
        super().finish(name)

    def encode(self, name: Hashable, rows: pd.DataFrame) -> np.ndarray:
        found = self._distinct(name, rows)
        ids = vocabulary.ids(found, self.vocabulary, self.holds_)
        of_missing = self._size if self.missing_ else UNKNOWN
        return np.append(ids, of_missing).astype("int32")[found.codes][:, None]

    def _distinct(self, name: Hashable, rows: pd.DataFrame) -> Distinct:
        column = rows[self.columns(name)[0]]
        found = values.distinct(column)
        if self.missing == REFUSE:
            values.refuse(column, found.codes < 0, *_is_missing('missing="value"'))
        return found

    def spec(self, name: Hashable) -> FieldSpec:
        return FieldSpec(name, CATEGORICAL, self._size + self.missing_)


@dataclass
class MultiCategorical(_Coded):
    """A list of values, as their ids, padded with 0: (n, L) int32.

    A list is a list, tuple, set or array. L is the length of the longest list of
    training; where rows to encode hold a longer one, their L is larger, and a model
    takes it: nothing is cut.

    separator: the column holds text, cut at it: "Action|Comedy". Blanks around a value
        do not count, and empty text is an empty list.
    longest: keep the first so many values of each list.
    missing: "refuse"; "empty": as an empty list.
    min_count, buckets: as of Categorical; a value counts as often as lists hold it.
    """

    kind: ClassVar[str] = MULTI
    column: Hashable = None
    min_count: int = 1
    missing: str = REFUSE
    buckets: int | None = None
    separator: str | None = None
    longest: int | None = None

    def __post_init__(self):
        self._only(missing=(REFUSE, "empty"))
        self._check_settings()
        self._whole("longest")
        if self.separator is not None and not (
            isinstance(self.separator, str) and self.separator
        ):
            raise ValueError(
                f"A separator is text of one character at least, not {self.separator!r}"
            )

    def start(self) -> None:
        super().start()
        self._longest = 1

    def observe(self, name: Hashable, rows: pd.DataFrame) -> None:
        lists = self._lists(name, rows)
        self._longest = max(self._longest, lists.lengths.max(initial=1))
        times = np.bincount(lists.row, minlength=len(lists.lengths))
        each = np.repeat(times, lists.lengths)
        self._count(lists.found, each)

    def finish(self, name: Hashable) -> None:
        super().finish(name)
        self.length_ = int(self._longest)

    def encode(self, name: Hashable, rows: pd.DataFrame) -> np.ndarray:
        lists = self._lists(name, rows)
        ids = vocabulary.ids(lists.found, self.vocabulary, self.holds_)
        length = max(self.length_, lists.lengths.max(initial=0))
        self._check_memory(name, rows, lists, length)
        table = np.full((len(lists.lengths), length), PADDING, dtype="int32")
        table[np.arange(length) < lists.lengths[:, None]] = ids[lists.found.codes]
        return table[lists.row]

    def spec(self, name: Hashable) -> FieldSpec:
        return FieldSpec(name, MULTI, self._size, None)

    def _lists(self, name: Hashable, rows: pd.DataFrame) -> "_Lists":
        column = rows[self.columns(name)[0]]
        objects = column.to_numpy(object)
        # Rows of a joined table share the lists of its movies: each is read once.
        ids = np.fromiter(map(id, objects), dtype="int64", count=len(objects))
        row, different = pd.factorize(ids)
        first = np.empty(len(different), dtype="int64")
        first[row[::-1]] = np.arange(len(row))[::-1]
        different = objects[first]
        absent = np.array([_is_absent(value) for value in different], dtype=bool)
        if self.missing == REFUSE:
            values.refuse(column, absent[row], *_is_missing('missing="empty"'))
        pairs = zip(different, absent, strict=True)
        lists = [[] if missing else self._list(value) for value, missing in pairs]
        odd = np.array([found is None for found in lists], dtype=bool)
        values.refuse(column, odd[row], *self._advice())
        return _Lists(column, row, lists)

    def _list(self, value) -> list | None:
        """The values of a list, None where it is none."""
        if isinstance(value, str):
            found = self._split(value)
        elif isinstance(value, list | tuple):
            found = value
        elif isinstance(value, set | frozenset):
            found = sorted(value, key=_place)
        elif isinstance(
            value, np.ndarray | pd.Series | pd.api.extensions.ExtensionArray
        ):
            found = values.listed(value) if np.ndim(value) == 1 else None
        else:
            found = None
        return found[: self.longest] if found is not None else None

    def _split(self, text: str) -> list[str] | None:
        if self.separator is None:
            return None
        return [part.strip() for part in text.split(self.separator) if part.strip()]

    def _advice(self) -> tuple[str, str]:
        do = "Make lists of them."
        if self.separator is None:
            do = 'Text such as "a|b" needs MultiCategorical(separator="|").'
        return "is no list of text or numbers", do

    def _check_memory(self, name, rows: pd.DataFrame, lists: "_Lists", length: int):
        """Warn where few long lists make an array that is large and nearly empty."""
        size = 4 * len(rows) * length
        per_row = lists.lengths[lists.row]
        filled = per_row.sum() / max(1, len(rows) * length)
        if size <= LARGE or filled >= FILLED:
            return
        label = rows.index[int(per_row.argmax())]
        usual = max(1, int(np.quantile(per_row, 0.99)))
        warnings.warn(
            f"Field {name!r}: a list of {per_row.max()} values in row {label!r} makes "
            f"an array of {size / 2**20:.0f} MiB, {filled:.2%} filled. 99 of 100 lists "
            f"have {usual} values at most: MultiCategorical(longest={usual}) takes "
            f"{size / length * usual / 2**20:.1f} MiB.",
            stacklevel=3,
        )


class _Lists:
    """Different lists and the rows that hold them.

    row: (n,) the list of each row; lengths: (m,) of each list
    found: the Distinct of all values of the m lists, one list after the other
    """

    def __init__(self, column: pd.Series, row: np.ndarray, lists: list[list]):
        self.row = row
        self.lengths = np.array([*map(len, lists)], dtype="int64")
        number = int(self.lengths.sum())
        flat = np.fromiter(chain.from_iterable(lists), dtype=object, count=number)
        list_of = np.repeat(np.arange(len(lists)), self.lengths)

        def refuse_rows(bad: np.ndarray, *words: str) -> None:
            of_list = np.bincount(list_of[bad], minlength=len(lists)) > 0
            values.refuse(column, of_list[row], *words)

        series = pd.Series(flat, name=column.name, dtype=object)
        self.found = values.distinct(series, refuse_rows)
        refuse_rows(self.found.codes < 0, "lists a missing value", "Take it off.")


def _place(value) -> tuple:
    """Where a value of a set stands: sets of equal values have one order."""
    plain = values.canonical(value)
    return (
        plain is None,
        isinstance(plain, str),
        repr(value) if plain is None else plain,
    )


def _is_absent(value) -> bool:
    return pd.api.types.is_scalar(value) and pd.isna(value)


def _is_missing(option: str) -> tuple[str, str]:
    return "has a missing value", f"Fill them, or give the field {option}."
