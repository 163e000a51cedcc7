"""Measure the bounds of the course: rerun notebooks with five seeds, keep mean and sd.

    python tools/measure_bounds.py ml-100k 02 03      # these notebooks, seeds 0-4

Every `checks.within(claim, value, bounds[key])` of a notebook is a measurement. This
runs the notebook once a seed, in a fresh kernel, with the line `SEED = 0` replaced and
without the sections in LEFT_OUT, which measure nothing. It writes helpers/bounds.json:
values, seeds, mean, sd, date, and low/high = mean -/+ 6 sd (at least 0.002). A bound
that does not exclude the baseline it claims to beat is an error.
"""

import argparse
import datetime
import json
import os
import re
import statistics
import sys
from pathlib import Path

import nbformat
from kernel import Client

ROOT = Path(__file__).resolve().parent.parent
BOUNDS = ROOT / "helpers" / "bounds.json"
SEEDS = range(5)
SEED_LINE = re.compile(r"^SEED = 0$", re.MULTILINE)
WIDTH, FLOOR = 6.0, 0.002

MOVIE_MEAN = """((
    data.test.rows.movie_id.map(data.train.rows.groupby("movie_id").rating.mean())
    .fillna(mean) - data.test.rows.rating) ** 2).mean() ** 0.5"""

#: key -> (what it claims to beat, the expression that gives it in the notebook)
BASELINES = {
    "02.first_order": ("mean of the movie", 'rmse["mean of the movie"]'),
    "03.fm": ("first order", 'scores["first order"].rmse'),
    "04.deep": ("first order", 'rmse["first order"]'),
    "05.deepfm": ("mean of the movie", MOVIE_MEAN),
    "05.var_first_order": ("a part that says nothing", "0"),
    "06.gain": ("no gain", "0"),
}
LEFT_OUT = (
    "The same by ridge regression",
    "What the weights say",
    "Time against the number of fields",
    "Planted weights, found again",
    "Planted interactions, found again",
    "What the vectors say",
    "Genre and age",
    "Ids alone: matrix factorisation",
    "What pairs cannot say",
    "What pairs say better",
    "The last layer is linear",
    "Capacity and dropout",
    "The parts compared",
    "Save, reload, recommend",
    "The original's number",
    "Three protocols",
    "What a user has rated",
    "Newcomers",
    "Contributions",
    "Rows to choose on",
    "What moves the needle",
    "The best DeepFM",
    "Beside others",
    "What we did not show",
    "Exercises",
)

RECORD = """
class _Keys(dict):
    def __missing__(self, key):
        return type("Key", (tuple,), {"key": key})((float("-inf"), float("inf")))
_measured = {}
_within = checks.within
def _record(claim, value, bound):
    if hasattr(bound, "key"):
        _measured[bound.key] = float(value)
    _within(claim, value, bound)
checks.within = _record
checks.load_bounds = lambda name: _Keys()
"""


def code_cells(notebook) -> list:
    """The code cells of all sections that are not left out."""
    code, heading = [], ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and cell.source.startswith("## "):
            heading = cell.source.splitlines()[0][3:]
        elif cell.cell_type == "code" and heading not in LEFT_OUT:
            code.append(cell)
    return code


def measure(path: Path, dataset: str, seed: int) -> tuple[dict, dict]:
    """Run one notebook with one seed: (key -> value, key -> baseline)."""
    notebook = nbformat.read(path, as_version=4)
    code = notebook.cells = code_cells(notebook)
    seeded = 0
    for cell in code:
        cell.source, found = SEED_LINE.subn(f"SEED = {seed}", cell.source)
        seeded += found
    if seeded != 1:
        sys.exit(f"{path.name}: one line `SEED = 0` is needed.")
    code[0].source += RECORD
    wanted = {k: e for k, (_, e) in BASELINES.items() if k.startswith(path.name[:2])}
    asked = ", ".join(f"{key!r}: float({e})" for key, e in wanted.items())
    last = f"import json\nprint(json.dumps([_measured, {{{asked}}}]))"
    notebook.cells.append(nbformat.v4.new_code_cell(last))
    os.environ |= {"MOVIELENS": dataset, "COURSE_SMALL": "1"}
    resources = {"metadata": {"path": str(path.parent)}}
    Client(notebook, resources=resources).execute()
    return tuple(json.loads(notebook.cells[-1].outputs[0]["text"]))


def main() -> None:
    """Measure the notebooks named on the command line and write the bounds file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=("ml-1m", "ml-100k"))
    parser.add_argument("notebooks", nargs="+", help="numbers, such as 02 05")
    arguments = parser.parse_args()
    for number in arguments.notebooks:
        (path,) = (ROOT / "notebooks").glob(f"{number}_*.ipynb")
        runs = []
        for seed in SEEDS:
            runs.append(measure(path, arguments.dataset, seed))
            print(path.stem, arguments.dataset, "seed", seed, runs[-1], flush=True)
        write(arguments.dataset, number, runs)


def summary(key: str, runs: list[tuple[dict, dict]]) -> dict:
    """The entry of one bound. Ends the program where the bound holds its baseline."""
    values = [measured[key] for measured, _ in runs]
    mean, sd = statistics.mean(values), statistics.stdev(values)
    width = max(WIDTH * sd, FLOOR)
    entry = {"low": mean - width, "high": mean + width, "mean": mean, "sd": sd}
    entry |= {"seeds": [*SEEDS], "values": values}
    if key in BASELINES:
        beaten = [baseline[key] for _, baseline in runs]
        entry["beats"] = {"name": BASELINES[key][0], "values": beaten}
        if any(entry["low"] <= value <= entry["high"] for value in beaten):
            sys.exit(f"{key}: the bound {entry} holds its baseline.")
    rounded = json.loads(json.dumps(entry), parse_float=lambda x: round(float(x), 6))
    return rounded | {"date": datetime.date.today().isoformat()}


def write(dataset: str, number: str, runs: list[tuple[dict, dict]]) -> None:
    """Replace the entries of one notebook and data set in the bounds file."""
    everything = json.loads(BOUNDS.read_text("utf-8")) if BOUNDS.exists() else {}
    kept = everything.get(dataset, {})
    entries = {k: v for k, v in kept.items() if not k.startswith(f"{number}.")}
    entries |= {key: summary(key, runs) for key in runs[0][0]}
    everything[dataset] = dict(sorted(entries.items()))
    text = json.dumps(dict(sorted(everything.items())), indent=1)
    text = re.sub(r"\[[^\[\]{}]*\]", lambda m: " ".join(m[0].split()), text)
    BOUNDS.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
