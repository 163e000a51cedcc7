"""One rule for what counts as the same value, and sentences for what does not fit.

Two values are the same where people take them for the same, whatever holds them:

- Text is the same letter by letter. It is never a number: "1" is not 1.
- Numbers are the same where they are equal: 1, 1.0, True, Decimal(1), an integer of any
  width, nullable and Arrow types. A float of 32 or 16 bits counts as the decimal that
  it prints as, so that 0.1 is 0.1 in every width.
- Missing is None, NaN, NaT and NA.

Everything else (dates, lists, bytes) is no value: it is refused with its row.
"""

import datetime
import math
from collections.abc import Callable, Hashable, Iterable, Mapping
from decimal import Decimal
from fractions import Fraction
from functools import partial
from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd

TEXT, NUMBERS = "text", "numbers"
SHOWN = 5  # row labels that an error names
WHERE = "where"  # in attrs of a table: what it is a part of, for an error
_FLOAT_BITS = 1024  # a whole number of fewer bits is below the largest float

_DATES = (datetime.date, datetime.time, np.datetime64, pd.Period)
_SPANS = (datetime.timedelta, np.timedelta64)
_LISTS = (list, tuple, set, frozenset, np.ndarray)
_ADVICE = (
    (
        _DATES,
        "dates",
        "As a number take Numeric(dates=True); as a category make text of it, or its "
        "year, month or weekday.",
    ),
    (_SPANS, "spans of time", "Take its .dt.total_seconds() as a number."),
    (_LISTS, "lists", 'Make the field "multi-categorical".'),
)


class Distinct(NamedTuple):
    """A column as codes: row i holds values[codes[i]]; -1 where it is missing.

    refuse: called with bad, (n,) bool, and words, as refuse() without its column.
    """

    codes: np.ndarray
    values: list
    name: Hashable
    refuse: Callable[..., None]


def table(rows, columns: Iterable[Hashable]) -> pd.DataFrame:
    """Rows as a DataFrame: one already, a dict for one row, or a list of dicts.

    columns: what is read of dicts. Each has each of them: a missing value is None.
    Raises ValueError for anything else.
    """
    if isinstance(rows, pd.DataFrame):
        return rows
    dicts = [rows] if isinstance(rows, Mapping) else rows
    if not (isinstance(dicts, list) and all(isinstance(d, Mapping) for d in dicts)):
        raise ValueError(
            "Rows are a DataFrame, a dict (one row) or a list of dicts, not "
            f"{name_of(rows)}."
        )
    columns = [*columns]
    for i, one in enumerate(dicts):
        if missing := [column for column in columns if column not in one]:
            raise ValueError(
                f"Columns are missing: {missing}, in row {i}. A missing value is "
                "None, in JSON null."
            )
    found = np.empty((len(columns), len(dicts)), dtype=object)
    for line, column in zip(found, columns, strict=True):
        for i, one in enumerate(dicts):
            line[i] = one[column]
    names = pd.Index(columns, dtype=object, tupleize_cols=False)
    return pd.DataFrame(found.T, columns=names, dtype=object)


def frames(rows) -> Iterable[pd.DataFrame]:
    """Rows to learn from as frames: one DataFrame, or several already.

    Raises ValueError for anything else.
    """
    if isinstance(rows, pd.DataFrame):
        return [rows]
    if isinstance(rows, Mapping | pd.Series | str) or not isinstance(rows, Iterable):
        check_columns(rows, [])
    return rows


def check_columns(rows: pd.DataFrame, columns: Iterable[Hashable]) -> None:
    """Raise ValueError where rows are no DataFrame or a column is not there once."""
    if not isinstance(rows, pd.DataFrame):
        advice = ""
        if isinstance(rows, pd.Series):
            advice = " One row of a table is table.iloc[[i]], with two brackets."
        elif isinstance(rows, Mapping):
            advice = " One row is pd.DataFrame([row])."
        raise ValueError(f"Rows are a DataFrame, not {name_of(rows)}.{advice}")
    there = rows.columns.tolist()
    columns = [*dict.fromkeys(columns)]
    if missing := [name for name in columns if name not in there]:
        raise ValueError(f"Columns are missing: {missing}; there are {there}.")
    if rows.columns.is_unique:
        return
    if twice := [name for name in columns if there.count(name) > 1]:
        raise ValueError(
            f"Columns are there more than once: {twice}. Rename or drop the others."
        )


def refuse(
    column: pd.Series, bad, what: str = "has no usable value", do: str = "Mend them."
) -> None:
    """Raise ValueError where bad, (n,) bool, marks any row of the column.

    The message names the column, the number of rows, the first value, and row labels.
    """
    bad = np.asarray(bad, dtype=bool)
    if not bad.any():
        return
    rows = column[bad]
    labels = rows.index[:SHOWN].tolist()
    of = f" of {column.attrs[WHERE]}" if WHERE in column.attrs else ""
    raise ValueError(
        f"Column {column.name!r} {what} in {len(rows)} of {len(column)} rows, "
        f"the first {_shown(rows.iloc[0])}, in rows {labels}{of}. {do}"
    )


def distinct(column: pd.Series, refuse_rows: Callable[..., None] | None = None):
    """The Distinct of a column, by the rule of this module.

    refuse_rows: takes the place of refuse() where rows of the column are none of a
        table, such as the values of all lists in a row.

    Raises ValueError, naming column, value and rows, for what is no text and no number,
    and where text and numbers are mixed.
    """
    in_list, refuse_rows = bool(refuse_rows), refuse_rows or partial(refuse, column)
    codes, values = _coded(column, refuse_rows, in_list)
    result = Distinct(codes, values, column.name, refuse_rows)
    check_one_kind(result)
    return result


def _coded(column: pd.Series, refuse_rows, in_list: bool) -> tuple[np.ndarray, list]:
    """Codes and canonical values of a column. Raises ValueError for what is none."""
    array = column.to_numpy() if isinstance(column.dtype, np.dtype) else column.array
    try:
        codes, found = pd.factorize(array)
    except (TypeError, NotImplementedError):  # of what cannot be hashed: a list, a dict
        odd = np.array([not _can_be_hashed(value) for value in column], dtype=bool)
        if odd.any():
            refuse_rows(odd, *_advice(column[odd].iloc[0], in_list))
        codes, found = pd.factorize(column.to_numpy(object))
    found = listed(found, column.dtype)
    values = [canonical(value) for value in found]
    if None in values:
        odd = np.array([value is None for value in values])
        first = found[int(odd.argmax())]
        refuse_rows((codes >= 0) & odd[codes], *_advice(first, in_list))
    return codes, values


def listed(array, dtype=None) -> list:
    """The values of a one-dimensional array, none of them taken for another.

    Short floats stay as they are, for canonical(), and times do not become integers.

    dtype: that of the column which the array was made from
    """
    short = _short_float(array.dtype if dtype is None else dtype)
    if short:
        return [*pd.Series(array).to_numpy(short, na_value=np.nan)]
    if isinstance(array, np.ndarray) and array.dtype.kind in "mM":
        return [*array]
    return array.tolist()


def check_one_kind(
    found: Distinct, known: str | None = None, where: str = "training"
) -> None:
    """Raise ValueError where values are not all text or all numbers.

    known: the kind of values that `where` holds, or None for that of the first value.
    """
    kinds = [kind_of(value) for value in found.values]
    wanted = known or (kinds[0] if kinds else None)
    if kinds.count(wanted) == len(kinds):
        return
    kinds = np.array(kinds)
    other = kinds != wanted
    if known:
        what = f"does not hold {known}, as {where} does,"
    else:
        what = f"is {kinds[other][0]} and not {wanted}, as other rows are,"
    bad = (found.codes >= 0) & other[found.codes]
    found.refuse(bad, what, f"Make all of the column {TEXT} or all of it {NUMBERS}.")


def canonical(value) -> int | float | str | None:
    """The one form of all values that are the same; None for what is no value."""
    if isinstance(value, str):
        return str.__str__(value)  # an Enum of text calls itself otherwise
    if type(value) is int and value.bit_length() < _FLOAT_BITS:  # the usual, so first
        return value
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, _SPANS) or not isinstance(value, Real | Decimal | Fraction):
        return None
    if isinstance(value, np.float32 | np.float16):
        value = float(str(value))
    try:
        number = float(value)
    except (OverflowError, ValueError):  # beyond all floats; a signaling NaN
        return None
    if not math.isfinite(number):
        return None
    return round(value) if number.is_integer() else number


def whole(name: str, given, least: int = 1) -> int:
    """A setting that is a whole number, as int. Raises ValueError below `least`."""
    number = None if isinstance(given, bool | np.bool_) else canonical(given)
    if not isinstance(number, int) or number < least:
        raise ValueError(f"{name} is a whole number from {least}, not {given!r}.")
    return number


def finite(name: str, given) -> float:
    """A setting that is a finite number, as float. Raises ValueError for others."""
    number = canonical(given)
    if isinstance(number, str | None):
        raise ValueError(f"{name} is a finite number, not {given!r}.")
    return float(number)


def kind_of(value) -> str:
    """TEXT or NUMBERS, for a canonical value."""
    return TEXT if isinstance(value, str) else NUMBERS


def numbers(column: pd.Series, dates: bool = False) -> np.ndarray:
    """A column of numbers as (n,) float64, NaN where it is missing.

    Text that reads as a number counts as one. dates: the column holds dates; they count
    as days since 1970-01-01 UTC, time of day included.

    Raises ValueError, naming column, value and rows, for anything else, and for numbers
    that 32 bits cannot hold.
    """
    if dates:
        return _days(column, column.isna().to_numpy(bool))
    if column.dtype == np.float64 or (
        isinstance(column.dtype, np.dtype) and column.dtype.kind in "iub"
    ):
        found = column.to_numpy("float64")
        missing = np.isnan(found)
    else:
        codes, values = _coded(column, partial(refuse, column), False)
        found, missing = np.append(_as_floats(values), np.nan)[codes], codes < 0
    with np.errstate(over="ignore", invalid="ignore"):
        unusable = ~np.isfinite(found.astype("float32")) & ~missing
    refuse(column, unusable, "is no finite number")
    return found + 0.0  # so that -0.0 is 0.0


def _as_floats(values: list) -> np.ndarray:
    """Canonical values as (m,) float64, NaN for text that reads as no number."""
    text = np.array([isinstance(value, str) for value in values], dtype=bool)
    found = np.zeros(len(values))
    found[~text] = [value for value in values if not isinstance(value, str)]
    if text.any():
        written = [v if v.isascii() else "" for v in values if isinstance(v, str)]
        read = pd.to_numeric(pd.Series(written, dtype=object), errors="coerce")
        found[text] = read.to_numpy("float64", na_value=np.nan)
    return found


def _days(column: pd.Series, missing: np.ndarray) -> np.ndarray:
    do = "Convert it with pandas.to_datetime first."
    if column.dtype.kind == "M":
        odd = np.zeros(len(column), dtype=bool)
    elif isinstance(column.dtype, pd.PeriodDtype):
        odd, do = ~missing, "Take its .dt.to_timestamp()."
    else:
        odd = [not isinstance(v, _DATES) or isinstance(v, pd.Period) for v in column]
        odd = np.array(odd, dtype=bool) & ~missing
    refuse(column, odd, "is no date", do)
    moments = pd.to_datetime(column, utc=True, errors="coerce")
    refuse(column, moments.isna().to_numpy(bool) & ~missing, "is no date")
    in_utc = moments.dt.tz_localize(None).to_numpy("datetime64")
    return (in_utc - np.datetime64(0, "s")) / np.timedelta64(1, "D")


def _short_float(dtype) -> np.dtype | None:
    """float32 or float16 where those are what an array of the dtype holds."""
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    if isinstance(dtype, pd.SparseDtype):
        dtype = dtype.subtype
    dtype = getattr(dtype, "numpy_dtype", dtype)  # of nullable and Arrow types
    return dtype if dtype in (np.float32, np.float16) else None


def _advice(value, in_list: bool) -> tuple[str, str]:
    """What is wrong with a value, and what to do. in_list: it stands in a list."""
    found = [(what, do) for types, what, do in _ADVICE if isinstance(value, types)]
    if in_list:
        what = f"has lists of {found[0][0]}" if found else "lists what is no value"
        return what, "A list holds text or finite numbers."
    if found:
        return f"holds {found[0][0]}", found[0][1]
    return "has no usable value", "A value is text or a finite number. Mend them."


def _shown(value) -> str:
    """The value for a message, cut where it is long."""
    if isinstance(value, np.floating):
        text = str(value)  # of 32 bits too: as a table shows it
    else:
        text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _can_be_hashed(value) -> bool:
    try:
        hash(value)
    except TypeError:  # a tuple says that it can, and what it holds cannot
        return False
    return True


def name_of(value) -> str:
    """What kind of thing a value is, for a message."""
    if value is None:
        return "nothing"
    name = type(value).__name__
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"
