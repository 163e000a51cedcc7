"""What is predicted: stars, clicks, amounts. A target knows both ends of a model.

The model's output is a plain sum, its raw output: on the scale on which a target's loss
is measured. A target turns a column into that scale and the raw output into an answer
in the unit of the column. No other room knows what is predicted.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pandas as pd

from helpers import state, values
from helpers.moments import Moments
from helpers.state import Learned

SQUARED, LOGISTIC = "squared", "logistic"


class Target(Learned):
    """The column that a model predicts.

    loss: SQUARED or LOGISTIC, of raw outputs against encode().
    monitor: the score by which a model is chosen; the smaller the better.
    """

    column: Hashable
    loss: ClassVar[str]
    monitor: ClassVar[str]
    negatives: ClassVar[int] = 0  # rows that training draws beside each row it has
    baseline_name: ClassVar[str] = "the mean"
    unit: ClassVar[float] = 1.0  # what a raw error of 1 is in the unit of the column

    @property
    def columns(self) -> list[Hashable]:
        """The columns of raw rows that encode() reads."""
        return [self.column]

    def fit(self, rows: pd.DataFrame | Iterable[pd.DataFrame]) -> "Target":
        """Learn from training rows: one DataFrame, or several in any cut and order.

        Raises ValueError for no rows and for values that cannot be used, with column,
        value and rows. The target then stays as it was.
        """
        moments = Moments()
        for frame in values.frames(rows):
            codes, different = pd.factorize(self.actual(frame))
            moments.add(different, np.bincount(codes, minlength=len(different)))
        if not moments.count:
            raise ValueError("There are no rows to learn from.")
        self._learn(moments)
        return self

    def _learn(self, moments: Moments) -> None:
        self.mean_ = moments.mean

    def actual(self, rows: pd.DataFrame) -> np.ndarray:
        """The column, in its unit: (n,) float64.

        Raises ValueError for a missing column, and for values that cannot be used.
        """
        values.check_columns(rows, [self.column])
        column = rows[self.column]
        found = values.numbers(column)
        values.refuse(
            column, np.isnan(found), "has a missing value", "Drop those rows."
        )
        return found

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        """What a model is trained on: (n, 1) float32. Raises ValueError as actual()."""
        self.check_learned()
        with np.errstate(over="ignore"):
            y = self._raw(self.actual(rows)).astype("float32")
        values.refuse(rows[self.column], np.isinf(y), "is too far from training rows")
        return y[:, None]

    def decode(self, y: np.ndarray) -> np.ndarray:
        """The inverse of encode(): any shape, in the unit of the column, float64."""
        return np.asarray(y, "float64")

    def _raw(self, actual: np.ndarray) -> np.ndarray:
        return actual

    @property
    def intercept(self) -> float:
        """The best constant raw output: where a model's w0 starts."""
        self.check_learned()
        return self.mean_

    def answer(self, raw: np.ndarray) -> np.ndarray:
        """Raw output, any shape, as an answer in the unit of the column, float64."""
        raise NotImplementedError

    def baseline(self) -> float:
        """The answer of a model that knows nothing but the training rows' mean."""
        return float(self.answer(np.array(self.intercept)))

    def scores(self, answers, actual) -> dict[str, float]:
        """How good answers are, by name of the score, `monitor` among them.

        answers, actual: arrays of one shape, both in the unit of the column
        Raises ValueError where shapes differ, for no rows, and for NaN.
        """
        answers, actual = np.asarray(answers, "float64"), np.asarray(actual, "float64")
        if answers.shape != actual.shape:
            raise ValueError(f"Shapes differ: {answers.shape} against {actual.shape}.")
        if not answers.size:
            raise ValueError("There are no rows to score.")
        for what, array in (("answers", answers), ("actual values", actual)):
            if wrong := int((~np.isfinite(array)).sum()):
                raise ValueError(f"{wrong} of {array.size} {what} are NaN or infinite.")
        return self._scores(answers.ravel(), actual.ravel())

    def _scores(self, answers: np.ndarray, actual: np.ndarray) -> dict[str, float]:
        error = answers - actual
        rmse = float(np.sqrt((error**2).mean()))
        return {"RMSE": rmse, "MAE": float(np.abs(error).mean())}

    def scores_beside_baseline(self, answers, actual) -> dict[str, float]:
        """scores(), and that of the constant baseline() by the monitored score."""
        found = self.scores(answers, actual)
        constant = self.scores(np.full(np.shape(actual), self.baseline()), actual)
        name = f"{self.monitor} of {self.baseline_name}"
        return found | {name: constant[self.monitor]}


@dataclass
class Stars(Target):
    """A rating between limits: squared error; answers are clipped to low..high.

    low, high: in the unit of the column; the least and the largest training rating
        where None. Scores: RMSE and MAE.
    """

    kind: ClassVar[str] = "stars"
    loss: ClassVar[str] = SQUARED
    monitor: ClassVar[str] = "RMSE"
    column: Hashable = "rating"
    low: float | None = None
    high: float | None = None

    def __post_init__(self):
        self._finite("low", "high")
        if None not in (self.low, self.high) and not self.low < self.high:
            raise ValueError(
                f"low is {self.low}, which is not below high, {self.high}."
            )

    def _learn(self, moments: Moments) -> None:
        super()._learn(moments)
        self.low_ = moments.low if self.low is None else self.low
        self.high_ = moments.high if self.high is None else self.high

    def actual(self, rows: pd.DataFrame) -> np.ndarray:
        """As of a Target; a rating outside the limits that were given is refused."""
        found = super().actual(rows)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        outside = (found < low) | (found > high)
        what = f"is outside {low:g} to {high:g}"
        values.refuse(rows[self.column], outside, what, "Mend them, or the limits.")
        return found

    def answer(self, raw: np.ndarray) -> np.ndarray:
        self.check_learned()
        return np.clip(np.asarray(raw, "float64"), self.low_, self.high_)


@dataclass
class Clicks(Target):
    """Yes or no: logistic loss on the log-odds; the answer is the probability of yes.

    The column holds 0 and 1, or False and True. Scores: log loss (natural logarithm),
    AUC (NaN where all rows are alike), calibration error.
    """

    kind: ClassVar[str] = "clicks"
    loss: ClassVar[str] = LOGISTIC
    monitor: ClassVar[str] = "log loss"
    baseline_name: ClassVar[str] = "the base rate"
    column: Hashable

    def _learn(self, moments: Moments) -> None:
        if moments.low == moments.high:
            raise ValueError(
                f"All {moments.count} training rows have {moments.low:g} in "
                f"{self.column!r}: there is nothing to tell apart."
            )
        super()._learn(moments)

    def actual(self, rows: pd.DataFrame) -> np.ndarray:
        """As of a Target; anything but 0 and 1 is refused."""
        found = super().actual(rows)
        odd = ~np.isin(found, (0, 1))
        values.refuse(rows[self.column], odd, "is neither 0 nor 1", "Make it so.")
        return found

    @property
    def intercept(self) -> float:
        """The log-odds of the base rate."""
        self.check_learned()
        return float(np.log(self.mean_) - np.log1p(-self.mean_))

    def answer(self, raw: np.ndarray) -> np.ndarray:
        return probability(raw)

    def _scores(self, answers: np.ndarray, actual: np.ndarray) -> dict[str, float]:
        from sklearn import metrics

        if answers.min() < 0 or answers.max() > 1:
            raise ValueError("Answers are probabilities, from 0 to 1: not log-odds.")
        if not np.isin(actual, (0, 1)).all():
            raise ValueError("Actual values are 0 or 1.")
        both = 0 < actual.mean() < 1
        return {
            "log loss": float(metrics.log_loss(actual, answers, labels=[0, 1])),
            "AUC": float(metrics.roc_auc_score(actual, answers)) if both else np.nan,
            "calibration error": calibration_error(answers, actual),
        }


@dataclass
class Amount(Target):
    """Any number: squared error. Standardised inside, answered in its own unit.

    Scores: RMSE and MAE, in the unit of the column.
    """

    kind: ClassVar[str] = "amount"
    loss: ClassVar[str] = SQUARED
    monitor: ClassVar[str] = "RMSE"
    column: Hashable

    def _learn(self, moments: Moments) -> None:
        super()._learn(moments)
        self.scale_ = moments.scale or 1.0

    @property
    def unit(self) -> float:
        """What a raw error of 1 is in the unit of the column: its sd in training.

        1 where 32 bits cannot tell the training rows apart.
        """
        self.check_learned()
        return self.scale_

    def _raw(self, actual: np.ndarray) -> np.ndarray:
        return (actual - self.mean_) / self.scale_

    def decode(self, y: np.ndarray) -> np.ndarray:
        self.check_learned()
        return np.asarray(y, "float64") * self.scale_ + self.mean_

    @property
    def intercept(self) -> float:
        """Zero: the mean, standardised."""
        self.check_learned()
        return 0.0

    def answer(self, raw: np.ndarray) -> np.ndarray:
        return self.decode(raw)


@dataclass
class Chosen(Target):
    """What a user chose, against what they might have: for lists, not for answers.

    The log has nothing but choices. So in each epoch training draws `negatives` items
    beside each row, of those that its user has not chosen; logistic loss tells the two
    apart (Rendle et al. 2009 call such a log one-class). The answer is the probability
    that a row is a choice and no drawn one: good to rank by, and low by the draw.

    user, item: columns of the log; what the user chose is not drawn for them
    of_item: columns that tell something of the item, and go with it when it is drawn
    power: an item is drawn in proportion to the number of its rows to this power; 0:
        all alike, 1: as often as chosen
    accidents: draw also what the user chose, which saves looking. column: of answers
    """

    kind: ClassVar[str] = "chosen"
    loss: ClassVar[str] = LOGISTIC
    monitor: ClassVar[str] = "log loss"
    baseline_name: ClassVar[str] = "the share of choices"
    user: Hashable
    item: Hashable
    of_item: tuple = ()
    negatives: int = 8
    power: float = 0.0
    accidents: bool = False
    column: Hashable = "chosen"

    def __post_init__(self):
        if isinstance(self.of_item, str):
            raise ValueError(f"of_item is a list of columns, not {self.of_item!r}.")
        self.of_item = tuple(self.of_item)
        self.negatives = values.whole("negatives", self.negatives)
        self.power = values.finite("power", self.power)

    @property
    def columns(self) -> list[Hashable]:
        """The log's users and items. There is no column of answers in it."""
        return [self.user, self.item]

    def actual(self, rows: pd.DataFrame) -> np.ndarray:
        """All rows are choices: (n,) ones. Raises ValueError for a missing id."""
        values.check_columns(rows, self.columns)
        for name in self.columns:
            missing = rows[name].isna()
            values.refuse(
                rows[name], missing, "has a missing value", "Drop those rows."
            )
        return np.ones(len(rows))

    def encode(self, rows: pd.DataFrame) -> np.ndarray:
        self.check_learned()
        return self.actual(rows).astype("float32")[:, None]

    @property
    def intercept(self) -> float:
        """The log-odds of the share of choices among all rows that training sees."""
        self.check_learned()
        return -float(np.log(self.negatives))

    def answer(self, raw: np.ndarray) -> np.ndarray:
        return probability(raw)

    def _scores(self, answers: np.ndarray, actual: np.ndarray) -> dict[str, float]:
        from sklearn import metrics

        if actual.all():
            raise ValueError(
                "All rows are choices, and what a model says of them alone says "
                "nothing: judge its lists, with helpers.ranking."
            )
        return {
            "log loss": float(metrics.log_loss(actual, answers, labels=[0, 1])),
            "AUC": float(metrics.roc_auc_score(actual, answers)),
        }


TARGETS = {t.kind: t for t in (Stars, Clicks, Amount, Chosen)}


def probability(raw: np.ndarray) -> np.ndarray:
    """Of log-odds, any shape: 1 / (1 + exp(-raw)), float64."""
    raw = np.asarray(raw, "float64")
    small = np.exp(-np.abs(raw))  # never overflows
    return np.where(raw >= 0, 1, small) / (1 + small)


def restored(content: Mapping) -> Target:
    """The target whose state() this is. Raises ValueError for anything else."""
    return state.restored(content, TARGETS)


def calibration_error(probabilities, happened, groups: int = 10) -> float:
    """Mean gap between what was said and what happened, over groups of equal size.

    Rows are cut into groups at quantiles of the probability, equal ones together; the
    gap between mean probability and share of ones is weighted by the rows of a group
    (the expected calibration error of Naeini et al. 2015, with groups of equal size
    instead of equal width). 0 is best. probabilities, happened: (n,)
    """
    cuts = np.quantile(probabilities, np.arange(1, groups) / groups)
    group = np.searchsorted(np.unique(cuts), probabilities)
    gaps = np.bincount(group, np.asarray(probabilities) - happened)
    return float(np.abs(gaps).sum() / len(group))
