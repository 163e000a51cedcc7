"""The line that tells how a training goes, and the curves that remain of it."""

import io
import sys
from types import SimpleNamespace

import pytest

from helpers import progress
from helpers.progress import Curves, ProgressLine

NAN, INF = float("nan"), float("inf")


def ended(line: ProgressLine, *epochs: dict) -> ProgressLine:
    line.on_train_begin()
    for i, logs in enumerate(epochs):
        line.on_epoch_end(i, logs)
    return line


def line_of(*valid: float) -> ProgressLine:
    logs = ({"score": 3.0 - i, "val_score": v} for i, v in enumerate(valid))
    return ended(ProgressLine(len(valid)), *logs)


def test_the_line_tells_epoch_scores_and_the_best_so_far():
    logs = [{"score": 0.95, "val_score": 0.9}, {"score": 0.9, "val_score": 0.91234}]
    text = ended(ProgressLine(30), *logs)._text()
    assert text == (
        "epoch 2/30 · RMSE train 0.9000, "
        "validation 0.9123 (best 0.9000 in epoch 1) · 0 s"
    )


def test_the_line_without_validation_tells_the_training_score():
    text = ended(ProgressLine(3), {"score": 0.95})._text()
    assert text == "epoch 1/3 · RMSE train 0.9500 · 0 s"


def test_the_line_names_the_score_of_the_target():
    line = ended(ProgressLine(3, "log loss"), {"score": 0.5})
    assert line._text() == "epoch 1/3 · log loss train 0.5000 · 0 s"
    assert line.curves().score == "log loss"


def test_the_curves_count_epochs_from_1_and_take_the_first_best():
    curves = line_of(2.0, 1.0, 1.0).curves()
    assert curves[:3] == ([3.0, 2.0, 1.0], [2.0, 1.0, 1.0], 2)
    assert isinstance(curves, Curves)
    assert curves.seconds >= 0
    assert curves.score == "RMSE"


@pytest.mark.parametrize(
    ("valid", "best"),
    [
        ([0.9, 0.8, NAN], 2),
        ([NAN, 0.8, 0.7], 3),
        ([0.9, INF, 0.95], 1),
        ([-INF, 0.8, 0.9], 2),
        ([NAN, NAN], 2),
    ],
)
def test_an_epoch_that_is_no_finite_number_is_never_the_best(valid, best):
    assert line_of(*valid).curves().best_epoch == best


def test_without_validation_the_last_epoch_is_the_best():
    line = ended(ProgressLine(3), {"score": 1.0}, {"score": 2.0})
    assert line.curves()[:3] == ([1.0, 2.0], [], 2)


def test_the_seconds_are_those_since_the_start(monkeypatch):
    now = iter((100.0, 107.0, 119.0))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(now))
    line = ended(ProgressLine(2), {"score": 1.0}, {"score": 1.0})
    assert line.curves().seconds == 19.0
    assert line._text().endswith("· 19 s")


class Terminal(io.StringIO):
    """Shows what was flushed, as a terminal does where no line ends."""

    shown = ""

    def isatty(self) -> bool:
        return True

    def flush(self) -> None:
        self.shown = self.getvalue()


def test_a_terminal_gets_one_line_that_is_rewritten(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(progress, "_in_kernel", lambda: False)
    line = ended(ProgressLine(2), {"score": 1.0}, {"score": 0.5})
    assert terminal.shown == terminal.getvalue()
    line.on_train_end()
    assert terminal.getvalue() == (
        "\repoch 1/2 · RMSE train 1.0000 · 0 s\repoch 2/2 · RMSE train 0.5000 · 0 s\n"
    )


def test_a_notebook_gets_one_display_that_is_updated(monkeypatch):
    import IPython.display

    shown = []

    class Handle:
        def update(self, data, raw):
            shown.append(("update", data["text/plain"][:9], raw))

    def display(data, raw, display_id):
        shown.append(("display", data["text/plain"][:9], raw))
        return Handle() if display_id is True else None  # as IPython does

    monkeypatch.setattr(IPython.display, "display", display)
    monkeypatch.setattr(progress, "_in_kernel", lambda: True)
    monkeypatch.setattr(sys, "stdout", terminal := Terminal())
    ended(ProgressLine(2), {"score": 1.0}, {"score": 0.5}).on_train_end()
    assert shown == [("display", "epoch 1/2", True), ("update", "epoch 2/2", True)]
    assert terminal.getvalue() == ""


@pytest.mark.parametrize("shell", [None, SimpleNamespace()])
def test_a_kernel_that_is_only_imported_gets_no_display(monkeypatch, capfd, shell):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    ended(ProgressLine(1), {"score": 1.0}).on_train_end()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("imported", [True, False])
def test_a_kernel_is_one_whose_shell_has_a_kernel(monkeypatch, imported):
    import IPython

    monkeypatch.setattr(IPython, "get_ipython", lambda: SimpleNamespace(kernel=1))
    if imported:
        monkeypatch.setitem(sys.modules, "ipykernel", SimpleNamespace())
    else:
        monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert progress._in_kernel() is imported
