"""Seconds an epoch: our DeepFM, DeepCTR's, a plain one in PyTorch, and the floor.

    python -m benchmarks.training_speed [ml-100k|ml-1m] [rounds] [--anew]

All train on the same rows with the same fields, k, MLP, batch size, loss and Adam. The
parameters differ by what is explained in the table: DeepCTR gives a numeric field no
embedding, so it enters neither the FM nor, but as one number, the MLP. ours_jax is ours
on Keras' JAX backend. The floor is what floor.py leaves of an epoch.
"""

from benchmarks import results, trials, turns
from helpers import datasets, splits, training
from helpers.fields import NUMERIC

OURS, RIVALS = ("ours", "ours_jax"), ("deepctr", "pytorch")
FLOOR = "floor"
SPLIT_SEED = 0


def main(dataset: str = "ml-100k", rounds: int = 15) -> None:
    """Measure, keep and print. The race is one trial: see trials."""
    alone = trials.Trials("training_speed", dataset, 1).alone
    figures, rows = alone(run, dataset, rounds)
    out = results.write(
        "training_speed",
        dataset,
        figures,
        rounds=rounds,
        rows=rows,
        split_seed=SPLIT_SEED,
        **turns.SETTINGS,
    )
    show(figures)
    print(out)


def run(dataset: str, rounds: int) -> tuple[dict, int]:
    """The race of all contenders: what compared() says of it, and training rows."""
    rows = datasets.load(dataset).joined()
    data = training.prepare(splits.random_rows(rows, SPLIT_SEED))
    runs = turns.race(data, [*OURS, *RIVALS, FLOOR], rounds)
    return compared(runs, data.encoder.specs), len(data.train.y)


def compared(runs: dict[str, dict], specs) -> dict:
    """What turns.race() gave, as quartiles, and as times ours, round by round."""
    figures = {
        name: {
            "parameters": run["parameters"],
            "first_epoch": run["first_epoch"],
            "seconds": turns.quartiles(run["seconds"]),
            "cpu_seconds": turns.quartiles(run["cpu_seconds"]),
            "last_train_rmse": run["rmse"][-1],
            "rounds": run["seconds"],
        }
        for name, run in runs.items()
    }
    for name in RIVALS:
        for own in OURS:
            times = turns.ratios(runs, name, own)
            figures[name][f"times_{own}"] = times
            cpu_times = turns.ratios(runs, name, own, "cpu_seconds")
            figures[name][f"cpu_times_{own}"] = cpu_times
        missing = runs["ours"]["parameters"] - runs[name]["parameters"]
        figures[name]["parameters_missing"] = missing
    figures[FLOOR]["ours_times_floor"] = turns.ratios(runs, "ours", FLOOR)
    k, units = turns.SETTINGS["k"], turns.SETTINGS["units"]
    numeric = sum(s.kind == NUMERIC for s in specs)
    figures["explained"] = {"deepctr": numeric * (k + (k - 1) * units[0]), "pytorch": 0}
    return figures


def show(figures: dict) -> None:
    """The table. In brackets is the middle half of the rounds."""
    print(row("", "s an epoch", "/ ours", "/ ours_jax", "parameters", "RMSE"))
    for name in (*OURS, *RIVALS, FLOOR):
        f = figures[name]
        times = [f.get(f"times_{own}") for own in OURS]
        rmse = f["last_train_rmse"]
        print(
            row(
                name,
                spread(f["seconds"], 3),
                *(spread(found, 2) if found else "" for found in times),
                f"{f['parameters']:,}",
                f"{rmse:.3f}" if rmse else "-",
            )
        )
    print(f"ours / floor: {spread(figures[FLOOR]['ours_times_floor'], 2)}")
    for name, count in figures["explained"].items():
        missing = figures[name]["parameters_missing"]
        print(f"{name}: {missing} parameters fewer than ours, {count} explained")


def row(
    name: str, seconds: str, ours: str, jax: str, parameters: str, rmse: str
) -> str:
    """A line of the table."""
    return f"{name:8} {seconds:>22} {ours:>18} {jax:>18} {parameters:>10} {rmse:>6}"


def spread(found: dict[str, float], digits: int) -> str:
    """Median and middle half, with so many digits."""
    median, low, high = (f"{found[k]:.{digits}f}" for k in ("median", "low", "high"))
    return f"{median} ({low}-{high})"


if __name__ == "__main__":
    dataset, rounds = trials.words()[:1], trials.words()[1:]
    main(*dataset, *map(int, rounds))
