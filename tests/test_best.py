"""The best DeepFM: what it is trained on, what it is chosen on, and what it gives."""

import inspect

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import results
from helpers import best, models, splits, training
from helpers.fields import FieldEncoder, FieldSpec, History

SMALL = best.Recipe(
    {"k": 2, "units": (4,)}, {"epochs": 1, "batch_size": 64, "learning_rate": 0.01}
)


def table(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "user_id": rng.integers(0, 12, n),
            "movie_id": rng.integers(0, 20, n),
            "rating": rng.integers(1, 6, n),
        }
    )


def encoded(split: splits.Split) -> training.Prepared:
    ids = dict.fromkeys(("user_id", "movie_id"), "categorical")
    return training.prepare(split, ids | best.HISTORIES)


@pytest.fixture(scope="module")
def data() -> training.Prepared:
    return encoded(best.split(table(), 0))


def test_a_shorter_recipe_has_half_of_the_epochs_and_nothing_else_changed():
    recipe = best.RECIPES["ml-100k"]
    assert 2 * recipe.shorter().fit["epochs"] == recipe.fit["epochs"]
    assert recipe.shorter()._replace(fit=recipe.fit) == recipe
    assert recipe.shorter().fit | recipe.fit == recipe.fit


@given(st.integers(10, 300), st.integers(0, 9))
def test_the_last_model_trains_on_all_but_the_test_rows(n, seed):
    rows = table(n)
    train, rest, test = best.split(rows, seed)
    assert test.index.equals(splits.random_rows(rows, seed)[2].index)
    assert len(rest) == 0
    assert sorted([*train.index, *test.index]) == [*rows.index]


@given(st.integers(10, 300), st.integers(0, 9))
def test_settings_are_chosen_without_a_test_row(n, seed):
    rows = table(n)
    train, valid, test = splits.random_rows(rows, seed)
    found = best.split(rows, seed, refit=False)
    assert [part.index.tolist() for part in found] == [
        train.index.tolist(),
        [],
        valid.index.tolist(),
    ]
    assert not {*test.index} & {i for part in found for i in part.index}


@settings(max_examples=20)
@given(st.integers(0, 9), st.integers(1, 5), st.booleans())
def test_no_rating_of_the_rows_that_are_predicted_reaches_a_field(seed, rating, refit):
    rows = table()
    split = best.split(rows, seed, refit)
    before = encoded(split)
    after = encoded(split._replace(test=split.test.assign(rating=rating)))
    for name, array in before.test.x.items():
        np.testing.assert_array_equal(array, after.test.x[name], name)
        np.testing.assert_array_equal(before.train.x[name], after.train.x[name], name)


def test_every_rating_is_on_one_list_of_the_user_and_one_of_the_movie():
    rows = table().drop_duplicates(["user_id", "movie_id"])
    data = encoded(splits.Split(rows, rows[:0], rows[:1]))
    lists = {name: h.table() for name, h in data.encoder.histories.items()}
    owners = {name: h.owner for name, h in data.encoder.histories.items()}
    assert owners == dict.fromkeys(("liked", "disliked"), "user_id") | dict.fromkeys(
        ("fans", "critics"), "movie_id"
    )
    for name, on in (
        ("liked", rows.rating >= 4),
        ("disliked", rows.rating <= 3),
        ("fans", rows.rating >= 4),
        ("critics", rows.rating <= 3),
    ):
        owner, item = data.train.x[name].T
        np.testing.assert_array_equal(lists[name][owner, item], on, name)
        assert lists[name].sum() == on.sum()


def test_the_model_is_that_of_the_recipe_and_of_its_changes(data):
    names = [spec.name for spec in data.encoder.specs]
    assert names[2:] == ["liked", "disliked", "fans", "critics"]
    model = best.train(data, SMALL, seed=0)
    assert {*model.input} == {*names}
    assert model.get_layer("embedding_liked").k == 2
    assert model.get_layer("deep_1").units == 4
    assert best.train(data, SMALL, 0, k=3).get_layer("embedding_liked").k == 3


def test_the_same_seed_gives_the_same_model_and_another_seed_another(data):
    one, again, other = (
        training.raw_output(best.train(data, SMALL, seed), data.test.x)
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0


def test_the_ensemble_is_the_mean():
    np.testing.assert_allclose(
        best.mean_of([np.array([[1.0], [5.0]]), np.array([[2.0], [3.0]])]), [[1.5], [4]]
    )


@pytest.mark.parametrize("name", best.RECIPES)
def test_a_recipe_can_be_built(name):
    recipe = best.RECIPES[name]
    spec = FieldSpec("a", "categorical", 5)
    assert models.deepfm([spec], **recipe.model).count_params() > 0
    assert recipe.members > 1


def test_the_recipes_are_those_that_the_kept_figures_were_measured_with():
    """They were chosen on validation rows: whoever changes one must choose again."""
    fit = {"epochs": 6, "batch_size": 1024, "learning_rate": 0.003, "decay": True}
    small = {"k": 32, "units": (32,), "dropout": 0.3, "l2": 0.04}
    large = {"k": 32, "units": (64,), "dropout": 0.2, "l2": 0.03}
    assert best.RECIPES == {
        "ml-100k": (small, fit, 5),
        "ml-1m": (large, fit | {"batch_size": 8192}, 5),
    }
    fit = {"epochs": 16, "batch_size": 1024, "learning_rate": 0.01, "decay": True}
    plain = {"k": 16, "units": (64, 64), "dropout": 0.5}
    assert best.PLAIN == {
        "ml-100k": (plain | {"l2": 0.08}, fit, 5),
        "ml-1m": (plain | {"l2": 0.05}, fit | {"batch_size": 4096}, 5),
    }


@pytest.mark.parametrize("dataset", best.CLICKS)
def test_the_recipes_of_clicks_are_those_that_won_on_validation_rows(dataset):
    figures = results.read("clicks", dataset)["figures"]
    for name, recipes in (
        ("ours", best.CLICKS),
        ("ours, no histories", best.PLAIN_CLICKS),
    ):
        recipe, found = recipes[dataset], figures[name]
        units = [*recipe.model["units"]]
        assert recipe.model | {"units": units} | recipe.fit == found["settings"]
        lowest = min(found["tried"], key=lambda tried: tried["valid"]["log loss"])
        assert lowest["settings"] == found["settings"]


def test_the_lists_of_clicks_are_those_of_the_ratings():
    lists = {n: f for n, f in best.CLICK_FIELDS.items() if isinstance(f, History)}
    assert len(lists) == len(best.HISTORIES)
    rows = table().query("rating != 3").drop_duplicates(["user_id", "movie_id"])
    rows = rows.assign(liked=(rows.rating > 3).astype(int))
    for clicked, rated in zip(lists.values(), best.HISTORIES.values(), strict=True):
        a, b = (FieldEncoder({"x": f}).fit(rows)["x"].table() for f in (clicked, rated))
        np.testing.assert_array_equal(a, b)


RECIPES = [
    recipe
    for recipes in (best.RECIPES, best.PLAIN, best.CLICKS, best.PLAIN_CLICKS)
    for recipe in recipes.values()
]


@pytest.mark.parametrize("recipe", RECIPES, ids=str)
def test_a_recipe_has_arguments_of_models_and_trainings_alone(recipe):
    inspect.signature(models.deepfm).bind([], **recipe.model)
    inspect.signature(training.fit).bind(None, None, **recipe.fit)


def test_the_fields_are_those_of_the_course_and_four_histories():
    assert [*best.FIELDS] == [*training.MOVIELENS, *best.HISTORIES]
    assert [*best.HISTORIES] == ["liked", "disliked", "fans", "critics"]


def test_a_model_starts_at_the_mean_of_what_it_is_trained_on(data, monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *given, **how: None)
    model = best.train(data, SMALL, seed=0)
    start = model.get_layer("first_order").get_weights()[0]
    assert start == pytest.approx(data.train.y.mean())


def test_a_model_is_trained_as_the_recipe_and_the_seed_say(data, monkeypatch):
    asked = []
    monkeypatch.setattr(training, "fit", lambda *given, **how: asked.append(how))
    best.train(data, SMALL, seed=3)
    assert asked == [SMALL.fit | {"seed": 3}]
