"""What is in a table: a kind of field for each column, with the reason, for a reader.

Rules of thumb, in the order of RULES. They see training rows, know nothing of what the
columns mean, and decide nothing: whoever does reads the table and edits the fields.
"""

import html
import re
from collections.abc import Hashable

import numpy as np
import pandas as pd

from helpers import values
from helpers.columns import AMOUNT, LEAST, Column
from helpers.kinds import Categorical, Field, MultiCategorical, Numeric

LEAVE_OUT = "leave out"
GIVES_AWAY = 0.95  # AUC of a column alone
MOSTLY = 0.9  # share of missing values
ALONE = 0.5  # share of rows whose value no other row has
RARE, MOST_RARE = 5, 0.2  # rows of a rare value; share of rows above which all are rare
FEW = 0.01  # share of missing numbers up to which they need no interval
HEAP = 0.5  # share of rows with one and the same number
AMONG_OTHERS, MOST_INTERVALS = 20, 5000  # intervals, where the others are few
SKEWED = 3.0  # skewness from which a logarithm is proposed
MANY = 100  # whole numbers from 0 or 1 without gaps: ids when there are more
SEPARATORS = ("|", ";", ",")
NAMED = re.compile(
    r"(?:^|[\W_])(?:id|uuid|code|zip|zipcode|postcode|key|sku)s?(?:$|[\W_])|[a-z](?:Id|ID)$",
    re.IGNORECASE,
)
TIMED = re.compile("time|date|stamp", re.IGNORECASE)


class Suggestions:
    """What suggest() proposes.

    table: a row for each column; field: the proposal as one writes it, or LEAVE_OUT;
        AUC alone: see suggest(); why: the reason
    fields: name -> kind, of those that are not left out: what FieldEncoder takes. It
        is a dict to edit.
    """

    def __init__(self, proposals: dict, alone: dict, target: Hashable):
        self.target = target
        self.fields: dict[Hashable, Field] = {
            name: field for name, (field, _) in proposals.items() if field is not None
        }
        self.table = pd.DataFrame(
            {
                "field": [_written(field) for field, _ in proposals.values()],
                "AUC alone": [alone.get(name, np.nan) for name in proposals],
                "why": [why for _, why in proposals.values()],
            },
            index=pd.Index(
                [*proposals], name="column", dtype=object, tupleize_cols=False
            ),
        )

    def _shown(self) -> pd.DataFrame:
        auc = self.table["AUC alone"].map(lambda a: "" if np.isnan(a) else f"{a:.2f}")
        return self.table.assign(**{"AUC alone": auc})

    def __repr__(self) -> str:
        return self._shown().to_string(max_colwidth=None, justify="left")

    def _repr_html_(self) -> str:
        cells = self._shown().reset_index().map(lambda cell: html.escape(str(cell)))
        style = 'style="text-align: left; white-space: normal"'
        head = "".join(f"<th {style}>{name}</th>" for name in cells.columns)
        body = "".join(
            "<tr>" + "".join(f"<td {style}>{cell}</td>" for cell in row) + "</tr>"
            for row in cells.to_numpy()
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def suggest(rows: pd.DataFrame, target: Hashable) -> Suggestions:
    """A kind for each column but the target's, or why it is better left out.

    rows: training rows. target: the column that is to be predicted.

    Left out: what is no value or constant; what gives the target away; what is missing
    in most rows, or different in every row; dates; lists of measured numbers; and what
    says the same as a column before it, value for value or number for number, in the
    same or the other order.

    AUC alone: how well the column by itself parts ones from zeros, or values of the
    target above its median from the others (from the median on, where that is nearer
    to half of the rows). Each row is scored by the mean target of the rows of other
    folds that share its value, or its interval of numbers, pulled to the mean of all.
    So a value that is seen once says nothing. From GIVES_AWAY (0.95) on it is too good
    to be known before the answer is. NaN where there are not ten of either.

    Raises ValueError for no DataFrame, no rows, a target that is missing, not there, or
    the same in all rows, and columns that are there twice.
    """
    values.check_columns(rows, [target, *rows.columns] if _is_table(rows) else [])
    y = _happened(rows, target)
    columns = {name: Column(rows[name]) for name in rows.columns if name != target}
    alone = {name: column.auc(y) for name, column in columns.items()}
    proposals: dict = {}
    for name, column in columns.items():
        found = _no_value(name, column) or _constant(name, column)
        found = found or _gives_away(alone[name])
        found = found or next(
            filter(None, (rule(name, column) for rule in RULES)), None
        )
        found = found or _same(name, columns, proposals) or _kind(name, column)
        proposals[name] = found
    return Suggestions(proposals, alone, target)


# Why a column is left out. Each gives (None, why), or None where it has nothing to say.


def _no_value(name: Hashable, column: Column):
    if isinstance(name, bool) or not isinstance(name, str | int | np.integer):
        return None, "no field can be called so: rename the column"
    if odd := column.odd or _odd_lists(name, column):
        return None, f"no field can hold it: {odd}"


def _odd_lists(name: Hashable, column: Column) -> str:
    """What a field would say of lists that it cannot read."""
    if not column.is_list:
        return ""
    field = MultiCategorical(missing="empty")
    field.start()
    try:
        field.observe(name, column.column.to_frame())
    except ValueError as error:
        return str(error)
    return ""


def _constant(name: Hashable, column: Column):
    if not len(column.filled):
        return None, "all missing"
    if len(column.values) == 1 and not column.missing.any():
        return None, f"constant: {_short(column.first)} in every row"


def _mostly_missing(name: Hashable, column: Column):
    share = column.missing.mean()
    if share >= MOSTLY:
        advice = "" if column.is_list else '; Categorical(missing="value") tells if so'
        return None, f"missing in {share:.0%} of the rows{advice}"


def _date(name: Hashable, column: Column):
    outside = "those to come lie outside of all training rows. Take year, month or "
    if column.is_date or column.is_day:
        return None, f"dates: {outside}weekday as categories, or Numeric(dates=True)"
    timed = isinstance(name, str) and TIMED.search(name) and not NAMED.search(name)
    if timed and column.is_epoch:
        return None, f"moments since 1970: {outside}weekday as categories"


def _different_in_every_row(name: Hashable, column: Column):
    measured = column.numbers is not None and not column.is_whole
    if column.is_list or measured or len(column.filled) < 2:
        return None
    amount = _almost_numbers(name, column)
    if column.alone == 1:
        why = "different in every row: an id of rows says nothing of new ones"
        amount = ". An amount? then Numeric()" if column.numbers is not None else amount
        return None, f"{why}{amount}"
    if column.alone > ALONE and column.numbers is None:
        return None, (
            f"in {column.alone:.0%} of the rows a value that no other row has: free "
            f"text or an id{amount}"
        )


def _measured_lists(name: Hashable, column: Column):
    if column.is_list and column.is_measured:
        return None, "lists of measured numbers: make a column of each place"


#: The first that has something to say is asked no further.
RULES = (_mostly_missing, _date, _different_in_every_row, _measured_lists)


def _almost_numbers(name: Hashable, column: Column) -> str:
    """What to do with text that is nearly an amount; "" where it is none."""
    is_code = isinstance(name, str) and NAMED.search(name)
    if is_code or column.numbers is not None or not column.is_text or column.is_date:
        return ""
    share, odd = column.almost
    if share < MOSTLY:
        return ""
    return f". An amount, but for {_short(odd)}? Make numbers of it, then Numeric()"


def _gives_away(auc: float):
    if auc >= GIVES_AWAY:
        return None, (
            f"gives the target away, AUC {auc:.3f} by itself: is it known before the "
            "answer is?"
        )


def _same(name: Hashable, columns: dict[Hashable, Column], before: dict):
    """Whether a column that stays says what this one says."""
    for other, (field, _) in before.items():
        if field is not None and (how := _alike(columns[name], columns[other])):
            return None, f"says the same as {other!r}{how}"


def _alike(one: Column, other: Column) -> str | None:
    """How two columns say the same, None where they do not."""
    if (one.missing != other.missing).any() or len(one.values) != len(other.values):
        return None
    no_order = one.numbers is None or other.numbers is None
    if no_order or len(one.values) <= len(one.filled) / 2:
        pairs = one.codes.astype("int64") * (len(other.values) + 1) + other.codes
        same = len(np.unique(pairs[~one.missing])) == len(one.values)
        return ": one value here for each value there" if same else None
    if len(one.filled) < LEAST:
        return None  # so few are in one order by chance
    order = np.argsort(one.numbers[~one.missing], kind="stable")
    step = np.diff(other.numbers[~other.missing][order])
    if (step >= 0).all():
        return ", in the same order"
    return ", in the other order" if (step <= 0).all() else None


# The kind of what stays


def _kind(name: Hashable, column: Column) -> tuple[Field, str]:
    if column.is_list:
        missing = "empty" if column.missing.any() else "refuse"
        return MultiCategorical(missing=missing), "lists"
    if column.is_text and (found := _list_as_text(column)):
        return found
    if column.numbers is None:
        field, why = _category(column, "text")
        return field, f"{why}{_almost_numbers(name, column)}"
    if why := _names(name, column):
        return _category(column, why)
    return _number(column)


def _list_as_text(column: Column) -> tuple[Field, str] | None:
    """Text whose pieces come again where the whole does not."""
    for separator in SEPARATORS:
        several = [text for text in column.values if separator in text]
        if all(re.fullmatch(AMOUNT, text) for text in several):  # "1,234" is no list
            continue
        cut = [text.split(separator) for text in column.values]
        pieces = {piece.strip() for parts in cut for piece in parts}
        several = column.counts[np.array([len(parts) > 1 for parts in cut])].sum()
        often = several > 0.1 * len(column.filled)
        if often and len(pieces) <= len(column.values) / 2:
            missing = "empty" if column.missing.any() else "refuse"
            field = MultiCategorical(separator=separator, missing=missing)
            return field, f"text that is a list: {len(pieces):,} values, cut at it"
    return None


def _names(name: Hashable, column: Column) -> str:
    """Why numbers are names and not amounts; "" where they are amounts."""
    different = len(column.values)
    if different == 1:
        return "one number or none"
    if different == 2 and not column.is_text:
        return "two numbers: yes or no"
    if not column.is_whole:
        return ""
    if column.column.dtype == "category" and not column.is_text:
        return "numbers that the table calls categories"
    if isinstance(name, str) and NAMED.search(name):
        return "numbers, but the column is called as ids and codes are"
    if column.is_text:
        text = column.filled.astype(str)
        zeros = text.str.match(r"\s*0\d").any()
        return "codes: digits with a zero before them" if zeros else ""
    x = column.numbers[~column.missing]
    numbered = x.min() in (0, 1) and different >= 0.9 * (x.max() - x.min() + 1)
    if different > MANY and numbered:
        return "whole numbers without gaps, as ids are: an amount? then Numeric"
    return ""


def _category(column: Column, why: str) -> tuple[Field, str]:
    rare = column.counts[column.counts < RARE].sum() / len(column.filled)
    options = {"missing": "value"} if column.missing.any() else {}
    words = [why, f"{len(column.values):,} values"]
    if column.missing.any():
        words.append(f"{_missing(column)}: a value too")
    if 0 < rare <= MOST_RARE:
        options["min_count"] = RARE
        words.append(f"those of fewer than {RARE} rows teach what unknown means")
    elif column.alone > 0:
        options["min_count"] = 2
        words.append("those of one row teach what unknown means")
    return Categorical(**options), ", ".join(words)


def _number(column: Column) -> tuple[Field, str]:
    x = column.numbers[~column.missing]
    words = ["text that reads as numbers" if column.is_text else "numbers"]
    words.append(f"{_figure(x.min())} to {_figure(x.max())}")
    options: dict = {}
    if (heap := column.counts.max() / len(x)) > HEAP and len(column.values) > 2:
        number = min(MOST_INTERVALS, int(np.ceil(AMONG_OTHERS / (1 - heap))))
        options = {"intervals": number}
        most = x[column.codes[~column.missing] == int(column.counts.argmax())][0]
        words.append(f"{heap:.0%} are {_figure(most)}: intervals among the others")
    elif column.missing.mean() > FEW:
        options = {"intervals": 20}
        words.append("intervals, so that missing can be one")
    elif _is_spread(x):
        options = {"log": True}
        words.append("they differ by magnitudes: take the logarithm")
    elif len(column.values) <= 20 and column.is_whole:
        words.append(f"only {len(column.values)} of them: codes? then Categorical")
    if column.missing.any():
        options["missing"] = "value" if "intervals" in options else "mean"
        words.append(_missing(column))
    return Numeric(**options), ", ".join(words)


def _missing(column: Column) -> str:
    number = int(column.missing.sum())
    return f"missing in {number:,} of {column.n:,} rows"


def _is_spread(x: np.ndarray) -> bool:
    """Whether numbers are skewed, and their logarithms less."""
    if x.min() < 0 or not x.std():
        return False
    logs = np.log1p(x)
    return abs(_skewness(x)) > SKEWED and abs(_skewness(logs)) < abs(_skewness(x)) / 2


def _skewness(x: np.ndarray) -> float:
    return float(((x - x.mean()) ** 3).mean() / x.std() ** 3) if x.std() else 0.0


# Rows, and words


def _is_table(rows) -> bool:
    return isinstance(rows, pd.DataFrame)


def _happened(rows: pd.DataFrame, target: Hashable) -> np.ndarray:
    """(n,) of 0 and 1: the larger of two values, or what is above the median.

    Where one value is that of most rows, the median is counted to the smaller part.
    """
    if not len(rows):
        raise ValueError("There are no rows to look at.")
    column = rows[target]
    values.refuse(column, column.isna(), "has a missing value", "Drop those rows.")
    found = values.distinct(column)
    if len(found.values) < 2:
        raise ValueError(f"All rows have {found.values[0]!r} in {target!r}.")
    if len(found.values) == 2:
        high = max(found.values)
        return np.array([value == high for value in found.values])[found.codes] * 1
    x = values.numbers(column)
    cuts = x > np.median(x), x >= np.median(x)
    return min(cuts, key=lambda ones: abs(ones.mean() - 0.5)).astype(int)


def _written(field: Field | None) -> str:
    """A field as one writes it: settings that are not the default."""
    if field is None:
        return LEAVE_OUT
    plain = type(field)()
    changed = {k: v for k, v in vars(field).items() if v != getattr(plain, k)}
    return (
        f"{type(field).__name__}({', '.join(f'{k}={v!r}' for k, v in changed.items())})"
    )


def _figure(number: float) -> str:
    return f"{number:,.0f}" if number == round(number) else f"{number:.4g}"


def _short(value) -> str:
    text = repr(value.item() if isinstance(value, np.generic) else value)
    return text if len(text) <= 40 else f"{text[:37]}..."
