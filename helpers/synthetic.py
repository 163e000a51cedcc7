"""Rows with a known FM behind them: what a model must find.

Ratings in MovieLens' shape, and clicks in that of the Criteo logs, as many as wanted.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers.fields import CATEGORICAL, MULTI, NUMERIC, Categorical, Numeric
from helpers.targets import Clicks, probability

#: The fields of the synthetic rows, one or more of each kind.
KINDS = {
    "user_id": CATEGORICAL,
    "movie_id": CATEGORICAL,
    "gender": CATEGORICAL,
    "genres": MULTI,
    "year": NUMERIC,
}
GENRES = ("Action", "Comedy", "Drama", "Horror", "Musical", "Western")


class Planted(NamedTuple):
    """Rows and the truth behind them.

    rows: the fields of KINDS and `rating`, not clipped to 1-5.
    w0: the constant; weights: field -> value -> w; vectors: field -> value -> (k,).
        The only value of the numeric field is "x", per standard deviation of year.
    terms: columns first_order (w0 included), second_order and noise; their sum is
        `rating`.
    """

    rows: pd.DataFrame
    w0: float
    weights: dict[str, dict]
    vectors: dict[str, dict]
    terms: pd.DataFrame


def planted_fm(
    n: int = 40_000,
    n_users: int = 150,
    n_movies: int = 100,
    k: int = 2,
    interactions: float = 1.0,
    noise: float = 0.1,
    seed: int = 0,
) -> Planted:
    """Draw n ratings from a field-wise FM (Rendle 2010, eq. 1; genres are averaged).

    interactions: scale of the second order; 0 plants a first order alone.
    noise: standard deviation, in stars.
    """
    rng = np.random.default_rng(seed)
    users = pd.DataFrame({"user_id": np.arange(1, n_users + 1)})
    users["gender"] = rng.choice(["F", "M"], n_users)
    movies = pd.DataFrame({"movie_id": np.arange(1, n_movies + 1)})
    movies["genres"] = [
        tuple(rng.choice(GENRES, rng.integers(0, 4), replace=False).tolist())
        for _ in range(n_movies)
    ]
    movies["year"] = rng.integers(1930, 2001, n_movies).astype(float)
    rows = pd.DataFrame({"user_id": rng.integers(1, n_users + 1, n)})
    rows["movie_id"] = rng.integers(1, n_movies + 1, n)
    rows = rows.merge(users, on="user_id").merge(movies, on="movie_id")

    values = {
        "user_id": users.user_id.tolist(),
        "movie_id": movies.movie_id.tolist(),
        "gender": ["F", "M"],
        "genres": list(GENRES),
        "year": ["x"],
    }
    size = 0.5 * np.sqrt(interactions)
    weights = {f: {v: rng.normal(0, 0.2) for v in vs} for f, vs in values.items()}
    vectors = {f: {v: rng.normal(0, size, k) for v in vs} for f, vs in values.items()}
    w0 = 3.0
    linear = np.column_stack([_look_up(rows, f, weights[f], 1) for f in KINDS])
    stack = np.stack([_look_up(rows, f, vectors[f], k) for f in KINDS], axis=1)
    pairs = 0.5 * ((stack.sum(1) ** 2) - (stack**2).sum(1)).sum(1)
    terms = pd.DataFrame({"first_order": w0 + linear.sum(1), "second_order": pairs})
    terms["noise"] = rng.normal(0, noise, n)
    rows["rating"] = terms.sum(axis=1)
    return Planted(rows, w0, weights, vectors, terms)


def _look_up(rows: pd.DataFrame, field: str, table: dict, k: int) -> np.ndarray:
    """x times v, v of the value, or the mean of the v of the values: (n, k)."""
    if field == "year":
        x = (rows.year - rows.year.mean()) / rows.year.std(ddof=0)
        return np.outer(x, np.broadcast_to(table["x"], (k,)))
    found = {
        value: np.mean([np.broadcast_to(table[v], (k,)) for v in value], axis=0)
        if isinstance(value, tuple) and value
        else np.broadcast_to(table.get(value, 0.0), (k,))
        for value in rows[field].unique()
    }
    return np.stack([found[value] for value in rows[field]])


NUMBERS = [f"I{i}" for i in range(1, 14)]
#: Field -> how many values it can have, from a handful to a million.
VALUES = {
    f"C{i}": int(size) for i, size in enumerate(np.geomspace(4, 10**6, 26), start=1)
}
HASHED = 300_000  # values from which on a field is hashed
BUCKETS = 2**17
#: The fields of clicks() and what it is that is clicked.
CLICK_FIELDS = {name: Numeric(log=True) for name in NUMBERS} | {
    name: Categorical(buckets=BUCKETS if size > HASHED else None)
    for name, size in VALUES.items()
}
CLICK = Clicks("click")


class ClickTruth(NamedTuple):
    """An FM (Rendle 2010, eq. 1) of 13 numbers and 26 fields.

    w0: the constant. numbers, (13, 1 + k): w and v of each, for its logarithm.
    values: field -> (values, 1 + k), w and v of each value.
    """

    w0: float
    numbers: np.ndarray
    values: dict[str, np.ndarray]


def click_truth(k: int = 2, seed: int = 0) -> ClickTruth:
    """Draw an FM. About one row in four is a click."""
    rng = np.random.default_rng([seed, 0])
    size = np.array([0.1] + [0.18] * k, "float32")

    def draw(n: int) -> np.ndarray:
        return size * rng.standard_normal((n, 1 + k), "float32")

    return ClickTruth(-1.4, draw(13), {f: draw(n) for f, n in VALUES.items()})


def clicks(truth: ClickTruth, n: int, seed: int) -> pd.DataFrame:
    """Draw n rows: the columns of NUMBERS and VALUES, and `click`, 0 or 1.

    Numbers are counts, as Criteo's: ten times the exponential of a normal number,
    rounded down. Value r of a field comes with a probability of about 1 / r, by Zipf's
    law. `log-odds`, of the truth, is a column beside them, and no field.
    """
    rng = np.random.default_rng([seed, 1])
    normal = rng.standard_normal((n, len(NUMBERS)), "float32")
    rows: dict[str, np.ndarray] = {}
    for name, column in zip(NUMBERS, normal.T, strict=True):
        rows[name] = np.floor(10 * np.exp(column)).astype("float32")
    sums = normal @ truth.numbers  # of w x, and of v x, over all fields
    squares = normal**2 @ truth.numbers[:, 1:] ** 2
    for name, size in VALUES.items():
        rank = np.floor(size ** rng.random(n)).astype("int32")
        rows[name] = rank
        row = truth.values[name][rank]
        sums += row
        squares += row[:, 1:] ** 2
    pairs = 0.5 * (sums[:, 1:] ** 2 - squares).sum(axis=1)
    log_odds = truth.w0 + sums[:, 0] + pairs
    rows["click"] = (rng.random(n) < probability(log_odds)).astype("int8")
    rows["log-odds"] = log_odds.astype("float32")
    return pd.DataFrame(rows)
