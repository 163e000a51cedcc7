"""What a user has rated, or who has rated a movie: lists out of a log, as fields."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import fields

HISTORY = "history"
LARGEST = 2**31  # cells of one table, a byte each


@dataclass(frozen=True)
class HistorySpec:
    """What a model needs to know of one list.

    size: ids in the vocabulary of items, padding and unknown included.
    lists: (owners + 1, size) int8, 1 where the item is on the list; row 0 is empty.
    """

    name: str
    size: int
    lists: np.ndarray = field(compare=False, repr=False)
    kind: str = HISTORY
    length: int = 2


class ItemHistory:
    """For each owner of a log the items it has there, on a list for each kind of value.

    names: field name -> (lowest, highest) value that puts an item on that list, such as
        {"liked": (4, 5), "disliked": (1, 3)}
    owner, item, value: columns of the log, such as "user_id", "movie_id", "rating"

    A row's own item is left out of its owner's lists: what a model shall predict must
    not be among what it knows. An owner that the log does not hold has empty lists.
    """

    def __init__(
        self,
        names: Mapping[str, tuple[float, float]],
        owner: str,
        item: str,
        value: str = "rating",
    ):
        if not names:
            raise ValueError("A history needs the name of a list.")
        self.names = {name: [*limits] for name, limits in names.items()}
        self.owner, self.item, self.value = owner, item, value
        self.items: list = []
        self.owners: list = []
        self.entries: dict[str, np.ndarray] = {}

    def fit(self, log: pd.DataFrame) -> "ItemHistory":
        """Learn the vocabulary of items and the lists from training rows only.

        Raises ValueError for no rows, missing columns or values, and where a table of
        owners and items would be larger than 2 GiB.
        """
        self._check(log, self.owner, self.item, self.value)
        if len(log) == 0:
            raise ValueError("There are no rows to learn from.")
        self.items = fields.vocabulary_of(self.item, log[self.item].unique())
        return self.update(log)

    def update(self, log: pd.DataFrame) -> "ItemHistory":
        """Take the lists from another log, such as that of newcomers.

        The vocabulary of items stays; items it does not hold are left out. A model made
        before needs the new lists: history_layers.with_lists().
        """
        self._check(log, self.owner, self.item, self.value)
        owners = fields.vocabulary_of(self.owner, log[self.owner].unique())
        cells = (len(owners) + 1) * (len(self.items) + fields.FIRST_VALUE)
        if cells > LARGEST:
            raise ValueError(
                f"{len(owners)} values of {self.owner!r} times {len(self.items)} of "
                f"{self.item!r} are {cells / 2**30:.0f} GiB a list, 2 at most. Make a "
                "multi-categorical column of each owner's last items instead."
            )
        self.owners = owners
        asked = self._codes(log)
        for name, (low, high) in self.names.items():
            on = log[self.value].between(low, high) & (asked[:, 1] != fields.UNKNOWN)
            self.entries[name] = np.unique(asked[on.to_numpy()], axis=0)
        return self

    def transform(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """(n, 2) int32 for each list: row of the owner's list, item to leave out.

        Row 0 is the list of owners that the log does not hold; item 1 is unknown.
        Raises ValueError for missing columns or values.
        """
        self._check(rows, self.owner, self.item)
        return dict.fromkeys(self.names, self._codes(rows))

    @property
    def specs(self) -> list[HistorySpec]:
        """One HistorySpec a list. Needs fit()."""
        shape = (len(self.owners) + 1, len(self.items) + fields.FIRST_VALUE)
        specs = []
        for name, entries in self.entries.items():
            lists = np.zeros(shape, "int8")
            lists[*entries.T] = 1
            specs.append(HistorySpec(name, shape[1], lists))
        return specs

    def save(self, path: str | Path) -> None:
        """Write all that was learned as JSON."""
        entries = {name: found.tolist() for name, found in self.entries.items()}
        state = vars(self) | {"entries": entries}
        Path(path).write_text(json.dumps(state, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "ItemHistory":
        """Read what save() wrote."""
        state = json.loads(Path(path).read_text("utf-8"))
        history = cls(*(state[k] for k in ("names", "owner", "item", "value")))
        history.items, history.owners = state["items"], state["owners"]
        history.entries = {
            name: np.array(found, "int32").reshape(-1, 2)
            for name, found in state["entries"].items()
        }
        return history

    def _codes(self, rows: pd.DataFrame) -> np.ndarray:
        """(row of the tables, id of the item) for each row: (n, 2) int32."""
        owner = pd.Index(self.owners).get_indexer(rows[self.owner]) + 1
        item = pd.Index(self.items).get_indexer(rows[self.item]) + fields.FIRST_VALUE
        return np.column_stack([owner, item]).astype("int32")

    def _check(self, rows: pd.DataFrame, *columns: str) -> None:
        missing = [name for name in columns if name not in rows.columns]
        if missing:
            raise ValueError(f"Columns are missing: {missing}; there are {[*rows]}.")
        for name in columns:
            fields.refuse(rows[name], rows[name].isna())


class Encoders:
    """Several encoders as one: a FieldEncoder and histories, their fields together."""

    def __init__(self, *encoders):
        self.encoders = encoders

    def fit(self, rows: pd.DataFrame) -> "Encoders":
        """Let each learn from `rows`, which must be training rows only."""
        for encoder in self.encoders:
            encoder.fit(rows)
        return self

    def transform(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """The arrays of all fields, by name."""
        return {
            name: array
            for encoder in self.encoders
            for name, array in encoder.transform(rows).items()
        }

    @property
    def specs(self) -> list:
        """The specs of all fields, in the order of the encoders. Needs fit()."""
        return [spec for encoder in self.encoders for spec in encoder.specs]
