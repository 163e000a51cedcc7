"""What tests share: how property tests run, and benchmarks without processes.

Property tests have no deadline, as a machine may be busy.
"""

import pandas as pd
import pytest
from hypothesis import settings

from benchmarks import growth, results, trials, turns
from helpers import processes

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
