"""Histories: lists out of a log, and nothing in them that a model is to predict."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets, splits, training
from helpers.fields import CATEGORICAL, FieldEncoder
from helpers.history import HISTORY, Encoders, ItemHistory

NAMES = {"liked": (4, 5), "disliked": (1, 3)}
LOG = pd.DataFrame(
    {
        "user": ["a", "a", "a", "a", "b", "b"],
        "film": [7, 8, 9, 7, 8, 5],
        "rating": [5.0, 2.0, 4.0, 4.0, 1.0, 3.5],
    }
)


def history(names=NAMES) -> ItemHistory:
    return ItemHistory(names, "user", "film")


def items(fitted: ItemHistory, rows: pd.DataFrame, name: str) -> list[list]:
    """What a model adds up for each row: its owner's list without its own item."""
    lists = {spec.name: spec.lists for spec in fitted.specs}[name]
    found = []
    for owner, own in fitted.transform(rows)[name]:
        on = np.flatnonzero(lists[owner])
        assert (on > 1).all()
        found.append([fitted.items[i - 2] for i in on if i != own])
    return found


def asked(user, film) -> pd.DataFrame:
    return pd.DataFrame({"user": [user], "film": [film]})


def test_lists_hold_the_items_by_their_value_and_without_the_rows_own():
    fitted = history().fit(LOG)
    assert items(fitted, LOG, "liked") == [[9], [7, 9], [7], [9], [], []]
    assert items(fitted, LOG, "disliked") == [[8], [], [8], [8], [], [8]]


def test_a_value_between_the_limits_of_all_lists_is_on_none():
    fitted = history().fit(LOG)
    assert items(fitted, asked("b", 9), "liked") == [[]]
    assert items(fitted, asked("b", 9), "disliked") == [[8]]


def test_unknown_owners_have_empty_lists_and_unknown_items_leave_nothing_out():
    fitted = history().fit(LOG)
    assert items(fitted, asked("z", 7), "liked") == [[]]
    assert items(fitted, asked("a", 99), "liked") == [[7, 9]]


def test_shapes_types_and_specs():
    fitted = history().fit(LOG)
    x = fitted.transform(LOG)
    assert {name: (a.shape, a.dtype) for name, a in x.items()} == {
        "liked": ((6, 2), "int32"),
        "disliked": ((6, 2), "int32"),
    }
    spec = fitted.specs[0]
    assert (spec.name, spec.kind, spec.size, spec.length) == ("liked", HISTORY, 6, 2)
    assert (spec.lists.shape, spec.lists.dtype) == ((3, 6), "int8")


def test_newcomers_get_the_lists_of_their_own_log():
    fitted = history().fit(LOG)
    log = pd.DataFrame({"user": "new", "film": [7, 99], "rating": [5.0, 5.0]})
    fitted.update(log)
    assert items(fitted, asked("new", 8), "liked") == [[7]]  # 99 was not in training
    assert items(fitted, asked("a", 8), "liked") == [[]]


LOGS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 8), st.integers(1, 5)),
    min_size=10,
    max_size=60,
).map(lambda rows: pd.DataFrame(rows, columns=["user", "film", "rating"]))


@given(LOGS, st.integers(0, 10))
def test_no_target_and_no_test_rating_reaches_a_history(rows, seed):
    train, valid, test = splits.random_rows(rows, seed)
    fitted = history().fit(train)
    for part in (train, valid, test):
        for name, (low, high) in NAMES.items():
            listed = items(fitted, part, name)
            for row, found in zip(part.itertuples(), listed, strict=True):
                own = train[(train.user == row.user) & (train.film != row.film)]
                allowed = own[own.rating.between(low, high)].film
                assert found == sorted({*allowed})


@given(LOGS, st.integers(0, 10), st.data())
def test_a_history_does_not_change_with_the_ratings_it_must_not_know(rows, seed, draw):
    """Whatever stands in valid and test rows, and in the row itself, it is the same."""
    rows = rows.drop_duplicates(["user", "film"]).reset_index(drop=True)
    if len(rows) < 10:
        return
    train, valid, test = splits.random_rows(rows, seed)
    at = draw.draw(st.sampled_from(train.index.tolist()))
    other = rows.copy()
    other.loc[[*valid.index, *test.index, at], "rating"] = draw.draw(st.integers(1, 5))
    again, *_ = splits.random_rows(other, seed)
    one, two = history().fit(train), history().fit(again)
    for name in NAMES:
        assert items(one, rows.loc[[at]], name) == items(two, rows.loc[[at]], name)


def test_real_histories_know_the_training_rows_alone():
    rows = datasets.load("ml-100k").ratings
    parts = splits.random_rows(rows, 0)
    fitted = ItemHistory(NAMES, "user_id", "movie_id").fit(parts[0])
    lists = sum(spec.lists.astype("int32") for spec in fitted.specs)
    seen = parts[0].groupby("user_id").size()
    for part, own in zip(parts, (1, 0, 0), strict=True):
        owner, item = fitted.transform(part)["liked"].T
        np.testing.assert_array_equal(lists[owner, item], own)
        np.testing.assert_array_equal(
            lists[owner].sum(1), part.user_id.map(seen).fillna(0)
        )


def test_saved_and_loaded_it_encodes_the_same(tmp_path):
    fitted = history().fit(LOG)
    fitted.save(tmp_path / "history.json")
    loaded = ItemHistory.load(tmp_path / "history.json")
    assert loaded.specs == fitted.specs
    for name in NAMES:
        assert items(loaded, LOG, name) == items(fitted, LOG, name)


def test_a_history_without_lists_is_refused():
    with pytest.raises(ValueError, match="needs the name of a list"):
        history({})


def test_a_table_that_is_too_large_is_refused_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr("helpers.history.LARGEST", 17)  # 3 owners times 6 is 18
    with pytest.raises(ValueError, match="2 values of 'user' times 4 of 'film'.*Make"):
        history().fit(LOG)


@pytest.mark.parametrize("column", ["user", "film", "rating"])
def test_missing_columns_and_values_are_refused(column):
    with pytest.raises(ValueError, match=f"Columns are missing: \\['{column}'\\]"):
        history().fit(LOG.drop(columns=column))
    holes = LOG.assign(**{column: LOG[column].astype(object).where(LOG.index != 2)})
    with pytest.raises(ValueError, match=f"{column!r} has no usable value in 1 of 6"):
        history().fit(holes)


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="no rows"):
        history().fit(LOG.head(0))


def test_encoders_together_give_the_fields_of_each():
    encoder = Encoders(FieldEncoder({"film": CATEGORICAL}), history()).fit(LOG)
    assert [spec.name for spec in encoder.specs] == ["film", "liked", "disliked"]
    x = encoder.transform(LOG)
    assert [*x] == ["film", "liked", "disliked"]
    np.testing.assert_array_equal(x["film"][:, 0], [3, 4, 5, 3, 4, 2])


def test_parts_are_encoded_with_histories_of_the_training_rows():
    rows = pd.concat([LOG] * 5, ignore_index=True)
    parts = splits.random_rows(rows, 0)
    data = training.encode_parts(parts, {"film": CATEGORICAL}, [history()])
    expected = history().fit(parts[0]).transform(parts[2])
    np.testing.assert_array_equal(data.test.x["liked"], expected["liked"])
