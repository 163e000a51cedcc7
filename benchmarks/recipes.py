"""The settings of our DeepFM: best.PLAIN and best.RECIPES come from here.

    python -m benchmarks.recipes [ml-100k|ml-1m] [plain|histories] [trials] [--anew]

The first trial has the settings that helpers/best.py keeps, the others are drawn at
random from GRIDS. Each trains on the training rows of one split and is scored on its
validation rows; test rows take no part. Every trial is kept as soon as it is done: see
trials. The lowest validation RMSE is no result, since it was chosen: accuracy scores
the recipe on test rows.
"""

from benchmarks import results, search, trials
from helpers import best, datasets, fields, training

SPLIT_SEED = 0
GRIDS = {
    "plain": {
        "k": [8, 16, 32, 64],
        "units": [(32,), (64,), (64, 64), (128, 64)],
        "dropout": [0.0, 0.3, 0.5, 0.7],
        "l2": [0.02, 0.05, 0.08, 0.12],
        "epochs": [8, 12, 16, 24],
        "batch_size": [1024, 4096],
        "learning_rate": [3e-3, 1e-2, 3e-2],
    },
    "histories": {
        "k": [16, 32, 64],
        "units": [(32,), (64,), (64, 64)],
        "dropout": [0.0, 0.2, 0.3, 0.5],
        "l2": [0.02, 0.03, 0.04, 0.06],
        "epochs": [4, 6, 8],
        "batch_size": [1024, 8192],
        "learning_rate": [1e-3, 3e-3, 1e-2],
    },
}
OF_FIT = ("epochs", "batch_size", "learning_rate")


def kept(dataset: str, which: str) -> dict:
    """The settings of the recipe in helpers/best.py, by the names of GRIDS."""
    recipe = (best.PLAIN if which == "plain" else best.RECIPES)[dataset]
    return recipe.model | {name: recipe.fit[name] for name in OF_FIT}


def attempt(dataset: str, which: str, settings: dict) -> float:
    """Validation RMSE of one model with these settings."""
    model = {name: x for name, x in settings.items() if name not in OF_FIT}
    fit = {name: settings[name] for name in OF_FIT} | {"decay": True}
    split = best.split(datasets.load(dataset).joined(), SPLIT_SEED, refit=False)
    seen = fields.MOVIELENS if which == "plain" else best.FIELDS
    data = training.prepare(split, seen)  # its test rows are the validation rows
    trained = best.train(data, best.Recipe(model, fit), SPLIT_SEED)
    return training.evaluate(trained, data.test)["RMSE"]


def main(dataset: str = "ml-100k", which: str = "plain", n: str = "") -> None:
    """Make the trials, keep them, print them from the best to the worst."""
    n = n or str(search.TRIALS)
    if which not in GRIDS or dataset not in best.PLAIN or not n.isdecimal():
        raise SystemExit(f"Usage: {__doc__.splitlines()[2].strip()}")
    asked = [kept(dataset, which), *search.drawn(GRIDS[which], int(n) - 1)]
    alone = trials.Trials(f"recipes_{which}", dataset, len(asked)).alone
    tried = [
        {"settings": settings, "valid_rmse": alone(attempt, dataset, which, settings)}
        for settings in asked
    ]
    figures = {"recipe": tried[0], "drawn": tried[1:]}
    out = results.write(f"recipes_{which}", dataset, figures, seeds=[SPLIT_SEED])
    for trial in sorted(tried, key=lambda trial: trial["valid_rmse"]):
        mark = "  (helpers/best.py)" if trial is tried[0] else ""
        print(f"{trial['valid_rmse']:.4f}  {trial['settings']}{mark}")
    print(out)


if __name__ == "__main__":
    main(*trials.words())
