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


def test_a_missing_number_has_an_interval_of_its_own():
    field = Numeric(intervals=2, missing="value")
    assert encoded(field, [1, 2, np.nan], [np.nan, 1, 2]) == [[4], [2], [3]]
    assert fitted(field, [1, 2, np.nan]).specs[0].size == 5
    assert encoded(field, [1, 2], [np.nan]) == [[1]]


def test_dates_are_numbers_where_that_is_asked_for():
    days = pd.to_datetime(["2001-01-01", "2001-01-03", None])
    field = Numeric(dates=True, missing="mean")
    assert encoded(field, days, days) == [[-1.0], [1.0], [0.0]]
    with pytest.raises(
        ValueError, match=r"holds dates in 2 of 3.*Numeric\(dates=True\)"
    ):
        encoded("numeric", days, days)


@pytest.mark.parametrize(
    "options",
    [
        {"missing": "zero"},
        {"missing": "value"},
        {"missing": "mean", "intervals": 3},
        {"intervals": 1},
        {"intervals": 2.5},
    ],
)
def test_settings_of_a_number_that_make_no_sense_are_refused(options):
    with pytest.raises(ValueError, match="missing|intervals"):
        Numeric(**options)


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


def test_lists_of_an_arrow_table_are_lists():
    pa = pytest.importorskip("pyarrow")
    column = pd.Series([["a", "b"], []], dtype=pd.ArrowDtype(pa.list_(pa.string())))
    assert encoded("multi-categorical", column, column) == [[2, 3], [0, 0]]


def test_sets_of_equal_values_have_one_order():
    one, other = {1, 20, 3}, {np.float32(20), np.int8(3), True}
    assert encoded("multi-categorical", [one], [one, other]) == [[2, 3, 4]] * 2


def test_a_list_longer_than_any_of_training_is_encoded_whole():
    x = encoded("multi-categorical", [["a", "b"]], [["a"], ["b", "c", "a"]])
    assert x == [[2, 0, 0], [3, 1, 2]]


def test_a_list_is_cut_where_that_is_asked_for():
    field = MultiCategorical(longest=2)
    assert encoded(field, [["a", "b", "c"]], [["b", "a", "b"]]) == [[3, 2]]


def test_text_is_a_list_where_a_separator_is_named():
    field = MultiCategorical(separator="|")
    assert encoded(field, ["Action|Comedy", ""], ["Comedy | Action|", "", "x"]) == [
        [3, 2],
        [0, 0],
        [1, 0],
    ]
    with pytest.raises(ValueError, match=r"no list.*'Action\|Comedy'.*separator="):
        encoded("multi-categorical", [["a"], "Action|Comedy"], [])
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
    small = fitted(MultiCategorical(longest=1), tags)
    assert small.transform(pd.DataFrame({"f": tags}))["f"].shape == (20_000, 1)


def test_a_list_of_nothing_still_has_a_column():
    assert encoded("multi-categorical", [[], []], [[], []]) == [[0], [0]]


# what kinds share


def test_a_field_can_have_another_name_than_its_column():
    rows = pd.DataFrame({"price": [1.0, 2.0, 3.0, 4.0]})
    fields = {"x": Numeric(column="price"), "band": Numeric("price", intervals=2)}
    x = FieldEncoder(fields).fit(rows).transform(rows)
    assert x["band"][:, 0].tolist() == [2, 2, 3, 3]
    assert x["x"][0, 0] < 0 < x["x"][3, 0]


def test_a_spec_knows_its_dtype():
    assert FieldSpec("a", NUMERIC).dtype == "float32"
    assert FieldSpec("a", MULTI).dtype == "int32"


def test_numpy_scalars_are_settings_that_can_be_saved():
    field = Categorical(min_count=np.int64(2))
    assert type(field.min_count) is int
    assert '"min_count": 2' in fitted(field, ["a", "a"]).to_json()
    assert History("u", "i", "r", at_least=np.float32(4)).at_least == 4.0
