"""Diagrams of models and learning curves."""

import importlib.util
import os
import re
import shutil
import sys
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from xml.etree import ElementTree

import keras
import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest

from helpers import models, plots
from helpers.fields import CATEGORICAL, MULTI, NUMERIC, FieldSpec
from helpers.progress import Curves

SPECS = [
    FieldSpec("user", CATEGORICAL, 6),
    FieldSpec("genres", MULTI, 7, 3),
    FieldSpec("year", NUMERIC),
]


@pytest.fixture(scope="module", autouse=True)
def settings_of_matplotlib():
    backend = mpl.get_backend()
    plt.switch_backend("Agg")
    with mpl.rc_context():
        yield
    plt.switch_backend(backend)


@pytest.fixture(autouse=True)
def no_dot(monkeypatch):
    """Diagrams are drawn in this process unless a test says otherwise."""
    monkeypatch.setattr(shutil, "which", lambda *args, **options: None)


@pytest.fixture(scope="module")
def model() -> keras.Model:
    return models.deepfm(SPECS, k=2, units=(4, 3))


def texts(svg: str) -> set[str]:
    return {e.text for e in ElementTree.fromstring(svg).iter() if e.text}


needs_pygraphviz = pytest.mark.skipif(
    importlib.util.find_spec("pygraphviz") is None,
    reason="pygraphviz, which draws where there is no dot, is not installed",
)


@needs_pygraphviz
def test_the_diagram_names_every_layer_with_its_class_and_shape(model):
    found = texts(plots.architecture(model).data)
    assert {layer.name for layer in model.layers} <= found
    words = {text.split(" (")[0] for text in found}
    assert {type(layer).__name__ for layer in model.layers} <= words
    assert {"(batch, 3)", "(batch, 1)", "(batch, 3, 2)"} <= found
    assert {"Embedding (batch, 1, 2)", "Embedding (batch, 3, 2)"} <= found
    assert "None" not in " ".join(found)


def places(svg: str) -> dict[str, tuple[float, float]]:
    """The middle of each box, by the name of its layer."""
    found, space = {}, "{http://www.w3.org/2000/svg}"
    for node in ElementTree.fromstring(svg).iter(f"{space}g"):
        if node.get("class") == "node":
            points = [p.get("points") for p in node.iter(f"{space}polygon")]
            corners = [[*map(float, xy.split(","))] for xy in " ".join(points).split()]
            x, y = ((min(axis) + max(axis)) / 2 for axis in zip(*corners, strict=True))
            found[next(text.text for text in node.iter(f"{space}text"))] = x, y
    return found


@needs_pygraphviz
def test_boxes_of_one_step_stand_in_one_column_in_the_order_of_the_fields():
    numbers = [FieldSpec(f"x{i}", NUMERIC) for i in range(2)]
    specs = [*SPECS[::-1], *numbers, FieldSpec("a", CATEGORICAL, 5)]  # not by name
    at = places(plots.architecture(models.deepfm(specs, k=2, units=(4, 3))).data)
    names = [spec.name for spec in specs]
    tables = [f"{kind}_{name}" for name in names for kind in ("weight", "embedding")]
    rows = [f"{name}.{'mean' if 'genres' in name else 'row'}" for name in tables]
    columns = (
        names,
        tables,
        [name for name in rows if name in at],
        ["weights", "embeddings"],
        ["first_order", "second_order", "deep_flatten", "deep_1", "deep_2", "deep"],
    )
    x = [{round(at[name][0], 1) for name in column} for column in columns]
    assert [max(found) - min(found) < 3 for found in x] == [True] * 5
    assert [min(found) for found in x] == sorted(min(found) for found in x)
    for column in columns:
        y = [at[name][1] for name in column]
        assert y == sorted(y)


@needs_pygraphviz
@pytest.mark.parametrize(
    ("parts", "there", "absent"),
    [
        (models.PARTS, ["first_order", "second_order", "deep", "output"], []),
        (["first_order"], ["first_order"], ["second_order", "deep", "output"]),
        (["first_order", "second_order"], ["first_order", "second_order"], []),
    ],
)
def test_the_diagram_wears_the_colours_of_the_parts_that_are_there(
    parts, there, absent
):
    svg = plots.architecture(models.deepfm(SPECS, k=2, units=(3,), parts=parts)).data
    fills = {fill.lower() for fill in re.findall(r'fill="(#\w{6})"', svg)}
    stops = {colour.lower() for colour in re.findall(r"stop-color:(#\w{6})", svg)}
    colours, found = fills | stops, texts(svg)
    assert plots.PALETTE["inputs"].lower() in colours
    for part in there:
        assert plots.PALETTE[part].lower() in colours
        assert plots.LABELS[part] in {text.strip() for text in found}
    for part in absent:
        assert plots.LABELS[part] not in {text.strip() for text in found}
        if part == "output":
            assert plots.PALETTE[part].lower() not in colours


@needs_pygraphviz
def test_layers_belong_to_the_part_that_their_name_says(model):
    found = {layer.name: plots._part(layer) for layer in model.layers}
    assert found["user"] == "inputs"
    assert found["weight_user"] == found["weights"] == "first_order"
    assert found["embedding_genres.mean"] == found["embeddings"] == "embedding"
    assert found["second_order"] == "second_order"
    assert found["deep_flatten"] == found["deep_1"] == found["deep"] == "deep"
    assert found["output"] == "output"


@needs_pygraphviz
def test_two_renders_are_one_text_without_memory_addresses(model):
    one, two = plots.architecture(model).data, plots.architecture(model).data
    assert one == two
    assert not re.findall(r"\d{9,}", one)


@needs_pygraphviz
def test_colours_of_two_diagrams_do_not_mix_on_one_page(model):
    other = models.deepfm(SPECS[:2], k=2, units=(3,))
    names = []
    for svg in (plots.architecture(m).data for m in (model, other)):
        names.append({*re.findall(r'Gradient id="(\w+)"', svg)})
        assert names[-1] == {*re.findall(r"url\(#(\w+)\)", svg)}
        assert names[-1]
    assert not names[0] & names[1]


@needs_pygraphviz
def test_models_built_alike_and_reloaded_ones_are_drawn_alike(model, tmp_path):
    expected = plots.architecture(model).data
    again = models.deepfm(SPECS, k=2, units=(4, 3))
    assert plots.architecture(again).data == expected
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert plots.architecture(loaded).data == expected


@needs_pygraphviz
def test_the_diagram_is_also_written_where_a_path_says(model, tmp_path):
    svg = plots.architecture(model, tmp_path / "a.svg").data
    assert svg.startswith("<svg")
    written = (tmp_path / "a.svg").read_text("utf-8")
    assert ElementTree.canonicalize(written) == ElementTree.canonicalize(svg)


def test_notes_of_the_drawing_library_are_kept_from_stderr(model, monkeypatch, capfd):
    class Graph:
        def __init__(self, string):
            assert string.startswith("digraph")

        def draw(self, format, prog):
            os.write(2, b"Fontconfig warning")
            return b"<svg xmlns='http://www.w3.org/2000/svg'><text>drawn</text></svg>"

    monkeypatch.setitem(sys.modules, "pygraphviz", SimpleNamespace(AGraph=Graph))
    assert texts(plots.architecture(model).data) == {"drawn"}
    os.write(2, b"heard again")
    assert capfd.readouterr() == ("", "heard again")


def place_dot(folder: Path, lines: str, monkeypatch) -> None:
    """A program named dot, the only one on PATH."""
    program, script = folder / "dot", folder / "dot.py"
    script.write_text(f"import sys\n{lines}\n", "utf-8")
    start = f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n'
    program.write_text(start, "utf-8")
    program.chmod(0o755)
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(folder))


SHOW = """
text = sys.stdin.read()
assert sys.argv[1:] == ["-Tsvg"] and "digraph" in text, sys.argv
print("<svg xmlns='http://www.w3.org/2000/svg'><text>by dot</text></svg>")
"""


@pytest.mark.skipif(os.name == "nt", reason="the fake program is a script")
def test_dot_draws_where_it_is_on_the_path(model, tmp_path, monkeypatch):
    place_dot(tmp_path, SHOW, monkeypatch)
    assert texts(plots.architecture(model).data) == {"by dot"}


@pytest.mark.skipif(os.name == "nt", reason="the fake program is a script")
def test_a_dot_that_fails_tells_why(model, tmp_path, monkeypatch):
    place_dot(tmp_path, "sys.exit('no such font')", monkeypatch)
    with pytest.raises(RuntimeError, match="dot failed: no such font"):
        plots.architecture(model)


def test_without_a_renderer_the_error_says_what_to_install(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "pygraphviz", None)
    with pytest.raises(
        RuntimeError, match=r"install Graphviz.*pip install 'pygraphviz"
    ):
        plots.architecture(model)


CURVES = Curves([1.0, 0.8, 0.6, 0.5], [1.1, 0.9, 0.95, 1.0], 2, 3.0)


def test_the_learning_curves_are_drawn_and_the_best_epoch_is_marked():
    ax = plots.curves(CURVES)
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in ax.lines]
    assert lines[:2] == [([1, 2, 3, 4], CURVES.train), ([1, 2, 3, 4], CURVES.valid)]
    assert lines[2] == ([2], [0.9])
    assert [t.get_text() for t in ax.texts] == [
        "training",
        "validation",
        "best, epoch 2",
    ]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "RMSE")
    assert ax.get_xlim()[0] == 0.5  # no epoch 0
    plt.close(ax.figure)


def test_curves_without_validation_mark_nothing_and_name_their_own_score():
    ax = plots.curves(CURVES._replace(valid=[], best_epoch=4, score="log loss"))
    assert ax.get_ylabel() == "log loss"
    assert len(ax.lines) == 1
    assert [t.get_text() for t in ax.texts] == ["training"]
    plt.close(ax.figure)


def test_curves_are_drawn_where_they_are_told():
    figure, ax = plt.subplots()
    assert plots.curves(CURVES, ax) is ax
    plt.close(figure)


def test_the_style_sets_the_look_of_the_course(monkeypatch):
    formats = []
    monkeypatch.setattr(plots, "set_matplotlib_formats", formats.append)
    with mpl.rc_context():
        mpl.rcdefaults()
        before = {**mpl.rcParams}
        plots.style()
        after = {k: v for k, v in mpl.rcParams.items() if v != before[k]}
        colours = [c["color"] for c in after.pop("axes.prop_cycle")]
    assert after == {
        "figure.figsize": [7.0, 3.5],
        "figure.constrained_layout.use": True,
        "font.size": 11,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    assert before["figure.dpi"] == 100
    assert colours == ["#4C78A8", "#F58518", "#54A24B", "#B8B8B8", "#333333"]
    assert formats == ["retina"]


@needs_pygraphviz
def test_a_sequential_model_is_drawn_too():
    layers = [keras.Input((2,)), keras.layers.Dense(3, name="deep_1")]
    assert ">deep_1<" in plots.architecture(keras.Sequential(layers)).data


def test_a_model_of_other_names_is_drawn_too():
    x = keras.Input((2,), name="a&b")
    model = keras.Model(x, keras.layers.Dense(1, name="line<1>")(x))
    assert {"a&b", "line<1>"} <= texts(plots.architecture(model).data)


# What is handed to the program that draws -------------------------------------------


@pytest.fixture
def graph(monkeypatch):
    """Called with a model: the lines of its graph, with the names of the layers."""
    given = []

    def render(text: str) -> str:
        given.append(text)
        return (
            '<svg id="l_7"><a id="l_3" x="url(#l_3)" y="url(#l_7)"/><svg x="1"/></svg>'
        )

    def lines(model: keras.Model) -> list[str]:
        plots.architecture(model)
        boxes = re.findall(r"^(layer_\d+) \[label=.*?<b>(.*?)</b>", given[-1], re.M)
        assert [number for number, _ in boxes] == [
            f"layer_{i}" for i in range(len(boxes))
        ]
        names = dict(boxes)
        text = re.sub(r"layer_\d+", lambda m: names[m[0]], given[-1])
        return text.splitlines()

    monkeypatch.setattr(plots, "_render", render)
    return lines


@pytest.mark.parametrize("parts", [models.PARTS, ["first_order"]])
def test_a_model_of_one_field_is_drawn(graph, parts):
    text = "\n".join(graph(models.deepfm(SPECS[:1], k=2, parts=parts)))
    assert "rank=same;\nuser;\n}" in text


def test_a_part_that_is_not_there_has_no_column(graph):
    text = "\n".join(graph(models.deepfm(SPECS, k=2, parts=["first_order"])))
    assert "rank=same;\nweights;\n}" in text and "rank=same;\nfirst_order;\n}" in text
    chains = re.findall(r"(.+) -> (.+) \[style=invis\]", text)
    tables = [f"weight_{spec.name}" for spec in SPECS]
    names = [spec.name for spec in SPECS]
    rows = ["weight_genres.mean", "weight_year.row"]
    columns = (names, tables, rows)
    assert chains == [pair for column in columns for pair in pairwise(column)]


def test_the_graph_runs_from_left_to_right(graph, model):
    head = graph(model)[1:7]
    assert head == [
        "rankdir=LR;",
        "concentrate=false;",
        "dpi=72;",
        "splines=spline;",
        "nodesep=0.08;",
        "ranksep=0.35;",
    ]


def test_arrows_go_from_a_layer_to_those_that_read_it(graph, model):
    arrows = [x for x in graph(model) if " -> " in x and "invis" not in x]
    looks = ' [penwidth=1.2, color="#777777", arrowsize=0.6];'
    assert all(arrow.endswith(looks) for arrow in arrows)
    found = [arrow.removesuffix(looks) for arrow in arrows]
    assert len({*found}) == len(found)
    assert {"genres -> embedding_genres", "genres -> embedding_genres.mean"} < {*found}
    ends = {arrow for arrow in found if arrow.endswith("-> output")}
    assert ends == {f"{name} -> output" for name in models.PARTS}


FONT = '<font face="Helvetica,Arial,sans-serif" point-size="11"'


@pytest.mark.parametrize(
    ("name", "kind", "shape", "fill", "ink"),
    [
        ("genres", "InputLayer", "batch, L", "#B8B8B8", "black"),
        ("liked", "InputLayer", "batch, 2", "#B8B8B8", "black"),
        ("liked.lists", "OwnerLists", "batch, 4", "#B8B8B8", "black"),
        ("weight_genres.mean", "MaskedMean", "batch, 1, 1", "#4C78A8", "white"),
        ("embeddings", "FieldRows", "batch, 2, 3", "#F58518:#54A24B", "white"),
        ("second_order", "PairwiseInteractions", "batch, 1", "#F58518", "white"),
        ("deep_1", "Dense", "batch, 5", "#54A24B", "white"),
        ("output", "Add", "batch, 1", "#333333", "white"),
    ],
)
def test_a_box_has_name_class_and_shape_and_wears_its_part(
    graph, name, kind, shape, fill, ink
):
    specs = [FieldSpec("genres", MULTI, 7, None)]
    specs += [FieldSpec("liked", "history", 4, 2, owners=2)]
    (box,) = (
        line
        for line in graph(models.deepfm(specs, k=3, units=(5,)))
        if line.startswith(f"{name} [label=")
    )
    assert box.split(" [label=")[1].startswith(
        '<<table border="1" cellborder="0" cellspacing="0" cellpadding="3"><tr>'
        f'<td bgcolor="{fill}">{FONT} color="{ink}"><b>{name}</b></font></td></tr>'
        f'<tr><td bgcolor="white">{FONT} color="black">{kind}<br/>({shape})</font></td>'
        "</tr></table>>"
    )
    assert box.endswith("shape=plain];")


@pytest.mark.parametrize(
    ("parts", "labels"),
    [
        (
            models.PARTS,
            {
                "inputs": "#B8B8B8",
                "first order": "#4C78A8",
                "embeddings, shared": "#F58518:#54A24B",
                "second order": "#F58518",
                "deep part": "#54A24B",
                "output": "#333333",
            },
        ),
        (["first_order"], {"inputs": "#B8B8B8", "first order": "#4C78A8"}),
    ],
)
def test_the_legend_explains_the_colours_that_are_there(graph, parts, labels):
    lines = graph(models.deepfm(SPECS, k=2, units=(3,), parts=parts))
    cells = "".join(
        f'<td bgcolor="{colour}" width="16"></td>'
        f'<td align="left">{FONT}>{label}  </font></td>'
        for label, colour in labels.items()
    )
    legend = f'label=<<table border="0" cellspacing="4"><tr>{cells}</tr></table>>;'
    assert [line for line in lines if line.startswith("label=")] == [legend]


def test_a_page_can_narrow_the_picture_and_its_gradients_are_its_own(graph, model):
    graph(model)
    svg = plots.architecture(model).data
    name = re.search(r"fill_[0-9a-f]{8}", svg)[0]
    assert svg == (
        f'<svg style="max-width:100%;height:auto" id="{name}_0"><a id="{name}_1" '
        f'x="url(#{name}_1)" y="url(#{name}_0)"/><svg x="1"/></svg>'
    )


def test_curves_wear_the_colours_of_the_course_and_labels_stand_beside_them():
    ax = plots.curves(CURVES)
    assert [x.get_color() for x in ax.lines] == ["#B8B8B8", "#333333", "#F58518"]
    assert [x.get_marker() for x in ax.lines] == ["None", "None", "o"]
    labels = [
        (
            x.get_text(),
            x.xy,
            x.xyann,
            x.anncoords,
            x.get_color(),
            x.get_ha(),
            x.get_va(),
        )
        for x in ax.texts
    ]
    assert labels == [
        ("training", (4, 0.5), (5, 0), "offset points", "#777777", "left", "center"),
        ("validation", (4, 1.0), (5, 0), "offset points", "#333333", "left", "center"),
        (
            *("best, epoch 2", (2, 0.9), (4, 18)),
            *("offset points", "#F58518", "left", "center"),
        ),
    ]
    assert ax.margins() == (0.15, 0.15)
    ax.set_xlim(1, 2)
    assert {float(tick) for tick in ax.get_xticks()} <= {0.0, 1.0, 2.0, 3.0}
    plt.close(ax.figure)
