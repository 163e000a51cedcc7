"""Kinds of fields: what they learn, how they encode, every option, what they refuse."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from helpers.fields import (
    CATEGORICAL,
    MULTI,
    NUMERIC,
    Categorical,
    FieldEncoder,
    FieldSpec,
    History,
    MultiCategorical,
    Numeric,
)

ROOT = Path(__file__).resolve().parent.parent


def fitted(field, train) -> FieldEncoder:
    return FieldEncoder({"f": field}).fit(pd.DataFrame({"f": train}))


def encoded(field, train, rows) -> list:
    return fitted(field, train).transform(pd.DataFrame({"f": rows}))["f"].tolist()


# numbers


def test_numbers_are_scaled_with_the_mean_and_population_sd_of_training_rows():
    sd = np.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 3)
    x = encoded("numeric", [1.0, 2.0, 6.0], [3.0, 10.0])
    np.testing.assert_allclose(x, [[0.0], [7 / sd]], rtol=1e-6)


def test_a_number_that_never_varied_is_zero_whatever_comes():
    for train in ([0.1] * 7, [0.1 + 0.2, 0.3], [1e9 / 3] * 3, [5]):
        assert encoded("numeric", train, [train[0], 0.31, 1e9]) == [[0.0]] * 3


def test_numbers_that_32_bits_tell_apart_are_scaled():
    x = encoded("numeric", [1.0, 1.0001], [1.0, 1.0001])
    np.testing.assert_allclose(x, [[-1.0], [1.0]], rtol=1e-3)


def test_a_missing_number_is_refused_or_the_mean():
    with pytest.raises(ValueError, match=r"'f' has a missing value in 1 of 2.*\[1\]"):
        encoded("numeric", [1.0, np.nan], [1.0])
    with pytest.raises(ValueError, match='missing="mean"'):
        encoded("numeric", [1.0, 2.0], [np.nan])
    x = encoded(Numeric(missing="mean"), [1.0, np.nan, 3.0], [np.nan, 3.0, None])
    np.testing.assert_allclose(x, [[0.0], [1.0], [0.0]])
    with pytest.raises(ValueError, match="'f': no training row has a number"):
        encoded(Numeric(missing="mean"), [np.nan, np.nan], [1.0])


def test_numbers_in_text_and_in_narrow_floats_are_scaled_alike():
    train = [0.1, 0.7, 1.3]
    plain = encoded("numeric", train, train)
    for column in (pd.Series(train, dtype="float32"), [*map(str, train)]):
        assert encoded("numeric", column, train) == plain
        assert encoded("numeric", train, column) == plain


def test_numbers_that_32_bits_cannot_hold_apart_from_zero_are_zero():
    for train in ([5e-324, 0.0], [1e-300, 3e-300], [-0.0, 0.0]):
        assert encoded("numeric", train, [train[0], 1.0]) == [[0.0]] * 2


@pytest.mark.parametrize("far", [1e30, -1e30])
def test_a_number_too_far_from_those_of_training_is_refused_and_not_infinite(far):
    with pytest.raises(
        ValueError, match=r"'f' is too far from training rows in 1 of 2.*1e\+30.*\[1\]"
    ):
        encoded("numeric", [0.0, 1e-30], [0.0, far])


def test_a_column_of_no_dates_at_all_is_missing_numbers():
    nothing = pd.to_datetime(pd.Series([None, None]))
    assert encoded(Numeric(missing="mean"), [1, 3], nothing) == [[0.0], [0.0]]
    with pytest.raises(ValueError, match="'f' has a missing value in 2 of 2"):
        encoded("numeric", [1, 3], nothing)


def test_the_logarithm_keeps_the_sign_and_is_taken_before_the_scale():
    train = [0.0, np.e - 1, 1 - np.e]  # 0, 1, -1
    x = encoded(Numeric(log=True), train, [np.e**2 - 1, -(np.e**2) + 1, 0.0])
    np.testing.assert_allclose(
        x, np.array([[2], [-2], [0]]) / np.sqrt(2 / 3), rtol=1e-6
    )


def test_intervals_are_equally_full_and_have_an_id_each():
    field = Numeric(intervals=4)
    encoder = fitted(field, [*range(1, 9)])
    x = encoder.transform(pd.DataFrame({"f": [1, 2, 3, 8, -99, 99, 2.5]}))["f"]
    assert x[:, 0].tolist() == [2, 2, 3, 5, 2, 5, 3]
    assert x.dtype == "int32"
    assert encoder.specs == [FieldSpec("f", CATEGORICAL, 6)]
    counts = np.bincount(encoder.transform(pd.DataFrame({"f": range(1, 9)}))["f"][:, 0])
    assert counts.tolist() == [0, 0, 2, 2, 2, 2]


def test_intervals_that_share_a_number_are_one():
    encoder = fitted(Numeric(intervals=4), [1] * 9 + [2])
    assert encoder.specs[0].size == 4
    x = encoder.transform(pd.DataFrame({"f": [1, 2]}))["f"]
    assert x.tolist() == [[2], [3]]


def test_every_interval_has_training_rows():
    rng = np.random.default_rng(0)
    for n in (1, 2, 7, 50):
        train = rng.integers(0, 9, n)
        encoder = fitted(Numeric(intervals=5), train)
        x = encoder.transform(pd.DataFrame({"f": train}))["f"]
        assert {*x[:, 0].tolist()} == {*range(2, encoder.specs[0].size)}


def test_a_number_has_its_interval_in_every_container():
    train = [0.1, 0.2, 0.3, 0.4]
    for column in (pd.Series(train, dtype="float32"), [*map(str, train)]):
        assert encoded(Numeric(intervals=4), train, column) == [[2], [3], [4], [5]]
        assert encoded(Numeric(intervals=4), column, train) == [[2], [3], [4], [5]]


def test_both_zeros_are_cut_alike():
    one, other = (
        fitted(Numeric(intervals=2), zeros) for zeros in ([0.0, -0.0, 1], [-0.0, 0, 1])
    )
    assert one.to_json() == other.to_json()
    assert one["f"].cuts_ == [0.0]


def test_intervals_of_logarithms_are_those_of_the_numbers():
    numbers = [-100, -1, 0, 1, 10, 1000]
    both = [Numeric(intervals=3), Numeric(intervals=3, log=True)]
    one, other = (encoded(field, numbers, numbers) for field in both)
    assert one == other == [[2], [2], [3], [3], [4], [4]]


def test_intervals_of_dates_are_those_of_the_days():
    days = pd.date_range("2001-01-01", periods=4, tz="Asia/Tokyo")
    field = Numeric(dates=True, intervals=2)
    assert encoded(field, days, days) == [[2], [2], [3], [3]]


def test_a_missing_number_has_an_interval_of_its_own():
    field = Numeric(intervals=2, missing="value")
    assert encoded(field, [1, 2, np.nan], [np.nan, 1, 2]) == [[4], [2], [3]]
    assert fitted(field, [1, 2, np.nan]).specs[0].size == 5
    assert encoded(field, [1, 2], [np.nan]) == [[1]]


def test_dates_are_numbers_where_that_is_asked_for():
    days = pd.to_datetime(["2001-01-01", "2001-01-03", None])
    field = Numeric(dates=True, missing="mean")
    assert encoded(field, days, days) == [[-1.0], [1.0], [0.0]]
    for column in (
        days,
        pd.Series(days, dtype="category"),
        pd.Series(days, dtype=object),
    ):
        with pytest.raises(
            ValueError, match=r"holds dates in 2 of 3.*Numeric\(dates=True\)"
        ):
            encoded("numeric", column, column)
    assert fitted(field, days)["f"].mean_ == 11324.0  # days, and 2001-01-02 is that
    berlin = pd.to_datetime(["2001-01-01T01", "2001-01-03T01"]).tz_localize("Etc/GMT-1")
    assert encoded(field, days, berlin) == [[-1.0], [1.0]]
    with pytest.raises(ValueError, match="'f' has a missing value in 1 of 3"):
        encoded(Numeric(dates=True), days, days)


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "zero"},
        {"missing": "value"},
        {"missing": "mean", "intervals": 3},
        {"intervals": 1},
        {"intervals": 2.5},
        {"intervals": "3"},
        {"intervals": True},
        {"missing": "mean", "intervals": 3, "log": True},
        {"missing": None},
        {"missing": "empty"},
        {"log": "no"},
        {"dates": 2},
    ],
)
def test_settings_of_a_number_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="missing|intervals|log|dates"):
        Numeric(**options)


def test_a_setting_is_refused_with_what_was_given():
    with pytest.raises(ValueError, match="intervals is a whole number from 2, not 2.5"):
        Numeric(intervals=2.5)
    with pytest.raises(ValueError, match="missing is one of .*'mean'.*, not 'zero'"):
        Numeric(missing="zero")
    with pytest.raises(
        ValueError, match="min_count is a whole number from 1, not None"
    ):
        Categorical(min_count=None)
    with pytest.raises(ValueError, match="separator is text .*, not 1"):
        MultiCategorical(separator=1)


# values


def test_values_get_ids_from_2_in_their_order_and_unseen_ones_1():
    assert encoded("categorical", [30, 10, 20, 10], [10, 30, 99]) == [[2], [4], [1]]
    assert encoded("categorical", ["b", "a"], ["a", "b"]) == [[2], [3]]


def test_rare_values_are_unknown_in_training_too():
    field = Categorical(min_count=2)
    assert encoded(field, ["a", "b", "a"], ["a", "b", "c"]) == [[2], [1], [1]]
    assert encoded(Categorical(min_count=9), ["a", "b"], ["a", "b"]) == [[1], [1]]
    assert fitted(Categorical(min_count=9), ["a", "b"]).specs[0].size == 2


def test_missing_is_refused_or_a_value():
    with pytest.raises(
        ValueError, match=r'\'f\' has a missing.*\[1\].*missing="value"'
    ):
        encoded("categorical", ["a", None], ["a"])
    field = Categorical(missing="value")
    assert encoded(field, ["b", None, "a"], [None, "a", "b", "c"]) == [
        [4],
        [2],
        [3],
        [1],
    ]
    assert fitted(field, ["b", None, "a"]).specs[0].size == 5
    assert encoded(field, ["b", "a"], [None]) == [[1]]
    assert encoded(
        Categorical(missing="value", min_count=2), ["a", "a", None], [None]
    ) == [[1]]


def test_a_missing_value_is_counted_as_others_are():
    field = Categorical(missing="value", min_count=2)
    train = ["a", None, "a", np.nan, "b"]
    assert encoded(field, train, [None, "a", "b"]) == [[3], [2], [1]]
    assert fitted(field, train).specs[0].size == 4


def test_a_missing_value_follows_all_buckets():
    field = Categorical(missing="value", buckets=5)
    assert encoded(field, ["a", None], [None]) == [[7]]
    assert fitted(field, ["a", None]).specs[0].size == 8
    assert encoded(field, ["a"], [None]) == [[1]]


def test_a_column_that_is_all_missing_teaches_that_it_can_be():
    field = Categorical(missing="value")
    assert encoded(field, [None, np.nan], [None, "a"]) == [[2], [1]]
    assert encoded(field, [None, np.nan], [3]) == [[1]]
    with pytest.raises(ValueError, match="'f' has a missing value in 2 of 2"):
        encoded("categorical", [None, None], [])


@pytest.mark.parametrize(
    ("train", "rows", "ids"),
    [
        (["é"], ["é", "e\u0301", "E\u0301"], [2, 1, 1]),
        (["\ud800", "a"], ["a", "\ud800"], [2, 3]),
        ([2**70, 2**70 + 1, 5], [5, 2**70, 2**70 + 1, 2**70 + 2], [2, 3, 4, 1]),
        ([2**53, 2**53 + 1], [2**53 + 1, 2**53], [3, 2]),
        ([0.0], [-0.0, False], [2, 2]),
        ([1e300, 5e-324], [5e-324, 1e300, 10**300], [2, 3, 1]),
        (["a"], [" a", "A", "a"], [1, 1, 2]),
    ],
    ids=repr,
)
def test_values_at_the_edges_are_themselves(train, rows, ids):
    train, rows = (pd.Series(some, dtype=object) for some in (train, rows))
    assert encoded("categorical", train, rows) == [[i] for i in ids]
    loaded = FieldEncoder.from_json(fitted("categorical", train).to_json())
    x = loaded.transform(pd.DataFrame({"f": rows}))["f"]
    assert x.tolist() == [[i] for i in ids]


HASHED = ["ios", "é", 7, 0.5]
IDS = [[99], [75], [44], [94]]


def test_a_hash_is_the_same_everywhere():
    assert [encoded(Categorical(buckets=100), [v], [v])[0] for v in HASHED] == IDS
    code = (
        "import pandas as pd; from helpers.fields import *; print([FieldEncoder("
        "{'f': Categorical(buckets=100)}).fit(pd.DataFrame({'f': [v]})).transform("
        f"pd.DataFrame({{'f': [v]}}))['f'].tolist()[0] for v in {HASHED!r}])"
    )
    env = {"PYTHONHASHSEED": "7", "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip() == str(IDS), done.stderr


def test_a_hashed_field_knows_every_value_and_fills_its_buckets():
    encoder = fitted(Categorical(buckets=5), ["a"])
    x = encoder.transform(pd.DataFrame({"f": [f"v{i}" for i in range(200)]}))["f"]
    assert {*x[:, 0].tolist()} == {2, 3, 4, 5, 6}
    assert encoder.specs == [FieldSpec("f", CATEGORICAL, 7)]
    with pytest.raises(ValueError, match="does not hold text, as training does"):
        encoder.transform(pd.DataFrame({"f": [1]}))


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "mean"},
        {"min_count": 0},
        {"buckets": 0},
        {"buckets": 3, "min_count": 2},
        {"min_count": None},
        {"min_count": 1.5},
        {"buckets": "3"},
    ],
)
def test_settings_of_a_value_that_make_no_sense_are_refused(options):
    for kind in (Categorical, MultiCategorical):
        with pytest.raises(ValueError, match="missing|min_count|buckets"):
            kind(**options)


@pytest.mark.parametrize("train", [[1, 2, 3], ["1", "2", "3"]])
def test_values_of_another_kind_than_in_training_are_refused(train):
    other = [str(v) if isinstance(v, int) else int(v) for v in train]
    with pytest.raises(
        ValueError, match=r"'f' does not hold \w+, as training does, in 3"
    ):
        encoded("categorical", train, other)
    with pytest.raises(ValueError, match="as training does, in 3 of 3 rows"):
        encoded("multi-categorical", [[v] for v in train], [[v] for v in other])


def test_a_column_that_is_all_unknown_is_told():
    with pytest.warns(UserWarning, match="'f': none of its 2.*unknown.*'A'.*'a', 'b'"):
        assert encoded("categorical", ["a", "b"], ["A", "B"]) == [[1], [1]]


def test_one_newcomer_is_no_reason_for_a_word(recwarn):
    encoded("categorical", ["a", "b"], ["c", "c"])
    encoded("categorical", ["a", "b"], ["c", "a"])
    assert not recwarn.list


# lists

LISTS = [["War", "Action"], [], ("Drama",), ["Drama", "War"]]


def test_lists_are_padded_ids_in_the_order_of_the_list():
    assert encoded("multi-categorical", LISTS, LISTS) == [
        [4, 2],
        [0, 0],
        [3, 0],
        [3, 4],
    ]
    assert fitted("multi-categorical", LISTS).specs == [FieldSpec("f", MULTI, 5, None)]


@pytest.mark.parametrize(
    "container",
    [
        list,
        tuple,
        set,
        frozenset,
        np.array,
        pd.Series,
        lambda v: pd.array(v, dtype="str"),
    ],
)
def test_lists_may_be_of_any_container(container):
    rows = pd.Series([container(["a", "b"]), container(["b"])], dtype=object)
    assert encoded("multi-categorical", [["b", "a"]], rows) == [[2, 3], [3, 0]]
    assert encoded("multi-categorical", rows, [["b", "a"]]) == [[3, 2]]


@pytest.mark.parametrize("dtype", ["float32", "Float32", "float16", "float64"])
def test_an_array_of_narrow_floats_lists_the_decimals(dtype):
    make = pd.array if dtype == "Float32" else np.array
    rows = pd.Series([make([0.1, 2.7], dtype=dtype)], dtype=object)
    assert fitted("multi-categorical", rows)["f"].values_ == [0.1, 2.7]
    assert encoded("multi-categorical", [[0.1, 2.7]], rows) == [[2, 3]]


@pytest.mark.parametrize("array", [np.zeros((1, 2)), np.array(1.0)], ids=str)
def test_an_array_that_is_no_list_is_refused(array):
    rows = pd.Series([[1.0], array], dtype=object)
    with pytest.raises(ValueError, match=r"'f' is no list .*1 of 2.*\[1\]"):
        encoded("multi-categorical", rows, rows)


def test_lists_of_an_arrow_table_are_lists():
    pa = pytest.importorskip("pyarrow")
    column = pd.Series([["a", "b"], []], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    assert encoded("multi-categorical", column, column) == [[2, 3], [0, 0]]


def test_sets_of_equal_values_have_one_order():
    one, other = {1, 20, 3}, {np.float32(20), np.int8(3), True}
    assert encoded("multi-categorical", [one], [one, other]) == [[2, 3, 4]] * 2


def test_a_set_is_cut_by_its_order_and_not_by_chance():
    words = {f"w{i}" for i in range(50)}
    found = fitted(MultiCategorical(longest=2), pd.Series([words], dtype=object))
    assert found["f"].values_ == ["w0", "w1"]
    numbers = {10, 9.5, 2}
    found = fitted(MultiCategorical(longest=2), pd.Series([numbers], dtype=object))
    assert found["f"].values_ == [2, 9.5]


def test_a_list_longer_than_any_of_training_is_encoded_whole():
    x = encoded("multi-categorical", [["a", "b"]], [["a"], ["b", "c", "a"]])
    assert x == [[2, 0, 0], [3, 1, 2]]


def test_a_list_is_cut_where_that_is_asked_for():
    field = MultiCategorical(longest=2)
    assert encoded(field, [["a", "b", "c"]], [["b", "a", "b"]]) == [[3, 2]]
    assert encoded(field, [["a", "b", "c"]], [["c"]]) == [[1, 0]]
    with pytest.raises(ValueError, match="longest is a whole number from 1, not 0"):
        MultiCategorical(longest=0)


def test_what_is_cut_off_a_list_is_not_read():
    field = MultiCategorical(longest=1)
    assert encoded(field, [["a", 1], ["b", None]], [["b", [1]]]) == [[3]]


def test_text_is_a_list_where_a_separator_is_named():
    field = MultiCategorical(separator="|")
    assert encoded(field, ["Action|Comedy", ""], ["Comedy | Action|", "", "x"]) == [
        [3, 2],
        [0, 0],
        [1, 0],
    ]
    with pytest.raises(ValueError, match=r"no list.*'Action\|Comedy'.*separator="):
        encoded("multi-categorical", [["a"], "Action|Comedy"], [])
    with pytest.raises(ValueError, match="no list of text or numbers.*Make lists"):
        encoded(field, ["Action", 5], [])
    assert encoded(field, [["a|b"], "c"], ["c", ("a|b",)]) == [[3], [2]]
    assert encoded(MultiCategorical(separator=", "), ["a, b"], ["b,a, a"]) == [[1, 2]]
    assert encoded(MultiCategorical(separator=" "), ["a  b"], [" b "]) == [[3, 0]]
    with pytest.raises(ValueError, match="separator"):
        MultiCategorical(separator="")


def test_a_missing_list_is_refused_or_empty():
    with pytest.raises(ValueError, match=r'missing value in 1 of 2.*\[1\].*"empty"'):
        encoded("multi-categorical", [["a"], None], [])
    field = MultiCategorical(missing="empty")
    assert encoded(field, [["a"], None], [np.nan, ["a"], pd.NA]) == [[0], [2], [0]]


def test_values_of_lists_count_once_for_each_row_that_lists_them():
    shared = ["a", "b"]
    rows = pd.Series([shared, shared, ["c"]], dtype=object)
    assert encoded(MultiCategorical(min_count=2), rows, [["a", "c", "b"]]) == [
        [2, 1, 3]
    ]


def test_a_value_that_a_list_holds_twice_counts_twice():
    field = MultiCategorical(min_count=2)
    assert encoded(field, [["a", "a", "b"]], [["a", "b"]]) == [[2, 1, 0]]


def test_lists_of_another_kind_in_a_later_frame_are_refused():
    frames = [pd.DataFrame({"f": [["a"]]}), pd.DataFrame({"f": [["b"], [1]]}).tail(1)]
    with pytest.raises(ValueError, match=r"does not hold text.*1 of 1.*\[1\]"):
        FieldEncoder({"f": "multi-categorical"}).fit(frames)


def test_values_of_lists_can_be_hashed():
    assert encoded(MultiCategorical(buckets=100), [["ios"]], [["é", "ios"]]) == [
        IDS[1] + IDS[0]
    ]


def test_shared_lists_and_equal_ones_get_the_same_ids():
    shared = ["b", "a"]
    rows = pd.Series([shared, ["a"], shared, ["b", "a"], ["a"]], dtype=object)
    assert encoded("multi-categorical", rows, rows) == [
        [3, 2],
        [2, 0],
        [3, 2],
        [3, 2],
        [2, 0],
    ]


BAD_LISTS = [
    ([["a"], ["a", None], ["b"], [np.nan]], [1, 3]),
    ([["a"], [["b"]], ["b"], []], [1]),
    ([["a"], {"b": 1}, ["b"], []], [1]),
    ([["a"], ["b"], 5, "a"], [2, 3]),
    ([["a"], ["b", 1], ["b"], []], [1]),
    ([["a"], ["b"], [np.inf], []], [2]),
    ([["a"], ["b"], [pd.Timestamp(0)], []], [2]),
]


IN_LISTS = [
    (["b"], "has lists of lists"),
    (frozenset({"b"}), "has lists of lists"),
    (pd.Timestamp(0), "has lists of dates"),
    (np.datetime64(0, "s"), "has lists of dates"),
    (pd.Timedelta(1), "has lists of spans of time"),
    ({"b": 1}, "lists what is no value"),
    (b"b", "lists what is no value"),
    (np.inf, "lists what is no value"),
    (None, "lists a missing value"),
    (1, "is numbers and not text, as other rows are,"),
]


@pytest.mark.parametrize(("odd", "says"), IN_LISTS, ids=lambda x: repr(x)[:24])
def test_what_no_list_can_hold_is_told_as_what_is_in_a_list(odd, says):
    rows = pd.Series([["a"], ["a", odd], ["a"]], dtype=object)
    with pytest.raises(ValueError, match=rf"^Column 'f' {says} in 1 of 3.*\[1\]"):
        encoded("multi-categorical", rows, [])
    with pytest.raises(ValueError, match=rf"^Column 'f' {says} in 1 of 3.*\[1\]"):
        encoded("multi-categorical", [["a"]], rows) if odd != 1 else encoded(
            "multi-categorical", rows, rows
        )


@pytest.mark.parametrize("kind", ["datetime64[ns]", "datetime64[D]", "timedelta64[ns]"])
def test_an_array_of_times_lists_no_integers(kind):
    rows = pd.Series([np.array([1, 2], dtype=kind)], dtype=object)
    with pytest.raises(ValueError, match="has lists of (dates|spans)"):
        encoded("multi-categorical", rows, rows)


@pytest.mark.parametrize(("lists", "where"), BAD_LISTS, ids=str)
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_list_that_cannot_be_used_is_named_with_its_row(step, lists, where):
    rows = pd.DataFrame({"f": pd.Series(lists, dtype=object)}).set_axis([*"wxyz"])
    encoder = fitted("multi-categorical", [["a"], ["b"]])
    with pytest.raises(ValueError) as error:
        getattr(encoder, step)(rows)
    assert "Column 'f' " in str(error.value)
    assert f"in {len(where)} of 4 rows" in str(error.value)
    assert f"in rows {['wxyz'[i] for i in where]}" in str(error.value)


def test_one_long_list_that_fills_memory_with_nothing_is_told():
    tags = pd.Series([["a"]] * 20_000, dtype=object)
    tags.iloc[7] = [f"t{i}" for i in range(1000)]
    encoder = fitted("multi-categorical", tags)
    with pytest.warns(
        UserWarning, match=r"1000 values in row 7 makes an array of 76 MiB"
    ):
        x = encoder.transform(pd.DataFrame({"f": tags}))["f"]
    assert x.shape == (20_000, 1000)
    with pytest.warns(
        UserWarning,
        match=r"Field 'f'.*0.10% filled. 99 of 100 lists have 1 values at most: "
        r"MultiCategorical\(longest=1\) takes 0.1 MiB",
    ):
        encoder.transform(pd.DataFrame({"f": tags}))
    small = fitted(MultiCategorical(longest=1), tags)
    assert small.transform(pd.DataFrame({"f": tags}))["f"].shape == (20_000, 1)


def test_an_array_that_is_small_or_well_filled_is_no_reason_for_a_word(
    monkeypatch, recwarn
):
    tags = pd.Series([["a"] * 10] + [["a"]] * 4, dtype=object)
    encoder = fitted("multi-categorical", tags.tail(1))
    five, four = (pd.DataFrame({"f": tags.head(n)}) for n in (5, 4))
    monkeypatch.setattr("helpers.kinds.LARGE", 160)  # 4 rows of 10 ids of 4 bytes
    monkeypatch.setattr("helpers.kinds.FILLED", 14 / 50)
    encoder.transform(five)
    monkeypatch.setattr("helpers.kinds.FILLED", 0.99)
    encoder.transform(four)
    assert not recwarn.list
    with pytest.warns(UserWarning, match="a list of 10 values in row 0 .* 28.00% fill"):
        encoder.transform(five)


def test_a_list_of_nothing_still_has_a_column():
    assert encoded("multi-categorical", [[], []], [[], []]) == [[0], [0]]


# what kinds share


def test_a_field_can_have_another_name_than_its_column():
    rows = pd.DataFrame({"price": [1.0, 2.0, 3.0, 4.0]})
    fields = {"x": Numeric(column="price"), "band": Numeric("price", intervals=2)}
    x = FieldEncoder(fields).fit(rows).transform(rows)
    assert x["band"][:, 0].tolist() == [2, 2, 3, 3]
    assert x["x"][0, 0] < 0 < x["x"][3, 0]


def test_a_field_reads_its_column_and_no_other():
    assert Numeric().columns("f") == Numeric().columns_to_learn("f") == ["f"]
    assert Categorical(column=0).columns("f") == [0]


@pytest.mark.parametrize(
    ("field", "ask"),
    [
        (Categorical(), lambda f: f.vocabulary),
        (MultiCategorical(), lambda f: f.vocabulary),
        (Categorical(), lambda f: f.spec("f")),
        (Numeric(), lambda f: f.spec("f")),
        (History("u", "i"), lambda f: f.spec("f")),
        (History("u", "i"), lambda f: f.table()),
    ],
)
def test_what_was_not_learned_is_not_told(field, ask):
    with pytest.raises(ValueError, match=f"{type(field).__name__} has learned nothing"):
        ask(field)
    frame = pd.DataFrame({"f": [[1]] if field.kind == MULTI else [1], "u": 1, "i": 2})
    field.start()
    field.observe("f", frame)
    with pytest.raises(ValueError, match=f"{type(field).__name__} has learned nothing"):
        ask(field)
    field.finish("f")
    ask(field)


def test_a_vocabulary_is_a_mapping_of_values_to_ids():
    assert fitted("categorical", [7, 5])["f"].vocabulary == {5: 2, 7: 3}
    assert fitted("multi-categorical", [["b"], ["a"]])["f"].vocabulary == {
        "a": 2,
        "b": 3,
    }
    loaded = FieldEncoder.from_json(fitted("categorical", [7, 5]).to_json())
    assert loaded["f"].vocabulary == {5: 2, 7: 3}
    assert len(fitted(Categorical(buckets=9), ["a"])["f"].vocabulary) == 9


def test_a_spec_knows_its_dtype():
    assert FieldSpec("a", NUMERIC).dtype == "float32"
    assert FieldSpec("a", MULTI).dtype == "int32"


def test_numpy_scalars_are_settings_that_can_be_saved():
    field = Categorical(min_count=np.int64(2))
    assert type(field.min_count) is int
    assert '"min_count": 2' in fitted(field, ["a", "a"]).to_json()
    assert History("u", "i", "r", at_least=np.float32(4)).at_least == 4.0
    logs = fitted(Numeric(log=np.True_, intervals=np.int8(2)), [1, 2])
    assert '"log": true' in logs.to_json()


def test_a_number_that_was_missing_in_one_frame_was_missing():
    frames = [pd.DataFrame({"f": column}) for column in ([1.0, np.nan], [2.0, 3.0])]
    for order in (frames, frames[::-1]):
        encoder = FieldEncoder({"f": Numeric(missing="value", intervals=2)})
        asked = pd.DataFrame({"f": [np.nan, 1.0]})
        missing, there = encoder.fit(order).transform(asked)["f"].tolist()
        assert missing != there
        assert missing != [1]


def test_lists_of_strangers_are_told_with_their_column():
    with pytest.warns(UserWarning, match="Column 'f': none of its 2"):
        assert encoded("multi-categorical", [["a"]], [["x", "y"]]) == [[1, 1]]


@pytest.mark.parametrize(
    ("kind", "column"),
    [
        (Categorical, [f"v{i}" for i in range(500)]),
        (MultiCategorical, [["a", "b"]] * 9),
    ],
)
def test_a_hashed_field_keeps_no_values_while_it_learns(kind, column):
    field = kind(buckets=8)
    field.start()
    for _ in range(3):
        field.observe("f", pd.DataFrame({"f": column}))
    assert len(field._frequency) == 1


def test_a_hashed_field_counts_what_is_missing():
    field = Categorical(buckets=8, missing="value")
    frames = [pd.DataFrame({"f": ["a", "b"]}), pd.DataFrame({"f": ["c", None]})]
    for some, missing in ((frames, True), (frames[:1], False)):
        assert FieldEncoder({"f": field}).fit(some)["f"].missing_ is missing
    with pytest.raises(ValueError, match="does not hold text, as training does"):
        FieldEncoder({"f": field}).fit([*frames, pd.DataFrame({"f": [1, 2]})])
