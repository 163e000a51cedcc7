"""The bounds of the course: measured, complete, and of some use."""

import json
import re
import statistics
from pathlib import Path

import pytest
from measure_bounds import FLOOR, WIDTH

from helpers import checks

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
FILE = json.loads(checks.BOUNDS.read_text("utf-8"))
ENTRIES = [(name, key) for name, entries in FILE.items() for key in entries]


def test_the_notebooks_use_every_bound_and_each_set_has_them_all():
    text = "".join(path.read_text("utf-8") for path in NOTEBOOKS.glob("*.ipynb"))
    used = {*re.findall(r'bounds\[\\"([\w.]+)\\"\]', text)}
    assert used
    of_adult = {key for key in used if key.startswith("10.")}
    assert {name: {*entries} for name, entries in FILE.items()} == {
        "ml-1m": used - of_adult,
        "ml-100k": used - of_adult,
        "adult": of_adult,
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
