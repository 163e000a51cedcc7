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

_DATES = (datetime.date, datetime.time, np.datetime64, pd.Period)
_SPANS = (datetime.timedelta, np.timedelta64)
_LISTS = (list, tuple, set, frozenset, np.ndarray)


class Distinct(NamedTuple):
    """A column as codes: row i holds values[codes[i]]; -1 where it is missing.

    refuse: called with bad, (n,) bool, and words, as refuse() without its column.
    """

    codes: np.ndarray
    values: list
    name: Hashable
    refuse: Callable[..., None]


def table(rows, columns: Iterable[Hashable] = ()) -> pd.DataFrame:
    """Rows as a DataFrame: one already, a dict for one row, or a list of dicts.

    columns: what no rows at all have. Raises ValueError for anything else.
    """
    if isinstance(rows, pd.DataFrame):
        return rows
    if isinstance(rows, Mapping):
        return pd.DataFrame([rows])
    if isinstance(rows, list) and all(isinstance(row, Mapping) for row in rows):
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=[*columns])
    raise ValueError(
        f"Rows are a DataFrame, a dict (one row) or a list of dicts, not {_name(rows)}."
    )


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
        raise ValueError(f"Rows are a DataFrame, not {_name(rows)}.{advice}")
    there = [*rows.columns]
    columns = [*dict.fromkeys(columns)]
    if missing := [name for name in columns if name not in there]:
        raise ValueError(f"Columns are missing: {missing}; there are {there}.")
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
    raise ValueError(
        f"Column {column.name!r} {what} in {len(rows)} of {len(column)} rows, "
        f"the first {_shown(rows.iloc[0])}, in rows {labels}. {do}"
    )


def distinct(column: pd.Series, refuse_rows: Callable[..., None] | None = None):
    """The Distinct of a column, by the rule of this module.

    refuse_rows: takes the place of refuse() where rows of the column are none of a
        table, such as the values of all lists in a row.

    Raises ValueError, naming column, value and rows, for what is no text and no number,
    and where text and numbers are mixed.
    """
    refuse_rows = refuse_rows or partial(refuse, column)
    try:
        codes, found = pd.factorize(column)
    except TypeError:  # something that cannot be hashed: a list, a dict
        odd = np.array([not _can_be_hashed(value) for value in column], dtype=bool)
        refuse_rows(odd, *_advice(column[odd].iloc[0]))
        raise
    found = _plain(found)
    values = [canonical(value) for value in found]
    odd = np.array([value is None for value in values], dtype=bool)
    if odd.any():
        first = found[int(odd.argmax())]
        refuse_rows((codes >= 0) & odd[codes], *_advice(first))
    result = Distinct(codes, values, column.name, refuse_rows)
    check_one_kind(result)
    return result


def check_one_kind(
    found: Distinct, known: str | None = None, where: str = "training"
) -> None:
    """Raise ValueError where values are not all text or all numbers.

    known: the kind of values that `where` holds, or None for that of the first value.
    """
    kinds = np.array([kind_of(value) for value in found.values])
    wanted = known or (kinds[0] if len(kinds) else None)
    other = kinds != wanted
    if not other.any():
        return
    if known:
        what = f"does not hold {known}, as {where} does,"
    else:
        what = f"is {kinds[other][0]} and not {wanted}, as other rows are,"
    bad = (found.codes >= 0) & other[found.codes]
    found.refuse(bad, what, f"Make all of the column {TEXT} or all of it {NUMBERS}.")


def canonical(value) -> int | float | str | None:
    """The one form of all values that are the same; None for what is no value."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool | np.bool_):
        return int(value)
    if isinstance(value, np.float32 | np.float16):
        value = float(str(value))
    if isinstance(value, np.integer | int):
        return int(value)
    if not isinstance(value, Real | Decimal | Fraction):
        return None
    number = float(value)
    if not np.isfinite(number):
        return None
    return int(number) if number.is_integer() else number


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
    missing = column.isna().to_numpy(bool)
    if dates:
        return _days(column, missing)
    if _is_time(column.dtype):
        refuse(
            column, ~missing, *_advice(column[~missing].iloc[0] if len(column) else 0)
        )
        return np.full(len(column), np.nan)
    if column.dtype.kind in "iufb" and isinstance(column.dtype, np.dtype):
        found = column.to_numpy("float64")
    else:
        if column.dtype == object:
            odd = np.array([_is_odd(value) for value in column], dtype=bool) & ~missing
            if odd.any():
                refuse(column, odd, *_advice(column[odd].iloc[0]))
        found = pd.to_numeric(_plain_numbers(column), errors="coerce")
        if found.dtype.kind == "c":
            refuse(column, ~missing, "holds complex numbers")
        found = found.to_numpy("float64", na_value=np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        unusable = ~np.isfinite(found.astype("float32")) & ~missing
    refuse(column, unusable, "is no finite number")
    return found


def _days(column: pd.Series, missing: np.ndarray) -> np.ndarray:
    kind = getattr(column.dtype, "kind", "O")
    if column.dtype == object or kind in "OM":
        odd = [not isinstance(v, _DATES) or isinstance(v, pd.Period) for v in column]
        odd = np.array(odd, dtype=bool) & ~missing
    else:
        odd = ~missing
    refuse(column, odd, "is no date", "Convert it with pandas.to_datetime first.")
    moments = pd.to_datetime(column, utc=True, errors="coerce")
    refuse(column, moments.isna().to_numpy(bool) & ~missing, "is no date")
    days = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(days=1)
    return days.to_numpy("float64", na_value=np.nan)


def _plain(found) -> list:
    """The distinct values that factorize gave, as Python objects or NumPy scalars."""
    kind = getattr(found.dtype, "numpy_dtype", found.dtype)
    if kind in (np.float32, np.float16):
        return [*np.asarray(found, dtype=kind)]
    return found.tolist()


def _plain_numbers(column: pd.Series) -> pd.Series:
    """Categories as their values, fractions as floats: to_numeric knows neither."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype(column.cat.categories.dtype if len(column) else object)
    if column.dtype == object:
        return column.map(
            lambda v: float(v) if isinstance(v, Decimal | Fraction) else v
        )
    return column


def _is_time(dtype) -> bool:
    dates = pd.api.types.is_datetime64_any_dtype(dtype)
    spans = pd.api.types.is_timedelta64_dtype(dtype)
    return dates or spans or isinstance(dtype, pd.PeriodDtype)


def _is_odd(value) -> bool:
    """Is it neither text nor a number? to_numeric takes dates for nanoseconds."""
    usable = isinstance(value, str | Real | Decimal | Fraction | np.bool_)
    return not usable or isinstance(value, _SPANS)


def _advice(value) -> tuple[str, str]:
    """What is wrong with a value, and what to do."""
    if isinstance(value, _DATES):
        return "holds dates", (
            "As a number take Numeric(dates=True); as a category make text of it, or "
            "its year, month or weekday."
        )
    if isinstance(value, _SPANS):
        return "holds spans of time", "Take its .dt.total_seconds() as a number."
    if isinstance(value, _LISTS):
        return "holds lists", 'Make the field "multi-categorical".'
    return "has no usable value", "A value is text or a finite number. Mend them."


def _shown(value) -> str:
    """The value for a message, cut where it is long."""
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _can_be_hashed(value) -> bool:
    try:
        hash(value)
    except TypeError:  # a tuple says that it can, and what it holds cannot
        return False
    return True


def _name(value) -> str:
    return "nothing" if value is None else f"a {type(value).__name__}"
