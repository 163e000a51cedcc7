"""One line that tells how a training goes, and the curves that remain of it."""

import sys
import time
from typing import NamedTuple

import keras
import numpy as np


class Curves(NamedTuple):
    """Learning curves: the score of each epoch; valid is empty without rows.

    train: of the training rows, while they are trained on, dropout included
    valid: of the validation rows at the end of an epoch, as training.evaluate says it
    best_epoch: with the lowest score in valid, counted from 1; without, the last
    score: its name, such as "RMSE"
    """

    train: list[float]
    valid: list[float]
    best_epoch: int
    seconds: float
    score: str = "RMSE"


class ProgressLine(keras.callbacks.Callback):
    """Rewrites one line each epoch: a display in a notebook, a \\r on a terminal.

    It reads "score" and, where there are validation rows, "val_score" of the logs.
    """

    def __init__(self, epochs: int, score: str = "RMSE"):
        super().__init__()
        self.epochs, self.score, self.handle = epochs, score, None
        self.train, self.valid, self.seconds = [], [], 0.0

    def on_train_begin(self, logs=None):
        self.start = time.perf_counter()

    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.start
        self.train.append(float(logs["score"]))
        if "val_score" in logs:
            self.valid.append(float(logs["val_score"]))
        self._show(self._text())

    def on_train_end(self, logs=None):
        if self.handle is None and sys.stdout.isatty():
            print()

    def curves(self) -> Curves:
        """The curves so far. An epoch that ended in NaN is never the best."""
        valid = np.array(self.valid)
        best = len(self.train) - 1
        if np.isfinite(valid).any():
            best = int(np.nanargmin(np.where(np.isfinite(valid), valid, np.nan)))
        return Curves(self.train, self.valid, best + 1, self.seconds, self.score)

    def _text(self) -> str:
        text = f"epoch {len(self.train)}/{self.epochs} · {self.score} "
        text += f"train {self.train[-1]:.4f}"
        if self.valid:
            best = self.curves().best_epoch
            text += f", validation {self.valid[-1]:.4f}"
            text += f" (best {self.valid[best - 1]:.4f} in epoch {best})"
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
