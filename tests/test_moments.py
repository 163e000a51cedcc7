"""Moments against rational arithmetic, in any cut."""

from fractions import Fraction

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.moments import Moments

FINITE = st.floats(-1e30, 1e30, allow_nan=False)
PAIRS = st.lists(st.tuples(FINITE, st.integers(1, 9)), min_size=1, max_size=30)


def of(pairs, cuts=()) -> Moments:
    moments = Moments()
    for some in np.split(np.array(pairs, dtype="float64").reshape(-1, 2), sorted(cuts)):
        moments.add(some[:, 0], some[:, 1].astype("int64"))
    return moments


@given(PAIRS)
def test_mean_is_that_of_rational_arithmetic(pairs):
    count = sum(n for _, n in pairs)
    exact = sum(Fraction(x) * n for x, n in pairs) / count
    found = of(pairs)
    assert found.count == count
    assert found.mean == float(exact)
    assert (found.low, found.high) == (min(pairs)[0], max(pairs)[0])


@given(st.lists(st.tuples(st.integers(-999, 999), st.integers(1, 9)), min_size=1))
def test_sd_is_that_of_rational_arithmetic(pairs):
    count = sum(n for _, n in pairs)
    mean = Fraction(sum(x * n for x, n in pairs), count)
    exact = sum((x - mean) ** 2 * n for x, n in pairs) / count
    assert of(pairs).sd == float(exact) ** 0.5


@given(PAIRS, st.data())
def test_no_cut_and_no_order_changes_a_bit(pairs, data):
    cuts = data.draw(st.lists(st.integers(0, len(pairs)), max_size=3))
    shuffled = data.draw(st.permutations(pairs))
    one, other = of(pairs), of(shuffled, cuts)
    assert (one.mean, one.sd, one.low) == (other.mean, other.sd, other.low)


def test_a_spread_that_rounding_would_lose_is_kept():
    assert of([(1e9, 1), (1e9 + 1, 1)]).sd == 0.5
    assert of([(0.1, 5)]).sd == 0.0
