"""Lists of owners and sums over them against a loop, in every precision, saved."""

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, splits, training
from helpers.fields import CATEGORICAL, History
from helpers.history_layers import HistorySum, OwnerLists

LISTS = np.array([[0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 0, 1], [0, 0, 0, 0]], "int8")
IDS = np.array([[1, 2], [1, 3], [1, 1], [2, 3], [2, 2], [3, 2], [0, 3]], "int32")
LOG = pd.DataFrame(
    {
        "user": ["a", "a", "a", "b", "b", "c", "c", "d", "d", "d"],
        "film": [7, 8, 9, 8, 5, 7, 9, 5, 8, 9],
        "rating": [5.0, 2.0, 4.0, 1.0, 3.5, 4.0, 5.0, 2.0, 3.0, 4.0],
    }
)
FIELDS = {
    "film": CATEGORICAL,
    "liked": History("user", "film", "rating", at_least=4),
    "disliked": History("user", "film", "rating", below=4),
}


def by_loop(v: np.ndarray) -> np.ndarray:
    out = np.zeros((len(IDS), 1, v.shape[1]))
    for row, (owner, own) in enumerate(IDS):
        on = [v[item] for item in np.flatnonzero(LISTS[owner]) if item != own]
        if on:
            out[row, 0] = sum(on) / len(on) ** 0.5
    return out


def lists_layer(table=LISTS, **options) -> OwnerLists:
    layer = OwnerLists(*table.shape, **options)
    layer(np.zeros((1, 2), "int32"))
    layer.lists.assign(table)
    return layer


@pytest.fixture(scope="module")
def trained():
    data = training.prepare(splits.Split(LOG, LOG[:0], LOG[:2]), FIELDS)
    model = models.deepfm(data.encoder.specs, k=3, units=(4,), intercept=3.0, seed=0)
    models.set_lists(model, data.encoder)
    training.fit(model, data.train, epochs=3, batch_size=4, learning_rate=0.1)
    return data, model


def parts(found) -> dict:
    names = ("lists", "place", "item", "listed", "number")
    return dict(zip(names, map(np.asarray, found), strict=True))


def test_a_list_a_row_and_what_to_leave_out_of_it():
    found = parts(lists_layer()(IDS))
    np.testing.assert_array_equal(found["lists"], LISTS[IDS[:, 0]])
    np.testing.assert_array_equal(found["place"], np.arange(len(IDS)))
    np.testing.assert_array_equal(found["item"], IDS[:, 1])
    listed = LISTS[IDS[:, 0], IDS[:, 1]]
    np.testing.assert_array_equal(found["listed"][:, 0], listed)
    number = LISTS[IDS[:, 0]].sum(axis=1) - listed
    np.testing.assert_array_equal(found["number"][:, 0], number)


def test_a_training_with_more_rows_than_owners_has_each_list_once():
    layer = lists_layer()
    found, by_row = parts(layer(IDS, training=True)), parts(layer(IDS))
    np.testing.assert_array_equal(found["lists"], LISTS)
    np.testing.assert_array_equal(found["place"], IDS[:, 0])
    for name in ("item", "listed", "number"):
        np.testing.assert_array_equal(found[name], by_row[name])
    few = parts(layer(IDS[:4], training=True))
    np.testing.assert_array_equal(few["lists"], LISTS[IDS[:4, 0]])


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("rows", [4, 7])  # there are four owners
def test_the_sum_is_over_the_list_by_the_root_of_its_number(training, rows):
    total = HistorySum(3, "normal")
    found = np.asarray(total(lists_layer()(IDS[:rows], training=training)))
    expected = by_loop(total.embeddings.numpy())[:rows]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_both_ways_to_add_up_have_the_same_gradients():
    x = keras.Input((2,), dtype="int32")
    lists, total = lists_layer(), HistorySum(2, "ones")
    model = keras.Model(x, total(lists(x))[:, 0])
    model.compile(keras.optimizers.SGD(1.0), loss="mse")
    start = model.get_weights()

    def moved_by(ids):
        model.set_weights(start)
        model.train_on_batch(ids, np.zeros((len(ids), 2)))
        return total.embeddings.numpy() - 1

    one_by_one = np.mean([moved_by(ids[None]) for ids in IDS], axis=0)
    np.testing.assert_allclose(moved_by(IDS), one_by_one, atol=1e-6)
    assert np.abs(one_by_one).max() > 0.1


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_list_of_nothing_but_the_own_item_is_exactly_zero(dtype):
    total = HistorySum(3, "normal", dtype=dtype)
    found = total(lists_layer(dtype=dtype)(np.array([[2, 3]], "int32")))
    assert not np.asarray(keras.ops.cast(found, "float32")).any()


def test_long_lists_are_counted_whole_in_16_bits():
    table = np.ones((1, 1002), "int8")
    total = HistorySum(1, "ones", dtype="mixed_bfloat16")
    found = total(
        lists_layer(table, dtype="mixed_bfloat16")(np.array([[0, 1]], "int32"))
    )
    assert float(found[0, 0, 0]) == pytest.approx(1001**0.5, rel=0.02)


def test_training_moves_the_embeddings_and_never_the_lists(trained):
    data, model = trained
    lists = model.get_layer("liked.lists").lists
    assert not lists.trainable and lists.dtype == "int8"
    np.testing.assert_array_equal(np.asarray(lists), data.encoder["liked"].table())
    assert np.abs(model.get_layer("embedding_liked").embeddings.numpy()).max() > 0.1


def test_a_saved_model_keeps_its_lists_and_predicts_the_same(tmp_path, trained):
    data, model = trained
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(
        training.raw_output(model, data.train.x),
        training.raw_output(again, data.train.x),
    )


def test_a_model_without_its_lists_is_told_so(trained):
    data, _ = trained
    model = models.deepfm(data.encoder.specs, k=3, units=(4,))
    with pytest.raises(ValueError, match="no lists for 'liked'.*set_lists"):
        training.fit(model, data.train, epochs=1)
    with pytest.raises(ValueError, match="no lists for 'liked'.*set_lists"):
        training.raw_output(model, data.test.x)


def test_lists_of_another_size_are_refused(trained):
    data, model = trained
    other = data.encoder.with_log(LOG.head(3))
    with pytest.raises(ValueError, match=r"\(5, 6\) for 'liked'.*\(2, 6\)"):
        models.set_lists(model, other)


def test_a_model_is_not_given_the_rows_of_another_log(trained):
    """Lists of the same shape: the same numbers of owners mean other people."""
    data, model = trained
    other = data.encoder.with_log(LOG.assign(rating=lambda r: 6 - r.rating))
    assert other.fingerprint == data.encoder.fingerprint
    assert other.lists_fingerprint != data.encoder.lists_fingerprint
    rows = training.encode(other, data.target, LOG)
    says = "has the lists of histories .* these rows"
    for refused in (
        lambda: training.evaluate(model, rows),
        lambda: training.fit(model, rows, epochs=1),
    ):
        with pytest.raises(ValueError, match=says):
            refused()
    again = data.encoder.with_log(LOG)
    assert again.lists_fingerprint == data.encoder.lists_fingerprint
    training.evaluate(model, training.encode(again, data.target, LOG))


def test_what_was_built_has_the_lists_and_starts_at_the_target(trained):
    data, _ = trained
    model = training.build(data, {"k": 3, "units": (4,)}, seed=3)
    found = model.get_layer("liked.lists").lists
    np.testing.assert_array_equal(np.asarray(found), data.encoder["liked"].table())
    expected = models.deepfm(data.encoder.specs, k=3, units=(4,), seed=3)
    w0 = model.get_layer("first_order").get_weights()[0]
    assert w0.tolist() == pytest.approx([data.target.mean_])
    one, two = map(models.weights_of, (model, expected))
    differ = [path for path in one if (one[path] != two[path]).any()]
    assert differ == ["first_order/w0"]


def test_a_model_of_some_histories_gets_the_lists_of_those(trained):
    data, _ = trained
    specs = [s for s in data.encoder.specs if s.name != "disliked"]
    model = models.deepfm(specs, k=3, units=(4,), seed=0)
    assert models.set_lists(model, data.encoder) is model
    found = model.get_layer("liked.lists").lists
    np.testing.assert_array_equal(np.asarray(found), data.encoder["liked"].table())
    training.fit(model, data.train, epochs=1)


@pytest.mark.parametrize("pair", [[5, 2], [1, 6], [-1, 2]])
def test_owners_and_items_beyond_the_table_are_refused(trained, pair):
    data, model = trained
    x = {n: a[:1] for n, a in data.train.x.items()} | {
        "liked": np.array([pair], "int32")
    }
    with pytest.raises(ValueError, match="'liked' has ids from"):
        training.raw_output(model, x)


def test_declared_shapes_are_those_of_the_outputs():
    rows = lists_layer()(keras.Input((2,), dtype="int32"))
    batch = [(None, 4), (None,), (None,), (None, 1), (None, 1)]
    assert [tuple(output.shape) for output in rows] == batch
    assert tuple(HistorySum(3)(rows).shape) == (None, 1, 3)


@pytest.mark.parametrize("layer", [OwnerLists(3, 4), HistorySum(5, "ones")])
def test_the_config_of_a_layer_makes_the_same_layer(layer):
    again = type(layer).from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    for name in ("owners", "items", "k"):
        assert getattr(again, name, None) == getattr(layer, name, None)


@pytest.mark.parametrize("kind", [OwnerLists, HistorySum])
def test_a_file_names_a_layer_by_the_package_and_its_class(kind):
    assert keras.saving.get_registered_name(kind) == f"deepfm>{kind.__name__}"


def test_a_sum_that_is_made_again_starts_where_the_first_one_did():
    layer = HistorySum(5, keras.initializers.Constant(0.5), name="mine")
    again = HistorySum.from_config(layer.get_config())
    again.build([(None, 3)])
    assert again.name == "mine"
    np.testing.assert_array_equal(again.embeddings, np.full((3, 5), 0.5))


def test_an_embedding_of_a_list_starts_at_small_random_numbers():
    layer = HistorySum(4)
    layer.build([(None, 100)])
    assert 0.01 < np.asarray(layer.embeddings).std() < 0.05
