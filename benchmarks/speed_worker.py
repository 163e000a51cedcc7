"""One contender of training_speed and floor, in a process of its own.

    python -m benchmarks.speed_worker CONTENDER FOLDER

FOLDER holds what turns.write_task() wrote. A worker trains one epoch for each line that
it reads and answers with a line of JSON: seconds, cpu_seconds, rmse of the epoch's
training rows. Its first line tells the numbers of parameters. It ends with its input.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np

ENOUGH = 10_000  # epochs: more than anybody asks for
ANSWERS = os.fdopen(os.dup(1), "w")  # what libraries print goes elsewhere
os.dup2(2, 1)


class Task(NamedTuple):
    """x, y as in training.Part; specs and settings as dicts."""

    x: dict[str, np.ndarray]
    y: np.ndarray
    specs: list[dict]
    k: int
    units: list[int]
    batch: int
    rate: float


def read_task(folder: Path) -> Task:
    """What turns.write_task() wrote."""
    settings = json.loads((folder / "task.json").read_text("utf-8"))
    arrays = dict(np.load(folder / "task.npz"))
    y = arrays.pop("y")
    return Task(
        {s["name"]: arrays[s["name"]] for s in settings["specs"]}, y, **settings
    )


def answer(**figures) -> None:
    """Write one line to whoever started this process."""
    print(json.dumps(figures), file=ANSWERS, flush=True)


class Clock:
    """Waits for a command, then measures until done() answers it."""

    def wait(self) -> None:
        """Start at the next line of the input; end the process where there is none."""
        if not sys.stdin.readline():
            os._exit(0)
        self.cpu, self.start = time.process_time(), time.perf_counter()

    def done(self, rmse: float | None = None) -> None:
        """Answer what was measured. rmse: in stars, of the epoch."""
        seconds = time.perf_counter() - self.start
        answer(seconds=seconds, cpu_seconds=time.process_time() - self.cpu, rmse=rmse)


def ours(task: Task) -> None:
    """training.fit as it is; its progress line is what waits for the command."""
    from helpers import fields, models, training

    class OnCommand(training.ProgressLine):
        """Each epoch begins with a command and ends with an answer."""

        clock = Clock()

        def on_epoch_begin(self, epoch, logs=None):
            self.clock.wait()

        def on_epoch_end(self, epoch, logs=None):
            self.clock.done(float(logs["rmse"]))

    training.ProgressLine = OnCommand
    specs = [fields.FieldSpec(**spec) for spec in task.specs]
    mean = float(task.y.mean())
    model = models.deepfm(specs, k=task.k, units=task.units, intercept=mean)
    answer(parameters=model.count_params())
    training.fit(
        model,
        training.Part(task.x, task.y),
        epochs=ENOUGH,
        batch_size=task.batch,
        learning_rate=task.rate,
    )


def ours_jax(task: Task) -> None:
    """The same on Keras' JAX backend."""
    os.environ["KERAS_BACKEND"] = "jax"
    ours(task)


def deepctr(task: Task) -> None:
    """DeepCTR's DeepFM on tf-keras, without its penalties.

    Its constant starts at zero, so it learns the distance to the mean.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf
    from deepctr.models import DeepFM

    from benchmarks import rivals

    specs = [SimpleNamespace(**spec) for spec in task.specs]
    start = tf.keras.initializers.RandomNormal(stddev=0.02, seed=0)
    columns = rivals.deepctr_columns(specs, task.k, start)
    none = {"l2_reg_linear": 0, "l2_reg_embedding": 0, "l2_reg_dnn": 0}
    model = DeepFM(
        columns, columns, dnn_hidden_units=task.units, task="regression", **none
    )
    answer(parameters=model.count_params())

    class OnCommand(tf.keras.callbacks.Callback):
        """Each epoch begins with a command and ends with an answer."""

        clock = Clock()

        def on_epoch_begin(self, epoch, logs=None):
            self.clock.wait()

        def on_epoch_end(self, epoch, logs=None):
            self.clock.done(logs["loss"] ** 0.5)

    model.compile(tf.keras.optimizers.Adam(task.rate), loss="mse")
    model.fit(
        task.x,
        task.y - task.y.mean(),
        epochs=ENOUGH,
        batch_size=task.batch,
        callbacks=[OnCommand()],
        verbose=0,
    )


def pytorch(task: Task) -> None:
    """A plain DeepFM in PyTorch: rivals_torch.epoch, time and again."""
    from benchmarks import rivals_torch

    _repeat(rivals_torch.DeepFM, rivals_torch.trainer, task)


def _repeat(make: Callable, trainer: Callable, task: Task) -> None:
    model = make(task)
    answer(parameters=sum(p.numel() for p in model.parameters()))
    epoch, clock = trainer(model, task), Clock()
    while True:
        clock.wait()
        clock.done(epoch())


def floor(task: Task) -> None:
    """Nothing but the gathers and the matrix products of an epoch, in NumPy."""
    from benchmarks import floor

    epoch, clock = floor.epoch_of(task), Clock()
    answer(parameters=0)
    while True:
        clock.wait()
        epoch()
        clock.done()


CONTENDERS = {f.__name__: f for f in (ours, ours_jax, deepctr, pytorch, floor)}

if __name__ == "__main__":
    CONTENDERS[sys.argv[1]](read_task(Path(sys.argv[2])))
