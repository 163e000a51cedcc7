"""What tests share: how property tests run, and benchmarks without processes.

Property tests have no deadline, as a machine may be busy. Garbage is collected less
often: the many objects of a model that is built outlive most collections.
"""

import gc

import pytest
from hypothesis import settings

from helpers import quiet

with quiet.no_garbage():
    import pandas as pd

    from benchmarks import growth, results, trials, turns
    from helpers import processes

gc.set_threshold(50_000, 20, 50)
settings.register_profile("course", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("course")


@pytest.fixture
def in_this_process(monkeypatch, tmp_path):
    """No trial has a process of its own; what is kept is not that of the course."""
    monkeypatch.setattr(turns, "alone", lambda call, *args: call(*args))
    monkeypatch.setattr(trials, "TRIALS", tmp_path / "trials")
    monkeypatch.setattr(results, "RESULTS", tmp_path / "results")


@pytest.fixture(scope="session")
def few_rows() -> pd.DataFrame:
    """200 ratings of 15 users and 20 movies, in the shape of ml-1m."""
    rows = growth.like_ml_1m(200)
    return rows.assign(user_id=rows.user_id % 15, movie_id=rows.movie_id % 20)


@pytest.fixture(scope="session")
def ray():
    """Ray with two processors, once for all tests of a process: it starts slowly."""
    pytest.importorskip("ray", reason=processes.MISSING)
    with processes.started(cpus=2) as module:
        yield module


@pytest.fixture(params=["tensorflow", "another"])
def batches_of(request, monkeypatch):
    """Called with a feed of Model.fit and a number: the batches of each epoch."""
    import keras

    if request.param == "tensorflow" != keras.backend.backend():
        pytest.skip("is about TensorFlow")
    if request.param == "another":
        monkeypatch.setattr(keras.backend, "backend", lambda: request.param)

    def collect(feed: dict, epochs: int) -> list:
        data, (begin,) = feed["x"], feed["callbacks"]
        found = []
        for epoch in range(epochs):
            begin.on_epoch_begin(epoch)
            if request.param == "tensorflow":
                assert data.cardinality() == 11
                found.append([*data.as_numpy_iterator()])
            else:
                data[0], data[1], data[0]  # as Keras does: it looks into some
                found.append([data[step] for step in range(len(data))])
        return found

    return collect
