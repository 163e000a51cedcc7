"""The rule for comparisons: by hand, against SciPy, and on splits of simulated rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from helpers import comparisons
from helpers.comparisons import SEEDS_ON_ONE_SPLIT, compare, holm, outlying

A = [0.90, 0.93, 0.91, 0.94, 0.92]
B = [0.91, 0.95, 0.94, 0.95, 0.95]
NOISE = np.array([0.001, -0.001, 0.002, -0.002, 0.0])


def one(a, b, **how):
    """The row of one pair."""
    how = {"test_to_train": SEEDS_ON_ONE_SPLIT} | how
    return compare({"a": a, "b": b}, [("a", "b")], **how).iloc[0]


def test_seeds_on_one_split_are_the_paired_t_test_of_scipy():
    found, known = one(A, B), stats.ttest_rel(A, B)
    assert found.difference == pytest.approx(-0.02)
    assert found.p == pytest.approx(known.pvalue)
    low, high = known.confidence_interval(0.95)
    assert found.half_width == pytest.approx((high - low) / 2)
    assert found.outcome == "better"


def test_two_one_sided_tests_are_those_of_scipy():
    b = np.array(A) + NOISE
    above = stats.ttest_1samp(A - b, -0.003, alternative="greater").pvalue
    below = stats.ttest_1samp(A - b, 0.003, alternative="less").pvalue
    found = one(A, b)
    assert found.p_small == pytest.approx(max(above, below))
    assert found.outcome == comparisons.SMALL


def test_splits_that_share_training_rows_by_hand():
    # differences -0.01 -0.02 -0.03 -0.01 -0.03: mean -0.02, sd 0.01
    found = one(A, B, test_to_train=1 / 8)
    se = 0.01 * (1 / 5 + 1 / 8) ** 0.5
    assert found.half_width == pytest.approx(2.776445 * se, rel=1e-6)
    assert found.p == pytest.approx(2 * stats.t.cdf(-0.02 / se, 4))
    assert found.p > one(A, B).p


def test_where_the_correction_decides():
    a, b = np.zeros(5), np.array([0.011, 0.0244, 0.03, 0.0087, 0.0138])
    assert one(a, b).outcome == "better"
    assert one(a, b, test_to_train=1 / 2).outcome == "not shown"


def test_of_higher_scores_the_higher_is_better():
    assert one(A, B, lower_is_better=False).outcome == "worse"
    assert one(B, A, lower_is_better=False).outcome == "better"
    assert one(B, A).outcome == "worse"


def test_a_difference_can_be_there_and_be_small():
    found = one(np.zeros(5), 0.001 + NOISE / 10)
    assert found.outcome == "better, smaller than δ"
    assert one(np.zeros(5), 0.001 + NOISE / 10, delta=0.0005).outcome == "better"


def test_the_level_is_that_of_the_interval_and_of_the_outcome():
    a, b = np.zeros(3), [0.002, 0.001, 0.001]  # t = -4: p = 1 - 4 / sqrt(18)
    strict, loose = one(a, b, delta=1e-9), one(a, b, delta=1e-9, level=0.06)
    assert strict.p == loose.p == pytest.approx(1 - 4 / 18**0.5)
    assert (strict.outcome, loose.outcome) == ("not shown", "better")
    assert loose.half_width == pytest.approx(stats.t.ppf(0.97, 2) * 0.001 / 3)


def test_several_pairs_are_one_family():
    scores = {"a": np.zeros(5), "b": B, "c": 0.007 + NOISE * 2.5, "d": NOISE * 6}
    alone = [
        compare(scores, [("a", name)], test_to_train=1 / 9).p.iloc[0] for name in "bcd"
    ]
    assert alone[1] < 0.05 < 2 * alone[1]  # one of three: Holm's factor is 2
    found = compare(scores, [("a", name) for name in "bcd"], test_to_train=1 / 9)
    np.testing.assert_allclose(found.p, holm(alone))
    assert [*found.outcome] == ["better", "not shown", "not shown"]
    assert compare(scores, [("a", "c")], test_to_train=1 / 9).outcome.item() != (
        "not shown"
    )
    assert [*found.index] == [("a", "b"), ("a", "c"), ("a", "d")]
    assert found.index.names == ["model", "reference"]


def test_holm_by_hand():
    # 0.01·4, 0.03·3, 0.04·2 raised to what came before it, 0.9·1
    np.testing.assert_allclose(holm([0.04, 0.01, 0.9, 0.03]), [0.09, 0.04, 0.9, 0.09])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=8), st.floats(0.001, 0.4))
def test_holm_refuses_as_the_step_down_procedure_does(p, level):
    refused = np.zeros(len(p), bool)
    for step, i in enumerate(np.argsort(p, kind="stable")):
        if (len(p) - step) * p[i] >= level:
            break
        refused[i] = True
    np.testing.assert_array_equal(holm(p) < level, refused)


def test_an_outlying_split_is_named_and_stays_in_the_mean():
    rows = ["one", "two", "three", "four", "five"]
    b = pd.Series([0.0100, 0.0110, 0.0120, 0.0130, 0.0217], index=rows)
    found = compare({"a": 0 * b, "b": b}, [("b", "a")], test_to_train=1 / 9).iloc[0]
    assert found.outlying == ("five",)
    assert found.difference == pytest.approx(b.mean())
    assert outlying(b.head(4)) == outlying(b.tail(2)) == ()


@given(st.permutations(range(5)), st.floats(0.001, 0.1))
def test_outlying_is_what_lies_outside_the_prediction_interval_of_the_others(
    order, far
):
    d = pd.Series(np.array([0.010, 0.011, 0.012, 0.013, 0.012 + far])[order])
    named = []
    for i in d.index:
        rest = d.drop(i)
        width = rest.std(ddof=1) * (1 + 1 / 4) ** 0.5
        if abs(d[i] - rest.mean()) > stats.t.ppf(1 - 0.05 / 10, 3) * width:
            named.append(i)
    assert outlying(d) == tuple(named)


# Simulated: tables of rows on each of which two models differ by a normal number with
# mean 0; each of five splits tests on a random tenth, so the splits share rows.


def on_random_splits(tables: int, rows: int = 200, splits: int = 5) -> np.ndarray:
    """Mean difference on the test rows: (splits, tables)."""
    rng = np.random.default_rng(0)
    each = rng.normal(size=(tables, 1, rows)).repeat(splits, axis=1)
    return rng.permuted(each, axis=2)[:, :, : rows // 10].mean(axis=2).T


def pairs_of(d: np.ndarray) -> tuple[pd.DataFrame, list]:
    """Scores of which the differences are d, a pair a column."""
    scores = pd.DataFrame(d, columns=[f"m{i}" for i in range(d.shape[1])])
    return scores.assign(none=0.0), [(name, "none") for name in scores]


def test_the_interval_covers_as_often_as_it_says():
    scores, pairs = pairs_of(on_random_splits(2000))
    covered = {}
    for ratio in (SEEDS_ON_ONE_SPLIT, 20 / 180):
        found = compare(scores, pairs, test_to_train=ratio)
        covered[ratio] = (found.difference.abs() <= found.half_width).mean()
    assert covered[20 / 180] == pytest.approx(0.95, abs=0.015)
    assert covered[SEEDS_ON_ONE_SPLIT] < 0.93  # as if the splits shared no rows


def test_one_false_answer_or_more_is_as_rare_as_the_level_says():
    families = on_random_splits(1200).reshape(5, 300, 4)
    false = {True: 0, False: 0}
    for family in families.transpose(1, 0, 2):
        scores, pairs = pairs_of(family)
        found = compare(scores, pairs, test_to_train=20 / 180, delta=1e-6)
        false[True] += (found.p < 0.05).any()
        alone = found.difference.abs() > found.half_width
        false[False] += alone.any()
    assert false[True] / 300 < 0.05 + 2 * (0.05 * 0.95 / 300) ** 0.5
    assert false[False] / 300 > 0.12  # four at once, each at its own level


def test_a_difference_as_large_as_delta_is_seldom_called_small():
    scores, pairs = pairs_of(on_random_splits(200) + 0.3)
    alone = [
        compare(scores, [pair], test_to_train=20 / 180, delta=0.3).p_small.item()
        for pair in pairs
    ]
    assert 0 < np.mean(np.array(alone) < 0.05) < 0.05 + 2 * (0.0475 / 200) ** 0.5


def test_grubbs_names_a_row_as_rarely_as_it_says():
    d = on_random_splits(3000)
    named = [len(outlying(pd.Series(column))) > 0 for column in d.T]
    assert np.mean(named) == pytest.approx(0.05, abs=0.012)


NAN = float("nan")
SEVERAL = {"a": A, "b": B}


@pytest.mark.parametrize(
    ("scores", "pairs", "says"),
    [
        ({"a": A, "b": B[:4]}, [("a", "b")], r"different numbers.*'a': 5, 'b': 4"),
        ({"a": A, "b": [*B[:4], NAN]}, [("a", "b")], r"missing.*'b': \[4\]"),
        ({"a": A, "b": [*B[:4], np.inf]}, [("a", "b")], r"not finite.*'b': \[4\]"),
        ({"a": A, "b": [*B[:4], None]}, [("a", "b")], r"missing.*'b': \[4\]"),
        ({"a": A, "b": [*"vwxyz"]}, [("a", "b")], "Scores are numbers"),
        ({"a": A[:1], "b": B[:1]}, [("a", "b")], "scores of 1 split"),
        ({"a": [], "b": []}, [("a", "b")], "scores of 0 split"),
        (pd.DataFrame([A, B], columns=[*"aabcd"]), [("b", "c")], r"Models.*\['a'\]"),
        (pd.DataFrame(SEVERAL, index=[*"00123"]), [("a", "b")], r"Rows.*\['0'\]"),
        (SEVERAL, [], "no pair"),
        (SEVERAL, [("a", "z")], r"no scores of \['z'\].*\['a', 'b'\]"),
        (SEVERAL, [("a", "a")], "two models"),
        (SEVERAL, [("a", "b"), ("b", "a")], "counts once"),
        ({"a": A, "b": A}, [("a", "b")], "differ by 0 in every row"),
        ({"a": A, "b": np.array(A) + 0.1}, [("a", "b")], "differ by -0.1 in every row"),
    ],
)
def test_what_cannot_be_compared_is_refused(scores, pairs, says):
    with pytest.raises(ValueError, match=says):
        compare(scores, pairs, test_to_train=1 / 9)


def test_series_are_matched_by_their_rows():
    a, b = pd.Series(A, index=range(5)), pd.Series(B, index=range(1, 6))
    with pytest.raises(ValueError, match=r"missing.*'a': \[5\], 'b': \[0\]"):
        compare({"a": a, "b": b}, [("a", "b")], test_to_train=1 / 9)
    shuffled = pd.Series(B).sample(frac=1, random_state=0)
    found = compare({"a": pd.Series(A), "b": shuffled}, [("a", "b")], test_to_train=0)
    assert found.p.item() == pytest.approx(stats.ttest_rel(A, B).pvalue)


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ({"test_to_train": -0.1}, "test_to_train is -0.1"),
        ({"test_to_train": NAN}, "test_to_train is nan"),
        ({"delta": 0}, "delta is 0"),
        ({"level": 5}, "level is 5"),
    ],
)
def test_a_rule_that_is_none_is_refused(how, says):
    with pytest.raises(ValueError, match=says):
        one(A, B, **how)


def test_nobody_forgets_to_say_what_the_rows_are():
    with pytest.raises(TypeError, match="test_to_train"):
        compare(SEVERAL, [("a", "b")])


def test_the_scores_are_left_as_they_are():
    scores = pd.DataFrame({"a": A, "b": B})
    before = scores.copy()
    compare(scores, [("a", "b")], test_to_train=1 / 9)
    pd.testing.assert_frame_equal(scores, before)
