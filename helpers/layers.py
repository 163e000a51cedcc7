"""Keras layers, backend-neutral and serialisable: what Keras lacks for an FM."""

import keras
from keras import ops

from helpers.vocabulary import FIRST, PADDING


@keras.saving.register_keras_serializable(package="deepfm")
class ValueRows(keras.initializers.RandomNormal):
    """Normal random rows for a table of ids; those of padding and unknown are zero.

    Where no training row is unknown, the row of unknown stays zero, and a newcomer adds
    nothing. A random row that nobody has trained would add noise.
    """

    def __call__(self, shape, dtype=None):
        rows = super().__call__(shape, dtype=dtype)
        is_value = ops.arange(shape[0]) >= FIRST
        return rows * ops.cast(is_value, rows.dtype)[:, None]


@keras.saving.register_keras_serializable(package="deepfm")
class Embedding(keras.layers.Embedding):
    """Keras' Embedding, of which a lookup reads only the rows it asks for.

    ids (batch, L)  ->  (batch, L, k)

    On TensorFlow Keras' own reads the table as a whole and then takes rows from it.
    That costs nothing until something writes to single rows, as optimizers.RowAdam
    does: from then on every such read copies the table.
    """

    def call(self, inputs):
        mixed = self.compute_dtype != self.variable_dtype
        # in mixed precision `value` is a copy of the table in the other one
        table = self._embeddings._value if mixed else self._embeddings.value
        if self.lora_enabled or not hasattr(table, "sparse_read"):  # not TensorFlow
            return super().call(inputs)
        if keras.backend.standardize_dtype(inputs.dtype) not in ("int32", "int64"):
            inputs = ops.cast(inputs, "int32")
        return ops.cast(table.sparse_read(inputs), self.compute_dtype)


@keras.saving.register_keras_serializable(package="deepfm")
class MaskedMean(keras.layers.Layer):
    """Mean over the values of a list; a zero vector where there is none.

    embeddings (batch, L, k), ids (batch, L)  ->  (batch, 1, k)

    Padding counts neither in the sum nor in the number of values. The ids are an
    argument, and no Keras mask is used: a mask can get lost on its way.
    """

    def call(self, embeddings, ids):
        present = ops.cast(ops.not_equal(ids, PADDING), embeddings.dtype)
        present = ops.expand_dims(present, -1)
        total = ops.sum(embeddings * present, axis=1, keepdims=True)
        return total / ops.maximum(ops.sum(present, axis=1, keepdims=True), 1)

    def compute_output_shape(self, embeddings_shape, ids_shape):
        """(batch, L, k), (batch, L) -> (batch, 1, k)."""
        return (embeddings_shape[0], 1, embeddings_shape[2])


@keras.saving.register_keras_serializable(package="deepfm")
class FieldRows(keras.layers.Layer):
    """The rows of all fields as one array, and the price of their size.

    p times (batch, 1, k)  ->  (batch, p, k)

    l2: each batch costs l2 times the mean over its rows of the sum of all squares. The
        charge is on what enters the model: on the mean of a list, not on its values,
        and on x times v, not on v.
    """

    def __init__(self, l2: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.l2 = float(l2)

    def call(self, inputs):
        rows = ops.concatenate(inputs, axis=1)
        if self.l2:
            squares = ops.square(ops.cast(rows, "float32"))  # 16 bits end at 65,504
            batch = ops.cast(ops.shape(rows)[0], "float32")
            self.add_loss(self.l2 * ops.sum(squares) / batch)
        return rows

    def compute_output_shape(self, input_shape):
        """p times (batch, 1, k) -> (batch, p, k)."""
        batch, _, k = input_shape[0]
        return (batch, len(input_shape), k)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "l2": self.l2}


@keras.saving.register_keras_serializable(package="deepfm")
class PairwiseInteractions(keras.layers.Layer):
    """Sum of the dot products of every pair of fields (Rendle 2010, eq. 1, lemma 3.1).

    (batch, p, k)  ->  (batch, 1)

    sum over i<j of <e_i, e_j>  =  1/2 sum over f of [(sum_i e_if)^2 - sum_i e_if^2]
    """

    def call(self, inputs):
        square_of_sum = ops.square(ops.sum(inputs, axis=1))
        sum_of_squares = ops.sum(ops.square(inputs), axis=1)
        return 0.5 * ops.sum(square_of_sum - sum_of_squares, axis=1, keepdims=True)

    def compute_output_shape(self, input_shape):
        """(batch, p, k) -> (batch, 1)."""
        return (input_shape[0], 1)


@keras.saving.register_keras_serializable(package="deepfm")
class SumWithIntercept(keras.layers.Layer):
    """First order of an FM: w0 plus the sum over the fields (Rendle 2010, eq. 1).

    (batch, p, 1)  ->  (batch, 1)

    intercept: where w0 starts; the intercept of the target is a good place.
    """

    def __init__(self, intercept: float = 0.0, **kwargs):
        super().__init__(**kwargs)
        self.intercept = float(intercept)

    def build(self, input_shape):
        start = keras.initializers.Constant(self.intercept)
        self.w0 = self.add_weight(name="w0", shape=(1,), initializer=start)

    def call(self, inputs):
        return ops.sum(inputs, axis=1) + self.w0

    def compute_output_shape(self, input_shape):
        """(batch, p, 1) -> (batch, 1)."""
        return (input_shape[0], 1)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "intercept": self.intercept}
