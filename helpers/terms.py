"""The output of a DeepFM as a sum: w0, a term a field, a term a pair, the deep part.

In NumPy, from the weights alone, so that it can be held against what Keras computes.
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from scipy import sparse

from helpers import models
from helpers.fields import MULTI, NUMERIC, PADDING, FieldSpec
from helpers.history_layers import NOT_SET
from helpers.models import input_name, layer_name

#: The x of each field, (n, size).
Features = list[sparse.csr_array]
AT_ONCE = 2**16  # rows that the deep part sees at once


class Parameters(NamedTuple):
    """What a model of models.deepfm() has learned, as float64 arrays.

    constant: w0 of the first order, or that of a second order that stands alone
    w: (size,) a field, zeros without a first order
    v: (size, k) a field, with k = 0 where no part has embeddings
    deep: kernel and bias of each layer of the deep part; none without one
    lists: name of a history -> the list of each owner, (owners, size) int8
    scales: part -> its weight in the output, 1 unless the model learned others
    """

    specs: list[FieldSpec]
    constant: float
    w: list[np.ndarray]
    v: list[np.ndarray]
    deep: list[tuple[np.ndarray, np.ndarray]]
    lists: dict[Hashable, np.ndarray]
    scales: dict[str, float]


class Terms(NamedTuple):
    """First and second order of n rows. constant and all terms of a row add up to them.

    first: (n, p), w x of each field
    pairs: (n, p, p), the product of each pair of fields, once: zero unless i < j
    """

    constant: float
    first: np.ndarray
    pairs: np.ndarray

    @property
    def total(self) -> np.ndarray:
        """(n,)"""
        return self.constant + self.first.sum(axis=1) + self.pairs.sum(axis=(1, 2))


def parameters(model: keras.Model, specs: Sequence[FieldSpec]) -> Parameters:
    """The Parameters of a model that deepfm(specs, ...) has built.

    Raises ValueError where the model reads other fields, and where its lists are not
    set.
    """
    specs = [*specs]
    if [*model.input] != [input_name(s.name) for s in specs]:
        raise ValueError(
            f"The model reads {[*model.input]}, and the fields are "
            f"{[s.name for s in specs]}."
        )
    found = {layer.name: layer for layer in model.layers}
    constant, scales = 0.0, _scales(model, found)
    if "first_order" in found:
        constant = scales["first_order"] * _arrays(found["first_order"])[0][0]
    if "output_with_intercept" in found:
        constant += _arrays(found["output_with_intercept"])[0][0]
    lists = {
        s.name: keras.ops.convert_to_numpy(found[f"{layer_name(s.name)}.lists"].lists)
        for s in specs
        if s.owners
    }
    for name, table in lists.items():
        if table[0, 0] == NOT_SET:
            raise ValueError(
                f"The model has no lists for {name!r} yet: call "
                "models.set_lists(model, encoder)."
            )
    deep = [name for name in found if re.fullmatch(r"deep(_\d+)?", name)]
    return Parameters(
        specs,
        float(constant),
        [_table(found, "weight", s)[:, 0] for s in specs],
        [_table(found, "embedding", s) for s in specs],
        [_kernel_and_bias(found[name]) for name in deep],
        lists,
        scales,
    )


def _arrays(layer) -> list[np.ndarray]:
    return [np.asarray(w, "float64") for w in layer.get_weights()]


def _table(layers: Mapping, what: str, spec: FieldSpec) -> np.ndarray:
    """(size, k), or (size, 1) of zeros where a model has no weights."""
    name = f"{what}_{layer_name(spec.name)}"
    size = 1 if spec.kind == NUMERIC else spec.size
    if name in layers:
        return _arrays(layers[name])[0]
    return np.zeros((size, 1 if what == "weight" else 0))


def _kernel_and_bias(layer) -> tuple[np.ndarray, np.ndarray]:
    kernel, *bias = _arrays(layer)
    return kernel, bias[0] if bias else np.zeros(kernel.shape[1])


def _scales(model: keras.Model, layers: Mapping) -> dict[str, float]:
    """Part -> its weight in the output: 1, unless the model has learned others."""
    parts = [part for part in models.PARTS if part in layers]
    if "output_parts" not in layers:
        return dict.fromkeys(parts, 1.0)
    (kernel,) = _arrays(layers["output"])
    return dict(zip(parts, kernel[:, 0].tolist(), strict=True))


def features(found: Parameters, x: Mapping[Hashable, np.ndarray]) -> Features:
    """The x of an FM (Rendle 2010, eq. 1), a sparse (n, size) array for each field.

    x: encoded rows, FieldEncoder.transform()
    A row holds a number in its only column; 1 at an id; 1 / L at the ids of a list of
    L; 1 / sqrt(L) at the items of a history of L. Times v it is the field's embedding.
    """
    return [_features(found, spec, np.asarray(x[spec.name])) for spec in found.specs]


def _features(found: Parameters, spec: FieldSpec, x: np.ndarray) -> sparse.csr_array:
    row, column = np.arange(len(x)), np.zeros(len(x), int)
    share, size = np.ones(len(x)), spec.size
    if spec.kind == NUMERIC:
        share, size = x[:, 0].astype("float64"), 1
    elif spec.owners:
        lists = found.lists[spec.name][x[:, 0]] == 1
        lists[row, x[:, 1]] = False  # what is predicted is not among what is known
        row, column = np.nonzero(lists)
        share = 1 / np.sqrt(lists.sum(axis=1))[row]
    elif spec.kind == MULTI:
        there = x != PADDING
        row, place = np.nonzero(there)
        column, share = x[row, place], 1 / there.sum(axis=1)[row]
    else:
        column = x[:, 0]
    return sparse.csr_array((share, (row, column)), shape=(len(x), size))


def embeddings(found: Parameters, x: Features) -> np.ndarray:
    """One row of k numbers a field, as the model has them: (n, p, k) float64."""
    return np.stack([xi @ v for xi, v in zip(x, found.v, strict=True)], axis=1)


def fm_terms(found: Parameters, x: Features) -> Terms:
    """First and second order, term by term. A part that is not there has zeros.

    x: of features()
    """
    first = np.stack([xi @ w for xi, w in zip(x, found.w, strict=True)], axis=1)
    e = embeddings(found, x)
    products = np.triu(e @ e.transpose(0, 2, 1), 1)
    return Terms(
        found.constant,
        found.scales.get("first_order", 0.0) * first,
        found.scales.get("second_order", 0.0) * products,
    )


def value_terms(found: Parameters, x: Features, field: Hashable) -> pd.DataFrame:
    """The first order of one field, value by value: columns row, id, term.

    x: of features(). Each different value of a list is a line; the id of a number is 0.
    The terms of a row add up to the field's in fm_terms().
    """
    (i,) = _places(found, field)
    row, column = (xi := x[i].tocoo()).coords
    term = found.scales.get("first_order", 0.0) * xi.data * found.w[i][column]
    return pd.DataFrame({"row": row, "id": column, "term": term})


def value_pairs(
    found: Parameters, x: Features, one: Hashable, other: Hashable
) -> pd.DataFrame:
    """The second order of two fields, value by value: columns row, id, other, term.

    x: of features(). Each value of the one meets each value of the other. The terms of
    a row add up to that of the pair in fm_terms().
    """
    i, j = _places(found, one, other)
    left, right = x[i].tocoo(), x[j]
    row, column = left.coords
    met = np.diff(right.indptr)[row]  # values that each value of the one meets
    line = np.repeat(np.arange(len(row)), met)
    place = np.arange(len(line)) - np.repeat(np.cumsum(met) - met, met)
    at = right.indptr[row[line]] + place
    products = (found.v[i][column[line]] * found.v[j][right.indices[at]]).sum(axis=1)
    share = left.data[line] * right.data[at]
    return pd.DataFrame(
        {
            "row": row[line],
            "id": column[line],
            "other": right.indices[at],
            "term": found.scales.get("second_order", 0.0) * share * products,
        }
    )


def _places(found: Parameters, *names: Hashable) -> list[int]:
    known = [spec.name for spec in found.specs]
    for name in names:
        if name not in known:
            raise ValueError(f"There is no field {name!r}; there are {known}.")
    if len({*names}) < len(names):
        raise ValueError(f"Field {names[0]!r} makes no pair with itself.")
    return [known.index(name) for name in names]


def deep_worths(
    found: Parameters, e: np.ndarray, background: np.ndarray, joined: np.ndarray
) -> np.ndarray:
    """The mean output of the deep part where some fields are those of a row.

    e: (n, p, k) of rows; background: (m, p, k); joined: (c, p) bool, the fields that
    are a row's in each coalition. The others are those of each background row in turn.
    ->  (c, n) float64

    The first layer is linear in the fields, so that it is computed once for each.
    """
    (kernel, bias), *rest = found.deep
    by_field = kernel.reshape(*e.shape[1:], -1)  # (p, k, units)
    own = np.einsum("npk,pku->npu", e, by_field).astype("float32")
    others = np.einsum("mpk,pku->mpu", background, by_field).astype("float32")
    joined = joined.astype("float32")
    worths = np.zeros((len(joined), len(e)))
    step = max(1, AT_ONCE // len(background))
    for start in range(0, len(joined), step):
        some = joined[start : start + step]
        outside = np.tensordot(1 - some, others, (1, 1)) + bias.astype("float32")
        rows = max(1, step // len(some))
        for row in range(0, len(e), rows):
            inside = np.tensordot(some, own[row : row + rows], (1, 1))
            h = inside[:, :, None] + outside[:, None]  # (c, n, m, units)
            for weight, shift in rest:
                h = np.maximum(h, 0) @ weight.astype("float32")
                h += shift.astype("float32")
            mean = h[..., 0].mean(axis=2, dtype="float64")
            worths[start : start + step, row : row + rows] = mean
    return found.scales["deep"] * worths
