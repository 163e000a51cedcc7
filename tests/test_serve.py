"""An exported predictor: one file that answers where there is no Keras."""

import json
import os
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, serve
from helpers.serve import Scorer
from helpers.targets import Stars
from tests.test_predictor import FIELDS as ALL
from tests.test_predictor import ROOT, asked, built, built_full, built_small

if keras.backend.backend() != "tensorflow":
    pytest.skip("ONNX is written on TensorFlow.", allow_module_level=True)
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def predictors() -> dict:
    small, liked = built_small(), {name: ALL[name] for name in ("liked", 7)}
    one = built(liked, Stars(), members=1, parts=["second_order"])
    return {"full": built_full(), "history": one, **small}


@pytest.fixture(scope="module")
def folder(predictors, tmp_path_factory):
    """Where each of them is exported."""
    folder = tmp_path_factory.mktemp("exported") / "nested" / "deeper"
    for name, one in predictors.items():
        one.export(folder / f"{name}.onnx")
    return folder


NAMES = ["full", "history", "stars", "clicks", "amount"]


@pytest.mark.parametrize("name", NAMES)
def test_a_scorer_answers_raw_rows_as_the_predictor_does(predictors, folder, name):
    rows = asked()
    expected = predictors[name].predict(rows)
    found = Scorer(str(folder / f"{name}.onnx")).predict(rows)
    scale = max(1.0, expected.abs().max())
    assert expected.std() > 1e-3 * scale  # or nothing is shown
    pd.testing.assert_series_equal(found, expected, atol=1e-5 * scale, rtol=0)


BARE = """
import sys
from pathlib import Path
import numpy as np, pandas as pd
for name in ("keras", "tensorflow", "jax", "torch", "onnx", "tf2onnx"):
    sys.modules[name] = None  # importing it raises
from helpers.serve import Scorer
folder = Path(sys.argv[1])
rows = pd.read_pickle(folder / "rows.pickle")
for path in sorted(folder.glob("*.onnx")):
    np.save(path.with_suffix(".npy"), Scorer(path).predict(rows))
print("done")
"""


def test_it_answers_the_same_where_there_is_no_keras(predictors, folder):
    asked().to_pickle(folder / "rows.pickle")
    done = subprocess.run(
        [sys.executable, "-c", BARE, folder],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "done", done.stderr[-2000:]
    for name, one in predictors.items():
        expected = one.predict(asked())
        scale = max(1.0, expected.abs().max())
        found = np.load(folder / f"{name}.npy")
        np.testing.assert_allclose(found, expected, atol=1e-5 * scale, err_msg=name)


@pytest.mark.parametrize("name", NAMES)
def test_no_sum_over_fields_is_left_in_the_file(predictors, folder, name):
    nodes = onnx.load(folder / f"{name}.onnx").graph.node
    of_parts = ("first_order", "second_order")
    sums = [n.name for n in nodes if n.op_type == "ReduceSum"]
    assert not [s for s in sums if any(f"/{part}" in s for part in of_parts)]
    lists = {"genres", "genres_mean", "tags", ""} & {*predictors[name].encoder.names}
    assert bool(sums) >= bool(lists)  # those over a list of any length stay


@pytest.mark.parametrize("name", NAMES)
def test_every_constant_in_the_file_is_read(folder, name):
    graph = onnx.load(folder / f"{name}.onnx").graph
    read = {name for node in graph.node for name in node.input}
    assert not {c.name for c in graph.initializer} - read  # a warning at each start


@pytest.fixture(scope="module")
def scorer(folder) -> Scorer:
    return Scorer(folder / "full.onnx")


def test_a_row_may_be_a_dict_and_rows_a_list_of_dicts_or_none(scorer):
    rows = asked()
    expected = scorer.predict(rows)
    as_dicts = rows.to_dict("records")
    np.testing.assert_allclose(scorer.predict(as_dicts), expected, atol=1e-6)
    np.testing.assert_allclose(scorer.predict(as_dicts[3]), expected.iloc[[3]], 1e-6)
    for none in ([], rows.head(0)):
        assert scorer.predict(none).tolist() == []
        assert scorer.predict(none).name == "rating"


@pytest.mark.parametrize("number", [1, 39, 40, 41, 95])
def test_many_rows_are_shared_among_threads_and_come_back_in_order(
    scorer, monkeypatch, number
):
    monkeypatch.setattr(serve, "AT_ONCE", 20)
    rows = pd.concat([asked()] * 3).head(number)
    expected = scorer.predict(asked()).to_numpy()
    found = scorer.predict(rows)
    np.testing.assert_allclose(found, np.tile(expected, 3)[:number], atol=1e-6)
    assert [*found.index] == [*rows.index]


def test_rows_that_cannot_be_used_are_refused_as_the_predictor_refuses_them(
    scorer, predictors
):
    for bad in (
        asked().drop(columns="deep"),
        asked().assign(**{"7": "much"}),
        asked().astype({"user name": str}),
        None,
    ):
        with pytest.raises(ValueError) as found:
            scorer.predict(bad)
        with pytest.raises(ValueError) as expected:
            predictors["full"].predict(bad)
        assert str(found.value) == str(expected.value)


def test_a_scorer_has_fields_target_and_fingerprint_of_its_predictor(
    scorer, predictors
):
    full = predictors["full"]
    assert scorer.fingerprint == full.fingerprint
    assert scorer.encoder.to_json() == full.encoder.to_json()
    assert scorer.target == full.target
    assert scorer.target.learned == full.target.learned


def test_an_export_changes_nothing_of_the_predictor(predictors, folder):
    assert (folder / "full.onnx").exists()
    for model in predictors["full"].models:
        parts = models.part_models(model)  # needs each layer to be used once
        x = {
            models.input_name(name): array
            for name, array in predictors["full"].encoder.transform(asked()).items()
        }
        total = sum(np.asarray(part(x)) for part in parts.values())
        np.testing.assert_allclose(total, np.asarray(model(x)), rtol=1e-4, atol=1e-4)


# files that are not as export() left them


def changed(path, to, change) -> None:
    """The file with another entry of metadata."""
    graph = onnx.load(path)
    entries = {entry.key: entry for entry in graph.metadata_props}
    change(entries[serve.METADATA])
    onnx.save(graph, to)


def other_value(old: str, new: str):
    def change(entry):
        assert old in entry.value
        entry.value = entry.value.replace(old, new, 1)

    return change


def rename(entry):
    entry.key = "other"


CHANGES = {
    "is ONNX, but not of Predictor.export": rename,
    "has format 2; this version reads 1": other_value('"format": 1', '"format": 2'),
    "is damaged, or was changed by hand": other_value('"high_": 5.0', '"high_": 6.0'),
    "is damaged: JSONDecodeError": other_value("{", ""),
}


@pytest.mark.parametrize("message", CHANGES)
def test_a_file_that_is_not_as_it_was_written_is_refused(folder, tmp_path, message):
    path = tmp_path / "p.onnx"
    changed(folder / "full.onnx", path, CHANGES[message])
    with pytest.raises(ValueError, match=f"p.onnx {message}"):
        Scorer(path)


@pytest.mark.parametrize("size", [0, 10, 5000])
def test_a_damaged_file_is_refused(folder, tmp_path, size):
    path = tmp_path / "p.onnx"
    path.write_bytes((folder / "full.onnx").read_bytes()[:size])
    with pytest.raises(ValueError, match="p.onnx is no ONNX file, or damaged"):
        Scorer(path)


def test_a_file_that_is_missing_is_named(tmp_path):
    for path in (tmp_path / "p.onnx", tmp_path):
        with pytest.raises(ValueError, match=f"{path} is missing"):
            Scorer(path)


@pytest.mark.parametrize("step", ["replace", "save", "export"])
def test_an_export_that_fails_leaves_the_good_file_and_nothing_else(
    predictors, tmp_path, monkeypatch, step
):
    path = tmp_path / "p.onnx"
    path.write_bytes(b"the good one")
    owner = {"replace": os, "save": onnx, "export": keras.Model}[step]

    def fails(*args, **options):
        raise RuntimeError(step)

    monkeypatch.setattr(owner, step, fails)
    with pytest.raises(RuntimeError, match=step):
        predictors["stars"].export(path)
    assert path.read_bytes() == b"the good one"
    assert [*tmp_path.iterdir()] == [path]


def test_an_export_takes_the_place_of_a_file(predictors, tmp_path):
    path = tmp_path / "p.onnx"
    path.write_bytes(b"the old one")
    predictors["clicks"].export(path)
    assert Scorer(path).target == predictors["clicks"].target
    assert [*tmp_path.iterdir()] == [path]


def test_the_seal_does_not_ask_in_which_order_the_content_is_written():
    content = json.loads(serve.sealed({"a": 1, "b": {"c": 2, "d": 3}}))
    other = {"b": {"d": 3, "c": 2}, "a": 1}
    assert json.loads(serve.sealed(other))[serve.SEAL] == content[serve.SEAL]
