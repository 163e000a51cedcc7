"""One line that tells how a training goes, and the curves that remain of it."""

import sys
import time
from typing import NamedTuple

import keras
import numpy as np


class History(NamedTuple):
    """Learning curves: RMSE in stars, a value an epoch; valid is empty without rows."""

    train: list[float]
    valid: list[float]
    best_epoch: int
    seconds: float


class ProgressLine(keras.callbacks.Callback):
    """Rewrites one line each epoch: a display in a notebook, a \\r on a terminal.

    The model must be compiled with a metric named "rmse".
    """

    def __init__(self, epochs: int):
        super().__init__()
        self.epochs, self.handle = epochs, None
        self.train, self.valid, self.seconds = [], [], 0.0

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start
        self.train.append(float(logs["rmse"]))
        if "val_rmse" in logs:
            self.valid.append(float(logs["val_rmse"]))
        self._show(self._text())

    def on_train_end(self, logs=None):
        if self.handle is None and sys.stdout.isatty():
            print()

    def history(self) -> History:
        """The curves so far."""
        best = int(np.argmin(self.valid)) if self.valid else len(self.train) - 1
        return History(self.train, self.valid, best + 1, self.seconds)

    def _text(self) -> str:
        text = (
            f"epoch {len(self.train)}/{self.epochs} · RMSE train {self.train[-1]:.4f}"
        )
        if self.valid:
            best = self.history().best_epoch
            text += f", validation {self.valid[-1]:.4f}"
            text += f" (best {min(self.valid):.4f} in epoch {best})"
        return f"{text} · {self.seconds:.0f} s"

    def _show(self, text: str) -> None:
        if _in_kernel():
            from IPython.display import display

            plain = {"text/plain": text}
            if self.handle is None:
                self.handle = display(plain, raw=True, display_id=True)
            else:
                self.handle.update(plain, raw=True)
        elif sys.stdout.isatty():
            print(f"\r{text}", end="", flush=True)


def _in_kernel() -> bool:
    """Whether a kernel runs this; its modules may be imported without one."""
    if "ipykernel" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")
