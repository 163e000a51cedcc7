"""Settings are chosen on validation rows, and the recipe is one of the trials."""

import sys
from types import SimpleNamespace

import pytest

from benchmarks import recipes, results, search
from helpers import best, splits, training


@pytest.fixture
def rows(few_rows, monkeypatch, in_this_process):
    """A small set under the name of ml-100k, no process but this one."""
    data = SimpleNamespace(joined=lambda: few_rows)
    monkeypatch.setattr(recipes.datasets, "load", lambda name: {"ml-100k": data}[name])
    return few_rows


@pytest.mark.parametrize("which", recipes.GRIDS)
@pytest.mark.parametrize("dataset", best.PLAIN)
def test_a_recipe_lies_in_its_grid_and_names_all_its_settings(which, dataset):
    found, grid = recipes.kept(dataset, which), recipes.GRIDS[which]
    assert found.keys() == grid.keys()
    for name, value in found.items():
        assert value in grid[name], name
        assert len(grid[name]) == len({*grid[name]}) > 1


def test_a_trial_sees_training_and_validation_rows_only(rows, monkeypatch):
    given = []
    real = training.prepare
    monkeypatch.setattr(training, "prepare", lambda *a: given.append(a[0]) or real(*a))
    settings = recipes.kept("ml-100k", "plain") | {"epochs": 1}
    found = recipes.attempt("ml-100k", "plain", settings)
    train, valid, test = splits.random_rows(rows, recipes.SPLIT_SEED)
    (split,) = given
    assert [*split.train.index] == [*train.index]
    assert [*split.test.index] == [*valid.index]
    assert not len(split.valid)
    assert 0.5 < found < 3


def test_settings_reach_the_model_and_the_training(rows, monkeypatch):
    made = []
    monkeypatch.setattr(
        best, "train", lambda data, recipe, seed: made.append((recipe, data, seed))
    )
    monkeypatch.setattr(training, "evaluate", lambda model, part: {"RMSE": len(part.y)})
    for which, number in (("plain", 7), ("histories", 11)):
        settings = search.drawn(recipes.GRIDS[which], 1)[0]
        assert recipes.attempt("ml-100k", which, settings) == 20  # validation rows
        recipe, data, seed = made.pop()
        assert recipe.model | recipe.fit == settings | {"decay": True}
        assert recipe.model.keys() == {"k", "units", "dropout", "l2"}
        assert (len(data.encoder.specs), seed) == (number, 0)


def test_all_trials_are_kept_and_told_from_the_best_to_the_worst(
    rows, monkeypatch, capsys
):
    def attempt(dataset, which, settings):
        return 0.9 + settings["l2"]

    monkeypatch.setattr(recipes, "attempt", attempt)
    monkeypatch.setattr(sys, "argv", ["recipes.py", "ml-100k", "plain", "7"])
    recipes.main("ml-100k", "plain", "7")
    kept = results.read("recipes_plain", "ml-100k")
    assert kept["command"] == "python -m benchmarks.recipes ml-100k plain 7"
    found = kept["figures"]
    assert found["recipe"]["settings"]["l2"] == best.PLAIN["ml-100k"].model["l2"]
    assert len(found["drawn"]) == 6
    said = [x for x in capsys.readouterr().out.splitlines() if x.startswith("0.9")]
    errors = [line[:6] for line in said]
    assert errors == sorted(errors) and len(errors) == 7
    (own,) = (line for line in said if line.endswith("(helpers/best.py)"))
    assert own.startswith(f"{0.9 + best.PLAIN['ml-100k'].model['l2']:.4f}")


@pytest.mark.parametrize(
    "words", [("ml-100k", "deep"), ("x",), ("ml-1m", "plain", "a")]
)
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(SystemExit, match=r"Usage: python -m benchmarks.recipes \["):
        recipes.main(*words)
