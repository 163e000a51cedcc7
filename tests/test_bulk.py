"""Scoring a folder: every row once, whatever is killed, and never by two models."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers import bulk, splits, training
from helpers.bulk import Scored
from helpers.predictor import Predictor
from helpers.targets import Clicks
from tests.deadly import DeadlyPieces
from tests.test_predictor import ROOT
from tests.test_training import FIELDS, table

KEYS = ["row", "user"]
SIZES = (40, 1, 0, 73, 31)  # rows of the pieces


def rows_of(piece: int) -> pd.DataFrame:
    rows = table(sum(SIZES)).drop(columns=["rating", "price", "bought"])
    rows["row"] = [f"r{i}" for i in range(len(rows))]
    first = sum(SIZES[:piece])
    return rows[first : first + SIZES[piece]]


def write(folder: Path) -> Path:
    """The pieces as files, in row groups of 30."""
    folder.mkdir()
    schema = pa.Schema.from_pandas(rows_of(0))
    for piece in range(len(SIZES)):
        found = pa.Table.from_pandas(rows_of(piece), schema=schema)
        pq.write_table(found, folder / f"part-{piece}.parquet", row_group_size=30)
    (folder / "_SUCCESS").touch()  # what other tools leave
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    return write(tmp_path_factory.mktemp("bulk") / "rows")


def trained(seed: int) -> Predictor:
    rows = table(403)
    split = splits.Split(rows[:323], rows[:0], rows[:0])
    data = training.prepare(split, FIELDS, Clicks("bought"))
    return Predictor.trained(data, {"k": 3, "units": [4]}, {"epochs": 2}, seed=seed)


@pytest.fixture(scope="module")
def predictors() -> list[Predictor]:
    return [trained(seed) for seed in (0, 1)]


@pytest.fixture(scope="module")
def models(predictors, tmp_path_factory) -> dict[str, Path]:
    """A predictor, what it exports, and the same trained from another seed."""
    folder = tmp_path_factory.mktemp("models")
    predictors[0].save(folder / "predictor")
    predictors[1].save(folder / "other")
    found = {name: folder / name for name in ("predictor", "other")}
    if keras.backend.backend() == "tensorflow":
        predictors[0].export(folder / "m.onnx")
        found["scorer"] = folder / "m.onnx"
    return found


@pytest.fixture(scope="module")
def expected(predictors) -> pd.DataFrame:
    rows = pd.concat([rows_of(piece) for piece in range(len(SIZES))])
    found = rows[KEYS].assign(prediction=predictors[0].predict(rows))
    return found.reset_index(drop=True)


def equal(out: Path, expected: pd.DataFrame, atol: float = 1e-6) -> None:
    """What a reader of the folder finds, by any reader."""
    found = pd.read_parquet(out).sort_values("row", key=lambda s: s.str[1:].astype(int))
    pd.testing.assert_frame_equal(
        found.reset_index(drop=True), expected, atol=atol, rtol=0, check_dtype=False
    )


def written(path: Path) -> tuple[int, int]:
    """Other numbers tell that a file was written again."""
    return path.stat().st_ino, path.stat().st_mtime_ns


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


ALL = [f"part-{piece}.parquet" for piece in range(len(SIZES))]


def test_a_folder_is_scored_as_its_rows_are(source, models, expected, tmp_path):
    out = tmp_path / "new" / "out"
    done = bulk.score(str(models["predictor"]), source, out, KEYS)
    assert done == Scored(pieces=5, rows=145, kept=0)
    assert names(out) == ALL
    equal(out, expected)
    for piece, name in enumerate(ALL):  # rows in their order, each in its file
        found = pq.read_table(out / name)
        assert found["row"].to_pylist() == rows_of(piece)["row"].tolist()
        assert found.schema.names == [*KEYS, "prediction"]
    assert (out / ALL[0]).stat().st_mode & 0o777 == 0o644


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ONNX needs it")
def test_an_exported_model_scores_the_same(source, models, expected, tmp_path):
    bulk.score(models["scorer"], source, tmp_path / "out", KEYS)
    equal(tmp_path / "out", expected, atol=1e-5)


BARE = """
import sys
for name in ("keras", "tensorflow", "jax", "torch", "onnx", "tf2onnx", "ray"):
    sys.modules[name] = None  # importing it raises
from helpers import bulk
print(bulk.score(*sys.argv[1:4], ["row", "user"]).rows)
"""


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="ONNX needs it")
def test_an_exported_model_needs_no_keras_and_no_ray(
    source, models, tmp_path, expected
):
    done = run(BARE, models["scorer"], source, tmp_path / "out")
    assert (done.stdout, done.stderr) == ("145\n", "")
    equal(tmp_path / "out", expected, atol=1e-5)


def run(code: str, *arguments) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


# what was stopped goes on


KILLED = """
import os, signal, sys
from helpers import bulk
import pyarrow.parquet as pq
write, left = pq.ParquetWriter.write_table, [int(sys.argv[4])]
def deadly(*args, **how):
    if not left[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    left[0] -= 1
    return write(*args, **how)
pq.ParquetWriter.write_table = deadly
bulk.score(*sys.argv[1:4], ["row", "user"])
"""


def test_a_killed_run_goes_on_without_losing_or_doubling_a_row(
    source, models, expected, tmp_path
):
    out = tmp_path / "out"
    done = run(KILLED, models["predictor"], source, out, "4")
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert len(names(out)) == 4  # three pieces, and the fourth, not yet under its name
    assert names(out)[1:] == ALL[:3] and names(out)[0].startswith(".part-3.parquet-")
    before = [written(out / name) for name in ALL[:3]]
    pd.testing.assert_frame_equal(  # whoever reads now sees whole pieces only
        pd.read_parquet(out)[KEYS], expected[KEYS][:41], check_dtype=False
    )
    done = bulk.score(models["predictor"], source, out, KEYS)
    assert done == Scored(pieces=2, rows=104, kept=3)
    assert names(out) == ALL
    assert before == [written(out / name) for name in ALL[:3]]
    equal(out, expected)
    assert bulk.score(models["predictor"], source, out, KEYS) == Scored(0, 0, 5)


@pytest.mark.parametrize("name", ["predictor", "scorer"])
def test_two_workers_score_as_one_does_also_where_one_is_killed(
    ray, source, models, expected, tmp_path, monkeypatch, name
):
    if name not in models:
        pytest.skip("ONNX is written on TensorFlow.")
    if name == "predictor":
        monkeypatch.setattr(bulk, "_Pieces", DeadlyPieces)
    out = tmp_path / "out"
    done = bulk.score(models[name], source, out, KEYS, workers=2)
    assert done == Scored(pieces=5, rows=145, kept=0)
    assert (tmp_path / "flag").exists() == (name == "predictor")
    assert names(out) == ALL
    equal(out, expected, atol=1e-5)
    assert bulk.score(models[name], source, out, KEYS, workers=2) == Scored(0, 0, 5)


def test_what_is_wrong_in_another_process_is_said_here(
    ray, source, models, tmp_path, capfd
):
    bad(source, tmp_path / "rows")
    with pytest.raises(ValueError, match=r"'user' has .* rows \[50\] of part-3.par"):
        bulk.score(
            models["predictor"], tmp_path / "rows", tmp_path / "out", KEYS, workers=2
        )
    said, noise = capfd.readouterr()
    # Of a worker that an earlier test has killed Ray may tell only now.
    said = [line for line in said.splitlines() if "(raylet)" not in line]
    assert (said, noise) == ([], "")
    assert not {*names(tmp_path / "out")} & {"part-3.parquet"}


def bad(source: Path, folder: Path) -> None:
    """The pieces, one of which has a value that cannot be used."""
    folder.mkdir()
    for name in ALL:
        rows = pd.read_parquet(source / name)
        if name == "part-3.parquet":
            rows["user"] = rows.user.astype(object).mask(rows.index == 50, None)
        rows.to_parquet(folder / name)


# what is refused


def test_a_value_that_cannot_be_used_is_named_with_its_file(source, models, tmp_path):
    bad(source, tmp_path / "rows")
    with pytest.raises(ValueError, match=r"'user' has .* rows \[50\] of part-3.par"):
        bulk.score(models["predictor"], tmp_path / "rows", tmp_path / "out", KEYS)
    assert names(tmp_path / "out") == ALL[:3]


@pytest.fixture
def scored(source, models, tmp_path) -> tuple[Path, Path]:
    """A folder of rows, and their predictions but for the last piece."""
    rows, out = write(tmp_path / "rows"), tmp_path / "out"
    bulk.score(models["predictor"], rows, out, KEYS)
    (out / ALL[-1]).unlink()
    return rows, out


def test_predictions_of_another_model_are_refused(scored, models, predictors):
    assert predictors[0].fingerprint == predictors[1].fingerprint  # weights differ
    with pytest.raises(ValueError, match="part-0.parquet is of another model: choose"):
        bulk.score(models["other"], *scored, KEYS)
    assert names(scored[1]) == ALL[:-1]


def test_rows_that_changed_since_are_refused(scored, models):
    rows, out = scored
    changed = pd.read_parquet(rows / ALL[0])
    changed.loc[3, "user"] = 3 - changed.user[3]
    changed.to_parquet(rows / ALL[0])
    with pytest.raises(ValueError, match="part-0.parquet is of other rows than"):
        bulk.score(models["predictor"], rows, out, KEYS)


def test_rows_that_changed_are_refused_also_where_the_footer_is_the_same(
    source, models, tmp_path
):
    """Rows turned round have the same sizes and ranges, but for bytes between."""
    rows, out = tmp_path / "rows", tmp_path / "out"
    rows.mkdir()
    found = pd.read_parquet(source / ALL[3])
    plain = {"compression": "none", "use_dictionary": False}
    found.to_parquet(rows / "a.parquet", **plain)
    before = pq.read_metadata(rows / "a.parquet")
    bulk.score(models["predictor"], rows, out, KEYS)
    turned = found.assign(user=found.user.to_numpy()[::-1])
    turned.to_parquet(rows / "a.parquet", **plain)
    assert pq.read_metadata(rows / "a.parquet").equals(before)
    with pytest.raises(ValueError, match="a.parquet is of other rows than"):
        bulk.score(models["predictor"], rows, out, KEYS)


def test_the_folder_of_the_rows_is_none_to_write_to(source, models, tmp_path):
    rows = write(tmp_path / "rows")
    with pytest.raises(ValueError, match="rows holds the rows: choose another folder"):
        bulk.score(models["predictor"], rows, rows, KEYS)
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="file is no folder: choose another place"):
        bulk.score(models["predictor"], rows, tmp_path / "file", KEYS)


def test_a_key_named_twice_is_written_once_and_one_there_twice_is_refused(
    models, tmp_path
):
    rows = tmp_path / "rows"
    rows.mkdir()
    table = pa.Table.from_pandas(rows_of(1), preserve_index=False)
    pq.write_table(table, rows / "a.parquet")
    bulk.score(models["predictor"], rows, tmp_path / "out", ["row", "row"])
    found = pq.read_table(tmp_path / "out" / "a.parquet")
    assert found.column_names == ["row", "prediction"]
    twice = table.append_column("row", table["row"])
    pq.write_table(twice, rows / "a.parquet")
    with pytest.raises(ValueError, match=r"keys are there more than once: .'row'"):
        bulk.score(models["predictor"], rows, tmp_path / "other", "row")
    assert names(tmp_path / "other") == []


def test_hidden_files_are_no_pieces(models, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    rows_of(1).to_parquet(rows / "a.PARQUET")
    (rows / "._a.parquet").write_bytes(b"of a file system")
    done = bulk.score(models["predictor"], rows, tmp_path / "out", KEYS)
    assert done == Scored(pieces=1, rows=1, kept=0)


def test_an_answer_that_is_not_finite_is_not_written(models, tmp_path, monkeypatch):
    rows = tmp_path / "rows"
    rows.mkdir()
    monkeypatch.setattr(Predictor, "_answers", lambda self, x: np.full((30, 1), np.nan))
    rows_of(0).iloc[:30].to_parquet(rows / "a.parquet")
    with pytest.raises(ValueError, match="has no finite answer in 30 of 30 rows"):
        bulk.score(models["predictor"], rows, tmp_path / "out", KEYS)
    assert names(tmp_path / "out") == []


def test_other_keys_are_refused(scored, models):
    with pytest.raises(ValueError, match=r"columns \['row', 'user', 'prediction'\], a"):
        bulk.score(models["predictor"], *scored, "row")


def test_a_folder_that_holds_anything_else_is_refused(scored, models):
    rows, out = scored
    (rows / "part-1.parquet").unlink()  # its predictions would be doubles
    with pytest.raises(ValueError, match="out/part-1.parquet is none of the predictio"):
        bulk.score(models["predictor"], rows, out, KEYS)
    assert names(out) == ALL[:-1]


@pytest.mark.parametrize("size", [0, 100])
def test_damaged_predictions_are_refused(scored, models, size):
    rows, out = scored
    (out / ALL[3]).write_bytes((out / ALL[3]).read_bytes()[:size])
    with pytest.raises(ValueError, match="part-3.parquet is damaged"):
        bulk.score(models["predictor"], rows, out, KEYS)


def test_arguments_that_cannot_be_are_refused(source, models, tmp_path):
    def score(model=models["predictor"], folder=source, keys=KEYS, **how):
        bulk.score(model, folder, tmp_path / "out", keys, **how)

    for message, how in {
        "There is no folder": {"folder": tmp_path / "none"},
        "There is no .parquet file in": {"folder": models["predictor"]},
        "none is no predictor": {"model": tmp_path / "none"},
        "part-0.parquet: there are no keys .'price'": {"keys": ["price"]},
        "'prediction' is what is written": {"keys": ["prediction"]},
        "workers": {"workers": 0},
    }.items():
        with pytest.raises(ValueError, match=message):
            score(**how)


def test_a_missing_column_is_named_with_the_file(source, models, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    rows_of(0).drop(columns="genres").to_parquet(rows / "a.parquet")
    with pytest.raises(ValueError, match=r"a.parquet: columns are missing: \['genres'"):
        bulk.score(models["predictor"], rows, tmp_path / "out", KEYS)


def test_keys_come_out_as_they_went_in(models, tmp_path):
    rows = tmp_path / "rows"
    rows.mkdir()
    found = pa.Table.from_pandas(rows_of(0), preserve_index=False)
    odd = pa.array([None, 2**60 + 1, *range(38)], pa.int64())
    when = pa.array([7] * 40, pa.timestamp("ns", "UTC"))
    found = found.append_column("odd", odd).append_column("when", when)
    pq.write_table(found, rows / "a.parquet")
    bulk.score(models["predictor"], rows, tmp_path / "out", ["odd", "when"])
    written = pq.read_table(tmp_path / "out" / "a.parquet")
    assert written["odd"].combine_chunks() == odd
    assert written["when"].combine_chunks() == when
    assert np.isfinite(written["prediction"].to_numpy()).all()
