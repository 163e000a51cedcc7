"""Adult: pytorch-widedeep and DeepCTR, searched as ours are, on the same rows.

    python -m benchmarks.tables [contender ...] [--anew]

Rows, fields, splits, number of trials and rule are those of contest.py, so that its
scores and these stand beside each other. On each split settings are searched on the
training rows and chosen by the validation rows; what was chosen is asked about the test
rows once. With names only those are measured, and the others keep what they have. A
search that was stopped goes on after its last trial.

Beside it the job of a first day, from three CSV files to the scores of the test rows,
with the defaults of ours and of pytorch-widedeep: lines of code of jobs/, scores, and
seconds from start to end. In the end the lines of README that contest.py writes are
written anew, with these among them.
"""

import ast
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import clicks, results, table_rivals, trials
from benchmarks import contest as ours
from helpers import splits
from helpers.fields import FieldEncoder

ADULT = ours.ADULT
TARGET = ours.TARGETS[ADULT]
CONTENDERS = table_rivals.CONTENDERS
JOBS = Path(__file__).resolve().parent / "jobs"
FIRST_DAYS = ("ours", "widedeep")


def run(name: str, seed: int) -> dict:
    """Search one rival on one split, as contest.searched()."""
    return ours.searched(name, CONTENDERS[name], ADULT, seed, database())


def database() -> Path:
    """Where searches are kept that were not finished: for the rivals as they are."""
    code = hashlib.sha256(Path(table_rivals.__file__).read_bytes()).hexdigest()
    beside = ours.database(ADULT)
    return beside.with_name(f"{beside.stem}_{code[:12]}.db")


def measure(name: str, alone: Callable) -> dict:
    """All splits of one rival, as contest.measure(). alone: Trials.alone."""
    with _environment(name):
        return ours.measure(name, ADULT, lambda _, *args: alone(run, args[0], args[2]))


@contextmanager
def _environment(name: str) -> Iterator[None]:
    """Processes that start meanwhile have the environment that a rival needs."""
    before = dict(os.environ)
    os.environ.update(table_rivals.ENVIRONMENT.get(name, {}))
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# The job of a first day


def lines_of(source: str) -> int:
    """Lines that hold code: no blank ones, no comments, not the docstring."""
    tree = ast.parse(source)
    if ast.get_docstring(tree) is not None:
        tree.body.pop(0)
    held = {
        line for node in tree.body for line in range(node.lineno, node.end_lineno + 1)
    }
    written = source.splitlines()
    return sum(bool(written[n - 1].split("#")[0].strip()) for n in held)


def job(name: str, seed: int) -> dict:
    """Run one of jobs/ in a process of its own: scores and seconds, start included."""
    parts = splits.random_rows(ours.rows_of(ADULT), seed)
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{part}.csv" for part in parts._fields]
        columns = [*FieldEncoder(ours.FIELDS[ADULT]).columns, TARGET]
        for path, rows in zip(paths, parts, strict=True):
            rows[columns].to_csv(path, index=False)
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, JOBS / f"{name}.py", *paths],
            env=os.environ | {"PYTHONPATH": str(JOBS.parent.parent)},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"{name} failed:\n{done.stderr[-3000:]}")
    return {"scores": json.loads(done.stdout.splitlines()[-1]), "seconds": seconds}


def first_day(name: str, alone: Callable) -> dict:
    """Lines, and scores and seconds on all splits, of one of jobs/."""
    found = [alone(job, name, seed) for seed in ours.SEEDS]
    scores = [one["scores"] for one in found]
    return {
        "lines": lines_of((JOBS / f"{name}.py").read_text("utf-8")),
        "scores": clicks.summary(scores, ("log loss", "AUC")),
        "seconds": statistics.median(one["seconds"] for one in found),
    }


def main(*names: str) -> None:
    """Measure by name, keep what was found after each, print a line for each."""
    every_name = [*FIRST_DAYS, *CONTENDERS]
    if unknown := {*names} - {*every_name}:
        raise SystemExit(f"Unknown: {unknown}. There are: {every_name}.")
    kept = results.read("tables", ADULT)
    figures = kept["figures"] if kept and names else {}
    if trials.ANEW in sys.argv:
        database().unlink(missing_ok=True)
    names = names or (*every_name,)
    alone = trials.Trials("tables", ADULT, len(names) * len(ours.SEEDS)).alone
    for name in names:
        if name in FIRST_DAYS:
            figures[f"first day, {name}"] = first_day(name, alone)
        else:
            figures[name] = measure(name, alone)
        how = {"seeds": ours.SEEDS, "trials": ours.TRIALS}
        out = results.write("tables", ADULT, figures, **how)
    ours.write_tables()
    print(*lines(figures), out, sep="\n")


def lines(figures: dict) -> list[str]:
    """A line a name: means over the splits."""
    found = []
    for name, one in figures.items():
        if "lines" not in one:
            found.append(ours.line(name, one))
            continue
        means = " / ".join(f"{score['mean']:.4f}" for score in one["scores"].values())
        found.append(
            f"{name:20} {means}   {one['lines']} lines, {one['seconds']:.0f} s in all"
        )
    return found


if __name__ == "__main__":
    main(*trials.words())
