"""Items that a user did not choose, drawn beside each choice of a log."""

from collections.abc import Hashable, Mapping

import numpy as np
import pandas as pd

from helpers import values
from helpers.fields import FieldEncoder
from helpers.targets import Chosen


class Negatives:
    """Draws target.negatives items beside each row, of those in training rows.

    rows, x: training rows, raw and encoded by the encoder
    beside: the rows to draw for where they are not the training rows, such as those of
        validation. What their users chose there is not drawn for them either.
    seed: draw(epoch) depends on it and on the epoch, and on nothing else

    fields: name -> (one row an item, which of its columns go with the item): what
        encoded rows of a drawn item are made of

    Raises ValueError where no field reads the item, where a field that goes with the
    item is not told so, and where a user has chosen every item.
    """

    def __init__(
        self,
        target: Chosen,
        rows: pd.DataFrame,
        x: Mapping[Hashable, np.ndarray],
        encoder: FieldEncoder,
        seed: int,
        beside: pd.DataFrame | None = None,
    ):
        self.target, self.seed = target, seed
        log = rows if beside is None else pd.concat([rows, beside])
        user, item = (values.distinct(log[name]).codes for name in target.columns)
        _, first, number = np.unique(
            item[: len(rows)], return_index=True, return_counts=True
        )
        self.chance = number**target.power / (number**target.power).sum()
        place = np.full(item.max() + 1, -1)
        place[item[first]] = np.arange(len(first))
        self.items, self.user, item = len(first), user, place[item]
        known = item >= 0  # in training rows
        self.chosen = np.unique(user[known].astype("int64") * len(first) + item[known])
        self.user = user if beside is None else user[len(rows) :]
        if not target.accidents:
            self._check_users()
        self.fields = _fields(target, x, encoder, first, user, item)

    def draw(self, epoch: int) -> np.ndarray:
        """Rows of `fields` for each row of the log: (n, negatives) int32."""
        rng = np.random.default_rng([self.seed, 1, epoch])
        user = np.repeat(self.user, self.target.negatives)
        found = self._any(rng, len(user))
        again = np.arange(0 if self.target.accidents else len(user))
        while len(again := again[self._is_chosen(user[again], found[again])]):
            found[again] = self._any(rng, len(again))
        return found.reshape(len(self.user), -1)

    def _any(self, rng: np.random.Generator, number: int) -> np.ndarray:
        if self.target.power == 0:
            return rng.integers(self.items, size=number, dtype="int32")
        return rng.choice(self.items, number, p=self.chance).astype("int32")

    def _is_chosen(self, user: np.ndarray, item: np.ndarray) -> np.ndarray:
        pair = user.astype("int64") * self.items + item
        at = np.minimum(np.searchsorted(self.chosen, pair), len(self.chosen) - 1)
        return self.chosen[at] == pair

    def _check_users(self) -> None:
        number = np.bincount(self.chosen // self.items)
        if full := int((number[np.unique(self.user)] == self.items).sum()):
            raise ValueError(
                f"{full} users have chosen every item of the training rows: there is "
                "none to draw beside their choices. Leave them out."
            )


def _fields(target, x, encoder, first, user, item) -> dict:
    """See Negatives.fields. first: a row of each item; user, item: codes of rows."""
    reading = encoder.reading([target.item, *target.of_item])
    if not any(any(columns) for columns in reading.values()):
        raise ValueError(f"No field reads {target.item!r}: all items are alike.")
    found = {}
    for name, columns in reading.items():
        array = x[name]
        if all(columns):
            found[name] = array[first], np.ones(array.shape[1], bool)
        elif any(columns):  # a history: its owner or its item
            found[name] = array[first], np.array(columns)
        elif _goes_with(array, item[: len(array)]) and not _goes_with(
            array, user[: len(array)]
        ):
            raise ValueError(
                f"Field {name!r} is the same in all rows of an item: where an item is "
                f"drawn it goes with it. Name {encoder[name].columns(name)} in of_item."
            )
    return found


def _goes_with(array: np.ndarray, codes: np.ndarray) -> bool:
    """Whether rows of one code are alike, and those of different codes are not all."""
    _, first, where = np.unique(codes, return_index=True, return_inverse=True)
    return bool((array[first][where] == array).all() and (array != array[:1]).any())
