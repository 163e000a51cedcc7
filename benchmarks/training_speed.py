"""Seconds an epoch: our DeepFM, DeepCTR's, a plain one in PyTorch, and the floor.

    python -m benchmarks.training_speed [ml-100k|ml-1m] [rounds]

All train on the same rows with the same fields, k, MLP, batch size, loss and Adam. The
parameters differ by what is explained in the table: DeepCTR gives a numeric field no
embedding, so it enters neither the FM nor, but as one number, the MLP. ours_jax is ours
on Keras' JAX backend. The floor is what floor.py leaves of an epoch.
"""

import sys

from benchmarks import results, turns
from helpers import datasets, training

OURS, RIVALS = ("ours", "ours_jax"), ("deepctr", "pytorch")
FLOOR = "floor"
SPLIT_SEED = 0


def main(dataset: str = "ml-100k", rounds: int = 15) -> None:
    """Measure, keep and print."""
    data = training.prepare(datasets.load(dataset).joined(), SPLIT_SEED)
    runs = turns.race(data, [*OURS, *RIVALS, FLOOR], rounds)
    k, units = turns.SETTINGS["k"], turns.SETTINGS["units"]
    numeric = sum(s.kind == "numeric" for s in data.encoder.specs)
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
    figures["explained"] = {"deepctr": numeric * (k + (k - 1) * units[0]), "pytorch": 0}
    out = results.write(
        "training_speed",
        dataset,
        figures,
        rounds=rounds,
        rows=len(data.train.y),
        split_seed=SPLIT_SEED,
        **turns.SETTINGS,
    )
    show(figures)
    print(out)


def show(figures: dict) -> None:
    """The table."""
    print(
        "           s an epoch (middle half)  / ours (middle half)  / ours_jax"
        "   parameters  RMSE"
    )
    for name in (*OURS, *RIVALS, FLOOR):
        f = figures[name]
        s, r = f["seconds"], [f.get(f"times_{own}") for own in OURS]
        rmse = f["last_train_rmse"] or float("nan")
        ratios = [f"{t['median']:.2f} ({t['low']:.2f}-{t['high']:.2f})" for t in r if t]
        ratio, on_jax = ratios or ("", "")
        print(
            f"{name:10} {s['median']:7.3f} ({s['low']:.3f}-{s['high']:.3f})"
            f"  {ratio:>19} {on_jax:>19}  {f['parameters']:>9,}  {rmse:.3f}"
        )
    r = figures[FLOOR]["ours_times_floor"]
    print(f"ours / floor: {r['median']:.2f} ({r['low']:.2f}-{r['high']:.2f})")
    for name, count in figures["explained"].items():
        missing = figures[name]["parameters_missing"]
        print(f"{name}: {missing} parameters fewer than ours, {count} explained")


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
