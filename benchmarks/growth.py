"""How cost grows: with rows, and with the ids of one field.

    python -m benchmarks.growth [rows|ids|accuracy ...] [--anew]

rows: 10^4 to 10^7 random rows in ml-1m's shape: seconds to encode, seconds an epoch,
peak memory. ids: a step of 2,048 rows with 10^4 to 10^7 ids in one field, by Keras'
Adam, ours and RowAdam. accuracy: the DeepFM of notebook 05 on the validation rows of
ml-100k by Adam and by RowAdam, whose rate is chosen on seed 0. Each size is a trial in
a process of its own: see trials. The memory is its peak, libraries included.
"""

import resource
import time
from collections.abc import Callable

import numpy as np
import pandas as pd

from benchmarks import results, trials, turns
from helpers import comparisons
from helpers.fields import CATEGORICAL, FIRST, FieldSpec
from helpers.splits import Split

ROWS = [10**4, 10**5, 10**6, 10**7]
IDS = [10**4, 10**5, 10**6, 10**7]
BATCH, K, UNITS = 2048, 16, (64, 64)
STEPS = 30
SET = "ml-100k"  # of accuracy
SEEDS, RATES = range(5), (0.005, 0.01, 0.02)
OPTIMIZERS = ("keras.Adam", "Adam", "RowAdam")


def gib() -> float:
    """Peak memory of this process."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def like_ml_1m(n: int) -> pd.DataFrame:
    """Random rows with as many users, movies, genres and years as ml-1m has."""
    rng = np.random.default_rng(0)
    genres = [tuple(rng.choice(18, rng.integers(1, 4), False)) for _ in range(300)]
    lists = np.empty(300, object)
    lists[:] = genres
    movie, user = rng.integers(0, 3706, n), rng.integers(0, 6040, n)
    return pd.DataFrame(
        {
            "user_id": user,
            "movie_id": movie,
            "gender": np.array(["F", "M"], object)[user % 2],
            "age": user % 7,
            "occupation": user % 21,
            "genres": lists[movie % 300],
            "year": 1920.0 + movie % 80,
            "rating": rng.integers(1, 6, n).astype("float32"),
        }
    )


def with_rows(n: int) -> dict:
    """Seconds to encode n rows, seconds an epoch of them, and memory."""
    from helpers import models, training

    rows = like_ml_1m(n)
    start = time.perf_counter()
    data = training.prepare(Split(rows, rows[:0], rows[:0]))
    encode = time.perf_counter() - start
    seconds = []
    more = max(1, min(50, 10**6 // n))
    for epochs in (1, 1 + more):  # the first is compiled, so it is taken off
        model = models.deepfm(
            data.encoder.specs, K, UNITS, intercept=data.target.intercept, seed=0
        )
        how = {"epochs": epochs, "batch_size": BATCH}
        seconds.append(training.fit(model, data.train, **how).seconds)
    epoch = (seconds[1] - seconds[0]) / more
    return {"encode": encode, "epoch": epoch, "peak_gib": gib()}


def with_ids(n: int, optimizer: str) -> dict:
    """Milliseconds a step with n ids in one field, and memory."""
    import keras
    import tensorflow as tf

    from helpers import models, optimizers

    specs = [FieldSpec("a", CATEGORICAL, n), FieldSpec("b", CATEGORICAL, 1000)]
    model = models.deepfm(specs, K, UNITS, seed=0)
    kind = keras.optimizers.Adam if "." in optimizer else getattr(optimizers, optimizer)
    steps = kind(1e-3)
    steps.build(model.trainable_variables)
    weights = [w.value for w in model.trainable_variables]
    rng = np.random.default_rng(0)
    batches = [
        {
            s.name: tf.constant(rng.integers(FIRST, s.size, (BATCH, 1), "int32"))
            for s in specs
        }
        for _ in range(8)
    ]

    @tf.function(reduce_retracing=True)
    def step(x):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - 3.0) ** 2)
        steps.apply(tape.gradient(loss, weights), model.trainable_variables)

    step(batches[0])
    seconds = []
    for i in range(STEPS):
        start = time.perf_counter()
        step(batches[i % 8])
        seconds.append(time.perf_counter() - start)
    return turns.quartiles([1000 * s for s in seconds]) | {"peak_gib": gib()}


def accuracy(optimizer: str, rate: float, seed: int) -> float:
    """Validation RMSE on SET of the DeepFM of notebook 05."""
    from helpers import best, datasets, optimizers, training

    split = best.split(datasets.load(SET).joined(), seed, refit=False)
    recipe = best.PLAIN[SET]
    how = {"optimizer": getattr(optimizers, optimizer), "learning_rate": rate}
    recipe = recipe._replace(fit=recipe.fit | how)
    data = training.prepare(split)
    return training.evaluate(best.train(data, recipe, seed), data.test)["RMSE"]


def slope(sizes: list[int], costs: list[float]) -> float:
    """Of the last two points on log axes: 1 is proportional, 0 is constant."""
    return float(np.diff(np.log(costs[-2:]))[0] / np.diff(np.log(sizes[-2:]))[0])


def grow_rows(alone: Callable) -> dict:
    """All sizes of ROWS."""
    found = {}
    for n in ROWS:
        found[str(n)] = alone(with_rows, n)
        print(f"{n:>10,} rows {found[str(n)]}", flush=True)
    for key in ("encode", "epoch", "peak_gib"):
        found[f"slope_{key}"] = slope(ROWS, [found[str(n)][key] for n in ROWS])
    return found


def grow_ids(alone: Callable) -> dict:
    """All sizes of IDS by all OPTIMIZERS, in turn."""
    found = {name: {} for name in OPTIMIZERS}
    for n in IDS:
        for name in OPTIMIZERS:
            found[name][str(n)] = alone(with_ids, n, name)
            print(f"{n:>10,} ids {name:10} {found[name][str(n)]}", flush=True)
    for sizes in found.values():
        medians = [sizes[str(n)]["median"] for n in IDS]
        sizes["slope"] = slope(IDS, medians)
        sizes["last_by_first"] = medians[-1] / medians[0]
    return found


def compare_accuracy(alone: Callable, seeds=SEEDS, rates=RATES) -> dict:
    """Adam and RowAdam on the same splits, each with its best rate on seed 0."""
    found = {}
    for name in OPTIMIZERS[1:]:
        tried = {rate: alone(accuracy, name, rate, 0) for rate in rates}
        rate = min(tried, key=tried.get)
        others = [alone(accuracy, name, rate, seed) for seed in seeds if seed]
        rmse = [tried[rate], *others]
        found[name] = {"rate": rate, "tried": [*tried.items()], "valid_rmse": rmse}
        print(name, found[name], flush=True)
    found["row_minus_adam"] = row_minus_adam(found)
    print(found["row_minus_adam"])
    return found


def row_minus_adam(found: dict) -> dict:
    """What comparisons.compare() says of them on validation rows.

    found: valid_rmse of either, a number a split, trained on eight times as many rows
    """
    rmse = {name: found[name]["valid_rmse"] for name in ("Adam", "RowAdam")}
    pairs = [("RowAdam", "Adam")]
    (row,) = comparisons.compare(rmse, pairs, test_to_train=1 / 8).to_dict("records")
    return row


WHAT = {"rows": grow_rows, "ids": grow_ids, "accuracy": compare_accuracy}
COUNTS = {
    "rows": len(ROWS),
    "ids": len(IDS) * len(OPTIMIZERS),
    "accuracy": 2 * (len(RATES) + len(SEEDS) - 1),
}


def main(*names: str) -> None:
    """Measure what is named, or all, and keep it; the rest stays as it was."""
    kept = results.read("growth", "synthetic")
    figures = kept["figures"] if kept and names else {}
    names = names or (*WHAT,)
    total = sum(COUNTS[name] for name in names)
    alone = trials.Trials("growth", "synthetic", total).alone
    for name in names:
        figures[name] = WHAT[name](alone)
        settings = {"batch": BATCH, "k": K, "units": UNITS, "steps": STEPS}
        out = results.write("growth", "synthetic", figures, **settings)
    print(out)


if __name__ == "__main__":
    main(*trials.words())
