"""Clicks: who trains on which rows and is judged by which; what rivals are given."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn import metrics

from benchmarks import click_rivals, clicks, growth, results, rivals, trials, turns
from helpers import fields, splits
from helpers.targets import Clicks

SET = "ml-100k"
KINDS = {"user_id": fields.CATEGORICAL, "movie_id": fields.CATEGORICAL}


def alone(call, *args):
    return call(*args)


@pytest.fixture
def ratings(monkeypatch, tmp_path) -> pd.DataFrame:
    """A small set under the name of ml-100k, no process but this one."""
    rows = growth.like_ml_1m(400)
    rows = rows.assign(
        user_id=rows.user_id % 15, movie_id=rows.movie_id % 20, zip_code="1"
    )
    data = SimpleNamespace(joined=lambda: rows)
    monkeypatch.setattr(clicks.datasets, "load", lambda name: {SET: data}[name])
    monkeypatch.setattr(turns, "alone", alone)
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(trials, "TRIALS", tmp_path)
    return rows


def fake(monkeypatch, answer, **more) -> list:
    jobs = []

    def call(job, **settings):
        jobs.append((job, settings))
        return answer(job, **settings)

    monkeypatch.setitem(clicks.CONTENDERS, "fake", clicks.Contender(call, **more))
    return jobs


def test_threes_are_dropped_and_stars_are_hidden(ratings):
    rows = clicks.clicks_of(ratings)
    assert "rating" not in rows
    kept = ratings.rating[rows.index]
    assert set(kept) == {1, 2, 4, 5}
    assert len(rows) == (ratings.rating != 3).sum()
    assert (rows.liked == (kept > 3)).all()


@pytest.mark.parametrize("choosing, part", [(True, "valid"), (False, "test")])
def test_training_rows_train_and_the_others_judge(ratings, monkeypatch, choosing, part):
    jobs = fake(monkeypatch, lambda job: np.linspace(0.1, 0.9, len(job.asked)))
    found = clicks.run("fake", SET, 3, 0, {}, choosing)
    split = splits.random_rows(clicks.clicks_of(ratings), 3)
    ((job, _),) = jobs
    assert job.train.index.tolist() == split.train.index.tolist()
    assert job.asked.index.tolist() == getattr(split, part).index.tolist()
    assert not {"liked", "rating"} & {*job.asked}
    y, p = getattr(split, part).liked, np.linspace(0.1, 0.9, len(job.asked))
    (scores,) = found["scores"]
    assert scores["log loss"] == pytest.approx(metrics.log_loss(y, p))
    assert scores["AUC"] == pytest.approx(metrics.roc_auc_score(y, p))
    assert ("probabilities" in found) is not choosing


def test_the_lowest_validation_log_loss_is_chosen_and_its_epoch(ratings, monkeypatch):
    def answer(job, c, watch=False, epochs=None):
        base = job.target.baseline()
        far = [0.3, 0.1, 0.2] if c == 2 else [0.4, 0.35, 0.38]
        return np.array([np.full(len(job.asked), base * (1 - f)) for f in far])

    grid = {SET: [{"c": 1}, {"c": 2}]}
    jobs = fake(monkeypatch, answer, settings={"epochs": 3}, grid=grid, watched=True)
    settings, tried = clicks.choose("fake", SET, alone)
    assert settings == {"c": 2, "epochs": 2}
    assert [t["settings"]["epochs"] for t in tried] == [2, 2]
    assert all(given["watch"] for _, given in jobs)


def test_the_ensemble_is_the_mean_of_members_that_differ(ratings, monkeypatch):
    def answer(job):
        return np.random.default_rng(job.seed).random(len(job.asked))

    jobs = fake(monkeypatch, answer)
    monkeypatch.setitem(clicks.MEANS, "fakes", "fake")
    found = clicks.measure("fakes", SET, alone)
    assert [job.seed for job, _ in jobs] == [*range(25)]
    split = splits.random_rows(clicks.clicks_of(ratings), 0)
    mean = np.mean([answer(job) for job, _ in jobs[:5]], axis=0)
    wanted = metrics.log_loss(split.test.liked, mean)
    assert found["scores"]["log loss"]["values"][0] == pytest.approx(wanted, abs=1e-5)
    jobs.clear()
    one = clicks.measure("fake", SET, alone)["scores"]["log loss"]["values"]
    assert [job.seed for job, _ in jobs] == [0, 5, 10, 15, 20]
    alone_loss = metrics.log_loss(split.test.liked, answer(jobs[0][0]))
    assert one[0] == pytest.approx(alone_loss)


def test_a_figure_names_the_devices_that_its_models_were_trained_on(
    ratings, monkeypatch
):
    fake(monkeypatch, lambda job: np.full(len(job.asked), 0.5))
    seen = iter(["GPU", "GPU", "CPU", "GPU", "GPU"])
    monkeypatch.setattr(results, "device", lambda: next(seen))
    assert clicks.measure("fake", SET, alone)["devices"] == ["CPU", "GPU"]


def test_steps_are_taken_from_the_best_that_was_drawn():
    tried = results.read("clicks", "ml-1m")["figures"]["ours"]["tried"]
    grid = clicks.CONTENDERS["ours"].grid["ml-1m"]
    assert [trial["settings"] for trial in tried] == grid
    before = tried[: -len(clicks.STEPS)]
    first = min(before, key=lambda trial: trial["valid"]["log loss"])
    assert first["settings"] == clicks.NEAR


def test_main_keeps_each_contender_and_prints_a_line(ratings, monkeypatch, capsys):
    monkeypatch.setattr(
        clicks, "CONTENDERS", {"base rate": clicks.CONTENDERS["base rate"]}
    )
    monkeypatch.setattr(clicks, "MEANS", {})
    clicks.main(SET)
    kept = results.read("clicks", SET)["figures"]["base rate"]["scores"]
    assert kept["AUC"]["mean"] == 0.5
    assert "base rate " in capsys.readouterr().out


def test_what_is_unknown_is_refused():
    with pytest.raises(SystemExit, match="Unknown"):
        clicks.main(SET, "nobody")
    with pytest.raises(SystemExit, match="Unknown"):
        clicks.main("nothing")


@pytest.mark.parametrize("histories", [False, True])
def test_ours_answers_probabilities(ratings, histories):
    rows = clicks.clicks_of(ratings)
    train, asked = rows.iloc[:150], rows.iloc[150:].drop(columns="liked")
    job = rivals.Job(SET, train, asked, Clicks("liked").fit(train), 1)
    settings = {"k": 2, "units": [4], "epochs": 1, "batch_size": 64}
    found = clicks.ours(job, histories, **settings)
    assert found.shape == (len(asked),)
    assert ((found > 0) & (found < 1)).all()


@pytest.fixture
def job() -> rivals.Job:
    train = pd.DataFrame(
        {"user_id": [1, 1, 2, 2], "movie_id": [1, 2, 1, 2], "liked": [1, 0, 1, 1]}
    )
    asked = pd.DataFrame({"user_id": [1, 3], "movie_id": [1, 2]})
    return rivals.Job("toy", train, asked, Clicks("liked").fit(train), 3)


def test_logistic_regression_has_the_one_hot_rows(job):
    found = click_rivals.logistic(job, KINDS, C=1e-9)
    np.testing.assert_allclose(found, 0.75, atol=1e-3)
    assert click_rivals.logistic(job, KINDS, C=10.0)[0] != pytest.approx(0.75)
    np.testing.assert_allclose(click_rivals.base_rate(job), [0.75, 0.75])


def test_probit_is_given_groups_and_clicks(job, monkeypatch):
    seen = {}

    class MyFMClassifier:
        def __init__(self, **settings):
            seen.update(settings)

        def fit(self, x, y, **settings):
            seen.update(settings, x=x.toarray(), y=y)

        def predict_proba(self, x):
            return np.full(x.shape[0], 0.3)

    module = ModuleType("myfm")
    module.MyFMClassifier = MyFMClassifier
    monkeypatch.setitem(sys.modules, "myfm", module)
    found = click_rivals.probit(job, KINDS, rank=4, samples=7)
    assert found.tolist() == [0.3, 0.3]
    assert (seen["rank"], seen["random_seed"]) == (4, 3)
    assert (seen["n_iter"], seen["n_kept_samples"]) == (27, 7)
    assert seen["y"].tolist() == [1, 0, 1, 1]
    assert seen["x"].shape == (4, sum(seen["group_shapes"]))
