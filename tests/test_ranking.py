"""Scores of lists against loops from their definitions, and against libraries."""

import math
import re

import numpy as np
import pandas as pd
import pytest
import pytrec_eval
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics

from helpers import datasets, ranking, splits
from helpers.ranking import NOTHING

SHAPE = (4, 6)
#: few different scores, so that many are equal
SCORES = arrays(float, SHAPE, elements=st.sampled_from([0.0, 0.5, 1.0, 7.0]))
YES_NO = arrays(bool, SHAPE)
N = st.integers(1, 8)
#: one user, ten films, three relevant: a, d and one that is not on the list of five
LIST = np.array([[0, 1, 2, 3, 4]])
RELEVANT = np.isin(np.arange(10), [0, 3, 8])[None]


def by_hand(scores, hidden, n) -> list[list[int]]:
    found = []
    for line, gone in zip(scores.tolist(), hidden.tolist(), strict=True):
        left = [item for item in range(len(line)) if not gone[item]]
        left.sort(key=lambda item: (-line[item], item))
        found.append(left[:n])
    return found


def of_one_user(listed: list, relevant: set, n: int) -> dict:
    hits = [item in relevant for item in listed] + [False] * (n - len(listed))
    gains = [hit / math.log2(r + 1) for r, hit in enumerate(hits, 1)]

    def ideal(places: int) -> float:
        return sum(1 / math.log2(r + 1) for r in range(1, places + 1))

    first = [1 / r for r, hit in enumerate(hits, 1) if hit]
    at_hits = [sum(hits[:r]) / r for r, hit in enumerate(hits, 1) if hit]
    return {
        "precision": sum(hits) / n,
        "recall": sum(hits) / len(relevant),
        "reciprocal rank": max(first, default=0.0),
        "average precision": sum(at_hits) / len(relevant),
        "nDCG": sum(gains) / ideal(min(n, len(relevant))),
        "nDCG, whole ideal": sum(gains) / ideal(len(relevant)),
    }


@settings(deadline=None)
@given(SCORES, YES_NO, YES_NO, N)
def test_lists_and_scores_are_those_of_their_definitions(scores, hidden, relevant, n):
    """With ties, users without relevant items, and fewer than n items."""
    lists = ranking.best(scores, hidden, n)
    expected = by_hand(scores, hidden, n)
    assert [[i for i in line if i != NOTHING] for line in lists.tolist()] == expected
    assert lists.shape == (len(scores), n)
    assert not np.take_along_axis(hidden, lists, 1)[lists != NOTHING].any()
    judged = ranking.judge(lists, relevant)
    found = ranking.scores(judged)
    users = [user for user in range(len(scores)) if relevant[user].any()]
    assert found.index.tolist() == users
    for user in users:
        right = {*np.flatnonzero(relevant[user]).tolist()}
        assert found.loc[user].to_dict() == pytest.approx(
            of_one_user(expected[user], right, n)
        )


@settings(deadline=None)
@given(SCORES, YES_NO, YES_NO, N)
def test_rows_are_judged_as_arrays_are(scores, hidden, relevant, n):
    lists = ranking.best(scores, hidden, n)
    user, place = np.nonzero(lists != NOTHING)
    rows = pd.DataFrame({"u": user + 100, "i": [f"i{i}" for i in lists[user, place]]})
    user, item = np.nonzero(relevant)
    good = pd.DataFrame({"u": user + 100, "i": [f"i{i}" for i in item]})
    good = pd.concat([good, good[:1]]).sample(frac=1, random_state=0)
    judged = ranking.judge_rows(rows, good, user="u", item="i", n=n)
    found = ranking.scores(judged).sort_index()
    expected = ranking.scores(ranking.judge(lists, relevant))
    np.testing.assert_array_equal(found.index, expected.index + 100)
    np.testing.assert_allclose(found, expected)


@settings(deadline=None)
@given(SCORES, YES_NO, N)
def test_ndcg_is_that_of_scikit_learn(scores, relevant, n):
    scores = scores + np.arange(SHAPE[1]) / 100  # it shares a place among equals
    lists = ranking.best(scores, np.zeros(SHAPE, bool), n)
    judged = ranking.judge(lists, relevant)
    for user, found in zip(judged.users, ranking.ndcg(judged), strict=True):
        expected = metrics.ndcg_score(relevant[[user]], scores[[user]], k=n)
        assert found == pytest.approx(expected)


@settings(deadline=None)
@given(SCORES, YES_NO, YES_NO, N)
def test_scores_are_those_of_trec(scores, hidden, relevant, n):
    lists = ranking.best(scores, hidden, n)
    judged = ranking.judge(lists, relevant)
    names = {
        "precision": f"P_{n}",
        "recall": f"recall_{n}",
        "reciprocal rank": "recip_rank",
        "average precision": f"map_cut_{n}",
        "nDCG": f"ndcg_cut_{n}",
    }
    right = {
        str(u): {str(i): 1 for i in np.flatnonzero(relevant[u])} for u in judged.users
    }
    given = {
        str(u): {str(i): 1 / r for r, i in enumerate(lists[u], 1) if i != NOTHING}
        for u in judged.users
    }
    measures = {re.sub(r"_(\d+)$", r".\1", name) for name in names.values()}
    expected = pytrec_eval.RelevanceEvaluator(right, measures).evaluate(given)
    found = ranking.scores(judged)
    for user in judged.users:
        for ours, theirs in names.items():
            # who has no list at all is nobody to TREC
            value = expected.get(str(user), {}).get(theirs, 0.0)
            assert found.loc[user, ours] == pytest.approx(value), (user, ours)


def test_one_user_by_hand():
    found = ranking.scores(ranking.judge(LIST, RELEVANT)).iloc[0]
    gain = 1 + 1 / math.log2(5)
    assert found.to_dict() == pytest.approx(
        {
            "precision": 2 / 5,
            "recall": 2 / 3,
            "reciprocal rank": 1.0,
            "average precision": (1 + 2 / 4) / 3,
            "nDCG": gain / (1 + 1 / math.log2(3) + 1 / 2),
            "nDCG, whole ideal": gain / (1 + 1 / math.log2(3) + 1 / 2),
        }
    )


def test_the_two_ideals_differ_where_more_is_relevant_than_has_a_place():
    judged = ranking.judge(LIST[:, :2], RELEVANT)
    assert ranking.ndcg(judged)[0] == pytest.approx(1 / (1 + 1 / math.log2(3)))
    whole = 1 / (1 + 1 / math.log2(3) + 1 / 2)
    assert ranking.ndcg(judged, cut=False)[0] == pytest.approx(whole)


def test_who_got_no_list_is_judged():
    lists = pd.DataFrame({"u": [1], "i": ["a"]})
    relevant = pd.DataFrame({"u": [1, 2], "i": ["a", "a"]})
    judged = ranking.judge_rows(lists, relevant, user="u", item="i", n=3)
    found = ranking.scores(judged)
    assert found.index.tolist() == [1, 2]
    assert found["recall"].tolist() == [1.0, 0.0]


def test_nobody_is_judged_where_nothing_is_relevant():
    judged = ranking.judge(LIST, np.zeros_like(RELEVANT))
    assert ranking.scores(judged).shape == (0, len(ranking.SCORES))


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: ranking.judge(np.array([[1, 2, 1]]), RELEVANT), "user 0 has an item"),
        (lambda: ranking.judge(LIST, RELEVANT[:0]), "1 lists for 0 users"),
        (lambda: ranking.best(np.zeros((1, 2)), RELEVANT), "Shapes differ"),
        (lambda: ranking.best(np.full((1, 10), np.nan), RELEVANT), "Scores are NaN"),
        (lambda: ranking.best(np.zeros((1, 10)), RELEVANT, 0), "n is "),
    ],
)
def test_what_is_no_list_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_rows_with_an_item_twice_and_without_columns_are_refused():
    rows = pd.DataFrame({"u": [1, 1], "i": ["a", "a"]})
    names = {"user": "u", "item": "i"}
    with pytest.raises(ValueError, match="1 of 2 rows of lists are there twice"):
        ranking.judge_rows(rows, rows, **names)
    with pytest.raises(ValueError, match=r"missing: \['i'\]"):
        ranking.judge_rows(rows[["u"]], rows, **names)


# more than hits

LISTS = np.array([[0, 1, 2], [2, 3, NOTHING], [4, NOTHING, NOTHING]])
FEATURES = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 0], [1, 0]])


def test_coverage_is_the_share_of_items_on_a_list():
    assert ranking.coverage(LISTS, 10) == 0.5
    assert ranking.coverage(np.full((2, 3), NOTHING), 10) == 0.0


def test_novelty_is_in_bits_and_a_film_that_nobody_knows_counts_as_known_to_one():
    known_to = np.array([8, 4, 2, 1, 0])
    found = ranking.novelty(LISTS, known_to, users=8)
    assert found == pytest.approx(np.mean([0, 1, 2, 2, 3, 3]))


def test_diversity_is_the_mean_of_all_pairs_of_a_list():
    def unlike(a, b):
        a, b = FEATURES[a], FEATURES[b]
        size = np.linalg.norm(a) * np.linalg.norm(b)
        return 1 - (a @ b / size if size else 0)

    first = np.mean([unlike(0, 1), unlike(0, 2), unlike(1, 2)])
    expected = np.mean([first, unlike(2, 3)])  # the third list has no pair
    assert ranking.diversity(LISTS, FEATURES) == pytest.approx(expected)


# published: Ferrari Dacrema et al. 2021, additional material, table 46

USER, ITEM = "user_id", "movie_id"
PUBLISHED = {  # precision, recall, nDCG at 10, with the ideal list over all test items
    "most popular": (0.1907, 0.1180, 0.1361),
    "PureSVD": (0.3545, 0.2247, 0.2719),
    "EASE": (0.3739, 0.2430, 0.2905),
}


@pytest.fixture(scope="module")
def chosen():
    """What users of ml-100k rated in training and in test rows: (users, films) bool."""
    sets = datasets.load("ml-100k")
    split = splits.mcrec(sets.joined())
    tables = []
    for rows in (split.train, split.test):
        table = np.zeros((len(sets.users), len(sets.movies)), bool)
        place = (pd.Index(s).get_indexer(rows[n]) for s, n in ids(sets))
        table[tuple(place)] = True
        tables.append(table)
    return tables


def ids(sets):
    return (sets.users[USER], USER), (sets.movies[ITEM], ITEM)


def scored(name: str, x: np.ndarray) -> np.ndarray:
    x = x.astype(float)
    if name == "most popular":
        return np.tile(x.sum(axis=0), (len(x), 1))
    if name == "PureSVD":
        u, s, v = np.linalg.svd(x, full_matrices=False)
        return (u[:, :13] * s[:13]) @ v[:13]
    p = np.linalg.inv(x.T @ x + 458 * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_figures_are_reproduced(name, chosen):
    train, test = chosen
    judged = ranking.judge(ranking.best(scored(name, train), train), test)
    assert len(judged.users) == 942
    found = ranking.scores(judged).mean()
    ours = found[["precision", "recall", "nDCG, whole ideal"]]
    digits = 0.00005 if name == "EASE" else 0.001
    assert [*ours] == pytest.approx(PUBLISHED[name], abs=digits)
    if name == "EASE":  # the same lists, by the other definition
        assert found["nDCG"] == pytest.approx(0.4457, abs=0.00005)
