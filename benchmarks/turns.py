"""Processes of their own, alone or in turn: who is how much faster.

In a race all wait while one trains, and every round has one epoch of each, so that a
busy machine slows all of them.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
SETTINGS = {"k": 20, "units": [64, 64], "batch": 2048, "rate": 1e-3}
PAUSE = 0.05  # seconds between two turns: threads that still spin come to rest


def alone(call: Callable, *args):
    """call(*args) in a fresh process: no library meets another, its memory is its own.

    What it prints is lost, progress bars among it; what it raises is raised here.
    """
    spawn = get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=_silence) as pool:
        return pool.submit(call, *args).result()


def _silence() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):
        os.dup2(nowhere, descriptor)


def write_task(folder: Path, prepared) -> None:
    """Training rows, specs, target and SETTINGS, for the workers."""
    specs = [asdict(s) for s in prepared.encoder.specs]
    state = {"specs": specs, "target": prepared.target.state(), **SETTINGS}
    (folder / "task.json").write_text(json.dumps(state), "utf-8")
    np.savez(folder / "task.npz", y=prepared.train.y, **prepared.train.x)


class Worker:
    """A process that runs one epoch on command."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.log = folder / f"{name}.log"
        command = [sys.executable, "-m", "benchmarks.speed_worker", name, str(folder)]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def answer(self) -> dict:
        """The next line of the worker. Raises RuntimeError where it has died."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} died:\n{self.log.read_text()[-3000:]}")
        return json.loads(line)

    def epoch(self) -> dict:
        """Let it train one epoch: seconds, cpu_seconds and rmse."""
        time.sleep(PAUSE)
        with suppress(BrokenPipeError):  # answer() says why
            self.process.stdin.write("epoch\n")
            self.process.stdin.flush()
        return self.answer()

    def stop(self) -> None:
        """Close its input, at which it ends."""
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def race(prepared, names: list[str], rounds: int, warm_up: int = 2) -> dict[str, dict]:
    """Rounds in which each contender trains one epoch.

    warm_up: first rounds that are not counted; in them code is compiled.
    ->  name -> parameters, first_epoch (seconds), seconds, cpu_seconds and rmse (lists)
    """
    with tempfile.TemporaryDirectory() as folder:
        write_task(Path(folder), prepared)
        workers = [Worker(name, Path(folder)) for name in names]
        try:
            runs = {w.name: w.answer() for w in workers}
            turns = [
                {w.name: w.epoch() for w in workers} for _ in range(warm_up + rounds)
            ]
        finally:
            for w in workers:
                w.stop()
    for name, run in runs.items():
        run["first_epoch"] = turns[0][name]["seconds"]
        for key in ("seconds", "cpu_seconds", "rmse"):
            run[key] = [turn[name][key] for turn in turns[warm_up:]]
    return runs


def seconds(call: Callable, *args) -> float:
    """Of one call."""
    start = time.perf_counter()
    call(*args)
    return time.perf_counter() - start


def quartiles(values: list[float]) -> dict[str, float]:
    """Median and the middle half: median, low, high."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": median, "low": low, "high": high}


def ratios(runs: dict[str, dict], above: str, below: str, key="seconds") -> dict:
    """Quartiles of above / below, round by round."""
    pairs = zip(runs[above][key], runs[below][key], strict=True)
    return quartiles([a / b for a, b in pairs])
