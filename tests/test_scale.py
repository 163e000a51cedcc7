"""The benchmark of scale: what it writes, measures and keeps, on few rows."""

import itertools
from types import SimpleNamespace

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks import results, scale
from helpers import synthetic, training
from helpers.parquet import Parquet


@pytest.fixture
def small(in_this_process, monkeypatch, tmp_path):
    monkeypatch.setattr(scale, "FOLDER", tmp_path / "scale")
    monkeypatch.setattr(scale, "GROUP", 40)
    monkeypatch.setattr(scale, "GROUPS_A_FILE", 2)
    monkeypatch.setattr(scale, "OTHERS", 60)
    monkeypatch.setattr(scale, "MODEL", {"k": 2, "units": (3,)})
    monkeypatch.setattr(scale, "FIT", {"batch_size": 32, "learning_rate": 1e-3})
    return tmp_path


def test_rows_are_written_in_groups_and_files(small):
    with scale.written(170) as folder:
        train = Parquet(folder / "train")
        assert len(train) == 170 and len(Parquet(folder / "others")) == 60
        sizes = [(g.path.name, g.rows) for g in train.groups]
        assert sizes == [
            ("0000.parquet", 40),
            ("0000.parquet", 40),
            ("0001.parquet", 40),
            ("0001.parquet", 40),
            ("0002.parquet", 10),
        ]
        frames = [*train]
        assert (
            not frames[0]
            .reset_index(drop=True)
            .equals(frames[1].reset_index(drop=True))
        )
    assert not folder.exists()


def test_files_are_gone_after_an_error(small):
    with pytest.raises(KeyboardInterrupt), scale.written(40) as folder:
        raise KeyboardInterrupt
    assert not folder.exists()


def test_all_rows_are_learned_trained_on_and_scored(small, monkeypatch):
    kept = {}
    score = scale.score

    def watched(model, rows, path):
        score(model, rows, path)
        kept["scored"], kept["model"] = pd.read_parquet(path), model
        kept["x"] = [x for x, _ in rows.pieces()]

    monkeypatch.setattr(scale, "score", watched)
    found = scale.through(100)
    assert found["rows"] == 100 and found["peak_gib"] > 0.1
    assert {*scale.COSTS, "train", "file_bytes", "parameters"} <= {*found}
    assert found["cpu_train"] > 0
    assert 0 < found["truth"]["log loss"] < found["others"]["log loss"] < 1
    scored = kept["scored"]
    assert scored["row"].tolist() == [*range(80), *range(20)]
    assert scored.file.tolist() == ["0000.parquet"] * 80 + ["0001.parquet"] * 20
    expected = [training.predict(kept["model"], x, synthetic.CLICK) for x in kept["x"]]
    np.testing.assert_allclose(scored.probability, np.concatenate(expected)[:, 0], 1e-5)


def test_the_truth_is_scored_by_its_own_log_odds(small):
    with scale.written(40) as folder:
        rows = Parquet(folder / "others")
        table = pd.concat(rows)
        expected = synthetic.CLICK.scores(
            synthetic.CLICK.answer(table["log-odds"]), table.click
        )
        assert scale.of_truth(rows) == expected


def test_a_size_is_kept_beside_others_with_slopes_of_the_last_two():
    def alone(call, n):
        assert call is scale.through
        return dict.fromkeys(scale.COSTS, float(n) ** 2)

    found = scale.grow(alone, [100], {"10": dict.fromkeys(scale.COSTS, 100.0), "x": 1})
    assert [*found][:2] == ["10", "100"] and "x" not in found
    assert found["slope_cpu_train"] == pytest.approx(2)
    again = scale.grow(alone, [1], found)
    assert [*again][:3] == ["1", "10", "100"]
    assert again["slope_peak_gib"] == pytest.approx(2)


def test_speed_is_measured_in_turns_after_the_first_epoch(small, monkeypatch):
    monkeypatch.setattr(scale, "SPEED_ROWS", 90)
    asked, seconds = [], itertools.cycle([[9.0, 2.0, 4.0], [9.0, 6.0, 6.0], [9, 3, 3]])

    def epochs(model, rows):
        asked.append(type(rows).__name__)
        return next(seconds)

    monkeypatch.setattr(scale, "epochs", epochs)
    found = scale.compare_speed(lambda call, *args: call(*args))
    assert asked == ["Encoded", "Streamed", "Streamed"] * scale.ROUNDS
    assert found["rows_a_second"]["memory"] == [30.0] * scale.ROUNDS
    assert found["parquet / memory"]["median"] == pytest.approx(0.5)
    assert found["kept pieces / memory"]["median"] == pytest.approx(1)


def test_epochs_are_timed(small, few_rows, monkeypatch):
    monkeypatch.setattr(scale, "SPEED_EPOCHS", 2)
    with scale.written(40) as folder:
        split = scale.split_of(folder)
        data = training.prepare(split, synthetic.CLICK_FIELDS, synthetic.CLICK)
        times = scale.epochs(training.build(data, scale.MODEL), data.train)
    assert len(times) == 2 and min(times) > 0


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="rows are TF's")
def test_hashed_ids_train_by_both_optimizers(small, monkeypatch):
    monkeypatch.setattr(scale, "ID_ROWS", 100)
    monkeypatch.setattr(scale, "SPEED_EPOCHS", 2)
    monkeypatch.setattr(scale, "IDS", [8, 16])
    asked = []

    def alone(call, ids, name):
        asked.append((ids, name))
        return call(ids, name)

    found = scale.grow_ids(alone)
    assert asked == [(8, "Adam"), (16, "Adam"), (8, "RowAdam"), (16, "RowAdam")]
    few, many = (found["Adam"][ids]["rows_a_second"] for ids in ("8", "16"))
    assert found["Adam"]["first_by_last"] == pytest.approx(few / many)
    assert found["RowAdam"]["16"]["peak_gib"] > 0.1


def test_a_sorted_file_is_trained_on_with_each_buffer(few_rows, monkeypatch):
    data = SimpleNamespace(joined=lambda: few_rows)
    monkeypatch.setattr(scale.datasets, "load", lambda name: {"ml-100k": data}[name])
    monkeypatch.setattr(scale, "GROUP_OF_ORDER", 40)
    given, fit = [], training.fit

    def watched(model, train, **how):
        rows = train.rows if hasattr(train, "rows") else pd.concat([*train.files])
        in_order = rows.user_id.is_monotonic_increasing
        given.append((train.n_rows, in_order, how["buffer"], how["seed"]))
        fit(model, train, **how | {"epochs": 1})

    monkeypatch.setattr(training, "fit", watched)
    found = scale.by_order(3, "user_id")
    buffers = scale.BUFFERS.values()
    assert given == [(160, False, 1, 3), *((160, True, b, 3) for b in buffers)]
    assert [*found] == ["from memory", *scale.BUFFERS]
    assert all(0.5 < rmse < 3 for rmse in found.values())


def test_the_order_is_compared_with_training_from_memory(monkeypatch):
    scores = {"from memory": 0.9, "all rows": 0.9, "a quarter": 0.91, "a group": 0.95}

    def alone(call, seed, column):
        return {n: s + seed * i / 1000 for i, (n, s) in enumerate(scores.items())}

    found = scale.compare_order(alone)
    assert [*found] == [*scale.SORTED]
    rows = {row["model"]: row for row in found["user_id"]["minus_from_memory"]}
    assert len(found["user_id"]["valid_rmse"]["a group"]) == len(scale.SEEDS)
    assert len(rows) == len(scale.BUFFERS)
    mean_seed, place = 2, 3
    worse = 0.95 - 0.9 + mean_seed * place / 1000
    assert rows["a group"]["difference"] == pytest.approx(worse)


def test_what_was_named_is_measured_and_the_rest_stays(small, monkeypatch):
    monkeypatch.setattr(scale, "through", through)
    scale.main("rows", "10", "20")
    scale.main("30")
    kept = results.read("scale", "synthetic")
    sizes = [name for name in kept["figures"]["rows"] if name.isdigit()]
    assert sizes == ["10", "20", "30"]
    assert kept["settings"]["optimizer"] == scale.OPTIMIZER


def through(n):
    """In place of scale.through."""
    return dict.fromkeys(scale.COSTS, 1.0 * n)
