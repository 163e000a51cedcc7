"""How good lists are: of what users chose later, and what else a list should be.

A list is judged by the items that are relevant to its user, such as those of test rows.
Users without any are left out: no list can be good or bad for them.
"""

from collections.abc import Hashable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from helpers import values

NOTHING = -1  # in the place of an item where a list is shorter than n


@dataclass(frozen=True)
class Judged:
    """Lists of at most n items beside what was relevant, for m users.

    hit: (m, n) bool, whether the item at a place is relevant; False where there is none
    relevant: (m,) how many items are relevant to a user, one at least
    users: (m,) who they are
    """

    hit: np.ndarray
    relevant: np.ndarray
    users: np.ndarray

    @property
    def n(self) -> int:
        """Places of a list."""
        return self.hit.shape[1]


def best(scores: np.ndarray, hidden: np.ndarray, n: int = 10) -> np.ndarray:
    """The n items with the highest scores, best first; of equal ones the first.

    scores: (users, items); hidden: of that shape, bool, items that are on no list
    ->  (users, n) columns of `scores`, NOTHING where fewer than n are left

    Raises ValueError where shapes differ, n is no list's length, or scores are NaN.
    """
    scores, n = np.asarray(scores, "float64"), values.whole("n", n)
    if scores.shape != hidden.shape:
        raise ValueError(f"Shapes differ: {scores.shape} against {hidden.shape}.")
    if np.isnan(scores).any():
        raise ValueError("Scores are NaN: they have no order.")
    order = np.argsort(np.where(hidden, np.inf, -scores), axis=1, kind="stable")
    found = np.full((len(scores), n), NOTHING)
    found[:, : scores.shape[1]] = order[:, :n]
    left = (~hidden).sum(axis=1)
    found[np.arange(n) >= left[:, None]] = NOTHING
    return found


def judge(lists: np.ndarray, relevant: np.ndarray) -> Judged:
    """Lists as best() gives them beside what is relevant.

    lists: (users, n) columns of `relevant`, or NOTHING; relevant: (users, items) bool
    Raises ValueError where the two have other users, or a list has an item twice.
    """
    if len(lists) != len(relevant):
        raise ValueError(f"{len(lists)} lists for {len(relevant)} users.")
    in_order = np.sort(lists, axis=1)
    again = (in_order[:, 1:] == in_order[:, :-1]) & (in_order[:, 1:] != NOTHING)
    if again.any():
        raise ValueError(f"The list of user {again.any(1).argmax()} has an item twice.")
    number = relevant.sum(axis=1)
    users = np.flatnonzero(number)
    hit = np.take_along_axis(relevant[users], lists[users], axis=1)
    return Judged(hit & (lists[users] != NOTHING), number[users], users)


def judge_rows(
    lists: pd.DataFrame,
    relevant: pd.DataFrame,
    *,
    user: Hashable,
    item: Hashable,
    n: int = 10,
) -> Judged:
    """Lists as recommend.top() gives them beside the rows that are relevant.

    lists: rows of users and items, the best item of a user first
    relevant: such rows too, in any order; the same pair twice counts once
    Users of `relevant` without a list are judged: they got nothing of what they chose.

    Raises ValueError for missing columns, and for lists with an item twice.
    """
    n = values.whole("n", n)
    for table in (lists, relevant):
        values.check_columns(table, [user, item])
    lists = lists[[user, item]]
    if again := int(lists.duplicated().sum()):
        raise ValueError(f"{again} of {len(lists)} rows of lists are there twice.")
    relevant = relevant[[user, item]].drop_duplicates()
    number = relevant.groupby(user, sort=False).size()
    place = lists.groupby(user).cumcount().to_numpy()
    short = lists[place < n].assign(place=place[place < n])
    found = short.merge(relevant, on=[user, item])
    hit = np.zeros((len(number), n), bool)
    hit[number.index.get_indexer(found[user]), found["place"]] = True
    return Judged(hit, number.to_numpy(), number.index.to_numpy())


def precision(judged: Judged) -> np.ndarray:
    """The share of the n places with a relevant item; a missing one is a miss: (m,)"""
    return judged.hit.mean(axis=1)


def recall(judged: Judged) -> np.ndarray:
    """The share of the relevant items that are on the list: (m,)"""
    return judged.hit.sum(axis=1) / judged.relevant


def reciprocal_rank(judged: Judged) -> np.ndarray:
    """One over the place of the first relevant item, 0 where there is none: (m,)"""
    return (judged.hit / _places(judged)).max(axis=1)


def average_precision(judged: Judged) -> np.ndarray:
    """The mean over all relevant items of the precision at their places: (m,)

    An item that is not on the list counts as 0.
    """
    at_place = np.cumsum(judged.hit, axis=1) / _places(judged)
    return (at_place * judged.hit).sum(axis=1) / judged.relevant


def ndcg(judged: Judged, cut: bool = True) -> np.ndarray:
    """Normalised discounted cumulative gain of relevant or not: (m,)

    A hit at place r counts 1 / log2(1 + r) (Järvelin and Kekäläinen 2002, as of
    Burges et al. 2005). The sum is divided by that of an ideal list.

    cut: the ideal list has n places, so that 1 can be reached. False: it has a place
        for every relevant item. Both are called nDCG@n.
    """
    most = int(judged.relevant.max(initial=0))
    gain = 1 / np.log2(np.arange(2, max(most, judged.n) + 2))
    ideal = np.cumsum(gain)
    places = np.minimum(judged.relevant, judged.n) if cut else judged.relevant
    return (judged.hit * gain[: judged.n]).sum(axis=1) / ideal[places - 1]


def _places(judged: Judged) -> np.ndarray:
    return np.arange(1, judged.n + 1)


#: Score -> (m,) of Judged.
SCORES = {
    "precision": precision,
    "recall": recall,
    "reciprocal rank": reciprocal_rank,
    "average precision": average_precision,
    "nDCG": ndcg,
    "nDCG, whole ideal": lambda judged: ndcg(judged, cut=False),
}


def scores(judged: Judged) -> pd.DataFrame:
    """A row a user, a column each of SCORES. Its mean() is what is reported."""
    found = {name: score(judged) for name, score in SCORES.items()}
    return pd.DataFrame(found, index=pd.Index(judged.users, name="user"))


def coverage(lists: np.ndarray, items: int) -> float:
    """The share of all items that are on a list at least. lists: as of best()"""
    return len(np.unique(lists[lists != NOTHING])) / items


def novelty(lists: np.ndarray, known_to: np.ndarray, users: int) -> float:
    """How little known what is listed is: mean of -log2 of the share who know it, bits.

    known_to: (items,) by how many of all `users` an item is known, such as rated in
        training rows. What nobody knows counts as known to one.
    Mean self-information (Vargas and Castells 2011, eq. 4 without discount).
    """
    bits = np.log2(users) - np.log2(np.maximum(known_to, 1))
    return float(bits[lists[lists != NOTHING]].mean())


def diversity(lists: np.ndarray, features: np.ndarray) -> float:
    """How unlike the items of a list are: mean of 1 - cosine over the pairs of a list.

    features: (items, f) such as 0/1 of genres; nothing is like an item without any.
    The mean is over lists, of those with two items at least (Ziegler et al. 2005, eq. 2
    turned round).
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    unit = np.divide(features, length, out=np.zeros(features.shape), where=length > 0)
    there = lists != NOTHING
    rows = unit[lists] * there[..., None]
    number = there.sum(axis=1)
    pairs = number * (number - 1)
    alike = (rows.sum(axis=1) ** 2).sum(axis=1) - (rows**2).sum(axis=(1, 2))
    long = pairs > 0
    return float((1 - alike[long] / pairs[long]).mean())
