"""DeepFM and its parts as functional Keras models (Guo et al., 2017).

A model's output is raw: on the scale of the target's loss. What is predicted, and how
the output becomes an answer, is the target's affair.
"""

import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from itertools import repeat

import keras
import numpy as np

from helpers import (
    optimizers,  # noqa: F401  (registers the Adam that a saved model names)
    values,
)
from helpers.history_layers import NOT_SET, HistorySum, OwnerLists
from helpers.layers import (
    Embedding,
    FieldRows,
    MaskedMean,
    PairwiseInteractions,
    SumWithIntercept,
    ValueRows,
)

NO_SEEDS = repeat(None)  # Keras draws them
PARTS = ("first_order", "second_order", "deep")
#: What a model can know of its encoder, and the words for it.
KNOWN = {
    "fingerprint": "the fields of encoder",
    "lists_fingerprint": "the lists of histories",
}
_OURS = re.compile("(weight|embedding|first_order|second_order|deep|output)")


def layer_name(field: Hashable) -> str:
    """The name of a field in the names of layers: letters, digits, "_", "-" stay.

    Others become their code between dots, a whole number gets a dot before it, so that
    two fields never share a name. A layer adds what it is: "embedding_" + name, and
    with a dot, which no name holds by itself, name + ".mean".
    """
    if not isinstance(field, str):
        return f".{int(field)}"
    return re.sub(r"[^A-Za-z0-9_-]", lambda m: f".{ord(m[0]):x}.", field)


def input_name(field: Hashable) -> str:
    """The name of a field's input: that of the field where Keras and we have no other.

    A field with the name of a layer, such as "deep", gets a dot before it.
    """
    name = layer_name(field)
    return f".{name}" if not name or _OURS.match(name) else name


def inputs(specs) -> dict[str, keras.KerasTensor]:
    """One Keras input a field.

    specs: FieldEncoder.specs
    ->  (batch, 1) float32, (batch, 1), (batch, L) or (batch, 2) int32 for each field,
        by input_name()
    """
    return {
        input_name(s.name): keras.Input(
            shape=(s.length,), dtype=s.dtype, name=input_name(s.name)
        )
        for s in specs
    }


def embed(
    x,
    specs,
    k: int,
    name: str = "embedding",
    l2: float = 0.0,
    seeds: Iterator = NO_SEEDS,
):
    """Every field as one row of k numbers: x times v, v[id], or the mean of v[ids].

    x: dict of inputs(), where a history is as lists() has it
    seeds: of the starting weights
    ->  (batch, p, k)

    A numeric field has no bias: x = 0 gives a zero row (Rendle 2010, eq. 1: x v).
    Padding is no value: it counts in no mean. l2 is charged on these rows, for each row
    of a batch: on the mean of a list and not on its values, on x v and not on v.
    """
    rows = [
        ROWS[s.kind](
            x[input_name(s.name)],
            s,
            int(k),
            f"{name}_{layer_name(s.name)}",
            next(seeds),
        )
        for s in specs
    ]
    return FieldRows(l2, name=f"{name}s")(rows)


def _start(seed: int | None) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=0.02, seed=seed)


def _row_of_number(x, spec, k: int, name: str, seed: int | None):
    dense = keras.layers.Dense(
        k, use_bias=False, kernel_initializer=_start(seed), name=name
    )
    return keras.layers.Reshape((1, k), name=f"{name}.row")(dense(x))


def _row_of_value(x, spec, k: int, name: str, seed: int | None):
    start = ValueRows(stddev=0.02, seed=seed)
    return Embedding(int(spec.size), k, embeddings_initializer=start, name=name)(x)


def _row_of_list(x, spec, k: int, name: str, seed: int | None):
    rows = _row_of_value(x, spec, k, name, seed)
    return MaskedMean(name=f"{name}.mean")(rows, x)


def _row_of_history(x, spec, k: int, name: str, seed: int | None):
    return HistorySum(k, _start(seed), name=name)(x)


#: Kind -> how a field becomes (batch, 1, k): the one place that maps kinds to layers.
ROWS = {
    "numeric": _row_of_number,
    "categorical": _row_of_value,
    "multi-categorical": _row_of_list,
    "history": _row_of_history,
}


def lists(x, specs):
    """x, where a history is the list of its row's owner: (batch, items).

    x: dict of inputs(). The lists come with set_lists().
    """
    x = dict(x)
    for s in specs:
        if s.owners:
            name = input_name(s.name)
            layer = OwnerLists(s.owners, s.size, name=f"{layer_name(s.name)}.lists")
            x[name] = layer(x[name])
    return x


def set_lists(model: keras.Model, encoder) -> keras.Model:
    """Put the lists of the encoder's histories into the model; gives the model.

    A model may read some of the histories only. Raises ValueError where it has lists of
    another size.
    """
    layers = {layer.name: layer for layer in _list_layers(model)}
    for name, history in encoder.histories.items():
        if (layer := layers.get(f"{layer_name(name)}.lists")) is None:
            continue
        table = history.table()
        if layer.lists.shape != table.shape:
            raise ValueError(
                f"The model has lists of shape {tuple(layer.lists.shape)} for "
                f"{name!r}, the encoder of {table.shape}: they do not belong together."
            )
        layer.lists.assign(table)
        model.lists_fingerprint = encoder.lists_fingerprint
    return model


def first_order(
    x, specs, intercept: float = 0.0, l2: float = 0.0, seeds: Iterator = NO_SEEDS
):
    """w0 + sum of w_i x_i: the embedding of every field with k = 1, summed.

    x, specs, l2, seeds: as of embed()  ->  (batch, 1)
    """
    weights = embed(x, specs, 1, "weight", l2, seeds)
    return SumWithIntercept(intercept, name="first_order")(weights)


def second_order(embeddings):
    """Sum of the dot products of every pair of fields (Rendle 2010, eq. 1).

    embeddings: (batch, p, k)  ->  (batch, 1)
    """
    return PairwiseInteractions(name="second_order")(embeddings)


def deep_part(
    embeddings,
    units: Sequence[int] = (64, 64),
    dropout: float = 0.0,
    intercept: float | None = None,
    seeds: Iterator = NO_SEEDS,
):
    """An MLP on the flattened embeddings, linear at its end (Guo et al. 2017, eq. 4).

    embeddings: (batch, p, k)  ->  (batch, 1)

    dropout: share of each layer's inputs set to zero in training, embeddings included
    intercept: where the output's bias starts; None leaves the bias out, as a model that
    has a w0 needs no second one.
    """
    y = keras.layers.Flatten(name="deep_flatten")(embeddings)
    for i, n in enumerate(units, start=1):
        if dropout:
            layer = keras.layers.Dropout(
                float(dropout), seed=next(seeds), name=f"deep_dropout_{i}"
            )
            y = layer(y)
        y = _dense(int(n), next(seeds), f"deep_{i}", activation="relu")(y)
    start = keras.initializers.Constant(intercept or 0.0)
    out = _dense(
        1,
        next(seeds),
        "deep",
        use_bias=intercept is not None,
        bias_initializer=start,
    )
    return out(y)


def _dense(units: int, seed: int | None, name: str, **options) -> keras.layers.Dense:
    start = keras.initializers.GlorotUniform(seed)
    return keras.layers.Dense(units, kernel_initializer=start, name=name, **options)


def deepfm(
    specs,
    k: int = 16,
    units: Sequence[int] = (64, 64),
    dropout: float = 0.0,
    l2: float = 0.0,
    intercept: float = 0.0,
    parts: Iterable[str] = PARTS,
    weighted: bool = False,
    seed: int | None = None,
) -> keras.Model:
    """DeepFM, or the sum of some of its parts, on one set of embeddings.

    specs: FieldEncoder.specs. Where one is a history, set_lists() must follow.
    k: embedding size; units, dropout: of the deep part; l2: of embed()
    intercept: start of the model's only constant, best the target's
    parts: any of "first_order", "second_order", "deep"; the FM is the first two
    weighted: learn a weight for each part, as the original tutorial did. An extension:
        in the paper the parts are added (Guo et al. 2017, eq. 1).
    seed: of the starting weights and of dropout; None draws as Keras does
    ->  Keras model from a dict of inputs() to the raw output, (batch, 1)

    Raises ValueError for parts that are unknown or none, and for settings out of range.
    """
    k, units = values.whole("k", k), [values.whole("units", n) for n in units]
    dropout, l2 = values.finite("dropout", dropout), values.finite("l2", l2)
    if not 0 <= dropout < 1:
        raise ValueError(f"dropout is a share from 0 to below 1, not {dropout!r}.")
    if l2 < 0:
        raise ValueError(f"l2 is 0 or above, not {l2!r}.")
    wanted = set(parts)
    if not wanted or not wanted <= set(PARTS):
        raise ValueError(f"parts must be some of {PARTS}, not {sorted(wanted)}.")
    parts = [part for part in PARTS if part in wanted]
    seeds = NO_SEEDS if seed is None else _draw(seed)
    asked, y = inputs(specs), {}
    x = lists(asked, specs)
    if "first_order" in parts:
        y["first_order"] = first_order(x, specs, intercept, l2, seeds)
    if parts != ["first_order"]:
        embeddings = embed(x, specs, k, l2=l2, seeds=seeds)
    if "second_order" in parts:
        y["second_order"] = second_order(embeddings)
    if "deep" in parts:
        bias = None if "first_order" in parts else float(intercept)
        y["deep"] = deep_part(embeddings, units, dropout, bias, seeds)
    output = combine([*y.values()], weighted)
    if parts == ["second_order"]:  # the only choice whose parts bring no constant
        row = keras.layers.Reshape((1, 1), name="second_order_row")(output)
        output = SumWithIntercept(intercept, name="output_with_intercept")(row)
    return keras.Model(asked, output, name="_".join(parts))


def _draw(seed: int) -> Iterator[int]:
    """Seeds without end. One seed gives the same ones."""
    rng = np.random.default_rng(int(seed))
    while True:
        yield int(rng.integers(2**31 - 1))


def combine(outputs: Sequence, weighted: bool = False):
    """The plain sum of the parts, or with `weighted` a learned weighted sum.

    outputs: one or more (batch, 1)  ->  (batch, 1)
    """
    if weighted:
        together = keras.layers.Concatenate(name="output_parts")(outputs)
        return keras.layers.Dense(
            1, use_bias=False, kernel_initializer="ones", name="output"
        )(together)
    return keras.layers.Add(name="output")(outputs) if len(outputs) > 1 else outputs[0]


def part_models(model: keras.Model) -> dict[str, keras.Model]:
    """The parts of a DeepFM as models of their own that share its layers.

    model: from deepfm(), trained, loaded or new
    ->  part name -> model to that part's output, (batch, 1)
    """
    names = {layer.name for layer in model.layers}
    found = {
        part: keras.Model(model.input, model.get_layer(part).output, name=part)
        for part in PARTS
        if part in names
    }
    for part_model in found.values():
        for name in KNOWN.keys() & vars(model).keys():
            setattr(part_model, name, getattr(model, name))
    return found


def weights_of(model: keras.Model) -> dict[str, np.ndarray]:
    """All weights by their path, but the lists of histories."""
    listed = {layer.lists.path for layer in _list_layers(model)}
    return {w.path: w.numpy() for w in _weights(model) if w.path not in listed}


def set_weights(model: keras.Model, weights: Mapping[str, np.ndarray]) -> keras.Model:
    """Give a model of the same settings the weights of weights_of(); gives the model.

    Raises ValueError where names or shapes differ. The model then stays as it was.
    """
    listed = {layer.lists.path for layer in _list_layers(model)}
    own = {w.path: w for w in _weights(model) if w.path not in listed}
    if unlike := own.keys() ^ weights.keys():
        raise ValueError(f"Weights that only one of the two has: {sorted(unlike)}.")
    for path, weight in own.items():
        if tuple(weight.shape) != np.shape(weights[path]):
            raise ValueError(
                f"{path} has shape {tuple(weight.shape)} in the model and "
                f"{np.shape(weights[path])} in the weights."
            )
    for path, weight in own.items():
        weight.assign(weights[path])
    return model


def _weights(model: keras.Model) -> list:
    return [w for layer in model.layers for w in layer.weights]


def _list_layers(model: keras.Model) -> list[OwnerLists]:
    return [layer for layer in model.layers if isinstance(layer, OwnerLists)]


def check_ids(model: keras.Model, x: Mapping[str, np.ndarray]) -> None:
    """Raise ValueError where ids are beyond the model's tables, or it has no lists.

    x: encoded arrays by input_name(). Beyond the end of a table TensorFlow fails far
    from here, and JAX gives NaN.
    """
    tables = keras.layers.Embedding | OwnerLists
    for layer in model.layers:
        if not isinstance(layer, tables) or (name := layer.input.name) not in x:
            continue  # it looks up what the model itself has made
        ids = x[name]
        if isinstance(layer, keras.layers.Embedding):
            _check_range(name, ids, layer.input_dim)
        else:
            _check_range(name, ids[:, :1], layer.owners)
            _check_range(name, ids[:, 1:], layer.items)
            if keras.ops.convert_to_numpy(layer.lists[0, 0]) == NOT_SET:
                raise ValueError(
                    f"The model has no lists for {name!r} yet: call "
                    "models.set_lists(model, encoder)."
                )


def check_encoder(model: keras.Model, encoder) -> None:
    """Raise ValueError where a model belongs to another encoder.

    encoder: a FieldEncoder. Only what the model knows is compared: training.fit() tells
    it its fields, set_lists() its lists, and a file of Keras keeps neither.
    """
    for name, what in KNOWN.items():
        own, other = getattr(model, name, None), getattr(encoder, name)
        if own and own != other:
            raise ValueError(
                f"The model has {what} {own}, and these rows {other}: the same ids "
                "mean other values."
            )


def _check_range(name: str, ids: np.ndarray, size: int) -> None:
    if ids.size and not (0 <= ids.min() and ids.max() < size):
        raise ValueError(
            f"Field {name!r} has ids from {ids.min()} to {ids.max()}, and the model "
            f"knows 0 to {size - 1}: these rows come from another encoder."
        )
