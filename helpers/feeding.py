"""Rows to Model.fit in a new random order each epoch, at a steady pace."""

from collections.abc import Mapping

import keras
import numpy as np

READY = 8  # batches that TensorFlow keeps ahead of the step that trains on them


def order(rows: int, seed: int, epoch: int) -> np.ndarray:
    """The order of the rows in one epoch, (rows,): it depends on nothing else."""
    return np.random.default_rng([seed, epoch]).permutation(rows)


class Batches(keras.utils.PyDataset):
    """Batches of `size` rows, in an order of its own each epoch.

    x: arrays of n rows each; y: (n, 1). The last batch of an epoch has what is left.
    seed: of the orders of all epochs.

    Given the arrays themselves, Keras has the same batches in the same order in every
    epoch once its seed is set.
    """

    def __init__(
        self, x: Mapping[str, np.ndarray], y: np.ndarray, size: int, seed: int
    ):
        super().__init__()
        self.x, self.y, self.size, self.seed = x, y, size, seed
        self.begin(0)

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __getitem__(self, step: int):
        ids = self.order[step * self.size :][: self.size]
        return {name: values[ids] for name, values in self.x.items()}, self.y[ids]

    def begin(self, epoch: int) -> None:
        """Take the order of an epoch, counted from 0."""
        self.epoch, self.order = epoch, order(len(self.y), self.seed, epoch)

    def on_epoch_end(self) -> None:
        """Take the order of the next epoch."""
        self.begin(self.epoch + 1)


class Begin(keras.callbacks.Callback):
    """Tells the batches which epoch begins: Keras looks into some before the first."""

    def __init__(self, batches: Batches):
        super().__init__()
        self.batches = batches

    def on_epoch_begin(self, epoch, logs=None):
        self.batches.begin(epoch)


def shuffled(x: Mapping[str, np.ndarray], y: np.ndarray, size: int, seed: int) -> dict:
    """What Model.fit takes: its x, and the callbacks that this x needs.

    On TensorFlow a tf.data.Dataset of one epoch, else Batches: the same batches in the
    same order. The former runs outside of Python. It ends where the epoch does: from
    one without end Keras takes a multiple of steps_per_execution, whatever
    steps_per_epoch says. Keras would tune how many batches it keeps ready, by which
    some epochs take twice as long as others; this one keeps READY.
    """
    batches = Batches(x, y, size, seed)
    callbacks = [Begin(batches)]
    if keras.backend.backend() != "tensorflow":
        return {"x": batches, "callbacks": callbacks}
    import tensorflow as tf

    rows, steps = len(y), len(batches)
    with tf.device("CPU"):  # a GPU gets the batches, not all rows
        x, y = {name: tf.constant(v) for name, v in x.items()}, tf.constant(y)

    def epoch(_):
        ids = tf.numpy_function(lambda: batches.order, [], tf.int64)
        ids = tf.ensure_shape(ids, [rows])
        cuts = tf.data.Dataset.range(steps)
        return cuts.map(lambda step: ids[step * size :][:size])

    def batch(ids):
        return {name: tf.gather(v, ids) for name, v in x.items()}, tf.gather(y, ids)

    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.range(1).flat_map(epoch).map(batch).prefetch(READY)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return {"x": data.with_options(options), "callbacks": callbacks}
