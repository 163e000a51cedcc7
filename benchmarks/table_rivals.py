"""Models of others as contenders of helpers.contest: pytorch-widedeep and DeepCTR.

Both are searched as ours are: so many trials, the same rule, the same epochs at most,
batches of the same size, and the weights of the best epoch. What is drawn are the
settings that their makers' examples set. Fields are Categorical and Numeric. Each runs
in a process of its own, with ENVIRONMENT.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from benchmarks.rivals import deepctr_columns
from helpers import probabilities
from helpers.contenders import (
    AS_GIVEN,
    BOTH,
    EPOCHS,
    INTERVALS,
    PATIENCE,
    Answers,
    Contender,
    batch_size,
    in_form,
)
from helpers.fields import FieldEncoder, Numeric

AT_ONCE = 16_384  # rows that are asked at once
#: PyTorch and TensorFlow do not get on in one process; DeepCTR was written for Keras 2.
ENVIRONMENT = {
    "pytorch-widedeep": {"KERAS_BACKEND": "jax"},
    "DeepCTR DeepFM": {"TF_USE_LEGACY_KERAS": "1"},
}
LEAST = 1e-7  # a sigmoid of 32 bits can end at 0 and 1, which no log loss forgives


def _best_epoch(epoch: Callable, answer: Callable, weights, happened, report) -> None:
    """Train to the best epoch. weights: two calls, one that gives and one that sets."""
    give, take = weights
    losses, kept = [], None
    for number in range(EPOCHS):
        epoch()
        losses.append(probabilities.log_loss(answer(), happened))
        report(number, losses[-1])
        best = int(np.argmin(losses))
        if best == number:
            kept = give()
        if best + PATIENCE <= number:
            break
    take(kept)


# pytorch-widedeep


def _draw_widedeep(trial) -> dict:
    return {
        "wide": trial.suggest_categorical("wide", [True, False]),
        "deep": trial.suggest_categorical("deep", ["mlp", "resnet"]),
        "numbers": trial.suggest_categorical(
            "numbers", ["standard", "periodic", "piecewise"]
        ),
        "k": trial.suggest_int("k", 4, 32, log=True),
        "width": trial.suggest_int("width", 16, 256, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
    }


class _WideDeepRows:
    """Raw rows as pytorch-widedeep has them: a column a field.

    A missing category is a word, a number that has log=True its logarithm. numbers:
    standardised, or, for "piecewise", as they are, with cuts at quantiles
    """

    def __init__(self, rows: pd.DataFrame, fields: Mapping, settings: Mapping):
        from pytorch_widedeep.preprocessing import TabPreprocessor, WidePreprocessor

        encoder = FieldEncoder(fields)  # has objects, where fields has words
        self.fields = {name: encoder[name] for name in encoder.names}
        kinds = {name: isinstance(f, Numeric) for name, f in self.fields.items()}
        self.numbers = [name for name, is_number in kinds.items() if is_number]
        self.words = [name for name, is_number in kinds.items() if not is_number]
        rows = self._columns(rows)
        self.cuts = {name: self._cuts(rows[name]) for name in self.numbers}
        scaled = self.numbers if settings["numbers"] != "piecewise" else None
        self.tab = TabPreprocessor(
            cat_embed_cols=self.words,
            continuous_cols=self.numbers,
            cols_to_scale=scaled,
            auto_embed_dim=False,
            default_embed_dim=settings["k"],
            verbose=0,
        ).fit(rows)
        self.wide = WidePreprocessor(wide_cols=self.words).fit(rows)
        self.has_wide = settings["wide"]

    @staticmethod
    def _cuts(x: pd.Series, pieces: int = 16) -> list[float]:
        """Ends and quantiles; where those are one, the ends and their middle."""
        cuts = np.unique(np.quantile(x, np.linspace(0, 1, pieces + 1)))
        return [*cuts] if len(cuts) > 2 else [*np.linspace(x.min(), x.max(), 3)]

    def _columns(self, rows: pd.DataFrame) -> pd.DataFrame:
        found = {}
        for name, field in self.fields.items():
            (column,) = field.columns(name)
            x = rows[column]
            if name in self.words:
                found[name] = x.astype(object).where(x.notna(), "missing").map(str)
            else:
                x = x.astype("float64")
                found[name] = np.sign(x) * np.log1p(np.abs(x)) if field.log else x
        return pd.DataFrame(found)

    def __call__(self, rows: pd.DataFrame) -> dict[str, np.ndarray]:
        rows = self._columns(rows)
        found = {"X_tab": self.tab.transform(rows).astype("float32")}
        if self.has_wide:
            found["X_wide"] = self.wide.transform(rows)
        return found


def _widedeep_model(rows: _WideDeepRows, settings: Mapping):
    from pytorch_widedeep import models

    layers = [settings["width"]] * settings["layers"]
    how = {
        "column_idx": rows.tab.column_idx,
        "cat_embed_input": rows.tab.cat_embed_input,
        "continuous_cols": rows.numbers,
        "embed_continuous": True,
        "embed_continuous_method": settings["numbers"],
        "cont_embed_dim": settings["k"],
    }
    if settings["numbers"] == "piecewise":
        how["quantization_setup"] = rows.cuts
    elif settings["numbers"] == "periodic":
        how |= {"n_frequencies": 16, "sigma": 0.1, "share_last_layer": False}
    if settings["deep"] == "mlp":
        part = models.TabMlp(
            **how, mlp_hidden_dims=layers, mlp_dropout=settings["dropout"]
        )
    else:
        part = models.TabResnet(
            **how,
            blocks_dims=[*layers, layers[-1]],
            blocks_dropout=settings["dropout"],
        )
    wide = models.Wide(rows.wide.wide_dim) if settings["wide"] else None
    return models.WideDeep(wide=wide, deeptabular=part)


def _widedeep(split, fields, target, settings, seed, report) -> Answers:
    """A wide part or none, and one of two deep ones. The rate falls as ours does.

    Its own DeepFM is not drawn: its vectors start from N(0, 1), so that it says exactly
    0 or 1 of some rows, and still does after two epochs.
    """
    import torch
    from pytorch_widedeep import Trainer

    torch.manual_seed(seed)
    np.random.seed(seed)
    rows = _WideDeepRows(split.train, fields, settings)
    x, asked, y = rows(split.train), rows(split.valid), target.actual(split.train)
    model = _widedeep_model(rows, settings)
    adam = torch.optim.Adam(model.parameters(), lr=settings["learning_rate"])
    falling = torch.optim.lr_scheduler.CosineAnnealingLR(adam, EPOCHS)
    trainer = Trainer(
        model,
        "binary",
        optimizers=adam,
        lr_schedulers=falling,
        verbose=0,
        num_workers=0,
        seed=seed,
    )

    def answer(encoded: Mapping) -> np.ndarray:
        p = trainer.predict_proba(**encoded, batch_size=AT_ONCE)[:, 1]
        return np.clip(p.astype("float64"), LEAST, 1 - LEAST)

    def give() -> dict:
        return {name: value.clone() for name, value in model.state_dict().items()}

    _best_epoch(
        lambda: trainer.fit(**x, target=y, n_epochs=1, batch_size=batch_size(len(y))),
        lambda: answer(asked),
        (give, model.load_state_dict),
        target.actual(split.valid),
        report,
    )
    return lambda rows_asked: answer(rows(rows_asked))


# DeepCTR


def _draw_deepctr(trial) -> dict:
    return {
        "k": trial.suggest_int("k", 4, 32, log=True),
        "l2": trial.suggest_float("l2", 1e-7, 1e-2, log=True),
        "width": trial.suggest_int("width", 16, 256, log=True),
        "layers": trial.suggest_int("layers", 1, 2),
        "dropout": trial.suggest_float("dropout", 0.0, 0.6),
        "learning_rate": trial.suggest_float("learning_rate", 3e-4, 1e-2, log=True),
        "form": trial.suggest_categorical("form", [AS_GIVEN, INTERVALS, BOTH]),
        "intervals": trial.suggest_int("intervals", 5, 200, log=True),
    }


def _deepctr(split, fields, target, settings, seed, report) -> Answers:
    """Its DeepFM, on our fields in the form that is drawn. The rate falls as ours."""
    import tensorflow as tf
    from deepctr.models import DeepFM

    fields = in_form(fields, settings["form"], settings["intervals"])
    encoder = FieldEncoder(fields).fit(split.train)
    names = {name: name.replace(" ", "_") for name in encoder.names}

    def encoded(rows: pd.DataFrame) -> dict[str, np.ndarray]:
        return {names[name]: array for name, array in encoder.transform(rows).items()}

    x, asked, y = encoded(split.train), encoded(split.valid), target.actual(split.train)
    specs = [replace(spec, name=names[spec.name]) for spec in encoder.specs]
    columns = deepctr_columns(specs, x, settings["k"])
    tf.keras.utils.set_random_seed(seed)
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=(settings["width"],) * settings["layers"],
        task="binary",
        dnn_dropout=settings["dropout"],
        l2_reg_embedding=settings["l2"],
        l2_reg_linear=settings["l2"],
        seed=seed,
    )
    steps = EPOCHS * -(-len(y) // batch_size(len(y)))
    rate = tf.keras.optimizers.schedules.CosineDecay(settings["learning_rate"], steps)
    model.compile(tf.keras.optimizers.Adam(rate), loss="binary_crossentropy")

    def answer(rows: Mapping) -> np.ndarray:
        p = model.predict(rows, AT_ONCE, verbose=0)[:, 0]
        return np.clip(p.astype("float64"), LEAST, 1 - LEAST)

    _best_epoch(
        lambda: model.fit(x, y, batch_size(len(y)), verbose=0),
        lambda: answer(asked),
        (model.get_weights, model.set_weights),
        target.actual(split.valid),
        report,
    )
    return lambda rows: answer(encoded(rows))


CONTENDERS = {
    "pytorch-widedeep": Contender(_draw_widedeep, _widedeep),
    "DeepCTR DeepFM": Contender(_draw_deepctr, _deepctr),
}
