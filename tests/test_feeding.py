"""Batches for Model.fit: every row once an epoch, in an order of its own."""

import keras
import numpy as np
import pytest

from helpers import feeding, models, training
from helpers.fields import FieldSpec
from helpers.targets import Stars

ROWS, SIZE = 103, 10


@pytest.fixture
def rows():
    number = np.arange(ROWS, dtype="int32")[:, None]
    x = {"id": number, "list": np.hstack([number, -number])}
    return x, number.astype("float32") / 10


@pytest.fixture
def epochs(rows, batches_of):
    """Called with a number and a seed: the batches of each epoch, as arrays."""

    def collect(count: int, seed: int = 7) -> list:
        return batches_of(feeding.shuffled(*rows, SIZE, seed), count)

    return collect


def order(batches) -> np.ndarray:
    return np.concatenate([x["id"][:, 0] for x, _ in batches])


def test_an_epoch_has_every_row_once_and_its_own_order(epochs):
    first, second = map(order, epochs(2))
    assert sorted(first) == sorted(second) == [*range(ROWS)]
    assert (first != second).mean() > 0.9
    assert (first != np.arange(ROWS)).mean() > 0.9


def test_fields_and_rating_of_a_row_stay_together(epochs):
    for x, y in epochs(1)[0]:
        np.testing.assert_array_equal(x["list"], np.hstack([x["id"], -x["id"]]))
        np.testing.assert_allclose(y, x["id"] / 10)


def test_batches_are_full_but_the_last(epochs):
    assert [len(y) for _, y in epochs(1)[0]] == [SIZE] * 10 + [3]


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone(epochs):
    for epoch, batches in enumerate(epochs(3)):
        np.testing.assert_array_equal(order(batches), feeding.order(ROWS, 7, epoch))


def test_one_seed_one_order(epochs):
    first, again, other = epochs(2), epochs(2), epochs(2, seed=8)
    for epoch in (0, 1):
        np.testing.assert_array_equal(order(first[epoch]), order(again[epoch]))
        assert (order(first[epoch]) != order(other[epoch])).mean() > 0.9


class Watch(keras.layers.Layer):
    """Writes down the ids that pass it, outside of the graph."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, ids):
        self.seen.extend(np.ravel(ids))
        return ids

    def compute_output_shape(self, input_shape):
        return input_shape


def trained_on(model, epochs: int) -> None:
    x = {"id": np.arange(ROWS, dtype="int32")[:, None]}
    rows = training.Encoded(x, np.ones((ROWS, 1), "float32"), Stars())
    training.fit(model, rows, epochs=epochs, batch_size=SIZE, seed=3)


ONE_FIELD = [FieldSpec("id", "categorical", ROWS)]
ORDERS = [feeding.order(ROWS, 3, epoch) for epoch in range(3)]


def test_orders_differ():
    assert (ORDERS[0] != ORDERS[1]).mean() > 0.9
    assert (ORDERS[1] != ORDERS[2]).mean() > 0.9


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_each_epoch_of_a_training_has_the_order_of_its_number(monkeypatch):
    """Keras' own feed repeats the first one, once a seed is set."""
    watch, embed = Watch(), models.embed
    monkeypatch.setattr(
        models, "embed", lambda x, *a, **k: embed({"id": watch(x["id"])}, *a, **k)
    )
    model = models.deepfm(ONE_FIELD, k=2, units=(3,), parts=["deep"])
    compile_as_is = model.compile

    def compile_eagerly(*args, steps_per_execution, **options):
        compile_as_is(*args, run_eagerly=True, **options)

    monkeypatch.setattr(model, "compile", compile_eagerly)
    watch.seen.clear()
    trained_on(model, epochs=3)
    seen = np.array(watch.seen[-3 * ROWS :]).reshape(3, ROWS)
    np.testing.assert_array_equal(seen, ORDERS)


def test_each_epoch_of_batches_has_the_order_of_its_number(monkeypatch):
    """Keras looks into some before the first epoch, and ends it before it begins."""
    seen, as_it_is = [], feeding.Batches.__getitem__

    def watched(self, step):
        x, y = as_it_is(self, step)
        seen.append(x["id"][:, 0])
        return x, y

    monkeypatch.setattr(feeding.keras.backend, "backend", lambda: "another")
    monkeypatch.setattr(feeding.Batches, "__getitem__", watched)
    trained_on(models.deepfm(ONE_FIELD, k=2, units=(3,), parts=["deep"]), epochs=3)
    assert len(seen) >= 3 * 11
    np.testing.assert_array_equal(np.concatenate(seen[-3 * 11 :]), np.ravel(ORDERS))


def test_batches_go_on_to_the_next_epoch_by_themselves(rows):
    """As notebook 06 and Keras alone use them."""
    batches = feeding.Batches(*rows, SIZE, seed=3)
    for expected in ORDERS:
        ids = [batches[step][0]["id"][:, 0] for step in range(len(batches))]
        np.testing.assert_array_equal(np.concatenate(ids), expected)
        batches.on_epoch_end()


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_rows_stay_on_the_processor_until_a_batch_is_asked_for(rows, monkeypatch):
    import tensorflow as tf

    asked, device = [], tf.device
    monkeypatch.setattr(tf, "device", lambda name: asked.append(name) or device(name))
    given = feeding.shuffled(*rows, SIZE, 0)["x"]
    assert asked == ["CPU"]
    assert given.options().autotune.enabled is False


def test_batches_are_a_dataset_that_keras_finds_complete(rows, recwarn):
    """It warns of one that was not told how many workers it has."""
    batches = feeding.Batches(*rows, SIZE, seed=3)
    assert (batches.workers, batches.use_multiprocessing) == (1, False)
    assert not recwarn.list


# rows that are drawn beside others


@pytest.fixture(params=["tensorflow", "another"])
def drawn_epochs(request, rows, monkeypatch):
    """The batches of two epochs, with three rows drawn beside each."""
    if request.param == "tensorflow" != keras.backend.backend():
        pytest.skip("is about TensorFlow")
    if request.param == "another":
        monkeypatch.setattr(keras.backend, "backend", lambda: request.param)
    given = feeding.shuffled(*rows, SIZE, 7, DRAWN)
    found = []
    for epoch in range(2):
        given["callbacks"][0].on_epoch_begin(epoch)
        data = given["x"]
        own = request.param == "tensorflow"
        found.append(
            [*data.as_numpy_iterator()]
            if own
            else [*map(data.__getitem__, range(len(data)))]
        )
    return found


def draw(epoch: int) -> np.ndarray:
    """Beside row r: 1000 and more, of its own for each row, place and epoch."""
    return (np.arange(ROWS)[:, None] * 3 + np.arange(3) + epoch).astype("int32")


OTHERS = np.arange(400, dtype="int32")[:, None] + 1000
DRAWN = feeding.Drawn(
    3, draw, {"list": (np.hstack([OTHERS, OTHERS]), np.array([False, True]))}
)


def test_what_is_drawn_is_beside_its_row_and_takes_the_columns_it_is_of(drawn_epochs):
    for epoch, batches in enumerate(drawn_epochs):
        ids, lists, y = (
            np.concatenate([get(batch) for batch in batches])
            for get in (lambda b: b[0]["id"], lambda b: b[0]["list"], lambda b: b[1])
        )
        assert [len(y) for _, y in batches] == [SIZE] * 41 + [2]
        assert y.dtype == "float32"
        np.testing.assert_array_equal(lists[:, :1], ids)
        is_there = y[:, 0] == 1
        assert sorted(ids[is_there, 0]) == [*range(ROWS)]
        np.testing.assert_array_equal(lists[is_there, 1], -ids[is_there, 0])
        beside = {
            (r, v) for r, v in zip(ids[~is_there, 0], lists[~is_there, 1], strict=True)
        }
        expected = {(r, v + 1000) for r in range(ROWS) for v in draw(epoch)[r]}
        assert beside == expected and (~is_there).sum() == 3 * ROWS
        assert np.abs(np.diff(y[:, 0])).mean() > 0.2  # they are shuffled


def test_all_rows_in_their_order_have_theirs_after_them(rows):
    x, y = feeding.beside(rows[0], DRAWN, epoch=1)
    np.testing.assert_array_equal(x["id"][:, 0], np.repeat(np.arange(ROWS), 4))
    np.testing.assert_array_equal(y[:, 0], [1, 0, 0, 0] * ROWS)
    given = x["list"][:, 1].reshape(ROWS, 4)
    np.testing.assert_array_equal(given[:, 0], -np.arange(ROWS))
    np.testing.assert_array_equal(given[:, 1:], draw(1) + 1000)
