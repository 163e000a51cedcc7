"""Histories inside a model: the lists of all owners, and sums over those of rows."""

import keras
from keras import ops

NOT_SET = -1


@keras.saving.register_keras_serializable(package="deepfm")
class OwnerLists(keras.layers.Layer):
    """The lists of all owners, beside the owner and the item of each row.

    ids (batch, 2): row of the table, item to leave out
    ->  ids as they came; the table (owners, items) int8: 1 where an item is on the list

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
        return inputs, ops.convert_to_tensor(self.lists)

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "owners": self.owners, "items": self.items}


@keras.saving.register_keras_serializable(package="deepfm")
class HistorySum(keras.layers.Layer):
    """Sum of the embeddings of each row's list, over the root of its length.

    ids (batch, 2), table (owners, items), as of OwnerLists
    ->  (batch, 1, k); zero for a list with nothing on it but the row's own item

    As SVD++ adds up the movies that a user has rated (Koren 2008, eq. 15), without the
    row's own. A training whose batch has more rows than there are owners adds up the
    list of every owner once; else that of every row is added up.
    """

    def __init__(self, k: int, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.k = int(k)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        _, (_, items) = input_shape
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(items, self.k),
            initializer=self.embeddings_initializer,
        )

    def call(self, inputs, training=False):
        ids, table = inputs
        owner, item = ids[:, 0], ids[:, 1]
        total, number = self._of_owners(table, owner, training)
        place = owner * table.shape[1] + item
        listed = ops.take(ops.reshape(table, (-1, 1)), place, axis=0)
        listed = ops.cast(listed, "float32")
        own = ops.cast(listed, total.dtype) * ops.take(self.embeddings, item, axis=0)
        scale = ops.rsqrt(ops.maximum(number - listed, 1))
        return ((total - own) * ops.cast(scale, total.dtype))[:, None]

    def _of_owners(self, table, owner, training):
        """Sum of the whole list of each row's owner, (batch, k), and its number."""

        def by_row():
            return self._sums(ops.take(table, owner, axis=0))

        def by_owner():
            return [ops.take(sums, owner, axis=0) for sums in self._sums(table)]

        if not training:
            return by_row()
        return ops.cond(ops.shape(owner)[0] > table.shape[0], by_owner, by_row)

    def _sums(self, lists):
        """(n, items) -> sums of embeddings (n, k), numbers of items (n, 1) float32"""
        # cast first: some ONNX runtimes have no arithmetic on 8 bits
        total = ops.matmul(ops.cast(lists, self.compute_dtype), self.embeddings)
        # 16 bits count to 256 only
        return [total, ops.sum(ops.cast(lists, "float32"), axis=1, keepdims=True)]

    def get_config(self):
        """The constructor's arguments."""
        start = keras.initializers.serialize(self.embeddings_initializer)
        return {**super().get_config(), "k": self.k, "embeddings_initializer": start}
