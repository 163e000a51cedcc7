"""Explanations against predictions, an independent library, and cases by hand."""

import numpy as np
import pandas as pd
import pytest
import shap
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import explain, models, splits, training
from helpers.explain import Explainer
from helpers.fields import CATEGORICAL, MULTI, NUMERIC, History, Numeric
from helpers.predictor import Predictor
from helpers.targets import Amount, Clicks, Stars

rng = np.random.default_rng(0)
N = 80
ROWS = pd.DataFrame(
    {
        "user": rng.integers(0, 7, N),
        "film": rng.integers(0, 9, N),
        "tags": [
            [*rng.choice([*"abcde"], rng.integers(0, 4), False)] for _ in range(N)
        ],
        "year": rng.integers(1950, 2000, N).astype(float),
        "rating": rng.integers(1, 6, N).astype(float),
    }
)
ROWS["liked"] = ROWS.rating > 3
ROWS["price"] = 100 * ROWS.rating
FIELDS = {"user": CATEGORICAL, "film": CATEGORICAL, "tags": MULTI, "year": NUMERIC}
LIKED = {"fans": History("film", "user", "rating", at_least=4)}
BACKGROUND = ROWS.tail(9)
ASKED = ROWS.head(12)


def predictor(fields=FIELDS, target=None, members=1, **settings) -> Predictor:
    """Not trained, with random weights that are large enough to matter."""
    data = training.prepare(
        splits.Split(ROWS, ROWS[:0], ROWS[:0]), fields, target or Stars()
    )
    settings = {"k": 3, "units": (6, 5)} | settings
    made, rng = [], np.random.default_rng(1)
    for seed in range(members):
        model = models.deepfm(
            data.encoder.specs,
            **settings,
            intercept=data.target.intercept,
            seed=seed,
        )
        models.set_lists(model, data.encoder)
        for layer in model.layers:
            if not layer.name.endswith((".lists", "first_order")):
                start = [rng.normal(0, 0.4, w.shape) for w in layer.get_weights()]
                layer.set_weights(start)
        made.append(model)
    return Predictor(made, data.encoder, data.target, settings)


def raw_of(found: Predictor, rows: pd.DataFrame) -> np.ndarray:
    """The mean raw output of the models as Keras gives it, in the target's unit."""
    x = found.encoder.transform(rows)
    raw = np.mean([training.raw_output(m, x)[:, 0] for m in found.models], axis=0)
    return found.target.decode(raw)


@settings(max_examples=12)
@given(
    parts=st.sets(st.sampled_from(models.PARTS), min_size=1),
    members=st.integers(1, 2),
    weighted=st.booleans(),
    target=st.sampled_from([Stars(), Clicks("liked"), Amount("price")]),
    history=st.booleans(),
)
def test_start_and_terms_are_the_output_in_every_row(
    parts, members, weighted, target, history
):
    fields = FIELDS | (LIKED if history else {})
    found = predictor(fields, target, members, parts=parts, weighted=weighted)
    why = Explainer(found, BACKGROUND).explain(ASKED)
    scale = max(1.0, abs(why.output).max())
    np.testing.assert_allclose(why.output, raw_of(found, ASKED), atol=1e-5 * scale)
    np.testing.assert_allclose(why.start, raw_of(found, BACKGROUND).mean(), rtol=1e-5)
    np.testing.assert_allclose(why.answers, found.predict(ASKED), rtol=1e-5)
    assert why.answers.index.equals(ASKED.index)
    assert why.terms.index.equals(ASKED.index)


def test_the_terms_of_background_rows_have_the_mean_zero():
    why = Explainer(predictor(), BACKGROUND).explain(BACKGROUND)
    np.testing.assert_allclose(why.terms.mean(), 0, atol=1e-6)


def test_a_field_like_all_of_the_background_has_no_deep_term():
    same = BACKGROUND.assign(year=1970.0)
    why = Explainer(predictor(), same).explain(ASKED.assign(year=1970.0))
    np.testing.assert_allclose(why.terms["deep", "year", ""], 0, atol=1e-6)
    assert (abs(why.terms["deep", "film", ""]) > 1e-3).any()


@pytest.mark.parametrize("history", [False, True])
def test_the_deep_part_is_shared_out_as_by_shap(history):
    found = predictor(FIELDS | (LIKED if history else {}), parts=("deep",))
    table = pd.concat([BACKGROUND, ASKED])
    x = found.encoder.transform(table)
    names, (model,) = found.encoder.names, found.models

    def output(places: np.ndarray) -> np.ndarray:
        """places: (n, p), for each field the row of the table that it is taken from."""
        at = places.astype(int)
        mixed = {name: x[name][at[:, i]] for i, name in enumerate(names)}
        return training.raw_output(model, mixed)[:, 0].astype("float64")

    places = np.repeat(np.arange(len(table))[:, None], len(names), axis=1)
    own, others = places[len(BACKGROUND) :], places[: len(BACKGROUND)]
    masker = shap.maskers.Independent(others, max_samples=len(others))
    theirs = shap.explainers.Exact(output, masker)(own, silent=True)
    why = Explainer(found, BACKGROUND).explain(ASKED)
    np.testing.assert_allclose(why.terms["deep"], theirs.values, atol=1e-5)
    np.testing.assert_allclose(why.start, theirs.base_values, atol=1e-5)


def test_two_fields_by_the_definition():
    fields = {"user": CATEGORICAL, "year": NUMERIC}
    found = predictor(fields, parts=("deep",))
    one, others = ROWS.head(1), BACKGROUND
    own_user = others.assign(user=one.user.item())
    own_year = others.assign(year=one.year.item())
    nobody, user, year, both = (
        raw_of(found, rows).mean() for rows in (others, own_user, own_year, one)
    )
    terms = Explainer(found, others).explain(one).terms.iloc[0]
    by_hand = (
        ((user - nobody) + (both - year)) / 2,
        ((year - nobody) + (both - user)) / 2,
    )
    np.testing.assert_allclose(terms, by_hand, atol=1e-5)


def test_groups_join_together():
    found = predictor()
    sides = {"who": ["user"], "what": ["film", "tags", "year"]}
    why = Explainer(found, BACKGROUND, groups=sides).explain(ASKED)
    assert [*why.terms["deep"].columns.get_level_values(0)] == ["who", "what"]
    np.testing.assert_allclose(why.output, raw_of(found, ASKED), atol=1e-5)
    with pytest.raises(ValueError, match=r"Groups hold \['user'\]: each of .* one"):
        Explainer(found, BACKGROUND, groups={"who": ["user"]})
    with pytest.raises(ValueError, match=r"each of \[1\] belongs to one"):
        explain._groups({"who": ["1"]}, [1])


def many_fields(number: int) -> dict:
    return {f"n{i}": Numeric(column="year") for i in range(number)}


def test_more_than_twelve_fields_need_groups_or_orders():
    found = predictor(many_fields(13))
    with pytest.raises(ValueError, match=r"13 fields have 2\^13 coalitions"):
        Explainer(found, BACKGROUND)
    why = Explainer(found, BACKGROUND, orders=30).explain(ASKED)
    np.testing.assert_allclose(why.output, raw_of(found, ASKED), atol=1e-4)
    assert why.errors.shape == (12, 13)
    assert (why.errors > 0).any(axis=None)
    fm = predictor(many_fields(13), parts=("first_order", "second_order"))
    assert Explainer(fm, BACKGROUND).explain(ASKED).errors is None


def test_an_estimate_is_as_close_as_it_says():
    found = predictor(members=2)
    exact = Explainer(found, BACKGROUND).explain(ASKED)
    why = Explainer(found, BACKGROUND, orders=400).explain(ASKED)
    assert exact.errors is None
    gap = (why.terms["deep"] - exact.terms["deep"]).to_numpy()
    assert 0.5 < np.sqrt(((gap / why.errors.to_numpy()) ** 2).mean()) < 2


def test_the_steps_of_a_row_lead_from_the_mean_to_the_prediction():
    found = predictor()
    why = Explainer(found, BACKGROUND, words={"film": "Film {}".format}).explain(ASKED)
    steps = why.row(3)
    assert steps.start == pytest.approx(raw_of(found, BACKGROUND).mean(), abs=1e-5)
    assert steps.end == pytest.approx(raw_of(found, ASKED)[3], abs=1e-5)
    assert steps.terms.term.abs().is_monotonic_decreasing
    assert len(steps.terms) == 4 + 6 + 4
    row = ASKED.loc[3]
    pair = f"film Film {row.film} × year {row.year:.0f}"
    (term,) = steps.terms.term[steps.terms.text == pair]
    assert term == why.terms.loc[3, ("second_order", "film", "year")]


def test_the_steps_between_two_rows_are_what_makes_them_differ():
    found = predictor()
    rows = ASKED.head(2).assign(user=3)
    why = Explainer(found, BACKGROUND).explain(rows)
    steps = why.between(0, 1, "Heat", "Alien")
    raw = raw_of(found, rows)
    assert steps.start == pytest.approx(raw[1], abs=1e-5)
    assert steps.end == pytest.approx(raw[0], abs=1e-5)
    texts = {*steps.terms.text[steps.terms.part != "deep"]}
    assert "user 3" not in texts  # both have it
    assert {"film", "user 3 × film", "film × year"} <= texts
    assert steps.sentence().startswith("Heat, ")


@pytest.mark.parametrize("target", [Stars(), Clicks("liked")], ids=str)
def test_the_note_says_what_the_target_makes_of_the_output(target):
    found = predictor(target=Clicks("liked"))
    found.target = target.fit(ROWS)
    why = Explainer(found, BACKGROUND).explain(ASKED)
    label = why.output.idxmax()
    answer = found.predict(ASKED)[label]
    said = why.row(label).sentence()
    if isinstance(target, Clicks):
        assert f", a probability of {answer:.2f}, is" in said
        assert "(log-odds of liked)" in said
    else:
        assert ", answered as 1.00, is" in said


def test_lists_and_histories_are_taken_apart():
    found = predictor(FIELDS | LIKED, members=2)
    asked = Explainer(found, BACKGROUND, words={"user": "user {}".format})
    one, pair = asked.values(ASKED, "tags"), asked.values(ASKED, "fans", "film")
    assert [*one.columns] == ["row", "tags", "term"]
    assert [*pair.columns] == ["row", "fans", "film", "term"]
    row = ASKED.index[[len(t) > 1 for t in ASKED.tags]][0]
    assert sorted(one.tags[one.row == row]) == sorted(ASKED.tags[row])
    assert {*pair.film[pair.row == row]} <= {ASKED.film[row]}
    fans = ROWS[(ROWS.film == ASKED.film[row]) & (ROWS.rating >= 4)].user
    assert {*pair.fans[pair.row == row]} == {*fans} - {ASKED.user[row]}
    why = asked.explain(ASKED)
    background = asked.values(BACKGROUND, "tags").groupby("row").term.sum()
    by_row = one.groupby("row").term.sum().reindex(ASKED.index, fill_value=0)
    by_row -= background.sum() / len(BACKGROUND)
    np.testing.assert_allclose(by_row, why.terms["first_order", "tags", ""], atol=1e-9)


def test_values_that_are_unknown_are_called_so():
    asked = Explainer(predictor(), BACKGROUND)
    strange = ASKED.head(1).assign(tags=[["a", "zz"]], user=99)
    assert [*asked.values(strange, "tags").tags] == ["unknown", "a"]
    assert [*asked.values(strange, "user").user] == [99]
    assert [*asked.values(strange, "year").year] == [ASKED.year[0]]


def test_shares_of_variance_add_up_and_by_hand():
    terms = pd.DataFrame({"a": [0.0, 1, 2, 3], "b": [0.0, -0.5, -1, -1.5], "c": 7.0})
    shares = explain.variance_shares(terms)  # the sum is half of a
    np.testing.assert_allclose(shares, [2, -1, 0])
    why = Explainer(predictor(), BACKGROUND).explain(ROWS)
    shares = explain.variance_shares(why.terms)
    assert shares.sum() == pytest.approx(1)
    term, total = why.terms["first_order", "film", ""], why.output
    expected = np.cov(term, total)[0, 1] / total.var()
    assert shares["first_order", "film", ""] == pytest.approx(expected)
    rounded = pd.DataFrame([[0.1, 0.7], [0.2, 0.6], [0.5, 0.3]])  # 0.8, to 15 digits
    for same in (terms[["c"]], rounded):
        with pytest.raises(ValueError, match="same in all rows"):
            explain.variance_shares(same)


def test_a_table_of_pairs_holds_each_once():
    why = Explainer(predictor(), BACKGROUND).explain(ROWS)
    shares = explain.variance_shares(why.terms)
    table = explain.pair_table(shares, [*FIELDS])
    assert table.index.equals(table.columns)
    assert np.isnan(table.to_numpy()[np.triu_indices(4, 1)]).all()
    total = shares["first_order"].sum() + shares["second_order"].sum()
    assert table.sum(axis=None) == pytest.approx(total)
    assert table.loc["year", "film"] == shares["second_order", "film", "year"]


def test_a_partial_effect_changes_one_column_only():
    found = predictor()
    effect = explain.partial_effect(found, ASKED, "year", [1950.0, 1990.0])
    assert effect.shape == (2, 12)
    assert effect.columns.equals(ASKED.index)
    expected = found.predict(ASKED.assign(year=1990.0))
    np.testing.assert_allclose(effect.loc[1990.0], expected, atol=1e-6)


def test_no_background_and_labels_that_occur_twice_are_refused():
    found = predictor()
    with pytest.raises(ValueError, match="no background rows"):
        Explainer(found, ROWS[:0])
    with pytest.raises(ValueError, match=r"Labels of rows occur twice: reset_index"):
        Explainer(found, BACKGROUND).explain(pd.concat([ASKED, ASKED]))


def test_one_row_may_be_a_dict():
    why = Explainer(predictor(), BACKGROUND).explain(ASKED.iloc[0].to_dict())
    assert len(why.terms) == 1
