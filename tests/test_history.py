"""Histories: what is on a list, what a row leaves out, other logs, limits."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets, splits
from helpers.fields import FieldEncoder, History

LOG = pd.DataFrame(
    {
        "user": ["a", "a", "a", "b", "b", "b"],
        "film": [7, 8, 9, 7, 8, 5],
        "rating": [5.0, 3.0, 4.0, 3.5, 0.5, 4.5],
    }
)
LIKED = History("user", "film", "rating", at_least=4)
DISLIKED = History("user", "film", "rating", below=4)


def fitted(log=LOG, **histories) -> FieldEncoder:
    return FieldEncoder(histories or {"liked": LIKED, "disliked": DISLIKED}).fit(log)


def items(encoder: FieldEncoder, rows: pd.DataFrame, name: str) -> list[set]:
    """For each row, the films on its owner's list but for its own."""
    table = encoder[name].table()
    films = dict(enumerate(encoder[name].items_, 2))
    pairs = encoder.transform(rows)[name]
    return [
        {films[i] for i in np.flatnonzero(table[owner]) if i != own}
        for owner, own in pairs
    ]


def test_a_list_holds_what_its_limits_say_without_the_rows_own_item():
    encoder = fitted()
    assert items(encoder, LOG, "liked") == [{9}, {7, 9}, {7}, {5}, {5}, set()]
    assert items(encoder, LOG, "disliked") == [{8}, set(), {8}, {8}, {7}, {7, 8}]


def test_every_rating_is_on_one_of_two_lists_that_meet():
    encoder = fitted()
    both = encoder["liked"].table() + encoder["disliked"].table()
    assert both.max() == 1 and both.sum() == len(LOG)


def test_limits_are_at_least_and_below():
    fine = History("user", "film", "rating", at_least=3.5, below=4.5)
    assert fitted(fine=fine)["fine"].table().sum() == 2


def test_without_a_value_every_row_is_on_the_list():
    encoder = fitted(seen=History("film", "user"))
    assert encoder["seen"].table().sum() == 6
    assert encoder["seen"].columns_to_learn("seen") == ["film", "user"]


def test_pairs_that_come_twice_are_listed_once():
    encoder = fitted(pd.concat([LOG, LOG]))
    np.testing.assert_array_equal(encoder["liked"].table(), fitted()["liked"].table())


def test_strangers_have_no_list_and_strange_items_are_none():
    asked = pd.DataFrame({"user": ["z", "a"], "film": [7, 99]})
    assert fitted().transform(asked)["liked"].tolist() == [[0, 3], [1, 1]]
    assert fitted()["liked"].table()[0].sum() == 0


def test_an_owner_whose_list_is_empty_has_a_row_that_survives_json():
    log = LOG.assign(rating=[1.0, 1, 1, 5, 5, 1])
    encoder = fitted(log)
    assert encoder["liked"].table().sum(axis=1).tolist() == [0, 0, 2]
    loaded = FieldEncoder.from_json(encoder.to_json())
    np.testing.assert_array_equal(loaded["liked"].table(), encoder["liked"].table())
    assert items(loaded, log, "liked") == items(encoder, log, "liked")


def test_a_list_of_likes_is_one_shorter_in_the_rows_that_were_liked():
    """What it tells of its row, and test rows do not have: see the docstring."""
    encoder = fitted()
    length = np.array([len(found) for found in items(encoder, LOG, "liked")])
    liked = LOG.rating >= 4
    for user, whole in (("a", 2), ("b", 1)):
        of_user = LOG.user == user
        assert (length[of_user & liked] == whole - 1).all()
        assert (length[of_user & ~liked] == whole).all()


@given(st.integers(12, 60), st.integers(0, 9))
def test_a_history_knows_no_rating_of_validation_and_test_rows(n, seed):
    rng = np.random.default_rng(seed)
    rows = pd.DataFrame(
        {
            "user": rng.integers(0, 5, n),
            "film": rng.integers(0, 9, n),
            "rating": rng.integers(1, 6, n).astype(float),
        }
    )
    split = splits.random_rows(rows, seed)
    other = rows.copy()
    other.loc[[*split.valid.index, *split.test.index], "rating"] = 1.0
    again = splits.random_rows(other, seed)
    one, two = fitted(split.train), fitted(again.train)
    assert one.to_json() == two.to_json()


def test_real_histories_know_the_training_rows_alone():
    rows = datasets.load("ml-100k").ratings
    names = {"owner": "user_id", "item": "movie_id", "value": "rating"}
    both = {
        "liked": History(**names, at_least=4),
        "disliked": History(**names, below=4),
    }
    split = splits.random_rows(rows, 0)
    encoder = FieldEncoder(both).fit(split.train)
    lists = sum(h.table().astype("int32") for h in encoder.histories.values())
    seen = split.train.groupby("user_id").size()
    for part, own in zip(split, (1, 0, 0), strict=True):
        owner, item = encoder.transform(part)["liked"].T
        np.testing.assert_array_equal(lists[owner, item], own)
        np.testing.assert_array_equal(
            lists[owner].sum(1), part.user_id.map(seen).fillna(0)
        )


def test_an_own_item_is_an_item_whether_or_not_it_is_on_the_list():
    asked = pd.DataFrame({"user": ["a", "b"], "film": [8, 9]})
    assert fitted().transform(asked)["liked"].tolist() == [[1, 4], [2, 5]]


def test_narrow_ratings_keep_to_the_limits_that_they_print_as():
    log = LOG.assign(rating=pd.Series([0.7] * 3 + [0.6] * 3, dtype="float32"))
    assert fitted(log, one=History("user", "film", "rating", at_least=0.7))[
        "one"
    ].table().sum(axis=1).tolist() == [0, 3, 0]
    assert fitted(log, one=History("user", "film", "rating", below=0.7))[
        "one"
    ].table().sum(axis=1).tolist() == [0, 0, 3]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.integers(0, 5), st.integers(0, 10)), min_size=1
    ),
    st.integers(0, 10),
)
def test_half_open_limits_leave_no_gap_and_lists_are_those_of_plain_sets(log, cut):
    rows = pd.DataFrame(log, columns=["user", "film", "rating"])
    encoder = fitted(
        rows,
        low=History("user", "film", "rating", below=cut),
        high=History("user", "film", "rating", at_least=cut),
        all=History("user", "film"),
    )
    low, high, whole = (h.table() for h in encoder.histories.values())
    np.testing.assert_array_equal(low | high, whole)
    for name, wanted in (("low", rows.rating < cut), ("high", rows.rating >= cut)):
        expected = [
            {*rows.film[wanted & (rows.user == row.user)]} - {row.film}
            for row in rows.itertuples()
        ]
        assert items(encoder, rows, name) == expected


# other logs


def test_another_log_brings_lists_and_keeps_the_ids_of_items():
    encoder = fitted()
    table, before = encoder["liked"].table(), encoder.to_json()
    told = pd.DataFrame({"user": ["x", "y", "x"], "film": [5, 7, 99], "rating": 5.0})
    other = encoder["liked"].with_log(told)
    assert other.items_ == encoder["liked"].items_
    assert other.owners_ == ["x", "y"]
    assert [np.flatnonzero(row).tolist() for row in other.table()] == [[], [2], [3]]
    np.testing.assert_array_equal(encoder["liked"].table(), table)
    assert encoder.to_json() == before


def test_a_log_of_other_containers_is_the_same_log():
    told = pd.DataFrame({"user": ["x"], "film": [7.0], "rating": [5]})
    one = fitted()["liked"].with_log(told)
    other = fitted()["liked"].with_log(
        told.astype({"film": "Int64", "user": "category"})
    )
    np.testing.assert_array_equal(one.table(), other.table())
    with pytest.raises(ValueError, match="'film' does not hold numbers"):
        fitted()["liked"].with_log(told.astype({"film": str}))


def test_a_log_of_the_training_rows_changes_nothing():
    encoder = fitted()
    assert encoder.with_log(LOG).to_json() == encoder.to_json()
    assert encoder.with_log(LOG.iloc[::-1]).to_json() == encoder.to_json()


def test_another_log_leaves_arrays_that_were_handed_out_as_they_were():
    encoder = fitted()
    liked = encoder["liked"]
    before = liked.starts_.copy(), liked.entries_.copy(), [*liked.owners_]
    other = encoder.with_log(LOG.assign(rating=5.0, user=[*"xyzxyz"]))
    np.testing.assert_array_equal(liked.starts_, before[0])
    np.testing.assert_array_equal(liked.entries_, before[1])
    assert liked.owners_ == before[2]
    assert encoder["liked"] is liked and other["liked"] is not liked
    loaded = FieldEncoder.from_json(other.to_json())
    np.testing.assert_array_equal(loaded["liked"].table(), other["liked"].table())


def test_a_log_whose_items_are_all_unknown_is_told():
    told = pd.DataFrame({"user": "x", "film": [70, 80], "rating": 5.0})
    with pytest.warns(UserWarning, match="'film': none of its 2.*unknown"):
        other = fitted()["liked"].with_log(told)
    assert other.table().sum() == 0


@pytest.mark.parametrize(
    ("log", "says"),
    [
        (LOG.drop(columns="rating"), r"missing: \['rating'\]"),
        (LOG.assign(film=[7, 8, None, 7, 8, 5]), r"'film' has a missing.*\[2\]"),
        (LOG.assign(user=[1, 2, 3, 4, 5, 6]), "'user' does not hold text, as training"),
        (LOG.assign(rating=np.nan), "'rating' has a missing value in 6 of 6"),
        ({"user": "a"}, "not a dict"),
    ],
)
def test_a_log_is_checked_as_training_rows_are(log, says):
    encoder = fitted()
    before = encoder.to_json()
    with pytest.raises(ValueError, match=says):
        encoder.with_log(log)
    assert encoder.to_json() == before


def test_a_log_needs_what_was_learned():
    with pytest.raises(ValueError, match="History has learned nothing"):
        LIKED.with_log(LOG)


def test_an_empty_log_leaves_nobody_a_list():
    other = fitted()["liked"].with_log(LOG.head(0))
    assert other.table().shape == (1, 6)


# what is refused


@pytest.mark.parametrize("column", ["user", "film", "rating"])
def test_missing_columns_and_values_are_refused(column):
    with pytest.raises(ValueError, match=f"Columns are missing: \\['{column}'\\]"):
        fitted(LOG.drop(columns=column))
    holes = LOG.assign(**{column: LOG[column].astype(object).where(LOG.index != 2)})
    with pytest.raises(ValueError, match=f"{column!r} has a missing value in 1 of 6"):
        fitted(holes)


def test_values_of_histories_are_checked_as_those_of_fields_are():
    with pytest.raises(
        ValueError, match=r"'rating' is no finite number.*'good'.*\[2\]"
    ):
        fitted(LOG.assign(rating=[5, 3, "good", 4, 2, 1]))
    with pytest.raises(ValueError, match=r"'film' holds dates in 6 of 6"):
        fitted(LOG.assign(film=pd.Timestamp(0)))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"at_least": 4}, "name its column"),
        ({"value": "rating"}, "at_least or below"),
        ({"value": "rating", "at_least": 4, "below": 4}, "No value is at least 4"),
        ({"value": "rating", "at_least": 5, "below": 4}, "No value is at least 5"),
        ({"value": "rating", "at_least": np.nan}, "at_least is a finite number, not n"),
        ({"value": "rating", "below": np.inf}, "below is a finite number, not inf"),
        ({"value": "rating", "at_least": "four"}, "at_least is .* not 'four'"),
        ({"value": "rating", "below": [4]}, r"below is .* not \[4\]"),
        ({"value": "rating", "below": 10**400}, "below is a finite number"),
    ],
)
def test_limits_that_make_no_sense_are_refused(options, says):
    with pytest.raises(ValueError, match=says):
        History("user", "film", **options)


def test_a_table_that_is_too_large_is_refused_and_says_what_to_do(monkeypatch):
    monkeypatch.setattr("helpers.history.LARGEST", 17)  # 3 owners times 6 is 18
    with pytest.raises(ValueError, match="2 values of 'user' times 4 of 'film'.*Make"):
        fitted()
    monkeypatch.setattr("helpers.history.LARGEST", 18)
    fitted()


def test_a_table_takes_two_gib_at_most_without_being_built():
    n = 47_000
    log = pd.DataFrame({"user": np.arange(n), "film": np.arange(n), "rating": 5.0})
    says = f"{n} values of 'user' times {n} of 'film' are a table of 2.1 GiB, 2 at most"
    with pytest.raises(ValueError, match=says):
        FieldEncoder({"liked": History("user", "film")}).fit(log)
