"""Metrics against scikit-learn and their definitions; corrections by counting."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, special
from sklearn import metrics

from helpers import probabilities as room
from helpers.targets import calibration_error

rng = np.random.default_rng(0)
P = rng.random(3000)
Y = (rng.random(3000) < P**2).astype(float)
pairs = st.lists(
    st.tuples(st.sampled_from([0.1, 0.25, 0.5, 0.9]), st.sampled_from([0, 1])),
    min_size=1,
    max_size=40,
)


def by_definition(p, y) -> float:
    won = [(a > b) + (a == b) / 2 for a in p[y == 1] for b in p[y == 0]]
    return np.mean(won) if won else np.nan


@given(pairs)
def test_auc_is_the_share_of_pairs_with_many_ties(rows):
    p, y = np.array(rows).T
    np.testing.assert_allclose(room.auc(p, y), by_definition(p, y))


def test_auc_and_log_loss_are_those_of_scikit_learn():
    assert room.auc(P, Y) == pytest.approx(metrics.roc_auc_score(Y, P), abs=1e-12)
    assert room.log_loss(P, Y) == pytest.approx(metrics.log_loss(Y, P), abs=1e-12)


@pytest.mark.parametrize("value", [0, 1])
def test_one_class_has_no_auc_and_no_entropy(value):
    y = np.full(5, value)
    assert np.isnan(room.auc(np.arange(5) / 5, y))
    assert np.isnan(room.auc_within(np.arange(5) / 5, y, [1, 1, 1, 2, 2]))
    assert np.isnan(room.normalised_entropy(np.full(5, 0.5), y))


def test_auc_sees_no_monotone_bend():
    assert room.auc(P**3, Y) == room.auc(P, Y) == room.auc(special.logit(P), Y)


@given(pairs)
def test_auc_within_is_the_weighted_mean_of_the_groups(rows):
    p, y = np.array(rows).T
    groups = np.arange(len(y)) % 3
    total = rows_in = 0
    for group in range(3):
        own = groups == group
        found = by_definition(p[own], y[own])
        if not np.isnan(found):
            total, rows_in = total + found * own.sum(), rows_in + own.sum()
    wanted = total / rows_in if rows_in else np.nan
    np.testing.assert_allclose(room.auc_within(p, y, groups), wanted)


def test_a_certain_mistake_costs_everything_and_a_certain_truth_nothing():
    assert room.log_loss([1.0, 0.0], [1, 0]) == 0
    assert room.log_loss([1.0, 0.0], [1, 1]) == np.inf


def test_the_base_rate_has_normalised_entropy_one():
    constant = np.full(len(Y), Y.mean())
    assert room.normalised_entropy(constant, Y) == pytest.approx(1)
    assert room.normalised_entropy(Y, Y) == 0


def test_reliability_has_groups_of_equal_size_whose_gaps_are_the_calibration_error():
    found = room.reliability(P, Y, 15)
    assert found.rows.tolist() == [200] * 15
    gap = (found.said - found.happened).abs()
    assert np.average(gap, weights=found.rows) == pytest.approx(
        calibration_error(P, Y, 15)
    )
    assert ((found.low <= found.happened + 1e-12) & (found.happened < found.high)).all()


def test_the_interval_of_a_group_holds_its_share_where_all_are_alike():
    for happened in (0, 1):
        for n in range(2, 60):
            found = room.reliability(np.full(n, 0.5), np.full(n, happened))
            assert (found.low <= found.happened).all()
            assert (found.happened <= found.high).all()


def test_reliability_has_wilsons_interval():
    """Of 8 in 10: 0.490 to 0.943 (Newcombe 1998)."""
    found = room.reliability(np.full(10, 0.5), [1] * 8 + [0] * 2)
    assert found.rows.tolist() == [10]
    assert (found.low[0], found.high[0]) == pytest.approx((0.4901, 0.9433), abs=1e-4)


@pytest.mark.parametrize("kept", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("ones, zeros", [(30, 70), (1, 999), (90, 10)])
def test_the_correction_gives_back_the_counts_before_sampling(ones, zeros, kept):
    seen = ones / (ones + kept * zeros)
    assert room.undo_sampling(seen, kept) == pytest.approx(ones / (ones + zeros))


def test_the_correction_holds_for_rows_that_were_drawn():
    y = rng.random(200_000) < 0.05
    kept = y | (rng.random(len(y)) < 0.1)
    assert room.undo_sampling(y[kept].mean(), 0.1) == pytest.approx(0.05, abs=0.003)


@pytest.mark.parametrize("kept", [0, -0.1, 1.1, np.nan])
def test_a_share_is_above_0_and_at_most_1(kept):
    with pytest.raises(ValueError, match="kept is a share"):
        room.undo_sampling(P, kept)


def test_the_temperature_that_stretched_the_log_odds_is_found():
    true = rng.normal(0, 2, 50_000)
    y = rng.random(len(true)) < special.expit(true)
    assert room.temperature(3 * true, y) == pytest.approx(3, rel=0.03)
    best = optimize.minimize_scalar(
        lambda t: room.log_loss(special.expit(3 * true / t), y), bounds=(1, 9)
    )
    assert room.temperature(3 * true, y) == pytest.approx(best.x, rel=1e-4)


@pytest.mark.parametrize("raw", [[0.0, 0.0], [-1.0, 1.0], [1.0, -1.0]])
def test_where_no_temperature_is_best_it_says_so(raw):
    with pytest.raises(ValueError, match="No temperature"):
        room.temperature(raw, [0, 1])


METRICS = [room.auc, room.log_loss, room.normalised_entropy, room.reliability]


@pytest.mark.parametrize("metric", METRICS, ids=lambda f: f.__name__)
@pytest.mark.parametrize(
    "p, y, says",
    [
        ([0.5, 0.5], [1], "Two arrays"),
        ([[0.5]], [[1]], "Two arrays"),
        ([], [], "no rows"),
        ([0.5, 0.5], [1, 2], "0 or 1"),
        ([0.5, 0.5], [1, np.nan], "0 or 1"),
        ([0.5, np.nan], [1, 0], "NaN"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused(metric, p, y, says):
    with pytest.raises(ValueError, match=says):
        metric(p, y)


@pytest.mark.parametrize("metric", METRICS[1:], ids=lambda f: f.__name__)
def test_log_odds_are_no_probabilities(metric):
    with pytest.raises(ValueError, match="not log-odds"):
        metric([-1.0, 2.0], [0, 1])


def test_groups_are_one_a_row():
    with pytest.raises(ValueError, match="Lengths differ"):
        room.auc_within([0.5, 0.5], [0, 1], [1])
