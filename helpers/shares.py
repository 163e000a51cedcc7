"""A model's raw output for every pair of user and item, by the shares of the two.

What a DeepFM makes of a row's fields is a sum over the fields, in the first order and
in the first layer of the deep part. So is the second order but for a product: with s
the sum of embeddings and q that of their squares, of the user's fields and the item's,

    sum over all pairs of fields = 1/2 (|s_u + s_i|^2 - q_u - q_i)

(Rendle 2010, lemma 3.1). So each user and each item has a share, which is computed
once; a pair costs a product, and an MLP without its first layer.
"""

import re
import weakref
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from keras import ops

from helpers import models
from helpers.vocabulary import PADDING

ROWS = 1024  # of a side at once: a row brings the list of its owner with it
USER, ITEM = "user", "item"
_LAYERS = re.compile(
    r"embedding(s|_.*)|weight(s|_.*)|.*\.lists|first_order|second_order(_row)?|deep"
    r"|deep_flatten|deep_(dropout_)?\d+|output|output_parts|output_with_intercept"
)
_row_models: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class Share:
    """What some fields of n rows add to what a model computes. Shares add up.

    first: (n,) the first order
    total: (n, k) the sum of the embeddings; squares: (n,) that of their squares
    hidden: (n, units) what the first layer of the deep part gets
    """

    first: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    hidden: np.ndarray

    def at(self, rows: np.ndarray | slice) -> "Share":
        """The shares of these rows."""
        return Share(*(array[rows] for array in vars(self).values()))

    def __add__(self, other: "Share") -> "Share":
        both = zip(vars(self).values(), vars(other).values(), strict=True)
        return Share(*(a + b for a, b in both))

    def add_at(self, rows: np.ndarray, other: "Share") -> None:
        """Add `other` to these rows, in place. No row is there twice."""
        for name, array in vars(self).items():
            array[rows] += getattr(other, name)


class Head:
    """What a model does with the embeddings and weights of its fields, as arrays.

    Raises ValueError for a model that is not of models.deepfm().
    """

    def __init__(self, model: keras.Model):
        layers = _layers(model)
        self.inputs = [*model.input]
        self.weight = _part_weights(layers)
        self.constant = 0.0
        for name, part in (("first_order",) * 2, ("output_with_intercept", None)):
            if name in layers:
                w0 = float(_array(layers[name].w0)[0])
                self.constant = w0 * self.weight.get(part, 1.0)
        hidden = [name for name in layers if re.fullmatch(r"deep_\d+", name)]
        hidden.sort(key=lambda name: int(name.removeprefix("deep_")))
        deep = [*hidden, "deep"] if "deep" in layers else []
        self.deep = [_dense(layers[name]) for name in deep]

    def kernel(self, fields: Sequence[Hashable]) -> np.ndarray:
        """The first deep layer's weights of some fields: (p, k, units)."""
        places = [self.inputs.index(models.input_name(field)) for field in fields]
        kernel, _ = self.deep[0]
        return kernel.reshape(len(self.inputs), -1, kernel.shape[1])[places]

    def share(
        self, fields: Sequence[Hashable], embeddings: np.ndarray, weights: np.ndarray
    ) -> Share:
        """The share of some fields. embeddings: (n, p, k); weights: (n, p, 1)"""
        hidden = np.zeros((len(embeddings), 0), "float32")
        if self.deep:
            kernel = self.kernel(fields)
            flat = embeddings.reshape(len(embeddings), -1)
            hidden = flat @ kernel.reshape(-1, kernel.shape[2])
        squares = (embeddings**2).sum((1, 2))
        return Share(weights.sum((1, 2)), embeddings.sum(1), squares, hidden)

    def output(self, share: Share) -> np.ndarray:
        """The raw output of rows whose share is complete: (n,)."""
        raw = self._alone(share) + np.float32(self.constant)
        return raw + self._deep_part(share.hidden.T) if self.deep else raw

    def outputs(self, users: Share, items: Share) -> np.ndarray:
        """The raw output of every user with every item: (users, items)."""
        one_u, one_i = (np.ones((len(s.first), 1), "float32") for s in (users, items))
        of_user = self._alone(users)[:, None] + np.float32(self.constant)
        of_item = self._alone(items)[:, None]
        total = np.float32(self.weight["second_order"]) * users.total
        left, right = [total, of_user, one_u], [items.total, one_i, of_item]
        raw = np.hstack(left) @ np.hstack(right).T
        if self.deep:
            of_items = np.ascontiguousarray(items.hidden.T)
            for line, hidden in zip(raw, users.hidden, strict=True):
                line += self._deep_part(of_items + hidden[:, None])
        return raw

    def _alone(self, share: Share) -> np.ndarray:
        """First and second order of a share: (n,)"""
        pairs = 0.5 * ((share.total**2).sum(1) - share.squares)
        first, second = self.weight["first_order"], self.weight["second_order"]
        return (first * share.first + second * pairs).astype("float32")

    def _deep_part(self, hidden: np.ndarray) -> np.ndarray:
        """Of what the first layer gets, before its bias: (units, n) -> (n,)"""
        y = hidden + self.deep[0][1]
        for kernel, bias in self.deep[1:]:
            np.maximum(y, 0, out=y)
            y = kernel.T @ y
            y += bias
        return np.float32(self.weight["deep"]) * y[0]


class Pairs:
    """The raw output of a model for every user with every item, users in blocks.

    model: of models.deepfm(), trained or not, with the lists of its histories
    of_user: encoded fields with a row for each user, paired with any item
    of_item: with a row for each item, paired with any user
    sides: field -> USER or ITEM for each column that it reads. Only a history may read
        both: its owner from one side, the item from the other.

    A history leaves the row's own item out, which makes a difference to the pairs whose
    item is on their owner's list: the share of those is mended.
    """

    def __init__(
        self,
        model: keras.Model,
        of_user: Mapping[Hashable, np.ndarray],
        of_item: Mapping[Hashable, np.ndarray],
        sides: Mapping[Hashable, Sequence[str]],
    ):
        self.head = Head(model)
        named = {models.input_name(field): field for field in sides}
        fields = [named[name] for name in self.head.inputs]
        encoded = {USER: of_user, ITEM: of_item}
        made, self.crossed = {}, []
        for side, other in ((USER, ITEM), (ITEM, USER)):
            own = [field for field in fields if sides[field][0] == side]
            x = {field: encoded[side][field] for field in own}
            crossed = [field for field in own if other in sides[field]]
            for field in crossed:
                x[field] = x[field].copy()
                x[field][:, 1] = PADDING  # the whole list
            n = len(next(iter(encoded[side].values())))
            embeddings, weights = _rows(model, x, n)
            made[side] = self.head.share(own, embeddings, weights)
            for field in crossed:
                ids = x[field][:, 0], encoded[other][field][:, 1]
                rows = [array[:, own.index(field)] for array in (embeddings, weights)]
                history = Crossed(model, self.head, field, side, *ids, *rows)
                self.crossed.append(history)
        self.users, self.items = made[USER], made[ITEM]

    def block(self, start: int, stop: int, skip: np.ndarray) -> np.ndarray:
        """The raw output of users start..stop with all items: (stop - start, items).

        skip: of that shape, bool: pairs whose output nobody asks for
        """
        raw = self.head.outputs(self.users.at(slice(start, stop)), self.items)
        if not self.crossed:
            return raw
        users, items = np.arange(start, stop), np.arange(raw.shape[1])
        listed = [history.listed(users, items) for history in self.crossed]
        line, item = np.nonzero(np.logical_or.reduce(listed) & ~skip)
        user = start + line
        share = self.users.at(user) + self.items.at(item)
        for history, table in zip(self.crossed, listed, strict=True):
            here = np.flatnonzero(table[line, item])
            share.add_at(here, history.change(user[here], item[here]))
        raw[line, item] = self.head.output(share)
        return raw


class Crossed:
    """A history whose owners are on one side and whose items on the other.

    side: of the owners
    owner: (n,) rows of the table of lists; item: (m,) ids of items
    embedding, weight: (n, k), (n, 1), what the model makes of the owners' whole lists
    """

    def __init__(self, model, head: Head, field, side, owner, item, embedding, weight):
        name, layers = models.layer_name(field), _layers(model)
        self.side, self.owner, self.item = side, owner, item
        self.rows = embedding, weight
        self.lists = layers[f"{name}.lists"].lists
        number = ops.sum(ops.cast(self.lists, "float32"), axis=1)
        self.number = _array(number)[owner][:, None]
        tables = (layers.get(f"{what}_{name}") for what in ("embedding", "weight"))
        none = np.zeros((self.lists.shape[1], 0), "float32")
        self.tables = [none if t is None else _array(t.embeddings) for t in tables]
        self.kernel = head.kernel([field])[0] if head.deep else None

    def listed(self, users: np.ndarray, items: np.ndarray) -> np.ndarray:
        """Which items of all pairs are on their owner's list: (users, items) bool."""
        owners, items = self._by_owner(users, items)
        lists = ops.take(self.lists, self.owner[owners], axis=0)
        table = _array(ops.take(lists, self.item[items], axis=1)) > 0
        return table if self.side == USER else table.T

    def change(self, users: np.ndarray, items: np.ndarray) -> Share:
        """What leaving out the item adds to the share of pairs that are on a list."""
        owners, items = self._by_owner(users, items)
        number, item = self.number[owners], self.item[items]
        before = [rows[owners] for rows in self.rows]
        after = [
            (row * np.sqrt(number) - table[item]) / np.sqrt(np.maximum(number - 1, 1))
            for row, table in zip(before, self.tables, strict=True)
        ]
        embedding, weight = (a - b for a, b in zip(after, before, strict=True))
        squares = (after[0] ** 2 - before[0] ** 2).sum(1)
        kernel = self.kernel
        hidden = embedding[:, :0] if kernel is None else embedding @ kernel
        return Share(weight.sum(1), embedding, squares, hidden)

    def _by_owner(self, users, items) -> tuple:
        return (users, items) if self.side == USER else (items, users)


def _layers(model: keras.Model) -> dict[str, keras.layers.Layer]:
    """By name. Raises ValueError for a model that is not of models.deepfm()."""
    found = {layer.name: layer for layer in model.layers}
    above = found.keys() - set(model.input)
    if other := sorted(name for name in above if not _LAYERS.fullmatch(name)):
        raise ValueError(f"The model is not of models.deepfm(): it has layers {other}.")
    return found


def _part_weights(layers: Mapping) -> dict[str, float]:
    """What a part counts in the output: 1 where they are added, 0 where it is not."""
    parts = [part for part in models.PARTS if part in layers]
    found = [1.0] * len(parts)
    if isinstance(output := layers.get("output"), keras.layers.Dense):
        found = _array(output.kernel)[:, 0].tolist()
    return dict.fromkeys(models.PARTS, 0.0) | dict(zip(parts, found, strict=True))


def _dense(layer: keras.layers.Dense) -> tuple[np.ndarray, np.ndarray]:
    """Kernel (n, units) and bias (units, 1)."""
    bias = np.zeros(layer.units) if layer.bias is None else _array(layer.bias)
    return _array(layer.kernel), bias.astype("float32")[:, None]


def _rows(
    model: keras.Model, x: Mapping[Hashable, np.ndarray], n: int
) -> tuple[np.ndarray, np.ndarray]:
    """What the model makes of some fields of n rows: embeddings and weights.

    ->  (n, p, k), (n, p, 1); the last size is 0 where the model has no such rows
    """
    layers = _layers(model)
    sizes = {
        what: layers[what].output.shape[2] if what in layers else 0
        for what in ("embeddings", "weights")
    }
    found = {what: np.zeros((n, len(x), sizes[what]), "float32") for what in sizes}
    named = {models.input_name(field): array for field, array in x.items()}
    for start in range(0, n, ROWS) if named else ():
        some = {name: array[start : start + ROWS] for name, array in named.items()}
        rows_of = _row_model(model, tuple(named)).predict_on_batch(some)
        for what, rows in rows_of.items():
            found[what][start : start + ROWS] = np.concatenate(rows, axis=1)
    return found["embeddings"], found["weights"]


def _row_model(model: keras.Model, inputs: tuple[str, ...]) -> keras.Model:
    """The model up to the embeddings and weights of some inputs; made once."""
    made = _row_models.setdefault(model, {})
    if inputs not in made:
        layers, places = _layers(model), [[*model.input].index(n) for n in inputs]
        outputs = {}
        for what in [what for what in ("embeddings", "weights") if what in layers]:
            rows = layers[what].input
            rows = rows if isinstance(rows, list) else [rows]
            outputs[what] = [rows[place] for place in places]
        made[inputs] = keras.Model({n: model.input[n] for n in inputs}, outputs)
    return made[inputs]


def _array(weight) -> np.ndarray:
    return ops.convert_to_numpy(weight)
