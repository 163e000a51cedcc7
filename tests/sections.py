"""Runs named sections of a notebook in this process, as a reader would, on ml-100k."""

import json
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from pathlib import Path

import keras
import matplotlib
import pandas as pd
import pytest

from helpers import checks, datasets, plots, processes

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
NEEDS_RAY = "11"
ANYTHING = checks.Bound(-float("inf"), float("inf"))


def cells_of(number: str) -> list[dict]:
    """The cells of a notebook, each source one text."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    cells = json.loads(path.read_text("utf-8"))["cells"]
    return [{**cell, "source": "".join(cell["source"])} for cell in cells]


def sections(number: str) -> list[tuple[str, list[str]]]:
    """(heading, sources of its code cells) of a notebook, in order."""
    found: list[tuple[str, list[str]]] = [("", [])]
    for cell in cells_of(number):
        if cell["cell_type"] == "markdown":
            lines = cell["source"].splitlines()
            found += [(x[3:], []) for x in lines if x.startswith("## ")]
        elif cell["cell_type"] == "code":
            found[-1][1].append(cell["source"])
    return found


def run(
    wanted: tuple[str, ...],
    ready: dict | None = None,
    edit: tuple[str, str] | None = None,
) -> dict:
    """Run Setup and the wanted sections of a notebook; wanted[0] is its number.

    ready: the names that a run before this one returned; Setup is not run again
    edit: what one place of the cells has, and what it has instead
    Returns all names that are defined then.
    """
    number, *headings = wanted
    cells = sections(number)
    unknown = {*headings} - {head for head, _ in cells}
    assert not unknown, f"notebook {number} has no section {unknown}"
    names = {**(ready or {"__name__": "notebook"})}
    if ready is None:
        headings.append("Setup")
    right, wrong = edit or ("", "")
    found = [(head, x) for head, sources in cells if head in headings for x in sources]
    places = sum(source.count(right) for _, source in found)
    assert not edit or places == 1, f"{right!r} stands {places} times"
    for head, source in found:
        edited = source.replace(right, wrong) if edit else source
        exec(compile(edited, f"{number} {head}", "exec"), names)
    return names


FEW_USERS = ("04", "05", "06", "07", "09")
load, adult = datasets.load, datasets.adult  # while a notebook runs, it has others


@cache
def few_users() -> datasets.MovieLens:
    """The ratings of 150 users of ml-100k."""
    whole = load("ml-100k")
    ratings = whole.ratings[whole.ratings.user_id <= 150].reset_index(drop=True)
    return replace(whole, ratings=ratings)


@cache
def few_people() -> pd.DataFrame:
    """A third of the people of Adult, drawn at random."""
    return adult().sample(frac=1 / 3, random_state=0)


@cache
def movielens(number: str) -> datasets.MovieLens:
    """What a notebook loads here: few users where it trains on all there are."""
    return few_users() if number in FEW_USERS else load("ml-100k")


@contextmanager
def as_a_reader() -> Iterator[Callable]:
    """Gives `run` without figures, whatever the bounds; undoes what it changed.

    Weights that no seed of a notebook starts are the same each time.
    """
    keras.utils.set_random_seed(0)
    path, backend = [*sys.path], matplotlib.get_backend()
    settings = matplotlib.rcParams.copy()
    matplotlib.use("Agg")
    plots.style()  # as Setup does, which may have run before
    within = checks.within

    def within_or_anything(claim, value, bound, beats=None):
        within(claim, value, bound, None if bound is ANYTHING else beats)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checks, "load_bounds", lambda _: defaultdict(lambda: ANYTHING))
        patch.setattr(checks, "within", within_or_anything)

        def go(wanted: tuple[str, ...], ready=None, edit=None) -> dict:
            if wanted[0] == NEEDS_RAY:
                pytest.importorskip("ray", reason=processes.MISSING)
            data = movielens(wanted[0])
            patch.setattr(datasets, "load", lambda name=None: data)
            patch.setattr(datasets, "adult", lambda: few_people().copy())
            return run(wanted, ready, edit)

        yield go
    matplotlib.pyplot.close("all")
    matplotlib.use(backend)
    matplotlib.rcParams.update(settings)
    sys.path[:] = path
