"""The terms of a model against what Keras computes, over random fields and weights."""

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import models, shapley, splits, terms, training
from helpers.fields import (
    CATEGORICAL,
    MULTI,
    NUMERIC,
    Categorical,
    FieldEncoder,
    History,
    MultiCategorical,
    Numeric,
)

rng = np.random.default_rng(0)
N = 60
TAGS = ["a", "b", "c", "d", "e"]
ROWS = pd.DataFrame(
    {
        "user": rng.integers(0, 7, N),
        "film": rng.integers(0, 9, N),
        "tags": [[*rng.choice(TAGS, rng.integers(0, 5))] for _ in range(N)],
        "year": rng.normal(1980, 10, N),
        "price": rng.lognormal(0, 1, N),
        "rating": rng.integers(1, 6, N).astype(float),
    }
)
#: Rows of values that training had, and of none that it had.
ASKED = pd.concat([ROWS.tail(20), ROWS.head(5).assign(user=99, film=98)])
FIELDS = {
    "user": CATEGORICAL,
    7: Categorical(column="film", buckets=4),
    "deep": Categorical(column="film", min_count=5),
    "tags": MULTI,
    "some tags": MultiCategorical(column="tags", longest=2, min_count=9),
    "year": NUMERIC,
    "3": Numeric(column="price", log=True),
    "cut": Numeric(column="price", intervals=4),
    "liked": History("user", "film", "rating", at_least=4),
    "all": History("user", "film"),
}
PARTS = st.sets(st.sampled_from(models.PARTS), min_size=1)


def built(names, **settings):
    """A model of these fields with random weights, its encoder, and encoded rows."""
    encoder = FieldEncoder({name: FIELDS[name] for name in names}).fit(ROWS)
    model = models.deepfm(encoder.specs, seed=0, **settings)
    models.set_lists(model, encoder)
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if not layer.name.endswith(".lists"):
            start = [rng.normal(0, 0.4, w.shape) for w in layer.get_weights()]
            layer.set_weights(start)
    return model, encoder, encoder.transform(ASKED)


@settings(max_examples=25)
@given(
    names=st.lists(st.sampled_from([*FIELDS]), min_size=1, max_size=6, unique=True),
    parts=PARTS,
    weighted=st.booleans(),
    k=st.integers(1, 5),
    units=st.lists(st.integers(1, 6), max_size=3),
)
def test_all_terms_add_up_to_the_output_in_every_row(names, parts, weighted, k, units):
    options = {"k": k, "units": units, "parts": parts, "weighted": weighted}
    model, encoder, x = built(names, **options)
    found = terms.parameters(model, encoder.specs)
    of_rows = terms.features(found, x)
    fm = terms.fm_terms(found, of_rows)
    total = fm.total
    if "deep" in parts:
        e = terms.embeddings(found, of_rows)
        total = total + terms.deep_worths(found, e, e[:1], np.ones((1, len(names))))[0]
    raw = training.raw_output(model, x)[:, 0]
    np.testing.assert_allclose(total, raw, atol=1e-5, rtol=1e-5)
    p = len(names)
    assert fm.first.shape == (len(ASKED), p)
    assert fm.pairs.shape == (len(ASKED), p, p)
    assert not np.tril(fm.pairs.transpose(1, 2, 0)[..., 0]).any()  # each pair once


@settings(max_examples=15)
@given(names=st.lists(st.sampled_from([*FIELDS]), min_size=2, max_size=2, unique=True))
def test_values_add_up_to_their_fields_and_pairs(names):
    model, encoder, x = built(names, k=3, units=(4,), weighted=True)
    found = terms.parameters(model, encoder.specs)
    of_rows = terms.features(found, x)
    fm, every = terms.fm_terms(found, of_rows), range(len(ASKED))
    for i, name in enumerate(names):
        by_row = terms.value_terms(found, of_rows, name).groupby("row").term.sum()
        by_row = by_row.reindex(every, fill_value=0)
        np.testing.assert_allclose(by_row, fm.first[:, i], atol=1e-9)
    for one, other in (names, names[::-1]):
        lines = terms.value_pairs(found, of_rows, one, other)
        by_row = lines.groupby("row").term.sum().reindex(every, fill_value=0)
        np.testing.assert_allclose(by_row, fm.pairs[:, 0, 1], atol=1e-9)


def test_a_pair_of_lists_by_hand():
    model, encoder, x = built(["tags", "liked"], k=3)
    found = terms.parameters(model, encoder.specs)
    of_rows = terms.features(found, x)
    lines = terms.value_pairs(found, of_rows, "tags", "liked")
    row = next(i for i, t in enumerate(ASKED.tags) if len({*t}) == len(t) == 3)
    owner, own = x["liked"][row]
    table = encoder["liked"].table()[owner].copy()
    table[own] = 0
    items = np.flatnonzero(table)
    tags = [encoder["tags"].vocabulary[tag] for tag in ASKED.tags.iloc[row]]
    expected = [
        found.v[0][tag] @ found.v[1][item] / len(tags) / len(items) ** 0.5
        for tag in tags
        for item in items
    ]
    here = lines[lines.row == row]
    assert len(here) == 3 * len(items)
    np.testing.assert_allclose(sorted(here.term), sorted(expected), rtol=1e-9)


def test_a_value_that_a_list_has_twice_is_one_line():
    model, encoder, _ = built(["tags"], k=2)
    twice = pd.DataFrame({"tags": [["a", "b", "a"]]})
    found = terms.parameters(model, encoder.specs)
    x = terms.features(found, encoder.transform(twice))
    lines = terms.value_terms(found, x, "tags")
    a, b = (found.w[0][encoder["tags"].vocabulary[tag]] for tag in "ab")
    np.testing.assert_allclose(lines.term, [a * 2 / 3, b / 3])


def test_a_deep_part_where_some_fields_are_those_of_other_rows():
    names = ["user", "tags", "year", "liked"]
    model, encoder, x = built(names, k=3, units=(6, 5), weighted=True)
    found = terms.parameters(model, encoder.specs)
    e = terms.embeddings(found, terms.features(found, x))
    joined = shapley.coalitions(4)
    worths = terms.deep_worths(found, e[:6], e[10:17], joined)
    deep = models.part_models(model)["deep"]
    (scale,) = model.get_layer("output").get_weights()[0][2]
    for fields, of_rows in zip(joined, worths, strict=True):
        for row in range(6):
            mixed = {
                name: np.repeat(x[name][[row]], 7, 0) if own else x[name][10:17]
                for name, own in zip(names, fields, strict=True)
            }
            expected = scale * training.raw_output(deep, mixed).mean()
            np.testing.assert_allclose(of_rows[row], expected, atol=1e-5)


def test_the_deep_part_is_the_same_in_pieces(monkeypatch):
    model, encoder, x = built(["user", "tags", "year"], k=3, units=(6, 5))
    found = terms.parameters(model, encoder.specs)
    e = terms.embeddings(found, terms.features(found, x))
    asked = (found, e, e[:7], shapley.coalitions(3))
    whole = terms.deep_worths(*asked)
    for at_once in (1, 30, 100):
        monkeypatch.setattr(terms, "AT_ONCE", at_once)
        np.testing.assert_allclose(terms.deep_worths(*asked), whole, atol=1e-6)


def test_a_model_saved_by_keras_has_the_same_terms(tmp_path):
    model, encoder, x = built(["user", "tags", "year", "all"], k=3)
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    for one in (model, again):
        found = terms.parameters(one, encoder.specs)
        total = terms.fm_terms(found, terms.features(found, x)).total
        if one is model:
            first = total
    np.testing.assert_array_equal(total, first)


def test_a_trained_model_has_terms():
    data = training.prepare(
        splits.Split(ROWS, ROWS[:0], ROWS[:9]), {"user": CATEGORICAL, "tags": MULTI}
    )
    model = models.deepfm(data.encoder.specs, k=2, units=(3,), intercept=3.0, seed=0)
    training.fit(model, data.train, epochs=2, learning_rate=0.1)
    found = terms.parameters(model, data.encoder.specs)
    of_rows = terms.features(found, data.test.x)
    e = terms.embeddings(found, of_rows)
    deep = terms.deep_worths(found, e, e[:1], np.ones((1, 2)))[0]
    total = terms.fm_terms(found, of_rows).total + deep
    raw = training.raw_output(model, data.test.x)[:, 0]
    np.testing.assert_allclose(total, raw, atol=1e-5)


def test_what_does_not_belong_together_is_refused():
    model, encoder, x = built(["user", "year"], k=2)
    other = FieldEncoder({"user": CATEGORICAL}).fit(ROWS)
    with pytest.raises(
        ValueError, match=r"reads \['user', 'year'\], and .* \['user'\]"
    ):
        terms.parameters(model, other.specs)
    with pytest.raises(ValueError, match="reads"):
        terms.parameters(model, encoder.specs[::-1])
    found = terms.parameters(model, encoder.specs)
    of_rows = terms.features(found, x)
    with pytest.raises(ValueError, match="no field 'film'; there are"):
        terms.value_terms(found, of_rows, "film")
    with pytest.raises(ValueError, match="'user' makes no pair with itself"):
        terms.value_pairs(found, of_rows, "user", "user")


def test_lists_that_are_not_set_are_refused():
    encoder = FieldEncoder({"liked": FIELDS["liked"]}).fit(ROWS)
    model = models.deepfm(encoder.specs, k=2)
    with pytest.raises(ValueError, match=r"no lists for 'liked' yet: call models\.set"):
        terms.parameters(model, encoder.specs)
