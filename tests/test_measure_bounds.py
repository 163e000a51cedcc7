"""tools/measure_bounds.py: what it runs, what it measures, what it writes."""

import datetime
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import measure_bounds
import nbformat
import pandas as pd
import pytest
from measure_bounds import (
    BASELINES,
    BOUNDS,
    LEFT_OUT,
    MOVIE_MEAN,
    code_cells,
    measure,
    write,
)
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from helpers import checks

ROOT = Path(__file__).resolve().parent.parent
COURSE = sorted((ROOT / "notebooks").glob("*.ipynb"))


def book(*cells) -> nbformat.NotebookNode:
    """A notebook: a cell that starts with a # is text."""
    new = {True: new_markdown_cell, False: new_code_cell}
    return new_notebook(cells=[new[c.startswith("#")](c) for c in cells])


# What runs --------------------------------------------------------------------------


def test_sections_that_measure_nothing_are_left_out():
    out = LEFT_OUT[0]
    nb = book(
        *("a", f"# {out}", "b", "## Stays", "c", f"## {out}\n\nText.", "no"),
        *("### Within it", "no", f"text\n\n## {out}", "no", "## Stays", "d"),
        *(f"### {out}", "e", "## Exercises", "no"),
    )
    nb.cells[9] = new_markdown_cell("text\n\n## Stays")  # no heading of a section
    assert [cell.source for cell in code_cells(nb)] == [*"abcde"]


def test_each_section_left_out_is_in_the_course():
    headings = {
        cell.source.splitlines()[0].removeprefix("## ")
        for path in COURSE
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "markdown" and cell.source.startswith("## ")
    }
    assert {*LEFT_OUT} - headings == set()
    assert len({*LEFT_OUT}) == len(LEFT_OUT)


# What is measured -------------------------------------------------------------------

SETUP = """\
import os
from types import SimpleNamespace

def within(claim, value, bound):
    low, high = bound
    assert low <= value <= high, claim
    print("held:", claim)

checks = SimpleNamespace(within=within, load_bounds=lambda name: {})"""
SEEDED = 'import os\nSEED = 0\nNOT_SEED = 0\nbounds = checks.load_bounds("ml-100k")'
MEASURED = """\
checks.within("a", 10 + SEED + NOT_SEED, bounds["02.first_order"])
checks.within("b", 5, (4, 6))
checks.within("c", 1, bounds["02.other"])
assert (os.environ["MOVIELENS"], os.environ["COURSE_SMALL"]) == ("ml-1m", "1")
rmse = {"mean of the movie": 3}
assert os.path.exists("here")"""


@pytest.fixture
def surroundings(tmp_path, monkeypatch):
    """Variables that measure() sets are as before after the test."""
    monkeypatch.setenv("MOVIELENS", "ml-100k")
    monkeypatch.setenv("COURSE_SMALL", "0")
    (tmp_path / "here").touch()
    return tmp_path


def test_a_notebook_is_measured_with_a_seed(surroundings):
    path = surroundings / "02_x.ipynb"
    nb = book(SETUP, SEEDED, MEASURED, "## Exercises", "1 / 0")
    nbformat.write(nb, path)
    before = path.read_bytes()
    assert measure(path, "ml-1m", 3) == (
        {"02.first_order": 13.0, "02.other": 1.0},
        {"02.first_order": 3.0},
    )
    assert path.read_bytes() == before


def test_a_plain_bound_still_bites(surroundings):
    path = surroundings / "02_x.ipynb"
    nbformat.write(book(SETUP, SEEDED, 'checks.within("b", 7, (4, 6))'), path)
    with pytest.raises(CellExecutionError, match="AssertionError"):
        measure(path, "ml-1m", 0)


@pytest.mark.parametrize(
    "cells",
    [
        ["1"],
        ["SEED = 0", "SEED = 0"],
        ["SEED = 00"],
        ["SEED = 0  # comment"],
        ["## Exercises", "SEED = 0"],
        ["SEED = 0\nx = 1\nSEED = 0"],
        ["OTHER_SEED = 0", " SEED = 0"],
    ],
)
def test_the_seed_is_set_in_exactly_one_place(surroundings, cells):
    path = surroundings / "02_x.ipynb"
    nbformat.write(book("pass", *cells), path)
    with pytest.raises(SystemExit) as ended:
        measure(path, "ml-1m", 0)
    assert ended.value.code == "02_x.ipynb: one line `SEED = 0` is needed."


# What is beaten ---------------------------------------------------------------------


def test_what_a_bound_beats_is_what_the_file_says():
    for entries in json.loads(checks.BOUNDS.read_text("utf-8")).values():
        names = {key: entry["beats"]["name"] for key, entry in entries.items()}
        assert names == {key: name for key, (name, _) in BASELINES.items()}


def test_the_baselines_are_read_from_what_a_notebook_has():
    score = SimpleNamespace(rmse=0.9)
    rmse = {"mean of the movie": 0.98, "first order": 0.92}
    train = pd.DataFrame({"movie_id": [1, 1, 2], "rating": [3.0, 5.0, 2.0]})
    test = pd.DataFrame({"movie_id": [2, 1, 9], "rating": [4.0, 3.0, 1.0]})
    test.index = [7, 3, 5]
    parts = {"train": SimpleNamespace(rows=train), "test": SimpleNamespace(rows=test)}
    there = {"rmse": rmse, "scores": {"first order": score}, "mean": 3.0}
    there["data"] = SimpleNamespace(**parts)
    found = {key: eval(wanted, dict(there)) for key, (_, wanted) in BASELINES.items()}
    by_movie = ((2**2 + 1**2 + 2**2) / 3) ** 0.5
    assert found == {
        "02.first_order": 0.98,
        "03.fm": 0.9,
        "04.deep": 0.92,
        "05.deepfm": pytest.approx(by_movie),
        "05.var_first_order": 0,
        "06.gain": 0,
    }
    assert BASELINES["05.deepfm"][1] == MOVIE_MEAN


# What is written --------------------------------------------------------------------


@pytest.fixture
def bounds(tmp_path, monkeypatch):
    path = tmp_path / "bounds.json"
    monkeypatch.setattr(measure_bounds, "BOUNDS", path)
    return path


def runs(key: str, values: list[float], beaten: list[float]) -> list[tuple]:
    return [({key: v}, {key: b}) for v, b in zip(values, beaten, strict=True)]


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
                "beats": {"name": "first order", "values": BEATEN},
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
    write("ml-1m", "03", [({"03.other": v}, {}) for v in VALUES])
    entry = json.loads(bounds.read_text("utf-8"))["ml-1m"]["03.other"]
    assert "beats" not in entry and entry["mean"] == 0.92


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
    write("ml-1m", "99", [({}, {})] * 5)
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
        return {key: 0.9 + seed / 10_000}, {key: 1.0}

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
    run = {"02.first_order": 0.9}, {"02.first_order": 1.0}
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
