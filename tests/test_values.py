"""Which values are one, whatever holds them, and what is said of what is none."""

import datetime
import enum
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


class Name(str, enum.Enum):  # noqa: UP042 - its own text is "Name.A"
    A = "a"


SAME = [
    [0, -0.0, False, np.float32(-0.0), Decimal("-0"), Decimal("0E+3")],
    [0.1, np.float32(0.1), np.float16(0.1), Decimal("0.1"), Fraction(1, 10)],
    [2**53 + 1, Decimal(2**53 + 1), Fraction(2**53 + 1), np.int64(2**53 + 1)],
    [2**64 - 1, np.uint64(2**64 - 1), Decimal(2**64 - 1)],
    [10**300, Decimal(10**300)],
    ["a", np.str_("a"), Name.A],
    [5e-324, np.float64(5e-324)],
]


@pytest.mark.parametrize("equal", SAME, ids=repr)
def test_what_is_equal_has_one_form_letter_by_letter(equal):
    forms = [values.canonical(value) for value in equal]
    assert {repr(form) for form in forms} == {repr(forms[0])}
    assert {type(form) for form in forms} <= {int, float, str}
    assert decoded(pd.Series(equal, dtype=object)) == forms


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (2**53, 2**53 + 1),
        (Decimal(2**53), Decimal(2**53 + 1)),
        (0.1, 0.1 + 2**-50),
        (0.0, 5e-324),
        ("a", "A"),
        ("a", " a"),
        ("é", "e\u0301"),
        ("\ud800", "\ud801"),
        ("", " "),
    ],
)
def test_what_differs_stays_two_values(one, other):
    assert len({*decoded(pd.Series([one, other], dtype=object))}) == 2


@pytest.mark.parametrize(
    "value", [10**400, Decimal("1E+400"), Fraction(10**400), 1e999]
)
def test_what_no_float_can_hold_is_no_value(value):
    assert values.canonical(value) is None
    assert values.canonical(-value) is None


def test_a_number_that_rounds_to_a_whole_one_is_that_one():
    assert values.canonical(Decimal("0.99999999999999999999")) == 1
    assert type(values.canonical(Fraction(1, 10**400))) is int


@pytest.mark.parametrize(
    "dtype",
    ["int8", "uint64", "float32", "Int64", "Float32", "boolean", "bool", "category"]
    + ["object", "int32[pyarrow]", "double[pyarrow]", "bool[pyarrow]", "Sparse[int]"],
)
def test_all_containers_of_zero_and_one_hold_the_same(dtype):
    assert decoded(pd.Series([1, 0, 1]).astype(dtype)) == [1, 0, 1]


NARROW = ["float32", "float16", "Float32", "float[pyarrow]", "halffloat[pyarrow]"]
NARROW += ["Sparse[float32]", "float64"]


@pytest.mark.parametrize("dtype", NARROW)
def test_a_narrow_float_is_the_decimal_that_it_prints_as(dtype):
    column = pd.Series([0.1, 2.7], dtype=dtype)
    assert decoded(column) == [0.1, 2.7]
    assert values.numbers(column).tolist() == [0.1, 2.7]
    assert values.listed(column) == [*column.to_numpy()]
    if dtype not in ("float16", "halffloat[pyarrow]"):  # pandas has none of those
        assert decoded(column.astype("category")) == [0.1, 2.7]


@pytest.mark.parametrize("dtype", ["Float32", "float[pyarrow]"])
def test_a_missing_narrow_float_is_missing(dtype):
    column = pd.Series([0.1, None], dtype=dtype)
    assert decoded(column) == [0.1, None]
    np.testing.assert_array_equal(values.numbers(column), [0.1, np.nan])
    assert np.isnan(values.listed(column.array)[1])


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
    (datetime.time(1), "holds dates", "Numeric"),
    (np.datetime64("2020-01-01"), "holds dates", "Numeric"),
    (pd.Timedelta(1, "h"), "spans of time", "total_seconds"),
    (np.timedelta64(2, "h"), "spans of time", "total_seconds"),
    ([1], "holds lists", "multi-categorical"),
    (("a",), "holds lists", "multi-categorical"),
    ({"a"}, "holds lists", "multi-categorical"),
    (np.array([1]), "holds lists", "multi-categorical"),
    ({"a": 1}, "has no usable value", "text or a finite number"),
    (b"a", "has no usable value", "text or a finite number"),
    (np.inf, "has no usable value", "text or a finite number"),
    (Decimal("sNaN"), "has no usable value", "text or a finite number"),
    (10**400, "has no usable value", "text or a finite number"),
    (range(3), "has no usable value", "text or a finite number"),
    (frozenset({"a"}), "holds lists", "multi-categorical"),
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
    shown = value.item() if isinstance(value, np.generic) else value
    assert repr(shown)[:10] in said


ARROW = pytest.importorskip("pyarrow")
ODD_COLUMNS = [
    (pd.Series(pd.to_datetime(["2001-01-01", None])), "holds dates"),
    (pd.Series(pd.to_datetime(["2001-01-01", None])).astype("category"), "holds dates"),
    (pd.Series(pd.PeriodIndex(["2001", None], freq="Y")), "holds dates"),
    (pd.Series(pd.to_timedelta([1, None])), "holds spans of time"),
    (pd.Series([1, None], dtype="duration[s][pyarrow]"), "holds spans of time"),
    (pd.Series(["2001-01-01", None], dtype="timestamp[s][pyarrow]"), "holds dates"),
    (pd.Series([pd.Interval(0, 1), None]), "has no usable value"),
    (pd.Series([b"a", None], dtype="binary[pyarrow]"), "has no usable value"),
    (pd.Series([1j, None]), "has no usable value"),
    (
        pd.Series([["a"], None], dtype=pd.ArrowDtype(ARROW.list_(ARROW.string()))),
        "holds lists",
    ),
    (
        pd.Series([{"a": 1}, None], dtype=pd.ArrowDtype(ARROW.struct({"a": "int64"}))),
        "has no usable value",
    ),
]


@pytest.mark.parametrize(("column", "says"), ODD_COLUMNS, ids=lambda x: str(x)[-40:])
@pytest.mark.parametrize("read", [values.distinct, values.numbers])
def test_a_dtype_of_what_is_no_value_is_refused_in_each_room(read, column, says):
    column = column.rename("c").set_axis(["x", "y"])
    with pytest.raises(ValueError, match=rf"Column 'c' {says} in 1 of 2.*\['x'\]"):
        read(column)
    nothing = column.iloc[1:]
    assert nothing.isna().all()
    assert (read(nothing) if read is values.numbers else read(nothing).codes).size == 1


@pytest.mark.parametrize(
    ("index", "label"),
    [
        ([5, 5, 5], "5"),
        (pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)]), "('b', 1)"),
        (pd.date_range("2001-01-01", periods=3), "Timestamp('2001-01-03 00:00:00')"),
    ],
    ids=["twice", "levels", "dates"],
)
def test_labels_of_any_index_are_named(index, label):
    column = pd.Series([1, 2, np.inf], index=index, name=("c", 7))
    for read in (values.distinct, values.numbers):
        with pytest.raises(ValueError) as error:
            read(column)
        assert "Column ('c', 7) " in str(error.value)
        assert f"the first inf, in rows [{label}]" in str(error.value)


VALUE = st.one_of(
    st.integers(-9, 9),
    st.floats(),
    st.booleans(),
    st.none(),
    st.text(max_size=2),
    st.binary(max_size=2),
    st.lists(st.integers(), max_size=2),
    st.dates(),
    st.timedeltas(),
    st.complex_numbers(),
    st.decimals(allow_nan=False),
)


@given(st.lists(VALUE, max_size=6), st.sampled_from([values.distinct, values.numbers]))
def test_what_is_refused_is_refused_by_column_label_and_value(some, read):
    labels = [f"row {i}" for i in range(len(some))]
    column = pd.Series(some, index=labels, name="c", dtype=object)
    try:
        read(column)
    except ValueError as error:
        said = str(error)
        first = next(i for i, label in enumerate(labels) if repr(label) in said)
        assert "Column 'c' " in said
        assert f"the first {repr(some[first])[:70]}" in said
        assert f"of {len(some)} rows" in said


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
        pd.Series([Decimal(1), Decimal(2), None], dtype="category"),
        pd.Series(
            [Decimal(1), Decimal(2), None],
            dtype=pd.ArrowDtype(ARROW.decimal128(9, 2)),
        ),
        pd.Series([1.0, 2.0, np.nan], dtype="Sparse[float]"),
        pd.Series(["1", " 2e0 ", None], dtype="category"),
        pd.Series(["1", 2, None], dtype=object),
    ],
    ids=lambda column: str(column.dtype),
)
def test_numbers_come_from_every_container(column):
    np.testing.assert_array_equal(values.numbers(column), [1.0, 2.0, np.nan])


def test_a_number_in_text_is_the_number():
    column = pd.Series(["1", 2, "3", None, "-4.5"], dtype=object)
    np.testing.assert_array_equal(values.numbers(column), [1, 2, 3, np.nan, -4.5])
    assert values.numbers(pd.Series(["0.30000000000000004"])).item() == 0.1 + 0.2


def test_numbers_have_one_zero():
    for column in ([-0.0], pd.Series([-0.0], dtype="float32"), pd.Series(["-0"])):
        assert not np.signbit(values.numbers(pd.Series(column))).any()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False)))
def test_numbers_in_text_and_in_objects_are_the_numbers(some):
    some = [x + 0.0 for x in some]
    for column in (
        pd.Series(some, dtype="float64"),
        pd.Series([repr(x) for x in some], dtype=object),
        pd.Series([Decimal(x) for x in some], dtype=object),
        pd.Series([Fraction(x) for x in some], dtype=object),
    ):
        assert values.numbers(column).tolist() == some


@pytest.mark.parametrize(
    "text", ["1_000", "1,5", "0x10", "True", "", " ", "inf", "1j", "\u0663", "\ud800"]
)
def test_text_that_only_a_language_reads_is_no_number(text):
    with pytest.raises(ValueError, match=r"'c' is no finite number in 1 of 2.*\[1\]"):
        values.numbers(pd.Series(["2", text], name="c", dtype=object))


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


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_days_do_not_depend_on_the_unit_of_a_column(unit):
    column = pd.Series(["1700-01-01T12:00", None]).astype(f"datetime64[{unit}]")
    found = values.numbers(column, dates=True)
    np.testing.assert_array_equal(found, [-98614.5, np.nan])


def test_dates_of_many_kinds_in_one_column_count_by_utc():
    two_hours = datetime.timezone(datetime.timedelta(hours=2))
    moments = [
        datetime.date(1970, 1, 2),
        datetime.datetime(1970, 1, 2),
        datetime.datetime(1970, 1, 2, tzinfo=two_hours),
        np.datetime64("1970-01-02"),
        pd.Timestamp("1970-01-02", tz="Asia/Tokyo"),
        None,
    ]
    found = values.numbers(pd.Series(moments, dtype=object), dates=True)
    np.testing.assert_allclose(found, [1, 1, 1 - 2 / 24, 1, 1 - 9 / 24, np.nan])


def test_dates_before_and_after_what_nanoseconds_hold_are_dates():
    for far in (
        pd.Series([datetime.date(1, 1, 1), datetime.date(9999, 1, 1)]),
        pd.Series(np.array(["0001-01-01", "9999-01-01"], "datetime64[s]")),
    ):
        assert values.numbers(far, dates=True).tolist() == [-719162, 2932532]


@pytest.mark.parametrize("odd", ["2020-01-01", 5, 5.0, True, pd.Timedelta(1), [1]])
def test_days_of_what_is_no_date_are_refused(odd):
    column = pd.Series([pd.Timestamp(0), odd], name="c", dtype=object)
    with pytest.raises(ValueError, match=r"is no date in 1 of 2.*\[1\].*to_datetime"):
        values.numbers(column, dates=True)
    if not isinstance(odd, list):
        with pytest.raises(ValueError, match="is no date in 1 of 1 rows"):
            values.numbers(pd.Series([odd], name="c"), dates=True)


def test_days_of_periods_and_times_of_day_are_refused():
    period = pd.Series(pd.period_range("2001", periods=2, freq="Y"), name="c")
    with pytest.raises(ValueError, match=r"is no date in 2 of 2.*to_timestamp\(\)"):
        values.numbers(period, dates=True)
    for odd in (period.iloc[0], datetime.time(1)):
        with pytest.raises(ValueError, match="is no date in 1 of 2 rows"):
            values.numbers(pd.Series([None, odd], name="c", dtype=object), dates=True)


def test_days_of_a_column_without_any_date_are_missing():
    for column in ([None, None], [np.nan], pd.to_datetime(["NaT"]), []):
        found = values.numbers(pd.Series(column), dates=True)
        assert np.isnan(found).all() and len(found) == len(column)
        assert found.dtype == "float64"


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


def test_columns_named_by_a_number_and_by_its_text_are_two():
    both = pd.DataFrame([[1, 2]], columns=[1, "1"])
    values.check_columns(both, [1, "1"])
    with pytest.raises(ValueError, match=r"missing: \['1'\]; there are \[1\]"):
        values.check_columns(both[[1]], ["1"])


def test_a_column_of_levels_is_named_by_all_of_them():
    levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")]))
    values.check_columns(levels, [("a", "b")])
    with pytest.raises(ValueError, match=r"missing: \['a'\]"):
        values.check_columns(levels, ["a"])


def test_frames_are_one_table_or_several():
    one = pd.DataFrame({"a": [1]})
    assert values.frames(one)[0] is one
    assert len([*values.frames(frame for frame in (one, one))]) == 2
    for odd in (None, 5, "rows", {"a": 1}, pd.Series([1])):
        with pytest.raises(ValueError, match="Rows are a DataFrame, not"):
            values.frames(odd)


def test_a_table_is_made_of_a_dict_or_a_list_of_dicts():
    one = {"a": [1, 2], "b": 3, "c": 4}
    assert values.table(one, ["a", "b"]).to_dict("list") == {"a": [[1, 2]], "b": [3]}
    assert values.table([{"a": 1}, {"a": 2}], ["a"]).a.tolist() == [1, 2]
    assert [*values.table([], ["a"]).columns] == ["a"]
    frame = pd.DataFrame(one)
    assert values.table(frame, ["a"]) is frame
    for odd in (None, "a", [1], pd.Series([1])):
        with pytest.raises(ValueError, match="a dict"):
            values.table(odd, ["a"])


@pytest.mark.parametrize("value", [(1, 2), np.array([1, 2]), {1}, None, np.float32(1)])
def test_a_dict_holds_what_a_cell_of_a_table_holds(value):
    (found,) = values.table([{"a": value}], ["a"]).a
    assert found is value


def test_each_dict_has_each_column():
    rows = [{"a": None, "b": 1, "c": 2}, {"b": 1}]
    words = r"Columns are missing: \['a', 'c'\], in row 1\. A missing value is None"
    with pytest.raises(ValueError, match=words):
        values.table(rows, ["a", "b", "c"])
    with pytest.raises(ValueError, match=r"missing: \['a', 'c'\], in row 0"):
        values.table(rows[1], ["a", "b", "c"])


def test_every_row_of_another_kind_than_training_had_is_counted():
    found = values.distinct(pd.Series([1, 2], name="c"))
    with pytest.raises(ValueError, match="'c' does not hold text.* in 2 of 2 rows"):
        values.check_one_kind(found, "text")


def test_what_kind_of_thing_a_value_is():
    found = [*map(values.name_of, (None, 1, 2.0, pd.Index(["a"])))]
    assert found == ["nothing", "an int", "a float", "an Index"]
