"""The benchmark of lists: what it ranks, what it scores, what it keeps."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import lists, results
from helpers import best, ranking, splits

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


def test_what_is_named_is_measured_and_the_rest_kept(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(lists.datasets, "load", lambda name: SETS)
    monkeypatch.setattr(
        lists, "split_of", lambda name, rows: splits.Split(rows[:3], rows[:0], rows[3:])
    )
    lists.main("toy", "most popular")
    lists.main("toy", "EASE")
    kept = results.read("lists", "toy")["figures"]
    assert [*kept] == ["most popular", "EASE"]
    # the last user chose film 9, which nobody had chosen before: third of equal zeros
    assert kept["EASE"]["recall"] == 1.0 and kept["EASE"]["coverage"] == 1.0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("most popular: nDCG 0.") and "coverage 1.000" in said[0]
    with pytest.raises(SystemExit, match="Unknown: {'ALS'}"):
        lists.main("toy", "ALS")


def test_of_ours_the_last_member_and_the_mean_so_far_are_told():
    members = [{lists.SCORE: 0.1, "coverage": 0.2}, {lists.SCORE: 0.3, "coverage": 0.4}]
    means = [members[0], {lists.SCORE: 0.5, "coverage": 0.6}]
    assert lists.line("ours", {"members": members, "means": means}) == (
        "ours, model 2: nDCG 0.3000, coverage 0.400   "
        "mean of 2: nDCG 0.5000, coverage 0.600"
    )


def test_a_published_split_is_the_one_of_ml_100k():
    rows = pd.DataFrame({"user_id": np.zeros(100_000, int)})
    assert len(lists.split_of("ml-100k", rows).test) == 20_000
    found = lists.split_of("ml-1m", rows[:100])
    assert len(found.test) == 20
    pd.testing.assert_frame_equal(found.test, splits.of_each_user(rows[:100], 0).test)


def test_the_recipe_of_lists_reads_what_its_target_draws():
    drawn = {"movie_id", *best.LISTS_TARGET.of_item}
    assert drawn <= {*best.CHOSEN} and best.LISTS.members == 5
