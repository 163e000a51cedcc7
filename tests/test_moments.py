"""Moments against rational arithmetic, in any cut."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.moments import Moments

FINITE = st.floats(-1e150, 1e150, allow_nan=False)
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


@given(PAIRS)
def test_sums_are_those_of_rational_arithmetic(pairs):
    found = of(pairs)
    assert found.sum == sum(Fraction(x) * n for x, n in pairs)
    assert found.squares == sum(Fraction(x) ** 2 * n for x, n in pairs)


@given(st.one_of(PAIRS, st.lists(st.tuples(st.integers(0, 9), st.just(1)), min_size=1)))
def test_sd_is_that_of_rational_arithmetic(pairs):
    count = sum(n for _, n in pairs)
    mean = sum(Fraction(x) * n for x, n in pairs) / count
    exact = sum((Fraction(x) - mean) ** 2 * n for x, n in pairs) / count
    assert of(pairs).sd == float(exact) ** 0.5


@given(PAIRS, st.data())
def test_no_cut_and_no_order_changes_a_bit(pairs, data):
    cuts = data.draw(st.lists(st.integers(0, len(pairs)), max_size=3))
    shuffled = data.draw(st.permutations(pairs))
    one, other = of(pairs), of(shuffled, cuts)
    assert (one.mean, one.sd, one.scale) == (other.mean, other.sd, other.scale)
    assert (one.low, one.high, one.count) == (other.low, other.high, other.count)


def test_a_spread_that_rounding_would_lose_is_kept():
    assert of([(1e9, 1), (1e9 + 1, 1)]).sd == 0.5
    assert of([(0.1, 5)]).sd == 0.0


def test_nothing_is_added_by_no_numbers():
    moments = of([(2.0, 3)])
    moments.add(np.array([]), np.array([], dtype="int64"))
    assert (moments.count, moments.mean, moments.low, moments.high) == (3, 2, 2, 2)


def test_many_rows_overflow_nothing():
    found = of([(-1.1, 2**30), (1.1, 2**30)])
    assert (found.mean, found.count) == (0.0, 2**31)
    assert found.sd == 1.1


@pytest.mark.parametrize(
    ("numbers", "scale"),
    [
        ([0.1 + 0.2, 0.3], 0.0),
        ([1.0, 1.0 + 2**-23], 0.0),
        ([-1.0, -1.0 - 2**-23], 0.0),
        ([1.0, 1.0 + 2**-21], 2**-22),
        ([-1.0, -1.0 - 2**-21], 2**-22),
        ([1e9, 1e9 + 64], 0.0),
        ([1e9, 1e9 + 1024], 512.0),
        ([0.0, 2.0**-126], 0.0),
        ([0.0, 2.0**-125], 2.0**-126),
        ([0.0, 1e-300], 0.0),
        ([-1.0, 1.0], 1.0),
        ([7.0], 0.0),
    ],
)
def test_the_scale_is_0_where_32_bits_tell_nothing_apart(numbers, scale):
    assert of([(x, 1) for x in numbers]).scale == scale
