"""Models row by row against NumPy from their weights, and what their parts share."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import fields, models
from helpers.fields import CATEGORICAL, HISTORY, MULTI, NUMERIC, FieldSpec

SPECS = [
    FieldSpec("user", CATEGORICAL, 6),
    FieldSpec("movie", CATEGORICAL, 5),
    FieldSpec("genres", MULTI, 7, 3),
    FieldSpec("year", NUMERIC),
]
N = 8
CHOICES = [
    parts
    for n in (1, 2, 3)
    for parts in itertools.combinations(("first_order", "second_order", "deep"), n)
]


def draw(n: int = N) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    x = {
        "user": rng.integers(1, 6, (n, 1)),
        "movie": rng.integers(1, 5, (n, 1)),
        "genres": rng.integers(0, 7, (n, 3)),
        "year": rng.normal(size=(n, 1)),
    }
    x["genres"][0] = 0
    x["year"][1] = 0
    return {k: v.astype("float32" if k == "year" else "int32") for k, v in x.items()}


def shaken(model: keras.Model) -> keras.Model:
    """The model with weights large enough that each of them shows in the output."""
    rng = np.random.default_rng(2)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def weights_of(model, layer: str) -> np.ndarray:
    return model.get_layer(layer).get_weights()[0]


def rows_of(model, name: str, x) -> np.ndarray:
    """embed() as its docstring tells it, one value at a time: (n, p, k)."""
    out = []
    for i in range(len(x["user"])):
        rows = [weights_of(model, f"{name}_{f}")[x[f][i, 0]] for f in ("user", "movie")]
        genres = weights_of(model, f"{name}_genres")
        named = [genres[g] for g in x["genres"][i] if g != 0]
        rows.append(sum(named) / len(named) if named else 0 * genres[0])
        rows.append(weights_of(model, f"{name}_year")[0] * x["year"][i, 0])
        out.append(rows)
    return np.array(out, dtype="float64")


def first_order_of(model, x) -> np.ndarray:
    return rows_of(model, "weight", x).sum(axis=1) + weights_of(model, "first_order")


def second_order_of(model, x) -> np.ndarray:
    pairs = itertools.combinations(range(len(SPECS)), 2)
    e = rows_of(model, "embedding", x)
    return sum((e[:, i] * e[:, j]).sum(1) for i, j in pairs)[:, None]


def deep_of(model, x) -> np.ndarray:
    y = rows_of(model, "embedding", x).reshape(len(x["user"]), -1)
    for i in (1, 2):
        kernel, bias = model.get_layer(f"deep_{i}").get_weights()
        y = np.maximum(y @ kernel + bias, 0)
    kernel, *bias = model.get_layer("deep").get_weights()
    return y @ kernel + (bias[0] if bias else 0.0)


def close(actual, expected) -> None:
    actual = np.asarray(actual)
    assert actual.shape == expected.shape
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.fixture(scope="module")
def x() -> dict[str, np.ndarray]:
    return draw()


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return shaken(models.deepfm(SPECS, k=3, units=(5, 4)))


@pytest.fixture(scope="module")
def by_parts() -> dict[tuple, keras.Model]:
    """A model for every choice of parts."""
    return {
        parts: models.deepfm(SPECS, k=2, units=(3, 3), intercept=3.5, parts=parts)
        for parts in CHOICES
    }


def test_there_is_one_input_a_field_with_its_length_and_dtype():
    found = {n: (t.shape, t.dtype) for n, t in models.inputs(SPECS).items()}
    assert found == {
        "user": ((None, 1), "int32"),
        "movie": ((None, 1), "int32"),
        "genres": ((None, 3), "int32"),
        "year": ((None, 1), "float32"),
    }


def test_embeddings_are_one_row_a_field_by_hand(model, x):
    rows = keras.Model(model.input, model.get_layer("embeddings").output)(x)
    close(rows, rows_of(model, "embedding", x))


def test_a_number_that_is_zero_gives_a_zero_row(model, x):
    rows = np.asarray(keras.Model(model.input, model.get_layer("embeddings").output)(x))
    assert x["year"][1] == 0
    assert not rows[1, 3].any()
    assert rows[0, 3].all()


def test_a_list_of_padding_gives_a_zero_row(model, x):
    rows = np.asarray(keras.Model(model.input, model.get_layer("embeddings").output)(x))
    assert not x["genres"][0].any()
    assert not rows[0, 2].any()


def test_padding_counts_nowhere_whatever_its_weights_are(model, x):
    before = np.asarray(model(x))
    saved = model.get_weights()
    for layer in ("embedding_genres", "weight_genres"):
        table = weights_of(model, layer)
        table[0] = 100
        model.get_layer(layer).set_weights([table])
    after = np.asarray(model(x))
    model.set_weights(saved)
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize(
    ("part", "by_hand"),
    [
        ("first_order", first_order_of),
        ("second_order", second_order_of),
        ("deep", deep_of),
    ],
)
def test_each_part_is_what_its_formula_says(model, x, part, by_hand):
    close(models.part_models(model)[part](x), by_hand(model, x))


def test_deepfm_is_the_plain_sum_of_its_parts_by_hand(model, x):
    parts = first_order_of(model, x) + second_order_of(model, x) + deep_of(model, x)
    close(model(x), parts)


def test_the_parts_of_a_model_add_up_to_its_output(model, x):
    outputs = [np.asarray(part(x)) for part in models.part_models(model).values()]
    assert len(outputs) == 3
    close(model(x), sum(outputs))


@pytest.mark.parametrize("parts", CHOICES, ids="_".join)
def test_each_choice_of_parts_is_their_sum_and_one_constant(by_parts, parts, x):
    model = shaken(by_parts[parts])
    by_hand = {
        "first_order": first_order_of,
        "second_order": second_order_of,
        "deep": deep_of,
    }
    expected = sum(by_hand[part](model, x) for part in parts)
    if parts == ("second_order",):
        expected = expected + weights_of(model, "output_with_intercept")
    close(model(x), expected)


@pytest.mark.parametrize("parts", CHOICES, ids="_".join)
def test_each_choice_of_parts_has_one_constant_that_starts_at_the_intercept(parts, x):
    model = models.deepfm(SPECS, k=2, units=(3,), intercept=3.5, parts=parts)
    hidden = model.get_layer("deep_1").bias if "deep" in parts else None
    constants = [
        w for w in model.weights if w.shape == (1,) and w is not hidden and w.trainable
    ]
    assert [w.numpy().tolist() for w in constants] == [[3.5]]
    for weight in model.weights:
        if weight is not constants[0]:
            weight.assign(0 * weight)
    np.testing.assert_allclose(np.asarray(model(x)), 3.5)


def test_parts_are_named_in_any_order_and_any_iterable():
    some = models.deepfm(
        SPECS, k=2, units=(3,), parts=(p for p in ("deep", "first_order"))
    )
    assert some.name == "first_order_deep"
    assert [*models.part_models(some)] == ["first_order", "deep"]


@pytest.mark.parametrize("parts", [(), ("deep", "wide"), "deep", ["FM"]])
def test_unknown_parts_or_none_are_refused(parts):
    with pytest.raises(ValueError, match="parts must be some of"):
        models.deepfm(SPECS, parts=parts)


def test_parts_share_the_layers_of_the_model(model):
    parts = models.part_models(model)
    for part in parts.values():
        for layer in part.layers:
            assert layer is model.get_layer(layer.name)
    tables = [
        {w.path for w in parts[p].weights if w.path.startswith("embedding_")}
        for p in ("second_order", "deep")
    ]
    assert tables[0] == tables[1] != set()
    assert len(tables[0]) == len(SPECS)


def test_one_embedding_table_feeds_second_order_and_deep_part(model, x):
    parts, saved = models.part_models(model), model.get_weights()
    before = {name: np.asarray(part(x)) for name, part in parts.items()}
    table = weights_of(model, "embedding_user")
    model.get_layer("embedding_user").set_weights([table + 1])
    after = {name: np.asarray(part(x)) for name, part in parts.items()}
    model.set_weights(saved)
    changed = {name: (after[name] != before[name]).any() for name in parts}
    assert changed == {"first_order": False, "second_order": True, "deep": True}


def test_the_deep_part_can_be_negative_and_positive(x):
    part = shaken(models.deepfm(SPECS, k=3, units=(5,), parts=["deep"]))
    out = np.asarray(part(x))
    part.get_layer("deep").set_weights(
        [-w for w in part.get_layer("deep").get_weights()]
    )
    np.testing.assert_allclose(np.asarray(part(x)), -out, atol=1e-6)
    assert out.any()


def test_a_weighted_model_starts_as_the_plain_sum_with_a_weight_a_part(x):
    model = shaken(models.deepfm(SPECS, k=3, units=(5, 4), weighted=True))
    output = model.get_layer("output")
    assert [w.shape for w in output.weights] == [(3, 1)]
    output.set_weights([np.ones((3, 1))])
    plain = first_order_of(model, x) + second_order_of(model, x) + deep_of(model, x)
    close(model(x), plain)
    output.set_weights([np.array([[2.0], [-1.0], [0.5]])])
    parts = [np.asarray(part(x)) for part in models.part_models(model).values()]
    close(model(x), 2 * parts[0] - parts[1] + 0.5 * parts[2])
    new = models.deepfm(SPECS, k=2, units=(3,), weighted=True)
    assert new.get_layer("output").get_weights()[0].tolist() == [[1.0]] * 3


@pytest.mark.parametrize("n", [1, N])
def test_l2_is_the_mean_over_the_batch_of_the_sum_of_squares(x, n):
    l2 = 0.3
    model = shaken(models.deepfm(SPECS, k=3, units=(5,), l2=l2))
    few = {name: values[:n] for name, values in x.items()}
    model(few)
    squares = [
        (rows_of(model, name, few) ** 2).sum() / n for name in ("weight", "embedding")
    ]
    found = sorted(float(loss) for loss in model.losses)
    np.testing.assert_allclose(found, sorted(l2 * s for s in squares), rtol=1e-4)


def test_without_l2_nothing_is_charged(model, x):
    model(x)
    assert model.losses == []


def test_dropout_acts_in_training_only(x):
    model = shaken(models.deepfm(SPECS, k=3, units=(20,), dropout=0.5))
    np.testing.assert_array_equal(np.asarray(model(x)), np.asarray(model(x)))
    assert (
        np.asarray(model(x, training=True)) != np.asarray(model(x, training=True))
    ).any()


def test_layers_have_the_names_that_the_diagram_reads(model):
    fields = ("user", "movie", "genres", "year")
    expected = {*fields, "first_order", "second_order", "deep", "output"}
    expected |= {f"weight_{f}" for f in fields} | {"weights", "weight_genres.mean"}
    expected |= {f"embedding_{f}" for f in fields} | {"embedding_genres.mean"}
    expected |= {"embeddings", "weight_year.row", "embedding_year.row"}
    expected |= {"deep_flatten", "deep_1", "deep_2"}
    assert {layer.name for layer in model.layers} == expected


@pytest.mark.parametrize("weighted", [False, True])
def test_a_saved_model_predicts_the_same_and_has_the_same_parts(tmp_path, x, weighted):
    model = shaken(models.deepfm(SPECS, k=2, units=(3,), l2=0.1, weighted=weighted))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))
    parts = models.part_models(again)
    for name, part in models.part_models(model).items():
        np.testing.assert_array_equal(np.asarray(parts[name](x)), np.asarray(part(x)))


def test_second_order_alone_is_saved_with_its_constant(tmp_path, x, by_parts):
    model = by_parts["second_order",]
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(np.asarray(again(x)), np.asarray(model(x)))


def test_one_seed_gives_one_model_and_another_seed_another():
    models_of = []
    for seed in (5, 5, 6):
        model = models.deepfm(SPECS, k=2, units=(3,), seed=seed)
        models_of.append(model.get_weights())
    for a, b in zip(*models_of[:2], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != c).any() for a, c in zip(models_of[0], models_of[2], strict=True))


def test_fields_of_one_size_start_with_different_vectors():
    specs = [FieldSpec("a", CATEGORICAL, 4), FieldSpec("b", CATEGORICAL, 4)]
    model = models.deepfm(specs, k=2, units=(3,), seed=0)
    a, b = weights_of(model, "embedding_a"), weights_of(model, "embedding_b")
    assert (a[2:] != b[2:]).all()


def test_numpy_integers_in_specs_are_fine(x):
    specs = [FieldSpec(s.name, s.kind, np.int64(s.size), s.length) for s in SPECS]
    model = models.deepfm(
        specs,
        k=np.int64(2),
        units=np.array([3, 2]),
        dropout=np.float32(0.1),
        l2=np.float32(0.1),
        intercept=np.float32(3),
        seed=np.int64(1),
    )
    assert model(x).shape == (N, 1)
    keras.models.model_from_json(model.to_json())


def test_a_single_field_makes_a_model(x):
    model = shaken(models.deepfm(SPECS[:1], k=2, units=(3,)))
    assert model({"user": x["user"]}).shape == (N, 1)
    pairs = models.part_models(model)["second_order"]({"user": x["user"]})
    np.testing.assert_allclose(pairs, np.zeros((N, 1)), atol=1e-6)


def test_rows_of_padding_and_unknown_start_at_zero(x):
    model = models.deepfm(SPECS, k=2, units=(3,), seed=0)
    for layer in ("embedding_user", "weight_user", "embedding_genres"):
        table = weights_of(model, layer)
        assert not table[:2].any() and table[2:].all()


def test_a_batch_that_is_repeated_costs_the_same(x):
    model = shaken(models.deepfm(SPECS, k=3, units=(5,), l2=0.3))
    model(x)
    once = sorted(float(loss) for loss in model.losses)
    model({name: np.concatenate([array, array]) for name, array in x.items()})
    np.testing.assert_allclose(sorted(map(float, model.losses)), once, rtol=1e-5)


def test_l2_is_charged_on_the_mean_of_a_list_and_not_on_its_values():
    spec = [FieldSpec("genres", MULTI, 4, None)]
    model = models.deepfm(spec, k=2, units=(3,), l2=1.0, parts=["deep"])
    table = np.array([[0, 0], [0, 0], [1, -1], [-1, 1]], "float32")
    model.get_layer("embedding_genres").set_weights([table])
    model({"genres": np.array([[2, 3]], "int32")})
    assert float(model.losses[0]) == 0.0


def test_lists_of_any_length_are_taken(x):
    specs = [FieldSpec("genres", MULTI, 7, None)]
    model = shaken(models.deepfm(specs, k=2, units=(3,)))
    short = np.array([[2, 3]], "int32")
    long = np.array([[2, 3, 0, 0, 0]], "int32")
    np.testing.assert_allclose(model({"genres": short}), model({"genres": long}))


NAMES = ["a b", "a/b", "deep", "weights", "genres", "genres_mean", "price", "price_row"]
NAMES += ["", "_x", "über", "7", 7, ".7", "embedding_price", "deep_1", "output"]
NAMES += ["a.20.b"]


def test_any_names_of_fields_live_side_by_side():
    specs = [FieldSpec(name, CATEGORICAL, 5) for name in NAMES]
    specs[4] = FieldSpec("genres", MULTI, 5, None)
    specs[6] = FieldSpec("price", NUMERIC)
    assert len({models.layer_name(n) for n in NAMES}) == len(NAMES)
    assert len({models.input_name(n) for n in NAMES}) == len(NAMES)
    model = models.deepfm(specs, k=2, units=(3,))
    asked = {models.input_name(s.name): np.ones((4, 1), s.dtype) for s in specs}
    model.compile("adam", "mse")
    model.fit(asked, np.ones((4, 1)), verbose=0)
    assert models.input_name("user_id") == models.layer_name("user_id") == "user_id"


@pytest.mark.parametrize(
    ("field", "layer", "of_input"),
    [
        ("user_id", "user_id", "user_id"),
        ("A-9", "A-9", "A-9"),
        ("a b", "a.20.b", "a.20.b"),
        ("a.b", "a.2e.b", "a.2e.b"),
        ("ü/", ".fc..2f.", ".fc..2f."),
        ("7", "7", "7"),
        (7, ".7", ".7"),
        (np.int64(-3), ".-3", ".-3"),
        ("", "", "."),
        ("deep", "deep", ".deep"),
        ("weighty", "weighty", ".weighty"),
        ("first_order", "first_order", ".first_order"),
        ("my_output", "my_output", "my_output"),
        ("output", "output", ".output"),
    ],
)
def test_the_name_of_a_field_becomes_that_of_layers_and_of_its_input(
    field, layer, of_input
):
    assert models.layer_name(field) == layer
    assert models.input_name(field) == of_input


FIELD_NAMES = st.text(max_size=4) | st.text("a._-7 /", max_size=4) | st.integers(-9, 99)


@given(FIELD_NAMES, FIELD_NAMES)
def test_two_fields_never_share_a_name(one, other):
    same = one == other
    assert (models.layer_name(one) == models.layer_name(other)) is same
    assert (models.input_name(one) == models.input_name(other)) is same


def test_every_kind_of_field_has_its_row():
    assert models.ROWS.keys() == fields.KINDS.keys()


def test_ids_beyond_a_table_are_refused_with_their_field():
    model = models.deepfm([FieldSpec("a", CATEGORICAL, 5)], k=2, units=(3,))
    for ids in ([[5]], [[-1]]):
        with pytest.raises(
            ValueError, match="'a' has ids from .*knows 0 to 4.*encoder"
        ):
            models.check_ids(model, {"a": np.array(ids, "int32")})
    models.check_ids(model, {"a": np.array([[0], [4]], "int32")})


def test_owners_and_items_beyond_the_lists_are_refused_with_their_field():
    history = FieldSpec("liked", HISTORY, 4, 2, 3)
    model = models.deepfm([history], k=2, units=(3,))
    model.get_layer("liked.lists").lists.assign(np.ones((3, 4), "int8"))
    models.check_ids(model, {"liked": np.array([[0, 3], [2, 0]], "int32")})
    for ids in ([[1, 2], [3, 2]], [[1, 2], [-1, 2]]):
        with pytest.raises(ValueError, match="'liked' has ids .*knows 0 to 2"):
            models.check_ids(model, {"liked": np.array(ids, "int32")})
    for ids in ([[1, 2], [1, 4]], [[1, 2], [1, -1]]):
        with pytest.raises(ValueError, match="'liked' has ids .*knows 0 to 3"):
            models.check_ids(model, {"liked": np.array(ids, "int32")})


def test_weights_move_between_models_of_the_same_settings_only(x):
    one = shaken(models.deepfm(SPECS, k=2, units=(3,), dropout=0.5))
    two = models.deepfm(SPECS, k=2, units=(3,), dropout=0.5)
    models.set_weights(two, models.weights_of(one))
    np.testing.assert_array_equal(two(x), one(x))
    other = models.deepfm(SPECS, k=3, units=(3,))
    before = other(x)
    with pytest.raises(ValueError, match="has shape"):
        models.set_weights(other, models.weights_of(one))
    fewer = models.deepfm(SPECS[:2], k=2, units=(3,))
    with pytest.raises(ValueError, match="only one of the two"):
        models.set_weights(fewer, models.weights_of(one))
    np.testing.assert_array_equal(other(x), before)


def test_the_lists_of_histories_are_no_weights_that_move():
    specs = [FieldSpec("a", CATEGORICAL, 5), FieldSpec("liked", HISTORY, 4, 2, 3)]
    one, two = (models.deepfm(specs, k=2, units=(3,), seed=i) for i in (0, 1))
    weights = models.weights_of(one)
    assert not [path for path in weights if "lists" in path]
    assert "embedding_liked/embeddings" in weights
    two.get_layer("liked.lists").lists.assign(np.ones((3, 4), "int8"))
    assert models.set_weights(two, weights) is two
    assert np.asarray(two.get_layer("liked.lists").lists).all()


def test_weights_start_small_and_layers_of_the_deep_part_as_glorot_has_it():
    specs = [FieldSpec("a", CATEGORICAL, 500), FieldSpec("year", NUMERIC)]
    specs.append(FieldSpec("liked", HISTORY, 300, 2, 3))
    model = models.deepfm(specs, k=40, units=(100,), seed=0)
    for layer in ("embedding_a", "embedding_year", "embedding_liked", "weight_a"):
        start = weights_of(model, layer)
        rows = start[2:] if layer.endswith("_a") else start
        assert rows.std() == pytest.approx(0.02, rel=0.3)
    limit = np.sqrt(6 / (3 * 40 + 100))
    kernel = weights_of(model, "deep_1")
    assert 0.95 * limit < np.abs(kernel).max() <= limit


def test_every_layer_draws_a_seed_of_its_own():
    """k = 1, so that both orders have tables of one shape."""
    specs = [FieldSpec(name, CATEGORICAL, 9) for name in ("a", "b")]
    model = models.deepfm(specs, k=1, units=(2, 2), dropout=0.5, seed=0)
    names = [f"{order}_{f}" for order in ("weight", "embedding") for f in ("a", "b")]
    drawn = [weights_of(model, name)[2:] for name in names]
    drawn += [weights_of(model, "deep_1"), weights_of(model, "deep_2")]
    for one, other in itertools.combinations(drawn, 2):
        assert one.shape != other.shape or (one != other).all()
    dropouts = [layer for layer in model.layers if "dropout" in layer.name]
    assert [layer.name for layer in dropouts] == ["deep_dropout_1", "deep_dropout_2"]
    assert {layer.rate for layer in dropouts} == {0.5}
    assert len({layer.seed for layer in dropouts}) == 2
    assert dropouts[0].output.shape == (None, 2)  # of the embeddings, flat


def test_without_a_seed_two_models_differ():
    one, two = (models.deepfm(SPECS, k=2, units=(3,)) for _ in range(2))
    kernels = [weights_of(m, "deep_1") for m in (one, two)]
    assert (kernels[0] != kernels[1]).all()


def test_the_deep_part_bends_between_its_layers_and_not_at_its_end():
    model = models.deepfm(SPECS, k=2, units=(3, 4), seed=0)
    bent = [model.get_layer(f"deep_{i}").activation.__name__ for i in (1, 2)]
    assert bent == ["relu", "relu"]
    assert model.get_layer("deep").activation.__name__ == "linear"


def test_no_rows_have_no_ids_that_could_be_wrong():
    model = models.deepfm([FieldSpec("a", CATEGORICAL, 5)], k=2, units=(3,))
    models.check_ids(model, {"a": np.zeros((0, 1), "int32")})


def test_ids_that_the_model_makes_itself_are_its_own_affair():
    number = keras.Input((1,), name="n")
    ids = keras.layers.Lambda(lambda x: keras.ops.cast(x, "int32"))(number)
    table = keras.layers.Embedding(3, 2)(ids)
    models.check_ids(keras.Model({"n": number}, table), {"n": np.ones((1, 1))})


def test_a_model_is_refused_only_where_it_knows_of_another_encoder():
    model = models.deepfm(SPECS[:1], k=2, units=(3,))
    c = SimpleNamespace(fingerprint="c", lists_fingerprint="c")
    models.check_encoder(model, c)
    for name, what in models.KNOWN.items():
        setattr(model, name, "c")
        models.check_encoder(model, c)
        setattr(model, name, "a")
        for one in (model, *models.part_models(model).values()):
            with pytest.raises(ValueError, match=f"has {what} a, and these rows c"):
                models.check_encoder(one, c)
        setattr(model, name, None)


@pytest.mark.parametrize(
    ("setting", "value", "says"),
    [
        ("k", 0, "k is a whole number from 1, not 0"),
        ("k", 2.5, "k is a whole number from 1, not 2.5"),
        ("units", (3, 0), "units is a whole number from 1, not 0"),
        ("dropout", 1, "dropout is a share from 0 to below 1, not 1.0"),
        ("dropout", -0.1, "dropout is a share from 0 to below 1, not -0.1"),
        ("dropout", "a", "dropout is a finite number, not 'a'"),
        ("l2", -1, "l2 is 0 or above, not -1.0"),
        ("l2", np.nan, "l2 is a finite number, not nan"),
    ],
)
def test_settings_out_of_range_are_refused(setting, value, says):
    with pytest.raises(ValueError, match=says):
        models.deepfm(SPECS[:1], **{setting: value})


def test_where_nothing_is_said_k_is_16_and_two_layers_have_64_units(x):
    model = models.deepfm(SPECS)
    assert weights_of(model, "embedding_user").shape == (6, 16)
    assert weights_of(model, "deep_1").shape == (4 * 16, 64)
    assert weights_of(model, "deep_2").shape == (64, 64)
    assert weights_of(model, "deep").shape == (64, 1)
    assert weights_of(model, "first_order").tolist() == [0.0]
    model(x, training=True)
    assert model.losses == []
    assert not [layer for layer in model.layers if "dropout" in layer.name]
    assert model.get_layer("output").weights == []


def test_the_deep_part_alone_has_two_layers_and_no_constant_where_nothing_is_said():
    rows = keras.Input((3, 2))
    alone = keras.Model(rows, models.deep_part(rows))
    shapes = [w.shape for w in alone.weights]
    assert shapes == [(6, 64), (64,), (64, 64), (64,), (64, 1)]


def test_a_first_order_starts_at_zero_where_nothing_is_said(x):
    asked = models.inputs(SPECS)
    model = keras.Model(asked, models.first_order(asked, SPECS))
    assert weights_of(model, "first_order").tolist() == [0.0]
    model(x)
    assert model.losses == []
