"""Which values are one, whatever holds them, and what is said of what is none."""

import datetime
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import values


def decoded(column) -> list:
    """Each row's canonical value, None where it is missing."""
    found = values.distinct(pd.Series(column, name="c"))
    return [None if code < 0 else found.values[code] for code in found.codes]


ONE = [
    1,
    1.0,
    True,
    np.int8(1),
    np.uint64(1),
    np.float32(1),
    np.bool_(True),
    Decimal(1),
    Fraction(1),
]


@pytest.mark.parametrize("value", ONE, ids=repr)
def test_all_ones_are_one(value):
    assert values.canonical(value) == 1
    assert type(values.canonical(value)) is int
    assert decoded(pd.Series([value], dtype=object)) == [1]


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint64", "float32", "Int64", "Float32", "boolean", "bool", "category"]
    + ["object", "int32[pyarrow]", "double[pyarrow]", "bool[pyarrow]", "Sparse[int]"],
)
def test_all_containers_of_zero_and_one_hold_the_same(dtype):
    assert decoded(pd.Series([1, 0, 1]).astype(dtype)) == [1, 0, 1]


@pytest.mark.parametrize("dtype", ["float32", "Float32", "float[pyarrow]", "float64"])
def test_a_narrow_float_is_the_decimal_that_it_prints_as(dtype):
    assert decoded(pd.Series([0.1, 2.7], dtype=dtype)) == [0.1, 2.7]
    assert values.canonical(np.float16(0.1)) == 0.1


@pytest.mark.parametrize("dtype", ["object", "str", "category", "string[pyarrow]"])
def test_text_is_text_in_every_container_and_never_a_number(dtype):
    assert decoded(pd.Series(["1", "é", "", "e\u0301"], dtype=dtype)) == [
        "1",
        "é",
        "",
        "e\u0301",
    ]


@pytest.mark.parametrize("nothing", [None, np.nan, pd.NaT, pd.NA])
def test_missing_is_missing_in_every_form(nothing):
    assert decoded(pd.Series(["a", nothing], dtype=object)) == ["a", None]


def test_minus_zero_is_zero_and_large_integers_stay_whole():
    assert decoded([0.0, -0.0]) == [0, 0]
    assert decoded(pd.Series([2**63 + 1, 2**63], dtype=object)) == [2**63 + 1, 2**63]


NUMBER = st.one_of(
    st.integers(-(2**40), 2**40),
    st.floats(width=32, allow_nan=False, allow_infinity=False),
)


@given(st.lists(NUMBER, min_size=1), st.data())
def test_numbers_equal_to_people_are_one_value(numbers, data):
    forms = [Decimal, Fraction, np.float64, lambda x: x]
    other = [data.draw(st.sampled_from(forms))(x) for x in numbers]
    assert decoded(pd.Series(other, dtype=object)) == decoded(
        pd.Series(numbers, dtype=object)
    )


ODD = [
    (pd.Timestamp("2020-01-01"), "holds dates", "Numeric"),
    (datetime.date(2020, 1, 1), "holds dates", "Numeric"),
    (pd.Period("2020-01"), "holds dates", "Numeric"),
    (pd.Timedelta(1, "h"), "spans of time", "total_seconds"),
    ([1], "holds lists", "multi-categorical"),
    (("a",), "holds lists", "multi-categorical"),
    ({"a"}, "holds lists", "multi-categorical"),
    (np.array([1]), "holds lists", "multi-categorical"),
    ({"a": 1}, "has no usable value", "text or a finite number"),
    (b"a", "has no usable value", "text or a finite number"),
    (np.inf, "has no usable value", "text or a finite number"),
    (1 + 2j, "has no usable value", "text or a finite number"),
    (pd.Interval(0, 1), "has no usable value", "text or a finite number"),
]


@pytest.mark.parametrize(("value", "what", "do"), ODD, ids=lambda x: repr(x)[:20])
def test_what_is_no_value_is_named_with_its_row_and_with_advice(value, what, do):
    column = pd.Series([1, value], index=["x", "y"], name="c", dtype=object)
    with pytest.raises(ValueError) as error:
        values.distinct(column)
    said = str(error.value)
    for words in ("Column 'c'", what, "in 1 of 2 rows", "in rows ['y']", do):
        assert words in said
    assert repr(value)[:10] in said


def test_text_beside_numbers_is_refused_with_its_row():
    column = pd.Series([1, "a", 2], index=[10, 20, 30], name="c", dtype=object)
    with pytest.raises(ValueError, match=r"'c' is text.*1 of 3.*'a', in rows \[20\]"):
        values.distinct(column)


def test_five_rows_at_most_are_named_and_long_values_are_cut():
    column = pd.Series([[1] * 99] * 9, name="c")
    with pytest.raises(ValueError, match=r"9 of 9 rows") as error:
        values.distinct(column)
    assert "[0, 1, 2, 3, 4]" in str(error.value) and len(str(error.value)) < 250


@pytest.mark.parametrize(
    "column",
    [
        pd.Series([1, 2, None], dtype="Int64"),
        pd.Series([1.0, 2.0, np.nan], dtype="float32"),
        pd.Series(["1", "2.0", None]),
        pd.Series([Decimal(1), Fraction(2), None], dtype=object),
        pd.Series([1, 2, None], dtype="double[pyarrow]"),
        pd.Series([1.0, 2.0, np.nan]).astype("category"),
        pd.Series([True, 2, pd.NA], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_numbers_come_from_every_container(column):
    np.testing.assert_array_equal(values.numbers(column), [1.0, 2.0, np.nan])


@pytest.mark.parametrize("odd", ["three", np.inf, 1e39, 1 + 2j, b"1", [1], "nan"])
def test_what_is_no_finite_number_is_named_with_its_row(odd):
    column = pd.Series([1.0, odd], index=[7, 8], name="c", dtype=object)
    with pytest.raises(ValueError, match=r"Column 'c'.*1 of 2 rows.*in rows \[8\]"):
        values.numbers(column)


MOMENTS = [pd.Timestamp(86400, unit="s"), pd.Timestamp(-43200, unit="s"), pd.NaT]
DATES = [
    pd.Series(MOMENTS),
    pd.Series(MOMENTS).dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo"),
    pd.Series(MOMENTS).astype("timestamp[ms][pyarrow]"),
    pd.Series(MOMENTS, dtype=object),
]


@pytest.mark.parametrize("dates", DATES, ids=lambda column: str(column.dtype))
def test_dates_are_days_since_1970_in_every_container(dates):
    np.testing.assert_array_equal(values.numbers(dates, dates=True), [1, -0.5, np.nan])
    with pytest.raises(ValueError, match="holds dates in 2 of 3 rows"):
        values.numbers(dates)


def test_days_of_what_is_no_date_are_refused():
    for odd in ("2020-01-01", 5):
        with pytest.raises(ValueError, match=r"is no date in 1 of 1 rows.*to_datetime"):
            values.numbers(pd.Series([odd], name="c"), dates=True)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ({"c": 1}, r"not a dict.*pd.DataFrame\(\[row\]\)"),
        (pd.Series([1]), r"not a Series.*iloc\[\[i\]\]"),
        (None, "not nothing"),
        ([1], "not a list"),
    ],
)
def test_what_is_no_table_is_told_what_rows_are(rows, says):
    with pytest.raises(ValueError, match=says):
        values.check_columns(rows, ["c"])


def test_missing_and_double_columns_are_named():
    twice = pd.DataFrame([[1, 2, 3]], columns=["c", "c", "d"])
    with pytest.raises(ValueError, match=r"more than once: \['c'\]"):
        values.check_columns(twice, ["c", "d"])
    with pytest.raises(
        ValueError, match=r"missing: \['e'\]; there are \['c', 'c', 'd'\]"
    ):
        values.check_columns(twice, ["d", "e"])
    values.check_columns(twice, ["d"])


def test_a_table_is_made_of_a_dict_or_a_list_of_dicts():
    assert values.table({"a": [1, 2], "b": 3}).to_dict("list") == {
        "a": [[1, 2]],
        "b": [3],
    }
    assert values.table([{"a": 1}, {"a": 2}]).a.tolist() == [1, 2]
    assert [*values.table([], ["a"]).columns] == ["a"]
    for odd in (None, "a", [1], pd.Series([1])):
        with pytest.raises(ValueError, match="a dict"):
            values.table(odd)
