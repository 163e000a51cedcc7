"""A history: the items that an owner has in a log, such as the films a user liked."""

import hashlib
import json
from collections import Counter
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from helpers import values, vocabulary
from helpers.kinds import Field, FieldSpec
from helpers.vocabulary import FIRST, UNKNOWN

HISTORY = "history"
LARGEST = 2**31  # bytes of one table of lists, of which a training needs four times


@dataclass
class History(Field):
    """For each owner of a log the items it has there: (n, 2) int32.

    The two numbers of a row are the owner's row in the table of lists (0: the log does
    not hold the owner) and the row's own item, which the model leaves out: what it
    shall predict must not be among what it knows.

    owner, item: columns of the log, such as "user_id" and "movie_id"
    value, at_least, below: only rows whose `value` is at least the one and below the
        other, such as History("user_id", "movie_id", "rating", at_least=4)

    What a list tells of the row itself: the list of likes is one shorter in the rows
    that were liked, so that a model that knows the owner can tell them apart in
    training. In rows that are not in the log, such as test rows, nothing is left out.
    benchmarks/leave_one_out.py tries cures, on validation rows.
    """

    kind: ClassVar[str] = HISTORY
    owner: Hashable
    item: Hashable
    value: Hashable = None
    at_least: float | None = None
    below: float | None = None

    def __post_init__(self):
        self._finite("at_least", "below")
        limits = [self.at_least, self.below]
        if self.value is None and limits != [None, None]:
            raise ValueError(
                "at_least and below are limits of a value: name its column."
            )
        if self.value is not None and limits == [None, None]:
            raise ValueError("A value needs at_least or below, or has no effect.")
        if None not in limits and not limits[0] < limits[1]:
            raise ValueError(f"No value is at least {limits[0]} and below {limits[1]}.")

    def columns(self, name: Hashable) -> list[Hashable]:
        return [self.owner, self.item]

    def columns_to_learn(self, name: Hashable) -> list[Hashable]:
        return [self.owner, self.item] + ([] if self.value is None else [self.value])

    def start(self) -> None:
        self._owners, self._items = Counter(), Counter()
        self._pairs: list[tuple] = []

    def observe(self, name: Hashable, rows: pd.DataFrame) -> None:
        owner, item = self._distinct(rows)
        vocabulary.tally(self._owners, owner)
        vocabulary.tally(self._items, item)
        self._pairs.append(self._pairs_of(owner, item, self._listed(rows)))

    def finish(self, name: Hashable) -> None:
        self.items_ = vocabulary.known(self._items)
        self.holds_ = [vocabulary.kind_of(seen) for seen in (self._owners, self._items)]
        self._take(vocabulary.known(self._owners), self._pairs)
        del self._owners, self._items, self._pairs

    def with_log(self, log: pd.DataFrame) -> "History":
        """A new History with the lists of another log, such as that of newcomers.

        The ids of items stay, so that a model's weights keep their meaning; items that
        training did not hold are on no list. This object stays as it is.
        Raises ValueError for missing columns or values; warns where none of several
        items is known.
        """
        self.check_learned()
        values.check_columns(log, self.columns_to_learn(None))
        owner, item = self._distinct(log)
        values.check_one_kind(owner, self.holds_[0])
        vocabulary.ids(item, self._item_ids, self.holds_[1])
        other = self.fresh()
        other.items_, other.holds_ = self.items_, self.holds_
        seen: Counter = Counter()
        vocabulary.tally(seen, owner)
        pairs = self._pairs_of(owner, item, self._listed(log))
        other._take(vocabulary.known(seen), [pairs])
        return other

    def encode(self, name: Hashable, rows: pd.DataFrame) -> np.ndarray:
        codes = []
        for found, known, kind in zip(
            self._distinct(rows),
            (self._owner_ids, self._item_ids),
            self.holds_,
            strict=True,
        ):
            codes.append(vocabulary.ids(found, known, kind)[found.codes])
        owner, item = codes
        return np.column_stack([owner - UNKNOWN, item]).astype("int32")

    def spec(self, name: Hashable) -> FieldSpec:
        self.check_learned()
        items, owners = len(self.items_) + FIRST, len(self.owners_) + 1
        return FieldSpec(name, HISTORY, items, 2, owners)

    def table(self) -> np.ndarray:
        """(owners + 1, items) int8: 1 where the item is on the list; row 0 is empty."""
        self.check_learned()
        shape = len(self.owners_) + 1, len(self.items_) + FIRST
        lists = np.zeros(shape, "int8")
        owner = np.repeat(np.arange(len(self.owners_)), np.diff(self.starts_))
        lists[owner + 1, self.entries_] = 1
        return lists

    def lists_fingerprint(self) -> str:
        """64 hex digits for whose lists there are, and what is on them."""
        self.check_learned()
        found = hashlib.sha256(json.dumps(self.owners_).encode())
        found.update(self.starts_.tobytes() + self.entries_.tobytes())
        return found.hexdigest()

    def meaning(self) -> dict:
        """The ids of items. Whose lists there are is data, not meaning."""
        state = self.state()
        learned = {k: state["learned"][k] for k in ("items_", "holds_")}
        return state | {"learned": learned}

    def restore(self, learned: dict) -> None:
        super().restore(learned)
        self.starts_ = np.array(self.starts_, "int64")
        self.entries_ = np.array(self.entries_, "int32")
        self._index()

    def _distinct(self, rows: pd.DataFrame) -> tuple[values.Distinct, values.Distinct]:
        both = []
        for column in (self.owner, self.item):
            found = values.distinct(rows[column])
            found.refuse(found.codes < 0, "has a missing value", "Drop those rows.")
            both.append(found)
        return tuple(both)

    def _listed(self, rows: pd.DataFrame) -> np.ndarray:
        """Which rows are on a list: (n,) bool."""
        if self.value is None:
            return np.ones(len(rows), dtype=bool)
        x = values.numbers(rows[self.value])
        values.refuse(rows[self.value], np.isnan(x), "has a missing value")
        low = -np.inf if self.at_least is None else self.at_least
        high = np.inf if self.below is None else self.below
        return (low <= x) & (x < high)

    @staticmethod
    def _pairs_of(owner, item, listed: np.ndarray) -> tuple:
        """Values of owners and of items, and the different pairs of their codes."""
        codes = _different(owner.codes[listed], item.codes[listed], len(item.values))
        return owner.values, item.values, codes

    def _take(self, owners: list, pairs: list[tuple]) -> None:
        """Learn the lists: entries_[starts_[i]:starts_[i + 1]] is that of owner i."""
        self.owners_ = owners
        cells = (len(owners) + 1) * (len(self.items_) + FIRST)
        if cells > LARGEST:
            raise ValueError(
                f"{len(owners)} values of {self.owner!r} times {len(self.items_)} of "
                f"{self.item!r} are a table of {cells / 2**30:.1f} GiB, "
                f"{LARGEST / 2**30:.0f} at most; training needs four times as much. "
                "Make a multi-categorical column of each owner's last items instead."
            )
        self._index()
        ids = []
        for owner_values, item_values, (owner, item) in pairs:
            owner_ids = np.array([self._owner_ids[v] for v in owner_values], "int64")
            item_ids = [self._item_ids.get(v, UNKNOWN) for v in item_values]
            ids.append((owner_ids[owner] - FIRST, np.array(item_ids, "int64")[item]))
        owner, item = np.hstack(ids)
        known = item != UNKNOWN
        owner, item = _different(owner[known], item[known], len(self.items_) + FIRST)
        number = np.bincount(owner, minlength=len(owners))
        self.starts_ = np.concatenate([[0], np.cumsum(number)]).astype("int64")
        self.entries_ = item.astype("int32")

    def _index(self) -> None:
        self._owner_ids = {v: i for i, v in enumerate(self.owners_, FIRST)}
        self._item_ids = {v: i for i, v in enumerate(self.items_, FIRST)}


def _different(first: np.ndarray, second: np.ndarray, size: int) -> np.ndarray:
    """The different pairs of two arrays of numbers, in order. second is below size."""
    pairs = np.sort(pd.unique(first.astype("int64") * size + second))
    return np.array(np.divmod(pairs, max(1, size)))
