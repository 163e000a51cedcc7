"""RMSE on the same test rows: our DeepFM, Surprise, myFM, DeepCTR's DeepFM.

    python -m benchmarks.accuracy [ml-100k|ml-1m] [contender ...] [--anew]

The split is splits.random_rows(rows, seed). Settings come from a search, see search:
trained on the training rows of seed 0, chosen by its validation rows. Where that takes
hours they are the maker's. Then each seed trains on both, and is scored on its test
rows. With names only those contenders are measured, and the others keep what they have.
Every run is a trial of its own: see trials.
"""

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks import results, rivals, search, trials
from helpers import datasets, fields, splits
from helpers.targets import Stars

SEEDS = {"ml-100k": [0, 1, 2, 3, 4], "ml-1m": [0]}
CHOOSING_SEED = 0
TEST_TO_TRAIN = 1 / 9  # each seed trains on nine tenths of the rows, and tests on one
IDS = dict.fromkeys((rivals.USER, rivals.ITEM), fields.CATEGORICAL)
#: All that are no number: myFM has them as ids.
SIDE = {n: k for n, k in fields.MOVIELENS.items() if not isinstance(k, fields.Numeric)}


def ours(job: rivals.Job, histories: bool = True) -> np.ndarray:
    """best.RECIPES, or best.PLAIN without histories; each member a row: (members, n)"""
    from helpers import best, training
    from helpers.predictor import Predictor

    recipe = (best.RECIPES if histories else best.PLAIN)[job.dataset]
    found = Predictor.train(
        splits.Split(job.train, job.train.iloc[:0], job.train.iloc[:0]),
        best.FIELDS if histories else fields.MOVIELENS,
        job.target,
        recipe.model,
        recipe.fit,
        job.seed,
        recipe.members,
    )
    x = found.encoder.transform(job.asked)
    members = [training.predict(model, x, found.target) for model in found.models]
    return np.hstack(members).T


class Contender(NamedTuple):
    """call: see rivals. settings: always, and all of the first trial.

    space: name -> values, for search.drawn(). Where `epochs` is a setting, it is the
    most: a search watches each epoch. advice: where settings come from without a search
    unsearched: sets on which it keeps those of its maker: a search would take hours
    """

    call: Callable
    settings: dict = {}
    space: dict = {}
    advice: str = "its defaults"
    unsearched: tuple[str, ...] = ()


REGULAR = [0.02, 0.04, 0.06, 0.08, 0.1, 0.14, 0.2]
SVD = {
    "n_factors": [10, 20, 50, 100, 200, 400],
    "n_epochs": [10, 20, 40, 60, 80, 120],
    "lr_all": [0.001, 0.0025, 0.005, 0.01, 0.02],
    "reg_all": REGULAR,
}
SVDPP = {
    "n_factors": [2, 5, 10, 20, 40],
    "n_epochs": [5, 10, 20, 30, 50],
    "lr_all": [0.0015, 0.0035, 0.007, 0.015, 0.03],
    "reg_all": REGULAR,
}
MYFM = {"rank": [2, 4, 6, 8, 12, 16, 24, 32, 48], "samples": [50, 100, 200, 400, 800]}
DEEPCTR = {
    "k": [4, 8, 16, 32, 64],
    "units": [(32,), (64, 64), (128, 64)],
    "l2": [1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2],
    "dropout": [0.0, 0.3, 0.5, 0.7],
    "learning_rate": [3e-4, 1e-3, 3e-3, 1e-2],
}
EXAMPLES = "its examples: rank 10"
LARGE = ("ml-1m",)
CONTENDERS = {
    "Surprise BaselineOnly": Contender(rivals.surprise, {"name": "BaselineOnly"}),
    "Surprise SVD": Contender(rivals.surprise, {"name": "SVD"}, SVD),
    "Surprise SVD++": Contender(
        rivals.surprise, {"name": "SVDpp"}, SVDPP, unsearched=LARGE
    ),
    "myFM, ids": Contender(rivals.myfm, {"kinds": IDS}, MYFM, EXAMPLES, LARGE),
    "myFM, side features": Contender(
        rivals.myfm, {"kinds": SIDE}, MYFM, EXAMPLES, LARGE
    ),
    "myFM, histories": Contender(
        rivals.myfm, {"kinds": IDS, "histories": True}, MYFM, EXAMPLES, LARGE
    ),
    "DeepCTR DeepFM": Contender(
        rivals.deepctr, {"epochs": 30}, DEEPCTR, "its defaults", LARGE
    ),
    "ours, no histories": Contender(ours, {"histories": False}, {}, "best.PLAIN"),
    "ours": Contender(ours, {}, {}, "best.RECIPES"),
}


def run(name: str, dataset: str, seed: int, settings: dict, choosing: bool) -> dict:
    """Train and score once.

    choosing: on training rows, by validation rows; else on both, by test rows
    ->  rmse (a value for each row of what the contender gives), that of their mean as
        ensemble, and seconds
    """
    train, valid, test = splits.random_rows(datasets.load(dataset).joined(), seed)
    if choosing:
        test = valid
    else:
        train = pd.concat([train, valid])
    target = Stars().fit(train)
    asked = test.drop(columns=target.column)
    start = time.perf_counter()
    predicted = CONTENDERS[name].call(
        rivals.Job(dataset, train, asked, target, seed), **settings
    )
    seconds = time.perf_counter() - start

    def score(stars: np.ndarray) -> float:
        return target.scores(target.answer(stars), target.actual(test))["RMSE"]

    rows = np.atleast_2d(predicted)
    rmse = [score(row) for row in rows]
    return {"rmse": rmse, "seconds": seconds, "ensemble": score(rows.mean(axis=0))}


def choose(name: str, dataset: str, alone: Callable) -> tuple[dict, list]:
    """The settings with the lowest validation RMSE, and all that were tried.

    Without a search they are the maker's, and the epochs those of the lowest.
    """
    contender = CONTENDERS[name]
    if not is_searched(contender, dataset):
        if "epochs" not in contender.settings:
            return contender.settings, []
        return attempt(name, dataset, contender.settings, alone)["settings"], []
    tried = [
        attempt(name, dataset, contender.settings | point, alone)
        for point in ({}, *search.drawn(contender.space, search.TRIALS - 1))
    ]
    return min(tried, key=lambda t: t["valid_rmse"])["settings"], tried


def is_searched(contender: Contender, dataset: str) -> bool:
    """Whether there is anything to search, and time for it."""
    return bool(contender.space) and dataset not in contender.unsearched


def attempt(name: str, dataset: str, settings: dict, alone: Callable) -> dict:
    """Settings and their validation RMSE; epochs are those of the lowest."""
    watched = "epochs" in settings
    how = settings | ({"watch": True} if watched else {})
    found = alone(run, name, dataset, CHOOSING_SEED, how, True)["rmse"]
    lowest = int(np.argmin(found))
    if watched:
        settings = settings | {"epochs": lowest + 1}
    return {"settings": settings, "valid_rmse": found[lowest]}


def measure(name: str, dataset: str, alone: Callable) -> dict:
    """Search and all seeds of one contender. alone: Trials.alone."""
    settings, tried = choose(name, dataset, alone)
    runs = {
        seed: alone(run, name, dataset, seed, settings, False)
        for seed in SEEDS[dataset]
    }
    first = [found["rmse"][0] for found in runs.values()]
    figures = {
        "advice": f"{len(tried)} trials" if tried else CONTENDERS[name].advice,
        "settings": settings,
        "at_edge": search.at_edge(CONTENDERS[name].space, settings) if tried else [],
        "tried": tried,
        "rmse": {str(seed): found["rmse"] for seed, found in runs.items()},
        "one_model": summary(first),
        "seconds_a_model": statistics.median(
            found["seconds"] / len(found["rmse"]) for found in runs.values()
        ),
    }
    if any(len(found["rmse"]) > 1 for found in runs.values()):
        figures["ensemble"] = summary([found["ensemble"] for found in runs.values()])
    return figures


def summary(values: list[float]) -> dict:
    """values, mean, and sd where there are several."""
    sd = statistics.stdev(values) if len(values) > 1 else None
    return {"values": values, "mean": statistics.mean(values), "sd": sd}


def main(dataset: str = "ml-100k", *names: str) -> None:
    """Measure the contenders, keep what they gave after each, print a line for each."""
    unknown = set(names) - set(CONTENDERS)
    if unknown or dataset not in SEEDS:
        raise SystemExit(f"Unknown: {unknown or dataset}. Contenders: {[*CONTENDERS]}.")
    kept = results.read("accuracy", dataset)
    figures = kept["figures"] if kept and names else {}
    names = names or (*CONTENDERS,)
    total = sum(count(name, dataset) for name in names)
    alone = trials.Trials("accuracy", dataset, total).alone
    for name in names:
        figures[name] = measure(name, dataset, alone)
        out = results.write("accuracy", dataset, figures, seeds=SEEDS[dataset])
        print(line(name, figures[name]), flush=True)
    print(out)


def count(name: str, dataset: str) -> int:
    """Trials of one contender: its search, and a training for each seed."""
    contender = CONTENDERS[name]
    choosing = int("epochs" in contender.settings)
    if is_searched(contender, dataset):
        choosing = search.TRIALS
    return choosing + len(SEEDS[dataset])


def line(name: str, found: dict) -> str:
    """Name, mean RMSE, its sd over the splits, and the ensemble's mean."""
    one, many = found["one_model"], found.get("ensemble")
    text = f"{name:24} {one['mean']:.4f}"
    text += f" (sd {one['sd']:.4f})" if one["sd"] is not None else ""
    text += f"   ensemble {many['mean']:.4f}" if many else ""
    return f"{text}   {found['seconds_a_model']:.0f} s a model"


if __name__ == "__main__":
    main(*trials.words())
