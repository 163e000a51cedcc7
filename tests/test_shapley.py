"""Shapley values against their definition and their axioms."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import shapley

games = st.integers(1, 5).flatmap(
    lambda p: st.lists(
        st.floats(-10, 10, allow_subnormal=False), min_size=2**p, max_size=2**p
    )
)


def by_orders(worths: np.ndarray) -> np.ndarray:
    """The definition: the mean over all orders of what each player adds."""
    p = len(worths).bit_length() - 1
    found = np.zeros(p)
    for order in permutations(range(p)):
        coalition = 0
        for player in order:
            joined = coalition + 2**player
            found[player] += worths[joined] - worths[coalition]
            coalition = joined
    return found / factorial(p)


def test_two_players_by_hand():
    # nobody 1, a 3, b 2, both 8: a adds 2 alone and 6 after b, b adds 1 and 5
    np.testing.assert_allclose(shapley.exact([1, 3, 2, 8]), [4, 3])


def test_a_coalition_holds_the_players_of_its_bits():
    assert shapley.coalitions(2).tolist() == [
        [False, False],
        [True, False],
        [False, True],
        [True, True],
    ]


@given(games)
def test_they_are_the_mean_over_all_orders(worths):
    np.testing.assert_allclose(shapley.exact(worths), by_orders(worths), atol=1e-9)


@given(games)
def test_efficiency_they_add_up_to_everybody_less_nobody(worths):
    total = shapley.exact(worths).sum()
    np.testing.assert_allclose(total, worths[-1] - worths[0], atol=1e-9)


@given(games, st.floats(-5, 5))
def test_dummy_who_adds_the_same_to_every_coalition_gets_that(worths, adds):
    with_dummy = [*worths, *(w + adds for w in worths)]  # the last bit is the dummy's
    found = shapley.exact(with_dummy)
    np.testing.assert_allclose(found[-1], adds, atol=1e-9)
    np.testing.assert_allclose(found[:-1], shapley.exact(worths), atol=1e-9)


@given(games)
def test_symmetry_players_who_add_alike_get_alike(worths):
    p = len(worths).bit_length() - 1
    if p < 2:
        return
    joined = shapley.coalitions(p)
    swapped = joined[:, [1, 0, *range(2, p)]] @ 2 ** np.arange(p)
    alike = (np.array(worths) + np.array(worths)[swapped]) / 2
    found = shapley.exact(alike)
    np.testing.assert_allclose(found[0], found[1], atol=1e-9)


def test_several_games_at_once():
    games = np.random.default_rng(0).normal(size=(8, 3, 2))
    found = shapley.exact(games)
    assert found.shape == (3, 3, 2)
    np.testing.assert_allclose(found[:, 2, 1], shapley.exact(games[:, 2, 1]))


def test_worths_of_no_game_are_refused():
    with pytest.raises(ValueError, match=r"6 worths are not those of 2\^p"):
        shapley.exact(np.zeros(6))


def weighted_majority(joined: np.ndarray) -> np.ndarray:
    """Ten players with weights; a coalition is worth 1 with more than half of them."""
    weight = np.array([9, 7, 5, 5, 4, 3, 2, 2, 1, 1])
    return (joined @ weight > weight.sum() / 2).astype(float)


def test_estimates_add_up_and_their_errors_cover_the_exact_values():
    truth = shapley.exact(weighted_majority(shapley.coalitions(10)))
    off = []
    for seed in range(30):
        found = shapley.sampled(weighted_majority, 10, 200, seed)
        np.testing.assert_allclose(found.values.sum(), 1, atol=1e-9)
        off.append((found.values - truth) / np.maximum(found.errors, 1e-9))
    off = np.array(off)
    assert 0.85 < np.sqrt((off**2).mean()) < 1.15  # the errors are standard errors
    assert abs(off.mean()) < 0.15


def test_more_orders_have_smaller_errors():
    few, many = (shapley.sampled(weighted_majority, 10, n).errors for n in (50, 5000))
    assert many.mean() == pytest.approx(few.mean() / 10, rel=0.3)


def test_estimates_of_several_games_at_once():
    found = shapley.sampled(
        lambda joined: np.stack([weighted_majority(joined), joined[:, 0]], 1), 10, 20
    )
    assert found.values.shape == found.errors.shape == (10, 2)
    np.testing.assert_allclose(found.values[:, 1], [1, *[0] * 9])


def test_one_order_has_no_error():
    with pytest.raises(ValueError, match="two orders at least, not 1"):
        shapley.sampled(weighted_majority, 10, 1)
