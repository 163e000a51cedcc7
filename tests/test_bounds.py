"""The bounds of the course: measured, complete, and of some use."""

import json
import re
import statistics
from pathlib import Path

import pytest
from measure_bounds import FLOOR, WIDTH, write

from helpers import checks

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
FILE = json.loads(checks.BOUNDS.read_text("utf-8"))
ENTRIES = [(name, key) for name, entries in FILE.items() for key in entries]


def test_the_notebooks_use_every_bound_and_each_set_has_them_all():
    text = "".join(path.read_text("utf-8") for path in NOTEBOOKS.glob("*.ipynb"))
    used = {*re.findall(r'bounds\[\\"([\w.]+)\\"\]', text)}
    assert used
    assert {name: {*entries} for name, entries in FILE.items()} == {
        "ml-1m": used,
        "ml-100k": used,
    }


@pytest.mark.parametrize(("name", "key"), ENTRIES)
def test_a_bound_comes_from_five_seeds_or_more(name, key):
    entry = FILE[name][key]
    assert len({*entry["seeds"]}) == len(entry["values"]) >= 5
    assert entry["mean"] == pytest.approx(statistics.mean(entry["values"]), abs=2e-6)
    sd = statistics.stdev(entry["values"])
    assert entry["sd"] == pytest.approx(sd, abs=2e-6)
    width = max(WIDTH * sd, FLOOR)
    assert entry["low"] == pytest.approx(entry["mean"] - width, abs=1e-5)
    assert entry["high"] == pytest.approx(entry["mean"] + width, abs=1e-5)
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", entry["date"])


@pytest.mark.parametrize(("name", "key"), ENTRIES)
def test_a_bound_excludes_what_it_claims_to_beat(name, key):
    entry = FILE[name][key]
    assert len(entry["beats"]["values"]) == len(entry["seeds"])
    for value in entry["beats"]["values"]:
        assert not entry["low"] <= value <= entry["high"]


def test_a_bound_that_holds_its_baseline_is_not_written(tmp_path, monkeypatch):
    monkeypatch.setattr("measure_bounds.BOUNDS", tmp_path / "bounds.json")
    close = [({"02.first_order": 0.9 + i}, {"02.first_order": 0.95}) for i in range(5)]
    with pytest.raises(SystemExit, match="holds its baseline"):
        write("ml-1m", "02", close)
    assert not (tmp_path / "bounds.json").exists()


def test_measuring_one_notebook_keeps_the_bounds_of_others(tmp_path, monkeypatch):
    path = tmp_path / "bounds.json"
    monkeypatch.setattr("measure_bounds.BOUNDS", path)
    path.write_text('{"ml-1m": {"03.fm": {"low": 0}, "02.first_order": {"low": 7}}}')
    runs = [({"02.first_order": 0.9}, {"02.first_order": 0.98})] * 5
    write("ml-1m", "02", runs)
    kept = json.loads(path.read_text("utf-8"))["ml-1m"]
    assert kept["03.fm"] == {"low": 0}
    assert kept["02.first_order"]["low"] == pytest.approx(0.898)
