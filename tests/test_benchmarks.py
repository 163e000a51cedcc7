"""What the benchmarks keep: whole, repeatable, and what README says of it."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import accuracy, figures, floor, growth, results, turns

KEPT = sorted(results.RESULTS.glob("*.json"))


def test_what_is_written_is_read_again_with_all_that_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    assert results.read("speed", "ml-100k") is None
    out = results.write("speed", "ml-100k", {"ours": 1.5}, seeds=[0])
    assert [*tmp_path.iterdir()] == [out]
    kept = results.read("speed", "ml-100k")
    assert kept["figures"] == {"ours": 1.5} and kept["settings"] == {"seeds": [0]}
    assert kept["versions"]["keras"] and kept["machine"]["cores"] >= 1


def test_ratios_are_taken_round_by_round():
    runs = {"a": {"seconds": [2.0, 30.0, 4.0]}, "b": {"seconds": [1.0, 10.0, 2.0]}}
    assert turns.ratios(runs, "a", "b")["median"] == 2.0


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_slope_is_the_power_of_growth(power):
    sizes = [10, 100, 1000]
    assert growth.slope(sizes, [7 * n**power for n in sizes]) == pytest.approx(power)


def test_predictions_are_clipped_before_they_are_scored():
    assert accuracy.rmse(np.array([9.0, 0.0]), np.array([5.0, 1.0])) == 0


def test_the_floor_gathers_every_row_of_every_field(monkeypatch):
    size, seen = 50, []
    specs = [{"name": "a", "kind": "categorical", "size": size}]
    x = {"a": np.arange(40, dtype="int32")[:, None]}
    task = SimpleNamespace(
        x=x, y=np.zeros((40, 1)), specs=specs, k=3, units=[4], batch=16
    )

    class Table(np.ndarray):
        def __getitem__(self, ids):
            seen.extend(np.ravel(ids))
            return super().__getitem__(ids)

    draw = floor.random
    monkeypatch.setattr(
        floor,
        "random",
        lambda rng, n, m: draw(rng, n, m).view(Table) if n == size else draw(rng, n, m),
    )
    floor.epoch_of(task)()
    assert sorted(seen) == sorted([*range(40)] * 2)


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_result_says_how_it_came_to_be(path):
    kept = json.loads(path.read_text("utf-8"))
    assert path.stem == f"{kept['benchmark']}_{kept['dataset']}"
    for key in ("command", "date", "machine", "versions", "settings", "figures"):
        assert kept[key]


def test_readme_has_the_figures_that_were_kept():
    text = figures.README.read_text("utf-8")
    between = text.split(figures.BEGIN)[1].split(figures.END)[0]
    assert between.strip() == figures.table().strip()
