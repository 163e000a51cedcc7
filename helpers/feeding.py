"""Rows to Model.fit in a new random order each epoch, at a steady pace."""

from collections.abc import Mapping

import keras
import numpy as np

READY = 8  # batches that TensorFlow keeps ahead of the step that trains on them


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
        self.x, self.y, self.size = x, y, size
        self.rng = np.random.default_rng(seed)
        self.on_epoch_end()

    def __len__(self) -> int:
        return -(-len(self.y) // self.size)

    def __getitem__(self, step: int):
        ids = self.order[step * self.size :][: self.size]
        return {name: values[ids] for name, values in self.x.items()}, self.y[ids]

    def on_epoch_end(self) -> None:
        """Draw the order of the next epoch."""
        self.order = self.rng.permutation(len(self.y))


def shuffled(x: Mapping[str, np.ndarray], y: np.ndarray, size: int, seed: int):
    """What Model.fit takes for x: Batches, or on TensorFlow the same as a tf.data one.

    That runs outside of Python. Keras would tune how many batches it keeps ready, by
    which some epochs take twice as long as others; this one keeps READY.
    """
    batches = Batches(x, y, size, seed)
    if keras.backend.backend() != "tensorflow":
        return batches
    import tensorflow as tf

    rows, steps = len(y), len(batches)
    x, y = {name: tf.constant(values) for name, values in x.items()}, tf.constant(y)

    def next_order() -> np.ndarray:
        order = batches.order
        batches.on_epoch_end()
        return order

    def epoch(_):
        order = tf.ensure_shape(tf.numpy_function(next_order, [], tf.int64), [rows])
        cuts = tf.data.Dataset.range(steps)
        return cuts.map(lambda step: order[step * size :][:size])

    def batch(ids):
        return {name: tf.gather(v, ids) for name, v in x.items()}, tf.gather(y, ids)

    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.range(1).flat_map(epoch).map(batch).prefetch(READY)
    data = data.apply(tf.data.experimental.assert_cardinality(steps))
    return data.with_options(options)
