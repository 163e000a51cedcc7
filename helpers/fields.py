"""DataFrame -> dict of arrays: the fields of a model, learned from training rows.

The kinds of fields are in kinds.py and history.py, what to make of a strange table in
suggest.py; all are had from here.
"""

import hashlib
import json
import re
from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd

from helpers import state, values
from helpers.history import HISTORY, History
from helpers.kinds import (
    CATEGORICAL,
    MULTI,
    NUMERIC,
    Categorical,
    Field,
    FieldSpec,
    MultiCategorical,
    Numeric,
)
from helpers.suggest import suggest
from helpers.vocabulary import FIRST, PADDING, UNKNOWN

__all__ = [
    "CATEGORICAL",
    "FIRST",
    "HISTORY",
    "KINDS",
    "MOVIELENS",
    "MULTI",
    "NUMERIC",
    "PADDING",
    "UNKNOWN",
    "Categorical",
    "Field",
    "FieldEncoder",
    "FieldSpec",
    "History",
    "MultiCategorical",
    "Numeric",
    "suggest",
]

KINDS = {k.kind: k for k in (Numeric, Categorical, MultiCategorical, History)}
#: The kinds that one word is enough for: the kind with its defaults.
WORDS = (NUMERIC, CATEGORICAL, MULTI)
FORMAT = 1

#: The fields of the course: what a model sees of a MovieLens rating.
MOVIELENS = {
    "user_id": CATEGORICAL,
    "movie_id": CATEGORICAL,
    "gender": CATEGORICAL,
    "age": CATEGORICAL,
    "occupation": CATEGORICAL,
    "genres": MULTI,
    "year": Numeric(missing="mean"),
}


class FieldEncoder:
    """Fields by name: learn from training rows, encode any rows, describe themselves.

    fields: name -> Numeric, Categorical, MultiCategorical or History, or a word for one
        with its defaults: "numeric", "categorical", "multi-categorical". The objects
        themselves are not changed; encoder[name] is the one that has learned.

    Raises ValueError for no fields, unknown words, and names that are neither text nor
    a whole number.
    """

    def __init__(self, fields: Mapping[Hashable, Field | str]):
        if not isinstance(fields, Mapping) or not fields:
            raise ValueError(f"Fields are a dict, name -> kind, not {fields!r}.")
        self._fields = {_name(n): _field(n, kind) for n, kind in fields.items()}
        self._learned = False
        self._fingerprint: str | None = None
        self._lists_fingerprint: str | None = None

    def __getitem__(self, name: Hashable) -> Field:
        if name not in self._fields:
            raise KeyError(f"There is no field {name!r}; there are {[*self._fields]}.")
        return self._fields[name]

    @property
    def names(self) -> list[Hashable]:
        """Of the fields, in their order."""
        return [*self._fields]

    @property
    def columns(self) -> list[Hashable]:
        """The columns of raw rows that transform() reads."""
        asked = [c for name, f in self._fields.items() for c in f.columns(name)]
        return [*dict.fromkeys(asked)]

    @property
    def columns_to_learn(self) -> list[Hashable]:
        """The columns of raw rows that fit() reads."""
        asked = [c for n, f in self._fields.items() for c in f.columns_to_learn(n)]
        return [*dict.fromkeys(asked)]

    def fit(self, rows: pd.DataFrame | Iterable[pd.DataFrame]) -> "FieldEncoder":
        """Learn from training rows: one DataFrame, or several in any cut and order.

        Raises ValueError for no rows, for missing columns, and for values that a field
        cannot use, with column, value and rows. The encoder then stays as it was.
        """
        fresh = {name: field.fresh() for name, field in self._fields.items()}
        for field in fresh.values():
            field.start()
        count = 0
        for frame in values.frames(rows):
            values.check_columns(frame, self.columns_to_learn)
            for name, field in fresh.items():
                field.observe(name, frame)
            count += len(frame)
        if not count:
            raise ValueError("There are no rows to learn from.")
        for name, field in fresh.items():
            field.finish(name)
        self._fields, self._learned = fresh, True
        self._fingerprint = self._lists_fingerprint = None
        return self

    def transform(self, rows: pd.DataFrame) -> dict[Hashable, np.ndarray]:
        """Encode n rows: name -> (n, 1) float32, (n, 1) int32 or (n, L) int32.

        Raises ValueError for missing columns, and for values that a field cannot use,
        with column, value and rows.
        """
        self._check_learned()
        values.check_columns(rows, self.columns)
        return {name: field.encode(name, rows) for name, field in self._fields.items()}

    @property
    def specs(self) -> list[FieldSpec]:
        """One FieldSpec a field, in their order. Needs fit()."""
        self._check_learned()
        return [field.spec(name) for name, field in self._fields.items()]

    @property
    def histories(self) -> dict[Hashable, History]:
        """The fields that have lists, by name."""
        return {n: f for n, f in self._fields.items() if isinstance(f, History)}

    def reading(self, columns: Iterable[Hashable]) -> dict[Hashable, list[bool]]:
        """Field -> for each raw column that it reads, whether it is one of `columns`.

        So the fields of an item are told from those of a user. Only a history may read
        of both: its array has a column for its owner and one for its item.
        Raises ValueError for another field that does.
        """
        wanted = {*columns}
        found = {
            n: [c in wanted for c in f.columns(n)] for n, f in self._fields.items()
        }
        for name, chosen in found.items():
            if len({*chosen}) > 1 and name not in self.histories:
                raise ValueError(
                    f"Field {name!r} depends on the pair of user and item: score all "
                    "pairs."
                )
        return found

    @property
    def fingerprint(self) -> str:
        """16 hex digits for what weights depend on: fields, ids, scales. Not lists."""
        self._check_learned()
        if self._fingerprint is None:
            meaning = [[name, f.meaning()] for name, f in self._fields.items()]
            text = json.dumps(meaning, sort_keys=True)
            self._fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._fingerprint

    @property
    def lists_fingerprint(self) -> str:
        """16 hex digits for the lists of the histories."""
        self._check_learned()
        if self._lists_fingerprint is None:
            lists = [h.lists_fingerprint() for h in self.histories.values()]
            text = json.dumps(lists)
            self._lists_fingerprint = hashlib.sha256(text.encode()).hexdigest()[:16]
        return self._lists_fingerprint

    def with_log(self, log: pd.DataFrame) -> "FieldEncoder":
        """A new encoder whose histories are those of another log; this one stays.

        Ids, and so the fingerprint, are the same. Raises ValueError where no field has
        a history, and for missing columns or values.
        """
        self._check_learned()
        if not self.histories:
            raise ValueError("No field is a History, so a log changes nothing.")
        other = FieldEncoder(self._fields)
        other._fields = dict(self._fields)
        for name, field in self.histories.items():
            other._fields[name] = field.with_log(log)
        other._learned, other._fingerprint = True, self._fingerprint
        return other

    def to_json(self) -> str:
        """All settings and all that was learned; from_json() is the inverse."""
        self._check_learned()
        fields = [{"name": name, **f.state()} for name, f in self._fields.items()]
        text = json.dumps({"format": FORMAT, "fields": fields}, ensure_ascii=False)
        # Accents stay legible; half a pair of surrogates is what no file can hold.
        return re.sub("[\ud800-\udfff]", lambda half: f"\\u{ord(half[0]):04x}", text)

    @classmethod
    def from_json(cls, text: str) -> "FieldEncoder":
        """The encoder that to_json() wrote. Raises ValueError for anything else."""
        try:
            content = json.loads(text)
            found, fields = content["format"], content["fields"]
            named = [(field.pop("name"), field) for field in fields]
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"This is no FieldEncoder as JSON: {error!r}.") from error
        if found != FORMAT:
            raise ValueError(f"The format is {found}; this version reads {FORMAT}.")
        if not named:
            raise ValueError("This is no FieldEncoder as JSON: it has no fields.")
        restored = {name: state.restored(field, KINDS) for name, field in named}
        encoder = cls(restored)
        encoder._fields, encoder._learned = restored, True
        return encoder

    def _check_learned(self) -> None:
        if not self._learned:
            raise ValueError("The encoder has learned nothing yet: call fit(train).")


def _name(name: Hashable) -> Hashable:
    """As JSON can hold it: the columns of a table may be NumPy integers."""
    return int(name) if isinstance(name, np.integer) else name


def _check_label(name: Hashable, label: Hashable) -> None:
    """Raise ValueError for a label of a column that JSON cannot hold."""
    for part in label if isinstance(label, tuple) else (label,):
        if not isinstance(part, str | int | float | np.number | np.bool_):
            raise ValueError(
                f"Field {name!r}: the column {part!r} cannot be written as JSON. Name "
                "it by text or a number."
            )


def _field(name: Hashable, kind: Field | str) -> Field:
    if isinstance(name, bool) or not isinstance(name, str | int | np.integer):
        raise ValueError(
            f"A field cannot be named {name!r}: a name is text or a whole number. "
            "Rename the column, or give the field a name and column=."
        )
    if isinstance(kind, str) and kind in WORDS:
        return KINDS[kind]()
    if isinstance(kind, Field):
        for label in kind.columns_to_learn(name):
            _check_label(name, label)
        return kind.fresh()
    raise ValueError(
        f"Field {name!r} is {kind!r}. A field is one of {WORDS}, or "
        f"{', '.join(k.__name__ for k in KINDS.values())} from helpers.fields."
    )
