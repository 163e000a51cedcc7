"""Clicks on the same test rows: our DeepFM, logistic regression, myFM, DeepCTR.

    python -m benchmarks.clicks [ml-100k|ml-1m] [contender or mean ...] [--anew]

A rating of 4 or 5 is a click, one of 1 or 2 is none, and those of 3 are left out, as in
Wang et al. ("DCN V2", WWW 2021, table 6). The split is splits.random_rows(rows, seed):
training on 80% of the rows in all runs. Settings are those with the lowest log loss on
the validation rows of seed 0; each seed is then scored on its test rows once. With
names only those are measured, and the others keep what they have. A mean is that of the
probabilities of several models of one contender. Every training is a trial of its own:
see trials.
"""

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import click_rivals, results, search, trials
from benchmarks.rivals import Job
from helpers import datasets, fields, splits
from helpers.targets import Clicks, calibration_error

SEEDS = [0, 1, 2, 3, 4]
CHOOSING_SEED = 0
COLUMN, BINS, MEMBERS = "liked", 15, 5
SCORES = ("log loss", "AUC", "calibration error")
SINGLE = fields.MOVIELENS | {"zip_code": fields.CATEGORICAL}
#: All that are no number: one-hot models have them as ids.
SIDE = {n: k for n, k in SINGLE.items() if not isinstance(k, fields.Numeric)}
LISTS = {
    "liked_by_user": fields.History("user_id", "movie_id", COLUMN, at_least=1),
    "disliked_by_user": fields.History("user_id", "movie_id", COLUMN, below=1),
    "fans": fields.History("movie_id", "user_id", COLUMN, at_least=1),
    "critics": fields.History("movie_id", "user_id", COLUMN, below=1),
}


def clicks_of(ratings: pd.DataFrame) -> pd.DataFrame:
    """Rows of 1, 2, 4 and 5 stars, with the column `liked` (0 or 1), without stars."""
    rows = ratings[ratings.rating != 3]
    liked = (rows.rating > 3).astype("int8")
    return rows.drop(columns="rating").assign(**{COLUMN: liked})


def ours(job: Job, histories: bool = False, **settings) -> np.ndarray:
    """One DeepFM. settings: k, units, dropout, l2; the rest are of training.fit()."""
    from helpers.predictor import FIT_SETTINGS, MODEL_SETTINGS, Predictor

    empty = job.train.iloc[:0]
    found = Predictor.train(
        splits.Split(job.train, empty, empty),
        SINGLE | LISTS if histories else SINGLE,
        job.target,
        {n: v for n, v in settings.items() if n in MODEL_SETTINGS},
        {n: v for n, v in settings.items() if n in FIT_SETTINGS},
        job.seed,
    )
    return found.predict(job.asked).to_numpy()


class Contender(NamedTuple):
    """call: see click_rivals. settings: always. grid: dataset -> settings to try.

    watched: a try is scored after each of its epochs, and keeps the best number.
    """

    call: Callable
    settings: dict = {}
    grid: dict[str, list[dict]] = {}
    watched: bool = False


def every(**choices: Sequence) -> list[dict]:
    """All combinations."""
    return [
        dict(zip(choices, point, strict=True)) for point in product(*choices.values())
    ]


def schedule(epochs: int, batch_size: int, learning_rate: float) -> dict:
    """Arguments of training.fit()."""
    return {
        "epochs": epochs,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "decay": True,
    }


SHORT, LONG = schedule(6, 8192, 3e-3), schedule(10, 4096, 5e-3)
WIDE = {"units": [64, 64], "dropout": 0.5}
OURS_PLAIN = {
    "ml-1m": [
        WIDE | {"k": 16, "l2": 0.002} | LONG,
        WIDE | {"k": 16, "l2": 0.001} | LONG,
        WIDE | {"k": 64, "l2": 0.003} | LONG,
        WIDE | {"k": 32, "l2": 0.003} | LONG,
        {"k": 16, "units": [256, 128], "dropout": 0.5, "l2": 0.002} | LONG,
        {"k": 32, "units": [256, 128], "dropout": 0.5, "l2": 0.003} | LONG,
        {"k": 32, "units": [64, 64], "dropout": 0.3, "l2": 0.003} | LONG,
        {"k": 32, "units": [256, 128], "dropout": 0.5, "l2": 0.002} | LONG,
    ],
    "ml-100k": [
        WIDE | {"k": 16, "l2": l2} | schedule(epochs, 1024, 5e-3)
        for epochs, l2 in product((5, 8), (0.003, 0.006, 0.012))
    ],
}
#: Clicks with histories: settings to draw from, the best of nine, and steps from it.
SPACE = {
    "k": [32, 48, 64],
    "units": [[64], [128], [128, 64], [256, 128]],
    "dropout": [0.1, 0.2, 0.3, 0.5],
    "l2": [0.001, 0.002, 0.003, 0.005],
    "epochs": [4, 6, 8, 10],
    "batch_size": [2048, 4096, 8192],
    "learning_rate": [1e-3, 2e-3, 3e-3, 5e-3],
    "decay": [True],
}
NEAR = {"k": 64, "units": [128, 64], "dropout": 0.3, "l2": 0.002}
NEAR |= schedule(6, 2048, 1e-3)
STEPS = [
    {"l2": 0.003},
    {"l2": 0.003, "epochs": 8},
    {"l2": 0.003, "learning_rate": 2e-3},
    {"dropout": 0.5},
    {"dropout": 0.5, "units": [256, 128]},
    {"epochs": 4, "learning_rate": 2e-3},
    {"epochs": 8},
    {"epochs": 4, "batch_size": 1024},
    {"batch_size": 1024, "learning_rate": 5e-4},
    {"l2": 0.003, "batch_size": 4096, "learning_rate": 2e-3},
    {"l2": 0.003, "k": 32, "units": [64], "dropout": 0.2},
    {"k": 32},
]
OURS_LISTS = {
    "ml-1m": [
        {"k": 32, "units": [64], "dropout": 0.2, "l2": 0.003} | SHORT,
        *search.drawn(SPACE, 8),
        *(NEAR | step for step in STEPS),
    ],
    "ml-100k": [
        {"k": 32, "units": [32], "dropout": 0.3, "l2": l2} | schedule(6, 1024, 3e-3)
        for l2 in (0.002, 0.004, 0.008)
    ],
}
BOTH = ("ml-100k", "ml-1m")
LOGISTIC = dict.fromkeys(BOTH, every(C=[0.1, 0.3, 1.0, 3.0, 10.0]))
PROBIT = dict.fromkeys(BOTH, every(rank=[5, 10, 20]))
DEEPCTR = {
    "ml-100k": every(k=[16, 32, 64], l2=[1e-4, 3e-4, 1e-3, 3e-3], dropout=[0.5, 0.7]),
    "ml-1m": every(k=[16, 32], l2=[3e-5, 1e-4, 3e-4, 1e-3], dropout=[0.5]),
}
KINDS = {"kinds": SIDE}
CONTENDERS = {
    "base rate": Contender(click_rivals.base_rate),
    "logistic regression": Contender(click_rivals.logistic, KINDS, LOGISTIC),
    "myFM probit": Contender(click_rivals.probit, KINDS, PROBIT),
    "DeepCTR DeepFM": Contender(
        click_rivals.deepctr, {"kinds": SINGLE, "epochs": 20}, DEEPCTR, watched=True
    ),
    "ours, no histories": Contender(ours, {}, OURS_PLAIN),
    "ours": Contender(ours, {"histories": True}, OURS_LISTS),
}
#: Name of a mean of MEMBERS models -> their contender.
MEANS = {f"{name}, mean of {MEMBERS}": name for name in ("ours, no histories", "ours")}


def run(
    name: str, dataset: str, seed: int, member: int, settings: dict, choosing: bool
) -> dict:
    """Train one model on the training rows of a seed.

    choosing: it is judged by validation rows, else by test rows
    member: of a mean; its own seed is seed * MEMBERS + member
    settings: beside those that the contender always has
    ->  scores: one dict for each row of what the contender gives; seconds; device; and
        the probabilities of the test rows where it is not choosing
    """
    rows = clicks_of(datasets.load(dataset).joined())
    train, valid, test = splits.random_rows(rows, seed)
    judged = valid if choosing else test
    target = Clicks(COLUMN).fit(train)
    contender = CONTENDERS[name]
    asked = judged.drop(columns=COLUMN)
    job = Job(dataset, train, asked, target, seed * MEMBERS + member)
    start = time.perf_counter()
    given = np.atleast_2d(contender.call(job, **(contender.settings | settings)))
    seconds = time.perf_counter() - start
    actual = target.actual(judged)
    found = {"scores": [score(p, actual) for p in given], "seconds": seconds}
    found["device"] = results.device()
    if not choosing:
        found["probabilities"] = [float(f"{p:.7g}") for p in given[-1]]
    return found


def score(probabilities: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """SCORES by name; the calibration error is that of 15 groups of equal size."""
    found = Clicks(COLUMN).scores(probabilities, actual)
    return found | {"calibration error": calibration_error(probabilities, actual, BINS)}


def choose(name: str, dataset: str, alone: Callable) -> tuple[dict, list]:
    """The settings with the lowest validation log loss, and all that were tried."""
    contender = CONTENDERS[name]
    tried = []
    for point in contender.grid.get(dataset, []):
        how = point | ({"watch": True} if contender.watched else {})
        found = alone(run, name, dataset, CHOOSING_SEED, 0, how, True)["scores"]
        lowest = int(np.argmin([scores["log loss"] for scores in found]))
        settings = point | ({"epochs": lowest + 1} if contender.watched else {})
        tried.append({"settings": settings, "valid": found[lowest]})
    if not tried:
        return {}, []
    return min(tried, key=lambda t: t["valid"]["log loss"])["settings"], tried


def measure(name: str, dataset: str, alone: Callable) -> dict:
    """Search and all seeds of one contender, or of a mean. alone: Trials.alone."""
    of, members = MEANS.get(name, name), MEMBERS if name in MEANS else 1
    settings, tried = choose(of, dataset, alone)
    runs = {
        seed: [
            alone(run, of, dataset, seed, member, settings, False)
            for member in range(members)
        ]
        for seed in SEEDS
    }
    if members > 1:
        scores = [together(dataset, seed, found) for seed, found in runs.items()]
    else:
        scores = [found[0]["scores"][-1] for found in runs.values()]
    models = [one for found in runs.values() for one in found]
    return {
        "settings": settings,
        "tried": tried,
        "scores": summary(scores),
        "seconds_a_model": statistics.median(one["seconds"] for one in models),
        "devices": sorted({one["device"] for one in models}),
    }


def together(dataset: str, seed: int, found: list[dict]) -> dict[str, float]:
    """The scores of the mean of the probabilities of several models of one seed."""
    rows = clicks_of(datasets.load(dataset).joined())
    actual = splits.random_rows(rows, seed).test[COLUMN].to_numpy("float64")
    return score(np.mean([one["probabilities"] for one in found], axis=0), actual)


def summary(scores: list[dict], names: Iterable[str] = SCORES) -> dict:
    """For each score: values by seed, mean and sd."""
    found = {}
    for name in names:
        values = [one[name] for one in scores]
        sd = statistics.stdev(values)
        found[name] = {"values": values, "mean": statistics.mean(values), "sd": sd}
    return found


def main(dataset: str = "ml-100k", *names: str) -> None:
    """Measure by name, keep what was found after each, print a line for each."""
    every_name = [*CONTENDERS, *MEANS]
    unknown = {*names} - {*every_name}
    if unknown or dataset not in BOTH:
        raise SystemExit(f"Unknown: {unknown or dataset}. There are: {every_name}.")
    kept = results.read("clicks", dataset)
    figures = kept["figures"] if kept and names else {}
    names = names or (*every_name,)
    total = sum(count(name, dataset) for name in names)
    alone = trials.Trials("clicks", dataset, total).alone
    for name in names:
        figures[name] = measure(name, dataset, alone)
        out = results.write("clicks", dataset, figures, seeds=SEEDS)
        print(line(name, figures[name]), flush=True)
    print(out)


def count(name: str, dataset: str) -> int:
    """Trials of one contender or mean: its search, and its models for each seed."""
    grid = CONTENDERS[MEANS.get(name, name)].grid.get(dataset, [])
    return len(grid) + len(SEEDS) * (MEMBERS if name in MEANS else 1)


def line(name: str, found: dict) -> str:
    """Name, then log loss, AUC and calibration error, means over the splits."""
    means = " / ".join(f"{found['scores'][score]['mean']:.4f}" for score in SCORES)
    return f"{name:29} {means}   {found['seconds_a_model']:.0f} s a model"


if __name__ == "__main__":
    main(*trials.words())
