"""The search that every contender gets."""

from benchmarks import search

SPACE = {"k": [4, 8, 16], "units": [(32,), (64, 64)], "l2": [0.1, 0.01, 0.2]}


def test_draws_are_the_same_and_more_of_them_begin_with_them():
    few, many = search.drawn(SPACE, 5), search.drawn(SPACE, 60)
    assert many[:5] == few
    for name, values in SPACE.items():
        assert {trial[name] for trial in many} == {*values}


def test_settings_are_drawn_apart_from_each_other():
    pairs = {(trial["k"], trial["l2"]) for trial in search.drawn(SPACE, 200)}
    assert len(pairs) == 9


def test_an_edge_is_the_least_the_most_or_beyond():
    inside = {"k": 8, "units": (32,), "l2": 0.1, "other": 0}
    assert search.at_edge(SPACE, inside) == []
    assert search.at_edge(SPACE, inside | {"k": 4}) == ["k"]
    assert search.at_edge(SPACE, inside | {"k": 32, "l2": 0.01}) == ["k", "l2"]


def test_what_the_first_trial_leaves_to_the_maker_has_no_edge():
    assert search.at_edge(SPACE, {"k": 8}) == []
