"""The benchmark of serving: all ways are asked for the same rows, in turn."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import serving, turns
from helpers.fields import FieldEncoder, Numeric


def test_rows_are_dicts_as_json_has_them():
    rows = pd.DataFrame({"age": [20, 30], "job": ["clerk", None]})
    assert serving.as_dicts(rows)[1] == {"age": 30, "job": None}


def test_the_model_knows_the_fields_of_adult():
    rows = {name: ["a", "b"] for name in FieldEncoder(serving.FIELDS).columns}
    numbers = [n for n, f in serving.FIELDS.items() if isinstance(f, Numeric)]
    rows = pd.DataFrame(
        rows | dict.fromkeys(numbers, [1, 2]) | {serving.TARGET: [0, 1]}
    )
    found = serving.predictor(rows)
    assert found.encoder.names == [*serving.FIELDS]
    assert found.predict(rows).shape == (2,)


class Asked:
    """Takes the place of a predictor, a scorer and a client: keeps what it is asked."""

    def __init__(self):
        self.said = []
        self.encoder = SimpleNamespace(transform=lambda rows: self.keep("code", rows))

    def keep(self, who, rows):
        kind = type(rows).__name__
        size = 1 if kind == "dict" else len(rows)
        self.said.append((who, kind, size, rows))

    def predict(self, rows):
        self.keep("predict", rows)


@pytest.fixture
def ways():
    asked, rows = Asked(), pd.DataFrame({"a": np.arange(2500)})
    calls = serving.ways(asked, asked, lambda x: asked.keep("http", x), rows)
    return asked, calls


def test_each_way_is_asked_for_one_row_a_batch_or_a_table(ways):
    asked, calls = ways
    for name, call in calls.items():
        asked.said.clear()
        call(3)
        kinds = {(kind, size) for _, kind, size, _ in asked.said}
        one = {"dict": 1, "list": 1000, "DataFrame": 2500}
        wanted = {"one row": "dict", "batch": "list", "table": "DataFrame"}
        kind = wanted[name.split(", ")[1]]
        assert kinds == {(kind, one[kind])}
        assert len(asked.said) == (50 if kind == "dict" else 1)
    assert {*itertools.chain(*serving.RATIOS.values())} <= {*calls}


def test_no_row_is_asked_twice_alone_in_ten_rounds(ways):
    asked, calls = ways
    asked.said.clear()
    for number in range(10):
        calls["ONNX, one row"](number)
    assert len({row["a"] for _, _, _, row in asked.said}) == 500


def test_ratios_are_those_of_one_round(monkeypatch):
    now = itertools.count()
    clock = SimpleNamespace(perf_counter=lambda: next(now) ** 2)
    monkeypatch.setattr(turns, "time", clock)
    names = [*dict.fromkeys(itertools.chain(*serving.RATIOS.values()))]
    said = []
    calls = {name: lambda i, name=name: said.append((name, i)) for name in names}
    found = serving.measure(calls, 3)
    assert said == [(n, 0) for n in names] + [(n, i) for i in range(3) for n in names]
    # calls take 1, 5, 9, ... seconds, those of single rows a fiftieth each
    taken = {
        n: [1 + 4 * (i * len(names) + j) for i in range(3)] for j, n in enumerate(names)
    }
    for name, (above, below) in serving.RATIOS.items():
        ratios = [a / b for a, b in zip(taken[above], taken[below], strict=True)]
        assert found["ratios"][name] == pytest.approx(turns.quartiles(ratios))
    one = found["seconds"]["ONNX, one row"]["median"]
    assert one == pytest.approx(np.median(taken["ONNX, one row"]) / 50)
    assert len(serving.lines(found)) == len(names) + len(serving.RATIOS)
