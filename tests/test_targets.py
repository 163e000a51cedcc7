"""Targets: both ends of a model, their scores, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from helpers import targets
from helpers.targets import Amount, Clicks, Stars

ROWS = pd.DataFrame({"rating": [3.0, 5.0, 0.5, 3.5], "bought": [1, 0, 0, 0]})


def test_stars_take_their_limits_from_the_training_rows_or_from_the_caller():
    learned = Stars().fit(ROWS)
    assert (learned.low_, learned.high_, learned.intercept) == (0.5, 5.0, 3.0)
    assert learned.answer(np.array([-3.0, 2.0, 9.0])).tolist() == [0.5, 2.0, 5.0]
    given_limits = Stars(low=0, high=10).fit(ROWS)
    assert given_limits.answer(np.array([-3.0, 9.0, 11.0])).tolist() == [0.0, 9.0, 10.0]
    assert learned.encode(ROWS).tolist() == [[3.0], [5.0], [0.5], [3.5]]
    assert learned.encode(ROWS).dtype == "float32"


def test_a_limit_that_is_given_leaves_the_other_to_the_training_rows():
    assert Stars(high=9).fit(ROWS).answer([-1.0, 99.0]).tolist() == [0.5, 9.0]
    assert Stars(low=0).fit(ROWS).answer([-1.0, 99.0]).tolist() == [0.0, 5.0]
    assert Stars(low=0.5, high=5).fit(ROWS).actual(ROWS).tolist() == [3, 5, 0.5, 3.5]


@pytest.mark.parametrize("limit", [np.nan, np.inf, "five", [5]], ids=repr)
def test_a_limit_is_a_finite_number(limit):
    for setting in ("low", "high"):
        with pytest.raises(ValueError, match=f"{setting} is a finite number, not"):
            Stars(**{setting: limit})


def test_stars_outside_the_limits_that_were_given_are_refused():
    with pytest.raises(
        ValueError, match=r"'rating' is outside 1 to 5 in 1 of 4.*0.5.*\[2\]"
    ):
        Stars(low=1, high=5).fit(ROWS)
    with pytest.raises(ValueError, match=r"outside -inf to 4 in 1 of 4.*5.0.*\[1\]"):
        Stars(high=4).fit(ROWS)
    fitted = Stars(low=0.5).fit(ROWS)
    with pytest.raises(ValueError, match="'rating' is outside 0.5 to inf"):
        fitted.encode(ROWS - 1)
    for low, high in ((5, 1), (5, 5)):
        with pytest.raises(ValueError, match="not below high"):
            Stars(low=low, high=high)


def test_clicks_answer_probabilities_and_start_at_the_log_odds():
    clicks = Clicks("bought").fit(ROWS)
    assert clicks.intercept == pytest.approx(np.log(0.25 / 0.75))
    assert clicks.baseline() == pytest.approx(0.25)
    raw = np.array([[0.0], [np.log(3)], [-1000.0], [1000.0]])
    np.testing.assert_allclose(clicks.answer(raw), [[0.5], [0.75], [0.0], [1.0]])
    assert clicks.encode(ROWS).tolist() == [[1.0], [0.0], [0.0], [0.0]]


@pytest.mark.parametrize(
    "dtype", ["bool", "boolean", "int8", "float", "category", object]
)
def test_clicks_are_had_from_every_container(dtype):
    rows = pd.DataFrame({"bought": pd.Series([True, False, False]).astype(dtype)})
    assert Clicks("bought").fit(rows).encode(rows).tolist() == [[1.0], [0.0], [0.0]]


@pytest.mark.parametrize(("odd", "says"), [(2, "neither 0 nor 1"), (-1, "neither")])
def test_what_is_no_click_is_refused_with_its_row(odd, says):
    rows = pd.DataFrame({"bought": [0, 1, odd]}, index=[5, 6, 7])
    with pytest.raises(ValueError, match=rf"'bought'.*{says}.*in rows \[7\]"):
        Clicks("bought").fit(rows)
    with pytest.raises(ValueError, match="no finite number"):
        Clicks("bought").fit(pd.DataFrame({"bought": [0, 1, "yes"]}))


@pytest.mark.parametrize("value", [0, 1])
def test_clicks_that_are_all_alike_teach_nothing(value):
    with pytest.raises(ValueError, match=f"All 3 training rows have {value}"):
        Clicks("bought").fit(pd.DataFrame({"bought": [value] * 3}))


def test_amounts_are_standardised_inside_and_answered_in_their_unit():
    rows = pd.DataFrame({"price": [100.0, 300.0, 500.0]})
    amount = Amount("price").fit(rows)
    assert amount.intercept == 0.0
    np.testing.assert_allclose(amount.encode(rows)[:, 0], [-1.224745, 0, 1.224745])
    np.testing.assert_allclose(amount.answer(amount.encode(rows)), rows, rtol=1e-6)
    np.testing.assert_allclose(amount.decode(amount.encode(rows)), rows, rtol=1e-6)
    assert amount.baseline() == 300.0
    assert amount.unit == pytest.approx(np.std([100, 300, 500]))
    constant = pd.DataFrame({"price": [7.0, 7.0]})
    assert Amount("price").fit(constant).encode(constant).tolist() == [[0.0], [0.0]]


def test_amounts_that_32_bits_cannot_tell_apart_have_their_own_unit():
    rows = pd.DataFrame({"price": [0.1 + 0.2, 0.3]})
    amount = Amount("price").fit(rows)
    assert amount.unit == 1.0
    np.testing.assert_allclose(amount.encode(rows), 0, atol=1e-15)
    other = pd.DataFrame({"price": [0.31]})
    np.testing.assert_allclose(amount.encode(other), [[0.01]], rtol=1e-5)


def test_an_amount_too_far_from_those_of_training_is_refused():
    amount = Amount("price").fit(pd.DataFrame({"price": [0.0, 1e-30]}))
    far = pd.DataFrame({"price": [0.0, 1e30]})
    with pytest.raises(ValueError, match=r"'price' is too far .* 1e\+30.*\[1\]"):
        amount.encode(far)


@pytest.mark.parametrize("target", [Stars("p"), Amount("p")], ids=repr)
def test_amounts_and_stars_are_had_from_every_container(target):
    plain = pd.DataFrame({"p": [0.1, 0.7, 2.0]})
    state = target.fresh().fit(plain).state()
    for dtype in ("float32", "Float64", "double[pyarrow]", "category", "str", object):
        rows = plain.astype(dtype)
        assert target.fresh().fit(rows).state() == state
        assert target.actual(rows).tolist() == [0.1, 0.7, 2.0]


def test_an_answer_is_what_decode_makes_of_the_encoded_column():
    for target in (Stars(), Amount("rating")):
        fitted = target.fit(ROWS)
        np.testing.assert_allclose(
            fitted.decode(fitted.encode(ROWS))[:, 0], ROWS.rating
        )
        np.testing.assert_allclose(
            fitted.answer(fitted.encode(ROWS))[:, 0], ROWS.rating
        )
        assert fitted.decode([[1.0]]).dtype == "float64"
    clicks = Clicks("bought").fit(ROWS)
    np.testing.assert_array_equal(clicks.decode(clicks.encode(ROWS))[:, 0], ROWS.bought)
    assert (Stars().unit, clicks.unit) == (1.0, 1.0)


def test_losses_are_those_of_the_scale():
    assert (Stars.loss, Amount.loss, Clicks.loss) == ("squared", "squared", "logistic")


# scores


def test_rmse_and_mae_are_those_computed_by_hand_and_nothing_is_clipped():
    for target in (Stars(), Amount("rating")):
        found = target.scores([[2.0], [3.0], [8.0]], [[1.0], [3.0], [10.0]])
        assert found == {
            "RMSE": pytest.approx(np.sqrt((1 + 0 + 4) / 3)),
            "MAE": pytest.approx(1.0),
        }
        assert target.scores([[8.0]], [[8.0]])["RMSE"] == 0.0


@given(st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=2))
def test_clicks_are_scored_as_scikit_learn_does(pairs):
    p, y = np.array(pairs, dtype="float64").T
    found = Clicks("bought").scores(p, y)
    by_hand = -np.where(y == 1, np.log(p), np.log(1 - p)).mean()
    assert found["log loss"] == pytest.approx(by_hand)
    if 0 < y.mean() < 1:
        assert found["AUC"] == pytest.approx(metrics.roc_auc_score(y, p))
    else:
        assert np.isnan(found["AUC"])
    assert 0 <= found["calibration error"] <= 1


def test_the_calibration_error_is_the_weighted_gap_of_the_groups():
    p = np.array([0.1, 0.2, 0.6, 0.9])
    y = np.array([0.0, 1.0, 1.0, 1.0])
    two = (2 * abs(0.15 - 0.5) + 2 * abs(0.75 - 1.0)) / 4
    assert targets.calibration_error(p, y, groups=2) == pytest.approx(two)
    assert targets.calibration_error(y, y) == 0.0


def test_the_calibration_error_counts_ten_groups_of_equal_size():
    p = np.arange(20) / 20
    y = (np.arange(20) % 2).astype(float)
    by_hand = np.mean([abs((p[i] + p[i + 1]) / 2 - 0.5) for i in range(0, 20, 2)])
    assert targets.calibration_error(p, y) == pytest.approx(by_hand)
    order = np.random.default_rng(0).permutation(20)
    assert targets.calibration_error(p[order], y[order]) == pytest.approx(by_hand)
    assert targets.calibration_error([*p], [*y]) == pytest.approx(by_hand)


def test_equal_probabilities_are_in_one_group_though_a_quantile_cuts_there():
    p = np.array([0.2] * 6 + [0.7, 0.9, 0.9, 0.9])
    y = np.array([0, 0, 0, 0, 1, 1, 1, 0, 1, 1.0])
    # 0.2: 6 rows, 2 of them ones; then those above each quantile, 0.9 together
    gaps = [abs(6 * 0.2 - 2), abs(0.7 - 1), abs(3 * 0.9 - 2)]
    assert targets.calibration_error(p, y) == pytest.approx(sum(gaps) / 10)


@given(
    st.lists(st.tuples(st.floats(-9, 9), st.floats(-9, 9)), min_size=1),
    st.sampled_from([Stars(), Amount("a")]),
)
def test_rmse_and_mae_are_those_of_scikit_learn(pairs, target):
    answers, actual = np.array(pairs).T
    found = target.scores(answers, actual)
    rmse = metrics.root_mean_squared_error(actual, answers)
    mae = metrics.mean_absolute_error(actual, answers)
    assert found == {"RMSE": pytest.approx(rmse), "MAE": pytest.approx(mae)}


def test_equal_probabilities_are_one_group_in_any_order_of_rows():
    y = np.array([0.0] * 75 + [1.0] * 25)
    assert targets.calibration_error(np.full(100, 0.25), y) == pytest.approx(0.0)


def test_scores_beside_the_baseline_have_that_of_the_constant():
    clicks = Clicks("bought").fit(ROWS)
    found = clicks.scores_beside_baseline([0.9, 0.1, 0.1, 0.1], ROWS.bought)
    rate = -(np.log(0.25) + 3 * np.log(0.75)) / 4
    assert found["log loss of the base rate"] == pytest.approx(rate)
    assert found["log loss"] < rate
    stars = Stars().fit(ROWS)
    found = stars.scores_beside_baseline(np.full(4, 3.0), ROWS.rating)
    assert found["RMSE of the mean"] == found["RMSE"]
    amount = Amount("rating").fit(ROWS)
    assert amount.baseline() == 3.0
    found = amount.scores_beside_baseline(ROWS.rating, ROWS.rating)
    assert [*found] == ["RMSE", "MAE", "RMSE of the mean"]
    assert (found["RMSE"], found["MAE"]) == (0.0, 0.0)
    assert found["RMSE of the mean"] == pytest.approx(np.std(ROWS.rating))


@pytest.mark.parametrize(
    "target", [Stars(), Clicks("bought"), Amount("price")], ids=repr
)
def test_the_monitored_score_is_one_of_the_scores(target):
    assert target.monitor in target.scores([0.5, 0.25], [0.0, 1.0])


def test_answers_that_cannot_be_scored_are_refused():
    stars = Stars()
    with pytest.raises(ValueError, match=r"\(3, 1\) against \(3,\)"):
        stars.scores(np.ones((3, 1)), np.ones(3))
    with pytest.raises(ValueError, match="no rows"):
        stars.scores([], [])
    with pytest.raises(ValueError, match="1 of 2 answers are NaN"):
        stars.scores([1.0, np.nan], [1.0, 2.0])
    with pytest.raises(ValueError, match="1 of 2 actual values are NaN"):
        stars.scores([1.0, 2.0], [1.0, np.inf])
    for answers in ([-1.0, 0.5], [0.5, 2.0]):
        with pytest.raises(ValueError, match="probabilities"):
            Clicks("bought").scores(answers, [0.0, 1.0])
    with pytest.raises(ValueError, match="Actual values are 0 or 1"):
        Clicks("bought").scores([0.5, 0.5], [0.5, 1.0])
    assert Clicks("bought").scores([0.0, 1.0], [0.0, 1.0])["log loss"] < 1e-9
    assert stars.scores(4.0, 5.0)["MAE"] == 1.0


# learning, saving, refusing


@pytest.mark.parametrize(
    "target", [Stars(), Clicks("bought"), Amount("rating")], ids=repr
)
def test_what_was_saved_is_the_same_target(target):
    fitted = target.fresh().fit(ROWS)
    loaded = targets.restored(json.loads(json.dumps(fitted.state())))
    assert loaded.state() == fitted.state()
    np.testing.assert_array_equal(loaded.encode(ROWS), fitted.encode(ROWS))
    raw = np.array([-9.0, 0.3, 9.0])
    np.testing.assert_array_equal(loaded.answer(raw), fitted.answer(raw))
    assert target.learned == {}


@pytest.mark.parametrize(
    "target", [Stars(), Clicks("bought"), Amount("rating")], ids=repr
)
def test_any_cut_into_frames_teaches_the_same(target):
    whole = target.fresh().fit(ROWS)
    for cut in range(5):
        frames = (frame for frame in (ROWS.iloc[cut:], ROWS.iloc[:cut]))
        assert target.fresh().fit(frames).state() == whole.state()


def test_a_column_of_several_levels_can_be_saved():
    rows = pd.DataFrame({("a", np.int64(1)): [1.0, 2.0]})
    fitted = Amount(("a", np.int64(1))).fit(rows)
    loaded = targets.restored(json.loads(json.dumps(fitted.state())))
    assert loaded.column == ("a", 1)
    np.testing.assert_array_equal(loaded.encode(rows), fitted.encode(rows))


def test_clicks_of_one_class_leave_a_target_as_it_was():
    clicks = Clicks("bought").fit(ROWS)
    before = clicks.state()
    with pytest.raises(ValueError, match="nothing to tell apart"):
        clicks.fit(ROWS.head(1))
    assert clicks.state() == before
    frames = [ROWS.tail(3), ROWS.head(1)]  # each of one class, both of two
    assert Clicks("bought").fit(frames).state() == before


def test_a_state_of_anything_else_is_refused():
    for state in ({}, {"kind": "odds"}, {"kind": "stars", "settings": {"x": 1}}):
        with pytest.raises(ValueError, match="no state of"):
            targets.restored(state)


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (ROWS.drop(columns="rating"), r"missing: \['rating'\]"),
        (ROWS.assign(rating=[1.0, np.nan, 2.0, np.nan]), r"2 of 4.*\[1, 3\]"),
        (ROWS.assign(rating=[1.0, np.inf, 2.0, 3.0]), r"1 of 4.*inf.*\[1\]"),
        (ROWS.assign(rating=[1.0, "good", 2.0, 3.0]), r"1 of 4.*'good'.*\[1\]"),
        (ROWS.head(0), "no rows to learn from"),
        (None, "not nothing"),
        ({"rating": 1}, "not a dict"),
    ],
)
def test_rows_that_teach_nothing_are_refused_and_nothing_is_lost(rows, says):
    target = Stars().fit(ROWS)
    before = target.state()
    with pytest.raises(ValueError, match=says):
        target.fit(rows)
    assert target.state() == before


def test_a_target_that_has_learned_nothing_says_so():
    for ask in (
        lambda t: t.intercept,
        lambda t: t.answer([1.0]),
        lambda t: t.encode(ROWS),
        lambda t: t.baseline(),
        lambda t: t.scores_beside_baseline([1.0], [1.0]),
    ):
        for target in (Stars(), Amount("rating")):
            with pytest.raises(ValueError, match="learned nothing yet: call fit"):
                ask(target)
    for ask in (lambda t: t.decode([1.0]), lambda t: t.unit):
        with pytest.raises(ValueError, match="Amount has learned nothing yet"):
            ask(Amount("rating"))
    with pytest.raises(ValueError, match="Clicks has learned nothing yet"):
        _ = Clicks("bought").intercept


def test_a_click_is_as_likely_as_the_sigmoid_of_the_raw_output_says():
    raw = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    assert Clicks("bought").answer(raw) == pytest.approx(
        1 / (1 + np.exp(-raw)), rel=1e-12
    )
