"""Who trains on which rows and is judged by which: the table of README rests on it."""

import inspect
import itertools
import json
import statistics
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import accuracy, results, search, turns
from helpers import fields, splits

SET = "toy"


class Fake:
    """A contender that keeps what it was given, and gives what it is told to.

    answer: of the number of rows, the seed and the settings
    """

    def __init__(self, answer=lambda n, seed, **settings: np.full(n, 3.0)):
        self.answer, self.jobs, self.settings = answer, [], []

    def __call__(self, job, **settings):
        self.jobs.append(job)
        self.settings.append(settings)
        return self.answer(len(job.asked), job.seed, **settings)


def alone(call, *args):
    """In place of Trials.alone."""
    return call(*args)


@pytest.fixture
def rows(few_rows) -> pd.DataFrame:
    return few_rows


@pytest.fixture(autouse=True)
def here(rows, monkeypatch, in_this_process):
    """A small set, no process but this one."""
    data = SimpleNamespace(joined=lambda: rows)
    monkeypatch.setattr(accuracy.datasets, "load", lambda name: {SET: data}[name])
    monkeypatch.setitem(accuracy.SEEDS, SET, [4, 5])


@pytest.fixture
def enter(monkeypatch):
    """Give a fake contender a name and a place in the race."""

    def enter(name="fake", fake=None, **more) -> Fake:
        fake = fake or Fake()
        contender = accuracy.Contender(fake, **more)
        monkeypatch.setitem(accuracy.CONTENDERS, name, contender)
        return fake

    return enter


def truth(rows: pd.DataFrame, seed: int, choosing: bool) -> np.ndarray:
    split = splits.random_rows(rows, seed)
    return (split.valid if choosing else split.test).rating.to_numpy("float64")


@pytest.mark.parametrize("seed", [0, 3])
def test_settings_are_tried_on_training_rows_and_judged_by_validation_rows(
    seed, rows, enter
):
    fake = enter()
    found = accuracy.run("fake", SET, seed, {"a": 1}, True)
    train, valid, _ = splits.random_rows(rows, seed)
    (job,) = fake.jobs
    assert job.train.index.tolist() == train.index.tolist()
    assert job.asked.index.tolist() == valid.index.tolist()
    error = 3.0 - valid.rating.to_numpy("float64")
    assert found["rmse"] == [pytest.approx((error**2).mean() ** 0.5)]
    assert (job.dataset, job.seed, fake.settings) == (SET, seed, [{"a": 1}])


@pytest.mark.parametrize("seed", [0, 3])
def test_the_last_training_has_both_and_is_judged_by_test_rows(seed, rows, enter):
    fake = enter()
    found = accuracy.run("fake", SET, seed, {}, False)
    train, valid, test = splits.random_rows(rows, seed)
    (job,) = fake.jobs
    assert job.train.index.tolist() == [*train.index, *valid.index]
    assert job.asked.index.tolist() == test.index.tolist()
    error = 3.0 - test.rating.to_numpy("float64")
    assert found["rmse"] == [pytest.approx((error**2).mean() ** 0.5)]


@pytest.mark.parametrize("choosing", [True, False])
def test_no_contender_sees_a_rating_that_it_is_judged_by(choosing, rows, enter):
    fake = enter()
    accuracy.run("fake", SET, 0, {}, choosing)
    (job,) = fake.jobs
    assert [*job.asked] == [name for name in rows if name != "rating"]
    assert job.target.mean_ == pytest.approx(job.train.rating.mean())
    assert "rating" in job.train


def test_predictions_are_clipped_to_the_stars_that_there_are(rows, enter):
    far = {9.0: 5.0, -9.0: 1.0}
    for given, counts in far.items():
        enter(fake=Fake(lambda n, seed, given=given: np.full(n, given)))
        error = counts - truth(rows, 0, False)
        found = accuracy.run("fake", SET, 0, {}, False)
        assert found["rmse"] == [pytest.approx((error**2).mean() ** 0.5)]


def test_the_ensemble_is_scored_by_the_mean_of_its_members(rows, enter):
    y = truth(rows, 0, False)
    off = np.where(y < 3, 1.0, -1.0)  # never beyond 1 to 5
    enter(fake=Fake(lambda n, seed: np.array([y, y + off, y + 2 * off])))
    found = accuracy.run("fake", SET, 0, {}, False)
    assert found["rmse"] == [0, pytest.approx(1), pytest.approx(2)]
    assert found["ensemble"] == pytest.approx(1)


def test_seconds_are_those_of_the_contender(enter, monkeypatch):
    now, said = [10.0], []

    def works(n, seed):
        said.append("works")
        now[0] += 2.5
        return np.full(n, 3.0)

    def clock():
        said.append("clock")
        return now[0]

    enter(fake=Fake(works))
    monkeypatch.setattr(accuracy.time, "perf_counter", clock)
    assert accuracy.run("fake", SET, 0, {}, False)["seconds"] == 2.5
    assert said == ["clock", "works", "clock"]


# ---- the search


def near(y: np.ndarray, settings: dict) -> np.ndarray:
    """Predictions whose error is |a - 2| / 10 + |b - 0.3|: best at a = 2, b = 0.3."""
    error = abs(settings["a"] - 2) / 10 + abs(settings["b"] - 0.3)
    return np.where(y < 3, y + error, y - error)


def test_the_search_starts_with_what_there_is_and_takes_the_lowest(
    rows, enter, monkeypatch
):
    monkeypatch.setattr(search, "TRIALS", 9)
    y = truth(rows, 0, True)
    space = {"a": [1, 2, 3], "b": [0.1, 0.3, 0.5]}
    fake = enter(
        fake=Fake(lambda n, seed, **settings: near(y, {"b": 0.9} | settings)),
        settings={"always": 1, "a": 7},
        space=space,
    )
    settings, tried = accuracy.choose("fake", SET, alone)
    points = [{"a": 7, "b": 0.9}, *search.drawn(space, 8)]
    assert fake.settings[0] == {"always": 1, "a": 7}
    assert fake.settings[1:] == [{"always": 1} | point for point in points[1:]]
    assert [t["settings"] for t in tried] == fake.settings
    errors = [abs(p["a"] - 2) / 10 + abs(p["b"] - 0.3) for p in points]
    assert [t["valid_rmse"] for t in tried] == pytest.approx(errors)
    assert settings == fake.settings[int(np.argmin(errors))]
    assert min(errors) < errors[0]
    train, valid, _ = splits.random_rows(rows, 0)
    for job in fake.jobs:
        assert job.seed == 0
        assert job.train.index.equals(train.index)
        assert job.asked.index.equals(valid.index)


def test_epochs_are_those_after_which_the_watched_curve_is_lowest(
    rows, enter, monkeypatch
):
    monkeypatch.setattr(search, "TRIALS", 12)
    y = truth(rows, 0, True)

    def curve(n, seed, epochs, watch, rate=6):
        """Lowest after `rate` epochs."""
        assert watch is True
        errors = [abs(epoch - rate) / 10 + rate / 100 for epoch in range(1, epochs + 1)]
        return np.array([np.where(y < 3, y + e, y - e) for e in errors])

    fake = enter(fake=Fake(curve), settings={"epochs": 6}, space={"rate": [4, 3, 5]})
    settings, tried = accuracy.choose("fake", SET, alone)
    assert [s["epochs"] for s in fake.settings] == [6] * 12
    assert settings == {"epochs": 3, "rate": 3}
    rates = [6, *(point["rate"] for point in search.drawn({"rate": [4, 3, 5]}, 11))]
    assert [t["settings"]["epochs"] for t in tried] == rates
    assert [t["valid_rmse"] for t in tried] == pytest.approx([r / 100 for r in rates])


def test_a_contender_without_a_space_is_not_searched(enter):
    fake = enter(settings={"a": 1})
    assert accuracy.choose("fake", SET, alone) == ({"a": 1}, [])
    assert fake.jobs == []


def test_where_a_search_takes_hours_the_settings_are_the_makers(enter):
    enter(settings={"b": 1}, space={"a": [3]}, advice="ask", unsearched=(SET,))
    enter("other", Fake(lambda n, seed, a=3: np.full(n, a)), space={"a": [1, 3, 5]})
    assert accuracy.choose("fake", SET, alone) == ({"b": 1}, [])
    assert accuracy.count("fake", SET) == 2
    assert accuracy.count("other", SET) == 2 + search.TRIALS


def test_without_a_search_the_epochs_are_chosen_all_the_same(rows, enter):
    y = truth(rows, 0, True)

    def curve(n, seed, epochs, watch):
        """Lowest after the second of all epochs."""
        return np.array([y + abs(epoch - 2) / 10 for epoch in range(1, epochs + 1)])

    fake = enter(fake=Fake(curve), settings={"epochs": 5}, unsearched=(SET,))
    assert accuracy.choose("fake", SET, alone) == ({"epochs": 2}, [])
    assert fake.settings == [{"epochs": 5, "watch": True}]
    assert accuracy.count("fake", SET) == 1 + 2


# ---- all seeds


def test_each_seed_is_trained_with_what_was_chosen_and_scored_on_its_test_rows(
    rows, enter
):
    fake = enter(
        fake=Fake(lambda n, seed, a=1: np.full(n, float(a))),
        space={"a": [1, 3, 5]},
        advice="ask",
    )
    found = accuracy.measure("fake", SET, alone)
    n = search.TRIALS
    assert found["settings"] == {"a": 3} and found["advice"] == f"{n} trials"
    assert found["at_edge"] == []
    assert len(found["tried"]) == n
    last = fake.jobs[n:]
    assert [job.seed for job in last] == [4, 5]
    assert fake.settings[n:] == [{"a": 3}] * 2
    for job in last:
        train, valid, test = splits.random_rows(rows, job.seed)
        assert job.train.index.tolist() == [*train.index, *valid.index]
        assert job.asked.index.equals(test.index)
    rmse = [((3 - truth(rows, seed, False)) ** 2).mean() ** 0.5 for seed in (4, 5)]
    assert found["rmse"] == {"4": [rmse[0]], "5": [rmse[1]]}
    assert found["one_model"] == {
        "values": rmse,
        "mean": pytest.approx(sum(rmse) / 2),
        "sd": pytest.approx(abs(rmse[0] - rmse[1]) / 2**0.5),
    }
    assert "ensemble" not in found


def test_what_was_not_searched_has_its_advice_and_no_edge(enter):
    enter(settings={"a": 1}, space={"b": [1, 2]}, advice="ask", unsearched=(SET,))
    found = accuracy.measure("fake", SET, alone)
    assert (found["advice"], found["tried"], found["at_edge"]) == ("ask", [], [])


def test_a_search_that_ends_at_an_edge_says_so(enter):
    fake = Fake(lambda n, seed, a=1: np.full(n, a / 9))
    enter(fake=fake, space={"a": [1, 9, 18]})
    assert accuracy.measure("fake", SET, alone)["at_edge"] == ["a"]


def test_one_model_is_the_first_member_and_the_ensemble_stands_beside_it(
    rows, enter, monkeypatch
):
    y = {seed: truth(rows, seed, False) for seed in (4, 5)}
    off = {4: 0.5, 5: 1.5}

    def two(n, seed):
        error = np.where(y[seed] < 3, off[seed], -off[seed])
        return np.array([y[seed] + error, y[seed]])

    enter(fake=Fake(two))
    now = itertools.count(step=12)
    monkeypatch.setattr(accuracy.time, "perf_counter", lambda: next(now))
    found = accuracy.measure("fake", SET, alone)
    assert found["one_model"]["values"] == pytest.approx([0.5, 1.5])
    assert found["ensemble"]["values"] == pytest.approx([0.25, 0.75])
    assert found["ensemble"]["mean"] == pytest.approx(0.5)
    assert found["seconds_a_model"] == 6


def test_summary_by_hand():
    assert accuracy.summary([1.0, 2.0, 6.0]) == {
        "values": [1.0, 2.0, 6.0],
        "mean": 3.0,
        "sd": pytest.approx(7**0.5),
    }
    assert accuracy.summary([2.0]) == {"values": [2.0], "mean": 2.0, "sd": None}


# ---- the program


def test_all_trials_of_all_contenders_are_counted(enter, monkeypatch, capsys):
    """A search of three and two seeds: as many lines as the first one says."""
    monkeypatch.setattr(search, "TRIALS", 3)
    fake = Fake(lambda n, seed, a=2: np.full(n, a))
    enter("fake", fake, space={"a": [1, 2, 3]})
    enter("plain")
    accuracy.main(SET, "fake", "plain")
    said = capsys.readouterr().out.splitlines()
    numbers = [line.split(":")[0] for line in said if line.startswith("accuracy_")]
    assert numbers == [f"accuracy_{SET} {i}/7" for i in range(1, 8)]
    first = results.read("accuracy", SET)
    monkeypatch.setattr(turns, "alone", None)  # all are kept
    accuracy.main(SET, "fake", "plain")
    assert results.read("accuracy", SET)["figures"] == first["figures"]


def test_contenders_that_are_named_are_measured_again_and_others_stay(
    enter, capsys, monkeypatch
):
    enter("fake")
    enter("other")
    monkeypatch.setattr(accuracy, "measure", lambda name, dataset, alone: figure(1.0))
    accuracy.main(SET, "fake", "other")
    monkeypatch.setattr(accuracy, "measure", lambda name, dataset, alone: figure(2.0))
    capsys.readouterr()
    accuracy.main(SET, "other")
    kept = results.read("accuracy", SET)
    means = {name: f["one_model"]["mean"] for name, f in kept["figures"].items()}
    assert means == {"fake": 1.0, "other": 2.0}
    assert kept["settings"] == {"seeds": [4, 5]}
    said = capsys.readouterr().out.splitlines()
    assert said == [
        accuracy.line("other", figure(2.0)),
        str(results.path("accuracy", SET)),
    ]


def test_without_names_all_are_measured_and_nothing_old_stays(monkeypatch):
    results.write("accuracy", SET, {"gone": figure(9.0)})
    asked = []
    monkeypatch.setattr(
        accuracy, "measure", lambda *args: asked.append(args[:2]) or figure(1.0)
    )
    accuracy.main(SET)
    assert asked == [(name, SET) for name in accuracy.CONTENDERS]
    assert [*results.read("accuracy", SET)["figures"]] == [*accuracy.CONTENDERS]


def test_what_was_measured_is_kept_when_the_next_one_fails(enter, monkeypatch):
    enter("fake")
    enter("bad")

    def measure(name, dataset, alone):
        if name == "bad":
            raise RuntimeError(name)
        return figure(1.0)

    monkeypatch.setattr(accuracy, "measure", measure)
    with pytest.raises(RuntimeError, match="bad"):
        accuracy.main(SET, "fake", "bad")
    assert [*results.read("accuracy", SET)["figures"]] == ["fake"]


@pytest.mark.parametrize("names", [("nowhere",), (SET, "nobody"), (SET, "ours", "x")])
def test_a_name_that_is_unknown_is_named_with_those_that_are_not(names):
    with pytest.raises(SystemExit) as error:
        accuracy.main(*names)
    assert names[-1] in str(error.value) and "'myFM, ids'" in str(error.value)


def figure(mean: float, **more) -> dict:
    return {"one_model": {"mean": mean, "sd": None}, "seconds_a_model": 7.4, **more}


def test_a_line_has_what_there_is():
    few = figure(0.87654)
    assert accuracy.line("ours", few) == f"ours{' ' * 21}0.8765   7 s a model"
    few["one_model"]["sd"] = 0.01234
    few["ensemble"] = {"mean": 0.8}
    assert accuracy.line("ours", few) == (
        f"ours{' ' * 21}0.8765 (sd 0.0123)   ensemble 0.8000   7 s a model"
    )


# ---- ours, and what README shows


@pytest.mark.parametrize("histories", [True, False])
def test_ours_is_the_recipe_of_the_set_with_all_of_its_members(
    histories, rows, monkeypatch
):
    from helpers import best, predictor, training

    small = best.Recipe({"k": 2}, {"epochs": 1}, 2)
    other = best.Recipe({"k": 1}, {"epochs": 2}, 1)
    with_lists, plain = (small, other) if histories else (other, small)
    monkeypatch.setitem(best.RECIPES, SET, with_lists)
    monkeypatch.setitem(best.PLAIN, SET, plain)
    train, _, test = splits.random_rows(rows, 0)
    target = accuracy.Stars().fit(train)
    encoder = fields.FieldEncoder({"age": "categorical"}).fit(train)
    asked, call = {}, inspect.signature(predictor.Predictor.train)

    def trained(*args, **more):
        asked.update(call.bind(*args, **more).arguments)
        return SimpleNamespace(models=[1, 10], encoder=encoder, target=target)

    def predict(model, x, target):
        assert target.mean_ and [*x] == ["age"]
        return model * (x["age"] + 0.5)

    monkeypatch.setattr(predictor.Predictor, "train", trained)
    monkeypatch.setattr(training, "predict", predict)
    job = accuracy.rivals.Job(SET, train, test.drop(columns="rating"), target, seed=3)
    found = accuracy.ours(job) if histories else accuracy.ours(job, histories=False)
    split = asked.pop("split")
    assert split.train is train and not len(split.valid) and not len(split.test)
    assert asked == {
        "fields": best.FIELDS if histories else fields.MOVIELENS,
        "target": target,
        "model": small.model,
        "fit": small.fit,
        "seed": 3,
        "members": 2,
    }
    once = encoder.transform(test)["age"][:, 0] + 0.5
    np.testing.assert_array_equal(found, [once, 10 * once])


KEPT = {
    name: results.read("accuracy", name) for name in ("ml-100k", "ml-1m")
}  # before RESULTS is another folder


def points(contender: accuracy.Contender) -> list[dict]:
    found = [{}, *search.drawn(contender.space, search.TRIALS - 1)]
    return json.loads(json.dumps([contender.settings | point for point in found]))


def test_what_is_kept_was_measured_with_the_seeds_that_the_program_has():
    assert {*KEPT["ml-100k"]["figures"]} == {*accuracy.CONTENDERS}
    for name, kept in KEPT.items():
        assert kept["settings"]["seeds"] == accuracy.SEEDS[name]
        for found in kept["figures"].values():
            assert [*map(int, found["rmse"])] == accuracy.SEEDS[name]
    assert accuracy.CHOOSING_SEED == 0


@pytest.mark.parametrize("name", accuracy.CONTENDERS)
def test_what_is_kept_of_a_contender_is_what_the_program_would_try(name):
    contender, kept = accuracy.CONTENDERS[name], KEPT["ml-100k"]["figures"][name]
    tried = [{**t["settings"]} for t in kept["tried"]]
    if "epochs" in contender.settings:
        most = contender.settings["epochs"]
        assert all(1 <= t["epochs"] <= most for t in tried)
        tried = [t | {"epochs": most} for t in tried]
    searched = accuracy.is_searched(contender, "ml-100k")
    assert tried == (points(contender) if searched else [])
    assert kept["advice"] == (f"{len(tried)} trials" if tried else contender.advice)
    edges = search.at_edge(contender.space, kept["settings"])
    assert kept["at_edge"] == (edges if searched else [])
    lowest = min(kept["tried"], key=lambda t: t["valid_rmse"], default=None)
    assert kept["settings"] == (lowest["settings"] if lowest else contender.settings)
    first = [members[0] for members in kept["rmse"].values()]
    assert kept["one_model"]["values"] == first
    assert kept["one_model"]["mean"] == pytest.approx(statistics.mean(first))
    assert kept["one_model"]["sd"] == pytest.approx(statistics.stdev(first))


def test_the_side_features_are_all_fields_that_are_no_number():
    assert [*accuracy.SIDE] == [n for n in fields.MOVIELENS if n != "year"]
    assert {*accuracy.IDS} == {"user_id", "movie_id"}
