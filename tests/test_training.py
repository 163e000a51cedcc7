"""Encode, fit and evaluate: any target, from one seed, and never a NaN."""

import os
import random
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, splits, training
from helpers.fields import CATEGORICAL, MULTI, FieldEncoder, Numeric
from helpers.targets import Amount, Clicks, Stars
from helpers.training import Encoded

FIELDS = {
    "user": CATEGORICAL,
    "genres": MULTI,
    "year": Numeric(missing="mean"),
}
ROOT = Path(__file__).resolve().parent.parent


def table(n: int = 403) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    movies = pd.DataFrame({"movie": np.arange(20)})
    movies["genres"] = [["a", "b"][: m % 3] for m in movies.movie]
    movies["year"] = rng.integers(1980, 2000, 20).astype(float)
    rows = pd.DataFrame(
        {"user": rng.integers(0, 12, n), "movie": rng.integers(0, 20, n)}
    )
    rows = rows.merge(movies, on="movie")
    effects = rng.normal(0, 0.3, 12)[rows.user] + rng.normal(0, 0.3, 20)[rows.movie]
    rows["rating"] = (3 + effects + rng.normal(0, 0.3, n)).clip(1.5, 4.5)
    rows["bought"] = rows.rating > 3
    rows["price"] = 1000 * rows.rating**2
    return rows


@pytest.fixture(scope="module")
def data() -> training.Prepared:
    return training.prepare(splits.random_rows(table(), 0), FIELDS)


DEEP = {"units": (4,), "parts": ["first_order", "deep"]}


def new_model(data, seed: int = 0, **settings) -> keras.Model:
    """The first order alone where nothing else is asked: TensorFlow takes its time."""
    settings = {"k": 2, "parts": ["first_order"], **settings}
    intercept = data.target.intercept
    return models.deepfm(data.encoder.specs, **settings, intercept=intercept, seed=seed)


def trained(data, seed: int = 0, **options):
    model = new_model(data)
    options = {"epochs": 2, "batch_size": 64, "learning_rate": 0.03, **options}
    return model, training.fit(model, data.train, data.valid, seed=seed, **options)


class Worsen(keras.callbacks.Callback):
    """From the fourth epoch on the model begins with a w0 that is far off."""

    def on_epoch_begin(self, epoch, logs=None):
        if epoch >= 3:
            self.model.get_layer("first_order").w0.assign([9.0])


@pytest.fixture(scope="module")
def worsened(data, tmp_path_factory):
    """(model, curves, checkpoint) of a training that stopped early."""
    path = tmp_path_factory.mktemp("checkpoint") / "best.weights.h5"
    how = {"epochs": 30, "patience": 3, "checkpoint": path, "callbacks": [Worsen()]}
    return *trained(data, **how), path


def same_weights(one: keras.Model, other: keras.Model) -> bool:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return all((a == b).all() for a, b in pairs)


# encode and prepare


def test_a_user_that_only_other_rows_have_is_unknown():
    rows = table(100)
    train, valid, test = splits.random_rows(rows, 0)
    rows.loc[test.index[:2], "user"] = 999
    rows.loc[valid.index[:1], "user"] = 998
    data = training.prepare(splits.random_rows(rows, 0), FIELDS)
    assert not {998, 999} & {*data.encoder["user"].vocabulary}
    assert data.test.x["user"][:2].tolist() == [[1], [1]]
    assert data.valid.x["user"][0] == 1
    assert 1 not in data.train.x["user"]
    assert len(data.encoder["user"].vocabulary) == train.user.nunique()


def test_numbers_are_scaled_by_the_training_rows_alone():
    rows = table(100)
    _, valid, test = splits.random_rows(rows, 0)
    rows.loc[[*valid.index, *test.index], "year"] += 1000
    year = training.prepare(splits.random_rows(rows, 0), FIELDS).train.x["year"]
    np.testing.assert_allclose([year.mean(), year.std()], [0, 1], atol=1e-4)


def test_the_target_is_learned_from_the_training_rows_alone():
    rows = table(100)
    train, valid, test = splits.random_rows(rows, 0)
    rows.loc[[*valid.index, *test.index], "rating"] = 9.0
    target = training.prepare(splits.random_rows(rows, 0), FIELDS).target
    assert target.intercept == pytest.approx(train.rating.mean())
    assert target.high_ == train.rating.max() < 9


def test_each_of_the_three_holds_the_ratings_and_rows_of_the_split():
    rows = table(100)
    data = training.prepare(splits.random_rows(rows, 4), FIELDS)
    for part, expected in zip(data[:3], splits.random_rows(rows, 4), strict=True):
        pd.testing.assert_frame_equal(part.rows, expected)
        assert part.y.dtype == "float32"
        assert part.y.shape == (len(expected), 1)
        np.testing.assert_allclose(part.y[:, 0], expected.rating, rtol=1e-6)
        assert {len(x) for x in part.x.values()} == {len(expected)}
        assert part.encoder is data.encoder
        assert part.target is data.target


def test_the_fields_are_those_of_movielens_and_the_target_stars_by_default():
    rows = table(60).rename(columns={"user": "user_id", "movie": "movie_id"})
    rows = rows.assign(gender="F", age=25, occupation="none")
    data = training.prepare(splits.random_rows(rows, 0))
    assert data.encoder.names == [*training.MOVIELENS]
    assert data.target == Stars("rating")


def test_neither_fields_nor_target_that_were_given_are_changed():
    year, target = Numeric(missing="mean"), Amount("price")
    data = training.prepare(splits.random_rows(table(), 0), {"year": year}, target)
    assert not year.learned and not target.learned
    assert data.target.learned and data.target.column == "price"


def test_a_missing_year_counts_as_the_training_mean():
    rows = table(100).assign(year=lambda r: r.year.where(r.movie > 5))
    data = training.prepare(splits.random_rows(rows, 0), FIELDS)
    missing = data.test.rows.year.isna()
    assert missing.any()
    assert not data.test.x["year"][missing].any()


def test_a_target_that_is_also_a_field_is_refused():
    split = splits.random_rows(table(60), 0)
    fields = {"user": CATEGORICAL, "stars": Numeric("rating")}
    with pytest.raises(ValueError, match="'rating' is what is predicted"):
        training.prepare(split, fields)


@pytest.mark.parametrize("split", [table(60), (table(60),) * 3, None])
def test_what_is_no_split_is_refused(split):
    with pytest.raises(ValueError, match="A split is a splits.Split, .*not"):
        training.prepare(split, FIELDS)


@pytest.mark.parametrize("target", ["rating", Stars])
def test_what_is_no_target_is_refused(target):
    with pytest.raises(ValueError, match="A target is Stars, Clicks, Amount or Chosen"):
        training.prepare(splits.random_rows(table(60), 0), FIELDS, target)


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("column", ["rating", "genres"])
def test_a_column_that_is_not_there_is_named_before_anything_is_learned(place, column):
    split = [*splits.random_rows(table(60), 0)]
    split[place] = split[place].drop(columns=column)
    with pytest.raises(ValueError, match=rf"missing: \['{column}'\]; there are"):
        training.prepare(splits.Split(*split), FIELDS)


def test_all_columns_that_are_missing_are_named_at_once():
    rows = table(60).drop(columns=["rating", "genres", "user"])
    with pytest.raises(ValueError, match=r"\['user', 'genres', 'rating'\]"):
        training.prepare(splits.random_rows(rows, 0), FIELDS)
    data = training.prepare(splits.random_rows(table(60), 0), FIELDS)
    with pytest.raises(ValueError, match=r"\['user', 'genres', 'rating'\]"):
        training.encode(data.encoder, data.target, rows)


@pytest.mark.parametrize(
    ("ratings", "where"),
    [
        ([3.0, np.nan, 4.0, np.nan], r"missing value in 2 of 4 rows.*\[8, 6\]"),
        ([3.0, np.inf, 4.0, 1.0], r"no finite number in 1 of 4 rows.*inf.*\[8\]"),
        (pd.array([3.0, None, 4.0, 1.0], "Float64"), r"missing .* 1 of 4 rows.*\[8\]"),
        ([3.0, "good", 4.0, 1.0], r"1 of 4 rows, the first 'good', in rows \[8\]"),
    ],
)
def test_ratings_that_are_no_numbers_are_refused_with_their_rows(ratings, where):
    rows = table(4).set_axis([9, 8, 7, 6])
    encoder, target = FieldEncoder(FIELDS).fit(rows), Stars().fit(rows)
    rows["rating"] = ratings
    with pytest.raises(ValueError, match=f"'rating'.*{where}"):
        training.encode(encoder, target, rows)


def test_no_rows_are_encoded_as_no_rows():
    encoder, target = FieldEncoder(FIELDS).fit(table(20)), Stars().fit(table(20))
    found = training.encode(encoder, target, table(0))
    assert found.y.shape == (0, 1)
    assert {len(x) for x in found.x.values()} == {0}


# fit


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data):
    """One of them has NumPy numbers for settings, which are numbers like others."""
    as_numpy = {
        "epochs": np.int64(2),
        "batch_size": np.int32(64),
        "learning_rate": np.float64(0.03),
        "patience": np.int8(2),
    }
    one, two, other = (
        trained(data, seed, **how)[0]
        for seed, how in ((1, {}), (np.int64(1), as_numpy), (2, {}))
    )
    assert same_weights(one, two)
    assert not same_weights(one, other)


def test_a_training_is_the_same_whatever_ran_before_it(data):
    found = []
    for before in (0, 1):
        model = new_model(data, **DEEP, dropout=0.4)
        keras.utils.set_random_seed(before)
        for _ in range(before):
            model(data.train.x, training=True)  # moves the state of dropout
            training.fit(new_model(data, **DEEP, dropout=0.4), data.train, epochs=1)
        training.fit(model, data.train, epochs=2, batch_size=50, seed=np.int64(3))
        found.append(model)
    assert same_weights(*found)


def test_dropout_depends_on_the_seed_of_the_training(data):
    """The order of rows makes no difference here: there is one batch."""
    rows = data.train
    found = []
    for seed in (0, 1):
        model = new_model(data, **DEEP, dropout=0.4)
        training.fit(model, rows, epochs=1, batch_size=len(rows.y), seed=seed)
        found.append(model.get_layer("deep_1").get_weights()[0])
    assert np.abs(found[0] - found[1]).max() > 1e-4


def test_layers_that_draw_nothing_and_noise_of_other_kinds_are_trained_too(data):
    found = []
    for before in (0, 1):
        x = keras.Input((1,), name="year")
        y = keras.layers.Dropout(0)(x)
        y = keras.layers.GaussianNoise(0.5, seed=1)(y)
        model = keras.Model(
            {"year": x}, keras.layers.Dense(1, kernel_initializer="ones")(y)
        )
        for _ in range(before):
            model({"year": data.train.x["year"]}, training=True)
        training.fit(model, data.train, epochs=1)
        found.append(model)
    assert same_weights(*found)


def states() -> list:
    kind, keys, *rest = np.random.get_state()
    return [random.getstate(), kind, keys.tolist(), rest]


def test_no_random_state_is_used_or_changed(data):
    keras.utils.set_random_seed(5)
    expected = np.asarray(keras.random.uniform((3,)))
    keras.utils.set_random_seed(5)
    model = new_model(data, **DEEP, dropout=0.3)
    before = states()
    training.fit(model, data.train, data.valid, epochs=2, batch_size=60, seed=4)
    assert states() == before
    np.testing.assert_array_equal(np.asarray(keras.random.uniform((3,))), expected)


@pytest.mark.parametrize("size", [1000, 7])
def test_an_epoch_has_a_step_for_each_batch_and_no_more(data, size):
    """323 rows: Keras may run 50 steps at a time, and must not round them up."""
    model, curves = trained(data, epochs=3, patience=9, batch_size=size)
    assert int(model.optimizer.iterations) == 3 * int(np.ceil(323 / size))
    assert len(curves.train) == 3


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="of TensorFlow")
def test_a_step_is_traced_once(data, monkeypatch):
    model, traced = new_model(data), []
    step = model.train_step
    monkeypatch.setattr(
        model, "train_step", lambda rows: traced.append(1) or step(rows)
    )
    training.fit(model, data.train, data.valid, epochs=2, batch_size=50)
    assert len(traced) == 1


def test_validation_rows_change_nothing_of_the_training(data):
    alone = new_model(data, **DEEP, dropout=0.2)
    how = {"epochs": 3, "batch_size": 50, "seed": 2, "patience": 9}
    curves = training.fit(alone, data.train, **how)
    beside = new_model(data, **DEEP, dropout=0.2)
    found = training.fit(beside, data.train, data.valid, **how)
    np.testing.assert_allclose(found.train, curves.train, rtol=1e-6)
    assert found.best_epoch == 3  # so that the last weights are kept
    for a, b in zip(alone.get_weights(), beside.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_training_brings_the_error_down(data):
    model = new_model(data)
    before = training.evaluate(model, data.train)["RMSE"]
    curves = training.fit(
        model, data.train, epochs=8, batch_size=64, learning_rate=0.03
    )
    assert training.evaluate(model, data.train)["RMSE"] < before - 0.05
    assert curves.valid == []
    assert curves.best_epoch == len(curves.train) == 8


def test_the_learning_rate_falls_to_zero_along_half_a_cosine(data):
    rates = {}
    for decay in (True, False):
        model, _ = trained(data, epochs=3, patience=9, decay=decay)
        adam = model.optimizer
        steps = 3 * 6  # 323 rows by 64, rounded up
        assert int(adam.iterations) == steps
        now = float(adam.learning_rate)
        adam.iterations.assign(steps // 2)
        rates[decay] = now, float(adam.learning_rate)
    half = 0.03 * (1 + np.cos(np.pi * (steps // 2) / steps)) / 2
    np.testing.assert_allclose(rates[True], [0.0, half], atol=1e-6)
    np.testing.assert_allclose(rates[False], [0.03, 0.03], atol=1e-6)


@pytest.mark.parametrize("decay", [False, True])
def test_another_optimizer_gets_the_rate_and_does_the_steps(data, decay):
    asked = []

    class Asked(Exception):
        pass

    def sgd(rate):
        asked.append(rate)
        raise Asked

    with pytest.raises(Asked):
        trained(data, optimizer=sgd, learning_rate=np.float32(0.5), decay=decay)
    if decay:
        assert isinstance(asked[0], keras.optimizers.schedules.CosineDecay)
    else:
        assert asked == [0.5] and type(asked[0]) is float


@pytest.mark.parametrize("rate", [0, -0.1])
def test_a_learning_rate_is_above_zero(data, rate):
    with pytest.raises(ValueError, match="learning_rate is above 0, not"):
        trained(data, learning_rate=rate)
    with pytest.raises(ValueError, match="learning_rate is a finite number, not nan"):
        trained(data, learning_rate=np.nan)


@pytest.mark.parametrize("setting", ["epochs", "batch_size", "patience", "seed"])
@pytest.mark.parametrize("value", [-1, 1.5, True])
def test_settings_that_are_no_whole_numbers_are_refused(data, setting, value):
    with pytest.raises(ValueError, match=f"{setting} is a whole number from .*{value}"):
        trained(data, **{setting: value})


@pytest.mark.parametrize("setting", ["epochs", "batch_size"])
def test_there_is_one_epoch_and_one_row_a_batch_at_least(data, setting):
    with pytest.raises(ValueError, match=f"{setting} is a whole number from 1"):
        trained(data, **{setting: 0})


class Watch(keras.callbacks.Callback):
    """Notes what Keras calls, and what the logs of an epoch hold."""

    def __init__(self):
        super().__init__()
        self.calls, self.logs = [], []

    def on_train_begin(self, logs=None):
        self.calls.append("begin")

    def on_epoch_end(self, epoch, logs=None):
        self.calls.append(epoch)
        self.logs.append(dict(logs))

    def on_train_end(self, logs=None):
        self.calls.append("end")


def test_callbacks_see_the_scores_and_may_stop_the_training_and_nothing_is_printed(
    data, capfd
):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    watch = Watch()
    _, curves = trained(data, epochs=9, patience=9, callbacks=iter((Stop(), watch)))
    assert watch.calls == ["begin", 0, 1, "end"]
    assert [logs["score"] for logs in watch.logs] == curves.train
    assert [logs["val_score"] for logs in watch.logs] == curves.valid
    assert capfd.readouterr() == ("", "")


def test_early_stopping_waits_patience_epochs_and_restores_the_best(data, worsened):
    model, curves, _ = worsened
    best = curves.best_epoch
    assert best in (1, 2, 3)
    assert len(curves.valid) == best + 3
    assert curves.valid[best - 1] == min(curves.valid) < curves.valid[-1] - 0.5
    assert training.evaluate(model, data.valid)["RMSE"] == min(curves.valid)


def test_the_best_weights_are_restored_after_the_last_epoch_too(data, worsened):
    model, curves = trained(data, epochs=5, patience=100, callbacks=[Worsen()])
    assert len(curves.valid) == 5
    assert curves.best_epoch == worsened[1].best_epoch < 5
    assert same_weights(model, worsened[0])


def test_the_checkpoint_holds_the_best_weights(data, worsened):
    model, _, path = worsened
    again = new_model(data, seed=9)
    again.load_weights(path)
    assert same_weights(again, model)


IN_A_NEW_PROCESS = """
from helpers import models; import keras
import sys
import numpy as np
model = keras.models.load_model(sys.argv[1] + "/m.keras")
x = dict(np.load(sys.argv[1] + "/x.npz"))
np.save(sys.argv[1] + "/raw.npy", model.predict(x, verbose=0))
print(type(model.optimizer).__module__, type(model.optimizer).__name__)
"""


def test_what_a_training_left_is_loaded_in_a_new_process(data, worsened, tmp_path):
    model = worsened[0]
    model.save(tmp_path / "m.keras")
    np.savez(tmp_path / "x.npz", **data.test.x)
    done = subprocess.run(
        [sys.executable, "-c", IN_A_NEW_PROCESS, tmp_path],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "helpers.optimizers Adam", done.stderr[-2000:]
    np.testing.assert_allclose(
        np.load(tmp_path / "raw.npy"),
        training.raw_output(model, data.test.x),
        atol=1e-6,
    )


def test_a_checkpoint_without_validation_rows_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="needs validation rows"):
        training.fit(
            new_model(data), data.train, checkpoint=tmp_path / "best.weights.h5"
        )


def test_a_model_of_fewer_fields_reads_its_own_and_no_others(data):
    specs = [s for s in data.encoder.specs if s.name in ("user", "year")]
    model = models.deepfm(specs, k=2, parts=["second_order"], seed=0)
    training.fit(model, data.train, data.valid, epochs=1)
    x = {s.name: data.test.x[s.name] for s in specs}
    expected = model.predict(x, verbose=0)
    np.testing.assert_allclose(
        training.raw_output(model, data.test.x), expected, atol=1e-6
    )


# what is reported belongs to the target


def of_target(target, seed: int = 0) -> training.Prepared:
    return training.prepare(splits.random_rows(table(), seed), FIELDS, target)


TARGETS = [Stars("rating"), Clicks("bought"), Amount("price")]
each_target = pytest.mark.parametrize("target", TARGETS, ids=lambda t: t.kind)


@each_target
def test_what_fit_reports_of_the_validation_rows_is_what_evaluate_says(target):
    """The weights are wild, so that many a prediction is beyond the limits."""
    data = of_target(target)
    model, watched = new_model(data), []
    for weight in model.weights:
        weight.assign(weight + np.random.default_rng(0).normal(0, 0.7, weight.shape))

    class Evaluate(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            found = training.evaluate(self.model, data.valid)
            watched.append(found[data.target.monitor])

    curves = training.fit(
        model, data.train, data.valid, epochs=3, patience=9, callbacks=[Evaluate()]
    )
    assert curves.score == target.monitor
    assert curves.valid == watched
    if isinstance(target, Stars):
        raw = training.raw_output(model, data.valid.x)
        assert (raw > data.target.high_).any() or (raw < data.target.low_).any()


@pytest.mark.parametrize("target", TARGETS[1:], ids=lambda t: t.kind)
def test_the_curve_of_the_training_rows_is_in_the_unit_of_the_column(target):
    data = of_target(target)
    model = new_model(data)
    curves = training.fit(model, data.train, epochs=1, learning_rate=1e-6)
    expected = training.evaluate(model, data.train)[target.monitor]
    assert curves.train[0] == pytest.approx(expected, rel=1e-3)


def test_the_best_epoch_is_chosen_by_clipped_answers(data):
    """A training that goes beyond the limits: no worse once it is clipped."""
    low, high = data.target.low_, data.target.high_
    target = Stars(low=2.0, high=2.5).fit(table().query("2 <= rating <= 2.5"))
    y = np.full_like(data.valid.y, 2.5)
    beyond = data.train._replace(y=np.full_like(data.train.y, 9.0), target=target)
    model = models.deepfm(
        data.encoder.specs, intercept=2.4, parts=["first_order"], seed=0
    )
    curves = training.fit(
        model,
        beyond,
        data.valid._replace(y=y, target=target),
        epochs=4,
        patience=2,
        learning_rate=0.05,
    )
    assert low < 2.5 < high
    assert curves.valid[-1] == min(curves.valid) == 0.0
    assert training.raw_output(model, data.valid.x).max() > 2.5


# trainings that go wrong


def spoiling(epoch: int, how: str):
    """A callback that spoils the weights once an epoch has begun."""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, number, logs=None):
            if number == epoch:
                for weight in self.model.trainable_weights:
                    if "weight_" in weight.path:
                        weight.assign(np.full(weight.shape, float(how)))

    return Spoil()


@pytest.fixture(scope="module")
def after_two_epochs(data):
    return trained(data, epochs=2, patience=9)


@pytest.mark.parametrize("how", ["nan", "1e30"])
def test_a_training_that_becomes_nan_is_told_and_the_best_weights_stay(
    data, after_two_epochs, how, tmp_path
):
    path, watch = tmp_path / "best.weights.h5", Watch()
    model = new_model(data)
    with pytest.raises(training.Diverged, match="epoch 3: .*lower learning rate"):
        training.fit(
            model,
            data.train,
            data.valid,
            epochs=6,
            patience=9,
            batch_size=64,
            learning_rate=0.03,
            checkpoint=path,
            callbacks=[spoiling(2, how), watch],
        )
    assert len(watch.logs) == 2
    expected, curves = after_two_epochs
    assert curves.best_epoch == 2
    assert all(np.isfinite(w).all() for w in model.get_weights())
    best = min(logs["val_score"] for logs in watch.logs)
    assert training.evaluate(model, data.valid)["RMSE"] == pytest.approx(best)
    again = new_model(data, seed=7)
    again.load_weights(path)
    assert same_weights(again, model)
    assert same_weights(again, expected)


@each_target
def test_a_training_without_validation_rows_that_becomes_nan_is_told(target):
    data = of_target(target)
    says = f"epoch 2: its {target.monitor} of the training rows"
    with pytest.raises(training.Diverged, match=says):
        training.fit(
            new_model(data), data.train, epochs=3, callbacks=[spoiling(1, "nan")]
        )


def test_weights_that_the_last_step_spoils_are_told_by_name(data):
    """All scores were taken before that step, and of rows that do not meet the NaN."""

    class Last(keras.optimizers.SGD):
        def update_step(self, gradient, variable, learning_rate):
            self.assign(variable, keras.ops.full(variable.shape, np.nan))

    with pytest.raises(training.Diverged, match="epoch 1: its weight .*embeddings"):
        training.fit(new_model(data), data.train, epochs=1, optimizer=Last)


def test_a_rate_that_is_far_too_high_is_told(data):
    with pytest.raises(training.Diverged):
        trained(data, epochs=20, learning_rate=1e4, optimizer=keras.optimizers.SGD)


def test_where_the_first_epoch_diverges_there_are_no_best_weights_to_keep(data):
    with pytest.raises(training.Diverged, match="epoch 1"):
        trained(data, callbacks=[spoiling(0, "nan")])


# rows that are not for this model


WRONG = {
    "Fields are missing: .*'genres'": lambda p: p._replace(
        x={k: v for k, v in p.x.items() if k != "genres"}
    ),
    "Lengths differ: .*'y': 3": lambda p: p._replace(y=p.y[:3]),
    "Lengths differ: .*'user': 2": lambda p: p._replace(
        x={**p.x, "user": p.x["user"][:2]}
    ),
    "There are no rows": lambda p: Encoded(
        {k: v[:0] for k, v in p.x.items()}, p.y[:0], p.target
    ),
    r"1 of \d+ rows of 'y' are NaN or infinite, first at positions \[2\]": lambda p: (
        p._replace(y=np.where(np.arange(len(p.y)) == 2, np.nan, p.y.T).T)
    ),
    r"2 of \d+ rows of 'year' are NaN .*positions \[0, 1\]": lambda p: p._replace(
        x={
            **p.x,
            "year": np.where(np.arange(len(p.y)) < 2, np.inf, p.x["year"].T).T.astype(
                "float32"
            ),
        }
    ),
    "a dict of arrays from FieldEncoder.transform.*not a DataFrame": lambda p: (
        p._replace(x=p.rows)
    ),
    "'user' is int32 of shape .*here it is int64": lambda p: p._replace(
        x={**p.x, "user": p.x["user"].astype("int64")}
    ),
    r"'year' is float32 of shape \(None, 1\) .*\(\d+,\)": lambda p: p._replace(
        x={**p.x, "year": p.x["year"][:, 0]}
    ),
    r"'user' .*of shape \(None, 1\) .* of shape \(\d+, 2\)": lambda p: p._replace(
        x={**p.x, "user": p.x["user"][:, [0, 0]]}
    ),
    "'genres' is int32 .* here it is list": lambda p: p._replace(
        x={**p.x, "genres": p.x["genres"].tolist()}
    ),
    "'user' has ids from .* to 14, .*knows 0 to 13": lambda p: p._replace(
        x={**p.x, "user": np.where(p.x["user"] == 13, 14, p.x["user"])}
    ),
    "'user' has ids from -1": lambda p: p._replace(
        x={**p.x, "user": np.where(p.x["user"] == 13, -1, p.x["user"])}
    ),
}
OF_Y = ("Lengths", "There are no", r"1 of \d+ rows of 'y'", r"2 of \d+ rows of 'year")


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.parametrize("name", ["train", "valid"])
def test_wrong_rows_are_refused_before_keras_sees_them(
    data, message, name, monkeypatch
):
    model = new_model(data)
    monkeypatch.setattr(model, "fit", lambda *a, **k: pytest.fail("Keras was called."))
    rows = {"train": data.train, "valid": data.valid}
    rows[name] = WRONG[message](rows[name])
    with pytest.raises(ValueError, match=message):
        training.fit(model, **rows)


@pytest.mark.parametrize("message", WRONG)
def test_wrong_rows_are_refused_by_evaluate_and_predict(data, message):
    model, rows = new_model(data), WRONG[message](data.test)
    with pytest.raises(ValueError, match=message):
        training.evaluate(model, rows)
    if not message.startswith(OF_Y):
        with pytest.raises(ValueError, match=message):
            training.predict(model, rows.x, data.target)
        with pytest.raises(ValueError, match=message):
            training.raw_output(model, rows.x)


def test_a_model_and_rows_of_another_encoder_are_told_apart(data):
    """The tables have the same sizes; only the fingerprints differ."""
    model, _ = trained(data, epochs=1)
    other = table().assign(user=lambda r: 11 - r.user + 100)
    others = training.prepare(splits.random_rows(other, 0), FIELDS)
    assert others.encoder.specs == data.encoder.specs
    for refused in (
        lambda: training.evaluate(model, others.test),
        lambda: training.fit(model, others.train, epochs=1),
        lambda: training.fit(model, data.train, others.valid, epochs=1),
    ):
        with pytest.raises(ValueError, match="same ids mean other values"):
            refused()
    training.evaluate(model, data.test)


# predict and evaluate


def test_answers_are_clipped_to_the_limits_and_raw_output_is_not(data):
    model = new_model(data)
    for intercept, expected in ((9.0, data.target.high_), (-9.0, data.target.low_)):
        model.get_layer("first_order").set_weights([np.array([intercept])])
        predicted = training.predict(model, data.test.x, data.target)
        assert predicted.shape == data.test.y.shape
        assert predicted.dtype == "float64"
        assert np.unique(predicted).tolist() == [expected]
        raw = training.raw_output(model, data.test.x)
        assert abs(raw.mean() - intercept) < 1


@each_target
def test_evaluate_is_the_score_of_the_predictions(target):
    data = of_target(target)
    model = new_model(data)
    answers = training.predict(model, data.test.x, data.target)[:, 0]
    actual = data.test.rows[target.column].to_numpy("float64")
    found = training.evaluate(model, data.test)
    expected = target.scores(answers, actual)
    assert found.keys() == expected.keys()
    np.testing.assert_allclose([*found.values()], [*expected.values()], rtol=1e-5)


def test_no_rows_are_predicted_as_no_answers(data):
    x = data.encoder.transform(table(0))
    assert training.raw_output(new_model(data), x).shape == (0, 1)
    assert training.predict(new_model(data), x, data.target).shape == (0, 1)


def test_rows_beyond_one_batch_of_scoring_are_predicted_in_order(data, monkeypatch):
    model = new_model(data)
    expected = training.raw_output(model, data.train.x)
    monkeypatch.setattr(training, "SCORED_AT_ONCE", 50)
    found = training.raw_output(model, data.train.x)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_lists_longer_than_those_of_training_are_taken(data):
    rows = table(3).assign(genres=[["a"] * 9, [], ["b"]])
    x = data.encoder.transform(rows)
    assert x["genres"].shape == (3, 9) and data.train.x["genres"].shape[1] == 2
    usual = data.encoder.transform(table(3).assign(genres=[["a"], [], ["b"]]))
    model = new_model(data)
    np.testing.assert_allclose(
        training.raw_output(model, x), training.raw_output(model, usual), atol=1e-6
    )


class Interrupt(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        if epoch == 4:
            raise KeyboardInterrupt


def test_an_interrupt_leaves_the_weights_of_the_best_epoch(data):
    model = new_model(data)
    how = {"epochs": 9, "batch_size": 64, "learning_rate": 0.03, "patience": 9}
    with pytest.raises(KeyboardInterrupt):
        callbacks = [Worsen(), Interrupt()]
        training.fit(model, data.train, data.valid, callbacks=callbacks, **how)
    _, best = trained(data, epochs=3, patience=9)
    found = training.evaluate(model, data.valid)["RMSE"]
    assert found == pytest.approx(min(best.valid), abs=1e-5)


def test_where_nothing_is_said_a_training_has_the_settings_of_the_course(
    data, monkeypatch
):
    model, asked = new_model(data), {}

    def fit(x, callbacks, **how):
        asked.update(how, callbacks=callbacks)

    monkeypatch.setattr(model, "fit", fit)
    training.fit(model, data.train, data.valid)
    begin, _, line, stop = asked.pop("callbacks")
    assert asked == {"shuffle": False, "epochs": 30, "verbose": 0}
    assert line.epochs == 30
    assert (begin.batches.size, begin.batches.seed) == (2048, 0)
    assert (stop.patience, stop.monitor, stop.mode) == (2, "val_score", "min")
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    assert type(model.optimizer) is training.Adam


def test_stars_are_what_is_predicted_where_nothing_is_said():
    assert training.prepare(splits.random_rows(table(60), 0), FIELDS).target == Stars()
