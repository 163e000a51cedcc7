"""The contest: forms of fields, what trees are given, a search that can be taken up."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest

from benchmarks import contest as benchmark
from benchmarks import results, trials, turns
from helpers import contenders, contest, splits, training
from helpers.contenders import CONTENDERS, Contender
from helpers.fields import Categorical, FieldEncoder, Numeric
from helpers.probabilities import log_loss
from helpers.splits import Split
from helpers.targets import Clicks

FIELDS = {"shop": "categorical", "price": "numeric", "tags": "multi-categorical"}
TARGET = Clicks("bought")


def table(n: int = 400, shops: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = pd.DataFrame(
        {
            "shop": rng.integers(shops, size=n),
            "price": rng.lognormal(1, 1, n),
            "tags": [[f"t{i}" for i in range(k)] for k in rng.integers(0, 4, n)],
        }
    )
    raw = rng.normal(0, 2, shops)[rows.shop] + (rows.price > 3)
    return rows.assign(bought=(rng.random(n) < 1 / (1 + np.exp(-raw))).astype(int))


@pytest.fixture(scope="module")
def split() -> Split:
    return splits.random_rows(table(), 0)


@pytest.fixture
def short(monkeypatch):
    """Trainings of a moment."""
    monkeypatch.setattr(contenders, "EPOCHS", 3)
    monkeypatch.setattr(contenders, "TREES", 40)


def fake(answer=lambda settings, rows: np.full(len(rows), settings["p"]), losses=()):
    """A contender that learns nothing: p is what it answers."""
    trained = []

    def draw(trial):
        return {"p": trial.suggest_float("p", 0.01, 0.99)}

    def train(split, fields, target, settings, seed, report):
        trained.append((split, settings, seed))
        for step, loss in enumerate(losses):
            report(step, loss + settings["p"])
        return lambda rows: answer(settings, rows)

    return Contender(draw, train), trained


def searched(split, path, contender=None, name="it", n=12, fields=FIELDS, seed=5):
    contender = contender or fake()[0]
    return contest.search(
        name, contender, split, fields, TARGET, trials=n, seed=seed, path=path
    )


def of(study) -> list[tuple]:
    """What is to be the same of two searches: all but the times."""
    return [
        (t.params, t.value, t.state, t.intermediate_values)
        for t in study.get_trials(states=contest.DONE)
    ]


# Forms of fields


def test_the_forms_of_numbers():
    fields = {"a": "numeric", "b": Numeric("x", missing="mean", log=True)} | {
        "c": "categorical",
        "d": Numeric(intervals=4),
    }
    assert contenders.in_form(fields, "as given", 7) == fields | {"a": Numeric()}
    cut = {
        "a": Numeric("a", intervals=7),
        "b": Numeric("x", intervals=7, missing="value"),
    }
    assert contenders.in_form(fields, "intervals", 7) == fields | cut
    both = contenders.in_form(fields, "both", 7)
    assert both == fields | {"a": Numeric()} | {
        f"{name} in intervals": field for name, field in cut.items()
    }


def test_a_row_of_logistic_regression():
    rows = table(50)
    encoder = FieldEncoder(FIELDS).fit(rows)
    x = contenders.one_hot(encoder, rows).toarray()
    shops, tags = (
        rows.shop.nunique() + 2,
        len({t for row in rows.tags for t in row}) + 2,
    )
    assert x.shape == (50, shops + 1 + tags)
    np.testing.assert_array_equal(x[:, :shops].sum(1), 1)
    np.testing.assert_allclose(x[:, shops], encoder.transform(rows)["price"][:, 0])
    np.testing.assert_allclose(x[:, shops + 1 :].sum(1), rows.tags.map(bool) * 1.0)
    row = rows.tags.map(len).tolist().index(3)
    assert sorted(x[row, shops + 1 :])[-3:] == pytest.approx([1 / 3] * 3)


def test_what_trees_are_given():
    rows = table(300)
    rows.loc[3, "price"] = np.nan
    split = Split(rows.iloc[:200], rows.iloc[200:250], rows.iloc[250:])
    fields = FIELDS | {
        "price": Numeric(missing="mean"),
        "cut": Numeric("price", missing="value", intervals=4),
    }
    columns = contenders._Columns(fields, split, TARGET.actual(split.train), 0)
    x = columns.of_train
    assert columns.categories == [True, False, *[False] * (x.shape[1] - 3), False]
    np.testing.assert_array_equal(x[:, 1], split.train.price)  # NaN stays
    np.testing.assert_array_equal(x[:, -1], split.train.price)
    tags = x[:, 2:-1]
    np.testing.assert_array_equal(tags.sum(1), split.train.tags.map(len))
    np.testing.assert_array_equal(columns(split.train)[:, :3], x[:, :3])


def test_an_id_with_many_values_becomes_its_share_of_ones():
    rows = table(3000, shops=300)
    split = splits.random_rows(rows, 0)
    y = TARGET.actual(split.train)
    columns = contenders._Columns({"shop": "categorical"}, split, y, 0)
    assert columns.categories == [False]
    shares = split.train.groupby("shop").bought.mean()
    own = columns(split.valid)[:, 0]
    assert np.corrcoef(own, split.valid.shop.map(shares).fillna(y.mean()))[0, 1] > 0.9
    # of training rows: without the answers of the row's own fold
    assert (
        np.corrcoef(columns.of_train[:, 0], y)[0, 1]
        < np.corrcoef(split.train.shop.map(shares), y)[0, 1]
    )


@pytest.mark.parametrize("name", CONTENDERS)
def test_every_contender_learns_and_answers_raw_rows(name, split, short):
    contender, reported = CONTENDERS[name], []
    settings = contender.draw(optuna.trial.FixedTrial(PARAMS))
    with_target = Clicks("bought").fit(split.train)
    asked = split.test.drop(columns="bought")
    train = split._replace(test=split.test.iloc[:0])
    about = (train, FIELDS, with_target, settings, 0)
    answers = contender.train(*about, lambda *r: reported.append(r))
    p = answers(asked)
    assert p.shape == (len(asked),) and ((p > 0) & (p < 1)).all()
    np.testing.assert_allclose(answers(asked.iloc[::-1]), p[::-1], atol=1e-6)
    base = log_loss(np.full(len(p), split.train.bought.mean()), split.test.bought)
    assert log_loss(p, split.test.bought) < base
    if name != "logistic regression":
        best = min(loss for _, loss in reported)
        own = contest.log_loss(answers, split.valid, with_target)
        assert own == pytest.approx(best, abs=1e-5)


PARAMS = {
    **{"form": "both", "intervals": 6, "C": 1.0, "k": 4, "l2": 1e-3, "width": 16},
    **{"layers": 1, "dropout": 0.1, "learning_rate": 2e-2, "max_leaf_nodes": 4},
    **{"min_samples_leaf": 5, "l2_regularization": 1.0, "max_features": 1.0},
}


def test_trees_answer_as_after_their_best_number(split, monkeypatch):
    """After that number they would overfit; none that came later counts."""
    monkeypatch.setattr(contenders, "TREES", 400)
    settings = {"learning_rate": 0.3, "max_leaf_nodes": 31, "min_samples_leaf": 2}
    losses = []
    train = CONTENDERS["trees"].train
    answers = train(split, FIELDS, TARGET, settings, 0, lambda _, x: losses.append(x))
    assert np.argmin(losses) < len(losses) - 1
    assert contest.log_loss(answers, split.valid, TARGET) == pytest.approx(min(losses))


# The search


def test_a_search_finds_and_says_what_it_found(split, tmp_path):
    contender, trained = fake()
    study = searched(split, tmp_path / "a.db", contender, n=20)
    assert len(of(study)) == len(trained) == len(contest.seconds(study)) == 20
    base = split.valid.bought.mean()
    assert abs(study.best_params["p"] - base) < 0.1
    settings, answers = contest.chosen(contender, study, split, FIELDS, TARGET, 5)
    assert settings == {"p": study.best_params["p"]}
    assert contest.log_loss(answers, split.valid, TARGET) == study.best_value


def test_test_rows_take_no_part(split, tmp_path):
    contender, trained = fake()
    study = searched(split, tmp_path / "a.db", contender)
    contest.chosen(contender, study, split, FIELDS, TARGET, 5)
    for given, _, seed in trained:
        assert given.train is split.train and given.valid is split.valid
        assert len(given.test) == 0 and seed == 5
    turned = split._replace(test=split.test.assign(bought=1 - split.test.bought))
    assert of(searched(turned, tmp_path / "b.db")) == of(study)


def test_the_seed_decides(split, tmp_path):
    one, same = (of(searched(split, tmp_path / f"{i}.db")) for i in range(2))
    other = of(searched(split, tmp_path / "c.db", seed=6))
    assert one == same != other


class Killed(BaseException):
    """Optuna leaves the trial running, as where the process is killed."""


@pytest.mark.parametrize(
    ("at", "losses"), [(0, ()), (9, ()), (11, (0.3, 0.2, 0.1, 0.1, 0.1, 0.1))]
)
def test_a_search_interrupted_and_resumed_is_one_that_was_not(
    split, tmp_path, at, losses
):
    contender, trained = fake(losses=losses)

    def train(*args):
        if len(trained) == at:
            raise Killed
        return contender.train(*args)

    path = tmp_path / "cut.db"
    for _ in range(2):  # the second time in the same trial
        with pytest.raises(Killed):
            searched(split, path, Contender(contender.draw, train))
    taken_up = searched(split, path, fake(losses=losses)[0])
    whole = searched(split, tmp_path / "whole.db", fake(losses=losses)[0])
    assert of(taken_up) == of(whole)
    assert len(taken_up.trials) == len(whole.trials) + 2
    assert of(searched(split, path, fake(losses=losses)[0])) == of(whole)


KILLED = """
import os, signal, sys
from test_contest import FIELDS, TARGET, Contender, contest, fake, splits, table

contender, trained = fake()

def train(*args):
    if len(trained) == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    return contender.train(*args)

contest.search(
    "it", Contender(contender.draw, train), splits.random_rows(table(), 0), FIELDS,
    TARGET, trials=12, seed=5, path=sys.argv[1],
)
"""


def test_a_process_that_is_killed_is_taken_up(split, tmp_path):
    path = tmp_path / "cut.db"
    search = Path(__file__).resolve().parent
    done = subprocess.run(
        [sys.executable, "-c", KILLED, path],
        env=os.environ | {"PYTHONPATH": f"{search}{os.pathsep}{search.parent}"},
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    assert of(searched(split, path)) == of(searched(split, tmp_path / "whole.db"))


def test_more_trials_go_on_where_fewer_ended(split, tmp_path):
    few = of(searched(split, tmp_path / "a.db", n=9))
    more = of(searched(split, tmp_path / "a.db", n=14))
    assert more[:9] == few
    assert more == of(searched(split, tmp_path / "b.db", n=14))


def test_what_is_behind_is_pruned_and_what_diverges_too(split, tmp_path):
    study = searched(
        split, tmp_path / "a.db", fake(losses=(0.3, 0.2, 0.1, 0.1, 0.1))[0], n=20
    )
    pruned = study.get_trials(states=[optuna.trial.TrialState.PRUNED])
    assert 0 < len(pruned) < 20 and len(of(study)) == 20
    for trial in pruned:
        assert max(trial.intermediate_values) >= contest.WARM_UP

    def diverges(*_):
        raise training.Diverged("too fast")

    lost = searched(split, tmp_path / "b.db", Contender(fake()[0].draw, diverges), n=3)
    assert {t.state.name for t in lost.trials} == {"PRUNED"} and len(lost.trials) == 3


@pytest.mark.parametrize(
    "changed",
    [
        {"seed": 6},
        {"fields": {"shop": "categorical"}},
        {"fields": {"shop": Categorical(min_count=2)}},
    ],
)
def test_a_file_of_another_search_is_refused(split, tmp_path, changed):
    searched(split, tmp_path / "a.db", n=2)
    with pytest.raises(ValueError, match="has a search 'it' with other rows, fields"):
        searched(split, tmp_path / "a.db", n=4, **changed)
    searched(split, tmp_path / "a.db", n=2, name="another", **changed)


def test_other_rows_or_answers_are_another_search(split, tmp_path):
    searched(split, tmp_path / "a.db", n=2)
    turned = split._replace(valid=split.valid.assign(bought=1 - split.valid.bought))
    for other in (turned, split._replace(train=split.train.iloc[1:])):
        with pytest.raises(ValueError, match="other rows"):
            searched(other, tmp_path / "a.db", n=4)


def test_other_values_of_a_feature_are_another_search(split, tmp_path):
    searched(split, tmp_path / "a.db", n=2)
    for part in ("train", "valid"):
        rows = getattr(split, part)
        other = split._replace(
            **{part: rows.assign(price=rows.price.iloc[::-1].values)}
        )
        with pytest.raises(ValueError, match="other rows"):
            searched(other, tmp_path / "a.db", n=4)


@pytest.mark.parametrize("name", CONTENDERS)
def test_a_search_of_one_contender_is_none_of_another(split, name):
    def subject(contender):
        return contest._subject(contender, split, FIELDS, TARGET, 5)

    others = [CONTENDERS[other] for other in CONTENDERS if other != name]
    assert subject(CONTENDERS[name]) == subject(CONTENDERS[name])
    assert subject(CONTENDERS[name]) not in [subject(other) for other in others]


@pytest.mark.parametrize("name", CONTENDERS)
def test_rows_that_no_contender_can_learn_from_are_refused(split, tmp_path, name):
    one = split._replace(train=split.train.assign(bought=1))
    none = split._replace(valid=split.valid.iloc[:0])
    for wrong, words in ((one, "nothing to tell apart"), (none, "no validation rows")):
        with pytest.raises(ValueError, match=words):
            searched(wrong, tmp_path / "a.db", CONTENDERS[name])
    assert not (tmp_path / "a.db").exists()


def test_a_file_that_is_no_database_is_refused_and_stays(split, tmp_path):
    (tmp_path / "notes.txt").write_text("what I know of it" * 99)
    (tmp_path / "folder").mkdir()
    for name in ("notes.txt", "folder"):
        with pytest.raises(ValueError, match=f"{name} is no database of searches"):
            searched(split, tmp_path / name)
    assert (tmp_path / "notes.txt").read_text() == "what I know of it" * 99


def test_a_file_may_have_any_name(split, tmp_path):
    searched(split, tmp_path / "a?b#c%20 d.db", n=1)
    assert [path.name for path in tmp_path.iterdir()] == ["a?b#c%20 d.db"]


def test_settings_of_a_search(split, tmp_path):
    study = searched(split, tmp_path / "new" / "a.db", n=np.int64(2), seed=np.int64(5))
    assert of(study) == of(searched(split, tmp_path / "b.db", n=2, seed=5))
    for wrong in ({"n": 0}, {"n": 1.5}, {"seed": -1}):
        with pytest.raises(ValueError, match="is a whole number from"):
            searched(split, tmp_path / "c.db", **wrong)


def test_where_no_trial_came_to_its_end_none_is_chosen(split, tmp_path):
    def diverges(*_):
        raise training.Diverged("too fast")

    lost = Contender(fake()[0].draw, diverges)
    study = searched(split, tmp_path / "a.db", lost, n=2)
    with pytest.raises(ValueError, match="No trial came to its end"):
        contest.chosen(lost, study, split, FIELDS, TARGET, 5)


@pytest.mark.parametrize("name", ["logistic regression", "trees", "DeepFM"])
def test_a_model_is_searched_the_same_way_twice(name, split, tmp_path, short):
    def one(path, n):
        return searched(split, path, CONTENDERS[name], n=n)

    whole = of(one(tmp_path / "a.db", 2))
    one(tmp_path / "b.db", 1)
    parts = of(one(tmp_path / "b.db", 2))
    assert [t[0] for t in parts] == [t[0] for t in whole]
    np.testing.assert_allclose([t[1] for t in parts], [t[1] for t in whole], atol=1e-5)


# The benchmark


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A small table in the place of Adult, a few trials, nothing of the course's."""
    monkeypatch.setattr(
        benchmark,
        "rows_of",
        lambda name: table().rename(columns={"bought": "over_50k"}),
    )
    monkeypatch.setattr(benchmark, "FIELDS", {"adult": FIELDS})
    monkeypatch.setattr(benchmark, "TRIALS", 2)
    monkeypatch.setattr(benchmark, "README", tmp_path / "README.md")
    text = f"before\n{benchmark.BEGIN}\nold\n{benchmark.END}\nafter\n"
    benchmark.README.write_text(text, "utf-8")
    monkeypatch.setattr(turns, "alone", lambda call, *args: call(*args))
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(trials, "TRIALS", tmp_path / "trials")


def test_the_benchmark_keeps_what_it_says(small, short, capsys):
    benchmark.main("adult", "logistic regression")
    assert "logistic regression " in capsys.readouterr().out
    assert benchmark.README.read_text("utf-8").count("old") == 0
    benchmark.main("adult", "trees")
    kept = results.read("contest", "adult")
    assert [*kept["figures"]] == ["logistic regression", "trees"]
    found = kept["figures"]["trees"]
    assert found["trials"] == [2] * 5 and len(found["settings"]) == 5
    assert all(0 < x < 1 for x in found["scores"]["AUC"]["values"])
    assert found["scores"]["log loss"]["mean"] < 0.693


def test_the_table_has_deepfm_minus_each_of_the_others():
    def figures(*losses):
        one = {"values": [*losses], "mean": np.mean(losses), "sd": 0.01}
        return {"scores": dict.fromkeys(benchmark.SCORES, one), "seconds_a_trial": 2.0}

    found = {"DeepFM": figures(0.3, 0.33, 0.31), "trees": figures(0.4, 0.45, 0.41)}
    lines = benchmark.table(found)
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| DeepFM", "| trees"]
    loss, auc, seconds = lines[3].rstrip("| ").split(" | ")[-3:]
    assert loss == "-0.1067 ± 0.0336, better; split 1 is outlying"
    assert auc == "-0.1067 ± 0.0336, worse; split 1 is outlying"
    assert seconds == "2.0"


def test_models_of_others_stand_in_the_same_table(small):
    def figures(loss):
        one = {"values": [loss, 2 * loss], "mean": 1.5 * loss, "sd": 0.07}
        return {"scores": dict.fromkeys(benchmark.SCORES, one), "seconds_a_trial": 2.0}

    job = figures(0.5) | {"lines": 15, "seconds": 9.0}
    results.write("contest", "adult", {"DeepFM": figures(0.3)})
    results.write("tables", "adult", {"DeepCTR": figures(0.4), "first day, ours": job})
    benchmark.write_tables()
    lines = benchmark.README.read_text("utf-8").splitlines()
    assert [line.split(" | ")[0] for line in lines[6:8]] == ["| DeepFM", "| DeepCTR"]
    assert "- first day, ours: 15 lines of code, log loss 0.7500, AUC" in lines[9]


def test_adult_and_ml_100k_have_a_target_and_not_what_it_is_made_of():
    for name, source in (("adult", "income"), ("ml-100k", "rating")):
        rows, target = benchmark.rows_of(name), benchmark.TARGETS[name]
        assert source not in rows and set(rows[target]) == {0, 1}
        FieldEncoder(benchmark.FIELDS[name]).fit(rows)
        columns = FieldEncoder(benchmark.FIELDS[name]).columns
        assert target not in columns


def test_what_is_unknown_is_refused_by_the_benchmark():
    for words in (("nothing",), ("adult", "nobody")):
        with pytest.raises(SystemExit, match="Unknown"):
            benchmark.main(*words)


def test_where_the_lines_of_the_contest_belong():
    text = benchmark.README.read_text("utf-8")
    assert text.count(benchmark.BEGIN) == text.count(benchmark.END) == 1
