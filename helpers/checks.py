"""Checks that print what holds, and raise with the largest gap where it does not.

Of an exercise whose answer is still the ellipsis they print that it is open. Where
$COURSE_RECORD names a file, the bounds of the course are not held but measured.
"""

import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np

BOUNDS = Path(__file__).with_name("bounds.json")


class Bound(NamedTuple):
    """An interval, ends included, in the unit of the value that is held against it."""

    low: float
    high: float
    key: str = ""  # of a bound of the course


class _Unmeasured(dict):
    def __missing__(self, key: str) -> Bound:
        return Bound(-np.inf, np.inf, key)


def equal(claim: str, actual, expected, tolerance: float = 1e-5) -> None:
    """Print the claim if both have one shape and agree value by value, else raise.

    tolerance: largest absolute gap allowed. NaN equals nothing.
    """
    if _is_open(claim, actual, expected):
        return
    actual, expected = _array(actual), _array(expected)
    if actual.shape != expected.shape:
        _fail(claim, f"shapes differ: {actual.shape} against {expected.shape}")
    if actual.dtype.kind in "fiub" and expected.dtype.kind in "fiub":
        with np.errstate(invalid="ignore"):  # infinity less infinity
            gap = np.abs(actual.astype("float64") - expected.astype("float64"))
        gap = np.where(actual == expected, 0.0, np.where(np.isnan(gap), np.inf, gap))
    else:
        gap, tolerance = (actual != expected).astype(float), 0.0
    if gap.size and gap.max() > tolerance:
        at = np.unravel_index(gap.argmax(), gap.shape)
        where = f"at {tuple(map(int, at))}: " if at else ""
        _fail(
            claim,
            f"largest gap {gap.max():.3g}, allowed {tolerance:.3g}; {where}"
            f"{actual[at]} against {expected[at]}, {int((gap > tolerance).sum())} of "
            f"{gap.size} values differ",
        )
    _holds(claim)


def within(claim: str, value, bound: Bound | tuple[float, float], beats=None) -> None:
    """Print the claim if one number lies in the bound, ends included, else raise.

    beats: a number that the bound must leave out, such as a baseline's.
    """
    if _is_open(claim, value):
        return
    number, low, high = _number(value), *bound[:2]
    if _is_recorded(bound, number, beats):
        return
    if not low <= number <= high:
        _fail(claim, f"{number:.6g} is outside [{low:.6g}, {high:.6g}]")
    if beats is not None and low <= _number(beats) <= high:
        _fail(claim, f"[{low:.6g}, {high:.6g}] holds {_number(beats):.6g} too")
    _holds(claim)


def less(claim: str, smaller, larger) -> None:
    """Print the claim if the first number is below the second, else raise."""
    if _is_open(claim, smaller, larger):
        return
    small, large = _number(smaller), _number(larger)
    if not small < large:
        _fail(claim, f"{small:.6g} is not below {large:.6g}")
    _holds(claim)


def load_bounds(dataset: str, path: Path = BOUNDS) -> dict[str, Bound]:
    """The bounds of the course for a data set, by key such as "05.deepfm".

    Each was measured with the seeds that stand beside it in the file.
    """
    if os.environ.get("COURSE_RECORD"):
        return _Unmeasured()
    entries = json.loads(path.read_text("utf-8"))[dataset]
    return {key: Bound(x["low"], x["high"], key) for key, x in entries.items()}


def _array(values) -> np.ndarray:
    values = values.numpy() if hasattr(values, "numpy") else values
    try:
        return np.asarray(values)
    except ValueError:  # lists of several lengths are compared list by list
        return np.fromiter(values, dtype=object)


def _number(value) -> float:
    array = _array(value)
    if array.size != 1:
        raise TypeError(f"One number is compared, not an array of shape {array.shape}.")
    return float(array.reshape(()))


def _is_recorded(bound, number: float, beats) -> bool:
    """A line of JSON in the file that $COURSE_RECORD names, for a bound with a key."""
    file, key = os.environ.get("COURSE_RECORD"), getattr(bound, "key", "")
    if file and key:
        beaten = None if beats is None else _number(beats)
        with open(file, "a", encoding="utf-8") as record:
            print(json.dumps([key, number, beaten]), file=record)
    return bool(file and key)


def _is_open(claim: str, *given) -> bool:
    found = any(value is ... for value in given)
    if found:
        print(f"open: {claim}")
    return found


def _holds(claim: str) -> None:
    print(f"holds: {claim}")


def _fail(claim: str, reason: str) -> None:
    raise AssertionError(f"fails: {claim}\n{reason}")
