"""Five models of yes or no that see the same fields: what each can set, how it trains.

Logistic regression, gradient-boosted trees, FM, deep part and DeepFM, on any table with
a target Clicks. contest.py searches them.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse
from threadpoolctl import threadpool_limits

from helpers import probabilities, training, values
from helpers.fields import (
    CATEGORICAL,
    MULTI,
    NUMERIC,
    PADDING,
    Field,
    FieldEncoder,
    Numeric,
)
from helpers.predictor import Predictor
from helpers.splits import Split

if TYPE_CHECKING:
    import optuna

#: Raw rows -> the probability of a one for each, (n,).
Answers = Callable[[pd.DataFrame], np.ndarray]
#: Told the log loss of the validation rows after each step; raises to stop a training.
Report = Callable[[int, float], None]

AS_GIVEN, INTERVALS, BOTH = "as given", "intervals", "both"
MOST_BINS = 255  # values that scikit-learn's trees take as categories
MOST_INTERVALS = 3000  # of so many, most numbers have one for each of their values
TREES, STEP, PATIENCE = 600, 20, 3  # at most; between two reports; reports
STEPS, EPOCHS = 50, 20  # some fifty steps an epoch; at most so many epochs


class Contender(NamedTuple):
    """draw: trial -> settings. train: (split, fields, target, settings, seed, report).

    train() learns from split.train, and stops where split.valid is best; it gives
    Answers. split.test takes no part.
    """

    draw: Callable[["optuna.Trial"], dict]
    train: Callable[..., Answers]


def in_form(
    fields: Mapping[Hashable, Field | str], form: str, intervals: int
) -> dict[Hashable, Field | str]:
    """The fields with their numbers in another form; the others as they are.

    fields: as of FieldEncoder; form: AS_GIVEN; INTERVALS: each number as that many
    intervals; BOTH: as it was given, and as intervals in a second field beside it.
    """
    found = {}
    for name, field in fields.items():
        field = Numeric() if field == NUMERIC else field
        is_number = isinstance(field, Numeric) and not field.intervals
        if form != INTERVALS or not is_number:
            found[name] = field
        if form != AS_GIVEN and is_number:
            column = name if field.column is None else field.column
            missing = "value" if field.missing == "mean" else field.missing
            cut = Numeric(
                column, missing=missing, intervals=intervals, dates=field.dates
            )
            found[name if form == INTERVALS else f"{name} in intervals"] = cut
    return found


def _draw_form(trial: "optuna.Trial") -> dict:
    form = trial.suggest_categorical("form", [AS_GIVEN, INTERVALS, BOTH])
    intervals = trial.suggest_int("intervals", 5, MOST_INTERVALS, log=True)
    return {"form": form, "intervals": intervals}


# Logistic regression


def one_hot(encoder: FieldEncoder, rows: pd.DataFrame) -> sparse.csr_matrix:
    """A column for each id and each number; the n values of a list share one, 1/n each.

    Raises ValueError for histories, and as FieldEncoder.transform().
    """
    x, columns = encoder.transform(rows), []
    for spec in encoder.specs:
        if spec.owners:
            raise ValueError(
                f"Field {spec.name!r} is a history: it has no one-hot row."
            )
        if spec.kind == NUMERIC:
            columns.append(sparse.csr_matrix(x[spec.name], dtype="float64"))
            continue
        ids = x[spec.name]
        there = ids != PADDING
        line, place = np.nonzero(there)
        share = 1 / there.sum(1)[line]
        cells = (share, (line, ids[line, place]))
        columns.append(sparse.csr_matrix(cells, shape=(len(rows), spec.size)))
    return sparse.hstack(columns, format="csr")


def _draw_logistic(trial: "optuna.Trial") -> dict:
    return {"C": trial.suggest_float("C", 1e-3, 1e2, log=True), **_draw_form(trial)}


def _logistic(split, fields, target, settings, seed, report) -> Answers:
    """scikit-learn's, on one_hot(). C: its inverse penalty."""
    from sklearn.linear_model import LogisticRegression

    encoder = FieldEncoder(in_form(fields, settings["form"], settings["intervals"]))
    encoder.fit(split.train)
    model = LogisticRegression(C=settings["C"], max_iter=2000)
    model.fit(one_hot(encoder, split.train), target.actual(split.train))
    return lambda rows: model.predict_proba(one_hot(encoder, rows))[:, 1]


# Gradient-boosted trees


class _Columns:
    """Fields as trees like them: (n, columns) float64.

    A number is itself, and missing where it is; trees care for its order alone, so its
    form makes no difference. A category is its id, as a category. One with too many
    values is the share of ones of its training rows (scikit-learn's TargetEncoder); for
    a training row, of those outside its own fold. A list is a column for each value.
    """

    def __init__(self, fields: Mapping, split: Split, y: np.ndarray, seed: int):
        self.encoder = FieldEncoder(fields).fit(split.train)
        self.specs = {spec.name: spec for spec in self.encoder.specs}
        x = self.encoder.transform(split.train)
        self.many = [
            spec.name
            for spec in self.encoder.specs
            if self._is_category(spec) and spec.size > MOST_BINS
        ]
        self.of_train = self._joined(split.train, x, self._cross_fitted(x, y, seed))

    def _is_category(self, spec) -> bool:
        number = isinstance(self.encoder[spec.name], Numeric)  # intervals have ids too
        return spec.kind == CATEGORICAL and not number

    def _cross_fitted(self, x: Mapping, y: np.ndarray, seed: int) -> np.ndarray:
        from sklearn.model_selection import StratifiedKFold
        from sklearn.preprocessing import TargetEncoder

        found = np.zeros((len(y), len(self.many)))
        if not self.many:
            return found
        ids = np.hstack([x[name] for name in self.many])
        self.shares = TargetEncoder(target_type="binary").fit(ids, y)
        folds = StratifiedKFold(5, shuffle=True, random_state=seed)
        for other, own in folds.split(ids, y):
            encoder = TargetEncoder(target_type="binary").fit(ids[other], y[other])
            found[own] = encoder.transform(ids[own])
        return found

    def __call__(self, rows: pd.DataFrame) -> np.ndarray:
        x = self.encoder.transform(rows)
        if not self.many:
            return self._joined(rows, x, np.zeros((len(rows), 0)))
        ids = np.hstack([x[name] for name in self.many])
        return self._joined(rows, x, self.shares.transform(ids))

    def _joined(self, rows: pd.DataFrame, x: Mapping, shares: np.ndarray) -> np.ndarray:
        blocks = [shares]
        self.categories = [False] * shares.shape[1]
        for name, spec in self.specs.items():
            if name in self.many:
                continue
            block = self._block(rows, name, spec, x[name])
            blocks.append(block)
            self.categories += [self._is_category(spec)] * block.shape[1]
        return np.hstack(blocks)

    def _block(self, rows, name, spec, ids: np.ndarray) -> np.ndarray:
        field = self.encoder[name]
        if isinstance(field, Numeric):
            (column,) = field.columns(name)
            return values.numbers(rows[column], field.dates)[:, None]
        if spec.kind == MULTI:
            return (
                (ids[:, :, None] == np.arange(1, spec.size)).any(axis=1).astype(float)
            )
        if spec.kind == CATEGORICAL:
            return ids.astype("float64")
        raise ValueError(f"Field {name!r} is a {spec.kind}: trees here do not take it.")


def _draw_trees(trial: "optuna.Trial") -> dict:
    return {
        "learning_rate": trial.suggest_float("learning_rate", 0.02, 0.3, log=True),
        "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 64, log=True),
        "min_samples_leaf": trial.suggest_int("min_samples_leaf", 5, 200, log=True),
        "l2_regularization": trial.suggest_float(
            "l2_regularization", 1e-3, 1e2, log=True
        ),
        "max_features": trial.suggest_float("max_features", 0.2, 1.0),
    }


def _trees(split, fields, target, settings, seed, report) -> Answers:
    """scikit-learn's HistGradientBoostingClassifier, STEP trees at a time."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    y, happened = target.actual(split.train), target.actual(split.valid)
    columns = _Columns(fields, split, y, seed)
    x, asked = columns.of_train, columns(split.valid)
    model = HistGradientBoostingClassifier(
        **settings,
        categorical_features=columns.categories,
        early_stopping=False,
        warm_start=True,
        random_state=seed,
    )
    losses = []
    for trees in range(STEP, TREES + 1, STEP):
        with threadpool_limits(1, user_api="openmp"):  # more only wait for each other
            model.set_params(max_iter=trees).fit(x, y)
        p = model.predict_proba(asked)[:, 1]
        losses.append(probabilities.log_loss(p, happened))
        report(len(losses) - 1, losses[-1])
        if np.argmin(losses) + PATIENCE < len(losses):
            break
    best = (int(np.argmin(losses)) + 1) * STEP

    def answers(rows: pd.DataFrame) -> np.ndarray:
        stages = model.staged_predict_proba(columns(rows))
        return next(p for i, p in enumerate(stages, 1) if i == best)[:, 1]

    return answers


# FM, deep part, DeepFM


def _draw_network(*parts: str) -> Callable[["optuna.Trial"], dict]:
    def draw(trial: "optuna.Trial") -> dict:
        model = {
            "parts": parts,
            "k": trial.suggest_int("k", 4, 32, log=True),
            "l2": trial.suggest_float("l2", 1e-5, 3e-2, log=True),
        }
        if "deep" in parts:
            width = trial.suggest_int("width", 16, 128, log=True)
            model["units"] = [width] * trial.suggest_int("layers", 1, 2)
            model["dropout"] = trial.suggest_float("dropout", 0.0, 0.6)
        rate = trial.suggest_float("learning_rate", 1e-3, 2e-2, log=True)
        return {"model": model, "learning_rate": rate, **_draw_form(trial)}

    return draw


def batch_size(rows: int) -> int:
    """A power of two from 16, of which some STEPS make an epoch."""
    return max(16, 2 ** round(np.log2(rows / STEPS)))


def _network(split, fields, target, settings, seed, report) -> Answers:
    """models.deepfm() at its best epoch; the rate falls to zero over EPOCHS."""
    fields = in_form(fields, settings["form"], settings["intervals"])
    data = training.prepare(split, fields, target)
    fit = {
        "epochs": EPOCHS,
        "batch_size": batch_size(len(split.train)),
        "learning_rate": settings["learning_rate"],
        "decay": True,
        "patience": PATIENCE,
        "callbacks": [training.Reporting(report)],
    }
    found = Predictor.trained(data, settings["model"], fit, seed)
    return lambda rows: found.predict(rows).to_numpy()


CONTENDERS = {
    "logistic regression": Contender(_draw_logistic, _logistic),
    "trees": Contender(_draw_trees, _trees),
    "FM": Contender(_draw_network("first_order", "second_order"), _network),
    "deep part": Contender(_draw_network("deep"), _network),
    "DeepFM": Contender(_draw_network("first_order", "second_order", "deep"), _network),
}
