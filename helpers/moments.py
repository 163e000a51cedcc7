"""Mean and variance that are exact, so that no order and no cut of the rows matters."""

from fractions import Fraction

import numpy as np

_HALF = 2**27 + 1  # splits the 53 digits of a float64 into 26 and 26 (Veltkamp 1968)
_LOW = 27


class Moments:
    """Count, sum and sum of squares of numbers, without any rounding.

    Numbers that arrive in one array or in many give the same mean and variance, to the
    last bit.
    """

    def __init__(self):
        self.count, self.sum, self.squares = 0, Fraction(0), Fraction(0)
        self.low, self.high = np.inf, -np.inf

    def add(self, values: np.ndarray, counts: np.ndarray) -> None:
        """values: (m,) float64, finite and below 1e100; counts: how often each is."""
        if not len(values):
            return
        spread = _HALF * values
        high = spread - (spread - values)
        low = values - high  # values = high + low, so that these products are exact:
        self.count += int(counts.sum())
        self.sum += _exact(values, counts)
        for term in (high * high, 2 * high * low, low * low):
            self.squares += _exact(term, counts)
        self.low = min(self.low, float(values.min()))
        self.high = max(self.high, float(values.max()))

    @property
    def mean(self) -> float:
        """Of all numbers. There must be one."""
        return float(self.sum / self.count)

    @property
    def sd(self) -> float:
        """Standard deviation of all numbers, as of a population."""
        variance = (self.squares - self.sum**2 / self.count) / self.count
        return float(variance) ** 0.5


def _exact(values: np.ndarray, counts: np.ndarray) -> Fraction:
    """Sum of values times counts."""
    mantissa, exponent = np.frexp(values)
    whole = np.ldexp(mantissa, 53).astype(
        "int64"
    )  # values = whole * 2 ** (exponent-53)
    total = Fraction(0)
    for power in np.unique(exponent):
        here = exponent == power
        high, low = whole[here] >> _LOW, whole[here] & (2**_LOW - 1)
        n = counts[here]
        digits = int((high * n).sum()) * 2**_LOW + int((low * n).sum())
        total += digits * Fraction(2) ** (int(power) - 53)
    return total
