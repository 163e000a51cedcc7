"""Items beside choices: never one that was chosen, one seed one draw, whole rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import feeding, models, splits, training
from helpers.fields import FieldEncoder, History
from helpers.predictor import Predictor
from helpers.sampling import Negatives
from helpers.targets import Chosen

rng = np.random.default_rng(0)
ALL = pd.MultiIndex.from_product([range(8), range(20)]).to_frame(
    name=["u", "i"], index=False
)
LOG = ALL.sample(60, random_state=0).reset_index(drop=True)
LOG["tags"] = [[f"t{i % 3}", f"s{i % 2}"] for i in LOG.i]
LOG["age"] = LOG.u % 3
LOG["hour"] = rng.integers(0, 24, len(LOG)).astype(float)
FIELDS = {
    "u": "categorical",
    "i": "categorical",
    "tags": "multi-categorical",
    "age": "categorical",
    "hour": "numeric",
    "had": History("u", "i"),
    "by": History("i", "u"),
}
TARGET = Chosen("u", "i", ["tags"], negatives=4)


def negatives(target=TARGET, rows=LOG, seed=0, beside=None, fields=FIELDS):
    encoder = FieldEncoder(fields).fit(rows)
    x = encoder.transform(rows)
    return Negatives(target, rows, x, encoder, seed, beside), encoder, x


def pairs(rows: pd.DataFrame) -> set:
    return {*zip(rows.u, rows.i, strict=True)}


def as_items(drawn: np.ndarray, rows=LOG) -> np.ndarray:
    """Rows of Negatives.fields as ids: its items are in the order of the codes."""
    return pd.unique(rows.i)[drawn]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 99), st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0]))
def test_what_is_drawn_was_never_chosen_by_the_user(seed, epoch, power):
    target = Chosen("u", "i", ["tags"], negatives=4, power=power)
    found, _, _ = negatives(target, seed=seed)
    drawn = found.draw(epoch)
    assert drawn.shape == (len(LOG), 4) and drawn.dtype == "int32"
    items = as_items(drawn)
    for user, others in zip(LOG.u, items, strict=True):
        assert not {(user, item) for item in others} & pairs(LOG)
    assert {*items.ravel()} <= {*LOG.i}


def test_a_seed_and_an_epoch_draw_the_same_and_others_something_else():
    first, again, other = negatives()[0], negatives()[0], negatives(seed=1)[0]
    np.testing.assert_array_equal(first.draw(3), again.draw(3))
    first.draw(0)
    np.testing.assert_array_equal(first.draw(3), again.draw(3))
    assert (first.draw(3) != first.draw(4)).mean() > 0.5
    assert (first.draw(3) != other.draw(3)).mean() > 0.5


def test_accidents_happen_where_they_are_asked_for():
    target = Chosen("u", "i", ["tags"], negatives=40, accidents=True)
    items = as_items(negatives(target)[0].draw(0))
    hit = [
        (u, i) in pairs(LOG) for u, many in zip(LOG.u, items, strict=True) for i in many
    ]
    assert np.mean(hit) == pytest.approx(len(LOG) / len(ALL), abs=0.1)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_items_are_drawn_as_often_as_the_power_says(power):
    target = Chosen("u", "i", ["tags"], 400, power=power, accidents=True)
    drawn = negatives(target)[0].draw(0)
    number = LOG.i.value_counts()[pd.unique(LOG.i)].to_numpy() ** power
    share = np.bincount(drawn.ravel()) / drawn.size
    np.testing.assert_allclose(share, number / number.sum(), atol=0.005)


def test_rows_of_validation_get_neither_what_was_chosen_there_nor_in_training():
    train, valid = LOG[:45], LOG[45:]
    found, _, _ = negatives(rows=train, beside=valid)
    drawn = found.draw(0)
    assert drawn.shape == (len(valid), 4)
    items = as_items(drawn, train)
    for user, others in zip(valid.u, items, strict=True):
        assert not {(user, item) for item in others} & pairs(LOG)
    # and training may draw what is chosen in validation rows: it does not know them
    again, _, _ = negatives(rows=train)
    many = [as_items(again.draw(epoch), train) for epoch in range(40)]
    users = np.tile(np.repeat(train.u, 4), 40)
    seen = {*zip(users.tolist(), np.ravel(many).tolist(), strict=True)}
    assert seen & pairs(valid) and not seen & pairs(train)


def test_a_drawn_row_is_that_of_its_user_with_the_item_in_all_its_fields():
    """Row by row what the encoder makes of the raw row with another item."""
    found, encoder, x = negatives()
    drawn = feeding.Drawn(4, found.draw, found.fields)
    made, y = feeding.beside(x, drawn, epoch=2)
    raw = LOG.loc[LOG.index.repeat(5)].reset_index(drop=True)
    items = np.hstack([LOG.i.to_numpy()[:, None], as_items(found.draw(2))]).ravel()
    of_item = LOG.drop_duplicates("i").set_index("i").tags
    raw = raw.assign(i=items, tags=[of_item[i] for i in items])
    expected = encoder.transform(raw)
    assert made.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(made[name], array, str(name))
    np.testing.assert_array_equal(y[:, 0], [1, 0, 0, 0, 0] * len(LOG))


def test_a_field_that_goes_with_the_item_must_be_said_to():
    with pytest.raises(ValueError, match=r"'tags' is the same.*\['tags'\] in of_item"):
        negatives(Chosen("u", "i"))
    negatives(Chosen("u", "i"), fields={"u": "categorical", "i": "categorical"})


def test_a_model_without_the_item_is_refused():
    with pytest.raises(ValueError, match="No field reads 'i'"):
        negatives(fields={"u": "categorical", "age": "categorical"})


def test_who_chose_everything_is_refused():
    every = ALL[ALL.u == 1].assign(age=1, hour=1.0, tags=[["a"]] * 20)
    log = pd.concat([LOG[LOG.u != 1], every])
    fields = {"u": "categorical", "i": "categorical"}
    with pytest.raises(ValueError, match="1 users have chosen every item"):
        negatives(Chosen("u", "i"), log, fields=fields)
    negatives(Chosen("u", "i", accidents=True), log, fields=fields)


# in a training

#: Users of one half choose items of one half.
PLAIN = ALL[(ALL.u % 2) == (ALL.i % 2)]
HALVES = PLAIN.sample(frac=0.7, random_state=0)
REST = PLAIN.drop(HALVES.index)
TWO = {"u": "categorical", "i": "categorical"}


@pytest.fixture(scope="module")
def chosen() -> Predictor:
    split = splits.Split(HALVES, REST[:6], REST)
    fit = {"epochs": 60, "batch_size": 64, "learning_rate": 0.03, "patience": 60}
    model = {"k": 4, "units": ()}
    target = Chosen("u", "i", negatives=3)
    return Predictor.train(split, TWO, target, model, fit)


def test_a_log_of_choices_alone_teaches_who_chooses_what(chosen):
    users, items = ALL[["u"]].drop_duplicates(), ALL[["i"]].drop_duplicates()
    lists = chosen.top(users, items, user="u", item="i", n=3, seen=HALVES)
    assert [*lists.columns] == ["u", "i", "chosen"]
    assert (lists.u % 2 == lists.i % 2).mean() > 0.9
    assert not pairs(lists) & pairs(HALVES)
    assert lists.chosen.between(0, 1).all()


def test_a_predictor_of_choices_is_saved_and_loaded(chosen, tmp_path):
    chosen.save(tmp_path / "p")
    again = Predictor.load(tmp_path / "p")
    assert again.target == chosen.target
    np.testing.assert_allclose(again.predict(REST), chosen.predict(REST), rtol=1e-6)


def test_choices_alone_have_no_score(chosen):
    with pytest.raises(ValueError, match="judge its lists"):
        chosen.evaluate(REST)


def test_validation_has_the_same_drawn_rows_in_every_training():
    data = training.prepare(splits.Split(HALVES, REST, REST), TWO, Chosen("u", "i"))
    model = training.build(data, {"k": 2})
    one, two = (training._with_drawn(data.train, data.valid) for _ in "ab")
    np.testing.assert_array_equal(one.x["i"], two.x["i"])
    assert len(one.y) == 9 * len(REST) and one.y.sum() == len(REST)
    curves = training.fit(model, data.train, data.valid, epochs=2)
    scores = training.evaluate(model, one)
    assert scores.keys() == {"log loss", "AUC"}
    assert min(curves.valid) == pytest.approx(scores["log loss"], abs=1e-5)


def test_fields_may_have_any_name_and_a_model_may_leave_some_out():
    log = HALVES.rename(columns={"i": 5})
    fields = {"u": "categorical", 5: "categorical", "deep": History("u", 5)}
    data = training.prepare(splits.Split(log, log[:9], log[:9]), fields, Chosen("u", 5))
    for read in ([0, 1, 2], [0, 1]):
        specs = [data.encoder.specs[place] for place in read]
        model = models.set_lists(models.deepfm(specs, 2, units=()), data.encoder)
        training.fit(model, data.train, data.valid, epochs=1)


def test_rows_that_were_never_raw_are_refused():
    data = training.prepare(splits.Split(HALVES, REST, REST), TWO, Chosen("u", "i"))
    model = models.deepfm(data.encoder.specs, 2)
    with pytest.raises(ValueError, match="drawn for raw rows"):
        training.fit(model, data.train._replace(rows=None), epochs=1)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Chosen("u", "i", "tags"), "of_item is a list"),
        (lambda: Chosen("u", "i", negatives=0), "negatives"),
        (lambda: Chosen("u", "i", power=float("nan")), "power"),
        (lambda: Chosen("u", "i").fit(LOG.assign(u=None)), "'u' has a missing"),
        (lambda: Chosen("u", "x").fit(LOG), r"missing: \['x'\]"),
        (lambda: Chosen("u", "i").intercept, "learned nothing"),
    ],
)
def test_what_is_no_log_of_choices_is_refused(make, says):
    with pytest.raises(ValueError, match=says):
        make()


def test_a_model_starts_at_the_share_of_choices():
    target = Chosen("u", "i", negatives=4).fit(LOG)
    assert target.baseline() == pytest.approx(1 / 5)
    assert target.encode(LOG).tolist() == [[1.0]] * len(LOG)
