"""What grows with what: sizes small enough for a test, and the arithmetic by hand."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from scipy import stats

from benchmarks import growth, results
from helpers import best, fields, models, optimizers, splits, training


def alone(call, *args):
    """In place of Trials.alone."""
    return call(*args)


@pytest.mark.parametrize("power", [0, 0.5, 1, 2])
def test_the_slope_is_the_power_of_growth(power):
    sizes = [10, 100, 1000]
    assert growth.slope(sizes, [7 * n**power for n in sizes]) == pytest.approx(power)


def test_the_slope_is_that_of_the_last_two():
    assert growth.slope([1, 10, 1000], [50, 2, 200]) == pytest.approx(1)


def test_memory_is_told_in_gib(monkeypatch):
    peak = SimpleNamespace(ru_maxrss=3 * 2**20)  # KiB, on Linux
    monkeypatch.setattr(growth.resource, "getrusage", {0: peak}.get)
    assert growth.gib() == 3


def test_random_rows_have_the_shape_of_ml_1m():
    rows = growth.like_ml_1m(60_000)
    assert len(rows) == 60_000
    assert [*rows] == [*fields.MOVIELENS, "rating"]
    counts = {name: rows[name].nunique() for name in rows if name != "genres"}
    assert counts == {
        "user_id": 6040,
        "movie_id": 3706,
        "gender": 2,
        "age": 7,
        "occupation": 21,
        "year": 80,
        "rating": 5,
    }
    assert {*rows.rating} == {1, 2, 3, 4, 5} and rows.rating.dtype == "float32"
    assert (rows.year.min(), rows.year.max()) == (1920, 1999)
    assert {len(genres) for genres in rows.genres} == {1, 2, 3}
    assert {g for genres in rows.genres for g in genres} == {*range(18)}
    assert all(len({*genres}) == len(genres) for genres in rows.genres)
    assert rows.groupby("movie_id").genres.nunique().max() == 1
    assert rows.groupby("user_id").gender.nunique().max() == 1
    assert {*rows.gender} == {"F", "M"}
    assert rows.equals(growth.like_ml_1m(60_000))


def test_rows_are_timed_without_what_is_compiled(monkeypatch):
    now, fitted = itertools.count(step=5), []

    def prepare(split):
        assert len(split.train) == 40_000 and not len(split.valid) + len(split.test)
        fitted.append("prepared")
        target = SimpleNamespace(intercept=2.5)
        encoder = SimpleNamespace(specs=["spec"])
        return SimpleNamespace(train="rows", encoder=encoder, target=target)

    def fit(model, rows, epochs, batch_size):
        assert (rows, batch_size) == ("rows", 2048)
        assert model == (["spec"], 16, (64, 64), {"intercept": 2.5, "seed": 0})
        fitted.append(epochs)
        return SimpleNamespace(seconds=10 + 0.5 * epochs)

    monkeypatch.setattr(growth.time, "perf_counter", lambda: next(now))
    monkeypatch.setattr(training, "prepare", prepare)
    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(models, "deepfm", lambda s, k, units, **how: (s, k, units, how))
    monkeypatch.setattr(growth, "gib", lambda: 1.5)
    assert growth.with_rows(40_000) == {"encode": 5, "epoch": 0.5, "peak_gib": 1.5}
    assert fitted == ["prepared", 1, 26]


@pytest.mark.parametrize(("rows", "more"), [(10**3, 50), (10**5, 10), (10**7, 1)])
def test_small_sizes_are_measured_over_more_epochs(rows, more, monkeypatch):
    asked = []

    def fit(model, rows, epochs, batch_size):
        asked.append(epochs)
        return SimpleNamespace(seconds=3.0)

    data = SimpleNamespace(
        train=None,
        encoder=SimpleNamespace(specs=None),
        target=SimpleNamespace(intercept=0),
    )
    monkeypatch.setattr(growth, "like_ml_1m", lambda n: [])
    monkeypatch.setattr(training, "prepare", lambda split: data)
    monkeypatch.setattr(training, "fit", fit)
    monkeypatch.setattr(models, "deepfm", lambda *args, **how: None)
    growth.with_rows(rows)
    assert asked == [1, 1 + more]


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="its step is TF's")
@pytest.mark.parametrize("name", growth.OPTIMIZERS)
def test_a_step_trains_with_the_ids_that_there_are(name, monkeypatch):
    seen = {}
    make = models.deepfm

    def deepfm(specs, *args, **how):
        seen["specs"] = specs
        seen["how"] = (*args, how)
        seen["model"] = make(specs, *args, **how)
        seen["before"] = [w.numpy() for w in seen["model"].trainable_variables]
        return seen["model"]

    monkeypatch.setattr(models, "deepfm", deepfm)
    monkeypatch.setattr(growth, "STEPS", 3)
    monkeypatch.setattr(growth, "BATCH", 16)
    monkeypatch.setattr(growth, "UNITS", (2,))
    monkeypatch.setattr(growth, "gib", lambda: 1.5)
    steps = []
    kind = keras.optimizers.Adam if name == "keras.Adam" else getattr(optimizers, name)
    apply = kind.apply
    monkeypatch.setattr(
        kind,
        "apply",
        lambda self, *args: steps.append(type(self)) or apply(self, *args),
    )
    now = iter([10, 10.25, 20, 20.5, 30, 30.75])
    monkeypatch.setattr(growth.time, "perf_counter", lambda: next(now))
    found = growth.with_ids(50, name)
    assert found == {"median": 500, "low": 375, "high": 625, "peak_gib": 1.5}
    assert [(s.name, s.kind, s.size) for s in seen["specs"]] == [
        ("a", "categorical", 50),
        ("b", "categorical", 1000),
    ]
    assert seen["how"] == (16, (2,), {"seed": 0})
    assert {*steps} == {kind}
    pairs = zip(seen["model"].trainable_variables, seen["before"], strict=True)
    moved = {w.path: np.abs(w.numpy() - before) for w, before in pairs}
    table = moved["embedding_a/embeddings"].max(1)
    assert not table[:2].any()  # padding and unknown are in no batch
    assert (table[2:] > 0).mean() > 0.5
    # a constant that is 3 away moves by the rate in each of the four steps
    assert moved["first_order/w0"] == pytest.approx(4e-3, rel=0.01)


def test_accuracy_is_that_of_the_validation_rows(few_rows, monkeypatch):
    data = SimpleNamespace(joined=lambda: few_rows)
    asked, prepare = {}, training.prepare

    def prepared(split):
        asked["split"] = split
        return prepare(split)

    def train(data, recipe, seed):
        asked.update(recipe=recipe, seed=seed, train=data.train)
        return "model"

    def evaluate(model, found):
        assert model == "model"
        asked["judged by"] = found.rows
        return {"RMSE": 0.9, "MAE": 0.7}

    from helpers import datasets

    monkeypatch.setattr(datasets, "load", {"ml-100k": data}.get)
    monkeypatch.setattr(training, "prepare", prepared)
    monkeypatch.setattr(best, "train", train)
    monkeypatch.setattr(training, "evaluate", evaluate)
    assert growth.accuracy("RowAdam", 0.02, 3) == 0.9
    train, valid, _ = splits.random_rows(few_rows, 3)
    assert asked["train"].rows.index.equals(train.index)
    assert asked["judged by"].index.equals(valid.index)
    assert asked["seed"] == 3
    plain = best.PLAIN["ml-100k"]
    assert asked["recipe"].model == plain.model
    how = {"optimizer": optimizers.RowAdam, "learning_rate": 0.02}
    assert asked["recipe"].fit == plain.fit | how


def test_rows_grow_by_slopes(in_this_process, monkeypatch, capsys):
    monkeypatch.setattr(growth, "ROWS", [10, 100, 10_000])
    epochs = {10: 7, 100: 1, 10_000: 10}
    monkeypatch.setattr(
        growth, "with_rows", lambda n: {"encode": n, "epoch": epochs[n], "peak_gib": 2}
    )
    assert growth.grow_rows(alone) == {
        "10": {"encode": 10, "epoch": 7, "peak_gib": 2},
        "100": {"encode": 100, "epoch": 1, "peak_gib": 2},
        "10000": {"encode": 10_000, "epoch": 10, "peak_gib": 2},
        "slope_encode": pytest.approx(1),
        "slope_epoch": pytest.approx(0.5),
        "slope_peak_gib": 0,
    }
    first, _, last = capsys.readouterr().out.splitlines()
    assert first.startswith("        10 rows {'encode': 10, 'ep")
    assert last.startswith("    10,000 rows {'encode': 10000,")


def test_ids_grow_by_each_optimizer_in_turn(in_this_process, monkeypatch, capsys):
    asked = []
    powers = {"keras.Adam": 1, "Adam": 0.5, "RowAdam": 0}
    sizes = [10, 1000, 100_000]

    def with_ids(n, optimizer):
        asked.append((n, optimizer))
        return {"median": 6 if n == 10 else n ** powers[optimizer]}

    monkeypatch.setattr(growth, "IDS", sizes)
    monkeypatch.setattr(growth, "with_ids", with_ids)
    found = growth.grow_ids(alone)
    assert asked == [*itertools.product(sizes, powers)]
    for name, power in powers.items():
        assert found[name] == {
            "10": {"median": 6},
            "1000": {"median": 1000**power},
            "100000": {"median": 100_000**power},
            "slope": pytest.approx(power),
            "last_by_first": pytest.approx(100_000**power / 6),
        }
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "        10 ids keras.Adam {'median': 6}"
    assert said[-1] == "   100,000 ids RowAdam    {'median': 1}"


def test_rates_are_chosen_on_one_seed_and_compared_on_all(
    in_this_process, monkeypatch, capsys
):
    """Adam is best at 0.01, RowAdam, by 0.01 a seed better, at 0.02."""
    asked = []
    lowest = {"Adam": 0.01, "RowAdam": 0.02}

    def accuracy(name, rate, seed):
        asked.append((name, rate, seed))
        better = 0.01 * seed * (name == "RowAdam")
        return 0.9 + abs(rate - lowest[name]) - better

    monkeypatch.setattr(growth, "accuracy", accuracy)
    found = growth.compare_accuracy(alone, seeds=range(3))
    assert asked == [
        *(("Adam", rate, 0) for rate in (0.005, 0.01, 0.02)),
        *(("Adam", 0.01, seed) for seed in (1, 2)),
        *(("RowAdam", rate, 0) for rate in (0.005, 0.01, 0.02)),
        *(("RowAdam", 0.02, seed) for seed in (1, 2)),
    ]
    assert found["Adam"]["rate"] == 0.01 and found["RowAdam"]["rate"] == 0.02
    assert found["RowAdam"]["valid_rmse"] == pytest.approx([0.9, 0.89, 0.88])
    tried = dict(found["Adam"]["tried"])
    assert tried == pytest.approx({0.005: 0.905, 0.01: 0.9, 0.02: 0.91})
    assert found["row_minus_adam"] == {
        "difference": pytest.approx(-0.01),
        "half_width": pytest.approx(
            stats.t.ppf(0.975, 2) * 0.01 * (1 / 3 + 1 / 8) ** 0.5
        ),
        "p": pytest.approx(2 * stats.t.cdf(-1 / (1 / 3 + 1 / 8) ** 0.5, 2)),
        "p_small": pytest.approx(stats.t.cdf(0.7 / (1 / 3 + 1 / 8) ** 0.5, 2)),
        "outcome": "not shown",
        "outlying": (),
    }
    said = capsys.readouterr().out.splitlines()
    assert [line.split(" ")[0] for line in said] == [
        "Adam",
        "RowAdam",
        "{'difference':",
    ]


def test_five_seeds_where_nobody_says_how_many(in_this_process, monkeypatch):
    slower = {"Adam": 0.01, "RowAdam": 0.02}
    monkeypatch.setattr(
        growth, "accuracy", lambda name, rate, seed: 0.9 + slower[name] * seed
    )
    asked = []

    def counted(call, *args):
        asked.append(args)
        return call(*args)

    found = growth.compare_accuracy(counted)
    assert len(asked) == growth.COUNTS["accuracy"]
    assert found["Adam"]["valid_rmse"] == pytest.approx([0.9, 0.91, 0.92, 0.93, 0.94])


def test_what_is_named_is_measured_and_the_rest_stays(
    in_this_process, monkeypatch, capsys
):
    what = {name: lambda alone, i=i: i for i, name in enumerate(growth.WHAT, 1)}
    monkeypatch.setattr(growth, "WHAT", what)
    growth.main("rows", "ids")
    what["ids"] = lambda alone: 20
    growth.main("ids")
    kept = results.read("growth", "synthetic")
    assert kept["figures"] == {"rows": 1, "ids": 20}
    assert kept["settings"] == {
        "batch": 2048,
        "k": 16,
        "units": [64, 64],
        "steps": 30,
    }
    growth.main()
    assert results.read("growth", "synthetic")["figures"] == {
        "rows": 1,
        "ids": 20,
        "accuracy": 3,
    }
    results.write("growth", "synthetic", {"gone": 1})
    growth.main()
    assert "gone" not in results.read("growth", "synthetic")["figures"]
    said = capsys.readouterr().out.splitlines()
    assert said == [str(results.path("growth", "synthetic"))] * 4


KEPT = results.read("growth", "synthetic")


def test_what_is_kept_was_measured_as_the_program_would():
    figures = KEPT["figures"]
    assert {*figures} == {*growth.WHAT}
    sizes = [key for key in figures["rows"] if key.isdecimal()]
    assert [*map(int, sizes)] == growth.ROWS
    assert [*figures["ids"]] == [*growth.OPTIMIZERS]
    for found in figures["ids"].values():
        assert [int(key) for key in found if key.isdecimal()] == growth.IDS
    assert {*growth.COUNTS} == {*growth.WHAT}
    assert growth.WHAT == {
        "rows": growth.grow_rows,
        "ids": growth.grow_ids,
        "accuracy": growth.compare_accuracy,
    }
    assert KEPT["settings"] == {
        "batch": growth.BATCH,
        "k": growth.K,
        "units": [*growth.UNITS],
        "steps": growth.STEPS,
    }
