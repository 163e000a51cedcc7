"""Vocabularies: what is counted, what has an id, what is said of strangers."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import values, vocabulary
from helpers.vocabulary import FIRST, PADDING, UNKNOWN, Hashed


def found(*column) -> values.Distinct:
    return values.distinct(pd.Series([*column], name="c", dtype=object))


def test_padding_and_unknown_come_before_all_values():
    assert (PADDING, UNKNOWN, FIRST) == (0, 1, 2)


def test_values_are_counted_by_rows_and_missing_ones_as_none():
    frequency: Counter = Counter()
    vocabulary.tally(frequency, found("b", "a", None, "b"))
    vocabulary.tally(frequency, found("b", None))
    vocabulary.tally(frequency, found("a"), np.array([5]))
    assert frequency == {"b": 3, "a": 6, None: 2}
    assert {type(count) for count in frequency.values()} == {int}


def test_nothing_missing_leaves_no_word_of_it():
    frequency: Counter = Counter()
    vocabulary.tally(frequency, found("a"))
    assert None not in frequency


def test_a_column_of_no_rows_adds_nothing():
    frequency: Counter = Counter({"a": 1})
    vocabulary.tally(frequency, found())
    assert frequency == {"a": 1}


def test_known_are_those_seen_often_enough_in_their_order():
    frequency = Counter({"b": 2, "a": 1, "c": 3, None: 9})
    assert vocabulary.known(frequency) == ["a", "b", "c"]
    assert vocabulary.known(frequency, 2) == ["b", "c"]
    assert vocabulary.known(frequency, 4) == []


def test_a_count_tells_its_kind():
    assert vocabulary.kind_of(Counter({None: 1, "a": 1})) == "text"
    assert vocabulary.kind_of(Counter({None: 1, 0: 1})) == "numbers"
    assert vocabulary.kind_of(Counter({None: 1})) is None
    assert vocabulary.kind_of(Counter()) is None


@pytest.mark.parametrize(("one", "other"), [("a", 1), (1, "a")])
def test_a_frame_of_another_kind_than_those_before_is_refused(one, other):
    frequency: Counter = Counter()
    vocabulary.tally(frequency, found(one))
    with pytest.raises(ValueError, match=r"'c' does not hold .*1 of 2 .*\[1\]"):
        vocabulary.tally(frequency, found(None, other))
    assert frequency == {one: 1}


def test_ids_are_those_of_the_vocabulary_and_1_for_strangers():
    ids = vocabulary.ids(found("b", "x", "a"), {"a": 2, "b": 3}, "text")
    assert (ids.tolist(), ids.dtype) == ([3, 1, 2], "int32")
    with pytest.raises(ValueError, match="does not hold numbers, as training does"):
        vocabulary.ids(found("b"), {1: 2}, "numbers")


def test_a_column_of_strangers_is_told_once_there_are_several(recwarn):
    known = {"a": 2, "b": 3, "c": 4, "d": 5}
    vocabulary.ids(found("x", "x"), known, "text")
    vocabulary.ids(found("x", "y", "a"), known, "text")
    vocabulary.ids(found("x", "y"), {}, None)  # of nothing, nothing is known
    vocabulary.ids(found(), known, "text")
    assert not recwarn.list
    words = (
        "Column 'c': none of its 2 different values was seen in training, so all count "
        "as unknown. The first is 'x'; training had 'a', 'b', 'c'."
    )
    with pytest.warns(UserWarning) as said:
        assert vocabulary.ids(found("x", "y"), known, "text").tolist() == [1, 1]
    assert [str(warning.message) for warning in said] == [words]


# The ids of these values may never change: saved models depend on them.
WRITTEN = {"ios": 99, "é": 75, 7: 44, 0.5: 94, "7": 6, "": 80, "\ud800": 16, 2**70: 69}


def test_hashes_are_those_that_are_written_down():
    hashed = Hashed(100)
    assert {value: hashed.get(value) for value in WRITTEN} == WRITTEN


@given(
    st.one_of(st.text(), st.integers(), st.floats(allow_nan=False)), st.integers(1, 99)
)
def test_every_value_has_a_bucket(value, buckets):
    hashed = Hashed(buckets)
    assert len(hashed) == buckets
    assert FIRST <= hashed.get(value) < FIRST + buckets
    assert hashed.get(value, None) == hashed.get(value)
