"""FieldEncoder: all fields together, in any cut, refused, saved, loaded."""

import json
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import fields
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

KINDS = {"user": CATEGORICAL, "job": CATEGORICAL, "genres": MULTI, "year": NUMERIC}
EVERY = {
    "user": Categorical(min_count=2),
    "job": Categorical(missing="value"),
    "hashed": Categorical("job", missing="value", buckets=7),
    "genres": MultiCategorical(missing="empty", min_count=2),
    "year": Numeric(missing="mean", log=True),
    "era": Numeric("year", missing="value", intervals=3),
    "liked": History("user", "film", "stars", at_least=4),
    "seen by": History("film", "user"),
}


def table(n: int = 4, **columns) -> pd.DataFrame:
    rows = {
        "user": [30, 10, 20, 10],
        "job": ["café", "writer", "artist", "writer"],
        "genres": [["War", "Action"], [], ("Drama",), ["Drama", "War"]],
        "year": [1990.0, 1992.0, 1994.0, 2000.0],
    }
    return pd.DataFrame(rows).head(n).assign(**columns)


def draw(n: int, seed: int = 0) -> pd.DataFrame:
    """Rows for EVERY, with missing values, empty lists and rare values."""
    rng = np.random.default_rng(seed)
    job = pd.Series(rng.choice(["a", "b", "c", "d"], n), dtype=object)
    lists = [[f"t{i}" for i in rng.integers(0, 9, k)] for k in rng.integers(0, 4, n)]
    rows = pd.DataFrame(
        {
            "user": rng.integers(0, 9, n),
            "film": rng.integers(0, 7, n),
            "stars": rng.integers(1, 11, n) / 2,
            "job": job.where(rng.random(n) > 0.2),
            "genres": pd.Series(lists, dtype=object).where(rng.random(n) > 0.2),
            "year": rng.normal(0, 100, n).round(1),
        }
    )
    rows.loc[rng.random(n) < 0.2, "year"] = np.nan
    return rows


def same(one: dict, other: dict) -> None:
    assert [*one] == [*other]
    for name, x in one.items():
        np.testing.assert_array_equal(other[name], x)
        assert other[name].dtype == x.dtype


def test_shapes_dtypes_and_order_are_those_of_the_kinds():
    x = FieldEncoder(KINDS).fit(table()).transform(table(3))
    assert [*x] == [*KINDS]
    assert {n: (a.shape, a.dtype.name) for n, a in x.items()} == {
        "user": ((3, 1), "int32"),
        "job": ((3, 1), "int32"),
        "genres": ((3, 2), "int32"),
        "year": ((3, 1), "float32"),
    }


def test_specs_tell_what_a_model_must_know():
    assert FieldEncoder(KINDS).fit(table()).specs == [
        FieldSpec("user", CATEGORICAL, 5, 1),
        FieldSpec("job", CATEGORICAL, 5, 1),
        FieldSpec("genres", MULTI, 5, None),
        FieldSpec("year", NUMERIC, 0, 1),
    ]


def test_every_id_is_below_the_size_of_its_field():
    rows = draw(200)
    encoder = FieldEncoder(EVERY).fit(rows.head(60))
    x = encoder.transform(rows)
    for spec in encoder.specs:
        if spec.owners:
            assert x[spec.name][:, 0].max() < spec.owners
            assert x[spec.name][:, 1].max() < spec.size
        elif spec.size:
            assert 0 <= x[spec.name].min() and x[spec.name].max() < spec.size


def test_an_option_acts_on_every_row_and_not_only_in_training():
    rows = draw(200)
    x = FieldEncoder(EVERY).fit(rows).transform(rows)
    rare = rows.user.map(rows.user.value_counts()) < 2
    assert (x["user"][rare] == 1).all() and (x["user"][~rare] > 1).all()
    assert (x["year"][rows.year.isna()] == 0).all()
    assert len({*x["era"][rows.year.isna(), 0]}) == 1


def test_the_course_has_its_fields():
    year = fields.MOVIELENS["year"]
    assert [*fields.MOVIELENS] == [
        *("user_id", "movie_id", "gender", "age", "occupation", "genres", "year")
    ]
    assert year == Numeric(missing="mean")


def test_fields_given_by_the_caller_are_not_changed():
    given = {"f": Categorical(min_count=2)}
    encoder = FieldEncoder(given).fit(pd.DataFrame({"f": ["a", "a"]}))
    assert given["f"].learned == {} and encoder["f"] is not given["f"]
    other = FieldEncoder({"f": encoder["f"]})
    with pytest.raises(ValueError, match="call fit"):
        other.transform(pd.DataFrame({"f": ["a"]}))


def test_fitting_again_forgets_what_was_learned():
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": [1, 2]}))
    before = encoder.fingerprint
    assert encoder.fit(pd.DataFrame({"f": [7]}))["f"].vocabulary == {7: 2}
    assert encoder.fingerprint != before


def test_a_refused_fit_leaves_the_encoder_as_it_was():
    encoder = FieldEncoder(KINDS).fit(table())
    before = encoder.to_json()
    with pytest.raises(ValueError, match="year"):
        encoder.fit(table(user=[7, 8, 9, 7], year=np.nan))
    assert encoder.to_json() == before
    new = FieldEncoder(KINDS)
    with pytest.raises(ValueError, match="year"):
        new.fit(table(year=np.nan))
    with pytest.raises(ValueError, match="call fit"):
        new.transform(table())


@given(st.integers(1, 40), st.lists(st.integers(0, 40), max_size=3), st.randoms())
def test_any_cut_and_order_of_frames_teaches_the_same(n, cuts, random):
    rows = draw(n, seed=n).assign(year=lambda r: r.year.fillna(5.0))
    rows["job"], rows["genres"] = rows.job.fillna("x"), draw(n, n + 1).genres
    whole = FieldEncoder(EVERY).fit(rows)
    cuts = [0, *sorted(min(cut, n) for cut in cuts), n]
    frames = [rows.iloc[a:b] for a, b in zip(cuts, cuts[1:], strict=False)]
    random.shuffle(frames)
    parted = FieldEncoder(EVERY).fit(frame for frame in frames)
    assert parted.to_json() == whole.to_json()
    assert parted.fingerprint == whole.fingerprint


CONTAINERS = [
    lambda v: pd.Series(v, dtype="int64"),
    lambda v: pd.Series(v, dtype="float64"),
    lambda v: pd.Series(v, dtype="Int64"),
    lambda v: pd.Series(v, dtype="int32[pyarrow]"),
    lambda v: pd.Series(v, dtype=object),
    lambda v: pd.Series(v).astype("category"),
    lambda v: pd.Series([Decimal(x) for x in v], dtype=object),
]


@given(
    st.lists(st.integers(-(2**20), 2**20), min_size=1),
    st.sampled_from(CONTAINERS),
    st.sampled_from(CONTAINERS),
)
def test_equal_to_people_is_equal_ids_in_every_room(numbers, one, other):
    kinds = {
        "c": CATEGORICAL,
        "m": MULTI,
        "h": Categorical("c", buckets=9),
        "l": History("c", "i"),
    }

    def rows(container):
        column = container(numbers)
        lists = pd.Series([[v] for v in column], dtype=object)
        return pd.DataFrame({"c": column, "i": container(numbers[::-1]), "m": lists})

    encoder = FieldEncoder(kinds).fit(rows(one))
    same(encoder.transform(rows(one)), encoder.transform(rows(other)))
    assert encoder.fingerprint == FieldEncoder(kinds).fit(rows(other)).fingerprint


FORMS = {
    "as it is": lambda x: x,
    "Decimal": lambda x: Decimal(str(x)),
    "Fraction": lambda x: Fraction(str(x)),
    "float64": np.float64,
    "float32": np.float32,
    "float16": np.float16,
    "int8": lambda x: np.int8(x) if x == int(x) else x,
    "bool": lambda x: bool(x) if x in (0, 1) else x,
}
COLUMNS = {
    "object": lambda v: pd.Series(v, dtype=object),
    "category": lambda v: pd.Series(v, dtype=object).astype("category"),
    "float64": lambda v: pd.Series([*map(float, map(str, map(float, v)))]),
    "float32": lambda v: pd.Series([*map(float, v)], dtype="float32"),
    "Float32": lambda v: pd.Series([*map(float, v)], dtype="Float32"),
    "float[pyarrow]": lambda v: pd.Series([*map(float, v)], dtype="float[pyarrow]"),
    "Sparse": lambda v: pd.Series([*map(float, v)], dtype="Sparse[float32]"),
    "narrow category": lambda v: pd.Series([*map(float, v)], dtype="float32").astype(
        "category"
    ),
}
SMALL = st.sampled_from([0, 1, 2, 7, -3, 0.5, 0.1, 2.7, -0.3])


@given(st.lists(SMALL, min_size=2, max_size=6), st.data())
def test_equal_numbers_in_any_disguise_have_equal_ids(numbers, data):
    kinds = {
        "c": CATEGORICAL,
        "m": MULTI,
        "h": Categorical("c", buckets=9),
        "l": History("c", "i", "c", at_least=0.1, below=2.7),
        "n": Numeric("c", intervals=3),
    }

    def disguised() -> pd.DataFrame:
        forms = st.sampled_from([*FORMS])
        of_values, of_column = data.draw(forms), data.draw(st.sampled_from([*COLUMNS]))
        if of_column not in ("object", "category"):
            of_values = "as it is"
        some = [FORMS[of_values](x) for x in numbers]
        container = data.draw(st.sampled_from([list, tuple, np.array]))
        lists = [container([FORMS[data.draw(forms)](x)]) for x in numbers]
        return pd.DataFrame(
            {
                "c": COLUMNS[of_column](some),
                "i": COLUMNS[of_column](some[::-1]),
                "m": pd.Series(lists, dtype=object),
            }
        )

    plain = pd.DataFrame(
        {"c": numbers, "i": numbers[::-1], "m": [[x] for x in numbers]}
    )
    encoder = FieldEncoder(kinds).fit(plain)
    same(encoder.transform(plain), encoder.transform(disguised()))
    other = FieldEncoder(kinds).fit(disguised())
    assert other.to_json() == encoder.to_json()


@given(st.lists(st.text(max_size=3), min_size=1, max_size=9), st.data())
def test_equal_text_in_any_disguise_has_equal_ids(words, data):
    kinds = {"c": CATEGORICAL, "m": MULTI, "l": History("c", "i")}
    dtypes = ["object", "category", "str", "string[python]", "string[pyarrow]"]

    def disguised() -> pd.DataFrame:
        dtype = data.draw(st.sampled_from(dtypes))
        column = pd.Series(words, dtype=object).astype(dtype)
        lists = [
            pd.array([w], dtype="str") if i % 2 else (w,) for i, w in enumerate(words)
        ]
        return pd.DataFrame({"c": column, "i": column[::-1].array, "m": lists})

    encoder = FieldEncoder(kinds).fit(disguised())
    x = encoder.transform(disguised())
    known = sorted({*words})
    assert x["c"][:, 0].tolist() == [known.index(word) + 2 for word in words]
    assert x["m"].tolist() == x["c"].tolist()
    assert x["l"].tolist() == [
        [known.index(w) + 1, known.index(v) + 2]
        for w, v in zip(words, words[::-1], strict=True)
    ]


LISTS = st.lists(st.lists(st.text(max_size=3), max_size=4), min_size=1, max_size=8)


@given(LISTS)
def test_the_vocabulary_decodes_ids_to_the_list(lists):
    rows = pd.DataFrame({"f": pd.Series(lists, dtype=object)})
    encoder = FieldEncoder({"f": MULTI}).fit(rows)
    decode = {i: value for value, i in encoder["f"].vocabulary.items()}
    x = encoder.transform(rows)["f"]
    assert [[decode[i] for i in row if i] for row in x.tolist()] == lists
    assert x.shape == (len(lists), max(1, *map(len, lists)))


@given(st.lists(st.integers(-(2**62), 2**62), min_size=1), st.data())
def test_the_vocabulary_decodes_ids_to_the_category(train, data):
    rows = data.draw(st.lists(st.sampled_from(train), min_size=1))
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": train}))
    decode = {i: value for value, i in encoder["f"].vocabulary.items()}
    x = encoder.transform(pd.DataFrame({"f": rows}))["f"]
    assert [decode[i] for i in x[:, 0].tolist()] == rows


@pytest.mark.parametrize("index", [[7, 7, -1, 90], [*"abcd"], None])
def test_index_and_order_of_columns_play_no_part(index):
    encoder = FieldEncoder(KINDS).fit(table())
    rows = table().set_axis(index) if index else table()[[*KINDS][::-1]]
    assert FieldEncoder(KINDS).fit(rows).to_json() == encoder.to_json()
    same(encoder.transform(rows), encoder.transform(table()))


def test_columns_of_several_levels_are_named_by_all_of_them():
    rows = pd.DataFrame(
        {("a", 1): [1, 2], ("a", 2): [0.5, 1.5], ("b", np.int64(1)): ["x", "y"]}
    )
    kinds = {
        "one": Categorical(column=("a", 1)),
        "two": Numeric(column=("a", 2)),
        "log": History(("b", np.int64(1)), ("a", 1), ("a", 2), at_least=1),
    }
    encoder = FieldEncoder(kinds).fit(rows)
    assert encoder.columns == [("a", 1), ("a", 2), ("b", 1)]
    loaded = FieldEncoder.from_json(encoder.to_json())
    same(loaded.transform(rows), encoder.transform(rows))
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.columns == encoder.columns
    with pytest.raises(ValueError, match=r"missing: \['a'\]"):
        FieldEncoder({"a": CATEGORICAL}).fit(rows)


def test_columns_are_asked_for_once_and_a_log_only_in_training():
    encoder = FieldEncoder(EVERY)
    assert encoder.columns == ["user", "job", "genres", "year", "film"]
    rows = draw(20)
    with pytest.raises(ValueError, match=r"missing: \['stars'\]"):
        encoder.fit(rows.drop(columns="stars"))
    same(
        encoder.fit(rows).transform(rows.drop(columns="stars")),
        encoder.transform(rows),
    )


@pytest.mark.parametrize("label", [pd.Timestamp(0), ("a", pd.Timestamp(0)), b"a"])
def test_a_column_that_json_cannot_name_is_refused_at_once(label):
    for kind in (Categorical(column=label), History("u", label)):
        with pytest.raises(ValueError, match="Field 'f': the column .* cannot be writ"):
            FieldEncoder({"f": kind})


def test_names_of_numpy_are_numbers_that_can_be_saved():
    encoder = FieldEncoder({np.int64(3): Categorical(column=np.float64(0.5))})
    encoder.fit(pd.DataFrame({0.5: ["a"]}))
    loaded = FieldEncoder.from_json(encoder.to_json())
    assert loaded.names == [3] and type(loaded.names[0]) is int
    assert loaded.columns == [0.5]
    assert loaded.fingerprint == encoder.fingerprint


def test_a_column_that_is_there_twice_is_refused():
    rows = pd.DataFrame([[1, 2, 3]], columns=["f", "f", "g"])
    with pytest.raises(ValueError, match=r"more than once: \['f'\]"):
        FieldEncoder({"f": CATEGORICAL}).fit(rows)
    assert FieldEncoder({"g": CATEGORICAL}).fit(rows).transform(rows)["g"].item() == 2


def test_one_row_is_enough_to_learn_from():
    rows = draw(60).dropna().query("stars >= 4").head(1)
    encoder = FieldEncoder(EVERY).fit(rows)
    assert {n: a.tolist() for n, a in encoder.transform(rows).items()} == {
        "user": [[1]],
        "job": [[2]],
        "hashed": encoder.transform(rows)["hashed"].tolist(),
        "genres": [[1] * len(rows.genres.iloc[0])] if rows.genres.iloc[0] else [[0]],
        "year": [[0.0]],
        "era": [[2]],
        "liked": [[1, 2]],
        "seen by": [[1, 2]],
    }


def test_an_empty_frame_among_others_teaches_nothing():
    rows = draw(30)
    for empty in (rows.head(0), pd.DataFrame(columns=rows.columns)):
        for frames in ([empty, rows], [rows, empty]):
            assert (
                FieldEncoder(EVERY).fit(frames).to_json()
                == FieldEncoder(EVERY).fit(rows).to_json()
            )


def test_kinds_that_change_between_frames_are_refused():
    frames = [pd.DataFrame({"f": ["a", "b"]}), pd.DataFrame({"f": [1, 2]})]
    for some in (frames, frames[::-1]):
        with pytest.raises(ValueError, match=r"'f' does not hold (text|numbers), as"):
            FieldEncoder({"f": CATEGORICAL}).fit(some)


def test_a_transform_of_no_rows_has_the_shapes_of_no_rows():
    x = FieldEncoder(KINDS).fit(table()).transform(table(0))
    assert [a.shape for a in x.values()] == [(0, 1), (0, 1), (0, 2), (0, 1)]
    assert [a.dtype.name for a in x.values()] == ["int32"] * 3 + ["float32"]
    encoder = FieldEncoder(EVERY).fit(draw(30))
    for empty in (draw(30).head(0), pd.DataFrame(columns=draw(30).columns)):
        for spec in encoder.specs:
            x = encoder.transform(empty)[spec.name]
            assert len(x) == 0 and x.dtype == spec.dtype
            assert spec.length in (None, x.shape[1])


BAD = [
    ("year", [1.0, np.nan, np.nan, 2.0], [1, 2]),
    ("year", [1.0, 2.0, np.inf, -np.inf], [2, 3]),
    ("year", ["1.0", "2.0", "3.0", "unknown"], [3]),
    ("user", [1.0, 2.0, np.nan, 4.0], [2]),
    ("job", ["a", None, "b", None], [1, 3]),
    ("job", ["a", 1, "b", "c"], [1]),
    ("genres", [["a"], None, ["b"], []], [1]),
    ("genres", ["a|b", ["a"], ["b"], []], [0]),
]


@pytest.mark.parametrize(("name", "given_values", "where"), BAD)
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_refused_value_is_named_with_column_label_and_value(
    step, name, given_values, where
):
    index = np.array([100, 101, 102, 103])
    rows = table().set_axis(index).assign(**{name: pd.Series(given_values, index)})
    encoder = FieldEncoder(KINDS).fit(table())
    with pytest.raises(ValueError) as error:
        getattr(encoder, step)(rows)
    said = str(error.value)
    assert f"Column '{name}'" in said
    assert f"in {len(where)} of 4 rows" in said
    assert f"in rows {index[where].tolist()}" in said
    shown = [repr(given_values[where[0]]), "nan"]  # None is NaN in some columns
    assert any(value in said for value in shown)


@pytest.mark.parametrize("step", ["fit", "transform"])
def test_a_missing_column_is_named_beside_those_that_are_there(step):
    encoder = FieldEncoder(KINDS).fit(table())
    with pytest.raises(ValueError, match=r"missing: \['job'\].*'user', 'genres'"):
        getattr(encoder, step)(table().drop(columns="job"))


@pytest.mark.parametrize("rows", [None, {"f": [1]}, pd.Series([1]), [1], 5])
@pytest.mark.parametrize("step", ["fit", "transform"])
def test_what_is_no_table_is_refused(step, rows):
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": [1]}))
    with pytest.raises(ValueError, match="Rows are a DataFrame, not"):
        getattr(encoder, step)(rows)


def test_no_training_rows_are_refused():
    for rows in (table(0), [], [table(0)]):
        with pytest.raises(ValueError, match="no rows to learn from"):
            FieldEncoder(KINDS).fit(rows)


def test_nothing_is_told_before_fit():
    encoder = FieldEncoder(KINDS)
    for ask in ("specs", "fingerprint"):
        with pytest.raises(ValueError, match="call fit"):
            getattr(encoder, ask)
    for ask in (encoder.to_json, lambda: encoder.with_log(table())):
        with pytest.raises(ValueError, match="call fit"):
            ask()


@pytest.mark.parametrize(
    "kinds", [{}, None, ["f"], {"f": "text"}, {"f": 5}, {"f": "history"}]
)
def test_fields_of_unknown_kinds_or_none_are_refused(kinds):
    with pytest.raises(ValueError, match="(?i)field"):
        FieldEncoder(kinds)


def test_names_of_columns_may_be_anything_that_is_text_or_whole():
    for name in ("", "user name", "a/b", "é", 0, -1, np.int8(3), np.str_("x")):
        rows = pd.DataFrame({name: [1, 2]})
        assert [*FieldEncoder({name: CATEGORICAL}).fit(rows).transform(rows)] == [name]


@pytest.mark.parametrize("name", [("a", "b"), None, 1.5, True, pd.Timestamp(0)])
def test_a_name_that_cannot_be_one_is_refused_by_name(name):
    with pytest.raises(ValueError, match="cannot be named"):
        FieldEncoder({name: CATEGORICAL})


def test_a_field_that_is_not_there_is_asked_for_by_name():
    with pytest.raises(KeyError, match="no field 'x'; there are"):
        FieldEncoder(KINDS)["x"]


# JSON, fingerprint, log


def test_what_was_saved_encodes_the_same_in_a_fresh_object():
    encoder = FieldEncoder(EVERY).fit(draw(80))
    loaded = FieldEncoder.from_json(encoder.to_json())
    same(encoder.transform(draw(90, 1)), loaded.transform(draw(90, 1)))
    assert loaded.specs == encoder.specs
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded.to_json() == encoder.to_json()
    for name, history in encoder.histories.items():
        np.testing.assert_array_equal(loaded[name].table(), history.table())


@given(st.lists(st.one_of(st.text(), st.characters(categories=["Cs"])), min_size=1))
def test_any_text_can_be_saved_in_a_file_of_utf_8(words):
    rows = pd.DataFrame({"f": pd.Series(words, dtype=object)})
    encoder = FieldEncoder({"f": CATEGORICAL}).fit(rows)
    loaded = FieldEncoder.from_json(encoder.to_json().encode().decode())
    same(loaded.transform(rows), encoder.transform(rows))
    assert loaded.fingerprint == encoder.fingerprint


@given(
    st.lists(
        st.one_of(
            st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.none()
        ),
        min_size=1,
    )
)
def test_any_number_can_be_saved(numbers):
    rows = pd.DataFrame({"f": pd.Series(numbers, dtype=object)})
    encoder = FieldEncoder({"f": Categorical(missing="value")}).fit(rows)
    loaded = FieldEncoder.from_json(encoder.to_json())
    same(loaded.transform(rows), encoder.transform(rows))
    assert loaded.fingerprint == encoder.fingerprint
    assert loaded["f"].values_ == sorted({x for x in numbers if x is not None})


def test_names_that_are_numbers_stay_numbers():
    rows = pd.DataFrame({7: [1, 2], "7": ["a", "b"]})
    encoder = FieldEncoder({7: CATEGORICAL, "7": CATEGORICAL}).fit(rows)
    loaded = FieldEncoder.from_json(encoder.to_json())
    assert loaded.names == [7, "7"]
    same(encoder.transform(rows), loaded.transform(rows))


def test_accents_are_legible_in_json():
    text = FieldEncoder(KINDS).fit(table()).to_json()
    assert "café" in text
    assert json.loads(text)["format"] == 1


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '{"format": 99, "fields": []}', '{"format": 1, "fields": [{}]}']
    + ['{"format": 1, "fields": 5}', '{"format": 1, "fields": ["a"]}', "5", "null"]
    + ['{"format": 1, "fields": [{"kind": "numeric"}]}', None]
    + ['{"format": 1, "fields": []}'],
)
def test_json_of_anything_else_is_refused(text):
    with pytest.raises(ValueError, match="no FieldEncoder as JSON|The format is 99"):
        FieldEncoder.from_json(text)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"kind": "categorical"', '"kind": "odds"'),
        ('"min_count"', '"least_count"'),
        ('"settings"', '"options"'),
        ('"learned": {', '"learned": 5, "x": {'),
    ],
)
def test_json_that_was_changed_by_hand_is_refused(old, new):
    text = FieldEncoder({"f": CATEGORICAL}).fit(pd.DataFrame({"f": [1]})).to_json()
    assert old in text
    with pytest.raises(ValueError, match="no state of numeric, cat.*another version"):
        FieldEncoder.from_json(text.replace(old, new))


def test_the_fingerprint_is_of_ids_scales_and_settings():
    rows = draw(80)
    base = FieldEncoder(EVERY).fit(rows).fingerprint
    assert (
        base == FieldEncoder(EVERY).fit(rows.sample(frac=1, random_state=0)).fingerprint
    )
    assert len(base) == 16
    changed = [
        (EVERY, rows.assign(user=rows.user + 100)),
        (EVERY, rows.assign(year=rows.year + 1)),
        (EVERY | {"job": Categorical(missing="value", min_count=3)}, rows),
        (EVERY | {"more": Numeric("stars")}, rows),
    ]
    others = [FieldEncoder(kinds).fit(some).fingerprint for kinds, some in changed]
    assert len({base, *others}) == 5


def test_the_fingerprint_is_not_of_lists_but_of_their_items_and_limits():
    log = pd.DataFrame({"u": [1, 1, 2], "i": [5, 6, 7], "v": [1.0, 2.0, 3.0]})
    liked = History("u", "i", "v", at_least=2)

    def fingerprint(rows, kind=liked, name="l"):
        return FieldEncoder({name: kind}).fit(rows).fingerprint

    base = fingerprint(log)
    assert fingerprint(log.assign(v=[3.0, 0.0, 1.0])) == base
    assert fingerprint(log.assign(u=[7, 8, 9])) == base
    others = [
        fingerprint(log.assign(i=[5, 6, 8])),
        fingerprint(log.assign(u=["a", "b", "c"])),
        fingerprint(log, History("u", "i", "v", at_least=1)),
        fingerprint(log, History("u", "i", "v", below=2)),
        fingerprint(log, name="m"),
    ]
    assert len({base, *others}) == 6


def test_another_log_gives_another_encoder_of_the_same_meaning():
    rows = draw(80)
    encoder = FieldEncoder(EVERY).fit(rows)
    before, x = encoder.to_json(), encoder.transform(rows)
    log = pd.DataFrame(
        {"user": [77, 77, 78], "film": [0, 1, 999], "stars": [5, 1, 5.0]}
    )
    with pytest.warns(UserWarning, match="'user': none of its 2"):  # as item, "seen by"
        other = encoder.with_log(log)
    assert other.fingerprint == encoder.fingerprint
    assert encoder.to_json() == before
    same(encoder.transform(rows), x)
    asked = rows.head(3).assign(user=[77, 78, 1], film=0)
    assert other.transform(asked)["liked"][:, 0].tolist() == [1, 2, 0]
    same(
        {n: a for n, a in other.transform(rows).items() if n not in other.histories},
        {n: a for n, a in x.items() if n not in encoder.histories},
    )
    assert other.with_log(rows).to_json() == encoder.to_json()
    assert other["liked"].table().sum(axis=1).tolist() == [0, 1, 0]


def test_a_log_needs_a_history():
    with pytest.raises(ValueError, match="No field is a History"):
        FieldEncoder(KINDS).fit(table()).with_log(table())


def test_nothing_is_encoded_or_described_before_training_rows_were_seen():
    encoder = FieldEncoder(KINDS)
    for ask in (encoder.transform, lambda rows: encoder.specs):
        with pytest.raises(ValueError, match="learned nothing yet: call fit"):
            ask(table())


@pytest.mark.parametrize("kind", [[], {}, 5, None, "text"], ids=repr)
def test_what_is_no_kind_is_refused_with_its_field(kind):
    with pytest.raises(ValueError, match="Field 'user' is .*A field is one of"):
        FieldEncoder({"user": kind})


def test_fields_and_lists_have_a_fingerprint_each_of_16_hex_digits():
    encoder = FieldEncoder(EVERY).fit(draw(80))
    other = encoder.with_log(draw(60, 3))
    assert other.fingerprint == encoder.fingerprint
    assert other.lists_fingerprint != encoder.lists_fingerprint
    for found in (encoder.fingerprint, encoder.lists_fingerprint):
        assert len(bytes.fromhex(found)) == 8


def test_kinds_have_the_names_that_saved_fields_are_read_by():
    assert [*fields.KINDS] == ["numeric", "categorical", "multi-categorical", "history"]


def test_fields_say_which_of_their_columns_are_of_one_side():
    history = History("user", "film", "stars", at_least=4)
    kinds = {"user": CATEGORICAL, "year": Numeric(column="born"), "liked": history}
    encoder = FieldEncoder(kinds)
    assert encoder.reading(["user", "born"]) == {
        "user": [True],
        "year": [True],
        "liked": [True, False],
    }
    assert encoder.reading(["film"])["liked"] == [False, True]
    assert not any(map(any, encoder.reading([]).values()))
