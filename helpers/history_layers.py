"""Histories inside a model: the lists of all owners, and the sum over a row's list."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="deepfm")
class OwnerLists(keras.layers.Layer):
    """The table of all lists of a history: 1 where an item is on an owner's list.

    (batch, 2), which is not used  ->  (owners, size)

    shape: (owners, size) of the weight `lists`, int8, which no training changes. It is
        set after building and saved with the model.
    """

    def __init__(self, shape: tuple[int, int], **kwargs):
        super().__init__(**kwargs)
        self.shape = tuple(map(int, shape))

    def build(self, input_shape):
        self.lists = self.add_weight(
            name="lists",
            shape=self.shape,
            initializer="zeros",
            dtype="int8",
            trainable=False,
        )

    def call(self, inputs):
        return ops.cast(self.lists, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """(batch, 2) -> (owners, size)."""
        return self.shape

    def get_config(self):
        """The constructor's arguments."""
        return {**super().get_config(), "shape": self.shape}


@keras.saving.register_keras_serializable(package="deepfm")
class HistorySum(keras.layers.Layer):
    """Embeddings of the items on a list, added up, over the root of their number.

    lists (owners, size), ids (batch, 2): row of lists, item to leave out
    ->  (batch, 1, k)

    As SVD++ adds up the movies that a user has rated (Koren 2008, eq. 15). All owners
    are added up at once, by one matrix product; each row then takes its own item out.
    """

    def __init__(self, k: int, embeddings_initializer="uniform", **kwargs):
        super().__init__(**kwargs)
        self.k = int(k)
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)

    def build(self, lists_shape, ids_shape):
        self.embeddings = self.add_weight(
            name="embeddings",
            shape=(lists_shape[1], self.k),
            initializer=self.embeddings_initializer,
        )

    def call(self, lists, ids):
        owner, item = ids[:, 0], ids[:, 1]
        ones = ops.ones_like(self.embeddings[:, :1])  # their sum is the number of items
        v = ops.concatenate([self.embeddings, ones], axis=1)
        cell = owner * ops.shape(lists)[1] + item
        own = ops.take(ops.reshape(lists, (-1,)), cell)[:, None]
        rest = ops.take(ops.matmul(lists, v), owner, axis=0)
        rest = rest - own * ops.take(v, item, axis=0)
        number = ops.maximum(rest[:, self.k :], 1)
        return (rest[:, : self.k] * ops.rsqrt(number))[:, None]

    def compute_output_shape(self, lists_shape, ids_shape):
        """(owners, size), (batch, 2) -> (batch, 1, k)."""
        return (ids_shape[0], 1, self.k)

    def get_config(self):
        """The constructor's arguments."""
        start = keras.initializers.serialize(self.embeddings_initializer)
        return {**super().get_config(), "k": self.k, "embeddings_initializer": start}


def histories(x, specs):
    """x, with (lists, ids) for each history: what HistorySum adds up.

    x: dict of tensors  ->  the same, (owners, size) and (batch, 2) for a history
    """
    x = dict(x)
    for s in specs:
        if s.kind == "history":
            layer = OwnerLists(s.lists.shape, name=f"{s.name}_lists")
            x[s.name] = layer(x[s.name]), x[s.name]
            layer.lists.assign(s.lists)
    return x


def with_lists(model: keras.Model, specs) -> keras.Model:
    """The model with the lists of other owners, such as newcomers.

    model: from deepfm(); specs: after ItemHistory.update()
    ->  a model that shares all other layers with it
    """
    lists = {f"{s.name}_lists": s.lists for s in specs if s.kind == "history"}

    def renewed(layer: keras.layers.Layer) -> keras.layers.Layer:
        if layer.name not in lists:
            return layer
        return OwnerLists(lists[layer.name].shape, name=layer.name)

    other = keras.models.clone_model(model, clone_function=renewed)
    for name, table in lists.items():
        other.get_layer(name).lists.assign(table)
    return other
