"""How far one process goes when rows stay in files.

    python -m benchmarks.scale [rows|speed|order|ids ...] [50000000 ...] [--anew]

rows: 10^5 to 10^7 synthetic rows in the shape of the Criteo logs, written as Parquet
files: seconds to learn the fields, to train one epoch and to score all rows, of the
clock and of all processors, memory at its peak, and the log loss of other rows beside
that of the FM that drew them. Whole numbers on the command line are the sizes, instead
of these: 50 million take hours, and 8 GiB of disk. speed: rows a second of training
from memory, from Parquet, and from pieces that were encoded once, in turns. order:
validation RMSE of ml-100k from sorted files, by how many rows are shuffled together.
ids: training from Parquet with a field that is hashed into up to 10^7 ids, by Adam and
by RowAdam: rows a second of the faster of two epochs after the first, and memory. Each
size, or seed, is a trial in a process of its own: see trials. The memory is its peak,
libraries included. Files are in build/scale while they are needed.
"""

import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import growth, results, trials, turns
from helpers import best, comparisons, datasets, synthetic
from helpers.fields import Categorical
from helpers.parquet import Parquet
from helpers.splits import Split

FOLDER = Path(__file__).resolve().parent.parent / "build" / "scale"
ROWS = [10**5, 10**6, 10**7]
GROUP, GROUPS_A_FILE = 50_000, 20
OTHERS = 10**5  # rows to judge by
MODEL = {"k": 8, "units": (64, 64)}
FIT = {"batch_size": 4096, "learning_rate": 1e-3}
OPTIMIZER = "Adam"
COSTS = ("cpu_learn", "cpu_train", "cpu_score", "peak_gib")
SPEED_ROWS, SPEED_EPOCHS, ROUNDS = 4 * 10**5, 3, 3
IDS, ID_ROWS = [10**5, 10**7], 10**5
OPTIMIZERS = ("Adam", "RowAdam")
SEEDS = range(5)
SORTED = ("user_id", "timestamp")
GROUP_OF_ORDER = 1000
BUFFERS = {"all rows": 10**6, "a quarter": 20_000, "a group": 1}


def write(folder: Path, n: int, seed: int) -> None:
    """n rows of synthetic.clicks() as Parquet files of at most a million rows."""
    truth = synthetic.click_truth()
    folder.mkdir(parents=True)
    groups = range(-(-n // GROUP))
    for first in groups[::GROUPS_A_FILE]:
        writer = None
        for group in groups[first : first + GROUPS_A_FILE]:
            size = min(GROUP, n - group * GROUP)
            rows = synthetic.clicks(truth, size, seed=seed + group)
            table = pa.Table.from_pandas(rows, preserve_index=False)
            if writer is None:
                path = folder / f"{first // GROUPS_A_FILE:04}.parquet"
                writer = pq.ParquetWriter(path, table.schema)
            writer.write_table(table)
        writer.close()


@contextmanager
def written(n: int) -> Iterator[Path]:
    """A folder with n rows in "train", others in "others"; it is gone afterwards."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    try:
        turns.alone(write, FOLDER / "train", n, 0)
        turns.alone(write, FOLDER / "others", OTHERS, 10**9)
        yield FOLDER
    finally:
        shutil.rmtree(FOLDER, ignore_errors=True)


def split_of(folder: Path) -> Split:
    """The files of written(): train, and the others to validate and to test."""
    others = Parquet(folder / "others")
    return Split(Parquet(folder / "train"), others, others)


def through(n: int, optimizer: str = OPTIMIZER) -> dict:
    """Learn the fields of n rows in files, train one epoch on them, and score them."""
    with written(n) as folder:
        return all_of(folder, optimizer)


def all_of(folder: Path, optimizer: str) -> dict:
    """What each step costs on the files of written(), and scores.

    Seconds by the clock, and as cpu_ those of all processors, which other programs on
    the machine do not add to.
    """
    from helpers import optimizers, training

    split = split_of(folder)
    found: dict = {}
    start = time.perf_counter(), time.process_time()

    def lap(name: str) -> None:
        nonlocal start
        now = time.perf_counter(), time.process_time()
        found[name], found[f"cpu_{name}"] = now[0] - start[0], now[1] - start[1]
        found[f"gib_after_{name}"] = growth.gib()
        start = now

    lap("start")
    data = training.prepare(split, synthetic.CLICK_FIELDS, synthetic.CLICK)
    lap("learn")
    model = training.build(data, MODEL)
    how = FIT | {"optimizer": getattr(optimizers, optimizer)}
    training.fit(model, data.train, epochs=1, **how)
    lap("train")
    scored = folder / "scored.parquet"
    score(model, data.train, scored)
    lap("score")
    found["peak_gib"] = growth.gib()
    found["rows"] = pq.read_metadata(scored).num_rows
    found["others"] = training.evaluate(model, data.test)
    found["truth"] = of_truth(split.test)
    found["parameters"] = model.count_params()
    found["file_bytes"] = sum(p.stat().st_size for p in (folder / "train").iterdir())
    return found


def score(model, rows, path: Path) -> None:
    """Answers for all rows of files into one: file, row, probability."""
    from helpers import training

    schema = pa.schema(
        {"file": pa.string(), "row": pa.int64(), "probability": pa.float32()}
    )
    with pq.ParquetWriter(path, schema) as writer:
        for group, (x, _) in zip(rows.files.groups, rows.pieces(), strict=True):
            answers = training.predict(model, x, rows.target)[:, 0].astype("float32")
            places = np.arange(group.first, group.first + group.rows)
            names = [group.path.name] * group.rows
            writer.write_table(pa.table([names, places, answers], schema))


def of_truth(rows: Parquet) -> dict[str, float]:
    """Scores of the FM that drew the rows: what no model can be better than."""
    columns = synthetic.CLICK.column, "log-odds"
    frames = [*Parquet(rows.path, columns)]
    click, log_odds = (np.concatenate([f[name] for f in frames]) for name in columns)
    return synthetic.CLICK.scores(synthetic.CLICK.answer(log_odds), click)


def grow(alone: Callable, sizes: list[int], found: dict) -> dict:
    """All sizes; found: what was kept of others. Slopes are of the last two sizes."""
    found = {name: cost for name, cost in found.items() if name.isdigit()}
    for n in sizes:
        found[str(n)] = alone(through, n)
        print(f"{n:>10,} rows {found[str(n)]}", flush=True)
    sizes = sorted(map(int, found))
    found = {str(n): found[str(n)] for n in sizes}
    if len(sizes) > 1:
        for key in COSTS:
            costs = [found[str(n)][key] for n in sizes]
            found[f"slope_{key}"] = growth.slope(sizes, costs)
    return found


def in_turns(rounds: int) -> dict:
    """Rows a second from memory, from Parquet, and from kept pieces.

    A round has a training of each; of its epochs the first is compiled, and not
    counted. -> name -> rows a second, a number a round
    """
    from helpers import training

    with written(SPEED_ROWS) as folder:
        split = split_of(folder)
        data = training.prepare(split, synthetic.CLICK_FIELDS, synthetic.CLICK)
        together = pd.concat(split.train, ignore_index=True)
        ways = {
            "memory": training.encode(data.encoder, data.target, together),
            "parquet": data.train,
            "kept pieces": data.train.kept(folder / "kept"),
        }
        found: dict[str, list] = {name: [] for name in ways}
        for _ in range(rounds):
            for name, rows in ways.items():
                seconds = epochs(training.build(data, MODEL), rows)
                found[name].append(len(together) / statistics.median(seconds[1:]))
    return found


def with_ids(ids: int, optimizer: str) -> dict:
    """Rows a second from Parquet, with one hashed field of so many ids, and memory."""
    from helpers import models, optimizers, training

    rng = np.random.default_rng(0)
    rows = pd.DataFrame({"page": rng.integers(10 * ids, size=ID_ROWS)})
    rows["click"] = rng.integers(2, size=ID_ROWS)
    kinds = {"page": Categorical(buckets=ids)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        rows.to_parquet(path, index=False, row_group_size=GROUP)
        files = Parquet(path)
        data = training.prepare(Split(files, files, files), kinds, synthetic.CLICK)
        model = models.deepfm(data.encoder.specs, **MODEL, seed=0)
        how = {"optimizer": getattr(optimizers, optimizer)}
        seconds = epochs(model, data.train, **how)
    fastest = min(seconds[1:])
    return {"rows_a_second": ID_ROWS / fastest, "peak_gib": growth.gib()}


def grow_ids(alone: Callable) -> dict:
    """with_ids() for all IDS and OPTIMIZERS, and how much slower the last size is."""
    found: dict = {}
    for name in OPTIMIZERS:
        found[name] = {str(ids): alone(with_ids, ids, name) for ids in IDS}
        rates = [found[name][str(ids)]["rows_a_second"] for ids in IDS]
        found[name]["first_by_last"] = rates[0] / rates[-1]
        print(name, found[name], flush=True)
    return found


def epochs(model, rows, **how) -> list[float]:
    """Seconds of each epoch of a training."""
    import keras

    from helpers import training

    begun, ended = [], []
    clock = keras.callbacks.LambdaCallback(
        on_epoch_begin=lambda epoch, logs: begun.append(time.perf_counter()),
        on_epoch_end=lambda epoch, logs: ended.append(time.perf_counter()),
    )
    how = FIT | how
    training.fit(model, rows, epochs=SPEED_EPOCHS, callbacks=[clock], **how)
    return [end - begin for begin, end in zip(begun, ended, strict=True)]


def compare_speed(alone: Callable) -> dict:
    """Rows a second in turns, and their ratios to those from memory, round by round."""
    found = {"rows_a_second": alone(in_turns, ROUNDS)}
    for name, rates in found["rows_a_second"].items():
        pairs = zip(rates, found["rows_a_second"]["memory"], strict=True)
        found[f"{name} / memory"] = turns.quartiles([a / b for a, b in pairs])
    print(found, flush=True)
    return found


def by_order(seed: int, column: str) -> dict[str, float]:
    """Validation RMSE of ml-100k, the training file sorted by a column.

    from memory: all rows shuffled together, as the course does it
    """
    from helpers import training

    rows = datasets.load("ml-100k").joined()
    split = best.split(rows, seed, refit=False)
    recipe = best.PLAIN["ml-100k"]
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sorted.parquet"
        split.train.sort_values(column, kind="stable").to_parquet(
            path, index=False, row_group_size=GROUP_OF_ORDER
        )
        data = training.prepare(split)
        streamed = training.encode(data.encoder, data.target, Parquet(path))
        ways = {"from memory": (data.train, 1)}
        ways |= {name: (streamed, buffer) for name, buffer in BUFFERS.items()}
        for name, (train, buffer) in ways.items():
            model = training.build(data, recipe.model, seed)
            training.fit(model, train, **recipe.fit, buffer=buffer, seed=seed)
            found[name] = training.evaluate(model, data.test)["RMSE"]
    return found


def compare_order(alone: Callable) -> dict:
    """by_order() for all SEEDS and SORTED, and what each buffer costs."""
    found = {}
    for column in SORTED:
        each = [alone(by_order, seed, column) for seed in SEEDS]
        rmse = {name: [scores[name] for scores in each] for name in each[0]}
        pairs = [(name, "from memory") for name in BUFFERS]
        differences = comparisons.compare(rmse, pairs, test_to_train=1 / 8)
        found[column] = {
            "valid_rmse": rmse,
            "minus_from_memory": differences.reset_index().to_dict("records"),
        }
        print(column, found[column], flush=True)
    return found


def main(*words: str) -> None:
    """Measure what is named, or all, and keep it; the rest stays as it was."""
    sizes = [int(word) for word in words if word.isdigit()] or ROWS
    names = [word for word in words if not word.isdigit()]
    kept = results.read("scale", "synthetic")
    figures = kept["figures"] if kept else {}
    names = names or (["rows"] if words else [*WHAT])
    counts = {"rows": len(sizes), "speed": 1, "order": len(SORTED) * len(SEEDS)}
    counts["ids"] = len(IDS) * len(OPTIMIZERS)
    total = sum(counts[name] for name in names)
    alone = trials.Trials("scale", "synthetic", total).alone
    for name in names:
        if name == "rows":
            for n in sizes:  # kept after each
                figures["rows"] = grow(alone, [n], figures.get("rows", {}))
                keep(figures)
        else:
            figures[name] = WHAT[name](alone)
            keep(figures)


def keep(figures: dict) -> None:
    """Write what there is so far."""
    settings = {"model": MODEL, "fit": FIT, "optimizer": OPTIMIZER, "group": GROUP}
    print(results.write("scale", "synthetic", figures, **settings), flush=True)


WHAT = {
    "rows": grow,
    "speed": compare_speed,
    "order": compare_order,
    "ids": grow_ids,
}

if __name__ == "__main__":
    main(*trials.words())
