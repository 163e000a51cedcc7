"""RMSE on the same test rows: our DeepFM, Surprise, myFM, DeepCTR's DeepFM.

    python -m benchmarks.accuracy [ml-100k|ml-1m] [contender ...]

The split is splits.random_rows(rows, seed); a run trains on all rows but the test rows.
Settings come from a grid, searched on the validation rows of seed 0 alone, or are the
maker's defaults. Contenders that are named are measured again, the others keep what
they have; without names all are measured. Every run is a process of its own.
"""

import itertools
import os
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from benchmarks import results, rivals
from helpers import datasets, fields, splits

SEEDS = {"ml-100k": [0, 1, 2, 3, 4], "ml-1m": [0]}
IDS = dict.fromkeys(("user_id", "movie_id"), fields.CATEGORICAL)
SIDE = {name: kind for name, kind in fields.MOVIELENS.items() if name != "year"}


def ours(train, test, seed, histories: bool = True, **changes) -> np.ndarray:
    """best.RECIPES, each member a row: (members, n). changes: of the Recipe."""
    from helpers import best, training

    recipe = (best.RECIPES if histories else best.PLAIN)[_set_of(train)]
    recipe = recipe._replace(**changes)
    lists = best.histories() if histories else ()
    data = training.encode_parts((train, test[:0], test), histories=lists)
    members = range(seed * recipe.members, (seed + 1) * recipe.members)
    models = (best.train(data, recipe, member) for member in members)
    return np.array([training.predict(m, data.test.x)[:, 0] for m in models])


def _set_of(train) -> str:
    return "ml-1m" if len(train) > 500_000 else "ml-100k"


class Contender(NamedTuple):
    """call: see rivals. settings: always. grid: name -> values, tried on valid rows."""

    call: Callable
    settings: dict = {}
    grid: dict = {}
    advice: str = "its defaults"


SVD = {"n_factors": [20, 100], "n_epochs": [20, 40], "reg_all": [0.02, 0.05, 0.1]}
SVDPP = {"n_epochs": [20, 30], "reg_all": [0.02, 0.05, 0.1]}
DEEPCTR = {"k": [16, 32], "l2": [1e-4, 1e-3, 1e-2], "dropout": [0.3, 0.5, 0.7]}
CONTENDERS = {
    "Surprise BaselineOnly": Contender(rivals.surprise, {"name": "BaselineOnly"}),
    "Surprise SVD": Contender(rivals.surprise, {"name": "SVD"}, SVD, "a search"),
    "Surprise SVD++": Contender(rivals.surprise, {"name": "SVDpp"}, SVDPP, "a search"),
    "myFM, ids": Contender(rivals.myfm, {"kinds": IDS}, {}, "its examples: rank 10"),
    "myFM, side features": Contender(
        rivals.myfm, {"kinds": SIDE}, {}, "its examples: rank 10"
    ),
    "myFM, histories": Contender(
        rivals.myfm, {"kinds": IDS, "histories": True}, {}, "its examples: rank 10"
    ),
    "DeepCTR DeepFM": Contender(
        rivals.deepctr, {"epochs": 20}, DEEPCTR, "a search, epochs too"
    ),
    "ours, no histories": Contender(ours, {"histories": False}, {}, "best.PLAIN"),
    "ours": Contender(ours, {}, {}, "best.RECIPES"),
}


def run(name: str, dataset: str, seed: int, settings: dict, choosing: bool) -> dict:
    """Train and score once; on validation rows when choosing. In its own process."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # progress bars
    os.dup2(2, 1)
    train, valid, test = splits.random_rows(datasets.load(dataset).joined(), seed)
    if choosing:
        test = valid
    else:
        train = _together(train, valid)
    start = time.perf_counter()
    predicted = CONTENDERS[name].call(train, test, seed, **settings)
    seconds = time.perf_counter() - start
    y = test.rating.to_numpy()
    rows = np.atleast_2d(predicted)
    found = {"rmse": [rmse(row, y) for row in rows], "seconds": seconds}
    return found | {"ensemble": rmse(rows.mean(0), y)}


def _together(train, valid):
    import pandas as pd

    return pd.concat([train, valid])


def rmse(predicted: np.ndarray, y: np.ndarray) -> float:
    """Of predictions clipped to the rating scale, in stars."""
    return float(np.sqrt(((np.clip(predicted, 1, 5) - y) ** 2).mean()))


def alone(*args) -> dict:
    """run() in a fresh process, so that no library meets another."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(run, *args).result()


def choose(name: str, dataset: str) -> tuple[dict, list]:
    """The settings with the lowest validation RMSE, and all that were tried."""
    contender, tried = CONTENDERS[name], []
    if not contender.grid:
        return contender.settings, []
    for values in itertools.product(*contender.grid.values()):
        settings = contender.settings | dict(zip(contender.grid, values, strict=True))
        watch = {"watch": True} if "epochs" in settings else {}
        found = alone(name, dataset, 0, settings | watch, True)["rmse"]
        best = int(np.argmin(found))
        if watch:
            settings["epochs"] = best + 1
        tried.append({"settings": settings, "valid_rmse": found[best]})
    return min(tried, key=lambda t: t["valid_rmse"])["settings"], tried


def measure(name: str, dataset: str) -> dict:
    """Search and all seeds of one contender."""
    settings, tried = choose(name, dataset)
    runs = {
        seed: alone(name, dataset, seed, settings, False) for seed in SEEDS[dataset]
    }
    first = [found["rmse"][0] for found in runs.values()]
    figures = {
        "advice": CONTENDERS[name].advice,
        "settings": settings,
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
    os.environ["TF_USE_LEGACY_KERAS"] = "1"  # for DeepCTR; processes inherit it
    kept = results.read("accuracy", dataset)
    figures = kept["figures"] if kept and names else {}
    for name in names or CONTENDERS:
        figures[name] = measure(name, dataset)
        out = results.write("accuracy", dataset, figures, seeds=SEEDS[dataset])
        print(line(name, figures[name]), flush=True)
    print(out)


def line(name: str, found: dict) -> str:
    """Name, mean RMSE, sd, and the ensemble's."""
    one, many = found["one_model"], found.get("ensemble")
    text = f"{name:24} {one['mean']:.4f}"
    text += f" ± {one['sd']:.4f}" if one["sd"] is not None else ""
    text += f"   ensemble {many['mean']:.4f}" if many else ""
    return f"{text}   {found['seconds_a_model']:.0f} s a model"


if __name__ == "__main__":
    main(*sys.argv[1:])
