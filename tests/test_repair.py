"""What is fitted on validation rows mends test rows, and has not seen them."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy import special

from helpers import probabilities, repair, training
from helpers.targets import Clicks


def rows(seed: int, n: int = 20_000) -> training.Encoded:
    """Log-odds three times too far from zero, and what happened."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, 2, (n, 1))
    y = (rng.random((n, 1)) < special.expit(true)).astype("float32")
    return training.Encoded({"raw": 3 * true}, y, Clicks("y"))


@pytest.fixture
def data(monkeypatch):
    monkeypatch.setattr(training, "raw_output", lambda model, x: x["raw"])
    return SimpleNamespace(train=rows(0), valid=rows(1), test=rows(2))


def test_the_temperature_of_validation_rows_mends_test_rows(data):
    found = repair.temperature(None, data)
    assert found == pytest.approx(3, rel=0.05)
    raw, y = data.test.x["raw"][:, 0], data.test.y[:, 0]
    before, after = (
        probabilities.log_loss(special.expit(x), y) for x in (raw, raw / found)
    )
    assert after < before - 0.05


def test_isotonic_steps_rise_and_mend_test_rows(data):
    steps = repair.isotonic(None, data)
    found = steps.predict(special.expit(data.test.x["raw"][:, 0]))
    table = probabilities.reliability(found, data.test.y[:, 0])
    assert (table.said - table.happened).abs().max() < 0.05
    assert (np.diff(steps.predict(np.linspace(0, 1, 100))) >= 0).all()


@pytest.mark.parametrize("name", ["temperature", "isotonic"])
def test_neither_training_nor_test_rows_take_part(data, name):
    before = getattr(repair, name)(None, data)
    other = rows(3)._replace(y=1 - data.test.y)
    after = getattr(repair, name)(None, SimpleNamespace(valid=data.valid, test=other))
    p = np.linspace(0, 1, 50)
    if name == "isotonic":
        before, after = before.predict(p), after.predict(p)
    np.testing.assert_array_equal(before, after)
