"""The rivals of the contest: the same rows and trials; the job of a first day."""

import os
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest

from benchmarks import contest as ours
from benchmarks import table_rivals, tables, turns
from helpers import contest
from helpers.contenders import Contender
from helpers.fields import Categorical, Numeric
from helpers.targets import Clicks

FIELDS = {"shop": "categorical", "price": Numeric(log=True), "kind": Categorical("tag")}


def table(_=None, n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = {"shop": rng.choice(["a", "b"], n), "price": rng.lognormal(size=n)}
    rows = pd.DataFrame(rows).assign(tag=rng.integers(3, size=n))
    return rows.assign(over_50k=(rows.price + rng.normal(size=n) > 1.5).astype(int))


@pytest.fixture
def toy(monkeypatch, tmp_path, in_this_process):
    """The toy table; the rival answers what was drawn, and keeps what it was given."""
    given = []

    def draw(trial):
        return {"p": trial.suggest_float("p", 0.01, 0.99)}

    def train(split, fields, target, settings, seed, report):
        given.append((split, fields, seed, dict(os.environ)))
        return lambda rows: np.full(len(rows), settings["p"])

    monkeypatch.setattr(ours, "README", tmp_path / "README.md")
    ours.README.write_text(f"{ours.BEGIN}\n{ours.END}\n", "utf-8")
    monkeypatch.setattr(ours, "rows_of", table)
    monkeypatch.setattr(ours, "TRIALS", 3)
    monkeypatch.setattr(ours, "SEEDS", [0, 1])
    monkeypatch.setitem(ours.FIELDS, "adult", FIELDS)
    monkeypatch.setitem(tables.CONTENDERS, "rival", Contender(draw, train))
    monkeypatch.setitem(table_rivals.ENVIRONMENT, "rival", {"OF_RIVAL": "yes"})
    return given


def test_a_rival_is_searched_on_each_split_and_judged_by_its_test_rows(toy, capsys):
    tables.main("rival")
    found = tables.results.read("tables", "adult")["figures"]["rival"]
    assert found["trials"] == [3, 3] and len(found["settings"]) == 2
    assert len(toy) == 2 * (3 + 1)  # the chosen one is trained again
    for split, fields, _, environment in toy:
        assert fields == FIELDS and len(split.test) == 0
        assert environment["OF_RIVAL"] == "yes"
    assert [seed for _, _, seed, _ in toy] == [0] * 4 + [1] * 4
    for seed, p in enumerate(found["settings"]):
        split = tables.splits.random_rows(table(), seed)
        y, p = split.test.over_50k.to_numpy(), p["p"]
        loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        assert found["scores"]["log loss"]["values"][seed] == pytest.approx(loss)
    assert "OF_RIVAL" not in os.environ
    assert "rival" in capsys.readouterr().out


def test_what_was_measured_stays_where_others_are_named(toy):
    tables.main("rival")
    before = tables.results.read("tables", "adult")["figures"]["rival"]
    tables.CONTENDERS["other"] = tables.CONTENDERS["rival"]
    try:
        tables.main("other")
    finally:
        del tables.CONTENDERS["other"]
    found = tables.results.read("tables", "adult")["figures"]
    assert found["rival"] == before and {*found} == {"rival", "other"}
    with pytest.raises(SystemExit, match="Unknown: {'nobody'}"):
        tables.main("nobody")


def test_lines_are_those_that_hold_code():
    source = (
        '"""What it does."""\n\nimport json\n\n# why\nx = {  # this\n    "a": 1,\n\n}\n'
    )
    assert tables.lines_of(source) == 4
    assert tables.lines_of("x = 1\n") == 1


def test_the_job_of_a_first_day_runs_on_the_rows_of_a_split(toy):
    found = tables.job("ours", 0)
    assert {"log loss", "AUC"} <= {*found["scores"]}
    assert 0 < found["scores"]["log loss"] < 1.5 and found["seconds"] > 0


def test_a_job_that_fails_says_why(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(tables, "JOBS", tmp_path)
    (tmp_path / "bad.py").write_text("raise ValueError('no rows')")
    with pytest.raises(RuntimeError, match="bad failed:[^$]*no rows"):
        tables.job("bad", 0)


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ([0.9, 0.5, 0.6, 0.7, 0.8, 0.1], 1),
        ([0.9, 0.8, 0.7], 2),
        ([0.5, 0.6, 0.7, 0.9], 0),
    ],
)
def test_a_rival_keeps_its_best_epoch(monkeypatch, said, kept):
    monkeypatch.setattr(table_rivals, "EPOCHS", len(said))
    monkeypatch.setattr(table_rivals, "PATIENCE", 2)
    state, reported = SimpleNamespace(epoch=-1), []
    happened = np.array([1.0, 1.0])

    def train():
        state.epoch += 1

    def answer():
        return np.full(2, np.exp(-said[state.epoch]))

    def take(epoch):
        state.epoch = epoch

    table_rivals._best_epoch(
        train,
        answer,
        (lambda: state.epoch, take),
        happened,
        lambda *x: reported.append(x),
    )
    assert state.epoch == kept
    assert len(reported) == min(kept + 3, len(said))
    np.testing.assert_allclose([loss for _, loss in reported], said[: len(reported)])


@pytest.mark.parametrize("name", [*table_rivals.CONTENDERS])
def test_a_rival_draws_settings_that_can_be_given_back(name):
    import optuna

    draw = table_rivals.CONTENDERS[name].draw
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    trial = study.ask()
    settings = draw(trial)
    assert draw(optuna.trial.FixedTrial(trial.params)) == settings
    assert {"k", "width", "layers", "dropout", "learning_rate"} <= {*settings}


def test_pytorch_widedeep_sees_a_column_a_field(monkeypatch):
    pytest.importorskip("pytorch_widedeep")
    settings = {"numbers": "standard", "k": 4, "wide": True}
    found = table_rivals._WideDeepRows(table(), FIELDS, settings)(table())
    assert found["X_tab"].shape == (300, 3) and found["X_wide"].shape == (300, 2)
    assert np.abs(found["X_tab"][:, 2].mean()) < 1e-5


def test_a_search_is_that_of_the_course(toy, monkeypatch):
    asked = []
    search = contest.search

    def kept(name, contender, *about, **how):
        asked.append((name, how))
        return search(name, contender, *about, **how)

    monkeypatch.setattr(contest, "search", kept)
    tables.run("rival", 1)
    ((name, how),) = asked
    assert name == "rival, split 1" and how["trials"] == 3 and how["seed"] == 1


PACKAGES = {"pytorch-widedeep": "pytorch_widedeep", "DeepCTR DeepFM": "deepctr"}


def losses(name: str) -> tuple[float, float]:
    """Log loss of a rival on rows it was not trained on, and of their own share."""
    rival, target = table_rivals.CONTENDERS[name], Clicks("over_50k")
    split = tables.splits.random_rows(table(n=3000), 0)
    target.fit(split.train)
    sampler = optuna.samplers.RandomSampler(seed=0)
    settings = rival.draw(optuna.create_study(sampler=sampler).ask())
    answers = rival.train(split, FIELDS, target, settings, 0, lambda *_: None)
    asked = split.test.drop(columns="over_50k")
    happened = target.actual(split.test)
    shares = np.full(len(asked), happened.mean())
    return tuple(
        target.scores(p, happened)["log loss"] for p in (answers(asked), shares)
    )


@pytest.mark.parametrize("name", PACKAGES)
def test_a_rival_learns_in_a_process_of_its_own(name):
    if find_spec(PACKAGES[name]) is None:
        pytest.skip("Rivals are in the environment of make bench.")
    with tables._environment(name):
        loss, of_share = turns.alone(losses, name)
    assert loss < 0.9 * of_share
