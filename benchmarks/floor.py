"""The least an epoch can cost: its gathers and matrix products, in NumPy.

No gradient is scattered, no optimizer steps, nothing is shuffled, no list is averaged:
what is left no framework can leave out. A contender of training_speed.
"""

from collections.abc import Callable

import numpy as np

from helpers.fields import NUMERIC


def epoch_of(task) -> Callable[[], None]:
    """A function that does one epoch's gathers and products. task: speed_worker.Task.

    For each batch: the rows of both tables of every field; the MLP forward, and twice
    its products backward, to its weights and to its inputs.
    """
    rng = np.random.default_rng(0)
    coded = [s for s in task.specs if s.kind != NUMERIC]
    ids = [task.x[s.name] for s in coded]
    tables = [(random(rng, s.size, 1), random(rng, s.size, task.k)) for s in coded]
    widths = [len(task.specs) * task.k, *task.units, 1]
    kernels = [random(rng, n, m) for n, m in zip(widths, widths[1:], strict=False)]
    inputs = random(rng, task.batch, widths[0])

    def epoch() -> None:
        for start in range(0, len(task.y), task.batch):
            stop = min(start + task.batch, len(task.y))
            for field, (weights, vectors) in zip(ids, tables, strict=True):
                weights[field[start:stop]], vectors[field[start:stop]]
            layers = [inputs[: stop - start]]
            for kernel in kernels:
                layers.append(layers[-1] @ kernel)
            for layer, out, kernel in zip(layers, layers[1:], kernels, strict=False):
                layer.T @ out, out @ kernel.T

    return epoch


def random(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Small numbers, so that products of products stay finite."""
    return rng.normal(0, 0.02, shape).astype("float32")
