"""What a user has rated, or who has rated a movie: lists out of a log, as fields."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from helpers import fields

HISTORY = "history"


class ItemHistory:
    """For each owner of a log the items it has there, on a list for each kind of value.

    names: field name -> (lowest, highest) value that puts an item on that list, such as
        {"liked": (4, 5), "disliked": (1, 3)}
    owner, item, value: columns of the log, such as "user_id", "movie_id", "rating"
    most: items on a list; of more the last ones in the order of the log are kept.

    A row's own item is left out of its owner's lists: what a model shall predict must
    not be among what it knows. An owner that the log does not hold has empty lists.
    """

    def __init__(
        self,
        names: Mapping[str, tuple[float, float]],
        owner: str,
        item: str,
        value: str = "rating",
        most: int = 100,
    ):
        if not names or most < 1:
            raise ValueError("A history needs the name of a list, and room in it.")
        self.names = {name: [*limits] for name, limits in names.items()}
        self.owner, self.item, self.value, self.most = owner, item, value, int(most)
        self.items: list = []
        self.owners: list = []
        self.lists: dict[str, np.ndarray] = {}

    def fit(self, log: pd.DataFrame) -> "ItemHistory":
        """Learn the vocabulary of items and the lists from training rows only.

        Raises ValueError for no rows, missing columns or values.
        """
        self._check(log, self.owner, self.item, self.value)
        if len(log) == 0:
            raise ValueError("There are no rows to learn from.")
        self.items = fields.vocabulary_of(self.item, log[self.item].unique())
        return self.update(log)

    def update(self, log: pd.DataFrame) -> "ItemHistory":
        """Take the lists from another log, such as that of newcomers.

        The vocabulary of items stays; items it does not hold are left out.
        """
        self._check(log, self.owner, self.item, self.value)
        self.owners = fields.vocabulary_of(self.owner, log[self.owner].unique())
        owner, item = self._codes(log)
        for name, (low, high) in self.names.items():
            on = (item != fields.UNKNOWN) & log[self.value].between(low, high)
            entries = pd.DataFrame({"owner": owner, "item": item})[on.to_numpy()]
            entries = entries.groupby("owner").tail(self.most)
            place = entries.groupby("owner").cumcount()
            table = np.full((len(self.owners) + 1, self.most), fields.PADDING, "int32")
            table[entries.owner, place] = entries.item
            self.lists[name] = table
        return self

    def transform(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """The lists of the owner of each row, its own item left out: (n, most) int32.

        Raises ValueError for missing columns or values.
        """
        self._check(rows, self.owner, self.item)
        owner, item = self._codes(rows)
        x = {name: self.lists[name][owner] for name in self.names}
        for lists in x.values():
            lists[lists == item[:, None]] = fields.PADDING
        return x

    @property
    def specs(self) -> list[fields.FieldSpec]:
        """One FieldSpec a list. Needs fit()."""
        size = len(self.items) + fields.FIRST_VALUE
        return [fields.FieldSpec(n, HISTORY, size, self.most) for n in self.names]

    def save(self, path: str | Path) -> None:
        """Write all that was learned as JSON."""
        lists = {name: table.tolist() for name, table in self.lists.items()}
        state = vars(self) | {"lists": lists}
        Path(path).write_text(json.dumps(state, ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "ItemHistory":
        """Read what save() wrote."""
        state = json.loads(Path(path).read_text("utf-8"))
        history = cls(*(state[k] for k in ("names", "owner", "item", "value", "most")))
        history.items, history.owners = state["items"], state["owners"]
        history.lists = {n: np.array(t, "int32") for n, t in state["lists"].items()}
        return history

    def _codes(self, rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """(row of the tables, 0 for no owner; id of the item) for each row."""
        owner = pd.Index(self.owners).get_indexer(rows[self.owner]) + 1
        item = pd.Index(self.items).get_indexer(rows[self.item]) + fields.FIRST_VALUE
        return owner, item.astype("int32")

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
    def specs(self) -> list[fields.FieldSpec]:
        """The specs of all fields, in the order of the encoders. Needs fit()."""
        return [spec for encoder in self.encoders for spec in encoder.specs]
