"""The course's palette, architecture diagrams and learning curves."""

import html
import itertools
import os
import re
import shutil
import subprocess
import zlib
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import pydot
from IPython.display import SVG
from matplotlib_inline.backend_inline import set_matplotlib_formats

from helpers.history_layers import OwnerLists

PALETTE = {
    "first_order": "#4C78A8",
    "second_order": "#F58518",
    "deep": "#54A24B",
    "inputs": "#B8B8B8",
    "output": "#333333",
}
LABELS = {
    "inputs": "inputs",
    "first_order": "first order",
    "embedding": "embeddings, shared",
    "second_order": "second order",
    "deep": "deep part",
    "output": "output",
}
PREFIXES = {
    "weight": "first_order",
    "first_order": "first_order",
    "embedding": "embedding",
    "second_order": "second_order",
    "deep": "deep",
}
FONT = "Helvetica,Arial,sans-serif"


def style() -> None:
    """Set Matplotlib to the look of the course: 2x PNG, one font size, no frames."""
    set_matplotlib_formats("retina")
    plt.rcParams.update(
        {
            "figure.figsize": (7, 3.5),
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "font.size": 11,
            "axes.titlesize": 11,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.prop_cycle": plt.cycler(color=[*PALETTE.values()]),
            "legend.frameon": False,
        }
    )


def architecture(model: keras.Model, path: str | Path | None = None) -> SVG:
    """Keras' own graph of a model as an SVG: a box a layer, coloured by its part.

    Each box names the layer and its output shape. Layers belong to a part by their
    names, as helpers.models gives them. path: also write the SVG there.

    Drawn by the `dot` program where it is on PATH, else by pygraphviz. Raises
    RuntimeError, saying what to install, where there is neither.
    """
    model = keras.Model(model.inputs, model.outputs)  # also where it is Sequential
    dot = keras.utils.model_to_dot(model, rankdir="LR", dpi=72, splines="spline")
    columns = _columns(model)
    tables = columns[1]  # the longest: its boxes are flat, so that the whole stays so
    by_id = {str(id(layer)): layer for layer in model.operations}
    for node in dot.get_nodes():
        if layer := by_id.get(node.get_name().strip('"')):
            node.set_label(
                _box(layer, _part(layer), " " if layer in tables else "<br/>")
            )
            node.set_shape("plain")
    looks = {"concentrate": "false", "nodesep": 0.08, "ranksep": 0.35}
    dot.obj_dict["attributes"] |= looks
    for edge in dot.get_edges():
        edge.obj_dict["attributes"] |= {"color": '"#777777"', "arrowsize": "0.6"}
        edge.set("penwidth", "1.2")
    for column in columns:
        same = pydot.Subgraph(rank="same")
        for layer in column:
            same.add_node(pydot.Node(str(id(layer))))
        dot.add_subgraph(same)
        for above, below in itertools.pairwise(column):  # keeps their order
            dot.add_edge(pydot.Edge(str(id(above)), str(id(below)), style="invis"))
    parts = {_part(layer) for layer in model.operations}
    dot.set("label", _legend([part for part in LABELS if part in parts]))
    text = dot.to_string()
    for i, layer in enumerate(model.operations):  # memory addresses change at each run
        text = text.replace(str(id(layer)), f"layer_{i}")
    svg = _render(text)
    # Gradients are numbered by process, yet figures of one page share their names.
    old = [*dict.fromkeys(re.findall(r'(?<=id=")l_\d+', svg))]
    new = f"fill_{zlib.crc32(text.encode()):08x}_"
    svg = re.sub(r'(?<=["#])l_\d+', lambda m: f"{new}{old.index(m[0])}", svg)
    svg = svg.replace("<svg ", '<svg style="max-width:100%;height:auto" ', 1)
    if path:
        Path(path).write_text(svg, "utf-8")
    return SVG(svg)


def _columns(model: keras.Model) -> list[list]:
    """The layers of one step each, in the order of the fields, from the top."""
    named = {layer.name: layer for layer in model.operations}
    fields = _fields(named) or [x.name for x in model.inputs]
    inputs = [name for field in fields for name in (field, f"{field}.lists")]
    tables = [f"{kind}_{field}" for field in fields for kind in ("weight", "embedding")]
    rows = [f"{table}.{end}" for table in tables for end in ("mean", "row")]
    stacks, sums = ["weights", "embeddings"], ["first_order", "second_order"]
    deep = [layer.name for layer in model.operations if _part(layer) == "deep"]
    columns = (inputs, tables, rows, stacks, sums + deep)
    return [[named[name] for name in column if name in named] for column in columns]


def _fields(named: dict) -> list[str]:
    """The fields as they are stacked. A model sorts its inputs by name."""
    stack = next(
        (named[name] for name in ("weights", "embeddings") if name in named), None
    )
    if stack is None:
        return []
    rows = [x._keras_history.operation.name for x in keras.tree.flatten(stack.input)]
    return [name.split("_", 1)[1].split(".")[0] for name in rows]


def curves(curves, ax=None):
    """Learning curves of training.fit(): its score against the epoch.

    ->  the Axes drawn on; the best validation epoch is marked.
    """
    ax = ax or plt.subplots()[1]
    epochs = range(1, len(curves.train) + 1)
    ax.plot(epochs, curves.train, color=PALETTE["inputs"])
    _label(ax, "training", (epochs[-1], curves.train[-1]), (5, 0), "#777777")
    if curves.valid:
        ax.plot(epochs, curves.valid, color=PALETTE["output"])
        _label(ax, "validation", (epochs[-1], curves.valid[-1]), (5, 0), "#333333")
        best, colour = curves.best_epoch, PALETTE["second_order"]
        at = (best, curves.valid[best - 1])
        ax.plot(*at, "o", color=colour)
        _label(ax, f"best, epoch {best}", at, (4, 18), colour)
    ax.set(xlabel="epoch", ylabel=curves.score)
    ax.margins(x=0.15, y=0.15)
    ax.set_xlim(left=0.5)
    ax.xaxis.get_major_locator().set_params(integer=True)
    return ax


def _label(ax, text: str, at, offset, colour: str, **kwargs) -> None:
    looks = {"textcoords": "offset points", "va": "center", "color": colour}
    ax.annotate(text, at, offset, **looks, **kwargs)


def _part(layer) -> str:
    if isinstance(layer, keras.layers.InputLayer | OwnerLists):
        return "inputs"
    return next((PREFIXES[p] for p in PREFIXES if layer.name.startswith(p)), "output")


def _colour(part: str) -> str:
    """Shared embeddings wear both colours of the parts that share them."""
    if part == "embedding":
        return f"{PALETTE['second_order']}:{PALETTE['deep']}"
    return PALETTE[part]


def _box(layer, part: str, between: str) -> str:
    output, *_ = keras.tree.flatten(layer.output)
    _, *rest = output.shape
    shape = ", ".join(["batch", *("L" if n is None else str(n) for n in rest)])
    ink = "black" if part == "inputs" else "white"
    cells = (
        (_colour(part), ink, f"<b>{html.escape(layer.name)}</b>"),
        ("white", "black", f"{layer.__class__.__name__}{between}({shape})"),
    )
    rows = "".join(
        f'<tr><td bgcolor="{fill}"><font face="{FONT}" point-size="11" '
        f'color="{colour}">{text}</font></td></tr>'
        for fill, colour, text in cells
    )
    looks = 'border="1" cellborder="0" cellspacing="0" cellpadding="3"'
    return f"<<table {looks}>{rows}</table>>"


def _legend(parts: list[str]) -> str:
    cells = "".join(
        f'<td bgcolor="{_colour(p)}" width="16"></td>'
        f'<td align="left"><font face="{FONT}" point-size="11">'
        f"{LABELS[p]}  </font></td>"
        for p in parts
    )
    return f'<<table border="0" cellspacing="4"><tr>{cells}</tr></table>>'


def _render(dot: str) -> str:
    if program := shutil.which("dot"):
        done = subprocess.run(
            [program, "-Tsvg"], input=dot.encode(), capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(f"dot failed: {done.stderr.decode().strip()}")
        return done.stdout.decode()
    try:
        import pygraphviz
    except ImportError as error:
        raise RuntimeError(
            "No renderer for diagrams: install Graphviz, so that `dot` is on PATH, or "
            "`pip install 'pygraphviz>=2.0.4'`, whose wheels carry it."
        ) from error
    stderr = os.dup(2)  # Fontconfig writes notes to it, and so into a notebook
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
        try:
            return pygraphviz.AGraph(string=dot).draw(format="svg", prog="dot").decode()
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
