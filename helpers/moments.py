"""Mean and variance that are exact, so that no order and no cut of the rows matters."""

from fractions import Fraction

import numpy as np

_DIGITS, _LOW = 53, 27  # of a float64; of the lower part of its digits
_SAME = 2**-23, 2**-126  # float32: the relative gap of two numbers, the least number


class Moments:
    """Count, sum and sum of squares of numbers, without any rounding.

    Numbers that arrive in one array or in many give the same mean and variance, to the
    last bit.
    """

    def __init__(self):
        self.count, self.sum, self.squares = 0, Fraction(0), Fraction(0)
        self.low, self.high = np.inf, -np.inf

    def add(self, values: np.ndarray, counts: np.ndarray) -> None:
        """values: (m,) float64, finite; counts: (m,) int64, how often each is."""
        if not len(values):
            return
        mantissa, exponent = np.frexp(values)
        whole = np.ldexp(mantissa, _DIGITS).astype("int64")
        exponent = exponent - _DIGITS  # values = whole * 2**exponent
        high, low = whole >> _LOW, whole & (2**_LOW - 1)
        self.count += int(counts.sum())
        self.sum += _total(whole, counts, exponent)
        for term, shift in ((high * high, 2), (2 * high * low, 1), (low * low, 0)):
            self.squares += _total(term, counts, 2 * exponent + shift * _LOW)
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

    @property
    def scale(self) -> float:
        """sd, or 0 where all numbers are the same as far as 32 bits can tell."""
        largest = max(abs(self.low), abs(self.high))
        same = self.high - self.low <= max(_SAME[0] * largest, _SAME[1])
        return 0.0 if same else self.sd


def _total(whole: np.ndarray, counts: np.ndarray, exponent: np.ndarray) -> Fraction:
    """Sum of whole * counts * 2**exponent. whole: below 2**54."""
    total = Fraction(0)
    for power in np.unique(exponent):
        here = exponent == power
        high, low = whole[here] >> _LOW, whole[here] & (2**_LOW - 1)
        n = counts[here]
        digits = int((high * n).sum()) * 2**_LOW + int((low * n).sum())
        total += digits * Fraction(2) ** int(power)
    return total
