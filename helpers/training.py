"""Encode, fit and evaluate: the same way for every model of the course."""

import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from helpers import feeding, fields, splits
from helpers.history import Encoders, ItemHistory
from helpers.optimizers import Adam
from helpers.progress import History, ProgressLine

SCALE = (1.0, 5.0)


class Part(NamedTuple):
    """Rows of one part of a split: x for the model, y (n, 1) float32, the raw rows."""

    x: dict[str, np.ndarray]
    y: np.ndarray
    rows: pd.DataFrame | None = None


class Prepared(NamedTuple):
    """The three parts of a split, encoded by what the training rows alone teach."""

    train: Part
    valid: Part
    test: Part
    encoder: fields.FieldEncoder | Encoders


class Scores(NamedTuple):
    """Errors of predictions clipped to the rating scale, in stars."""

    rmse: float
    mae: float


def encode(encoder: fields.FieldEncoder | Encoders, rows: pd.DataFrame) -> Part:
    """The Part of these rows. Raises ValueError for ratings that are missing or NaN."""
    if "rating" not in rows.columns:
        raise ValueError(f"There is no column 'rating'; there are {[*rows]}.")
    y = pd.to_numeric(rows["rating"], errors="coerce")
    y = y.to_numpy("float32", na_value=np.nan)[:, None]
    _check_finite(y)
    return Part(encoder.transform(rows), y, rows)


def prepare(
    rows: pd.DataFrame, seed: int, kinds: Mapping[str, str] = fields.MOVIELENS
) -> Prepared:
    """Split at random, then encode_parts. rows: one a rating, as MovieLens.joined()."""
    return encode_parts(splits.random_rows(rows, seed), kinds)


def encode_parts(
    parts: splits.Split,
    kinds: Mapping[str, str] = fields.MOVIELENS,
    histories: Iterable[ItemHistory] = (),
) -> Prepared:
    """Learn the encoder from the training rows, the first part, and encode all three.

    NaN in a numeric field stands for the training mean. histories: further fields.
    """
    numeric = [name for name, kind in kinds.items() if kind == fields.NUMERIC]
    encoder = fields.FieldEncoder(kinds, mean_for_missing=numeric)
    encoder = (Encoders(encoder, *histories) if histories else encoder).fit(parts[0])
    return Prepared(*(encode(encoder, part) for part in parts), encoder)


def fit(
    model: keras.Model,
    train: Part,
    valid: Part | None = None,
    *,
    epochs: int = 30,
    batch_size: int = 2048,
    learning_rate: float = 1e-3,
    decay: bool = False,
    optimizer: Callable[..., keras.optimizers.Optimizer] = Adam,
    patience: int = 2,
    seed: int = 0,
    checkpoint: str | Path | None = None,
) -> History:
    """Compile with squared error, then fit; one live line tells how it goes.

    decay: let the learning rate fall to zero over `epochs`, along half a cosine
        (Loshchilov and Hutter 2017, eq. 5 without restarts).
    optimizer: called with the learning rate, gives the optimizer.
    With `valid` training stops `patience` epochs after the best validation RMSE and the
    weights of that epoch are restored. checkpoint: a path ending in .weights.h5 that
    always holds the best weights so far.

    Raises ValueError for missing fields, lengths that differ, no rows, NaN in ratings,
    and for a checkpoint without `valid`, as nothing then tells which weights are best.
    """
    if checkpoint and valid is None:
        raise ValueError("A checkpoint of the best weights needs validation rows.")
    for part in (train, valid) if valid is not None else (train,):
        _check(model, part)
    keras.utils.set_random_seed(seed)
    rate: float | keras.optimizers.schedules.CosineDecay = learning_rate
    if decay:
        steps = epochs * math.ceil(len(train.y) / batch_size)
        rate = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(
        optimizer(rate),
        loss="mse",
        metrics=[keras.metrics.RootMeanSquaredError(name="rmse")],
        steps_per_execution=50,  # a fifth of a step's time is its start
    )
    line = ProgressLine(epochs)
    callbacks: list = [line]
    if valid is not None:
        best = {"monitor": "val_rmse", "mode": "min"}
        callbacks.append(
            keras.callbacks.EarlyStopping(
                patience=patience, restore_best_weights=True, **best
            )
        )
        if checkpoint:
            callbacks.append(
                keras.callbacks.ModelCheckpoint(
                    checkpoint, save_weights_only=True, save_best_only=True, **best
                )
            )
    model.fit(
        feeding.shuffled(_fields_of(model, train.x), train.y, batch_size, seed),
        shuffle=False,  # it is
        validation_data=valid and (_fields_of(model, valid.x), valid.y),
        validation_batch_size=16384,
        epochs=epochs,
        callbacks=callbacks,
        verbose=0,
    )
    return line.history()


def predict(model: keras.Model, x: Mapping[str, np.ndarray]) -> np.ndarray:
    """Ratings in stars, clipped to 1-5: (n, 1) float32."""
    x = _fields_of(model, x)
    return np.clip(model.predict(x, batch_size=16384, verbose=0), *SCALE)


def evaluate(model: keras.Model, part: Part) -> Scores:
    """RMSE and MAE of the clipped predictions, in stars."""
    _check(model, part)
    return scores(predict(model, part.x), part.y)


def scores(predicted, actual) -> Scores:
    """RMSE and MAE of any predictions, clipped to 1-5.

    predicted, actual: arrays of one shape. Raises ValueError where shapes differ.
    """
    predicted, actual = np.asarray(predicted, "float64"), np.asarray(actual, "float64")
    if predicted.shape != actual.shape:
        raise ValueError(f"Shapes differ: {predicted.shape} against {actual.shape}.")
    error = np.clip(predicted, *SCALE) - actual
    return Scores(math.sqrt((error**2).mean()), float(np.abs(error).mean()))


def _check_finite(y: np.ndarray) -> None:
    bad = np.flatnonzero(~np.isfinite(y).all(axis=tuple(range(1, y.ndim))))
    if len(bad):
        raise ValueError(
            f"{len(bad)} of {len(y)} ratings are NaN or infinite, first at positions "
            f"{bad[:5].tolist()}. Drop those rows first."
        )


def _fields_of(model: keras.Model, x: Mapping[str, np.ndarray]) -> dict:
    """The fields that the model reads: Keras would mix up its inputs with others."""
    missing = [name for name in model.input if name not in x]
    if missing:
        raise ValueError(f"Fields are missing: {missing}; there are {[*x]}.")
    return {name: x[name] for name in model.input}


def _check(model: keras.Model, part: Part) -> None:
    x = _fields_of(model, part.x)
    lengths = {"y": len(part.y)} | {name: len(values) for name, values in x.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Lengths differ: {lengths}.")
    if len(part.y) == 0:
        raise ValueError("There are no rows.")
    _check_finite(part.y)
