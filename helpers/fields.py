"""DataFrame -> dict of arrays: three kinds of fields, learned from training rows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real
from pathlib import Path

import numpy as np
import pandas as pd

KINDS = NUMERIC, CATEGORICAL, MULTI = "numeric", "categorical", "multi-categorical"
PADDING, UNKNOWN, FIRST_VALUE = 0, 1, 2

#: The fields of the course: what a model sees of a MovieLens rating.
MOVIELENS = {
    "user_id": CATEGORICAL,
    "movie_id": CATEGORICAL,
    "gender": CATEGORICAL,
    "age": CATEGORICAL,
    "occupation": CATEGORICAL,
    "genres": MULTI,
    "year": NUMERIC,
}


@dataclass(frozen=True)
class FieldSpec:
    """What a model needs to know of one field.

    size: ids in the vocabulary, padding and unknown included (0 for a numeric field).
    length: columns of the encoded array, L for a multi-categorical field, else 1.
    """

    name: str
    kind: str
    size: int = 0
    length: int = 1


class FieldEncoder:
    """Learns vocabularies, lengths and scales from training rows; encodes any rows.

    kinds: field name -> "numeric", "categorical" or "multi-categorical".
    mean_for_missing: numeric fields in which NaN stands for the training mean.
        Everywhere else a missing value is an error.

    Id 0 is padding, id 1 an unseen value; an empty list gets nothing but padding.
    """

    def __init__(self, kinds: Mapping[str, str], mean_for_missing: Iterable[str] = ()):
        self.kinds, self.mean_for_missing = dict(kinds), sorted(mean_for_missing)
        wrong = {name: kind for name, kind in kinds.items() if kind not in KINDS}
        if wrong or not kinds:
            raise ValueError(f"A field is one of {KINDS}, not {wrong or 'nothing'}.")
        if other := [f for f in self.mean_for_missing if kinds.get(f) != NUMERIC]:
            raise ValueError(f"No numeric fields, so without a mean: {other}.")
        self.learned: dict[str, dict] = {}

    def fit(self, rows: pd.DataFrame) -> "FieldEncoder":
        """Learn from `rows`, which must be training rows only.

        Raises ValueError for no rows, missing columns or values, and where a vocabulary
        would not be all text or all numbers.
        """
        self._check_columns(rows)
        if len(rows) == 0:
            raise ValueError("There are no rows to learn from.")
        learned = {}
        for name, kind in self.kinds.items():
            column = rows[name]
            if kind == NUMERIC:
                values = self._numbers(column)
                refuse(column, np.isnan(values) & np.isnan(values).all())
                constant = np.nanmin(values) == np.nanmax(values)  # its sd may round up
                scale = 1.0 if constant else float(np.nanstd(values))
                learned[name] = {"mean": float(np.nanmean(values)), "scale": scale}
            elif kind == CATEGORICAL:
                refuse(column, column.isna())
                values = column if isinstance(column.iloc[0], list) else column.unique()
                learned[name] = {"values": vocabulary_of(name, values)}
            else:
                lists, _ = _lists(column)
                values = vocabulary_of(name, [v for entry in lists for v in entry])
                learned[name] = {"values": values, "length": max(1, *map(len, lists))}
        self.learned = learned
        return self

    def transform(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """Encode n rows: (n, 1) float32, (n, 1) int32 or (n, L) int32 for each field.

        Raises ValueError for missing columns or values, and for lists that are longer
        and values that are of another type than any in the training rows.
        """
        self._check_columns(rows)
        encoders = self._encode_numeric, self._encode_categorical, self._encode_multi
        encode = dict(zip(KINDS, encoders, strict=True))
        return {s.name: encode[s.kind](rows[s.name]) for s in self.specs}

    @property
    def specs(self) -> list[FieldSpec]:
        """One FieldSpec a field, in the order of `kinds`. Needs fit()."""
        if not self.learned:
            raise ValueError("The encoder has learned nothing yet: call fit(train).")
        specs = []
        for name, kind in self.kinds.items():
            learned = self.learned[name]
            size = len(learned["values"]) + FIRST_VALUE if "values" in learned else 0
            specs.append(FieldSpec(name, kind, size, learned.get("length", 1)))
        return specs

    def vocabulary(self, name: str) -> dict:
        """Value -> id of a categorical or multi-categorical field."""
        return {v: i for i, v in enumerate(self.learned[name]["values"], FIRST_VALUE)}

    def save(self, path: str | Path) -> None:
        """Write all that was learned as JSON."""
        Path(path).write_text(json.dumps(vars(self), ensure_ascii=False), "utf-8")

    @classmethod
    def load(cls, path: str | Path) -> "FieldEncoder":
        """Read what save() wrote."""
        state = json.loads(Path(path).read_text("utf-8"))
        encoder = cls(state["kinds"], state["mean_for_missing"])
        encoder.learned = state["learned"]
        return encoder

    def _check_columns(self, rows: pd.DataFrame) -> None:
        missing = [name for name in self.kinds if name not in rows.columns]
        if missing:
            raise ValueError(f"Columns are missing: {missing}; there are {[*rows]}.")

    def _numbers(self, column: pd.Series) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(float, na_value=np.nan)
        allowed = column.isna() & (column.name in self.mean_for_missing)
        refuse(column, ~np.isfinite(values) & ~allowed)
        return values

    def _encode_numeric(self, column: pd.Series) -> np.ndarray:
        learned = self.learned[column.name]
        values = (self._numbers(column) - learned["mean"]) / learned["scale"]
        return np.nan_to_num(values, nan=0.0).astype("float32")[:, None]

    def _encode_categorical(self, column: pd.Series) -> np.ndarray:
        refuse(column, column.isna())
        values = self.learned[column.name]["values"]
        ids = pd.Index(values).get_indexer(column) + FIRST_VALUE  # unseen: -1 + 2
        other, kind = ids == UNKNOWN, _type(values[0])
        other[other] = [_type(value) != kind for value in column[other]]
        refuse(column, other, f"does not hold {kind}, as training did,")
        return ids.astype("int32")[:, None]

    def _encode_multi(self, column: pd.Series) -> np.ndarray:
        lists, row = _lists(column)
        length, ids = self.learned[column.name]["length"], self.vocabulary(column.name)
        kinds = {_type(value) for value in ids} or {"text", "numbers"}
        other = [len(v) > length or not {*map(_type, v)} <= kinds for v in lists]
        what = f"does not list {' or '.join(sorted(kinds))}, {length} at most"
        other = np.array(other, dtype=bool)[row]
        refuse(column, other, f"{what}, as training did (nothing is cut),")
        table = np.full((len(lists), length), PADDING, dtype="int32")
        for encoded, values in zip(table, lists, strict=True):
            encoded[: len(values)] = [ids.get(value, UNKNOWN) for value in values]
        return table[row]


def _lists(column: pd.Series) -> tuple[list, np.ndarray]:
    """The distinct list objects (rows of a movie share one), and that of each row."""
    objects = column.tolist()
    row, _ = pd.factorize(np.array([*map(id, objects)], dtype="int64"))
    lists = [*{id(value): value for value in objects}.values()]
    bad = [not isinstance(v, list | tuple) or None in map(_type, v) for v in lists]
    refuse(column, np.array(bad, dtype=bool)[row], "is no list of text or numbers")
    return lists, row


def refuse(column, bad, what: str = "has no usable value") -> None:
    """Raise ValueError where bad, (n,) bool, marks any row of the column."""
    if np.any(bad):
        rows = column[np.asarray(bad)]
        raise ValueError(
            f"Column {column.name!r} {what} in {len(rows)} of {len(column)} rows, the "
            f"first {rows.tolist()[0]!r}, in rows {rows.index[:5].tolist()}. Mend them."
        )


def _type(value) -> str | None:
    """What a value of a vocabulary is; None where it can be no such value."""
    if isinstance(value, str):
        return "text"
    return "numbers" if isinstance(value, Real) and np.isfinite(value) else None


def vocabulary_of(name: str, values) -> list:
    """The distinct values in order, as Python objects, which JSON can hold."""
    values = [v.item() if isinstance(v, np.generic) else v for v in values]
    if {_type(value) for value in values} not in (set(), {"text"}, {"numbers"}):
        raise ValueError(f"Column {name!r} must be all text or all finite numbers.")
    return sorted(set(values))
