"""Probabilities of a trained model, mended on validation rows.

Test rows take no part: they say afterwards whether it helped.
"""

import keras
import numpy as np
from scipy import special
from sklearn.isotonic import IsotonicRegression

from helpers import probabilities, training
from helpers.training import Encoded, Prepared


def temperature(model: keras.Model, data: Prepared) -> float:
    """probabilities.temperature() of data.valid."""
    return probabilities.temperature(*_judged(model, data.valid))


def isotonic(model: keras.Model, data: Prepared) -> IsotonicRegression:
    """The rising steps from probability to share of ones nearest to data.valid.

    (Zadrozny and Elkan, KDD 2002.) Its predict() takes probabilities (n,); those
    beyond the validation rows' get the nearest step. A step may say 0 or 1, whose log
    loss is infinite where it is wrong.
    """
    log_odds, happened = _judged(model, data.valid)
    steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
    return steps.fit(special.expit(log_odds), happened)


def _judged(model: keras.Model, rows: Encoded) -> tuple[np.ndarray, np.ndarray]:
    """Log-odds and what happened, (n,) float64 each."""
    raw = training.raw_output(model, rows.x)[:, 0].astype("float64")
    return raw, rows.target.decode(rows.y)[:, 0]
