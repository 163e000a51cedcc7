"""The benchmark of lists: what it ranks, what it scores, what it keeps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import lists, results, trials, turns
from helpers import best, ranking, splits
from helpers.targets import Chosen

USERS = pd.DataFrame({"user_id": [11, 12, 13]})
MOVIES = pd.DataFrame({"movie_id": [7, 5, 9, 8]})
LOG = pd.DataFrame({"user_id": [11, 11, 12, 13], "movie_id": [5, 7, 5, 9]})
SETS = SimpleNamespace(users=USERS, movies=MOVIES, joined=lambda: LOG)
X = np.array([[1, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]], bool)


def test_the_table_of_a_log_is_in_the_order_of_users_and_films():
    np.testing.assert_array_equal(lists.table(LOG, SETS), X)


def test_popular_is_what_many_have():
    np.testing.assert_array_equal(lists.most_popular(X), [[1, 2, 1, 0]] * 3)


def test_a_rank_as_high_as_that_of_the_table_gives_it_back():
    x = X.astype(float)
    np.testing.assert_allclose(lists.pure_svd(x, 3), x, atol=1e-12)
    assert np.linalg.matrix_rank(lists.pure_svd(x, 1)) == 1


def test_ease_is_a_ridge_regression_of_each_film_on_the_others():
    x = np.random.default_rng(0).random((30, 5)) < 0.4
    x = x.astype(float)
    found = lists.ease(x, penalty=3.0)
    for film in range(5):
        others = np.delete(x, film, axis=1)
        gram = others.T @ others + 3.0 * np.eye(4)
        weights = np.linalg.solve(gram, others.T @ x[:, film])
        np.testing.assert_allclose(found[:, film], others @ weights, atol=1e-10)


def test_lists_of_a_predictor_are_places_of_films_and_hold_nothing_unknown():
    asked = {}

    def top(users, movies, *, user, item, n, seen):
        asked.update(movies=movies.movie_id.tolist(), seen=seen, n=n)
        return pd.DataFrame({"user_id": [12, 12, 11], "movie_id": [9, 7, 9]})

    split = splits.Split(LOG, LOG[:0], LOG)
    found = lists.lists_of(SimpleNamespace(top=top), split, SETS)
    assert asked["seen"] is LOG and asked["n"] == 10
    assert asked["movies"] == [7, 5, 9]
    no = ranking.NOTHING
    assert found[:, :3].tolist() == [[2, no, no], [2, 0, no], [no, no, no]]
    assert found.shape == (3, 10) and (found[:, 3:] == no).all()


@pytest.fixture
def toy(monkeypatch, tmp_path):
    """The benchmark on LOG, its trainings made up: a member's score is its seed."""
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(trials, "TRIALS", tmp_path / "trials")
    monkeypatch.setattr(turns, "alone", lambda call, *args: call(*args))
    monkeypatch.setattr(lists.datasets, "load", lambda name: SETS)
    monkeypatch.setattr(
        lists, "split_of", lambda name, rows: splits.Split(rows[:3], rows[:0], rows[3:])
    )
    monkeypatch.setattr(best, "LISTS", {"toy": best.Recipe({}, {}, members=3)})
    for name, scale in (("member", 1), ("mean", 10)):
        monkeypatch.setattr(lists, name, made_up(name, scale))


def made_up(name: str, scale: int):
    def call(dataset, number):
        return {lists.SCORE: scale * number / 100, "coverage": 0.5}

    call.__name__ = name
    return call


def test_every_contender_is_kept_and_told(toy, capsys):
    lists.main("toy")
    kept = results.read("lists", "toy")["figures"]
    assert [*kept] == [*lists.LINEAR, "ours"]
    # the last user chose film 9, which nobody had chosen before: third of equal zeros
    assert kept["EASE"]["recall"] == 1.0 and kept["EASE"]["coverage"] == 1.0
    scores = {key: [f[lists.SCORE] for f in kept["ours"][key]] for key in kept["ours"]}
    assert scores == {"members": [0.0, 0.01, 0.02], "means": [0.0, 0.2, 0.3]}
    said = capsys.readouterr().out
    assert "lists_toy 8/8: mean toy 3" in said
    assert "mean of 3: nDCG 0.3000, coverage 0.500\n" in said
    lists.main("toy", 1)
    assert len(results.read("lists", "toy")["figures"]["ours"]["members"]) == 1


def test_a_mean_is_that_of_the_members_that_were_kept(toy, monkeypatch, tmp_path):
    monkeypatch.undo()
    monkeypatch.setattr(trials, "TRIALS", tmp_path)
    fields = {"user_id": "categorical", "movie_id": "categorical"}
    rows = pd.concat([LOG] * 4, ignore_index=True)
    split, test = splits.Split(rows, rows[:0], rows), ~X
    monkeypatch.setattr(lists, "rows_of", lambda dataset: (split, SETS, X, test))
    monkeypatch.setattr(best, "CHOSEN", fields)
    target = {"toy": Chosen("user_id", "movie_id", negatives=2)}
    monkeypatch.setattr(best, "LISTS_TARGET", target)
    recipe = best.Recipe(
        {"k": 2, "parts": ("first_order", "second_order")}, {"epochs": 1}
    )
    monkeypatch.setattr(best, "LISTS", {"toy": recipe})
    one, two = lists.member("toy", 0), lists.member("toy", 1)
    assert one["seconds"] > 0 and {*two} == {*one}
    seen = []
    monkeypatch.setattr(
        lists, "judged", lambda made, *_: seen.append(len(made.models)) or {}
    )
    lists.mean("toy", 2)
    assert seen == [2]


def test_a_published_split_is_the_one_of_ml_100k():
    rows = pd.DataFrame({"user_id": np.zeros(100_000, int)})
    assert len(lists.split_of("ml-100k", rows).test) == 20_000
    found = lists.split_of("ml-1m", rows[:100])
    assert len(found.test) == 20
    pd.testing.assert_frame_equal(found.test, splits.of_each_user(rows[:100], 0).test)


def test_the_recipe_of_lists_reads_what_its_target_draws():
    assert [*best.LISTS] == [*best.LISTS_TARGET] == ["ml-100k", "ml-1m"]
    for target in best.LISTS_TARGET.values():
        assert {"movie_id", *target.of_item} <= {*best.CHOSEN}
    assert best.LISTS["ml-100k"].members == 5
