"""Every pair from the shares of its user and its item: what the model itself gives."""

import gc
import itertools

import keras
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import models, shares
from helpers.fields import FieldEncoder, History, Numeric
from helpers.shares import ITEM, USER, Pairs

rng = np.random.default_rng(0)
N_USERS, N_ITEMS = 9, 12
USERS = pd.DataFrame(
    {
        "user": [*range(1, N_USERS + 1)],
        "gender": [*"FMFMMFFMM"],
        "income": rng.normal(4, 1, N_USERS),
        "tags": [["a"], [], ["a", "b"], ["b"], ["c"], [], ["a"], ["a", "c"], ["b"]],
        "last": rng.integers(1, 9, N_USERS),
    }
)
ITEMS = pd.DataFrame(
    {
        "item": [*range(1, N_ITEMS + 1)],
        "genres": [["x"], ["x", "y"], [], ["y"]] * 3,
        "year": rng.normal(1990, 9, N_ITEMS),
        "maker": [*"kkklllmmmkkk"],
    }
)
FIELDS = {
    "user": "categorical",
    "item": "categorical",
    "deep": Numeric(column="income"),  # the name of a layer
    7: Numeric(column="year"),  # no text
    "tags": "multi-categorical",
    "genres": "multi-categorical",
    "liked": History("user", "item", "rating", at_least=3),
    "others": History("user", "item", "rating", below=3),
    "fans": History("item", "user"),
    "of gender": History("gender", "item"),  # one list for several users
    "of maker": History("user", "maker"),  # one entry for several items
    "lasts": History("user", "last"),  # its own item is the user's too
    "makers": History("maker", "item"),  # both are the item's
}
BOTH = USERS.merge(ITEMS, how="cross")
LOG = BOTH[(BOTH.user > 2) & (BOTH["item"] > 2)].sample(frac=0.5, random_state=1)
LOG = LOG.assign(rating=rng.integers(1, 6, len(LOG)))


def model_of(fields, seed=0, size=0.5, **options):
    """(encoder, model) with random weights and the lists of LOG."""
    encoder = FieldEncoder({name: FIELDS[name] for name in fields}).fit(LOG)
    model = models.deepfm(encoder.specs, **options, seed=seed)
    models.set_lists(model, encoder)
    draw = np.random.default_rng(seed)
    for weight in model.trainable_weights:
        weight.assign(draw.normal(0, size, weight.shape))
    return encoder, model


def pairs_of(model, encoder) -> Pairs:
    of_user = encoder.transform(USERS.merge(ITEMS.tail(1), how="cross"))
    of_item = encoder.transform(USERS.tail(1).merge(ITEMS, how="cross"))
    sides = {
        name: [USER if c in USERS else ITEM for c in encoder[name].columns(name)]
        for name in encoder.names
    }
    return Pairs(model, of_user, of_item, sides)


def outputs(pairs, cuts=(0, N_USERS), skip=None) -> np.ndarray:
    skip = np.zeros((N_USERS, N_ITEMS), bool) if skip is None else skip
    blocks = [pairs.block(a, b, skip[a:b]) for a, b in itertools.pairwise(cuts)]
    return np.concatenate(blocks)


def expected(model, encoder) -> np.ndarray:
    x = {models.input_name(n): a for n, a in encoder.transform(BOTH).items()}
    x = {name: x[name] for name in model.input}
    raw = keras.ops.convert_to_numpy(model(x, training=False))
    return raw.reshape(N_USERS, N_ITEMS)


@settings(max_examples=12, deadline=None)
@given(
    st.lists(st.sampled_from([*FIELDS]), min_size=1, unique=True),
    st.lists(st.sampled_from(models.PARTS), min_size=1, unique=True),
    st.lists(st.integers(1, 5), max_size=3),
    st.integers(1, 4),
    st.booleans(),
    st.integers(0, 9),
    st.sampled_from([(0, 9), (0, 1, 5, 9), (0, 8, 9)]),
)
def test_every_pair_is_what_the_model_gives(
    fields, parts, units, k, weighted, seed, cuts
):
    encoder, model = model_of(
        fields, seed, k=k, units=units, parts=parts, weighted=weighted, intercept=3.0
    )
    found, real = outputs(pairs_of(model, encoder), cuts), expected(model, encoder)
    np.testing.assert_allclose(found, real, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("part", models.PARTS)
def test_a_part_of_a_model_is_a_model(part):
    encoder, model = model_of([*FIELDS], k=3, units=(4,))
    part = models.part_models(model)[part]
    found, real = outputs(pairs_of(part, encoder)), expected(part, encoder)
    np.testing.assert_allclose(found, real, rtol=1e-4, atol=1e-4)


def test_the_pairs_of_the_log_leave_their_own_item_out():
    encoder, model = model_of([*FIELDS], k=3, units=(4,))
    pairs = pairs_of(model, encoder)
    real = expected(model, encoder)
    np.testing.assert_allclose(outputs(pairs), real, rtol=1e-4, atol=1e-4)
    unmended = pairs.head.outputs(pairs.users, pairs.items)
    logged = np.zeros_like(real, dtype=bool)
    logged[LOG.user - 1, LOG["item"] - 1] = True
    away = np.abs(unmended - real) > 1e-3
    assert away[logged].mean() > 0.9  # or this test shows nothing
    skip = logged.copy()
    found = outputs(pairs, skip=skip)
    np.testing.assert_array_equal(found[skip], unmended[skip])


def test_a_list_of_nothing_but_the_own_item_is_nothing():
    alone = LOG.drop_duplicates("user")
    encoder = FieldEncoder({"liked": History("user", "item")}).fit(alone)
    model = models.set_lists(models.deepfm(encoder.specs, k=2, seed=0), encoder)
    for weight in model.trainable_weights:
        weight.assign(np.random.default_rng(0).normal(0, 1, weight.shape))
    found = outputs(pairs_of(model, encoder))
    # the first user has no list at all
    at = alone.user - 1, alone["item"] - 1
    np.testing.assert_allclose(found[at], np.full(len(alone), found[0, 0]), rtol=1e-6)
    assert len(np.unique(found)) > 3


def test_a_model_that_was_loaded_or_trained_on_gives_what_it_gives_now(tmp_path):
    encoder, model = model_of(["user", "genres", "liked"], k=2)
    first = outputs(pairs_of(model, encoder))
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(outputs(pairs_of(again, encoder)), first, rtol=1e-5)
    for weight in model.trainable_weights:
        weight.assign(weight * 2)
    found = outputs(pairs_of(model, encoder))
    assert np.abs(found - first).max() > 0.1
    real = expected(model, encoder)
    np.testing.assert_allclose(found, real, rtol=1e-4, atol=1e-4)


def test_what_is_kept_of_a_model_goes_with_it():
    gc.collect()
    before = len(shares._row_models)
    encoder, model = model_of(["user", "item"])
    pairs_of(model, encoder)
    pairs_of(model, encoder)
    assert len(shares._row_models) == before + 1
    assert len(shares._row_models[model]) == 2  # one a side
    del model
    gc.collect()
    assert len(shares._row_models) == before


def test_more_rows_than_are_computed_at_once(monkeypatch):
    encoder, model = model_of([*FIELDS], k=2)
    whole = outputs(pairs_of(model, encoder))
    monkeypatch.setattr(shares, "ROWS", 4)
    cut = outputs(pairs_of(model, encoder))
    np.testing.assert_allclose(cut, whole, rtol=1e-5, atol=1e-5)


def test_another_kind_of_model_is_refused():
    encoder, model = model_of(["user", "item"])
    more = keras.layers.Dense(1, name="calibrated")(model.output)
    with pytest.raises(ValueError, match=r"not of models.deepfm.*\['calibrated'\]"):
        pairs_of(keras.Model(model.input, more), encoder)
