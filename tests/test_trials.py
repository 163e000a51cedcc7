"""Trials of a benchmark: kept one by one, and measured anew where it is asked."""

import sys

import pytest

from benchmarks import results, trials, turns


@pytest.fixture(autouse=True)
def measured(monkeypatch, tmp_path) -> list:
    """No process but this one; what was measured and not taken from what is kept."""
    calls = []

    def alone(call, *args):
        calls.append(args[1:])
        return call(*args)

    monkeypatch.setattr(turns, "alone", alone)
    monkeypatch.setattr(trials, "TRIALS", tmp_path / "trials")
    monkeypatch.setattr(sys, "argv", ["growth"])
    return calls


def double(n: int) -> dict:
    return {"twice": (2 * n, "x" * n)}


def run(*numbers: int, dataset: str = "toy") -> list:
    series = trials.Trials("growth", dataset, 3)
    return [series.alone(double, n) for n in numbers]


def test_a_benchmark_goes_on_where_it_was_stopped(measured, capsys):
    first = run(1, 2)
    assert first == [{"twice": [2, "x"]}, {"twice": [4, "xx"]}]  # as JSON has it
    assert run(1, 2, 3)[:2] == first
    assert measured == [(1,), (2,), (3,)]
    said = [line.split(" · ") for line in capsys.readouterr().out.splitlines()]
    assert [line for line, _ in said[2:]] == [
        f"growth_toy {n}/3: double {n}" for n in (1, 2, 3)
    ]
    assert [how == "kept" for _, how in said] == [False, False, True, True, False]


def test_the_trials_of_another_set_or_call_are_others(measured):
    run(1)
    run(1, dataset="other")
    trials.Trials("growth", "toy", 1).alone(abs, 1)
    assert measured == [(1,)] * 3


def test_all_is_measured_anew_where_the_line_says_so(measured, monkeypatch):
    run(1, 2)
    run(1, dataset="other")
    monkeypatch.setattr(sys, "argv", ["growth", "--anew", "rows"])
    assert trials.words() == ["rows"]
    run(1)
    monkeypatch.setattr(sys, "argv", ["growth", "rows"])
    run(2)
    run(1)
    run(1, dataset="other")
    assert measured == [(1,), (2,), (1,), (1,), (2,)]


def test_a_line_that_was_cut_is_measured_anew(measured):
    run(1, 2)
    path = trials.TRIALS / "growth_toy.jsonl"
    path.write_text(path.read_text("utf-8")[:-9], "utf-8")
    run(1, 2)
    assert run(1, 2, 3) == [double_as_json(n) for n in (1, 2, 3)]
    assert measured == [(1,), (2,), (2,), (3,)]


def double_as_json(n: int) -> dict:
    return {"twice": [2 * n, "x" * n]}


def test_what_fails_is_not_kept(measured):
    series = trials.Trials("growth", "toy", 2)
    for _ in range(2):
        with pytest.raises(ValueError):
            series.alone(int, "x")
    assert measured == [("x",)] * 2


def test_a_file_or_a_package_that_changed_makes_it_anew(measured, monkeypatch):
    run(1)
    hashes = trials._hash
    changed = lambda name: hashes(name) + "!" * (name == "benchmarks/results.py")  # noqa: E731
    monkeypatch.setattr(trials, "_hash", changed)
    run(1)
    run(1)
    monkeypatch.setattr(results, "versions", lambda: {"keras": "4"})
    run(1)
    assert measured == [(1,)] * 3


def test_the_files_are_those_of_the_project_that_are_loaded():
    result, files = trials.with_files(double, 1)
    assert result == double(1)
    assert {"benchmarks/trials.py", "benchmarks/turns.py"} <= {*files}
    assert {name.split("/")[0] for name in files} <= {"helpers", "benchmarks"}
    assert {len(found) for found in files.values()} == {64}


def test_a_trial_runs_in_a_process_of_its_own(monkeypatch):
    monkeypatch.undo()
    result, files = turns.alone(trials.with_files, len, "abc")
    assert result == 3
    assert "benchmarks/trials.py" in files and "helpers/models.py" not in files
