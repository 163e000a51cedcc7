"""A search that every contender gets alike: settings drawn at random.

TRIALS for each: the first with what it has without a search, the others drawn from its
space, a list of values for each setting in their order.
"""

from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np

TRIALS = 16


def drawn(space: Mapping[str, Sequence], n: int) -> list[dict]:
    """n times one value of each setting: the same n, whoever draws."""
    rng = np.random.default_rng(0)
    return [
        {name: values[rng.integers(len(values))] for name, values in space.items()}
        for _ in range(n)
    ]


def at_edge(space: Mapping[str, Sequence], settings: Mapping) -> list[str]:
    """Names of settings with the least or the most of what the search could draw.

    Beyond it there may be something better. Settings that are no numbers have no edge.
    """
    return [
        name
        for name, values in space.items()
        if isinstance(values[0], Real)
        and name in settings
        and not min(values) < settings[name] < max(values)
    ]
