"""tools/measure_bounds.py: what it runs, what it measures, what it writes."""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path

import measure_bounds
import nbformat
import pytest
from measure_bounds import BOUNDS, measure, with_seed, write
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import checks

ROOT = Path(__file__).resolve().parent.parent
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))


def book(path: Path, *cells: str) -> Path:
    """A notebook: a cell that starts with a # is text."""
    new = {True: new_markdown_cell, False: new_code_cell}
    cells = [new[c.startswith("#")](c) for c in cells]
    nbformat.write(new_notebook(cells=cells), path)
    return path


# What runs and is measured ----------------------------------------------------------

SETUP = f"import os, sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom helpers import checks"
SEEDED = 'SEED = 0\nNOT_SEED = 0\nbounds = checks.load_bounds("ml-1m")'
MEASURED = """\
checks.within("a", 10 + SEED + NOT_SEED, bounds["02.first_order"], beats=3)
checks.within("c", 1, bounds["02.other"])
assert (os.environ["MOVIELENS"], os.environ["COURSE_SMALL"]) == ("ml-1m", "1")
assert os.path.exists("here")"""


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """Variables that measure() sets are as before after the test."""
    monkeypatch.setenv("MOVIELENS", "ml-100k")
    monkeypatch.setenv("COURSE_SMALL", "0")
    (tmp_path / "here").touch()
    return tmp_path


def test_a_notebook_is_measured_with_a_seed_up_to_its_last_bound(surroundings, capsys):
    cells = (SETUP, SEEDED, "# Text", MEASURED, "raise SystemExit('too far')")
    path = book(surroundings / "02_x.ipynb", *cells)
    before = path.read_bytes()
    assert measure(path, "ml-1m", 3) == {
        "02.first_order": (13.0, 3.0),
        "02.other": (1.0, None),
    }
    assert capsys.readouterr().out == ""
    assert path.read_bytes() == before
    assert "COURSE_RECORD" not in os.environ


def test_a_check_that_fails_with_a_seed_is_told_and_stops_nothing(surroundings, capsys):
    fails = 'checks.within("b", 7, (4, 6))'
    path = book(surroundings / "02_x.ipynb", SETUP, SEEDED, fails, MEASURED)
    assert {*measure(path, "ml-1m", 1)} == {"02.first_order", "02.other"}
    said = "02_x.ipynb, seed 1: AssertionError: fails: b\n7 is outside [4, 6]\n"
    assert capsys.readouterr().out == said


@pytest.mark.parametrize(
    "cells",
    [
        ["1"],
        ["SEED = 0", "SEED = 0"],
        ["SEED = 00"],
        ["SEED = 0  # comment"],
        ["SEED = 0\nx = 1\nSEED = 0"],
        ["OTHER_SEED = 0", " SEED = 0"],
    ],
)
def test_the_seed_is_set_in_exactly_one_place(tmp_path, cells):
    with pytest.raises(SystemExit) as ended:
        with_seed(book(tmp_path / "02_x.ipynb", *cells, 'bounds["x"]'), 0)
    assert ended.value.code == "02_x.ipynb: one line `SEED = 0` is needed."


def test_a_notebook_without_a_bound_is_refused(tmp_path):
    with pytest.raises(SystemExit) as ended:
        with_seed(book(tmp_path / "02_x.ipynb", "SEED = 0"), 0)
    assert ended.value.code == "02_x.ipynb has no bound to measure."


@pytest.mark.parametrize("path", COURSE, ids=lambda path: path.stem)
def test_every_notebook_with_a_bound_can_be_given_a_seed(path):
    notebook = nbformat.read(path, as_version=4)
    source = "\n".join(cell.source for cell in notebook.cells)
    if "bounds[" in source:
        found = "\n".join(cell.source for cell in with_seed(path, 7).cells)
        assert found.splitlines().count("SEED = 7") == 1
        assert found.count("bounds[") == source.count("bounds[")


# What is written --------------------------------------------------------------------


@pytest.fixture
def bounds(tmp_path, monkeypatch):
    path = tmp_path / "bounds.json"
    monkeypatch.setattr(measure_bounds, "BOUNDS", path)
    return path


def runs(key: str, values: list[float], beaten: list) -> list[dict]:
    return [{key: pair} for pair in zip(values, beaten, strict=True)]


VALUES = [0.90, 0.91, 0.92, 0.93, 0.94]  # sd 0.0158, so the bound is 0.825 to 1.015
BEATEN = [1.1, 1.2, 1.3, 1.4, 1.5]


def test_a_bound_is_six_deviations_wide(bounds):
    write("ml-1m", "03", runs("03.fm", VALUES, BEATEN))
    assert json.loads(bounds.read_text("utf-8")) == {
        "ml-1m": {
            "03.fm": {
                "low": 0.825132,
                "high": 1.014868,
                "mean": 0.92,
                "sd": 0.015811,
                "seeds": [0, 1, 2, 3, 4],
                "values": VALUES,
                "beats": {"values": BEATEN},
                "date": datetime.date.today().isoformat(),
            }
        }
    }


def test_a_bound_is_never_narrower_than_two_thousandths(bounds):
    write("ml-1m", "03", runs("03.fm", [0.9] * 5, [0.95] * 5))
    entry = json.loads(bounds.read_text("utf-8"))["ml-1m"]["03.fm"]
    assert (entry["low"], entry["high"], entry["sd"]) == (0.898, 0.902, 0)


@pytest.mark.parametrize(
    "beaten", [[0.95] * 5, [*BEATEN[:4], 0.83], [1.01, *BEATEN[1:]]]
)
def test_a_bound_that_holds_its_baseline_is_not_written(bounds, beaten):
    with pytest.raises(
        SystemExit, match=r"^03.fm: the bound {'low': .*} holds its baseline\.$"
    ):
        write("ml-1m", "03", runs("03.fm", VALUES, beaten))
    assert not bounds.exists()


@pytest.mark.parametrize("end", [0.25, 0.75])
def test_the_ends_belong_to_the_bound(bounds, end, monkeypatch):
    monkeypatch.setattr(measure_bounds, "FLOOR", 0.25)  # a width without rounding
    with pytest.raises(SystemExit):
        write("ml-1m", "03", runs("03.fm", [0.5] * 5, [end] * 5))


def test_a_bound_below_or_above_its_baseline_is_written(bounds):
    write("ml-1m", "03", runs("03.fm", VALUES, BEATEN))
    write("ml-1m", "05", runs("05.var_first_order", VALUES, [0] * 5))
    found = json.loads(bounds.read_text("utf-8"))["ml-1m"]
    assert found["05.var_first_order"]["beats"]["values"] == [0] * 5


def test_a_bound_without_a_baseline_is_written_without_one(bounds):
    write("ml-1m", "03", runs("03.other", VALUES, [None] * 5))
    entry = json.loads(bounds.read_text("utf-8"))["ml-1m"]["03.other"]
    assert "beats" not in entry and entry["mean"] == 0.92


def test_a_bound_that_a_run_did_not_reach_is_named(bounds):
    measured = runs("03.fm", VALUES, BEATEN)
    measured[3] = {}
    with pytest.raises(SystemExit, match=r"^03.fm was not reached with seeds \[3\].$"):
        write("ml-1m", "03", measured)


def test_measuring_one_notebook_keeps_the_bounds_of_others(bounds):
    old = {"03.fm": {"low": 0}, "02.gone": {"low": 1}, "02.first_order": {"low": 7}}
    bounds.write_text(json.dumps({"ml-1m": old, "ml-100k": {"02.first_order": {}}}))
    write("ml-1m", "02", runs("02.first_order", [0.9] * 5, [0.98] * 5))
    found = json.loads(bounds.read_text("utf-8"))
    assert [*found] == ["ml-100k", "ml-1m"]
    assert found["ml-100k"] == {"02.first_order": {}}
    assert [*found["ml-1m"]] == ["02.first_order", "03.fm"]
    assert found["ml-1m"]["03.fm"] == {"low": 0}
    assert found["ml-1m"]["02.first_order"]["low"] == 0.898


def test_the_file_is_written_as_it_stands(bounds):
    """Writing what is there changes no character: lists on one line, keys in order."""
    assert BOUNDS == checks.BOUNDS
    text = BOUNDS.read_text("utf-8")
    bounds.write_text(text, "utf-8")
    write("ml-1m", "99", [{}] * 5)
    assert bounds.read_text("utf-8") == text


@pytest.mark.parametrize("dataset", ["ml-1m", "ml-100k"])
def test_the_program_measures_five_seeds_of_each_notebook(
    tmp_path, bounds, monkeypatch, capsys, dataset
):
    (tmp_path / "notebooks").mkdir()
    for name in ("02_x", "03_y", "04_z"):
        (tmp_path / "notebooks" / f"{name}.ipynb").touch()
    asked = []

    def measure(path, dataset, seed):
        asked.append((path.name, dataset, seed))
        key = {"02": "02.first_order", "03": "03.fm"}[path.name[:2]]
        return {key: (0.9 + seed / 10_000, 1.0)}

    monkeypatch.setattr(measure_bounds, "ROOT", tmp_path)
    monkeypatch.setattr(measure_bounds, "measure", measure)
    monkeypatch.setattr(sys, "argv", ["measure_bounds.py", dataset, "02", "03"])
    measure_bounds.main()
    assert asked == [
        (name, dataset, seed)
        for name in ("02_x.ipynb", "03_y.ipynb")
        for seed in range(5)
    ]
    found = json.loads(bounds.read_text("utf-8"))
    assert {name: [*entries] for name, entries in found.items()} == {
        dataset: ["02.first_order", "03.fm"]
    }
    assert found[dataset]["03.fm"]["values"] == [0.9, 0.9001, 0.9002, 0.9003, 0.9004]
    run = {"02.first_order": (0.9, 1.0)}
    assert capsys.readouterr().out.startswith(f"02_x {dataset} seed 0 {run}\n")


@pytest.mark.parametrize("line", [["ml-25m", "02"], ["ml-100k"]])
def test_the_program_refuses_what_it_cannot_measure(line, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["measure_bounds.py", *line])
    with pytest.raises(SystemExit) as ended:
        measure_bounds.main()
    assert ended.value.code == 2


def test_the_program_explains_itself():
    program = [sys.executable, ROOT / "tools" / "measure_bounds.py", "--help"]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    about = "Measure the bounds of the course: rerun notebooks with five seeds, keep"
    assert f" {about} mean and sd. " in said and "numbers, such as 02 05" in said
    assert "python tools" not in said
