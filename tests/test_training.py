"""Encode, fit and evaluate, and the line that tells how a training goes."""

import io
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, progress, splits, training
from helpers.fields import CATEGORICAL, MULTI, NUMERIC, FieldEncoder
from helpers.progress import History, ProgressLine
from helpers.training import Part

KINDS = {
    "user": CATEGORICAL,
    "movie": CATEGORICAL,
    "genres": MULTI,
    "year": NUMERIC,
}


def table(n: int = 400) -> pd.DataFrame:
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
    return rows


@pytest.fixture(scope="module")
def data() -> training.Prepared:
    return training.prepare(table(), seed=0, kinds=KINDS)


def new_model(data, seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return models.deepfm(data.encoder.specs, k=2, units=(4,), intercept=3.0)


def trained(data, seed: int = 0, **options):
    model = new_model(data)
    options = {"epochs": 2, "batch_size": 64, "learning_rate": 0.03, **options}
    return model, training.fit(model, data.train, data.valid, seed=seed, **options)


@pytest.fixture(scope="module")
def overfitted(data):
    """Training rows with ratings that say nothing of the validation rows."""
    noise = np.random.default_rng(1).uniform(2, 4, data.train.y.shape).astype("float32")
    return data._replace(train=data.train._replace(y=noise))


# encode and prepare


def test_a_movie_that_only_test_rows_have_is_unknown():
    rows = table(100)
    train, valid, test = splits.random_rows(rows, 0)
    rows.loc[test.index[:2], "movie"] = 999
    rows.loc[valid.index[:1], "movie"] = 998
    data = training.prepare(rows, 0, KINDS)
    assert not {998, 999} & {*data.encoder.vocabulary("movie")}
    assert data.test.x["movie"][:2].tolist() == [[1], [1]]
    assert data.valid.x["movie"][0] == 1
    assert 1 not in data.train.x["movie"]
    assert len(data.encoder.vocabulary("movie")) == train.movie.nunique()


def test_numbers_are_scaled_by_the_training_rows_alone():
    rows = table(100)
    _, valid, test = splits.random_rows(rows, 0)
    rows.loc[[*valid.index, *test.index], "year"] += 1000
    year = training.prepare(rows, 0, KINDS).train.x["year"]
    np.testing.assert_allclose([year.mean(), year.std()], [0, 1], atol=1e-4)


def test_the_parts_hold_the_ratings_and_rows_of_the_split():
    rows = table(100)
    data = training.prepare(rows, 4, KINDS)
    for part, expected in zip(data[:3], splits.random_rows(rows, 4), strict=True):
        pd.testing.assert_frame_equal(part.rows, expected)
        assert part.y.dtype == "float32"
        assert part.y.shape == (len(expected), 1)
        np.testing.assert_allclose(part.y[:, 0], expected.rating, rtol=1e-6)
        assert {len(x) for x in part.x.values()} == {len(expected)}


def test_a_missing_year_counts_as_the_training_mean():
    rows = table(100).assign(year=lambda r: r.year.where(r.movie > 5))
    data = training.prepare(rows, 0, KINDS)
    missing = data.test.rows.year.isna()
    assert missing.any()
    assert not data.test.x["year"][missing].any()


@pytest.mark.parametrize(
    ("ratings", "where"),
    [
        ([3.0, np.nan, 4.0, np.nan], r"^2 of 4.*\[1, 3\]"),
        ([3.0, np.inf, 4.0, 1.0], r"^1 of 4.*\[1\]"),
        (pd.array([3.0, None, 4.0, 1.0], "Float64"), r"^1 of 4.*\[1\]"),
        ([3.0, "good", 4.0, 1.0], r"^1 of 4.*\[1\]"),
    ],
)
def test_ratings_that_are_no_numbers_are_refused_with_their_positions(ratings, where):
    rows = table(4).set_axis([9, 8, 7, 6])
    encoder = FieldEncoder(KINDS).fit(rows)
    rows["rating"] = ratings
    with pytest.raises(ValueError, match=where):
        training.encode(encoder, rows)


def test_rows_without_a_column_of_ratings_are_refused():
    encoder = FieldEncoder(KINDS).fit(table(20))
    with pytest.raises(ValueError, match="no column 'rating'.*'genres'"):
        training.encode(encoder, table(20).drop(columns="rating"))


def test_no_rows_are_encoded_as_no_rows():
    encoder = FieldEncoder(KINDS).fit(table(20))
    assert training.encode(encoder, table(0)).y.shape == (0, 1)


# fit


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(data):
    one, two, other = (trained(data, seed)[0].get_weights() for seed in (1, 1, 2))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_array_equal(a, b)
    assert any((a != c).any() for a, c in zip(one, other, strict=True))


def test_training_brings_the_error_down(data):
    model = new_model(data)
    before = training.evaluate(model, data.train).rmse
    curves = training.fit(
        model, data.train, epochs=8, batch_size=64, learning_rate=0.03
    )
    assert training.evaluate(model, data.train).rmse < before - 0.05
    assert curves.valid == []
    assert curves.best_epoch == len(curves.train) == 8


def test_the_learning_rate_falls_to_zero_along_half_a_cosine(data):
    rates = {}
    for decay in (True, False):
        model, _ = trained(data, epochs=3, patience=9, decay=decay)
        adam = model.optimizer
        steps = 3 * int(np.ceil(len(data.train.y) / 64))
        assert int(adam.iterations) == steps
        now = float(adam.learning_rate)
        adam.iterations.assign(steps // 2)
        rates[decay] = now, float(adam.learning_rate)
    half = 0.03 * (1 + np.cos(np.pi * (steps // 2) / steps)) / 2
    np.testing.assert_allclose(rates[True], [0.0, half], atol=1e-6)
    np.testing.assert_allclose(rates[False], [0.03, 0.03], atol=1e-6)


def test_another_optimizer_gets_the_rate_and_does_the_steps(data):
    asked = []

    def sgd(rate):
        asked.append(rate)
        return keras.optimizers.SGD(rate)

    model, _ = trained(data, optimizer=sgd)
    assert asked == [0.03]
    assert isinstance(model.optimizer, keras.optimizers.SGD)
    trained(data, optimizer=sgd, decay=True)
    assert isinstance(asked[1], keras.optimizers.schedules.CosineDecay)


def test_early_stopping_waits_patience_epochs_and_restores_the_best(overfitted):
    model, curves = trained(overfitted, epochs=30, patience=3, learning_rate=0.1)
    assert len(curves.valid) == curves.best_epoch + 3 < 30
    assert curves.valid[curves.best_epoch - 1] == min(curves.valid)
    predicted = model.predict(overfitted.valid.x, verbose=0)
    assert 1 < predicted.min() and predicted.max() < 5
    rmse = training.evaluate(model, overfitted.valid).rmse
    assert rmse == pytest.approx(min(curves.valid), abs=1e-5)


def test_the_best_weights_are_restored_after_the_last_epoch_too(overfitted):
    model, curves = trained(overfitted, epochs=10, patience=100, learning_rate=0.1)
    assert len(curves.valid) == 10
    assert min(curves.valid) < curves.valid[-1] - 1e-3
    rmse = training.evaluate(model, overfitted.valid).rmse
    assert rmse == pytest.approx(min(curves.valid), abs=1e-5)


def test_the_checkpoint_holds_the_best_weights(overfitted, tmp_path):
    path = tmp_path / "best.weights.h5"
    model, curves = trained(
        overfitted, epochs=10, patience=100, learning_rate=0.1, checkpoint=path
    )
    assert curves.best_epoch < len(curves.valid)
    again = new_model(overfitted, seed=9)
    again.load_weights(path)
    for a, b in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_checkpoint_without_validation_rows_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="needs validation rows"):
        training.fit(
            new_model(data), data.train, checkpoint=tmp_path / "best.weights.h5"
        )


def test_a_model_of_fewer_fields_reads_its_own_and_no_others(data):
    specs = [s for s in data.encoder.specs if s.name in ("user", "year")]
    keras.utils.set_random_seed(0)
    model = models.deepfm(specs, k=2, units=(3,))
    training.fit(model, data.train, data.valid, epochs=1)
    x = {s.name: data.test.x[s.name] for s in specs}
    expected = np.clip(model.predict(x, verbose=0), 1, 5)
    np.testing.assert_array_equal(training.predict(model, data.test.x), expected)


WRONG = {
    "Fields are missing: .*'genres'": lambda p: p._replace(
        x={k: v for k, v in p.x.items() if k != "genres"}
    ),
    "Lengths differ: .*'y': 3": lambda p: p._replace(y=p.y[:3]),
    "Lengths differ: .*'user': 2": lambda p: p._replace(
        x={**p.x, "user": p.x["user"][:2]}
    ),
    "There are no rows": lambda p: Part({k: v[:0] for k, v in p.x.items()}, p.y[:0]),
    r"1 of \d+ ratings are NaN or infinite, first at positions \[2\]": lambda p: (
        p._replace(y=np.where(np.arange(len(p.y)) == 2, np.nan, p.y.T).T)
    ),
}


@pytest.mark.parametrize("message", WRONG)
@pytest.mark.parametrize("name", ["train", "valid"])
def test_wrong_rows_are_refused_before_keras_sees_them(
    data, message, name, monkeypatch
):
    model = new_model(data)
    monkeypatch.setattr(model, "fit", lambda *a, **k: pytest.fail("Keras was called."))
    parts = {"train": data.train, "valid": data.valid}
    parts[name] = WRONG[message](parts[name])
    with pytest.raises(ValueError, match=message):
        training.fit(model, **parts)


def test_wrong_rows_are_refused_by_evaluate_and_predict(data):
    model = new_model(data)
    for message, spoil in WRONG.items():
        with pytest.raises(ValueError, match=message):
            training.evaluate(model, spoil(data.test))
    with pytest.raises(ValueError, match="Fields are missing"):
        training.predict(model, {"user": data.test.x["user"]})


# predict and scores


def test_predictions_are_clipped_to_the_scale(data):
    model = new_model(data)
    for intercept, expected in ((9.0, 5.0), (-9.0, 1.0)):
        model.get_layer("first_order").set_weights([np.array([intercept])])
        predicted = training.predict(model, data.test.x)
        assert predicted.shape == data.test.y.shape
        assert np.unique(predicted).tolist() == [expected]


def test_rmse_and_mae_are_those_computed_by_hand():
    found = training.scores([[2.0], [3.0], [5.0]], [[1.0], [3.0], [3.0]])
    assert found.rmse == pytest.approx(np.sqrt((1 + 0 + 4) / 3))
    assert found.mae == pytest.approx((1 + 0 + 2) / 3)


def test_predictions_are_clipped_before_they_are_scored():
    assert training.scores([9.0, -2.0], [5.0, 1.0]) == (0.0, 0.0)


def test_evaluate_is_the_score_of_the_predictions(data):
    model = new_model(data)
    error = training.predict(model, data.test.x) - data.test.y
    found = training.evaluate(model, data.test)
    assert found.rmse == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
    assert found.mae == pytest.approx(np.abs(error).mean(), rel=1e-5)


def test_a_column_is_not_scored_against_a_flat_array():
    with pytest.raises(ValueError, match=r"\(3, 1\) against \(3,\)"):
        training.scores(np.ones((3, 1)), np.ones(3))


# the progress line


def ended(line: ProgressLine, *epochs: dict) -> ProgressLine:
    line.on_train_begin()
    for i, logs in enumerate(epochs):
        line.on_epoch_end(i, logs)
    return line


def test_the_line_tells_epoch_errors_and_the_best_so_far():
    logs = [{"rmse": 0.95, "val_rmse": 0.9}, {"rmse": 0.9, "val_rmse": 0.91234}]
    text = ended(ProgressLine(30), *logs)._text()
    assert text == (
        "epoch 2/30 · RMSE train 0.9000, "
        "validation 0.9123 (best 0.9000 in epoch 1) · 0 s"
    )


def test_the_line_without_validation_tells_the_training_error():
    text = ended(ProgressLine(3), {"rmse": 0.95})._text()
    assert text == "epoch 1/3 · RMSE train 0.9500 · 0 s"


def test_the_history_counts_epochs_from_1_and_takes_the_first_best():
    logs = [{"rmse": 3.0 - i, "val_rmse": v} for i, v in enumerate((2.0, 1.0, 1.0))]
    history = ended(ProgressLine(3), *logs).history()
    assert history[:3] == ([3.0, 2.0, 1.0], [2.0, 1.0, 1.0], 2)
    assert isinstance(history, History)
    assert history.seconds >= 0


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(progress, "_in_kernel", lambda: False)
    ended(ProgressLine(2), {"rmse": 1.0}, {"rmse": 0.5}).on_train_end()
    assert terminal.getvalue() == (
        "\repoch 1/2 · RMSE train 1.0000 · 0 s\repoch 2/2 · RMSE train 0.5000 · 0 s\n"
    )


def test_a_notebook_gets_one_display_that_is_updated(monkeypatch):
    import IPython.display

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(("update", data["text/plain"][:9], raw))

    def display(data, raw, display_id):
        shown.append(("display", data["text/plain"][:9], raw))
        return Handle()

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(progress, "_in_kernel", lambda: True)
    ended(ProgressLine(2), {"rmse": 1.0}, {"rmse": 0.5}).on_train_end()
    assert shown == [("display", "epoch 1/2", True), ("update", "epoch 2/2", True)]


def test_a_kernel_that_is_only_imported_gets_no_display(monkeypatch, capfd):
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    ended(ProgressLine(1), {"rmse": 1.0}).on_train_end()
    assert capfd.readouterr() == ("", "")


def test_fit_prints_nothing_where_there_is_no_terminal(data, capfd):
    trained(data, epochs=1)
    assert capfd.readouterr() == ("", "")
