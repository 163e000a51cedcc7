"""RowAdam against Adam: the same where all rows are looked up, still elsewhere."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets, models, splits, training
from helpers.fields import FieldSpec
from helpers.optimizers import Adam, RowAdam, is_first, merged, sum_of_equals

SIZE, K = 6, 3
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="is about TensorFlow"
)
if keras.backend.backend() == "tensorflow":
    import tensorflow as tf


class DenseAdam(keras.optimizers.Adam):
    """Adam as published: on TensorFlow Keras' own squares before it sums."""

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(g) for g in grads], trainable_variables)


def model_of(seed: int = 0) -> keras.Model:
    """With weights so large that no gradient is mere rounding."""
    specs = [
        FieldSpec("a", "categorical", SIZE),
        FieldSpec("b", "multi-categorical", SIZE, None),
    ]
    model = models.deepfm(specs, k=K, units=(4,), intercept=1.0, seed=seed)
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(0, 0.5, w.shape) for w in model.get_weights()])
    return model


def rows(ids) -> dict[str, np.ndarray]:
    a = np.array(ids, "int32")[:, None]
    return {"a": a, "b": np.hstack([a, a[::-1]])}


def steps(optimizer, ids, number: int = 3) -> keras.Model:
    """The model after some steps on one batch."""
    model, x = model_of(), rows(ids)
    model.compile(optimizer, loss="mse")
    for _ in range(number):
        model.train_on_batch(x, np.arange(len(ids), dtype="float32")[:, None])
    return model


def applied(optimizer, ids, number: int = 3):
    """(table, dense weights, optimizer) after steps with gradients that are drawn."""
    rng = np.random.default_rng(0)
    table = keras.Variable(rng.normal(size=(SIZE, K)), name="table")
    dense = keras.Variable(rng.normal(size=(K, 2)), name="dense")
    for size in (1.0, 0.3, 0.1)[:number]:  # amsgrad remembers the larger ones
        values = rng.normal(0, size, (len(ids), K)).astype("float32")
        slices = tf.IndexedSlices(tf.constant(values), tf.constant(ids), (SIZE, K))
        gradient = tf.constant(rng.normal(0, size, (K, 2)).astype("float32"))
        optimizer.apply([slices, gradient], [table, dense])
    return np.array(table), np.array(dense), optimizer


CLIPS = [{"clipnorm": 0.3}, {"global_clipnorm": 0.3}, {"clipvalue": 0.3}]
EXTRAS = [{}, {"amsgrad": True, "beta_2": 0.5}, {"beta_1": 0.5, "beta_2": 0.9}]
EXTRAS += [{"epsilon": 0.01}, *CLIPS, {"weight_decay": 0.1}]
ALL = [2, *range(SIZE), 2]
CASES = [(Adam, extra, ids) for extra in EXTRAS for ids in (ALL, [3, 3], [5, 0, 5, 5])]
CASES += [(RowAdam, extra, ALL) for extra in EXTRAS[:-1]]


@on_tensorflow
@pytest.mark.parametrize(("optimizer", "extra", "ids"), CASES)
def test_it_is_adam_where_no_row_is_left_out(optimizer, extra, ids):
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.7)
    ours, ours_dense, _ = applied(optimizer(rate, **extra), ids)
    adam, adam_dense, _ = applied(DenseAdam(rate, **extra), ids)
    np.testing.assert_allclose(ours, adam, atol=1e-6)
    np.testing.assert_allclose(ours_dense, adam_dense, atol=1e-6)
    if extra:  # or nothing is shown
        without = dict([*extra.items()][1:])
        plain = np.concatenate(applied(DenseAdam(rate, **without), ids)[:2], axis=None)
        found = np.concatenate([ours, ours_dense], axis=None)
        assert np.abs(found - plain).max() > 1e-5


@on_tensorflow
@pytest.mark.parametrize("extra", EXTRAS[:-1])
def test_rows_of_the_batch_take_the_step_of_adam_and_others_stay(extra):
    """The first step, where no row has an older moment than another."""
    ids = [2, 4, 2]
    ours, _, optimizer = applied(RowAdam(0.05, **extra), ids, 1)
    adam, _, _ = applied(DenseAdam(0.05, **extra), ids, 1)
    np.testing.assert_allclose(ours, adam, atol=1e-6)
    start = applied(RowAdam(0.05), ids, 0)[0]
    moved = np.abs(ours - start).max(axis=1)
    assert (moved > 0).tolist() == [False, False, True, False, True, False]


@on_tensorflow
@pytest.mark.parametrize("extra", [{}, {"clipnorm": 0.3}])
@pytest.mark.parametrize("optimizer", [Adam, RowAdam])
def test_it_is_adam_in_a_training_too(optimizer, extra):
    ours, adam = (steps(o(0.05, **extra), ALL) for o in (optimizer, DenseAdam))
    plain = model_of().get_weights()
    for one, other, start in zip(ours.weights, adam.weights, plain, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, err_msg=one.path)
        assert np.abs(np.asarray(one) - start).max() > 1e-3


@on_tensorflow
def test_rows_and_moments_that_no_batch_looks_up_stay():
    model = steps(RowAdam(0.1), [2, 4])
    start = model_of().get_layer("embedding_a").embeddings.numpy()
    table = model.get_layer("embedding_a").embeddings
    moved = np.abs(table.numpy() - start).max(axis=1)
    assert (moved[[2, 4]] > 0.01).all()
    np.testing.assert_array_equal(moved[[0, 1, 3, 5]], 0)
    for moments in (model.optimizer._momentums, model.optimizer._velocities):
        found = moments[model.optimizer._get_variable_index(table)].numpy()
        np.testing.assert_array_equal(found[[0, 1, 3, 5]], 0)
        assert (np.abs(found[[2, 4]]) > 0).all()


@on_tensorflow
def test_a_row_that_returns_goes_on_from_its_own_moments():
    """By hand: the moments of its last step, and the bias correction of all steps."""
    model, y = model_of(), np.array([[5.0]], "float32")
    model.compile(RowAdam(0.1), loss="mse")
    table = model.get_layer("embedding_a").embeddings
    model.train_on_batch(rows([2]), y)
    i = model.optimizer._get_variable_index(table)
    m, v = (
        moments[i].numpy()[2]
        for moments in (model.optimizer._momentums, model.optimizer._velocities)
    )
    model.train_on_batch(rows([3]), y)
    before = table.numpy()[2]
    np.testing.assert_array_equal(model.optimizer._momentums[i].numpy()[2], m)
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean((model(rows([2])) - y) ** 2)
    slices = tape.gradient(loss, table.value)
    g = tf.convert_to_tensor(slices).numpy()[2]
    model.train_on_batch(rows([2]), y)
    m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
    step = 0.1 * np.sqrt(1 - 0.999**3) / (1 - 0.9**3) * m / (np.sqrt(v) + 1e-7)
    np.testing.assert_allclose(before - table.numpy()[2], step, rtol=1e-4)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_gradients_of_one_id_are_summed(ids):
    values = np.random.default_rng(0).normal(size=(len(ids), 2)).astype("float32")
    expected = [values[np.array(ids) == i].sum(axis=0) for i in ids]
    found = sum_of_equals(values, np.array(ids, "int32"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_one_row_of_each_id_is_its_first(ids):
    found = np.asarray(is_first(np.array(ids, "int32")))
    assert found.sum() == len({*ids})
    assert {i for i, first in zip(ids, found, strict=True) if first} == {*ids}


@on_tensorflow
@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_merged_slices_hold_each_sum_once_and_zeros_elsewhere(ids):
    values = np.random.default_rng(0).normal(size=(len(ids), 2)).astype("float32")
    given = tf.IndexedSlices(tf.constant(values), tf.constant(ids), (5, 2))
    found = merged(given)
    dense = tf.convert_to_tensor(given).numpy()
    np.testing.assert_allclose(tf.convert_to_tensor(found), dense, atol=1e-5)
    assert found.values.shape == values.shape  # XLA wants shapes that do not change
    kept = found.values.numpy().any(axis=1)
    assert kept.sum() == len({*ids})
    np.testing.assert_allclose(
        (found.values.numpy() ** 2).sum(), (dense**2).sum(), rtol=1e-4
    )
    assert merged(values) is values


@on_tensorflow
@pytest.mark.parametrize(
    ("precision", "extra"),
    [("float32", {"clipnorm": 1.0, "amsgrad": True}), ("mixed_bfloat16", {})],
)
def test_a_step_reads_no_table_as_a_whole(precision, extra):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(precision)
    try:
        model, x = model_of(), rows([1, 2])
    finally:
        keras.config.set_dtype_policy(before)
    x = {name: tf.constant(array) for name, array in x.items()}
    optimizer = RowAdam(0.1, **extra)
    tables = [w.value for w in model.trainable_variables if "embedding_" in w.path]
    optimizer.build(model.trainable_variables)
    tables += [
        moments[optimizer._get_variable_index(w)].value
        for w in model.trainable_variables
        if "embedding_" in w.path
        for moments in (optimizer._momentums, optimizer._velocities)
    ]

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(model(x))
        gradients = tape.gradient(loss, [w.value for w in model.trainable_variables])
        optimizer.apply(gradients, model.trainable_variables)

    graph = step.get_concrete_function().graph
    names = {inner.name: outer for outer, inner in graph.captures}
    whole = [
        names[op.inputs[0].name]
        for op in graph.get_operations()
        if op.type == "ReadVariableOp"
    ]
    assert whole  # dense weights are read so
    assert not [t for t in tables if any(t.handle is read for read in whole)]


@on_tensorflow
def test_it_trains_through_fit_as_well_as_adam():
    ratings = datasets.load("ml-100k").joined().head(20_000)
    data = training.prepare(splits.random_rows(ratings, 0))
    found = {}
    for optimizer in (DenseAdam, RowAdam):
        how = {"k": 4, "units": (8,), "intercept": 3.5, "seed": 0}
        model = models.deepfm(data.encoder.specs, **how)
        training.fit(
            model, data.train, epochs=3, batch_size=512, optimizer=optimizer, decay=True
        )
        found[optimizer] = training.evaluate(model, data.test)["RMSE"]
    start = data.target.scores(np.full_like(data.test.y, 3.5), data.test.y)["RMSE"]
    adam, ours = found.values()
    assert abs(ours - adam) < 0.1 * (start - adam)


@pytest.mark.parametrize("name", ["weight_decay", "gradient_accumulation_steps"])
def test_what_would_touch_every_row_is_refused(name):
    with pytest.raises(ValueError, match=f"{name}: it would touch every row"):
        RowAdam(0.1, **{name: 2})


@on_tensorflow
@pytest.mark.parametrize("optimizer", [Adam, RowAdam])
def test_a_saved_model_goes_on_where_it_was(tmp_path, optimizer):
    model, y = steps(optimizer(0.1), [2, 4]), np.array([[1.0], [2.0]], "float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is optimizer
    for one in (model, again):
        one.train_on_batch(rows([2, 3]), y)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_on_a_backend_with_dense_gradients_it_is_adam():
    code = """
        import os
        os.environ["KERAS_BACKEND"] = "jax"
        import keras, numpy as np
        from tests import test_optimizers as t
        ours = t.steps(t.RowAdam(0.1), [2, 4])
        adam = t.steps(keras.optimizers.Adam(0.1), [2, 4])
        for one, other in zip(ours.weights, adam.weights):
            np.testing.assert_array_equal(one, other)
        print(keras.backend.backend(), "same")
    """
    out = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True
    )
    assert out.stdout.strip() == "jax same", out.stderr[-2000:]


@pytest.mark.parametrize("kind", [Adam, RowAdam])
def test_a_file_names_an_optimizer_by_the_package_and_its_class(kind):
    assert keras.saving.get_registered_name(kind) == f"deepfm>{kind.__name__}"
