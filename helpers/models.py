"""DeepFM and its parts as functional Keras models (Guo et al., 2017)."""

from collections.abc import Iterable, Sequence

import keras

from helpers.history_layers import HistorySum, histories
from helpers.layers import Embedding, MaskedMean, PairwiseInteractions, SumWithIntercept

PARTS = ("first_order", "second_order", "deep")


def inputs(specs) -> dict[str, keras.KerasTensor]:
    """One Keras input a field.

    specs: objects with name, kind, size and length, such as FieldEncoder.specs
    ->  (batch, 1) float32, (batch, 1) int32 or (batch, L) int32 for each field
    """
    return {
        s.name: keras.Input(
            shape=(s.length,),
            dtype="float32" if s.kind == "numeric" else "int32",
            name=s.name,
        )
        for s in specs
    }


def embed(x, specs, k: int, name: str = "embedding", l2: float = 0.0):
    """Every field as one row of k numbers: x times v, v[id], or the mean of v[ids].

    x: dict of (batch, 1) or (batch, L) tensors, a history as from histories()
    ->  (batch, p, k)

    A numeric field has no bias: x = 0 gives a zero row (Rendle 2010, eq. 1: x v).
    Padding (id 0) is no value: it counts in no mean. l2 is charged on the rows that a
    batch looks up, so a frequent value pays as often as it is seen.
    """
    start = keras.initializers.RandomNormal(stddev=0.02)
    rows = []
    for s in specs:
        layer = f"{name}_{s.name}"
        if s.kind == "history":
            row = HistorySum(k, start.clone(), name=layer)(*x[s.name])
        elif s.kind == "numeric":
            dense = keras.layers.Dense(
                k, use_bias=False, kernel_initializer=start.clone(), name=layer
            )
            row = keras.layers.Reshape((1, k), name=f"{layer}_row")(dense(x[s.name]))
        else:
            row = Embedding(
                int(s.size),
                k,
                embeddings_initializer=start.clone(),
                name=layer,
            )(x[s.name])
            if s.kind == "multi-categorical":
                row = MaskedMean(name=f"{layer}_mean")(row, x[s.name])
        rows.append(row)
    stack = keras.layers.Concatenate(
        axis=1,
        name=f"{name}s",
        activity_regularizer=keras.regularizers.L2(l2) if l2 else None,
    )
    return stack(rows)


def first_order(x, specs, intercept: float = 0.0, l2: float = 0.0):
    """w0 + sum of w_i x_i: the embedding of every field with k = 1, summed.

    x: dict of (batch, 1) or (batch, L) tensors  ->  (batch, 1)
    """
    weights = embed(x, specs, 1, name="weight", l2=l2)
    return SumWithIntercept(intercept, name="first_order")(weights)


def second_order(embeddings):
    """Sum of the dot products of every pair of fields (Rendle 2010, eq. 1).

    embeddings: (batch, p, k)  ->  (batch, 1)
    """
    return PairwiseInteractions(name="second_order")(embeddings)


def deep_part(embeddings, units: Sequence[int] = (64, 64), dropout=0.0, intercept=None):
    """An MLP on the flattened embeddings, linear at its end (Guo et al. 2017, eq. 4).

    embeddings: (batch, p, k)  ->  (batch, 1)

    dropout: share of each layer's inputs set to zero in training, embeddings included
    intercept: where the output's bias starts; None leaves the bias out, as a model that
    has a w0 needs no second one.
    """
    y = keras.layers.Flatten(name="deep_flatten")(embeddings)
    for i, n in enumerate(units, start=1):
        if dropout:
            y = keras.layers.Dropout(dropout, name=f"deep_dropout_{i}")(y)
        y = keras.layers.Dense(n, activation="relu", name=f"deep_{i}")(y)
    return keras.layers.Dense(
        1,
        use_bias=intercept is not None,
        bias_initializer=keras.initializers.Constant(intercept or 0.0),
        name="deep",
    )(y)


def deepfm(
    specs,
    k: int = 16,
    units: Sequence[int] = (64, 64),
    dropout: float = 0.0,
    l2: float = 0.0,
    intercept: float = 0.0,
    parts: Iterable[str] = PARTS,
    weighted: bool = False,
) -> keras.Model:
    """DeepFM, or the sum of some of its parts, on one set of embeddings.

    specs: objects with name, kind, size and length, such as FieldEncoder.specs
    k: embedding size; units, dropout: of the deep part; l2: of embed()
    intercept: start of the model's only constant, best the mean training rating
    parts: any of "first_order", "second_order", "deep"; the FM is the first two
    weighted: learn a weight for each part, as the original tutorial did. An extension:
        in the paper the parts are added (Guo et al. 2017, eq. 1).
    ->  Keras model from a dict of (batch, 1) or (batch, L) to (batch, 1)

    Raises ValueError for parts that are unknown or none.
    """
    wanted = set(parts)
    if not wanted or not wanted <= set(PARTS):
        raise ValueError(f"parts must be some of {PARTS}, not {sorted(wanted)}.")
    parts = [part for part in PARTS if part in wanted]
    asked, y = inputs(specs), {}
    x = histories(asked, specs)
    if "first_order" in parts:
        y["first_order"] = first_order(x, specs, intercept, l2)
    if parts != ["first_order"]:
        embeddings = embed(x, specs, k, l2=l2)
    if "second_order" in parts:
        y["second_order"] = second_order(embeddings)
    if "deep" in parts:
        bias = None if "first_order" in parts else intercept
        y["deep"] = deep_part(embeddings, units, dropout, bias)
    rating = combine([*y.values()], weighted)
    if parts == ["second_order"]:  # the only choice whose parts bring no constant
        row = keras.layers.Reshape((1, 1), name="second_order_row")(rating)
        rating = SumWithIntercept(intercept, name="rating_with_intercept")(row)
    return keras.Model(asked, rating, name="_".join(parts))


def combine(outputs: Sequence, weighted: bool = False):
    """The plain sum of the parts, or with `weighted` a learned weighted sum.

    outputs: one or more (batch, 1)  ->  (batch, 1)
    """
    if weighted:
        together = keras.layers.Concatenate(name="rating_parts")(outputs)
        return keras.layers.Dense(
            1, use_bias=False, kernel_initializer="ones", name="rating"
        )(together)
    return keras.layers.Add(name="rating")(outputs) if len(outputs) > 1 else outputs[0]


def part_models(model: keras.Model) -> dict[str, keras.Model]:
    """The parts of a DeepFM as models of their own that share its layers.

    model: from deepfm(), trained, loaded or new
    ->  part name -> model to that part's output, (batch, 1)
    """
    names = {layer.name for layer in model.layers}
    return {
        part: keras.Model(model.input, model.get_layer(part).output, name=part)
        for part in PARTS
        if part in names
    }
