"""Fields: what is learned from training rows, how rows are encoded, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import fields
from helpers.fields import CATEGORICAL, MULTI, NUMERIC, FieldEncoder, FieldSpec

KINDS = {"user": CATEGORICAL, "job": CATEGORICAL, "genres": MULTI, "year": NUMERIC}


def table(n: int = 4, **columns) -> pd.DataFrame:
    rows = {
        "user": [30, 10, 20, 10],
        "job": ["café", "writer", "artist", "writer"],
        "genres": [["War", "Action"], [], ("Drama",), ["Drama", "War"]],
        "year": [1990.0, 1992.0, 1994.0, 2000.0],
    }
    return pd.DataFrame(rows).head(n).assign(**columns)


def encoded(train, rows, kind: str, **options) -> np.ndarray:
    """One column, learned from `train`, encoded for `rows`."""
    encoder = FieldEncoder({"f": kind}, **options).fit(pd.DataFrame({"f": train}))
    return encoder.transform(pd.DataFrame({"f": rows}))["f"]


def test_shapes_dtypes_and_order_are_those_of_the_kinds():
    x = FieldEncoder(KINDS).fit(table()).transform(table(3))
    assert [*x] == [*KINDS]
    assert {n: (a.shape, a.dtype.name) for n, a in x.items()} == {
        "user": ((3, 1), "int32"),
        "job": ((3, 1), "int32"),
        "genres": ((3, 2), "int32"),
        "year": ((3, 1), "float32"),
    }


def test_values_get_ids_from_2_in_their_order():
    x = FieldEncoder(KINDS).fit(table()).transform(table())
    assert x["user"].tolist() == [[4], [2], [3], [2]]
    assert x["job"].tolist() == [[3], [4], [2], [4]]
    assert x["genres"].tolist() == [[4, 2], [0, 0], [3, 0], [3, 4]]


def test_specs_tell_sizes_and_lengths():
    assert FieldEncoder(KINDS).fit(table()).specs == [
        FieldSpec("user", CATEGORICAL, 5, 1),
        FieldSpec("job", CATEGORICAL, 5, 1),
        FieldSpec("genres", MULTI, 5, 2),
        FieldSpec("year", NUMERIC, 0, 1),
    ]


def test_every_id_is_below_the_size_of_its_field():
    encoder = FieldEncoder(KINDS).fit(table())
    x = encoder.transform(table())
    sizes = {s.name: s.size for s in encoder.specs if s.size}
    assert {name: x[name].max() + 1 for name in sizes} == sizes


def test_the_fields_of_the_course_are_known_kinds():
    assert FieldEncoder(fields.MOVIELENS).kinds == fields.MOVIELENS


def test_numbers_are_scaled_with_the_mean_and_population_sd_of_training_rows():
    x = encoded([1.0, 2.0, 6.0], [3.0, 10.0], NUMERIC)
    sd = np.sqrt(((1 - 3) ** 2 + (2 - 3) ** 2 + (6 - 3) ** 2) / 3)
    np.testing.assert_allclose(x, [[0.0], [7 / sd]], rtol=1e-6)


@pytest.mark.parametrize("n", [1, 3, 7, 10, 1000])
@pytest.mark.parametrize("value", [0.1, 1e9 / 3, 0.0])
def test_a_constant_number_is_centred_and_not_scaled(n, value):
    x = encoded([value] * n, [value, value + 1], NUMERIC)
    np.testing.assert_allclose(x, [[0.0], [1.0]], atol=1e-5)


def test_whole_numbers_count_as_numbers():
    np.testing.assert_allclose(encoded([0, 2], [4], NUMERIC), [[3.0]])


def test_an_unseen_value_is_unknown():
    assert encoded([1, 2], [3, 2], CATEGORICAL).tolist() == [[1], [3]]
    assert encoded(["a"], ["b", "a"], CATEGORICAL).tolist() == [[1], [2]]


def test_an_unseen_value_inside_a_list_is_unknown():
    assert encoded([["a", "b"]], [["c", "b"], ["c"]], MULTI).tolist() == [
        [1, 3],
        [1, 0],
    ]


def test_vocabularies_come_from_the_rows_of_fit_only():
    encoder = FieldEncoder(KINDS).fit(table(2))
    encoder.transform(table())
    assert encoder.vocabulary("user") == {10: 2, 30: 3}
    assert encoder.vocabulary("genres") == {"Action": 2, "War": 3}


def test_fitting_again_forgets_what_was_learned():
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": [1, 2]}))
    assert encoder.fit(pd.DataFrame({"f": [7]})).vocabulary("f") == {7: 2}


def test_a_refused_fit_leaves_the_encoder_as_it_was():
    encoder = FieldEncoder(KINDS)
    with pytest.raises(ValueError, match="year"):
        encoder.fit(table(year=np.nan))
    with pytest.raises(ValueError, match="call fit"):
        encoder.transform(table())


def test_an_empty_list_is_padding_only():
    assert encoded([["a", "b"], []], [[], ()], MULTI).tolist() == [[0, 0], [0, 0]]


def test_training_lists_that_are_all_empty_still_have_one_column():
    assert encoded([[], []], [[], ["a"], [3]][:1], MULTI).tolist() == [[0]]
    assert encoded([[], []], [["a"], [3]], MULTI).tolist() == [[1], [1]]


def test_tuples_and_lists_are_encoded_alike():
    assert (
        encoded([["a", "b"]], [("b", "a"), ["b", "a"]], MULTI).tolist() == [[3, 2]] * 2
    )


def test_shared_list_objects_and_equal_distinct_ones_get_the_same_ids():
    shared = ["b", "a"]
    rows = [shared, ["a"], shared, ["b", "a"], ["a"]]
    assert encoded(rows, rows, MULTI).tolist() == [
        [3, 2],
        [2, 0],
        [3, 2],
        [3, 2],
        [2, 0],
    ]


def test_index_labels_play_no_part():
    encoder = FieldEncoder(KINDS).fit(table())
    labelled = table().set_axis([7, 7, -1, 90])
    again = FieldEncoder(KINDS).fit(labelled)
    assert again.learned == encoder.learned
    for name, x in encoder.transform(table()).items():
        np.testing.assert_array_equal(again.transform(labelled)[name], x)


@pytest.mark.parametrize("dtype", ["object", "category", "Int64", "float64"])
def test_numbers_keep_their_ids_in_another_container(dtype):
    rows = pd.Series([2, 1], dtype=dtype)
    assert encoded([1, 2], rows, CATEGORICAL).tolist() == [[3], [2]]
    assert encoded(rows, [2, 1], CATEGORICAL).tolist() == [[3], [2]]


def test_a_transform_of_no_rows_has_the_shapes_of_no_rows():
    x = FieldEncoder(KINDS).fit(table()).transform(table(0))
    assert [a.shape for a in x.values()] == [(0, 1), (0, 1), (0, 2), (0, 1)]
    assert [a.dtype.name for a in x.values()] == ["int32"] * 3 + ["float32"]


BAD = [
    ("year", [1.0, np.nan, np.nan, 2.0], [1, 2]),
    ("year", [1.0, 2.0, np.inf, -np.inf], [2, 3]),
    ("year", [1.0, None, 3.0, 2.0], [1]),
    ("year", ["1.0", "2.0", "3.0", "unknown"], [3]),
    ("user", [1.0, 2.0, np.nan, 4.0], [2]),
    ("job", ["a", None, "b", None], [1, 3]),
    ("genres", [["a"], None, ["b"], []], [1]),
    ("genres", ["a|b", ["a"], ["b"], []], [0]),
    ("genres", [["a"], np.nan, ["b"], []], [1]),
    ("genres", [["a"], ["a", None], ["b"], [np.nan]], [1, 3]),
    ("genres", [["a"], [["b"]], ["b"], []], [1]),
    ("genres", [["a"], np.array(["b"], dtype=object), ["b"], []], [1]),
    ("genres", [["a"], {"b"}, ["b"], []], [1]),
]


@pytest.mark.parametrize(("name", "values", "where"), BAD)
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_value_that_cannot_be_used_is_named_with_its_column_and_rows(
    step, name, values, where
):
    index = np.array([100, 101, 102, 103])
    rows = table().set_axis(index).assign(**{name: pd.Series(values, index)})
    encoder = FieldEncoder(KINDS).fit(table())
    labels = index[where].tolist()
    with pytest.raises(ValueError) as error:
        getattr(encoder, step)(rows)
    assert f"Column '{name}'" in str(error.value)
    assert f"in {len(where)} of 4 rows" in str(error.value)
    assert f"in rows {labels}" in str(error.value)


def test_five_rows_at_most_are_named():
    with pytest.raises(ValueError, match=r"in 9 of 9 rows.*\[0, 1, 2, 3, 4\]"):
        encoded(["a"] * 9, [], MULTI)


def test_nan_becomes_the_training_mean_where_that_is_asked_for():
    options = {"mean_for_missing": ["f"]}
    x = encoded([1.0, np.nan, 3.0], [np.nan, 3.0, None], NUMERIC, **options)
    np.testing.assert_allclose(x, [[0.0], [1.0], [0.0]])


def test_rows_that_all_miss_the_number_get_the_training_mean_too():
    assert encoded([1.0, 3.0], [np.nan], NUMERIC, mean_for_missing=["f"]).item() == 0.0


@pytest.mark.parametrize("value", [np.inf, "unknown"])
def test_the_mean_stands_for_nan_only(value):
    with pytest.raises(ValueError, match=r"'f'.*\[1\]"):
        encoded([1.0, 2.0], pd.Series([1.0, value], dtype=object), NUMERIC)
    with pytest.raises(ValueError, match=r"'f'.*\[1\]"):
        rows = pd.Series([1.0, value], dtype=object)
        encoded([1.0, 2.0], rows, NUMERIC, mean_for_missing=["f"])


def test_the_mean_is_offered_to_numeric_fields_only():
    for name in ("misspelt", "job"):
        with pytest.raises(ValueError, match=name):
            FieldEncoder({"f": NUMERIC, "job": CATEGORICAL}, mean_for_missing=[name])


def test_a_training_column_without_any_number_is_refused():
    with pytest.raises(ValueError, match=r"'f'.*in 2 of 2 rows"):
        encoded([np.nan, np.nan], [1.0], NUMERIC, mean_for_missing=["f"])


def test_a_list_longer_than_the_longest_of_training_is_refused_and_not_cut():
    with pytest.raises(ValueError, match=r"'f'.*2 at most.*'a', 'b', 'c'.*\[1\]"):
        encoded([["a", "b"], ["c"]], [["a"], ["a", "b", "c"]], MULTI)


@pytest.mark.parametrize(
    ("kind", "train", "rows"),
    [
        (CATEGORICAL, [1, 2, 3], ["1", "2", "3"]),
        (CATEGORICAL, ["1", "2", "3"], [1, 2, 3]),
        (MULTI, [[1, 2], [3]], [["1"], ["2", "3"]]),
        (MULTI, [["1"], ["2", "3"]], [[1, 2], [3]]),
    ],
)
def test_values_of_another_type_than_in_training_are_refused(kind, train, rows):
    with pytest.raises(ValueError, match=r"'f'.*as training did"):
        encoded(train, rows, kind)


@pytest.mark.parametrize("values", [["a", 1], [["a"], ["b"]], [("a",), ("b",)]])
def test_a_category_is_text_or_a_number(values):
    with pytest.raises(ValueError, match="'f' must be all text or all finite numbers"):
        encoded(values, values, CATEGORICAL)


def test_lists_that_mix_text_and_numbers_are_refused():
    with pytest.raises(ValueError, match="'f' must be all text or all finite numbers"):
        encoded([["a"], [1]], [["a"]], MULTI)


@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_missing_column_is_named_beside_those_that_are_there(step):
    encoder = FieldEncoder(KINDS).fit(table())
    with pytest.raises(ValueError, match=r"missing: \['job'\].*'user', 'genres'"):
        getattr(encoder, step)(table().drop(columns="job"))


def test_no_training_rows_are_refused():
    with pytest.raises(ValueError, match="no rows to learn from"):
        FieldEncoder(KINDS).fit(table(0))


def test_nothing_is_encoded_or_specified_before_fit():
    with pytest.raises(ValueError, match="call fit"):
        FieldEncoder(KINDS).transform(table())
    with pytest.raises(ValueError, match="call fit"):
        _ = FieldEncoder(KINDS).specs


@pytest.mark.parametrize("kinds", [{}, {"f": "text"}])
def test_fields_of_unknown_kinds_or_none_are_refused(kinds):
    with pytest.raises(ValueError, match="A field is"):
        FieldEncoder(kinds)


def test_what_was_saved_encodes_the_same_in_a_fresh_object(tmp_path):
    train = table(year=[1990.0, np.nan, 1994.1, 2000.0])
    encoder = FieldEncoder(KINDS, mean_for_missing=["year"]).fit(train)
    encoder.save(tmp_path / "encoder.json")
    loaded = FieldEncoder.load(str(tmp_path / "encoder.json"))
    assert loaded is not encoder
    assert loaded.specs == encoder.specs
    rows = table(job=["café", "cafe", "writer", "ecrivain"], user=[10, 30, 99, 20])
    for name, x in encoder.transform(rows).items():
        y = loaded.transform(rows)[name]
        np.testing.assert_array_equal(y, x)
        assert y.dtype == x.dtype
    assert np.array_equal(loaded.transform(train)["year"][1], [0.0])


def test_accents_are_legible_in_the_saved_file(tmp_path):
    FieldEncoder(KINDS).fit(table()).save(tmp_path / "encoder.json")
    text = (tmp_path / "encoder.json").read_text("utf-8")
    assert "café" in text
    assert json.loads(text)["learned"]["user"]["values"] == [10, 20, 30]


def test_numpy_scalars_in_lists_can_be_saved(tmp_path):
    rows = pd.DataFrame({"f": [[np.int64(3), np.int64(5)], [np.int64(5)]]})
    encoder = FieldEncoder({"f": MULTI}).fit(rows)
    encoder.save(tmp_path / "encoder.json")
    loaded = FieldEncoder.load(tmp_path / "encoder.json")
    assert loaded.transform(rows)["f"].tolist() == [[2, 3], [3, 0]]


LISTS = st.lists(st.lists(st.text(max_size=3), max_size=4), min_size=1, max_size=8)


@settings(max_examples=25, deadline=None)
@given(LISTS)
def test_the_vocabulary_decodes_ids_to_the_list(lists):
    rows = pd.DataFrame({"f": pd.Series(lists, dtype=object)})
    encoder = FieldEncoder({"f": MULTI}).fit(rows)
    values = {i: value for value, i in encoder.vocabulary("f").items()}
    x = encoder.transform(rows)["f"]
    assert [[values[i] for i in row if i] for row in x.tolist()] == lists
    assert x.shape == (len(lists), max(1, *map(len, lists)))


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), st.data())
def test_the_vocabulary_decodes_ids_to_the_category(train, data):
    rows = data.draw(st.lists(st.sampled_from(train), min_size=1))
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": train}))
    values = {i: value for value, i in encoder.vocabulary("f").items()}
    x = encoder.transform(pd.DataFrame({"f": rows}))["f"]
    assert [values[i] for i in x[:, 0].tolist()] == rows
