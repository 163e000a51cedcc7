"""Shapley values: what each player adds, on average over all orders of joining.

A game gives each coalition of its p players a worth (Shapley 1953). Coalition number c
holds player i where bit i of c is 1, so that 0 is nobody and 2^p - 1 is everybody.
"""

from collections.abc import Callable
from math import factorial
from typing import NamedTuple

import numpy as np


class Estimate(NamedTuple):
    """Shapley values with their standard errors, both (p, ...)."""

    values: np.ndarray
    errors: np.ndarray


def coalitions(p: int) -> np.ndarray:
    """All coalitions of p players, by their numbers: (2^p, p) bool."""
    return (np.arange(2**p)[:, None] >> np.arange(p) & 1).astype(bool)


def exact(worths: np.ndarray) -> np.ndarray:
    """The Shapley values of a game, from the worths of all its coalitions.

    worths: (2^p, ...), by the numbers of coalitions  ->  (p, ...)

    phi_i = sum over the coalitions S without i of |S|! (p - |S| - 1)! / p!
            times [worth of S and i  -  worth of S]
    They add up to the worth of everybody less that of nobody.
    """
    worths = np.asarray(worths, "float64")
    p = len(worths).bit_length() - 1
    if len(worths) != 2**p:
        raise ValueError(f"{len(worths)} worths are not those of 2^p coalitions.")
    joined = coalitions(p)
    size = joined.sum(axis=1)[:, None]  # of each coalition
    weight = [factorial(s) * factorial(p - s - 1) / factorial(p) for s in range(p)]
    weight = np.array([*weight, 0.0])  # everybody is joined by nobody
    signed = np.where(joined, weight[size - 1], -weight[size])
    return np.tensordot(signed.T, worths, 1)


def sampled(
    worth_of: Callable[[np.ndarray], np.ndarray], p: int, orders: int, seed: int = 0
) -> Estimate:
    """An estimate of the Shapley values from random orders of joining.

    worth_of: coalitions (c, p) bool -> worths (c, ...)
    orders: how many, two at least. The errors fall with the root of their number.

    In each order what the players add makes up the worth of everybody less that of
    nobody, so that the estimates add up as the exact values do.
    """
    if orders < 2:
        raise ValueError(f"An error needs two orders at least, not {orders}.")
    rng = np.random.default_rng(seed)
    order = np.array([rng.permutation(p) for _ in range(orders)])  # (orders, p)
    place = order.argsort(axis=1)  # of each player
    joined = place[:, None] < np.arange(p + 1)[:, None]  # (orders, p + 1, p)
    different, which = np.unique(joined.reshape(-1, p), axis=0, return_inverse=True)
    worths = np.asarray(worth_of(different), "float64")
    added = np.diff(worths[which.reshape(orders, p + 1)], axis=1)  # by place
    of_player = added[np.arange(orders)[:, None], place]  # (orders, p, ...)
    spread = of_player.std(axis=0, ddof=1)
    return Estimate(of_player.mean(axis=0), spread / orders**0.5)
