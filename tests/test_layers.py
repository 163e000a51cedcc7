"""Layers against plain loops, their gradients, precision, saving, a second backend."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.layers import (
    Embedding,
    FieldRows,
    MaskedMean,
    PairwiseInteractions,
    SumWithIntercept,
    ValueRows,
)

ROOT = Path(__file__).resolve().parent.parent
SIZES = st.tuples(*[st.integers(1, 5)] * 3, st.integers(0, 2**32 - 1))
few = settings(max_examples=25)
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="is about TensorFlow"
)


def mean_by_loop(e, ids):
    out = np.zeros((len(e), 1, e.shape[2]))
    for row in range(len(e)):
        values = [e[row, i] for i in range(e.shape[1]) if ids[row, i] != 0]
        if values:
            out[row, 0] = sum(values) / len(values)
    return out


def pairs_by_loop(e):
    out = np.zeros((len(e), 1))
    for row in range(len(e)):
        for i in range(e.shape[1]):
            for j in range(i + 1, e.shape[1]):
                out[row, 0] += e[row, i] @ e[row, j]
    return out


def draw(size):
    *shape, seed = size
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype("float32"), rng.integers(0, 4, shape[:2])


def gradient(function, e):
    """Of the sum of the outputs with respect to e."""
    if keras.backend.backend() == "jax":
        import jax

        return np.asarray(jax.grad(lambda e: keras.ops.sum(function(e)))(e))
    import tensorflow as tf

    e = tf.convert_to_tensor(e)
    with tf.GradientTape() as tape:
        tape.watch(e)
        out = tf.reduce_sum(function(e))
    return tape.gradient(out, e).numpy()


def as_array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(keras.ops.cast(tensor, "float32"))


@few
@given(SIZES)
def test_masked_mean_is_the_mean_over_ids_that_are_not_padding(size):
    e, ids = draw(size)
    out = as_array(MaskedMean()(e, ids))
    assert out.shape == (len(e), 1, e.shape[2])
    np.testing.assert_allclose(out, mean_by_loop(e, ids), atol=1e-5)


@few
@given(SIZES)
def test_pairwise_interactions_are_the_sum_over_every_pair_of_fields(size):
    e, _ = draw(size)
    out = as_array(PairwiseInteractions()(e))
    assert out.shape == (len(e), 1)
    np.testing.assert_allclose(out, pairs_by_loop(e), atol=1e-4)


@few
@given(SIZES, st.floats(-5, 5))
def test_sum_with_intercept_is_w0_plus_the_sum_over_the_fields(size, intercept):
    e = draw(size)[0][:, :, :1]
    out = as_array(SumWithIntercept(intercept)(e))
    assert out.shape == (len(e), 1)
    rows = [[intercept + sum(float(v[0]) for v in row)] for row in e]
    np.testing.assert_allclose(out, rows, atol=1e-4)


@few
@given(SIZES)
def test_the_gradient_of_the_mean_is_shared_by_values_and_zero_for_padding(size):
    e, ids = draw(size)
    count = np.maximum((ids != 0).sum(1), 1)[:, None, None]
    expected = np.where(ids[:, :, None] != 0, 1 / count, 0) * np.ones_like(e)
    found = gradient(lambda e: MaskedMean()(e, ids), e)
    np.testing.assert_allclose(found, expected, atol=1e-6)


@few
@given(SIZES)
def test_the_gradient_of_a_row_in_the_pair_sum_is_the_sum_of_the_others(size):
    e, _ = draw(size)
    expected = [[sum(row) - row[i] for i in range(len(row))] for row in e]
    np.testing.assert_allclose(
        gradient(PairwiseInteractions(), e), expected, rtol=1e-4, atol=1e-5
    )


@on_tensorflow
def test_the_gradient_of_the_intercept_is_the_number_of_rows():
    import tensorflow as tf

    layer, e = SumWithIntercept(1.0), np.ones((3, 2, 1), "float32")
    layer.build(e.shape)
    with tf.GradientTape() as tape:
        out = tf.reduce_sum(layer(e))
    assert tape.gradient(out, layer.w0.value).numpy().tolist() == [3.0]


def test_a_row_of_padding_gives_zeros_and_no_nan_in_its_gradient():
    e, ids = np.ones((2, 3, 2), "float32"), np.array([[0, 0, 0], [2, 0, 0]])
    assert as_array(MaskedMean()(e, ids)).tolist() == [[[0, 0]], [[1, 1]]]
    found = gradient(lambda e: MaskedMean()(e, ids), e)
    assert found.sum(axis=2).tolist() == [[0, 0, 0], [2, 0, 0]]


def test_the_intercept_is_one_trainable_weight_that_starts_where_it_is_told():
    layer = SumWithIntercept(intercept=np.float32(3.5))
    layer.build((None, 4, 1))
    assert [w.numpy().tolist() for w in layer.trainable_weights] == [[3.5]]


@pytest.mark.parametrize(
    "layer", [MaskedMean(name="m"), PairwiseInteractions(), SumWithIntercept(2.5)]
)
def test_the_config_of_a_layer_makes_the_same_layer(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert getattr(again, "intercept", None) == getattr(layer, "intercept", None)


def test_declared_shapes_are_those_of_the_outputs():
    assert MaskedMean().compute_output_shape((None, 4, 3), (None, 4)) == (None, 1, 3)
    assert PairwiseInteractions().compute_output_shape((None, 4, 3)) == (None, 1)
    assert SumWithIntercept().compute_output_shape((None, 4, 1)) == (None, 1)


def test_a_saved_model_with_the_three_layers_predicts_the_same(tmp_path):
    ids = keras.Input((3,), dtype="int32", name="ids")
    table, weights = (
        keras.layers.Embedding(5, 4)(ids),
        keras.layers.Embedding(5, 1)(ids),
    )
    mean = MaskedMean()(table, ids)
    pairs = PairwiseInteractions()(keras.layers.Concatenate(axis=1)([table, mean]))
    first = SumWithIntercept(3.0)(weights)
    model = keras.Model(ids, [keras.layers.Flatten()(mean), pairs, first])
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = np.array([[2, 3, 0], [0, 0, 0], [4, 1, 2]], "int32")
    for a, b in zip(model(x), again(x), strict=True):
        np.testing.assert_array_equal(as_array(a), as_array(b))


ON_JAX = """
import numpy as np
from helpers import layers, models
from helpers.fields import FieldSpec
import keras
assert keras.backend.backend() == "jax"
e = np.arange(24, dtype="float32").reshape(2, 4, 3) / 10
ids = np.array([[2, 0, 3, 0], [0, 0, 0, 0]])
mean = layers.MaskedMean()(e, ids)
np.testing.assert_allclose(mean, [[(e[0, 0] + e[0, 2]) / 2], [[0, 0, 0]]], rtol=1e-5)
pairs = [[sum(r[i] @ r[j] for i in range(4) for j in range(i + 1, 4))] for r in e]
np.testing.assert_allclose(layers.PairwiseInteractions()(e), pairs, rtol=1e-5)
first = layers.SumWithIntercept(2.0)(e[:, :, :1])
np.testing.assert_allclose(first, e[:, :, :1].sum(1) + 2, rtol=1e-5)
specs = [FieldSpec("user", "categorical", 5), FieldSpec("year", "numeric")]
specs += [FieldSpec("genres", "multi-categorical", 6, 4)]
specs += [FieldSpec("liked", "history", 4, 2, owners=2)]
model = models.deepfm(specs, k=3, units=(4,), l2=0.01, dropout=0.5, seed=1)
model.get_layer("liked.lists").lists.assign([[0, 0, 0, 0], [0, 0, 1, 1]])
x = {"user": ids[:, :1], "year": e[:, 0, :1], "genres": ids}
x["liked"] = np.array([[1, 2], [0, 2]], "int32")
model.compile(keras.optimizers.SGD(0.1), loss="mse")
y = np.ones((2, 1))
before = model.get_weights()
losses = [float(model.train_on_batch(x, y)) for _ in range(5)]
assert losses[-1] < losses[0], losses
assert all(np.isfinite(w).all() for w in model.get_weights())
assert any((a != b).any() for a, b in zip(before, model.get_weights()))
print("done on jax")
"""


def test_layers_and_a_training_step_work_on_the_jax_backend():
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX, the second backend, is not installed.")
    done = subprocess.run(
        [sys.executable, "-c", ON_JAX],
        env={**os.environ, "KERAS_BACKEND": "jax", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "done on jax", done.stderr[-2000:]


@pytest.mark.parametrize("l2", [0.0, 0.5])
def test_rows_are_stacked_and_their_squares_have_a_price(l2):
    one, two = np.ones((3, 1, 2), "float32"), 2 * np.ones((3, 1, 2), "float32")
    layer = FieldRows(l2)
    np.testing.assert_array_equal(layer([one, two]), np.concatenate([one, two], 1))
    assert [float(loss) for loss in layer.losses] == ([5.0] if l2 else [])
    assert layer.compute_output_shape([(None, 1, 2)] * 2) == (None, 2, 2)
    again = FieldRows.from_config(layer.get_config())
    assert again.l2 == l2


def test_a_price_may_be_a_numpy_number_and_be_written_down():
    config = FieldRows(np.float32(0.5)).get_config()
    assert config["l2"] == 0.5 and type(config["l2"]) is float


def test_a_batch_that_is_repeated_has_the_same_price():
    rows = np.random.default_rng(0).normal(size=(7, 1, 3)).astype("float32")
    prices = []
    for batch in (rows, np.concatenate([rows, rows])):
        layer = FieldRows(0.3)
        layer([batch, 2 * batch])
        prices.append(float(layer.losses[0]))
    assert (
        prices[0]
        == pytest.approx(prices[1])
        == pytest.approx(0.3 * 5 * (rows**2).sum() / 7)
    )


@pytest.mark.parametrize("dtype", ["mixed_float16", "mixed_bfloat16"])
def test_in_16_bits_the_price_neither_overflows_nor_loses_rows(dtype):
    rows = np.full((2051, 1, 8), 3.0, "float32")
    layer = FieldRows(0.01, dtype=dtype)
    layer([rows, rows])
    assert float(layer.losses[0]) == pytest.approx(0.01 * 2 * 8 * 9, rel=1e-4)


def test_the_mean_of_a_long_list_is_right_in_16_bits():
    e, ids = np.ones((1, 1000, 2), "float32"), np.ones((1, 1000), "int32")
    ids[0, 700:] = 0
    found = as_array(MaskedMean(dtype="mixed_bfloat16")(e, ids))
    np.testing.assert_allclose(found, 1, rtol=0.01)


def test_the_rows_of_no_value_start_at_zero():
    start = ValueRows(stddev=0.1, seed=3)
    rows = np.asarray(start((60, 4)))
    assert not rows[:2].any() and rows[2:].all()
    assert rows[2:].std() == pytest.approx(0.1, rel=0.2)
    again = ValueRows.from_config(start.get_config())
    np.testing.assert_array_equal(rows, again((60, 4)))
    found = start((3, 2), dtype="float16")
    assert keras.backend.standardize_dtype(found.dtype) == "float16"


@pytest.mark.parametrize(
    "dtype", ["int8", "uint8", "int16", "int32", "int64", "float32", "bool"]
)
def test_a_lookup_is_that_of_keras_for_ids_of_every_type(dtype):
    ours, theirs = Embedding(5, 2), keras.layers.Embedding(5, 2)
    ids = np.array([[0, 1], [1, 1]], dtype)
    ours(ids), theirs(ids)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(ids), theirs(ids))


@on_tensorflow
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "mixed_float16"])
def test_in_every_precision_a_lookup_reads_rows_only(dtype):
    import tensorflow as tf

    layer = Embedding(50, 2, dtype=dtype)
    ids = tf.constant([[3, 4]])
    plain = keras.layers.Embedding(50, 2, dtype=dtype)
    layer(ids), plain(ids)
    plain.set_weights(layer.get_weights())
    assert layer(ids).dtype == plain(ids).dtype == layer.compute_dtype
    np.testing.assert_array_equal(as_array(layer(ids)), as_array(plain(ids)))
    graph = tf.function(lambda x: layer(x)).get_concrete_function(ids).graph
    kinds = {op.type for op in graph.get_operations()}
    assert "ResourceGather" in kinds and "ReadVariableOp" not in kinds


def test_a_lookup_with_lora_is_left_to_keras():
    layer, ids = Embedding(5, 3), np.array([[0, 4]])
    before = as_array(layer(ids))
    layer.enable_lora(2)
    layer.lora_embeddings_a.assign(np.ones((5, 2)))
    layer.lora_embeddings_b.assign(np.ones((2, 3)))
    np.testing.assert_allclose(as_array(layer(ids)), before + 2, rtol=1e-5)


@pytest.mark.parametrize(
    "kind",
    [
        *(ValueRows, Embedding, MaskedMean, FieldRows),
        *(PairwiseInteractions, SumWithIntercept),
    ],
)
def test_a_file_names_a_layer_by_the_package_and_its_class(kind):
    """Models that were saved are read by these names for ever."""
    name = keras.saving.get_registered_name(kind)
    assert name == f"deepfm>{kind.__name__}"
    assert keras.saving.get_registered_object(name) is kind


@pytest.mark.parametrize("kind", [FieldRows, SumWithIntercept])
def test_the_config_of_a_layer_has_the_name_and_the_precision_too(kind):
    again = kind.from_config(kind(2.0, name="mine", dtype="float16").get_config())
    assert (again.name, again.dtype_policy.name) == ("mine", "float16")
