"""What the benchmarks keep: whole, repeatable, and what README says of it."""

import json
import os
import platform
import runpy
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import keras
import pytest

from benchmarks import figures, results, trials, turns
from helpers import best, datasets, splits, training

KEPT = sorted(results.RESULTS.glob("*.json"))


@pytest.fixture
def here(monkeypatch, tmp_path) -> Path:
    folder = tmp_path / "results"
    monkeypatch.setattr(results, "RESULTS", folder)
    return folder


def test_what_is_written_is_read_again_with_all_that_made_it(here, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["a/speed.py", "ml-100k", "3", "two words"])
    assert results.read("speed", "ml-100k") is None
    before = datetime.now(UTC).date()
    out = results.write("speed", "ml-100k", {"ours": 1.5}, seeds=[0], rounds=3)
    assert out == here / "speed_ml-100k.json" and [*here.iterdir()] == [out]
    kept = results.read("speed", "ml-100k")
    assert kept.pop("date") in {f"{before}", f"{datetime.now(UTC).date()}"}
    assert kept == {
        "benchmark": "speed",
        "dataset": "ml-100k",
        "command": "python -m benchmarks.speed ml-100k 3 'two words'",
        "machine": results.machine(),
        "versions": results.versions(),
        "settings": {"seeds": [0], "rounds": 3},
        "figures": {"ours": 1.5},
    }
    text = out.read_text("utf-8")
    assert text == json.dumps(json.loads(text), indent=1) + "\n"  # a line a number
    results.write("speed", "ml-100k", {"ours": 2.5})
    assert results.read("speed", "ml-100k")["figures"] == {"ours": 2.5}


def test_a_file_is_written_whole_or_not_at_all(here, monkeypatch):
    results.write("speed", "toy", {"ours": 1.5})
    (file,) = here.iterdir()
    before = file.read_text("utf-8")
    with pytest.raises(TypeError):
        results.write("speed", "toy", {"ours": object()})
    write = Path.write_text

    def cut_short(path, text, encoding):
        write(path, text[: len(text) // 2], encoding)
        raise OSError("the disk is full")

    monkeypatch.setattr(Path, "write_text", cut_short)
    with pytest.raises(OSError, match="full"):
        results.write("speed", "toy", {"ours": 2.5})
    assert [*here.iterdir()] == [file]
    assert file.read_text("utf-8") == before


def test_versions_are_those_of_what_is_installed(monkeypatch):
    monkeypatch.setattr(results, "PACKAGES", ("keras", "no-such-package", "numpy"))
    found = results.versions()
    assert [*found] == ["python", "keras", "numpy"]
    assert found["keras"] == keras.__version__
    assert found["python"] == platform.python_version()


def test_the_machine_is_named(monkeypatch):
    sizes = {"SC_PAGE_SIZE": 2**12, "SC_PHYS_PAGES": 3 * 2**18 + 2**16}
    monkeypatch.setattr(os, "sysconf", sizes.get)
    monkeypatch.setattr(os, "sched_getaffinity", {0: {1, 5, 6}}.get)
    monkeypatch.setattr(results, "processor", lambda: "Abacus")
    assert results.machine() == {
        "processor": "Abacus",
        "cores": 3,
        "memory_gib": 3.2,
        "system": f"{platform.system()} {platform.machine()}",
    }


def test_a_processor_has_the_name_that_the_system_tells(monkeypatch):
    monkeypatch.setattr(platform, "processor", lambda: "some")
    told = "processor\t: 0\nmodel name\t: A: B 3\nflags: x\nmodel name\t: other\n"

    def read_text(path, encoding):
        assert str(path) == "/proc/cpuinfo"
        if told is None:
            raise FileNotFoundError(path)
        return told

    monkeypatch.setattr(Path, "read_text", read_text)
    assert results.processor() == "A: B 3"
    told = "Processor: ARM\n"
    assert results.processor() == "some"
    told = None
    assert results.processor() == "some"


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_result_says_how_it_came_to_be(path):
    kept = json.loads(path.read_text("utf-8"))
    assert path == results.path(kept["benchmark"], kept["dataset"])
    for key in ("command", "date", "machine", "versions", "settings", "figures"):
        assert kept[key]
    program = kept["command"].split()[2].removeprefix("benchmarks.")
    assert Path(results.__file__).with_name(f"{program}.py").exists()
    assert kept["benchmark"].startswith(program)
    assert {*kept["machine"]} == {*results.machine()}


def test_the_device_is_that_of_keras_or_the_processor(monkeypatch):
    monkeypatch.setattr(results, "processor", lambda: "P 1")
    monkeypatch.delitem(sys.modules, "keras", raising=False)
    assert results.device() == "P 1"

    def keras(name):
        return SimpleNamespace(backend=SimpleNamespace(backend=lambda: name))

    monkeypatch.setitem(sys.modules, "keras", keras("tensorflow"))
    assert results.device() == "tensorflow, P 1"
    chip = SimpleNamespace(device_kind="GPU 9")
    jax = SimpleNamespace(__version__="0.9", devices=lambda: [chip])
    monkeypatch.setitem(sys.modules, "jax", jax)
    monkeypatch.setitem(sys.modules, "keras", keras("jax"))
    assert results.device() == "jax 0.9, GPU 9"


def test_versions_of_all_that_was_measured_are_kept():
    kept = [json.loads(path.read_text("utf-8"))["versions"] for path in KEPT]
    assert {name for found in kept for name in found} == {"python", *results.PACKAGES}


def test_both_readmes_have_the_figures_that_were_kept():
    both = (figures.README, figures.table()), (figures.DETAILS, figures.details())
    for path, lines in both:
        text = path.read_text("utf-8")
        between = text.split(figures.BEGIN)[1].split(figures.END)[0]
        assert between.strip() == lines.strip()


# The programs -----------------------------------------------------------------------


class Reached(Exception):
    """How far a program came, and with what."""


@pytest.fixture
def started(monkeypatch, tmp_path):
    """Called with a name and its line: what the program asks for first."""

    def reached(*given, **named):
        raise Reached(*(getattr(x, "__name__", x) for x in given), named)

    sets = SimpleNamespace(
        joined=lambda: "rows", users=SimpleNamespace(sample=reached), movies="movies"
    )
    monkeypatch.setattr(results, "read", lambda name, dataset: None)
    monkeypatch.setattr(datasets, "load", {"ml-100k": sets, "ml-1m": sets}.get)
    monkeypatch.setattr(splits, "random_rows", lambda rows, seed: (rows, seed))
    monkeypatch.setattr(best, "split", lambda rows, seed: (rows, seed))
    target, encoder = SimpleNamespace(intercept=0.0), SimpleNamespace(specs=[])
    data = SimpleNamespace(target=target, encoder=encoder)
    monkeypatch.setattr(training, "prepare", lambda *given: data)
    monkeypatch.setattr("helpers.models.deepfm", lambda *given, **named: None)
    monkeypatch.setattr("helpers.models.set_lists", lambda *given: None)
    monkeypatch.setattr(turns, "race", reached)

    def alone(kept, call, *args):
        """The trial of a race is that race; all others tell what is asked."""
        if name_of(call) in ("training_speed.py", "scoring.py"):
            return call(*args)
        return reached(call, *args)

    monkeypatch.setattr(turns, "alone", alone)
    monkeypatch.setattr(trials, "TRIALS", tmp_path / "trials")

    def start(name: str, *line: str) -> tuple:
        monkeypatch.setattr(sys, "argv", [name, *line])
        with pytest.raises(Reached) as ended:
            program = Path(results.__file__).with_name(f"{name}.py")
            runpy.run_path(str(program), run_name="__main__")
        return ended.value.args

    return start


def name_of(call) -> str:
    return Path(call.__code__.co_filename).name


ALL = ["ours", "ours_jax", "deepctr", "pytorch", "floor"]


def test_the_programs_start_with_what_their_lines_say(started):
    _, *race, _ = started("training_speed", "ml-1m", "7")
    assert race == [ALL, 7]
    _, *race, _ = started("training_speed")
    assert race == [ALL, 15]
    assert started("scoring", "ml-1m", "7") == (7, {"random_state": 0})
    assert started("scoring") == (5, {"random_state": 0})
    assert started("growth", "rows") == ("with_rows", 10_000, {})
    assert started("growth", "ids") == ("with_ids", 10_000, "keras.Adam", {})
    assert started("scale") == started("scale", "rows") == ("through", 100_000, {})
    assert started("scale", "300") == ("through", 300, {})
    assert started("scale", "speed") == ("in_turns", 3, {})
    assert started("scale", "order") == ("by_order", 0, "user_id", {})
    assert started("lists", "ml-1m", "2") == (
        "linear",
        "ml-1m",
        "most popular",
        {},
    )
    run = started("accuracy", "ml-1m", "ours")
    assert run == ("run", "ours", "ml-1m", 0, {}, False, {})
    baseline = {"name": "BaselineOnly"}
    run = ("run", "Surprise BaselineOnly", "ml-100k", 0, baseline, False, {})
    assert started("accuracy") == run


def test_the_program_of_the_figures_reads_what_was_kept(monkeypatch):
    def read(name, dataset):
        raise Reached(name, dataset)

    monkeypatch.setattr(results, "read", read)
    with pytest.raises(Reached) as ended:
        runpy.run_path(figures.__file__, run_name="__main__")
    assert ended.value.args == ("accuracy", "ml-100k")
