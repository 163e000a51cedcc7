"""RowAdam against Adam: the same where all rows are looked up, still elsewhere."""

import subprocess
import sys
import textwrap

import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets, models, splits, training
from helpers.fields import FieldSpec
from helpers.layers import Embedding
from helpers.optimizers import Adam, RowAdam, sum_of_equals

SIZE, K = 6, 3


class DenseAdam(keras.optimizers.Adam):
    """Adam as published: on TensorFlow Keras' own squares before it sums."""

    def update_step(self, gradient, variable, learning_rate):
        gradient = tf.convert_to_tensor(gradient)
        super().update_step(gradient, variable, learning_rate)

    def apply(self, grads, trainable_variables=None):
        super().apply([tf.convert_to_tensor(g) for g in grads], trainable_variables)


def model_of(seed: int = 0) -> keras.Model:
    specs = [
        FieldSpec("a", "categorical", SIZE),
        FieldSpec("b", "multi-categorical", SIZE, 2),
    ]
    return models.deepfm(specs, k=K, units=(4,), intercept=1.0, seed=seed)


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


CLIPS = [{"clipnorm": 0.3}, {"global_clipnorm": 0.3}, {"clipvalue": 0.05}]


@pytest.mark.parametrize("ids", [[*range(SIZE), 2, 2], [3, 3]])
@pytest.mark.parametrize("extra", [{}, {"amsgrad": True}, {"beta_1": 0.5}, *CLIPS])
@pytest.mark.parametrize("optimizer", [Adam, RowAdam])
def test_it_is_adam_where_no_row_is_left_out(optimizer, extra, ids):
    if optimizer is RowAdam and len(ids) < SIZE:
        ids = [*ids, *range(SIZE)]
    rate = keras.optimizers.schedules.ExponentialDecay(0.05, 1, 0.7)
    ours = steps(optimizer(rate, **extra), ids)
    adam = steps(DenseAdam(rate, **extra), ids)
    for one, other in zip(ours.weights, adam.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-6, err_msg=one.path)


def test_rows_and_moments_that_no_batch_looks_up_stay():
    model = steps(RowAdam(0.1), [2, 4])
    start = model_of().get_layer("embedding_a").embeddings.numpy()
    table = model.get_layer("embedding_a").embeddings
    moved = np.abs(table.numpy() - start).max(axis=1)
    assert (moved[[2, 4]] > 0.05).all()
    np.testing.assert_array_equal(moved[[0, 1, 3, 5]], 0)
    for moments in (model.optimizer._momentums, model.optimizer._velocities):
        found = moments[model.optimizer._get_variable_index(table)].numpy()
        np.testing.assert_array_equal(found[[0, 1, 3, 5]], 0)
        assert (np.abs(found[[2, 4]]) > 0).all()


def test_a_row_that_returns_goes_on_from_its_own_moments():
    model, y = model_of(), np.array([[5.0]], "float32")
    model.compile(RowAdam(0.1), loss="mse")
    table = model.get_layer("embedding_a").embeddings
    model.train_on_batch(rows([2]), y)
    i = model.optimizer._get_variable_index(table)
    m = model.optimizer._momentums[i].numpy()[2]
    model.train_on_batch(rows([3]), y)
    before = table.numpy()[2]
    np.testing.assert_array_equal(model.optimizer._momentums[i].numpy()[2], m)
    model.train_on_batch(rows([2]), y)
    assert (np.sign(table.numpy()[2] - before) == -np.sign(m)).all()


@given(st.lists(st.integers(0, 4), min_size=1, max_size=12))
def test_gradients_of_one_id_are_summed(ids):
    values = np.random.default_rng(0).normal(size=(len(ids), 2)).astype("float32")
    expected = [values[np.array(ids) == i].sum(axis=0) for i in ids]
    found = sum_of_equals(values, np.array(ids, "int32"))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_step_reads_no_table_as_a_whole():
    model, x = model_of(), rows([1, 2])
    x = {name: tf.constant(array) for name, array in x.items()}
    optimizer = RowAdam(0.1)
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


def test_a_saved_model_goes_on_where_it_was(tmp_path):
    model, y = steps(RowAdam(0.1), [2, 4]), np.array([[1.0], [2.0]], "float32")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(again.optimizer, RowAdam)
    for one in (model, again):
        one.train_on_batch(rows([2, 3]), y)
    for one, other in zip(model.weights, again.weights, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_lookup_is_that_of_keras():
    ours, theirs = Embedding(5, 2), keras.layers.Embedding(5, 2)
    ids = np.array([[0, 3], [4, 4]])
    ours(ids), theirs(ids)
    theirs.set_weights(ours.get_weights())
    np.testing.assert_array_equal(ours(ids), theirs(ids))
    np.testing.assert_array_equal(ours(ids.astype("float32")), theirs(ids))


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
