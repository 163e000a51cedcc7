"""Histories inside a model: the list of a row's owner, and the sum over it."""

import keras
from keras import ops

NOT_SET = -1


@keras.saving.register_keras_serializable(package="deepfm")
class OwnerLists(keras.layers.Layer):
    """The list of each row's owner, without the row's own item.

    ids (batch, 2): row of the table, item to leave out
    ->  (batch, items): 1 where an item is on the list, else 0

    owners, items: shape of the weight `lists`, int8, which no training changes. It is
        NOT_SET until models.set_lists() fills it, and saved with the model.
    """

    def __init__(self, owners: int, items: int, **kwargs):
        super().__init__(**kwargs)
        self.owners, self.items = int(owners), int(items)

    def build(self, input_shape):
        self.lists = self.add_weight(
            name="lists",
            shape=(self.owners, self.items),
            initializer=keras.initializers.Constant(NOT_SET),
            dtype="int8",
            trainable=False,
        )

    def call(self, inputs):
        owner, item = inputs[:, 0], inputs[:, 1]
        # cast first: some ONNX runtimes have no arithmetic on 8 bits
        rows = ops.cast(ops.take(self.lists, owner, axis=0), self.compute_dtype)
        own = ops.equal(ops.arange(self.items)[None], item[:, None])
        return ops.where(own, ops.zeros_like(rows), rows)

    def compute_output_shape(self, input_shape):
        """(batch, 2) -> (batch, items)."""
        return (input_shape[0], self.items)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "owners": self.owners, "items": self.items}


@keras.saving.register_keras_serializable(package="deepfm")
class HistorySum(keras.layers.Layer):
    """Embeddings of the items on a list, added up, over the root of their number.

    lists (batch, items)  ->  (batch, 1, k); zero for an empty list

    As SVD++ adds up the movies that a user has rated (Koren 2008, eq. 15).
    """

    def __init__(self, k: int, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.k = int(k)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(input_shape[1], self.k),
            initializer=self.embeddings_initializer,
        )

    def call(self, inputs):
        # 16 bits count to 256 only
        number = ops.sum(ops.cast(inputs, "float32"), axis=1, keepdims=True)
        scale = ops.cast(ops.rsqrt(ops.maximum(number, 1)), self.compute_dtype)
        return (ops.matmul(inputs, self.embeddings) * scale)[:, None]

    def compute_output_shape(self, input_shape):
        """(batch, items) -> (batch, 1, k)."""
        return (input_shape[0], 1, self.k)

    def get_config(self):
        """The constructor's arguments."""
        start = keras.initializers.serialize(self.embeddings_initializer)
        return {**super().get_config(), "k": self.k, "embeddings_initializer": start}
