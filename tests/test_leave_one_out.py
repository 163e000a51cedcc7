"""The cures change the lists of training rows alone, each as it says."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from keras import ops

from benchmarks import leave_one_out, results
from helpers import best, models, splits, training
from helpers.fields import FieldEncoder, History
from helpers.history_layers import HistorySum

TABLE = np.array([[0, 0, 0, 0, 0], [0, 0, 1, 1, 0], [0, 0, 1, 1, 1]], "int8")
IDS = np.array([[1, 2], [1, 4], [2, 4], [0, 3]], "int32")  # the second is on no list


def thinned() -> leave_one_out.Thinned:
    with leave_one_out.models_with("dropout 0.5"):
        layer = models.HistorySum(1, "ones")
    return layer


def inputs(lists: np.ndarray, items: list[int]) -> list:
    """What HistorySum gets for rows of the first list: their items, left out of it."""
    item = np.array(items, "int32")
    listed = lists[0, item][:, None]
    return [lists, np.zeros_like(item), item, listed, lists.sum() - listed]


@pytest.fixture
def rows(few_rows, monkeypatch, in_this_process):
    """A small set under the name of ml-100k, no process but this one."""
    data = SimpleNamespace(joined=lambda: few_rows)
    monkeypatch.setattr(
        leave_one_out.datasets, "load", lambda name: {"ml-100k": data}[name]
    )
    quick = best.Recipe({"k": 2, "units": (4,)}, {"epochs": 1})
    monkeypatch.setitem(best.RECIPES, "ml-100k", quick)
    return few_rows


def test_with_others_every_list_of_an_owner_is_one_shorter(rows):
    data = training.prepare(best.split(rows, 0, refit=False), best.FIELDS)
    x = leave_one_out.with_others(data.train.x, data.encoder.histories)
    for name, history in data.encoder.histories.items():
        table = history.table()
        (owner, item), (same, left_out) = data.train.x[name].T, x[name].T
        np.testing.assert_array_equal(same, owner)
        own, some = table[owner, item] == 1, table[owner].any(axis=1)
        np.testing.assert_array_equal(left_out[own], item[own])
        np.testing.assert_array_equal(table[owner, left_out] == 1, some)
        assert (left_out != item)[some & ~own].all()
    np.testing.assert_array_equal(x["genres"], data.train.x["genres"])


def test_a_list_that_is_empty_stays_so():
    history = History("user", "film", "stars", at_least=4)
    log = pd.DataFrame({"user": [1, 2, 2], "film": [1, 1, 2], "stars": [1, 5, 2]})
    encoder = FieldEncoder({"liked": history}).fit(log)
    x = encoder.transform(log)
    found = leave_one_out.with_others(x, encoder.histories)
    np.testing.assert_array_equal(found["liked"][0], x["liked"][0])
    strangers = {"liked": np.array([[0, 1]], "int32")}
    found = leave_one_out.with_others(strangers, encoder.histories)
    np.testing.assert_array_equal(found["liked"], strangers["liked"])


def test_dropout_leaves_rows_alone_that_are_not_trained_on():
    rows = inputs(np.ones((1, 4000), "float32"), [0, 7])
    expected = HistorySum(1, "ones")(rows)
    np.testing.assert_array_equal(thinned()(rows), expected)


def test_with_dropout_a_sum_keeps_its_expected_value():
    rows = inputs(np.ones((1, 4000), "float32"), [0])
    found = ops.convert_to_numpy(thinned()(rows, training=True)).item()
    assert found == pytest.approx(3999**0.5, rel=0.05)
    assert found != 3999**0.5


def test_with_dropout_the_own_item_is_taken_off_where_it_is_left():
    """Of four ones each is dropped or doubled: what is left of the others is even."""
    rows = inputs(np.ones((1, 4), "float32"), [0, 1, 2, 3])
    sums = ops.convert_to_numpy(thinned()(rows, training=True))[:, 0, 0] * 3**0.5
    left = sums.sum() / 3  # each of the four is counted by the three others
    np.testing.assert_allclose(np.isin(np.round(left - sums, 4), (0, 2)), True)


def test_the_layers_come_back_after_dropout():
    with leave_one_out.models_with("dropout 0.2"):
        assert models.HistorySum.share == 0.2
    assert models.HistorySum is HistorySum


def test_a_list_of_a_fold_has_no_row_of_it():
    fold = np.array([0, 0, 0, 1])
    table, ids = leave_one_out.folded(TABLE, IDS, fold)
    whole, first, second = (table[i * 3 : (i + 1) * 3] for i in range(3))
    np.testing.assert_array_equal(whole, TABLE)
    np.testing.assert_array_equal(first, [[0] * 5, [0, 0, 0, 1, 0], [0, 0, 1, 1, 0]])
    np.testing.assert_array_equal(second, TABLE)
    assert [*ids[:, 0]] == [4, 4, 5, 6]
    assert [*ids[:, 1]] == [*IDS[:, 1]]


def test_each_seed_tries_each_cure_on_validation_rows(rows, monkeypatch):
    given = []

    def score(data, recipe, cure, seed):
        given.append((data, cure))
        return float(seed)

    monkeypatch.setattr(leave_one_out, "score", score)
    found = leave_one_out.attempt("ml-100k", 1)
    assert found == dict.fromkeys(leave_one_out.CURES, 1.0)
    train, valid, _ = splits.random_rows(rows, leave_one_out.SPLIT_SEED)
    for (data, cure), expected in zip(given, leave_one_out.CURES, strict=True):
        assert cure == expected
        assert [*data.train.rows.index] == [*train.index]
        assert [*data.test.rows.index] == [*valid.index]


def test_none_is_what_best_trains_and_folds_have_tables_of_their_own(rows):
    data = training.prepare(best.split(rows, 0, refit=False), best.FIELDS)
    recipe = best.RECIPES["ml-100k"]
    found = leave_one_out.score(data, recipe, leave_one_out.NONE, 0)
    expected = training.evaluate(best.train(data, recipe, 0), data.test)["RMSE"]
    assert found == pytest.approx(expected, abs=1e-6)
    model, train = leave_one_out.with_folds(data, recipe, 0)
    lists = model.get_layer("liked.lists").lists
    owners = len(data.encoder["liked"].table())
    assert lists.shape[0] == (leave_one_out.FOLDS + 1) * owners
    assert train.x["liked"][:, 0].min() >= owners


def test_seeds_are_kept_and_compared(rows, monkeypatch, capsys):
    def attempt(dataset, seed):
        return {cure: i + seed**i for i, cure in enumerate(leave_one_out.CURES)}

    monkeypatch.setattr(leave_one_out, "attempt", attempt)
    monkeypatch.setitem(leave_one_out.SEEDS, "ml-100k", [2, 3])
    leave_one_out.main()
    kept = results.read("leave_one_out", "ml-100k")["figures"]
    assert kept["folds"] == [1 + 2, 1 + 3]
    against = leave_one_out.against_none(kept)
    assert [*against.index] == [(c, "none") for c in leave_one_out.CURES[1:]]
    assert against.difference["folds", "none"] == 2.5
    assert "folds" in capsys.readouterr().out


def test_an_unknown_set_is_refused():
    with pytest.raises(SystemExit, match="ml-100k"):
        leave_one_out.main("netflix")
