"""Plants known bugs in the helpers, one at a time: a check of the course must fail.

The code cells of a notebook's Setup and of the sections named are run in this process,
on a small part of ml-100k. Without the bug they must pass; with it a check must fail.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import matplotlib

from helpers import datasets

matplotlib.use("Agg")
NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"


@dataclass(frozen=True)
class Bug:
    """`owner.name` becomes `wrong`; the sections of the notebook must notice."""

    says: str
    owner: Any
    name: str
    wrong: Any
    notebook: str
    sections: tuple[str, ...]


def wrongly(owner, name):
    """Register a function as the wrong version of owner.name; filled in below."""

    def register(function):
        return (owner, name, function)

    return register


def small_load(name=None, data_dir=None):
    """ml-100k's first 200 users, as if that were all."""
    whole = small_load.whole = small_load.whole or small_load.real("ml-100k")
    ratings = whole.ratings[whole.ratings.user_id <= 200]
    return replace(whole, ratings=ratings.reset_index(drop=True))


small_load.whole, small_load.real = None, datasets.load


def sections(number: str) -> list[tuple[str, list[str]]]:
    """(heading, sources of its code cells) of a notebook, in order."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    found: list[tuple[str, list[str]]] = [("", [])]
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heads = [x[3:] for x in source.splitlines() if x.startswith("## ")]
            found += [(head, []) for head in heads]
        elif cell["cell_type"] == "code":
            found[-1][1].append(source)
    return found


def run(number: str, wanted: tuple[str, ...], monkeypatch) -> None:
    """Run Setup and the wanted sections of a notebook."""
    monkeypatch.setattr(datasets, "load", small_load)
    cells = sections(number)
    unknown = {*wanted} - {head for head, _ in cells}
    assert not unknown, f"notebook {number} has no section {unknown}"
    namespace = {"__name__": "notebook", "display": print}
    for head, sources in cells:
        if head in ("", "Setup", *wanted):
            for source in sources:
                exec(compile(source, f"{number} {head}", "exec"), namespace)
    matplotlib.pyplot.close("all")
