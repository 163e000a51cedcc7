"""Rows to Model.fit in a new random order each epoch, at a steady pace."""

import functools
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import NamedTuple

import keras
import numpy as np

READY = 8  # batches that TensorFlow keeps ahead of the step that trains on them
BUFFER = 2**17  # rows out of files that are shuffled together


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


class Pieces(keras.utils.PyDataset):
    """Batches out of pieces that are read when needed, in a new order each epoch.

    piece: number -> x, name -> (m, L), and y, (m, 1); all pieces together have `rows`
    size: rows of a batch; the last batch of an epoch has what is left
    buffer: pieces are read in a random order, and as many as have so many rows together
        are shuffled as one. So memory holds about `buffer` rows, and twice that, as the
        next ones are made in a thread while these are trained on.
    seed: of the orders of all epochs

    failed: what was raised while a piece was made; Keras may raise another error of it
    """

    def __init__(
        self,
        piece: Callable[[int], tuple],
        pieces: int,
        rows: int,
        size: int,
        buffer: int,
        seed: int,
    ):
        super().__init__()
        self.piece, self.pieces, self.rows = piece, pieces, rows
        self.size, self.buffer, self.seed = size, buffer, seed
        self.failed: Exception | None = None
        self.begin(0)

    def __len__(self) -> int:
        return -(-self.rows // self.size)

    def __getitem__(self, step: int):
        if step != self.step:  # Keras looks into some before the first epoch
            self.begin(self.epoch)
        while self.step < step:
            next(self.batches)
            self.step += 1
        self.step += 1
        return next(self.batches)

    def begin(self, epoch: int) -> None:
        """Start an epoch, counted from 0."""
        self.epoch, self.step = epoch, 0
        self.batches = self._batches()

    def on_epoch_end(self) -> None:
        """Start the next epoch."""
        self.begin(self.epoch + 1)

    def chunks(self) -> Iterator[tuple]:
        """The rows of the epoch in parts: x, y, and an order of whole batches.

        Rows that fill no batch go into the next part; the last has all that is left.
        """
        rng = np.random.default_rng([self.seed, self.epoch])
        held: list[tuple] = []
        for number in rng.permutation(self.pieces):
            held.append(self.piece(int(number)))
            n = sum(len(y) for _, y in held)
            if n < max(self.buffer, self.size):
                continue
            x, y = _joined(held)
            shuffled_rows = rng.permutation(n)
            full = n - n % self.size
            yield x, y, shuffled_rows[:full]
            held = [_taken(x, y, shuffled_rows[full:])]
        x, y = _joined(held)
        if len(y):
            yield x, y, rng.permutation(len(y))

    def ahead(self) -> Iterator[tuple]:
        """chunks(), each made in a thread while the one before is used."""
        chunks = self.chunks()
        with ThreadPoolExecutor(1) as thread:
            following = thread.submit(next, chunks, None)
            while True:
                try:
                    chunk = following.result()
                except Exception as error:
                    self.failed = error
                    raise
                if chunk is None:
                    return
                following = thread.submit(next, chunks, None)
                yield chunk

    def _batches(self) -> Iterator[tuple]:
        for x, y, ids in self.ahead():
            for start in range(0, len(ids), self.size):
                yield _taken(x, y, ids[start : start + self.size])


def _taken(x, y, ids: np.ndarray) -> tuple:
    return {name: array[ids] for name, array in x.items()}, y[ids]


def _joined(pieces: list[tuple]) -> tuple:
    """Pieces as one. Lists are padded to the length of the longest."""
    x = {name: _stacked([piece[0][name] for piece in pieces]) for name in pieces[0][0]}
    return x, np.concatenate([y for _, y in pieces])


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    length = max(array.shape[1] for array in arrays)
    for i, array in enumerate(arrays):
        if array.shape[1] < length:
            arrays[i] = np.pad(array, ((0, 0), (0, length - array.shape[1])))
    return np.concatenate(arrays)


def streamed(pieces: Pieces) -> dict:
    """What Model.fit takes, as shuffled() gives it, for rows that do not fit in memory.

    On TensorFlow the batches are cut out of chunks() outside of Python.
    """
    callbacks = [Begin(pieces)]
    if keras.backend.backend() != "tensorflow":
        return {"x": pieces, "callbacks": callbacks, "pieces": pieces}
    import tensorflow as tf

    def spec(array):
        return tf.TensorSpec((None, *[None] * (array.ndim - 1)), array.dtype)

    def batches(x, y, order):
        def batch(step):
            ids = order[step * pieces.size :][: pieces.size]
            return {n: tf.gather(a, ids) for n, a in x.items()}, tf.gather(y, ids)

        steps = -(-tf.shape(order, tf.int64)[0] // pieces.size)
        return tf.data.Dataset.range(steps).map(batch)

    x, y = pieces.piece(0)
    signature = (
        {name: spec(array) for name, array in x.items()},
        spec(y),
        tf.TensorSpec((None,), tf.int64),
    )
    options = tf.data.Options()
    options.autotune.enabled = False
    data = tf.data.Dataset.from_generator(pieces.ahead, output_signature=signature)
    data = data.flat_map(batches).prefetch(READY)
    data = data.apply(tf.data.experimental.assert_cardinality(len(pieces)))
    data = data.with_options(options)
    return {"x": data, "callbacks": callbacks, "pieces": pieces}


@contextmanager
def first_cause(feed: Mapping) -> Iterator[None]:
    """Where a piece could not be made, raise what says why, not what came of it."""
    try:
        yield
    except Exception:
        if (pieces := feed.get("pieces")) and pieces.failed:
            raise pieces.failed from None
        raise
