"""Encode, fit and evaluate: the same way for every model and every target."""

import math
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from helpers import feeding, models, sampling, values
from helpers.fields import MOVIELENS, Field, FieldEncoder
from helpers.optimizers import Adam
from helpers.parquet import Parquet
from helpers.progress import Curves, ProgressLine
from helpers.splits import Split
from helpers.streamed import Streamed
from helpers.targets import LOGISTIC, SQUARED, Stars, Target

SCORED_AT_ONCE = 16384  # rows

#: The loss of a target -> Keras' loss and the metric of an epoch's training rows.
LOSSES = {
    SQUARED: (keras.losses.MeanSquaredError, keras.metrics.RootMeanSquaredError, {}),
    LOGISTIC: (
        keras.losses.BinaryCrossentropy,
        keras.metrics.BinaryCrossentropy,
        {"from_logits": True},
    ),
}


class Diverged(ArithmeticError):
    """A training whose loss became NaN or infinite."""


class Encoded(NamedTuple):
    """Rows as a model sees them.

    x: field name -> array; y: (n, 1) float32, what the target makes of its column
    rows: the raw ones; encoder: what made x of them
    """

    x: Mapping[Hashable, np.ndarray]
    y: np.ndarray
    target: Target
    rows: pd.DataFrame | None = None
    encoder: FieldEncoder | None = None

    @property
    def n_rows(self) -> int:
        """Of x and y."""
        return len(self.y)

    def pieces(self) -> Iterator[tuple]:
        """x and y, as Streamed gives them piece by piece: all in one."""
        yield self.x, self.y


class Prepared(NamedTuple):
    """A split, encoded by what the training rows alone have taught."""

    train: Encoded | Streamed
    valid: Encoded | Streamed
    test: Encoded | Streamed
    encoder: FieldEncoder
    target: Target


def encode(
    encoder: FieldEncoder, target: Target, rows: pd.DataFrame | Parquet
) -> Encoded | Streamed:
    """Rows, encoded. All columns are checked before any is encoded.

    Rows of Parquet files are encoded later, a row group when it is needed.

    Raises ValueError for missing columns and for values that cannot be used, with
    column, value and rows.
    """
    asked = [*encoder.columns, *target.columns]
    if isinstance(rows, Parquet):
        return Streamed(rows.only(asked), encoder, target)
    values.check_columns(rows, asked)
    y = target.encode(rows)
    return Encoded(encoder.transform(rows), y, target, rows, encoder)


def prepare(
    split: Split,
    fields: Mapping[Hashable, Field | str] = MOVIELENS,
    target: Target | None = None,
) -> Prepared:
    """Learn fields and target from the training rows of a split, and encode it all.

    split: of tables, or of Parquet files, which are learned from row group by row group
    target: Stars() where it is None. Neither it nor the fields are changed.
    Raises ValueError as encode(), for a split or target that is none, and where a field
    reads the column of the target.
    """
    if not isinstance(split, Split):
        raise ValueError(
            "A split is a splits.Split, as splits.random_rows() gives, not "
            f"{values.name_of(split)}."
        )
    if target is not None and not isinstance(target, Target):
        raise ValueError(
            "A target is Stars, Clicks, Amount or Chosen of helpers.targets, not "
            f"{target!r}."
        )
    train, valid, test = split
    encoder, target = FieldEncoder(fields), (target or Stars()).fresh()
    if target.column in encoder.columns:
        raise ValueError(
            f"The column {target.column!r} is what is predicted: it cannot be a field."
        )
    if isinstance(train, Parquet):
        target.fit(train.only(target.columns))
        encoder.fit(train.only(encoder.columns_to_learn))
    else:
        values.check_columns(train, [*encoder.columns, *target.columns])
        target.fit(train)
        encoder.fit(train)
    encoded = (encode(encoder, target, rows) for rows in (train, valid, test))
    return Prepared(*encoded, encoder, target)


def build(
    data: Prepared, settings: Mapping | None = None, seed: int | None = 0
) -> keras.Model:
    """A new DeepFM for the data: it starts at the target's constant, and has the lists.

    settings, seed: of models.deepfm()
    """
    model = models.deepfm(
        data.encoder.specs,
        **(settings or {}),
        intercept=data.target.intercept,
        seed=seed,
    )
    return models.set_lists(model, data.encoder)


def fit(
    model: keras.Model,
    train: Encoded | Streamed,
    valid: Encoded | Streamed | None = None,
    *,
    epochs: int = 30,
    batch_size: int = 2048,
    learning_rate: float = 1e-3,
    decay: bool = False,
    optimizer: Callable[..., keras.optimizers.Optimizer] = Adam,
    patience: int = 2,
    seed: int = 0,
    buffer: int = feeding.BUFFER,
    checkpoint: str | Path | None = None,
    callbacks: Iterable[keras.callbacks.Callback] = (),
) -> Curves:
    """Compile with the loss of the target, then fit; one live line tells how it goes.

    decay: let the learning rate fall to zero over `epochs`, along half a cosine
        (Loshchilov and Hutter 2017, eq. 5 without restarts).
    optimizer: called with the learning rate, gives the optimizer.
    seed: of the order of rows, of dropout, and of what a target draws. The random
        states of Python, NumPy and Keras are neither used nor changed.
    buffer: rows of Parquet files that are shuffled together, at least: row groups come
        in a random order, and as many as have these rows are shuffled as one.
    With `valid` training stops `patience` epochs after the best validation score, the
    target's monitor as evaluate() gives it, and the weights of that epoch are restored.
    checkpoint: a path ending in .weights.h5 that always holds the best weights so far.
    callbacks: of Keras, after ours.

    Raises ValueError for settings out of range, for fields, ids, lengths or values that
    do not fit the model, no rows, and a checkpoint without `valid`: nothing then tells
    which weights are best.
    Raises Diverged where the loss is no longer finite. After it, and after an
    interrupt, the model has the weights of its best epoch where there is `valid`.
    """
    if checkpoint and valid is None:
        raise ValueError("A checkpoint of the best weights needs validation rows.")
    epochs = values.whole("epochs", epochs)
    batch_size = values.whole("batch_size", batch_size)
    seed = values.whole("seed", seed, least=0)
    buffer = values.whole("buffer", buffer)
    for rows in (train, valid) if valid is not None else (train,):
        check(model, rows)
    target = train.target
    feed = _feed(model, train, batch_size, buffer, seed)
    if target.negatives:
        valid = valid and _with_drawn(train, valid)
    steps = epochs * math.ceil(train.n_rows * (1 + target.negatives) / batch_size)
    rate = rate_of(learning_rate, steps if decay else None)
    loss, metric, how = LOSSES[target.loss]
    model.compile(
        optimizer(rate),
        loss=loss(**how),
        metrics=[metric(name="score", **how)],
        steps_per_execution=50,  # starting each step alone costs a fifth of it
    )
    model.optimizer.build(model.trainable_variables)  # or the step is traced twice
    seed_dropout(model, seed)
    line = ProgressLine(epochs, target.monitor)
    best = _best_weights(patience, checkpoint) if valid is not None else []
    try:
        with feeding.first_cause(feed):
            model.fit(
                feed["x"],
                shuffle=False,  # the feed has shuffled them
                epochs=epochs,
                callbacks=[
                    *feed["callbacks"],
                    _Scores(target, valid),
                    line,
                    *best,
                    *callbacks,
                ],
                verbose=0,
            )
    except (Diverged, KeyboardInterrupt):
        if best and best[0].best_weights is not None:
            model.set_weights(best[0].best_weights)
        raise
    model.fingerprint = train.encoder and train.encoder.fingerprint
    return line.curves()


def rate_of(
    learning_rate: float, steps: int | None
) -> float | keras.optimizers.schedules.CosineDecay:
    """The rate, which falls to zero over `steps`, or stays where they are None.

    Raises ValueError for one that is no number above 0.
    """
    learning_rate = values.finite("learning_rate", learning_rate)
    if learning_rate <= 0:
        raise ValueError(f"learning_rate is above 0, not {learning_rate!r}.")
    if steps is None:
        return learning_rate
    return keras.optimizers.schedules.CosineDecay(learning_rate, steps)


def _feed(
    model: keras.Model,
    train: Encoded | Streamed,
    batch_size: int,
    buffer: int,
    seed: int,
) -> dict:
    """What Model.fit takes of the training rows."""
    if isinstance(train, Streamed):
        pieces = _pieces(model, train)
        count, rows = train.n_pieces, train.n_rows
        return feeding.streamed(
            feeding.Pieces(pieces, count, rows, batch_size, buffer, seed)
        )
    drawn = None
    if train.target.negatives:
        drawn = _drawn(train, train, seed)
        drawn = drawn._replace(fields=_read_by(model, drawn.fields))
    x = inputs_of(model, train.x)
    return feeding.shuffled(x, train.y, batch_size, seed, drawn)


def _pieces(model: keras.Model, train: Streamed) -> Callable[[int], tuple]:
    """Number -> what the model reads of a piece, and y. Each is checked as it comes."""
    if train.target.negatives:
        _refuse_files(train)

    def piece(number: int) -> tuple:
        x, y = train.piece(number)
        check_fields(model, x)
        return inputs_of(model, x), y

    return piece


def _drawn(train: Encoded, beside: Encoded, seed: int) -> feeding.Drawn:
    """What is drawn beside rows, by the names of fields."""
    if train.rows is None or train.encoder is None:
        raise ValueError("Items are drawn for raw rows: encode them with encode().")
    other = None if beside is train else beside.rows
    own = train.target, train.rows, train.x, train.encoder
    found = sampling.Negatives(*own, seed, other)
    return feeding.Drawn(train.target.negatives, found.draw, found.fields)


def _refuse_files(rows: Encoded | Streamed) -> None:
    if isinstance(rows, Streamed):
        raise ValueError(
            "Items are drawn beside rows that are in memory: read the files into a "
            "DataFrame."
        )


def _with_drawn(train: Encoded, valid: Encoded) -> Encoded:
    """Validation rows and the same drawn ones beside them in every training."""
    _refuse_files(valid)
    x, y = feeding.beside(valid.x, _drawn(train, valid, seed=0))
    return Encoded(x, y, valid.target)


def _best_weights(patience: int, checkpoint: str | Path | None) -> list:
    watched = {"monitor": "val_score", "mode": "min"}
    found: list = [
        keras.callbacks.EarlyStopping(
            patience=values.whole("patience", patience, least=0),
            restore_best_weights=True,
            **watched,
        )
    ]
    if checkpoint:
        found.append(
            keras.callbacks.ModelCheckpoint(
                checkpoint, save_weights_only=True, save_best_only=True, **watched
            )
        )
    return found


class _Scores(keras.callbacks.Callback):
    """First at the end of an epoch: its scores, and a stop where there are none.

    The score of the validation rows is evaluate()'s, so that a model is chosen by the
    number that is reported of it.
    """

    def __init__(self, target: Target, valid: Encoded | Streamed | None):
        super().__init__()
        self.target, self.valid = target, valid

    def on_epoch_end(self, epoch, logs=None):
        monitor = self.target.monitor
        logs["score"] = float(logs["score"]) * self.target.unit
        check_finite(logs["score"], f"{monitor} of the training rows", epoch)
        for weight in self.model.trainable_weights:  # the last step may have spoilt it
            finite = keras.ops.all(keras.ops.isfinite(weight))
            check_finite(0.0 if finite else np.nan, f"weight {weight.path}", epoch)
        if self.valid is not None:
            raw, y = _outputs(self.model, self.valid)
            check_finite(raw, f"{monitor} of the validation rows", epoch)
            logs["val_score"] = _scores(self.target, raw, y)[monitor]


class Reporting(keras.callbacks.Callback):
    """Calls report(epoch, score of the validation rows) at the end of each epoch.

    Epochs count from 0. What report() raises ends the training.
    """

    def __init__(self, report: Callable[[int, float], None]):
        super().__init__()
        self.report = report

    def on_epoch_end(self, epoch, logs=None):
        """Report."""
        self.report(epoch, logs["val_score"])


def check_finite(found, what: str, epoch: int) -> None:
    """Raise Diverged, naming what and the epoch (from 0), for NaN and infinity."""
    if not np.isfinite(found).all():
        raise Diverged(
            f"The training diverged in epoch {epoch + 1}: its {what} is no finite "
            "number. Take a lower learning rate; look for numbers that are far from "
            "all others."
        )


def _scores(target: Target, raw: np.ndarray, y: np.ndarray) -> dict[str, float]:
    return target.scores(target.answer(raw), target.decode(y))


def _outputs(model: keras.Model, rows: Encoded | Streamed) -> tuple:
    """Raw outputs and y of all rows, (n, 1) each."""
    check = isinstance(rows, Streamed)  # the others were checked as a whole
    found = [(raw_output(model, x, check), y) for x, y in rows.pieces()]
    raw, y = zip(*found, strict=True)
    return np.concatenate(raw), np.concatenate(y)


def raw_output(
    model: keras.Model, x: Mapping[Hashable, np.ndarray], check: bool = True
) -> np.ndarray:
    """What the model gives, before the target makes an answer of it: (n, 1) float32.

    Raises ValueError for fields that are missing or do not fit the model. Those of
    another encoder may fit: evaluate() and a Predictor tell them apart.
    """
    if check:
        check_fields(model, x)
    x = inputs_of(model, x)
    if not len(next(iter(x.values()))):
        return np.zeros((0, 1), "float32")
    return model.predict(x, batch_size=SCORED_AT_ONCE, verbose=0)


def predict(
    model: keras.Model, x: Mapping[Hashable, np.ndarray], target: Target
) -> np.ndarray:
    """Answers in the unit of the target's column: (n, 1) float64.

    Raises ValueError as raw_output().
    """
    return target.answer(raw_output(model, x))


def evaluate(model: keras.Model, rows: Encoded | Streamed) -> dict[str, float]:
    """The target's scores of the model's answers, by name.

    Of rows of files it keeps the answers, 16 bytes a row, and one row group.
    """
    check(model, rows)
    return _scores(rows.target, *_outputs(model, rows))


def _read_by(model: keras.Model, fields: Mapping) -> dict:
    """Those of the fields that the model reads, by the names of its inputs."""
    named = {models.input_name(name): value for name, value in fields.items()}
    return {name: named[name] for name in model.input if name in named}


def inputs_of(model: keras.Model, x: Mapping[Hashable, np.ndarray]) -> dict:
    """The fields that the model reads, by the names of its inputs."""
    named = {models.input_name(name): array for name, array in x.items()}
    missing = [name for name in model.input if name not in named]
    if missing:
        raise ValueError(f"Fields are missing: {missing}; there are {[*x]}.")
    return {name: named[name] for name in model.input}


def check_fields(model: keras.Model, x: Mapping[Hashable, np.ndarray]) -> None:
    """Raise ValueError where encoded fields are missing or do not fit the model."""
    if not isinstance(x, Mapping):
        raise ValueError(
            "A model reads encoded fields, a dict of arrays from "
            f"FieldEncoder.transform(rows), not a {type(x).__name__}."
        )
    inputs = inputs_of(model, x)
    for name, array in inputs.items():
        wanted = model.input[name]
        shape, dtype = (tuple(wanted.shape), wanted.dtype)
        fits = (
            isinstance(array, np.ndarray)
            and array.ndim == len(shape)
            and shape[1] in (None, array.shape[1])
            and array.dtype == dtype
        )
        if not fits:
            found = f"{getattr(array, 'dtype', type(array).__name__)}"
            raise ValueError(
                f"Field {name!r} is {dtype} of shape {shape} to the model, and here it "
                f"is {found} of shape {np.shape(array)}. Encode raw rows with "
                "FieldEncoder.transform first."
            )
    models.check_ids(model, inputs)


def check(model: keras.Model, rows: Encoded | Streamed) -> None:
    """Raise ValueError where rows do not fit the model, are none, or not finite."""
    if rows.encoder is not None:
        models.check_encoder(model, rows.encoder)
    if isinstance(rows, Streamed):
        if not rows.n_rows:
            raise ValueError("There are no rows.")
        return  # its pieces are checked as they come
    check_fields(model, rows.x)
    x = inputs_of(model, rows.x)
    lengths = {"y": len(rows.y)} | {name: len(values) for name, values in x.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"Lengths differ: {lengths}.")
    if len(rows.y) == 0:
        raise ValueError("There are no rows.")
    numbers = {n: a for n, a in {**x, "y": rows.y}.items() if a.dtype.kind == "f"}
    for name, array in numbers.items():
        bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
        if len(bad):
            raise ValueError(
                f"{len(bad)} of {len(array)} rows of {name!r} are NaN or infinite, "
                f"first at positions {bad[:5].tolist()}."
            )


def seed_dropout(model: keras.Model, seed: int) -> None:
    """So that a training depends on its own seed, whatever ran before."""
    for i, layer in enumerate(model.layers):
        if generator := getattr(layer, "seed_generator", None):
            state = generator.state
            drawn = np.random.SeedSequence([seed, 1, i]).generate_state(1)
            state.assign(np.array([drawn[0], 0], state.dtype))
