"""Histories inside a model: the lists of all owners, and sums over those of rows."""

import keras
from keras import ops

NOT_SET = -1


@keras.saving.register_keras_serializable(package="deepfm")
class OwnerLists(keras.layers.Layer):
    """The list of each row's owner.

    ids (batch, 2): row of the table, item to leave out
    ->  lists (n, items): 1 where an item is on the list, else 0
        place (batch,): which of the lists is that of a row's owner
        item (batch,): what to leave out of it
        listed (batch, 1) float32: 1 where it is on the list, else 0
        number (batch, 1) float32: how many other items are on the list

    A training whose batch has more rows than there are owners gets the lists of all
    owners, each once; else there is a list a row.

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

    def call(self, inputs, training=False):
        owner, item = inputs[:, 0], inputs[:, 1]
        lists, place, number = self._lists(owner, training)
        cells = ops.reshape(self.lists, (-1, 1))
        listed = ops.take(cells, owner * self.items + item, axis=0)
        listed = ops.cast(listed, "float32")
        return lists, place, item, listed, ops.take(number, place, axis=0) - listed

    def _lists(self, owner, training):
        """Lists (n, items), the one of each row (batch,), and their numbers (n, 1)."""

        def by_row():
            return self._cast(ops.take(self.lists, owner, axis=0), rows)

        def by_owner():
            return self._cast(ops.convert_to_tensor(self.lists), owner)

        rows = ops.arange(ops.shape(owner)[0], dtype="int32")
        if not training:
            return by_row()
        if (batch := owner.shape[0]) is not None:
            return by_owner() if batch > self.owners else by_row()
        return ops.cond(ops.shape(owner)[0] > self.owners, by_owner, by_row)

    def _cast(self, lists, place):
        # some ONNX runtimes have no arithmetic on 8 bits, and 16 count to 256 only
        lists = ops.cast(lists, "float32")
        number = ops.sum(lists, axis=1, keepdims=True)
        return ops.cast(lists, self.compute_dtype), place, number

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "owners": self.owners, "items": self.items}


@keras.saving.register_keras_serializable(package="deepfm")
class HistorySum(keras.layers.Layer):
    """Sum of the embeddings of each row's list, over the root of its length.

    lists (n, items), place, item, listed, number: as of OwnerLists
    ->  (batch, 1, k); zero for a list with nothing on it but the row's own item

    As SVD++ adds up the movies that a user has rated (Koren 2008, eq. 15), without the
    row's own, which is taken off the sum of the whole list.
    """

    def __init__(self, k: int, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.k = int(k)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, input_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(input_shape[0][1], self.k),
            initializer=self.embeddings_initializer,
        )

    def call(self, inputs):
        lists, place, item, listed, number = inputs
        whole = ops.take(ops.matmul(lists, self.embeddings), place, axis=0)
        own = ops.cast(listed, whole.dtype) * ops.take(self.embeddings, item, axis=0)
        scale = ops.cast(ops.rsqrt(ops.maximum(number, 1)), whole.dtype)
        return ((whole - own) * scale)[:, None]

    def get_config(self):
        """The constructor's arguments."""
        start = keras.initializers.serialize(self.embeddings_initializer)
        return {**super().get_config(), "k": self.k, "embeddings_initializer": start}
