"""One contender of training_speed, in a process of its own.

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
from typing import NamedTuple, TextIO

import numpy as np

from helpers import targets
from helpers.fields import FieldSpec
from helpers.targets import Target

ENOUGH = 10_000  # epochs: more than anybody asks for


class Task(NamedTuple):
    """x, y, target as in training.Encoded; the rest as turns.SETTINGS has it."""

    x: dict[str, np.ndarray]
    y: np.ndarray
    target: Target
    specs: list[FieldSpec]
    k: int
    units: list[int]
    batch: int
    rate: float


def read_task(folder: Path) -> Task:
    """What turns.write_task() wrote."""
    settings = json.loads((folder / "task.json").read_text("utf-8"))
    specs = [FieldSpec(**spec) for spec in settings.pop("specs")]
    target = targets.restored(settings.pop("target"))
    arrays = dict(np.load(folder / "task.npz"))
    return Task(
        {s.name: arrays[s.name] for s in specs}, arrays["y"], target, specs, **settings
    )


class Clock:
    """Waits for a command, then measures until done() answers it."""

    def __init__(self, commands: TextIO, answers: TextIO):
        self.commands, self.answers = commands, answers

    def answer(self, **figures) -> None:
        """Write one line to whoever started this process."""
        print(json.dumps(figures), file=self.answers, flush=True)

    def wait(self) -> None:
        """Start at the next line of the input. Raises EOFError where there is none."""
        if not self.commands.readline():
            raise EOFError
        self.cpu, self.start = time.process_time(), time.perf_counter()

    def done(self, rmse: float | None = None) -> None:
        """Answer what was measured. rmse: in stars, of the epoch."""
        seconds = time.perf_counter() - self.start
        cpu = time.process_time() - self.cpu
        self.answer(seconds=seconds, cpu_seconds=cpu, rmse=rmse)


def on_command(callback: type, clock: Clock, rmse: Callable[[dict], float]):
    """A Keras callback: each epoch begins with a command and ends with an answer.

    callback: the class that it must be of; rmse: of the logs of an epoch
    """

    class OnCommand(callback):
        def on_epoch_begin(self, epoch, logs=None):
            clock.wait()

        def on_epoch_end(self, epoch, logs=None):
            clock.done(rmse(logs))

    return OnCommand()


def repeat(epoch: Callable[[], float | None], clock: Clock) -> None:
    """An epoch for each command."""
    while True:
        clock.wait()
        clock.done(epoch())


def ours(task: Task, clock: Clock) -> None:
    """training.fit as it is."""
    import keras

    from helpers import models, training

    model = models.deepfm(
        task.specs, task.k, task.units, intercept=task.target.intercept, seed=0
    )
    clock.answer(parameters=model.count_params())
    training.fit(
        model,
        training.Encoded(task.x, task.y, task.target),
        epochs=ENOUGH,
        batch_size=task.batch,
        learning_rate=task.rate,
        callbacks=[
            on_command(keras.callbacks.Callback, clock, lambda logs: logs["score"])
        ],
    )


def ours_jax(task: Task, clock: Clock) -> None:
    """The same on Keras' JAX backend."""
    os.environ["KERAS_BACKEND"] = "jax"
    ours(task, clock)


def deepctr(task: Task, clock: Clock) -> None:
    """DeepCTR's DeepFM on tf-keras, without its penalties.

    Its constant starts at zero, so it learns the distance to the mean.
    """
    from benchmarks import rivals

    tf = rivals.tensorflow_of_keras_2()
    from deepctr.models import DeepFM

    start = tf.keras.initializers.RandomNormal(stddev=0.02, seed=0)
    columns = rivals.deepctr_columns(task.specs, task.x, task.k, start)
    none = {"l2_reg_linear": 0, "l2_reg_embedding": 0, "l2_reg_dnn": 0}
    model = DeepFM(
        columns, columns, dnn_hidden_units=task.units, task="regression", **none
    )
    clock.answer(parameters=model.count_params())
    model.compile(tf.keras.optimizers.Adam(task.rate), loss="mse")
    model.fit(
        task.x,
        task.y - task.target.intercept,
        epochs=ENOUGH,
        batch_size=task.batch,
        callbacks=[
            on_command(
                tf.keras.callbacks.Callback, clock, lambda logs: logs["loss"] ** 0.5
            )
        ],
        verbose=0,
    )


def pytorch(task: Task, clock: Clock) -> None:
    """A plain DeepFM in PyTorch: rivals_torch.epoch, time and again."""
    from benchmarks import rivals_torch

    model = rivals_torch.DeepFM(task)
    clock.answer(parameters=sum(p.numel() for p in model.parameters()))
    repeat(rivals_torch.trainer(model, task), clock)


def floor(task: Task, clock: Clock) -> None:
    """Nothing but the gathers and the matrix products of an epoch, in NumPy."""
    from benchmarks import floor

    epoch = floor.epoch_of(task)
    clock.answer(parameters=0)
    repeat(epoch, clock)


CONTENDERS = {f.__name__: f for f in (ours, ours_jax, deepctr, pytorch, floor)}


def main(name: str, folder: str) -> None:
    """Work until the input ends. What libraries print goes where errors go."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        CONTENDERS[name](read_task(Path(folder)), Clock(sys.stdin, answers))
    except EOFError:
        os._exit(0)  # without waiting for the threads of libraries


if __name__ == "__main__":
    main(*sys.argv[1:])
