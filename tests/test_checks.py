"""Checks: what they let pass, what they print, what they say when they fail."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from helpers import checks
from helpers.checks import Bound


def fails(check, *arguments, **options) -> str:
    with pytest.raises(AssertionError) as error:
        check("a claim", *arguments, **options)
    text = str(error.value)
    assert text.startswith("fails: a claim\n")
    return text.removeprefix("fails: a claim\n")


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (1.0, 1),
        (np.float32(0.1), 0.1),
        ([1, 2], np.array([1.0, 2.0])),
        ([[1.0, 2.0]], [[1.000009, 2.0]]),
        ("DeepFM", "DeepFM"),
        (["a", "b"], ("a", "b")),
        ([], []),
        (True, np.True_),
        (True, 1.000001),
        (1.000001, True),
        (np.uint8(1), np.int64(1)),
        ([np.inf, -np.inf, 1.0], [np.inf, -np.inf, 1.0]),
        ([["a"], ["b", "c"]], [["a"], ["b", "c"]]),
        ([1, None], [1, None]),
    ],
)
def test_values_that_agree_are_equal(actual, expected, capsys):
    checks.equal("a claim", actual, expected)
    assert capsys.readouterr() == ("holds: a claim\n", "")


def test_keras_tensors_and_variables_are_compared_by_value(capsys):
    checks.equal("tensor", keras.ops.ones((2, 1)), [[1.0], [1.0]])
    checks.equal("variable", keras.Variable([1.0, 2.0]), keras.ops.array([1.0, 2.0]))
    assert capsys.readouterr().out == "holds: tensor\nholds: variable\n"
    assert "largest gap 1" in fails(checks.equal, keras.ops.ones(3), [1.0, 2.0, 1.0])


@pytest.mark.parametrize(
    ("actual", "expected", "shapes"),
    [
        (np.ones((3, 1)), np.ones(3), "(3, 1) against (3,)"),
        (np.full((3, 1), np.nan), np.ones(3), "(3, 1) against (3,)"),
        (1.0, [1.0], "() against (1,)"),
        ([1.0] * 3, 1.0, "(3,) against ()"),
        (["a"], ["a", "b"], "(1,) against (2,)"),
        ([["a"], ["b", "c"]], [["a"], ["b"]], "(2,) against (2, 1)"),
    ],
)
def test_shapes_are_compared_before_values(actual, expected, shapes):
    assert fails(checks.equal, actual, expected) == f"shapes differ: {shapes}"


@pytest.mark.parametrize(
    ("actual", "expected"),
    [
        (np.nan, np.nan),
        ([1.0, np.nan], [1.0, np.nan]),
        ([np.nan], [1.0]),
        ([1.0], [np.nan]),
        (np.array([np.nan], dtype=object), np.array([np.nan], dtype=object)),
        ([np.inf], [-np.inf]),
        ([np.inf], [1.0]),
    ],
)
def test_nan_equals_nothing_and_infinity_itself_alone(actual, expected):
    assert "largest gap" in fails(checks.equal, actual, expected)


def test_the_largest_gap_is_named_with_its_place_and_the_number_of_gaps():
    actual, expected = np.zeros((2, 3)), np.zeros((2, 3))
    actual[0, 1], actual[1, 2] = 0.25, -0.5
    assert fails(checks.equal, actual, expected, tolerance=0.1) == (
        "largest gap 0.5, allowed 0.1; at (1, 2): -0.5 against 0.0, "
        "2 of 6 values differ"
    )


def test_the_gap_of_two_numbers_has_no_place():
    assert fails(checks.equal, 1.0, 3.0) == (
        "largest gap 2, allowed 1e-05; 1.0 against 3.0, 1 of 1 values differ"
    )


def test_unsigned_and_boolean_gaps_do_not_wrap_around():
    small, large = np.array([1], "uint8"), np.array([2], "uint8")
    assert "largest gap 1," in fails(checks.equal, small, large)
    assert "largest gap 1," in fails(checks.equal, [True], [False])


def test_the_tolerance_is_the_largest_gap_allowed(capsys):
    checks.equal("a claim", 1.0, 1.5, tolerance=0.5)
    assert "allowed 0.5" in fails(checks.equal, 1.0, 1.51, tolerance=0.5)


def test_one_wrong_value_among_many_is_enough():
    actual = np.zeros(10_000)
    actual[77] = 1e-3
    assert "at (77,)" in fails(checks.equal, actual, np.zeros(10_000))


def test_strings_and_lists_agree_exactly_or_not_at_all():
    assert "at (1,): b against c" in fails(
        checks.equal, ["a", "b"], ["a", "c"], tolerance=9
    )
    assert "1 of 1 values differ" in fails(checks.equal, "a", "b")
    assert "1 of 1 values differ" in fails(checks.equal, ["1"], [1])
    lists = [["a"], ["b", "c"]]
    assert "at (1,)" in fails(checks.equal, lists, [["a"], ["c", "b"]])


@pytest.mark.parametrize("value", [0.8, 0.85, 0.9, np.float32(0.875), np.array([0.85])])
def test_a_bound_includes_its_ends(value, capsys):
    checks.within("a claim", value, Bound(0.8, 0.9))
    checks.within("a claim", value, (0.8, 0.9))
    assert capsys.readouterr().out == "holds: a claim\n" * 2


@pytest.mark.parametrize("value", [0.7999, 0.9001, np.nan, np.inf, -np.inf])
def test_a_number_outside_its_bound_fails_and_so_does_nan(value):
    reason = fails(checks.within, value, (0.8, 0.9))
    assert reason == f"{value:.6g} is outside [0.8, 0.9]"


@pytest.mark.parametrize("bound", [(np.nan, 1.0), (0.0, np.nan), (1.0, 0.0)])
def test_a_bound_that_is_no_interval_holds_nothing(bound):
    assert "is outside" in fails(checks.within, 0.5, bound)


def test_a_bound_leaves_out_what_it_beats(capsys):
    for beaten in (0.79, np.float32(0.91), 0):
        checks.within("a claim", 0.85, Bound(0.8, 0.9), beats=beaten)
    assert capsys.readouterr().out == "holds: a claim\n" * 3
    for beaten in (0.8, 0.9):
        with pytest.raises(AssertionError, match=rf"\[0.8, 0.9\] holds {beaten} too"):
            checks.within("a claim", 0.85, (0.8, 0.9), beats=beaten)


def test_a_bound_that_is_measured_is_written_down_not_held(
    tmp_path, monkeypatch, capsys
):
    record = tmp_path / "record"
    monkeypatch.setenv("COURSE_RECORD", str(record))
    bounds = checks.load_bounds("ml-100k")
    checks.within("a claim", np.float32(0.5), bounds["05.new"], beats=1)
    checks.within("a claim", 0.25, bounds["05.other"])
    checks.within("a claim", 1, (0, 2))  # no bound of the course
    with pytest.raises(AssertionError):
        checks.within("a claim", 3, (0, 2))
    lines = record.read_text("utf-8").splitlines()
    assert lines == ['["05.new", 0.5, 1.0]', '["05.other", 0.25, null]']
    assert capsys.readouterr().out == "holds: a claim\n"


def test_one_number_is_below_another(capsys):
    checks.less("a claim", 0.85, keras.ops.array(0.9))
    assert capsys.readouterr().out == "holds: a claim\n"


@pytest.mark.parametrize("pair", [(1, 1), (2, 1), (np.nan, 1), (1, np.nan)])
def test_what_is_not_below_fails(pair):
    small, large = pair
    assert fails(checks.less, *pair) == f"{small:.6g} is not below {large:.6g}"


def test_what_says_its_numbers_only_when_asked_is_asked():
    """As tensors of some libraries, which are no arrays by themselves."""
    tensor = SimpleNamespace(numpy=lambda: np.array([1.0, 2.0]))
    checks.equal("a claim", tensor, [1.0, 2.0])
    assert "2.0 against 3.0" in fails(checks.equal, tensor, [1.0, 3.0])


def test_an_array_is_no_number():
    with pytest.raises(
        TypeError, match=r"^One number is compared, not an array of shape \(2,\)\.$"
    ):
        checks.within("a claim", [0.1, 0.2], (0, 1))
    with pytest.raises(TypeError, match=r"not an array of shape \(0,\)"):
        checks.less("a claim", [], 1)
    with pytest.raises(TypeError, match=r"not an array of shape \(1, 2\)"):
        checks.less("a claim", 0, [[1, 2]])


def test_nothing_is_printed_when_a_check_fails(capsys):
    fails(checks.equal, 1, 2)
    fails(checks.within, 1, (2, 3))
    fails(checks.less, 2, 1)
    assert capsys.readouterr().out == ""


def test_bounds_are_read_by_data_set_and_key(tmp_path):
    entry = {"low": 0.8, "high": 0.9, "mean": 0.85, "seeds": [0, 1, 2, 3, 4]}
    path = tmp_path / "bounds.json"
    path.write_text(json.dumps({"ml-100k": {"05.deepfm": entry}, "ml-1m": {}}), "utf-8")
    found = checks.load_bounds("ml-100k", path)
    assert found == {"05.deepfm": Bound(0.8, 0.9, "05.deepfm")}
    assert checks.load_bounds("ml-1m", path) == {}
    with pytest.raises(KeyError, match="ml-25m"):
        checks.load_bounds("ml-25m", path)


@pytest.mark.parametrize(
    ("check", "values"),
    [
        (checks.equal, (..., 1)),
        (checks.equal, (np.ones(2), ...)),
        (checks.within, (..., (0, 1))),
        (checks.less, (..., 1)),
        (checks.less, (1, ...)),
    ],
)
def test_an_answer_that_is_not_given_is_open(check, values, capsys):
    check("a claim", *values)
    assert capsys.readouterr().out == "open: a claim\n"
