"""The trials of a benchmark: each is kept as soon as it is measured.

A benchmark that was stopped goes on after the last trial that it had finished. A kept
trial counts where its call, the versions of the packages, and all files of this project
that its process had loaded are as they were; else it is measured anew.
"""

import hashlib
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from benchmarks import results, turns

ROOT = Path(__file__).resolve().parent.parent
TRIALS = ROOT / "build" / "trials"
RACE = ("speed_worker", "floor", "rivals_torch")  # run by processes of training_speed
ANEW = "--anew"  # on a command line: no kept trial counts


class Trials:
    """Runs trials in processes of their own, or gives what was kept of them.

    total: how many there will be, or at most.
    """

    def __init__(self, benchmark: str, dataset: str, total: int):
        self.path = TRIALS / f"{benchmark}_{dataset}.jsonl"
        self.number, self.total = 0, total
        if ANEW in sys.argv:
            self.path.unlink(missing_ok=True)

    def alone(self, call: Callable, *args):
        """What call(*args) gives, as JSON has it. A line says which trial it is."""
        asked = [call.__name__, *json.loads(json.dumps(args))]
        self.number += 1
        words = " ".join(str(word) for word in asked if word != {})
        print(
            f"{self.path.stem} {self.number}/{self.total}: {words}", end="", flush=True
        )
        for trial in self._kept():
            if trial["asked"] == asked and _is_as_it_was(trial):
                print(" · kept", flush=True)
                return trial["result"]
        start = time.perf_counter()
        result, files = turns.alone(with_files, call, *args)
        trial = {"asked": asked, "result": result}
        trial |= {"versions": results.versions(), "files": files}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as kept:
            kept.write(f"\n{json.dumps(trial)}")
        print(f" · {time.perf_counter() - start:.0f} s", flush=True)
        return json.loads(json.dumps(result))

    def _kept(self) -> list[dict]:
        """The last one of a benchmark that was killed may be half a line: no JSON."""
        if not self.path.exists():
            return []
        found = []
        for line in self.path.read_text("utf-8").splitlines():
            with suppress(ValueError):
                found.append(json.loads(line))
        return found


def with_files(call: Callable, *args) -> tuple:
    """call(*args), and the files of this project that it needed, with their hashes."""
    result = call(*args)
    loaded = {getattr(module, "__file__", None) for module in [*sys.modules.values()]}
    folders = tuple(f"{ROOT / name}{os.sep}" for name in ("helpers", "benchmarks"))
    ours = [file for file in loaded if file and file.startswith(folders)]
    ours = [Path(file).relative_to(ROOT).as_posix() for file in ours]
    if "benchmarks/training_speed.py" in ours:
        ours += [f"benchmarks/{name}.py" for name in RACE]
    return result, {name: _hash(name) for name in sorted({*ours})}


def words() -> list[str]:
    """The words of the command line that are not --anew."""
    return [word for word in sys.argv[1:] if word != ANEW]


def _is_as_it_was(trial: dict) -> bool:
    same = all(_hash(name) == found for name, found in trial["files"].items())
    return same and trial["versions"] == results.versions()


def _hash(name: str) -> str:
    path = ROOT / name
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""
