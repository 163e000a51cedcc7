"""Settings of lists are chosen without test rows; the recipe is the one that won."""

import sys
from types import SimpleNamespace

import pandas as pd
import pytest

from benchmarks import list_recipes, lists, results
from helpers import best, splits
from helpers.predictor import Predictor

SET = "ml-1m"


@pytest.fixture
def rows(few_rows, monkeypatch, in_this_process):
    """A small set under the name of ml-1m, no process but this one."""
    users = few_rows[["user_id"]].drop_duplicates()
    movies = few_rows[["movie_id"]].drop_duplicates()
    data = SimpleNamespace(joined=lambda: few_rows, users=users, movies=movies)
    monkeypatch.setattr(list_recipes.datasets, "load", lambda name: {SET: data}[name])
    return few_rows


@pytest.mark.parametrize("dataset", best.LISTS)
def test_a_recipe_has_all_settings_of_the_grid(dataset):
    found = list_recipes.kept(dataset)
    assert found.keys() == list_recipes.GRID.keys()
    for name, value in found.items():
        assert value in list_recipes.GRID[name], name


def test_the_recipe_of_ml_1m_won_on_validation_rows():
    figures = results.read("list_recipes", SET)["figures"]
    tried = [figures["recipe"], *figures["drawn"]]
    first = max(tried, key=lambda trial: trial["valid"][lists.SCORE])
    assert first["settings"] == list_recipes.kept(SET)


def test_no_test_row_takes_part(rows):
    train, valid, test = list_recipes.split_of(SET, rows)
    outer = lists.split_of(SET, rows)
    assert not len(valid)
    assert sorted([*train.index, *test.index]) == sorted(outer.train.index)
    wanted = splits.of_each_user(outer.train, list_recipes.SEED).test
    pd.testing.assert_frame_equal(test, wanted)


def test_nor_does_one_of_the_published_split():
    rows = pd.DataFrame({"user_id": range(100_000)})
    train, valid, test = list_recipes.split_of("ml-100k", rows)
    assert (len(train), len(valid), len(test)) == (64_000, 0, 16_000)
    outer = splits.mcrec(rows).test
    assert not {*outer.index} & {*train.index, *test.index}


def test_settings_reach_target_model_and_training(rows, monkeypatch):
    made = []
    monkeypatch.setattr(Predictor, "train", lambda *given: made.append(given))
    monkeypatch.setattr(lists, "judged", lambda *given: {lists.SCORE: given[3].sum()})
    settings = list_recipes.kept("ml-100k") | {"k": 64, "l2": 0.01, "negatives": 4}
    found = list_recipes.attempt(SET, settings)
    split, chosen, target, model, fit, seed = made.pop()
    pairs = split.test[["user_id", "movie_id"]].drop_duplicates()
    assert found[lists.SCORE] == len(pairs) > 0
    assert found["device"] == results.device()
    assert (chosen, target, seed) == (best.CHOSEN, best.chosen(4), 0)
    assert model == best.FM | {"k": 64, "l2": 0.01}
    assert fit == best.LISTS["ml-100k"].fit


def test_all_trials_are_kept_and_told_from_the_best_to_the_worst(
    rows, monkeypatch, capsys
):
    def attempt(dataset, settings):
        return {lists.SCORE: 0.1 + settings["l2"]}

    monkeypatch.setattr(list_recipes, "attempt", attempt)
    monkeypatch.setattr(sys, "argv", ["list_recipes.py", SET, "5"])
    list_recipes.main(SET, "5")
    found = results.read("list_recipes", SET)["figures"]
    assert found["recipe"]["settings"] == list_recipes.kept(SET)
    assert len(found["drawn"]) == 4
    said = [x for x in capsys.readouterr().out.splitlines() if x.startswith("0.1")]
    scores = [line[:6] for line in said]
    assert scores == sorted(scores, reverse=True) and len(scores) == 5
    assert len([line for line in said if line.endswith("(helpers/best.py)")]) == 1


@pytest.mark.parametrize("words", [("x",), (SET, "a")])
def test_words_that_mean_nothing_are_refused(words):
    with pytest.raises(SystemExit, match=r"Usage: python -m benchmarks.list_recipes"):
        list_recipes.main(*words)
