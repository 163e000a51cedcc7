"""Sums over histories against a loop, newcomers' lists, saving, a second backend."""

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, training
from helpers.fields import CATEGORICAL
from helpers.history import ItemHistory
from helpers.history_layers import HistorySum, OwnerLists, with_lists

LISTS = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], "int8")
IDS = np.array([[1, 2], [1, 3], [1, 1], [2, 3], [2, 2], [3, 2], [0, 3]], "int32")
LOG = pd.DataFrame(
    {
        "user": ["a", "a", "a", "b", "b", "c", "c", "d", "d", "d"],
        "film": [7, 8, 9, 8, 5, 7, 9, 5, 8, 9],
        "rating": [5.0, 2.0, 4.0, 1.0, 3.5, 4.0, 5.0, 2.0, 3.0, 4.0],
    }
)


def by_loop(v: np.ndarray) -> np.ndarray:
    out = np.zeros((len(IDS), 1, v.shape[1]))
    for row, (owner, own) in enumerate(IDS):
        on = [v[item] for item in np.flatnonzero(LISTS[owner]) if item != own]
        if on:
            out[row, 0] = sum(on) / len(on) ** 0.5
    return out


@pytest.fixture
def layers():
    lists, total = OwnerLists(LISTS.shape, name="lists"), HistorySum(3, "normal")
    lists(IDS)
    lists.lists.assign(LISTS)
    return lists, total


def history() -> ItemHistory:
    return ItemHistory({"liked": (4, 5), "disliked": (1, 3)}, "user", "film")


@pytest.fixture(scope="module")
def trained():
    data = training.encode_parts(
        (LOG, LOG[:0], LOG[:2]), {"film": CATEGORICAL}, [history()]
    )
    model = models.deepfm(data.encoder.specs, k=3, units=(4,), intercept=3.0)
    training.fit(model, data.train, epochs=3, batch_size=4, learning_rate=0.1)
    return data, model


def test_the_sum_is_over_the_list_without_the_own_item_by_its_root(layers):
    lists, total = layers
    found = total(lists(IDS), IDS).numpy()
    np.testing.assert_allclose(found, by_loop(total.embeddings.numpy()), atol=1e-6)


def test_training_moves_the_embeddings_and_never_the_lists(trained):
    data, model = trained
    lists = model.get_layer("liked_lists").lists
    assert not lists.trainable and lists.dtype == "int8"
    expected = next(s for s in data.encoder.specs if s.name == "liked").lists
    np.testing.assert_array_equal(lists.numpy(), expected)
    assert np.abs(model.get_layer("embedding_liked").embeddings.numpy()).max() > 0.1


def test_a_saved_model_keeps_its_lists_and_predicts_the_same(tmp_path, trained):
    data, model = trained
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    x = data.train.x
    np.testing.assert_array_equal(
        training.predict(model, x), training.predict(again, x)
    )


def test_newcomers_get_their_lists_and_the_model_stays_as_it_was(trained):
    data, model = trained
    before = training.predict(model, data.train.x)
    new = history().fit(LOG)
    told = pd.DataFrame(
        {"user": ["x", "x", "y"], "film": [7, 8, 9], "rating": [5.0, 1.0, 4.5]}
    )
    new.update(told)
    served = with_lists(model, new.specs)
    asked = pd.DataFrame({"user": ["x", "y", "z"], "film": 5})
    x = data.encoder.encoders[0].transform(asked) | new.transform(asked)
    same = models.deepfm([*data.encoder.encoders[0].specs, *new.specs], 3, (4,))
    for layer in same.layers:
        if not isinstance(layer, OwnerLists):
            layer.set_weights(model.get_layer(layer.name).get_weights())
    np.testing.assert_allclose(
        served.predict(x, verbose=0), same.predict(x, verbose=0), atol=1e-6
    )
    rows = keras.Model(same.input, same.get_layer("embeddings").output)(x).numpy()
    v = model.get_layer("embedding_liked").embeddings.numpy()
    liked = [spec.name for spec in data.encoder.specs].index("liked")
    ids = {film: i for i, film in enumerate(new.items, 2)}
    np.testing.assert_allclose(
        rows[:, liked], [v[ids[7]], v[ids[9]], 0 * v[0]], atol=1e-6
    )
    np.testing.assert_array_equal(training.predict(model, data.train.x), before)


def test_declared_shapes_are_those_of_the_outputs(layers):
    lists, total = layers
    table = lists(IDS)
    assert lists.compute_output_shape(IDS.shape) == tuple(table.shape)
    assert total.compute_output_shape(table.shape, IDS.shape) == (len(IDS), 1, 3)


@pytest.mark.parametrize("layer", [OwnerLists((3, 4)), HistorySum(5, "ones")])
def test_the_config_of_a_layer_makes_the_same_layer(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    for name in ("shape", "k"):
        assert getattr(again, name, None) == getattr(layer, name, None)
