"""Measure the bounds of the course: rerun notebooks with five seeds, keep mean and sd.

    python tools/measure_bounds.py ml-100k 02 03      # these notebooks, seeds 0-4
    python tools/measure_bounds.py adult 10           # of another table

Every `checks.within(claim, value, bounds[key])` of a notebook is a measurement, which
the check itself writes down. This runs the notebook once a seed, in a fresh kernel, up
to its last bound, and writes helpers/bounds.json: values, seeds, mean, sd, date, and
low/high = mean -/+ 6 sd (at least 0.002). A bound that does not exclude what it `beats`
is an error.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat
from kernel import Client

ROOT = Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "helpers" / "bounds.json"
SEEDS = range(5)
WIDTH, FLOOR = 6.0, 0.002


def with_seed(path: Path, seed: int) -> nbformat.NotebookNode:
    """The code of a notebook up to its last bound, with its line `SEED = 0` set."""
    notebook = nbformat.read(path, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    held = [i for i, cell in enumerate(code) if "bounds[" in cell.source]
    if not held:
        sys.exit(f"{path.name} has no bound to measure.")
    notebook.cells = code[: held[-1] + 1]
    seeded = 0
    for cell in notebook.cells:
        lines = cell.source.splitlines()
        seeded += lines.count("SEED = 0")
        set_ = (f"SEED = {seed}" if line == "SEED = 0" else line for line in lines)
        cell.source = "\n".join(set_)
    if seeded != 1:
        sys.exit(f"{path.name}: one line `SEED = 0` is needed.")
    return notebook


def measure(path: Path, dataset: str, seed: int) -> dict[str, tuple[float, float]]:
    """Run one notebook with one seed: key -> (value, what it beats or None).

    A check that fails with this seed is printed, and the run goes on.
    """
    notebook = with_seed(path, seed)
    with tempfile.NamedTemporaryFile("r", encoding="utf-8") as record:
        os.environ |= {"MOVIELENS": dataset, "COURSE_SMALL": "1"}
        os.environ["COURSE_RECORD"] = record.name
        try:
            resources = {"metadata": {"path": str(path.parent)}}
            Client(notebook, resources=resources, allow_errors=True).execute()
        finally:
            del os.environ["COURSE_RECORD"]
        found = {key: tuple(rest) for key, *rest in map(json.loads, record)}
    for output in (output for cell in notebook.cells for output in cell.outputs):
        if output.output_type == "error":
            print(f"{path.name}, seed {seed}: {output.ename}: {output.evalue}")
    return found


def main() -> None:
    """Measure the notebooks named on the command line and write the bounds file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=("ml-1m", "ml-100k", "adult"))
    parser.add_argument("notebooks", nargs="+", help="numbers, such as 02 05")
    arguments = parser.parse_args()
    for number in arguments.notebooks:
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        runs = []
        for seed in SEEDS:
            runs.append(measure(path, arguments.dataset, seed))
            print(path.stem, arguments.dataset, "seed", seed, runs[-1], flush=True)
        write(arguments.dataset, number, runs)


def summary(key: str, runs: list[dict]) -> dict:
    """The entry of one bound. Ends the program where the bound holds what it beats."""
    missing = [seed for seed, run in zip(SEEDS, runs, strict=True) if key not in run]
    if missing:
        sys.exit(f"{key} was not reached with seeds {missing}.")
    values, beaten = zip(*(run[key] for run in runs), strict=True)
    mean, sd = statistics.mean(values), statistics.stdev(values)
    width = max(WIDTH * sd, FLOOR)
    entry = {"low": mean - width, "high": mean + width, "mean": mean, "sd": sd}
    entry |= {"seeds": [*SEEDS], "values": [*values]}
    if None not in beaten:
        entry["beats"] = {"values": [*beaten]}
        if any(entry["low"] <= value <= entry["high"] for value in beaten):
            sys.exit(f"{key}: the bound {entry} holds its baseline.")
    rounded = json.loads(json.dumps(entry), parse_float=lambda x: round(float(x), 6))
    return rounded | {"date": datetime.date.today().isoformat()}


def write(dataset: str, number: str, runs: list[dict]) -> None:
    """Replace the entries of one notebook and data set in the bounds file."""
    everything = json.loads(BOUNDS.read_text("utf-8")) if BOUNDS.exists() else {}
    kept = everything.get(dataset, {})
    entries = {k: v for k, v in kept.items() if not k.startswith(f"{number}.")}
    entries |= {key: summary(key, runs) for key in {k for run in runs for k in run}}
    everything[dataset] = dict(sorted(entries.items()))
    text = json.dumps(dict(sorted(everything.items())), indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda m: " ".join(m[0].split()), text)
    BOUNDS.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
