"""A predictor: raw rows in, answers out, here, in a new process, on another backend."""

import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, predictor, serve, splits, training
from helpers.fields import Categorical, FieldEncoder, History, Numeric
from helpers.fields import MultiCategorical as Multi
from helpers.predictor import Predictor
from helpers.targets import Amount, Clicks, Stars

ROOT = Path(__file__).resolve().parent.parent
on_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="ONNX is written on TensorFlow"
)

#: Every kind with every option, under names that trip others up.
FIELDS = {
    "user name": "categorical",
    "a/b": Categorical(missing="value"),
    "deep": Categorical(min_count=4),
    7: Categorical(buckets=5),
    "7": Numeric(log=True),
    "weights": Numeric(intervals=4, missing="value"),
    "when": Numeric(dates=True, missing="mean"),
    "genres": "multi-categorical",
    "genres_mean": Multi(separator="|", missing="empty"),
    "tags": Multi(longest=2, min_count=3),
    "": Multi("tags", buckets=4),
    "liked": History("user name", "film", "rating", at_least=4),
    "fans": History("film", "user name"),
}


def table(n: int = 211) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    letters = np.array(["x", "y", "z"])
    lists = [[str(v) for v in rng.choice(letters, k)] for k in rng.integers(0, 5, n)]
    rows = {
        "user name": rng.integers(0, 17, n),
        "film": rng.integers(100, 120, n),
        "a/b": rng.choice(np.array(["ö", "b", None], object), n),
        "deep": rng.geometric(0.3, n),
        7: rng.integers(0, 40, n).astype(float),
        "7": rng.lognormal(3, 2, n),
        "weights": np.where(rng.random(n) < 0.1, np.nan, rng.normal(size=n)),
        "when": pd.to_datetime("2001-01-01")
        + pd.to_timedelta(rng.integers(0, 900, n), "D"),
        "genres": [tuple(v) for v in lists],
        "genres_mean": ["|".join(v) if v else None for v in reversed(lists)],
        "tags": lists[::-1],
    }
    rows = pd.DataFrame(rows)
    rows.loc[rng.integers(0, n, 9), "when"] = pd.NaT
    rows["rating"] = rng.integers(1, 11, n) / 2
    rows["bought"] = rows.rating > 3
    rows["price"] = rows.rating.to_numpy() * 1e4 * rng.random(n)
    return rows


def asked() -> pd.DataFrame:
    """Rows that are known, unknown, missing and empty, by a text index with twins."""
    rows = table().head(40).drop(columns=["rating", "bought", "price"])
    rows.index = [*"abcdefghij"] * 4
    for place, column in enumerate(["user name", "film", "a/b", "deep", 7, "7"]):
        rows.iloc[place, rows.columns.get_loc(column)] = (
            "new" if column == "a/b" else 9_999
        )
    rows["weights"] = [np.nan, 1e6, -1e6, *rows["weights"][3:]]
    rows["when"] = [pd.NaT, *rows["when"][1:]]
    rows["genres"] = [(), ("x",) * 9, ("new",), ("new", "x"), *rows["genres"][4:]]
    rows["genres_mean"] = [None, "", " z | new ", "x", *rows["genres_mean"][4:]]
    rows["tags"] = [[], ["new"], ["x", "y", "z", "x"], *rows["tags"][3:]]
    return rows


SPLIT = splits.random_rows(table(), 0)
SMALL = {"k": 2, "units": (3,)}
SHORT = {"epochs": 2, "batch_size": 50, "learning_rate": 0.05}
FEW = {name: FIELDS[name] for name in ("a/b", "7", "genres")}


def built(fields, target, members: int = 2, rows=SPLIT.train, **settings) -> Predictor:
    """As trained; its weights let answers differ, some beyond the limits of stars."""
    encoder, target = FieldEncoder(fields).fit(rows), target.fresh().fit(rows)
    settings, rng, made = SMALL | settings, np.random.default_rng(1), []
    for _ in range(members):
        model = models.deepfm(encoder.specs, **settings, intercept=target.intercept)
        models.set_lists(model, encoder)
        for weight in model.trainable_weights:
            if not weight.path.endswith("w0"):
                scale = 1.2 if "weight_" in weight.path else 0.2
                weight.assign(rng.normal(0, scale, weight.shape))
        model.fingerprint = encoder.fingerprint
        made.append(model)
    return Predictor(made, encoder, target, settings)


def built_full() -> Predictor:
    """Stars, by the mean of two models, of all kinds of fields."""
    return built(FIELDS, Stars(low=0.5, high=5), dropout=0.2, l2=0.01)


def built_small() -> dict[str, Predictor]:
    """One predictor a target."""
    targets = Stars("rating"), Clicks("bought"), Amount("price")
    return {target.kind: built(FEW, target) for target in targets}


@pytest.fixture(scope="module")
def full() -> Predictor:
    return built_full()


@pytest.fixture(scope="module")
def small() -> dict[str, Predictor]:
    return built_small()


@pytest.fixture(scope="module")
def folder(full, tmp_path_factory) -> Path:
    """Where the full predictor lies; not to be written to."""
    path = tmp_path_factory.mktemp("saved") / "nested" / "full"
    full.save(path)
    return path


@pytest.fixture
def copy(folder, tmp_path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "full"))


def content_of(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in sorted(folder.iterdir())}


# train and predict


def test_answers_are_the_mean_over_the_models_of_clipped_answers(full):
    x = full.encoder.transform(asked())
    each = [training.predict(model, x, full.target) for model in full.models]
    found = full.predict(asked())
    np.testing.assert_allclose(found, np.mean(each, axis=0)[:, 0])
    assert len(full.models) == 2
    assert np.abs(each[0] - each[1]).max() > 0.01
    raw = np.hstack([training.raw_output(model, x) for model in full.models])
    assert raw.max() > 5 and raw.min() < 0.5  # or clipping was not tried
    assert ((raw > 0.5) & (raw < 5)).mean() > 0.2


def test_answers_have_the_index_of_the_rows_and_the_name_of_the_target(full):
    found = full.predict(asked())
    assert found.index.tolist() == [*"abcdefghij"] * 4
    assert found.name == "rating"
    assert found.dtype == "float64"


def test_a_row_may_be_a_dict_and_rows_a_list_of_dicts(full):
    rows = asked()
    as_dicts = rows.to_dict("records")
    np.testing.assert_allclose(full.predict(as_dicts), full.predict(rows), atol=1e-6)
    one = full.predict(as_dicts[3])
    assert one.index.tolist() == [0]
    np.testing.assert_allclose(one, full.predict(rows).iloc[[3]], atol=1e-6)


@pytest.mark.parametrize("rows", [[], asked().head(0)], ids=["list", "DataFrame"])
def test_no_rows_have_no_answers(full, rows):
    assert full.predict(rows).tolist() == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (None, "Rows are a DataFrame, a dict .*not nothing"),
        (asked().iloc[0], "not a Series"),
        ({}, r"Columns are missing: \['user name', 'a/b', 'deep', 7, '7'"),
        (asked().drop(columns=7), r"missing: \[7\]"),
        (asked().astype({"user name": str}), "'user name' does not hold numbers"),
        (asked().assign(**{"7": np.inf}), "'7' is no finite number in 40 of 40"),
    ],
)
def test_what_is_no_row_is_refused(full, rows, says):
    with pytest.raises(ValueError, match=says):
        full.predict(rows)


def test_evaluate_has_the_scores_and_the_one_of_the_baseline(small):
    test = SPLIT.test
    found = small["stars"].evaluate(test)
    error = small["stars"].predict(test) - test.rating
    assert found["RMSE"] == pytest.approx((error**2).mean() ** 0.5)
    assert found["MAE"] == pytest.approx(error.abs().mean())
    mean = SPLIT.train.rating.mean()
    rmse = ((test.rating - mean) ** 2).mean() ** 0.5
    assert found["RMSE of the mean"] == pytest.approx(rmse)
    found = small["clicks"].evaluate(test)
    assert [*found][0] == "log loss" and [*found][-1] == "log loss of the base rate"
    found = small["amount"].evaluate(test)
    error = small["amount"].predict(test) - test.price
    assert found["RMSE"] == pytest.approx((error**2).mean() ** 0.5)
    with pytest.raises(ValueError, match=r"missing: \['price'\]"):
        small["amount"].evaluate(asked())
    assert small["amount"].evaluate(test.to_dict("records")) == found
    with pytest.raises(ValueError, match="Rows are .* not a Series"):
        small["amount"].evaluate(test.price)


def test_one_seed_gives_one_predictor_and_members_differ():
    model = {"units": (3,), "dropout": 0.3, "parts": ["first_order", "deep"]}
    how = {"model": model, "fit": SHORT, "members": 2}
    fields = {name: FIELDS[name] for name in ("7", "liked")}
    found = []
    for seed in (0, np.int64(0)):
        found.append(Predictor.train(SPLIT, fields, Stars(), **how, seed=seed))
        keras.utils.set_random_seed(99)
    pd.testing.assert_series_equal(*(one.predict(asked()) for one in found))
    assert found[0].fingerprint == found[1].fingerprint
    one, two = (models.weights_of(model) for model in found[0].models)
    assert any((one[path] != two[path]).any() for path in one)


def test_no_seed_shares_a_member_with_another(monkeypatch):
    seeds = []
    monkeypatch.setattr(
        training, "fit", lambda *a, seed, **k: seeds.append(("fit", seed))
    )
    build = models.deepfm

    def deepfm(*args, seed, **settings):
        seeds.append(("model", seed))
        return build(*args, seed=seed, **settings)

    monkeypatch.setattr(models, "deepfm", deepfm)
    for seed in (0, 1):
        Predictor.train(SPLIT, FEW, Stars(), SMALL, seed=seed, members=2)
    assert seeds == [(w, i) for i in range(4) for w in ("model", "fit")]


def test_the_model_starts_at_the_intercept_of_the_target(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *a, **k: None)
    target = Clicks("bought")
    found = Predictor.train(SPLIT, {"7": Numeric()}, target, SMALL)
    share = SPLIT.train.bought.mean()
    w0 = found.models[0].get_layer("first_order").get_weights()[0]
    assert w0.tolist() == pytest.approx([np.log(share / (1 - share))])


def test_without_validation_rows_it_trains_all_epochs():
    split = SPLIT._replace(valid=SPLIT.valid.iloc[:0])
    epochs = []

    class Count(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            epochs.append("val_score" in logs)

    fit = SHORT | {"epochs": 3, "callbacks": [Count()]}
    Predictor.train(split, {"7": Numeric()}, Stars(), SMALL, fit)
    assert epochs == [False] * 3


@pytest.mark.parametrize(
    ("model", "fit", "name"),
    [({"intercept": 3}, {}, "intercept"), ({"seed": 3}, {}, "seed")]
    + [({}, {"seed": 3}, "seed")],
)
def test_what_target_and_seed_give_is_no_setting(model, fit, name):
    what = "model" if model else "fit"
    says = rf"{what} has no settings \['{name}'\].*target gives the intercept, seed="
    with pytest.raises(ValueError, match=says):
        Predictor.train(SPLIT, FEW, Stars(), model, fit)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"model": {"depth": 9}}, r"model has no settings \['depth'\]: they are .*'k'"),
        ({"fit": {"epoch": 9}}, r"fit has no settings \['epoch'\]: .*'epochs'"),
        ({"fit": {"valid": 9}}, r"fit has no settings \['valid'\]"),
        ({"fit": 3}, "fit is a dict of settings, not 3"),
        ({"seed": 1.5}, "seed is a whole number from 0, not 1.5"),
        ({"seed": -1}, "seed is a whole number from 0, not -1"),
        ({"members": 0}, "members is a whole number from 1, not 0"),
        ({"members": True}, "members is a whole number from 1, not True"),
    ],
)
def test_wrong_settings_are_said_before_anything_is_learned(monkeypatch, wrong, says):
    monkeypatch.setattr(training, "build", None)  # where a training would begin
    with pytest.raises(ValueError, match=says):
        Predictor.train(SPLIT, FEW, Stars(), **wrong)


def test_settings_that_were_not_given_are_kept_too(small):
    """What deepfm() takes by default may change; this predictor must not."""
    known = {"k", "units", "dropout", "l2", "parts", "weighted"}
    assert small["stars"].settings.keys() == known
    assert small["stars"].settings["l2"] == 0.0


def test_a_predictor_says_what_it_is(small, full):
    assert repr(small["clicks"]).startswith("Predictor(Clicks(column='bought') from [")
    assert repr(full).endswith("'liked', 'fans'], 2 models)")
    one = small["stars"]
    one = Predictor(one.models[:1], one.encoder, one.target, SMALL)
    assert repr(one).endswith("'genres'], 1 model)")


@pytest.mark.parametrize("parts", [{"deep", "first_order"}, iter(["deep"]), ("deep",)])
def test_settings_are_kept_as_json_can_hold_them(monkeypatch, parts):
    monkeypatch.setattr(training, "fit", lambda *a, **k: None)
    settings = {"k": np.int64(2), "units": np.array([3, 2]), "dropout": np.float32(0.5)}
    settings["parts"] = parts
    found = Predictor.train(SPLIT, FEW, Stars(), settings, members=2)
    assert found.settings.pop("parts")[0] == "deep"
    rest = {"l2": 0.0, "weighted": False}
    assert found.settings == {"k": 2, "units": [3, 2], "dropout": 0.5} | rest
    assert len({model.name for model in found.models}) == 1


def test_settings_that_json_cannot_hold_are_refused(small):
    own = small["stars"]
    with pytest.raises(ValueError, match="Settings that cannot be saved: .*lambda"):
        Predictor(own.models, own.encoder, own.target, {"k": lambda: 2})
    with pytest.raises(ValueError, match="Settings that cannot be saved"):
        Predictor(own.models, own.encoder, own.target, {"k": SPLIT._asdict})


def test_a_predictor_has_one_model_where_nothing_is_said(monkeypatch):
    monkeypatch.setattr(training, "fit", lambda *a, **k: None)
    data = training.prepare(SPLIT, FEW, Stars())
    for found in (
        Predictor.train(SPLIT, FEW, Stars(), SMALL),
        Predictor.trained(data, SMALL),
    ):
        assert len(found.models) == 1


def test_a_predictor_has_a_model(small):
    with pytest.raises(ValueError, match="needs a model"):
        Predictor([], small["stars"].encoder, small["stars"].target, {})


def test_a_model_and_fields_of_another_encoder_make_no_predictor(small):
    own = small["stars"]
    other = FieldEncoder(FEW).fit(SPLIT.train.replace({"a/b": {"ö": "a"}}))
    assert [s.size for s in other.specs] == [s.size for s in own.encoder.specs]
    with pytest.raises(ValueError, match="same ids mean other values"):
        Predictor(own.models, other, own.target, SMALL)


def states() -> list:
    kind, keys, *rest = np.random.get_state()
    return [random.getstate(), kind, keys.tolist(), rest]


def test_no_random_state_is_used_or_changed(tmp_path):
    keras.utils.set_random_seed(5)
    expected = np.asarray(keras.random.uniform((3,)))
    keras.utils.set_random_seed(5)
    before = states()
    fields = {"7": Numeric(), "liked": FIELDS["liked"]}
    found = Predictor.train(SPLIT, fields, Stars(), SMALL | {"dropout": 0.5}, SHORT)
    found.save(tmp_path / "p")
    Predictor.load(tmp_path / "p").with_log(table().head(9))
    assert states() == before
    np.testing.assert_array_equal(np.asarray(keras.random.uniform((3,))), expected)


# histories


LOG = {"owner": "user name", "item": "film"}


@pytest.fixture(scope="module")
def by_history() -> Predictor:
    """What is told of a user is in the list alone."""
    return built({"film": "categorical", "liked": FIELDS["liked"]}, Stars())


@pytest.mark.filterwarnings("ignore:Column 'user name'. none of its")
def test_newcomers_are_served_and_the_old_predictor_answers_as_before(by_history):
    ask = asked()[["user name", "film"]]
    before, table_before = by_history.predict(ask), by_history.encoder["liked"].table()
    known = SPLIT.train[["user name", "film", "rating"]]
    told = known.assign(**{"user name": "new " + known["user name"].astype(str)})
    with pytest.raises(ValueError, match="'user name' does not hold numbers"):
        by_history.with_log(told)
    told = known.assign(**{"user name": known["user name"] + 5000})
    served = by_history.with_log(told)
    after = by_history.predict(ask)
    pd.testing.assert_series_equal(after, before)
    np.testing.assert_array_equal(by_history.encoder["liked"].table(), table_before)
    as_newcomers = served.predict(ask.assign(**{"user name": ask["user name"] + 5000}))
    np.testing.assert_allclose(as_newcomers, before, atol=1e-6)
    strangers = served.predict(ask)  # the new log does not hold those of the old
    assert (strangers - before).abs().max() > 0.01
    alone = by_history.predict(ask.assign(**{"user name": -1}))
    np.testing.assert_allclose(strangers, alone, atol=1e-6)
    assert served.fingerprint == by_history.fingerprint


def test_a_predictor_with_another_log_is_saved_with_it(by_history, tmp_path):
    served = by_history.with_log(table().iloc[:50])
    served.save(tmp_path / "served")
    again = Predictor.load(tmp_path / "served")
    ask = asked()[["user name", "film"]]
    pd.testing.assert_series_equal(again.predict(ask), served.predict(ask))
    assert (again.predict(ask) - by_history.predict(ask)).abs().max() > 1e-4


def test_a_log_is_for_fields_that_are_histories(small):
    with pytest.raises(ValueError, match="No field is a History"):
        small["stars"].with_log(table())


def test_top_is_that_of_recommend_with_what_is_here(by_history):
    films = pd.DataFrame({"film": [100, 103, 119, 107]})
    users = pd.DataFrame({"user name": [3, 99, 5]})
    names = {"user": "user name", "item": "film"}
    seen = pd.DataFrame({"user name": [3], "film": [107]})
    found = by_history.top(users, films, **names, n=4, seen=seen)
    assert len(found) == 4 + 4 + 3
    assert not ((found["user name"] == 3) & (found.film == 107)).any()
    expected = by_history.predict(found)
    np.testing.assert_allclose(found.rating, expected, atol=1e-5)
    assert len(by_history.top(users, films, **names, n=1)) == 3


# save and load


@pytest.mark.parametrize("kind", ["stars", "clicks", "amount"])
def test_a_loaded_predictor_answers_and_scores_the_same(small, kind, tmp_path):
    small[kind].save(tmp_path / "p")
    again = Predictor.load(str(tmp_path / "p"))
    pd.testing.assert_series_equal(again.predict(asked()), small[kind].predict(asked()))
    assert again.evaluate(SPLIT.test) == small[kind].evaluate(SPLIT.test)
    assert again.fingerprint == small[kind].fingerprint
    assert again.settings == small[kind].settings
    assert again.settings["units"] == [3]
    assert again.target == small[kind].target


def test_a_loaded_predictor_of_all_kinds_answers_the_same_and_can_be_saved(
    full, folder, tmp_path
):
    again = Predictor.load(folder)
    pd.testing.assert_series_equal(again.predict(asked()), full.predict(asked()))
    again.save(tmp_path / "again")
    assert (tmp_path / "again" / "predictor.json").read_bytes() == (
        folder / "predictor.json"
    ).read_bytes()


def test_a_folder_holds_numbers_and_json_and_no_code(folder):
    names = [p.name for p in sorted(folder.iterdir())]
    assert names == ["predictor.json", "weights_0.npz", "weights_1.npz"]
    content = json.loads((folder / "predictor.json").read_text("utf-8"))
    assert content["versions"]["keras"] == keras.__version__
    assert content["format"] == 1
    for name in names[1:]:
        with np.load(folder / name, allow_pickle=False) as file:
            assert {file[key].dtype.kind for key in file.files} <= {"f", "U"}
            assert not any("lists" in key for key in file.files)


def test_a_folder_can_be_read_by_others(folder):
    assert folder.stat().st_mode & 0o777 == 0o755


def test_a_predictor_takes_the_place_of_one_and_of_nothing_else(
    small, copy, folder, tmp_path
):
    small["clicks"].save(copy)
    assert Predictor.load(copy).target == small["clicks"].target
    assert sorted(p.name for p in copy.iterdir()) == [
        "predictor.json",
        "weights_0.npz",
        "weights_1.npz",
    ]
    assert [*tmp_path.iterdir()] == [copy]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("all of it", "utf-8")
    (tmp_path / "file").write_text("a file", "utf-8")
    for name in ("mine", "file"):
        with pytest.raises(ValueError, match=f"{name} is there and is no predictor"):
            small["clicks"].save(tmp_path / name)
    assert (tmp_path / "mine" / "thesis.txt").read_text("utf-8") == "all of it"


@pytest.mark.parametrize("name", ["thesis.txt", "weights_0.npz.bak", "weights_.npz"])
def test_a_save_deletes_nothing_that_lies_beside_a_predictor(small, copy, name):
    (copy / name).write_text("all of it", "utf-8")
    with pytest.raises(ValueError, match=rf"holds \['{name}'\] beside a predictor"):
        small["clicks"].save(copy)
    assert (copy / name).read_text("utf-8") == "all of it"
    Predictor.load(copy)


def test_a_path_may_begin_at_home(small, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    small["clicks"].save("~/shop")
    assert (tmp_path / "shop").is_dir()
    assert Predictor.load("~/shop").target == small["clicks"].target
    with pytest.raises(ValueError, match=f"{tmp_path}.*is missing"):
        serve.Scorer("~/shop.onnx")
    with pytest.raises(ValueError, match=f"{tmp_path}.shop.csv: .* ends in .onnx"):
        small["clicks"].export("~/shop.csv")


def test_a_link_keeps_its_place_and_what_it_points_to_is_replaced(
    small, copy, tmp_path
):
    (tmp_path / "link").symlink_to(copy)
    small["clicks"].save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert Predictor.load(copy).target == small["clicks"].target
    assert len([*tmp_path.iterdir()]) == 2


class Broken(Exception):
    """What a test makes a save fail with."""


def failing(monkeypatch, owner, name: str, call: int) -> None:
    """Let the call with this number, from 0, fail, and no other."""
    as_it_is, calls = getattr(owner, name), []

    def fails(*args, **options):
        calls.append(name)
        if len(calls) == call + 1:
            raise Broken(name)
        return as_it_is(*args, **options)

    monkeypatch.setattr(owner, name, fails)


STEPS = [(np, "savez", 0), (np, "savez", 1), (Path, "write_text", 0)]
STEPS += [(Path, "chmod", 0), (os, "replace", 0)]


@pytest.mark.parametrize(("owner", "name", "call"), [*STEPS, (os, "replace", 1)])
def test_a_save_that_fails_leaves_the_good_folder_and_nothing_else(
    small, copy, monkeypatch, owner, name, call
):
    before = content_of(copy)
    failing(monkeypatch, owner, name, call)
    with pytest.raises(Broken):
        small["clicks"].save(copy)
    assert content_of(copy) == before
    assert [*copy.parent.iterdir()] == [copy]
    monkeypatch.undo()
    small["clicks"].save(copy)
    assert Predictor.load(copy).target == small["clicks"].target


@pytest.mark.parametrize(("owner", "name", "call"), STEPS)
def test_a_first_save_that_fails_leaves_nothing(
    small, tmp_path, monkeypatch, owner, name, call
):
    failing(monkeypatch, owner, name, call)
    with pytest.raises(Broken):
        small["clicks"].save(tmp_path / "new")
    assert [*tmp_path.iterdir()] == []


def test_a_save_that_was_cut_short_tells_where_the_old_one_is(
    small, copy, monkeypatch, tmp_path
):
    """The power fails between the two moves: nothing is put back."""
    as_it_is, calls = os.replace, []

    def replace(*places):
        calls.append(places)
        if len(calls) > 1:
            raise Broken
        as_it_is(*places)

    beside = copy.rename(tmp_path / "p [1]")
    monkeypatch.setattr(os, "replace", replace)
    with pytest.raises(Broken):
        small["clicks"].save(beside)
    with pytest.raises(ValueError, match="is missing: .*cut short; .* what was") as e:
        Predictor.load(beside)
    kept = str(e.value).split("cut short; ")[1].split(" is what was here")[0]
    assert Predictor.load(kept).target == Stars(low=0.5, high=5)


def test_settings_of_another_model_are_refused_before_anything_is_written(
    small, tmp_path
):
    own = small["stars"]
    for settings in ({"k": 3, "units": (3,)}, {"k": 2}, {"parts": []}):
        other = Predictor(own.models, own.encoder, own.target, settings)
        with pytest.raises(ValueError, match="settings .* not those of the models"):
            other.save(tmp_path / "p")
    assert [*tmp_path.iterdir()] == []
    for name in ("seed", "depth"):
        with pytest.raises(ValueError, match=rf"no settings \['{name}'\]"):
            Predictor(own.models, own.encoder, own.target, SMALL | {name: 3})


# folders that are not as save() left them


def rewrite(folder: Path, change) -> None:
    """Change what the JSON holds, as another version would write it."""
    path = folder / "predictor.json"
    content = json.loads(path.read_text("utf-8"))
    content.pop(serve.SEAL)
    change(content)
    path.write_text(serve.sealed(content), "utf-8")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text("utf-8")
    assert text.count(old)
    path.write_text(text.replace(old, new, 1), "utf-8")


def swap(folder: Path) -> None:
    os.replace(folder / "weights_0.npz", folder / "w")
    os.replace(folder / "weights_1.npz", folder / "weights_0.npz")
    os.replace(folder / "w", folder / "weights_1.npz")


DAMAGES = {
    "predictor.json is missing: .*full is no predictor": lambda f: (
        f / "predictor.json"
    ).unlink(),
    "full/predictor.json is missing: .*is no predictor": shutil.rmtree,
    "weights_1.npz is missing": lambda f: (f / "weights_1.npz").unlink(),
    "predictor.json is damaged: JSONDecodeError": lambda f: cut(f / "predictor.json"),
    "predictor.json is damaged: .*utf-8": lambda f: (f / "predictor.json").write_bytes(
        b'{"format": "\xff"}'
    ),
    "predictor.json is damaged: TypeError": lambda f: (f / "predictor.json").write_text(
        "[]", "utf-8"
    ),
    "predictor.json is damaged: KeyError.*format": lambda f: (
        f / "predictor.json"
    ).write_text("{}", "utf-8"),
    "predictor.json is damaged, or was changed by hand": lambda f: edit(
        f / "predictor.json", '"entries_": [', '"entries_": [3, '
    ),
    "predictor.json is damaged, or was changed": lambda f: (
        f / "predictor.json"
    ).write_text('{"format": 1}', "utf-8"),
    "predictor.json has format 2; this version reads 1": lambda f: edit(
        f / "predictor.json", '{"format": 1', '{"format": 2'
    ),
    "predictor.json was written by another version: .*'stairs'": lambda f: rewrite(
        f, lambda c: c["target"].update(kind="stairs")
    ),
    "predictor.json was written by another version: .*'encoder'": lambda f: rewrite(
        f, lambda c: c.pop("encoder")
    ),
    "predictor.json was written by another version: its fields": lambda f: rewrite(
        f, lambda c: c["settings"].update(l2=0.02)
    ),
    "full was written by another version: .*has shape": lambda f: rewrite(
        f, lambda c: c["settings"].update(k=3)
    ),
    "full was written by another version: .*'depth'": lambda f: rewrite(
        f, lambda c: c["settings"].update(depth=3)
    ),
    "weights_0.npz is damaged": lambda f: cut(f / "weights_0.npz"),
    "weights_1.npz is damaged": lambda f: (f / "weights_1.npz").write_bytes(b""),
    "weights_0.npz is damaged, or of another save": swap,
}


@pytest.mark.parametrize("message", DAMAGES)
def test_what_is_missing_damaged_or_foreign_is_said_with_its_file(copy, message):
    DAMAGES[message](copy)
    with pytest.raises(ValueError, match=message) as found:
        Predictor.load(copy)
    assert str(copy) in str(found.value)


def test_weights_of_another_predictor_of_the_same_shapes_are_refused(small, tmp_path):
    own = small["stars"]
    others = SPLIT.train.replace({"a/b": {"ö": "a"}})
    foreign = built(FEW, Stars("rating"), rows=others)
    shapes = [
        {path: w.shape for path, w in models.weights_of(p.models[0]).items()}
        for p in (own, foreign)
    ]
    assert shapes[0] == shapes[1]
    own.save(tmp_path / "own")
    foreign.save(tmp_path / "foreign")
    shutil.copy(tmp_path / "foreign" / "weights_1.npz", tmp_path / "own")
    says = f"weights_1.npz belongs to the predictor {foreign.fingerprint}, .*beside it "
    with pytest.raises(ValueError, match=says + f"to {own.fingerprint}: the same ids"):
        Predictor.load(tmp_path / "own")


def test_what_lies_in_a_folder_is_never_run(copy):
    """An array of objects is a pickle, and a pickle is code."""

    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(copy.parent / "ran"),))

    np.savez(copy / "weights_0.npz", fingerprint=np.array([Bomb()], object))
    with pytest.raises(ValueError, match="damaged"):
        Predictor.load(copy)
    assert [*copy.parent.iterdir()] == [copy]


# names of columns


NAMES = ["", " ", ".", "a/b", "a b", "a\\b", "ü", "deep", "deep_1", "output", "weights"]
NAMES += ["embeddings", "first_order", "x", "x_mean", "x.mean", "x_row", "X", "7", 7]
NAMES += ["loss", "fingerprint", "file", "index", "columns", "self", "name", "a\nb"]
NAMES += ["{}", "%s", "n" * 300, np.int64(8), -3]


@on_tensorflow
def test_columns_of_any_name_train_save_load_export_and_are_served(tmp_path):
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({name: rng.integers(0, 9, 83) for name in NAMES})
    rows["y/n"] = rng.integers(0, 2, 83)
    fields = dict.fromkeys(NAMES, "categorical")
    settings = {"parts": ["first_order"]}
    fit = {"epochs": 1, "batch_size": 20}
    target = Clicks("y/n")
    found = Predictor.train(splits.random_rows(rows, 0), fields, target, settings, fit)
    found.save(tmp_path / "p")
    found.export(tmp_path / "p.onnx")
    expected = found.predict(rows)
    pd.testing.assert_series_equal(
        Predictor.load(tmp_path / "p").predict(rows), expected
    )
    scorer = serve.Scorer(tmp_path / "p.onnx")
    np.testing.assert_allclose(scorer.predict(rows), expected, atol=1e-6)


# another process


def run(code: str, *arguments, **environment) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


ELSEWHERE = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
from helpers.predictor import Predictor
import keras
folder, backend = Path(sys.argv[1]), sys.argv[2]
rows = pd.read_pickle(folder / "rows.pickle")
for path in sorted(folder.glob("of_*")):
    np.save(path / "answers.npy", Predictor.load(path).predict(rows))
print(keras.backend.backend())
"""


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_a_saved_predictor_answers_the_same_on_each_backend(
    full, small, by_history, tmp_path, backend
):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed.")
    if backend == keras.backend.backend():
        pytest.skip("That is this process.")
    every = {"full": full, "history": by_history, **small}
    for name, one in every.items():
        one.save(tmp_path / f"of_{name}")
    asked().to_pickle(tmp_path / "rows.pickle")
    assert run(ELSEWHERE, tmp_path, backend, KERAS_BACKEND=backend) == backend
    for name, one in every.items():
        answers = np.load(tmp_path / f"of_{name}" / "answers.npy")
        expected = one.predict(asked())
        scale = max(1.0, expected.abs().max())
        np.testing.assert_allclose(answers, expected, atol=1e-5 * scale, err_msg=name)


@on_tensorflow
def test_export_without_its_packages_says_what_to_install(small, tmp_path, monkeypatch):
    for name in ("onnx", "tf2onnx"):
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, name, None)
            with pytest.raises(ImportError, match=f"needs {name}: pip install tf2onnx"):
                small["stars"].export(tmp_path / "p.onnx")
    assert [*tmp_path.iterdir()] == []


def test_export_on_another_backend_says_how(small, tmp_path, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="KERAS_BACKEND=tensorflow"):
        small["stars"].export(tmp_path / "p.onnx")
    assert [*tmp_path.iterdir()] == []


def test_all_that_a_folder_holds_is_named_in_one_place():
    assert predictor.WEIGHTS.format(0) == "weights_0.npz"
    assert predictor.FORMAT == serve.FORMAT == 1
