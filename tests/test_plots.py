"""Diagrams of models and learning curves."""

import importlib.util
import os
import re
import shutil
import sys
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
    assert {type(layer).__name__ for layer in model.layers} <= found
    assert {"(batch, 3)", "(batch, 1)", "(batch, 3, 2)"} <= found
    assert "None" not in " ".join(found)


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


def test_the_style_sets_the_look_of_the_course():
    with mpl.rc_context():
        plots.style()
        assert mpl.rcParams["axes.spines.top"] is False
        assert mpl.rcParams["axes.spines.right"] is False
        assert mpl.rcParams["font.size"] == 11
        colours = [c["color"] for c in mpl.rcParams["axes.prop_cycle"]]
        assert colours == [*plots.PALETTE.values()]


@needs_pygraphviz
def test_a_sequential_model_is_drawn_too():
    layers = [keras.Input((2,)), keras.layers.Dense(3, name="deep_1")]
    assert ">deep_1<" in plots.architecture(keras.Sequential(layers)).data


def test_a_model_of_other_names_is_drawn_too():
    x = keras.Input((2,), name="a&b")
    model = keras.Model(x, keras.layers.Dense(1, name="line<1>")(x))
    assert {"a&b", "line<1>"} <= texts(plots.architecture(model).data)
