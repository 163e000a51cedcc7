"""Rows to Model.fit in a new random order each epoch, at a steady pace."""

import functools
from collections.abc import Callable, Mapping
from typing import NamedTuple

import keras
import numpy as np

READY = 8  # batches that TensorFlow keeps ahead of the step that trains on them


def order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the rows in one epoch, (rows,): it depends on nothing else."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


class Drawn(NamedTuple):
    """Rows that are drawn beside each row that is there.

    each: how many; draw: epoch -> (n, each) int32, what is drawn beside each row
    fields: name -> (a row for each that can be drawn, (L,) which columns it replaces)
    """

    each: int
    draw: Callable[[int], np.ndarray]
    fields: Mapping[str, tuple[np.ndarray, np.ndarray]]


class Batches(keras.utils.PyDataset):
    """Batches of `size` rows, in an order of its own each epoch.

    x: arrays of n rows each; y: (n, 1). The last batch of an epoch has what is left.
    seed: of the orders of all epochs.
    drawn: rows beside these; y is then 1 for those that are there, else 0.

    Given the arrays themselves, Keras has the same batches in the same order in every
    epoch once its seed is set.
    """

    def __init__(
        self,
        x: Mapping[str, np.ndarray],
        y: np.ndarray,
        size: int,
        seed: int,
        drawn: Drawn | None = None,
    ):
        super().__init__()
        self.x, self.y, self.size, self.seed, self.drawn = x, y, size, seed, drawn
        self.rows = len(y) * (1 + drawn.each if drawn else 1)
        self.begin(0)

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def __getitem__(self, step: int):
        here = slice(step * self.size, (step + 1) * self.size)
        ids, others = self.order[here], self.others[here]
        take = functools.partial(np.take, axis=0)
        return _batch(ids, others, self.x, self.y, self.drawn, take, np.where)

    def begin(self, epoch: int) -> None:
        """Take the order of an epoch, counted from 0, and draw for it."""
        self.epoch, self.order = epoch, order(self.rows, self.seed, epoch)
        self.others = np.zeros(self.rows, "int32")
        if self.drawn:
            beside = self.drawn.draw(epoch)
            all_rows = np.hstack([np.zeros((len(beside), 1), "int32"), beside])
            self.others = all_rows.ravel()[self.order]

    def on_epoch_end(self) -> None:
        """Take the order of the next epoch."""
        self.begin(self.epoch + 1)


def _batch(ids, others, x, y, drawn: Drawn | None, take, where) -> tuple:
    """The rows of a batch. Row n is row n // (1 + each) and, but for the first, drawn.

    others: what is drawn; take, where: of NumPy or of TensorFlow
    """
    if drawn is None:
        return {name: take(array, ids) for name, array in x.items()}, take(y, ids)
    row, number = ids // (1 + drawn.each), ids % (1 + drawn.each)
    found = {name: take(array, row) for name, array in x.items()}
    is_drawn = (number > 0)[:, None]
    for name, (others_rows, columns) in drawn.fields.items():
        other = take(others_rows, others)
        found[name] = where(is_drawn & columns, other, found[name])
    is_there = np.eye(1 + drawn.each, 1, dtype="float32")  # 1 for the first, else 0
    return found, take(is_there, number)


def beside(
    x: Mapping[str, np.ndarray], drawn: Drawn, epoch: int = 0
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """All rows of an epoch in their order, those drawn after each: x and y."""
    n = len(next(iter(x.values())))
    others = np.hstack([np.zeros((n, 1), "int32"), drawn.draw(epoch)]).ravel()
    take = functools.partial(np.take, axis=0)
    return _batch(np.arange(len(others)), others, x, None, drawn, take, np.where)


class Begin(keras.callbacks.Callback):
    """Tells the batches which epoch begins: Keras looks into some before the first."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.begin(epoch)


def shuffled(
    x: Mapping[str, np.ndarray],
    y: np.ndarray,
    size: int,
    seed: int,
    drawn: Drawn | None = None,
) -> dict:
    """What Model.fit takes: its x, and the callbacks that this x needs.

    On TensorFlow a tf.data.Dataset of one epoch, else Batches: the same batches in the
    same order. The former runs outside of Python. It ends where the epoch does: from
    one without end Keras takes a multiple of steps_per_execution, whatever
    steps_per_epoch says. Keras would tune how many batches it keeps ready, by which
    some epochs take twice as long as others; this one keeps READY.
    """
    batches = Batches(x, y, size, seed, drawn)
    callbacks = [Begin(batches)]
    if keras.backend.backend() != "tensorflow":
        return {"x": batches, "callbacks": callbacks}
    import tensorflow as tf

    rows, steps = batches.rows, len(batches)
    with tf.device("CPU"):  # a GPU gets the batches, not all rows
        x, y = {name: tf.constant(v) for name, v in x.items()}, tf.constant(y)

    def epoch(_):
        both = tf.numpy_function(
            lambda: (batches.order, batches.others), [], (tf.int64, tf.int32)
        )
        both = [tf.ensure_shape(array, [rows]) for array in both]
        cuts = tf.data.Dataset.range(steps)
        return cuts.map(lambda step: tuple(a[step * size :][:size] for a in both))

    def batch(ids, others):
        return _batch(ids, others, x, y, drawn, tf.gather, tf.where)

    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.range(1).flat_map(epoch).map(batch).prefetch(READY)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return {"x": data.with_options(options), "callbacks": callbacks}
