"""The settings of our lists of ml-1m: its recipe in best.LISTS comes from here.

    python -m benchmarks.list_recipes [ml-1m|ml-100k] [trials] [--anew]

The first trial has the settings that helpers/best.py has then, the others are drawn at
random from GRID. Each trains on a part of the training rows of benchmarks.lists, and is
scored by its lists of ten on the rest of them; test rows take no part. Every trial is
kept as soon as it is done: see trials. The highest score is no result, since it was
chosen: lists scores the recipe on test rows.
"""

import pandas as pd

from benchmarks import lists, results, search, trials
from helpers import best, datasets, splits
from helpers.predictor import Predictor

SEED = 0
GRID = {
    "k": [32, 64, 128],
    "l2": [0.001, 0.0025, 0.005, 0.01],
    "negatives": [4, 8],
    "epochs": [3, 6, 10, 16],
    "batch_size": [4096, 8192, 16384],
    "learning_rate": [2e-3, 5e-3, 1e-2],
}
OF_FIT = ("epochs", "batch_size", "learning_rate")


def kept(dataset: str) -> dict:
    """The settings in helpers/best.py, by the names of GRID."""
    recipe, target = best.LISTS[dataset], best.LISTS_TARGET[dataset]
    own = {name: recipe.model[name] for name in ("k", "l2")}
    fit = {name: recipe.fit[name] for name in OF_FIT}
    return own | {"negatives": target.negatives} | fit


def split_of(dataset: str, rows: pd.DataFrame) -> splits.Split:
    """Training rows and, in the place of test rows, those to choose by."""
    if dataset == "ml-100k":
        train, valid, _ = splits.mcrec(rows, SEED)
        return splits.Split(train, valid[:0], valid)
    return splits.of_each_user(lists.split_of(dataset, rows).train, SEED)


def attempt(dataset: str, settings: dict) -> dict:
    """Scores on validation rows of the lists of one model with these settings."""
    sets = datasets.load(dataset)
    split = split_of(dataset, sets.joined())
    model = {"k": settings["k"], "l2": settings["l2"]}
    fit = {name: settings[name] for name in OF_FIT} | {"decay": True}
    target = best.chosen(settings["negatives"])
    made = Predictor.train(split, best.CHOSEN, target, best.FM | model, fit, SEED)
    found = lists.judged(made, split, sets, lists.table(split.test, sets))
    return found | {"device": results.device()}


def main(dataset: str = "ml-1m", n: str = "") -> None:
    """Make the trials, keep them, print them from the best to the worst."""
    n = n or str(search.TRIALS)
    if dataset not in best.LISTS or not n.isdecimal():
        raise SystemExit(f"Usage: {__doc__.splitlines()[2].strip()}")
    asked = [kept(dataset), *search.drawn(GRID, int(n) - 1)]
    alone = trials.Trials("list_recipes", dataset, len(asked)).alone
    tried = [
        {"settings": settings, "valid": alone(attempt, dataset, settings)}
        for settings in asked
    ]
    figures = {"recipe": tried[0], "drawn": tried[1:]}
    out = results.write("list_recipes", dataset, figures, seeds=[SEED])
    for trial in sorted(tried, key=lambda trial: -trial["valid"][lists.SCORE]):
        mark = "  (helpers/best.py)" if trial is tried[0] else ""
        print(f"{trial['valid'][lists.SCORE]:.4f}  {trial['settings']}{mark}")
    print(out)


if __name__ == "__main__":
    main(*trials.words())
