"""Several processes train one model: they end where one does, whatever happens."""

import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from helpers import checkpoints, cluster, processes, splits, training
from helpers.cluster import WorkerLost
from helpers.optimizers import Adam
from helpers.parquet import Parquet
from helpers.targets import Chosen, Clicks, Stars
from helpers.training import Encoded
from tests.deadly import DeadlyRows, WithoutYear
from tests.test_training import FIELDS, table

ROOT = Path(__file__).resolve().parent.parent
MODEL = {"k": 3, "units": [4], "l2": 0.01}
FIT = {"epochs": 3, "batch_size": 64, "learning_rate": 0.01, "seed": 1}


@pytest.fixture(scope="module")
def data():
    """Five whole batches of training rows and one of three: no halves are equal."""
    rows = table(403)
    split = splits.Split(rows[:323], rows[323:], rows[:0])
    return training.prepare(split, FIELDS)


def built(data, **settings) -> keras.Model:
    return training.build(data, MODEL | settings, 0)


def gap(one: keras.Model, other: keras.Model) -> float:
    pairs = zip(one.get_weights(), other.get_weights(), strict=True)
    return max(float(np.abs(a - b).max()) for a, b in pairs)


# several processes


def test_two_workers_equal_one_also_where_one_was_killed(ray, data, tmp_path):
    """Here the one is on any backend: Adam would enlarge what is rounded otherwise."""
    seen, fit = [], FIT | {"optimizer": partial(keras.optimizers.SGD, momentum=0.9)}
    how = {"checkpoint": tmp_path / "kept.npz", "watch": seen.append, **fit}
    deadly = DeadlyRows(data.train, FIT["batch_size"], 1, flag=tmp_path / "flag")
    model = built(data)
    with pytest.raises(WorkerLost, match="kept.npz holds 1 epochs: the same call"):
        cluster.fit(model, deadly, data.valid, **how)
    assert len(seen) == 1
    assert [p.name for p in tmp_path.iterdir() if p.name != "flag"] == ["kept.npz"]
    # the model has the best weights so far, and they are those of the checkpoint
    kept = built(data)
    cluster.fit(kept, data.train, data.valid, workers=1, **{**how, "epochs": 1})
    assert len(seen) == 1  # no epoch was trained for that
    assert gap(model, kept) == 0

    again = built(data)
    curves = cluster.fit(again, data.train, data.valid, **how)
    assert len(seen) == 3
    expected = built(data)
    as_one = training.fit(expected, data.train, data.valid, **fit)
    assert gap(again, expected) < 1e-4 < 0.1 * gap(expected, built(data))
    np.testing.assert_allclose(curves.train, as_one.train, rtol=1e-5)
    np.testing.assert_allclose(curves.valid, as_one.valid, rtol=1e-5)
    assert again.fingerprint == data.encoder.fingerprint
    sent = {epoch.sent for epoch in seen} - {None}
    assert not sent or min(sent) > 5 * cluster.gradients(again, data.train.x)[0] / 2


ALONE = """
import psutil
from helpers import processes
with processes.started(cpus=1) as ray:
    print(ray.get(ray.remote(lambda: 3).remote()))
print([child.name() for child in psutil.Process().children(recursive=True)])
"""


def test_ray_is_started_without_a_word_and_ended():
    pytest.importorskip("ray", reason=processes.MISSING)
    done = subprocess.run(
        [sys.executable, "-c", ALONE],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("3\n[]\n", "")


def test_what_a_worker_raises_is_raised_here(ray, data):
    with pytest.raises(ValueError, match="Fields are missing: .*year"):
        cluster.fit(
            built(data), WithoutYear(data.train), workers=1, address="local", **FIT
        )


def test_more_workers_than_processors_are_refused(ray, data):
    with pytest.raises(ValueError, match="9 workers need a processor each, and this"):
        cluster.fit(built(data), data.train, workers=9, **FIT)


# one process: the same code without Ray


@pytest.mark.parametrize("name", ["clicks", "dropout"])
def test_one_worker_is_this_process_and_equals_fit(data, name, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    settings = {"dropout": 0.3} if name == "dropout" else {}
    if name == "clicks":
        rows = table(403)
        split = splits.Split(rows[:323], rows[323:], rows[:0])
        data = training.prepare(split, FIELDS, Clicks("bought"))
    one, other = (built(data, **settings) for _ in "ab")
    how = FIT | {"decay": True}
    curves = cluster.fit(one, data.train, data.valid, workers=1, **how)
    expected = training.fit(other, data.train, data.valid, **how)
    assert gap(one, other) < 1e-6
    np.testing.assert_allclose(curves.train, expected.train, rtol=1e-6)
    np.testing.assert_allclose(curves.valid, expected.valid, rtol=1e-6)
    assert curves[2::2] == expected[2::2]  # best epoch, name of the score


def test_rows_of_files_are_trained_on_as_fit_does(data, tmp_path):
    for part in range(3):
        rows = table(403)[part::3]
        rows.to_parquet(tmp_path / f"{part}.parquet", row_group_size=50)
    split = splits.Split(Parquet(tmp_path), table(403)[:50], table(403)[:0])
    files = training.prepare(split, FIELDS)
    one, other = (built(files) for _ in "ab")
    how = FIT | {"buffer": 120, "decay": True}
    curves = cluster.fit(one, files.train, files.valid, workers=1, **how)
    expected = training.fit(other, files.train, files.valid, **how)
    assert gap(one, other) < 1e-6
    np.testing.assert_allclose(curves.train, expected.train, rtol=1e-6)


def test_training_stops_late_and_has_the_best_weights_as_fit_does(data):
    how = {"epochs": 30, "batch_size": 16, "learning_rate": 0.2, "patience": 1}
    one, other = (built(data) for _ in "ab")
    curves = cluster.fit(one, data.train, data.valid, workers=1, **how)
    expected = training.fit(other, data.train, data.valid, **how)
    assert len(curves.train) == len(expected.train) < 30
    assert curves.best_epoch == expected.best_epoch < len(curves.train)
    assert gap(one, other) < 1e-4


def test_without_ray_an_error_says_what_to_install(data, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match="needs Ray: make scale, or pip install -r"):
        cluster.fit(built(data), data.train, workers=2, **FIT)
    assert (ROOT / "requirements-scale.txt").exists()


# checkpoints


class Stopped(Exception):
    """What stops a training after an epoch."""


def stop(epoch) -> None:
    raise Stopped


@pytest.mark.parametrize("valid", [True, False])
def test_a_training_goes_on_as_if_it_had_not_been_stopped(data, tmp_path, valid):
    rows = (data.train, data.valid) if valid else (data.train,)
    how = {"workers": 1, "decay": True, "optimizer": Adam, **FIT, "epochs": 2}
    whole, stopped = (built(data, dropout=0.3) for _ in "ab")
    expected = cluster.fit(whole, *rows, **how)
    path = tmp_path / "new" / "kept.npz"
    for _ in range(how["epochs"]):
        with pytest.raises(Stopped):
            cluster.fit(stopped, *rows, **how, checkpoint=path, watch=stop)
    curves = cluster.fit(stopped, *rows, **how, checkpoint=path, watch=stop)
    assert gap(whole, stopped) == 0
    assert curves._replace(seconds=0) == expected._replace(seconds=0)


def test_a_checkpoint_of_another_training_is_refused(data, tmp_path):
    how = {"workers": 1, "checkpoint": tmp_path / "kept.npz", **FIT, "epochs": 1}
    cluster.fit(built(data), data.train, **how)
    before = (tmp_path / "kept.npz").read_bytes()
    for other in ({"seed": 2}, {"learning_rate": 0.1}, {"batch_size": 32}):
        with pytest.raises(ValueError, match="kept.npz is of another training: its"):
            cluster.fit(built(data), data.train, **how | other)
    with pytest.raises(ValueError, match="of another training"):
        cluster.fit(built(data, k=4), data.train, **how)
    x, y = data.train.x, data.train.y
    for rows in (  # as many rows and batches, of the same fields
        data.train._replace(y=y[::-1].copy()),
        data.train._replace(x={name: array[::-1] for name, array in x.items()}),
        data.train._replace(target=Stars(low=0, high=9).fit(data.train.rows)),
    ):
        with pytest.raises(ValueError, match="of another training"):
            cluster.fit(built(data), rows, **how)
    with pytest.raises(ValueError, match="of another training"):
        cluster.fit(built(data), data.train, **how | {"batch_size": 63})
    assert (tmp_path / "kept.npz").read_bytes() == before


@pytest.mark.parametrize("size", [0, 100, 2000])
def test_a_damaged_checkpoint_is_refused(tmp_path, size):
    path = tmp_path / "kept.npz"
    checkpoints.write(path, "a", {"n": 1}, {"w": [np.zeros(500)]})
    assert checkpoints.read(path, "a")[0] == {"n": 1}
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match="kept.npz is damaged, or no checkpoint: .* D"):
        checkpoints.read(path, "a")


def test_a_write_that_fails_leaves_the_good_file_and_nothing_else(
    tmp_path, monkeypatch
):
    path = tmp_path / "kept.npz"
    path.write_bytes(b"the good one")

    def fails(*args, **arrays):
        raise OSError("no space")

    for owner, name in ((np, "savez"), (os, "replace")):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fails)
            with pytest.raises(OSError, match="no space"):
                checkpoints.write(path, "a", {}, {"w": [np.zeros(3)]})
        assert path.read_bytes() == b"the good one"
        assert [*tmp_path.iterdir()] == [path]


# what is refused, and what fails


def test_a_training_that_diverges_leaves_the_model_as_it_was(data):
    model = built(data)
    with pytest.raises(training.Diverged, match="diverged in epoch 1"):
        cluster.fit(model, data.train, workers=1, **FIT | {"learning_rate": 1e30})
    assert gap(model, built(data)) == 0


def test_settings_that_cannot_be_are_refused(data):
    def fit(*rows, **how):
        cluster.fit(built(data), *rows, workers=1, **FIT | how)

    with pytest.raises(ValueError, match="use_ema takes its mean where"):
        fit(data.train, optimizer=with_mean)
    with pytest.raises(ValueError, match="the name of a checkpoint ends in .npz"):
        fit(data.train, checkpoint="kept.weights.h5")
    with pytest.raises(ValueError, match="workers"):
        cluster.fit(built(data), data.train, workers=0)
    with pytest.raises(ValueError, match="no rows"):
        empty = {name: array[:0] for name, array in data.train.x.items()}
        fit(Encoded(empty, data.train.y[:0], data.train.target))
    with pytest.raises(ValueError, match="Chosen.* draws items beside each row"):
        fit(data.train._replace(target=Chosen("user", "movie")))


def with_mean(rate):
    return keras.optimizers.Adam(rate, use_ema=True)


class FakeRay:
    """Stands for the module where only starting and ending matter."""

    def __init__(self, there: bool = False):
        self.there, self.calls = there, []

    def is_initialized(self) -> bool:
        return self.there

    def init(self, address, **how):
        self.calls.append(address)

    def shutdown(self):
        self.calls.append("shutdown")

    def cluster_resources(self) -> dict:
        return {"CPU": 2.0}


@pytest.mark.parametrize("address", [None, "host:1"])
def test_a_ray_of_our_own_is_ended_whatever_happens(monkeypatch, address):
    fake = FakeRay()
    monkeypatch.setattr(processes, "ray", lambda: fake)
    with pytest.raises(Stopped), processes.started(address):
        raise Stopped
    with pytest.raises(ValueError, match="3 workers"), processes.started(address, 3):
        pass
    assert fake.calls == 2 * [address or "local", "shutdown"]


def test_a_ray_that_was_there_is_left_as_it_is(monkeypatch):
    fake = FakeRay(there=True)
    monkeypatch.setattr(processes, "ray", lambda: fake)
    with processes.started("host:1"):
        pass
    assert fake.calls == []


# bytes


def test_gradients_are_counted_by_hand(data):
    model = built(data, parts=("first_order", "second_order"))
    x = {
        "user": np.array([[2], [2], [5]], "int32"),
        "genres": np.array([[2, 3], [0, 0], [2, 0]], "int32"),
        "year": np.zeros((3, 1), "float32"),
    }
    every, touched = cluster.gradients(model, x)
    users, genres = (spec.size for spec in data.encoder.specs[:2])
    assert every == 4 * ((users + genres + 1) * (3 + 1) + 1)  # k and first order, w0
    # 2 users; 3 genres, padding being one: k, first order, and the id in both tables
    assert touched == 4 * ((2 + 3) * (3 + 1 + 2) + (3 + 1) + 1)


def test_a_share_of_a_batch_is_a_part_or_the_whole_at_a_part_of_its_weight(data):
    model = built(data)
    for n in (6, 7):
        shares = []
        for rank in range(2):
            worker = cluster.Worker(rank, 2)
            worker.model = model
            x = {name: array[:n] for name, array in data.train.x.items()}
            shares.append(worker._share(x, data.train.y[:n]))
        total = sum(weights.sum() for *_, weights in shares)
        assert total == n
        assert len({len(y) for _, y, _ in shares}) == 1
        mean = sum((y[:, 0] * weights).sum() for _, y, weights in shares) / total
        np.testing.assert_allclose(mean, data.train.y[:n].mean(), rtol=1e-6)
