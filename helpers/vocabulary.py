"""Values to ids: 0 is padding, 1 is unknown, what training rows hold starts at 2."""

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping

import numpy as np

from helpers import values
from helpers.values import Distinct, check_one_kind

PADDING, UNKNOWN, FIRST = 0, 1, 2


def tally(frequency: Counter, found: Distinct, times: np.ndarray | None = None) -> None:
    """Add how often each value is in a column. Missing values are counted as None.

    times: how often each row counts, (n,); once where it is None.
    Raises ValueError where a column holds text and those before it held numbers.
    """
    check_one_kind(found, kind_of(frequency))
    size = len(found.values) + 1
    counts = (
        np.bincount(found.codes + 1, times, minlength=size).astype("int64").tolist()
    )
    if counts[0]:
        frequency[None] += counts[0]
    for value, count in zip(found.values, counts[1:], strict=True):
        frequency[value] += count


def known(frequency: Counter, min_count: int = 1) -> list:
    """The values that were seen so often, in their order; missing is none of them."""
    return sorted(
        value
        for value, count in frequency.items()
        if value is not None and count >= min_count
    )


def kind_of(frequency: Counter) -> str | None:
    """ "text" or "numbers", or None where nothing was seen."""
    return next((values.kind_of(v) for v in frequency if v is not None), None)


def ids(found: Distinct, vocabulary: Mapping, kind: str | None) -> np.ndarray:
    """The id of each distinct value of a column: (m,) int32.

    vocabulary: value -> id. Raises ValueError for values of another kind than training
    had; warns where there are several and none is known.
    """
    check_one_kind(found, kind)
    coded = np.array([vocabulary.get(v, UNKNOWN) for v in found.values], dtype="int32")
    if len(coded) > 1 and len(vocabulary) and (coded == UNKNOWN).all():
        some = ", ".join(repr(value) for value in [*vocabulary][:3])
        warnings.warn(
            f"Column {found.name!r}: none of its {len(coded)} different values was "
            f"seen in training, so all count as unknown. The first is "
            f"{found.values[0]!r}; training had {some}.",
            stacklevel=2,
        )
    return coded


class Hashed:
    """A vocabulary of a fixed number of ids, which knows every value.

    The id depends on the value alone: it is the same in every process and on every
    machine. Several values can have one id.
    """

    def __init__(self, buckets: int):
        self.buckets = buckets

    def __len__(self) -> int:
        return self.buckets

    def get(self, value, default=None) -> int:
        """The id of a canonical value, from 2 to buckets + 1."""
        text = f"{values.kind_of(value)} {value}"
        digest = hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8)
        return FIRST + int.from_bytes(digest.digest(), "little") % self.buckets
