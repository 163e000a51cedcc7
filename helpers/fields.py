"""DataFrame -> dict of arrays: the three kinds of fields, learned from training rows."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

NUMERIC, CATEGORICAL, MULTI = "numeric", "categorical", "multi-categorical"
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

    In every vocabulary id 0 is padding and id 1 an unknown value. An unseen value gets
    id 1, an empty list gets nothing but padding.
    """

    def __init__(self, kinds: Mapping[str, str], mean_for_missing: Iterable[str] = ()):
        wrong = {
            k: v for k, v in kinds.items() if v not in (NUMERIC, CATEGORICAL, MULTI)
        }
        if wrong or not kinds:
            raise ValueError(
                f"Unknown kinds of fields: {wrong}. A field is {NUMERIC!r}, "
                f"{CATEGORICAL!r} or {MULTI!r}, and there is at least one."
            )
        self.kinds = dict(kinds)
        self.mean_for_missing = sorted(mean_for_missing)
        self.learned: dict[str, dict] = {}

    def fit(self, rows: pd.DataFrame) -> "FieldEncoder":
        """Learn from `rows`, which must be training rows only.

        Raises ValueError for missing columns, no rows, or missing values.
        """
        self._check_columns(rows)
        if len(rows) == 0:
            raise ValueError("There are no rows to learn from.")
        for name, kind in self.kinds.items():
            if kind == NUMERIC:
                values = self._numbers(rows[name]).astype("float64")
                scale = float(np.nanstd(values)) or 1.0
                learned = {"mean": float(np.nanmean(values)), "scale": scale}
            elif kind == CATEGORICAL:
                self._refuse_missing(rows[name])
                learned = {"values": sorted(rows[name].unique().tolist())}
            else:
                lists, _ = self._lists(rows[name])
                longest = max(1, max(map(len, lists)))
                values = sorted({value for entry in lists for value in entry})
                learned = {"values": values, "length": longest}
            self.learned[name] = learned
        return self

    def transform(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        """Encode n rows: (n, 1) float32, (n, 1) int32 or (n, L) int32 for each field.

        Raises ValueError for missing columns or values, for a list longer than the
        longest of the training rows, and for values of another type than those.
        """
        if not self.learned:
            raise ValueError("The encoder has learned nothing yet: call fit(train).")
        self._check_columns(rows)
        encode = {
            NUMERIC: self._encode_numeric,
            CATEGORICAL: self._encode_categorical,
            MULTI: self._encode_multi,
        }
        return {name: encode[kind](rows[name]) for name, kind in self.kinds.items()}

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

    def _refuse_missing(self, column: pd.Series, missing=None) -> None:
        missing = column.isna().to_numpy() if missing is None else missing
        if missing.any():
            raise ValueError(
                f"Column {column.name!r} has no usable value in {missing.sum()} of "
                f"{len(column)} rows, first in rows {column.index[missing][:5].tolist()}."
                " Fill or drop them first."
            )

    def _numbers(self, column: pd.Series) -> np.ndarray:
        values = pd.to_numeric(column, errors="coerce").to_numpy(
            "float64", na_value=np.nan
        )
        if column.name in self.mean_for_missing:
            self._refuse_missing(column, (~np.isfinite(values)) & column.notna())
            self._refuse_missing(column, np.full(len(values), np.isnan(values).all()))
        else:
            self._refuse_missing(column, ~np.isfinite(values))
        return values

    def _encode_numeric(self, column: pd.Series) -> np.ndarray:
        learned = self.learned[column.name]
        values = (self._numbers(column) - learned["mean"]) / learned["scale"]
        return np.nan_to_num(values, nan=0.0).astype("float32")[:, None]

    def _encode_categorical(self, column: pd.Series) -> np.ndarray:
        self._refuse_missing(column)
        index = pd.Index(self.learned[column.name]["values"])
        if len(column) and pd.api.types.is_numeric_dtype(
            index
        ) != pd.api.types.is_numeric_dtype(column.dtype):
            raise ValueError(
                f"Column {column.name!r} has type {column.dtype}, the training rows had "
                f"{index.dtype}: every value would be unknown. Convert it first."
            )
        ids = index.get_indexer(column) + FIRST_VALUE
        return np.where(ids < FIRST_VALUE, UNKNOWN, ids).astype("int32")[:, None]

    def _lists(self, column: pd.Series) -> tuple[list, np.ndarray]:
        """The distinct list objects of a column, and which of them each row holds.

        Rows of one movie share one list: encoding each object once is what makes a
        million rows cheap.
        """
        objects = column.to_numpy(dtype=object)
        ids = np.fromiter(map(id, objects), dtype="int64", count=len(objects))
        _, first, inverse = np.unique(ids, return_index=True, return_inverse=True)
        lists = [objects[i] for i in first]
        bad = np.array([not isinstance(v, list | tuple) for v in lists], dtype=bool)
        if bad.any():
            rows = column.index[bad[inverse]][:5].tolist()
            raise ValueError(
                f"Column {column.name!r} holds {lists[bad.argmax()]!r}, not a list of "
                f"values, first in rows {rows}. Split text first; a row without values "
                "holds an empty list."
            )
        return lists, inverse

    def _encode_multi(self, column: pd.Series) -> np.ndarray:
        lists, inverse = self._lists(column)
        length = self.learned[column.name]["length"]
        ids, table = (
            self.vocabulary(column.name),
            np.zeros((len(lists), length), "int32"),
        )
        for row, values in zip(table, lists, strict=True):
            if len(values) > length:
                raise ValueError(
                    f"Column {column.name!r} holds a list of {len(values)} values, "
                    f"{values}; the longest training row has {length}. Nothing is cut: "
                    "fit on rows that hold one as long, or shorten it yourself."
                )
            row[: len(values)] = [ids.get(value, UNKNOWN) for value in values]
        return table[inverse]
