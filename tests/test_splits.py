"""Splits: every row in one part, nothing of a later part known to an earlier one."""

import datetime
import hashlib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import datasets, splits

SEEDS = st.integers(0, 2**32 - 1)


def table(users: list[int], times: list[int] | None = None) -> pd.DataFrame:
    """One row a user named; the index tells the rows apart and is in no order."""
    n = len(users)
    rows = pd.DataFrame({"user_id": users, "timestamp": times or [*range(n)]})
    return rows.assign(rating=3.0).set_index(np.arange(n)[::-1] * 3 + 5)


def assert_partition(parts: splits.Split, rows: pd.DataFrame) -> None:
    """Every row in one part, none twice, columns and labels as they were."""
    together = pd.concat(parts)
    assert together.index.is_unique
    pd.testing.assert_frame_equal(together.loc[rows.index], rows)


@pytest.mark.parametrize("seed", [0, 3])
@pytest.mark.parametrize("n", [10, 19, 100, 257])
def test_random_rows_are_those_that_are_written_down(n, seed):
    rows = table([1] * n)
    train, valid, test = splits.random_rows(rows, seed)
    order, tenth = np.random.default_rng(seed).permutation(n), n // 10
    pd.testing.assert_frame_equal(test, rows.iloc[order[:tenth]])
    pd.testing.assert_frame_equal(valid, rows.iloc[order[tenth : 2 * tenth]])
    pd.testing.assert_frame_equal(train, rows.iloc[order[2 * tenth :]])
    assert_partition((train, valid, test), rows)


def test_random_rows_do_not_depend_on_the_content():
    one, two = pd.DataFrame({"a": range(50)}), pd.DataFrame({"b": ["x"] * 50})
    for a, b in zip(
        splits.random_rows(one, 7), splits.random_rows(two, 7), strict=True
    ):
        np.testing.assert_array_equal(a.index, b.index)


@given(st.lists(st.integers(0, 30), min_size=1, max_size=200), SEEDS)
def test_no_user_is_in_two_parts(extra, seed):
    users = [*range(10), *extra]
    rows = table(users)
    parts = splits.unseen_users(rows, seed)
    assert_partition(parts, rows)
    seen = [{*part.user_id} for part in parts]
    assert sum(map(len, seen)) == len({*users})
    tenth = len({*users}) // 10
    assert [len(s) for s in seen[1:]] == [tenth, tenth]


def test_other_seeds_choose_other_users():
    rows = table([*range(200)])
    drawn = {tuple(splits.unseen_users(rows, seed)[2].user_id) for seed in range(5)}
    assert len(drawn) == 5


@given(st.lists(st.integers(0, 1000), min_size=10, max_size=200))
def test_no_row_is_older_than_any_of_the_part_before(times):
    rows = table([1] * len(times), times)
    try:
        parts = splits.later_ratings(rows)
    except ValueError as error:
        assert "moments apart" in str(error)
        later = sorted(times)[-2 * (len(times) // 10) - 1 :]
        assert len({*later}) < 3 or len({*times}) < 3 or later.count(max(later)) > 1
        return
    assert_partition(parts, rows)
    train, valid, test = (part.timestamp for part in parts)
    assert train.max() < valid.min() <= valid.max() < test.min()
    assert len(test) <= len(times) // 10
    assert len(valid) + len(test) <= 2 * (len(times) // 10)


def test_later_ratings_are_the_last_tenths_where_every_moment_is_its_own():
    rows = table([1] * 57, [*np.random.default_rng(0).permutation(57)])
    train, valid, test = splits.later_ratings(rows)
    assert sorted(test.timestamp) == [52, 53, 54, 55, 56]
    assert sorted(valid.timestamp) == [47, 48, 49, 50, 51]


@pytest.mark.parametrize("n", [0, 9])
@pytest.mark.parametrize(
    ("split", "what"),
    [
        (lambda rows: splits.random_rows(rows, 0), "rows"),
        (lambda rows: splits.unseen_users(rows, 0), "values of 'user_id'"),
        (splits.later_ratings, "rows"),
    ],
)
def test_fewer_than_ten_cannot_be_split(split, what, n):
    with pytest.raises(ValueError, match=f"^{n} {what} cannot be split"):
        split(table([*range(9)]).head(n))


@pytest.mark.parametrize("times", [[0] * 40, [0] * 20 + [1] * 20])
def test_a_set_without_timestamps_cannot_be_split_by_time(times):
    with pytest.raises(ValueError, match="'timestamp' tells only .* moments apart"):
        splits.later_ratings(table([1] * 40, times))


def test_a_missing_time_is_refused():
    rows = table([1] * 40)
    rows["timestamp"] = rows.timestamp.where(rows.timestamp > 2)
    with pytest.raises(
        ValueError, match="'timestamp' has a missing value in 3 of 40 rows"
    ):
        splits.later_ratings(rows)


def test_the_splits_hold_on_real_ratings():
    rows = datasets.load("ml-100k").ratings
    for parts in (splits.unseen_users(rows, 0), splits.later_ratings(rows)):
        assert_partition(parts, rows)
        assert all(0.05 < len(part) / len(rows) < 0.15 for part in parts[1:])
    train, valid, test = (part.timestamp for part in splits.later_ratings(rows))
    assert train.max() < valid.min() <= valid.max() < test.min()


DAY = pd.Timestamp("2001-01-01")
IN_TIME = {
    "numbers in text": lambda i: [str(x) for x in i],
    "nullable": lambda i: pd.array(i, dtype="Int64"),
    "Arrow": lambda i: pd.array(i, dtype="int64[pyarrow]"),
    "category": lambda i: pd.Categorical(i),
    "float32": lambda i: np.array(i, "float32"),
    "nanoseconds": lambda i: np.array(i) + 10**18,
    "dates": lambda i: pd.to_datetime(np.array(i), unit="D"),
    "dates of a zone": lambda i: pd.to_datetime(np.array(i), unit="h").tz_localize(
        "Asia/Tokyo"
    ),
    "dates of Arrow": lambda i: pd.array(
        pd.to_datetime(np.array(i), unit="s"), dtype="timestamp[s][pyarrow]"
    ),
    "days as objects": lambda i: [DAY.date() + datetime.timedelta(int(x)) for x in i],
    "category of dates": lambda i: pd.Categorical(
        pd.to_datetime(np.array(i), unit="D")
    ),
    "spans": lambda i: pd.to_timedelta(np.array(i), unit="s"),
}


@pytest.mark.parametrize("form", [*IN_TIME])
def test_times_are_in_the_order_of_time_in_every_container(form):
    order = np.random.default_rng(0).permutation(57) + 50  # of 2 and of 3 digits
    expected = splits.later_ratings(table([1] * 57, [*order]))
    rows = table([1] * 57)
    rows["timestamp"] = IN_TIME[form]([int(i) for i in order])
    for part, wanted in zip(splits.later_ratings(rows), expected, strict=True):
        assert part.index.tolist() == wanted.index.tolist()


def test_what_is_no_time_is_refused_with_its_row():
    rows = table([1] * 40, [*range(40)])
    for odd, says in (("noon", "'noon'"), ([1], "holds lists"), (b"1", "no usable")):
        rows["timestamp"] = pd.Series([*range(39), odd], rows.index, dtype=object)
        with pytest.raises(ValueError, match=rf"'timestamp'.*{says}.*in rows \[5\]"):
            splits.later_ratings(rows)
    rows["timestamp"] = [f"{month}/2001" for month in range(40)]
    with pytest.raises(ValueError, match="'timestamp' is no finite number in 40 of 40"):
        splits.later_ratings(rows)
    rows["timestamp"] = pd.period_range("2001", periods=40, freq="D")
    with pytest.raises(ValueError, match=r"to_timestamp\(\)"):
        splits.later_ratings(rows)


def test_users_that_are_lists_are_refused_with_their_rows():
    rows = table([*range(20)])
    rows["user_id"] = [[i] for i in range(20)]
    with pytest.raises(ValueError, match="'user_id' holds lists in 20 of 20 rows"):
        splits.unseen_users(rows, 0)


def test_users_may_be_of_any_kind():
    rows = table([*range(24)], [*range(24)])
    for users in (
        [*map(str, range(24))],
        pd.date_range("2001-01-01", periods=24),
        pd.Categorical(range(24)),
        [*range(12), *"abcdefghijkl"],
    ):
        split = splits.unseen_users(rows.assign(user_id=users), 0)
        assert [len(part) for part in split] == [20, 2, 2]


@pytest.mark.parametrize(
    "index",
    [
        [0] * 40,
        pd.date_range("2001-01-01", periods=40)[::-1],
        pd.MultiIndex.from_product([range(8), range(5)]),
        [None, *range(39)],
    ],
    ids=["twice", "dates", "levels", "missing"],
)
def test_any_index_is_kept_and_plays_no_part(index):
    rows = table([*range(20)] * 2, [*range(40)]).reset_index(drop=True)
    labelled = rows.set_axis(index)
    for split in (
        lambda rows: splits.random_rows(rows, 0),
        lambda rows: splits.unseen_users(rows, 0),
        splits.later_ratings,
    ):
        for part, wanted in zip(split(labelled), split(rows), strict=True):
            pd.testing.assert_frame_equal(part, labelled.iloc[wanted.index])


def test_the_rows_given_are_not_changed():
    rows = table([*range(20)] * 2, [*range(40)])
    before = rows.copy()
    (
        splits.random_rows(rows, 0),
        splits.unseen_users(rows, 0),
        splits.later_ratings(rows),
    )
    pd.testing.assert_frame_equal(rows, before)


def test_rows_without_a_user_stay_together_and_are_not_lost():
    rows = table([None] * 5 + [*range(20)] * 2, [0] * 45)
    for seed in range(5):
        split = splits.unseen_users(rows, seed)
        assert_partition(split, rows)
        assert sum(part.user_id.isna().any() for part in split) == 1


def test_a_split_has_names():
    split = splits.random_rows(table([1] * 40, [0] * 40), 0)
    assert [len(split.train), len(split.valid), len(split.test)] == [32, 4, 4]


def test_a_missing_column_is_named():
    rows = table([1] * 40, [0] * 40)
    with pytest.raises(ValueError, match=r"missing: \['customer'\]"):
        splits.unseen_users(rows, 0, user="customer")
    with pytest.raises(ValueError, match=r"missing: \['when'\]"):
        splits.later_ratings(rows, time="when")
    with pytest.raises(ValueError, match="not a dict"):
        splits.random_rows({"a": 1}, 0)


# for lists


def test_the_split_of_mcrec_has_the_rows_of_the_file_and_no_others():
    rows = pd.DataFrame({"n": np.arange(100_000)})
    split = splits.mcrec(rows)
    digest = hashlib.sha256(splits.MCREC.read_bytes()).hexdigest()
    assert (
        digest.startswith("18da739f608a1c25") and splits.MCREC.stat().st_size == 12500
    )
    assert [*map(len, split)] == [80_000, 0, 20_000]
    test = np.unpackbits(np.frombuffer(splits.MCREC.read_bytes(), "uint8"))
    np.testing.assert_array_equal(split.test.n, np.flatnonzero(test))
    np.testing.assert_array_equal(split.train.n, np.flatnonzero(1 - test))


def test_validation_rows_of_mcrec_are_a_fifth_of_its_training_rows():
    rows = pd.DataFrame({"n": np.arange(100_000)})
    whole, split = splits.mcrec(rows), splits.mcrec(rows, seed=3)
    assert [*map(len, split)] == [64_000, 16_000, 20_000]
    order = np.random.default_rng(3).permutation(80_000)
    np.testing.assert_array_equal(
        split.valid.n, whole.train.n.to_numpy()[order[:16000]]
    )
    assert {*split.train.n} | {*split.valid.n} == {*whole.train.n}
    pd.testing.assert_frame_equal(split.test, whole.test)
    with pytest.raises(ValueError, match="10 rows are not the 100000 ratings"):
        splits.mcrec(rows[:10])


@given(st.lists(st.integers(0, 8), min_size=10, max_size=120), SEEDS)
def test_each_user_has_a_fifth_of_their_rows_in_test(users, seed):
    rows = pd.DataFrame({"user_id": users, "n": np.arange(len(users))})
    train, valid, test = splits.of_each_user(rows, seed)
    assert sorted([*train.n, *test.n]) == [*range(len(rows))] and not len(valid)
    number = rows.user_id.value_counts()
    of_test = test.user_id.value_counts().reindex(number.index, fill_value=0)
    np.testing.assert_array_equal(of_test, number // 5)
    again = splits.of_each_user(rows, seed)
    assert again.test.n.tolist() == test.n.tolist()
    # any row of a user may be one of test: the order is drawn
    mixed = np.random.default_rng(seed).permutation(len(rows))
    for _, own in test.groupby("user_id"):
        of_user = [n for n in mixed if rows.user_id[n] == own.user_id.iloc[0]]
        assert sorted(own.n) == sorted(of_user[: len(own)])
