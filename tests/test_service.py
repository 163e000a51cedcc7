"""A service in a process of its own: answers, clear refusals, and it stays up."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import keras
import numpy as np
import pandas as pd
import pytest
import uvicorn
from fastapi import FastAPI
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import service
from helpers.serve import Scorer
from helpers.targets import Clicks
from tests.test_predictor import FIELDS as ALL
from tests.test_predictor import ROOT, asked, built, built_full

if keras.backend.backend() != "tensorflow":
    pytest.skip("ONNX is written on TensorFlow.", allow_module_level=True)
pytest.importorskip("onnx")
pytestmark = pytest.mark.filterwarnings("ignore:Column")  # of unknown values

#: Every kind of field whose column has text as its name.
FIELDS = {n: f for n, f in ALL.items() if n not in (7, "")}
BLOCKED = ("keras", "tensorflow", "jax", "torch", "onnx", "tf2onnx", "scipy", "sklearn")
SITE = f"import sys\nfor name in {BLOCKED}:\n    sys.modules[name] = None\n"


def as_json(rows: pd.DataFrame) -> list[dict]:
    """Rows as a client has them: no NaN, no tuples, dates as text."""
    rows = rows.drop(columns=[7])
    rows["when"] = rows["when"].dt.strftime("%Y-%m-%dT%H:%M:%S")
    rows = rows.astype(object).where(rows.notna(), None)
    return json.loads(json.dumps(rows.to_dict("records")))


ROWS = as_json(asked())


def row(**changes) -> dict:
    """A row that is answered, but for the changes; ... takes a column away."""
    found = ROWS[20] | {name.replace("_", " "): v for name, v in changes.items()}
    return {name: value for name, value in found.items() if value is not ...}


@pytest.fixture(scope="module")
def predictor():
    return built(FIELDS, Clicks("bought"))


@pytest.fixture(scope="module")
def file(predictor, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "bought.onnx"
    predictor.export(path)
    return path


@pytest.fixture(scope="module")
def without_keras(tmp_path_factory):
    """Processes that start meanwhile cannot import what is BLOCKED."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "sitecustomize.py").write_text(SITE)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{ROOT}")
        done = [
            subprocess.run(
                [sys.executable, "-c", f"import {name}"], capture_output=True
            )
            for name in BLOCKED
        ]
        assert all(b"ModuleNotFoundError" in one.stderr for one in done)
        yield


@pytest.fixture(scope="module")
def address(file, without_keras):
    with service.running(file) as address:
        yield address


@pytest.fixture(scope="module")
def client(address):
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        yield client


def until_it_saw_them_leave(client) -> None:
    """Connections count until the service, which may be busy, has closed them too."""
    for _ in range(600):
        if client.get("/").status_code != 503:
            return
        time.sleep(0.05)


def answers(client, rows) -> list[float]:
    found = client.post("/predict", json=rows)
    assert found.status_code == 200, found.text
    return found.json()["answers"]


# answers


def test_it_answers_as_the_predictor_and_the_scorer_do(client, predictor, file):
    expected = predictor.predict(asked())
    assert expected.std() > 1e-2  # or nothing is shown
    found = answers(client, ROWS)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    np.testing.assert_array_equal(found, Scorer(file).predict(asked()))


def test_a_row_answers_alone_as_it_does_among_others(client):
    together = answers(client, ROWS)
    alone = [answers(client, one) for one in ROWS]
    np.testing.assert_allclose(np.ravel(alone), together, atol=1e-6)
    assert all(len(one) == 1 for one in alone)


def test_no_rows_have_no_answers(client):
    assert answers(client, []) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"user_name": 10**9},
        {"a/b": "never seen"},
        {"a/b": None},
        {"a/b": "\x00 \u202e 🎬" * 50},
        {"weights": None},
        {"weights": "1.5"},
        {"when": None},
        {"when": "2031-02-03"},
        {"when": "2031-02-03T04:05:06+07:00"},
        {"genres": []},
        {"genres": ["never seen"] * 900},
        {"more": {"than": ["it", "asks"]}},
    ],
    ids=str,
)
def test_what_is_unknown_missing_or_not_asked_for_is_answered(client, changes):
    (found,) = answers(client, row(**changes))
    assert 0 < found < 1


def test_a_date_is_the_day_it_names(client, predictor):
    days = ["2001-01-05", "2001-01-05T00:00:00Z", "2001-01-05T02:00:00+02:00"]
    found = answers(client, [row(when=day) for day in days])
    assert found[0] == found[1] == found[2]
    table = asked().iloc[[20]].assign(when=pd.Timestamp("2001-01-05"))
    np.testing.assert_allclose(found[0], predictor.predict(table), atol=1e-6)
    assert found[0] != answers(client, row(when="2031-01-05"))[0]


def test_it_says_what_it_expects(client, predictor):
    found = client.get("/").json()
    assert found["target"] == {"kind": "clicks", "column": "bought"}
    assert found["fingerprint"] == predictor.fingerprint
    assert found["limits"] == {"rows": 1000, "bytes": 2**20, "values of a list": 1000}
    fields = {field["name"]: field for field in found["fields"]}
    assert [*fields] == [*FIELDS]
    assert fields["a/b"]["missing"] == "value"
    assert fields["liked"] == {
        "name": "liked",
        "kind": "history",
        "columns": ["user name", "film"],
        "missing": "refuse",
    }
    asked_for = [column for field in fields.values() for column in field["columns"]]
    only = {column: ROWS[0][column] for column in asked_for}
    assert answers(client, only) == answers(client, ROWS[0])


def test_its_documentation_knows_the_columns(client):
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert {*schema["oneOf"][0]["required"]} <= {*ROWS[0]}
    assert client.get("/docs").status_code == 200


# refusals


NO_ROW = [
    (row(**{"7": "much"}), "Column '7' is no finite number in 1 of 1 rows, the first"),
    ([ROWS[1], row(**{"7": "much"})], "in 1 of 2 rows, the first 'much', in rows [1]"),
    (row(**{"7": None}), "Column '7' has a missing value in 1 of 1 rows"),
    (row(**{"7": [1]}), "Column '7' holds lists"),
    (row(**{"7": {"a": 1}}), "Column '7' has no usable value"),
    (row(**{"7": ...}), "Columns are missing: ['7'], in row 0"),
    (
        [ROWS[1], row(**{"7": ...})],
        "Columns are missing: ['7'], in row 1",
    ),
    ({}, "Columns are missing: ['user name', "),
    (row(user_name="u7"), "Column 'user name' does not hold numbers"),
    (row(user_name=None), "Column 'user name' has a missing value"),
    (row(genres="a|b"), "Column 'genres' is no list of text or numbers"),
    (row(genres=[["a"]]), "Column 'genres' has lists of lists"),
    (row(genres=["a", None]), "Column 'genres' lists a missing value"),
    (row(genres=["a", 1]), "Column 'genres'"),
    (row(genres=["a"] * 1001), "Column 'genres' has a list of 1001 values in row 0"),
    (row(when="soon"), "Column 'when' is no date in 1 of 1 rows, the first 'soon'"),
    (row(when=5), "Column 'when' is no date"),
    (row(**{"a/b": "\ud800", "7": "\ud800"}), "Column '7'"),
    (5, "The body is one row, {...}, or a list of rows."),
    ("rows", "The body is one row"),
    (None, "The body is one row"),
    ([ROWS[0], 5], "Row 1 is no object"),
    ([[ROWS[0]]], "Row 0 is no object"),
]


@pytest.mark.parametrize(("rows", "words"), NO_ROW, ids=lambda x: str(x)[-40:])
def test_a_row_that_cannot_be_used_is_refused_by_name(client, rows, words):
    found = client.post("/predict", content=json.dumps(rows))
    assert found.status_code == 422, found.text
    assert words in found.json()["detail"]


ONE = json.dumps(ROWS[20])
NO_JSON = {
    "nothing": b"",
    "half a row": ONE[: len(ONE) // 2].encode(),
    "a form": b"7=3&film=4",
    "no text": b"\xff\xfe\xfd",
    "NaN": json.dumps(row(**{"7": float("nan")})).encode(),
    "Infinity": json.dumps(row(**{"7": float("inf")})).encode(),
    "a number of 5,000 digits": ONE.replace(
        '"film": ', '"film": ' + "9" * 5000
    ).encode(),
    "a hundred thousand brackets": b"[" * 100_000,
    "brackets in a row": ('{"7": ' + "[" * 50_000 + "]" * 50_000 + "}").encode(),
}


NO_JSON["a name twice"] = f'{ONE[:-1]}, "7": 99}}'.encode()
NO_JSON["a name twice within"] = b'[{"x": {"y": 1, "y": 1}}]'


@pytest.mark.parametrize("what", NO_JSON)
def test_what_is_no_json_is_refused(client, what):
    found = client.post("/predict", content=NO_JSON[what])
    assert found.status_code == 400, found.text
    assert found.json()["detail"].startswith("The body is no JSON: ")
    assert len(found.json()["detail"]) < 300


def test_a_number_beyond_all_floats_is_refused_by_name(client):
    for number in ("1e999", "-1e999", "9" * 400):
        text = json.dumps(row(**{"7": "X"})).replace('"X"', number)
        found = client.post("/predict", content=text)
        assert found.status_code == 422
        assert "Column '7'" in found.json()["detail"]


def test_other_ways_and_places_are_refused(client):
    assert client.get("/predict").status_code == 405
    assert client.post("/elsewhere", json=ROWS).status_code == 404


@pytest.mark.parametrize("size", [2**20 + 1, 30_000_000])
def test_a_huge_body_is_refused(client, size):
    found = client.post("/predict", content=b" " * size)
    assert found.status_code == 413
    said = f"{size} bytes; 1048576 at most."
    assert found.json() == {"detail": said}


def test_a_huge_body_that_does_not_say_its_size_is_refused(client):
    found = client.post("/predict", content=(b" " * 2**16 for _ in range(100)))
    assert found.status_code == 413
    text = f"{' ' * (2**20 - len(ONE))}{ONE}".encode()
    assert len(text) == 2**20
    found = client.post("/predict", content=(text[i::1] for i in [0]))
    assert found.status_code == 200


def test_too_many_rows_are_refused(client):
    found = client.post("/predict", content=json.dumps([{}] * 1001))
    assert found.status_code == 413
    assert found.json() == {"detail": "1001 rows; 1000 at most."}
    found = client.post("/predict", content=json.dumps([{}] * 1000))
    assert found.status_code == 422


# it stays up


def test_fifty_at_once_are_answered_each_with_its_own(client):
    expected = answers(client, ROWS)
    bad = json.dumps(row(**{"7": "much"}))

    def ask(i: int):
        if i % 10 == 7:
            return client.post("/predict", content=bad).status_code
        some = [j % len(ROWS) for j in range(i, i + 3)]
        found = answers(client, [ROWS[j] for j in some])
        np.testing.assert_allclose(found, [expected[j] for j in some], atol=1e-6)
        return 200

    with ThreadPoolExecutor(50) as pool:
        found = [*pool.map(ask, range(300))]
    assert found.count(422) == 30 and found.count(200) == 270
    assert answers(client, ROWS) == expected


def test_a_client_that_leaves_in_the_middle_does_no_harm(client):
    before = answers(client, ROWS)
    url = httpx.URL(client.base_url)
    head = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n{"
    for text in (head, b"no HTTP\r\n\r\n", b"", b"\x00" * 1000):
        for _ in range(20):
            with socket.create_connection((url.host, url.port)) as broken:
                broken.sendall(text)
    until_it_saw_them_leave(client)
    assert answers(client, ROWS) == before


def test_more_connections_than_it_takes_are_refused_and_it_goes_on(client):
    url = httpx.URL(client.base_url)
    held = [socket.create_connection((url.host, url.port)) for _ in range(150)]
    try:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as other:
            assert other.get("/").status_code == 503
    finally:
        for one in held:
            one.close()
    transport = httpx.HTTPTransport(retries=3)
    with httpx.Client(base_url=url, transport=transport, timeout=60) as other:
        until_it_saw_them_leave(other)
        assert len(answers(other, ROWS)) == len(ROWS)


# in this process


class Here:
    """Asks an app of this process; what it raises is raised here."""

    def __init__(self, app):
        self.how = {"transport": httpx.ASGITransport(app), "base_url": "http://here"}

    async def _ask(self, *words, **options) -> httpx.Response:
        async with httpx.AsyncClient(**self.how) as client:
            return await client.request(*words, **options)

    def ask(self, *words, **options) -> httpx.Response:
        return asyncio.run(self._ask(*words, **options))


@pytest.fixture(scope="module")
def here(file) -> Here:
    return Here(service.app_of(Scorer(file), 4, 3000))


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from([*ROWS[0], "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
CHANGED = st.dictionaries(st.sampled_from([*ROWS[0]]), JSON, max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.one_of(JSON, CHANGED.map(lambda changes: ROWS[20] | changes)))
def test_any_json_is_answered_or_refused(here, value):
    found = here.ask("POST", "/predict", content=json.dumps(value))
    assert found.status_code in (200, 400, 413, 422)
    if found.status_code == 200:
        assert all(0 <= answer <= 1 for answer in found.json()["answers"])
    else:
        assert found.json()["detail"]


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=4000))
def test_any_bytes_are_answered_or_refused(here, body):
    assert here.ask("POST", "/predict", content=body).status_code in (
        200,
        400,
        413,
        422,
    )


def test_an_answer_that_is_not_finite_is_refused(here, file, monkeypatch):
    odd = np.array([[0.0], [np.nan]])
    monkeypatch.setattr(Scorer, "_raw", lambda self, feed: odd)
    found = here.ask("POST", "/predict", json=ROWS[:2])
    assert found.status_code == 422
    said = "Column 'bought' has no finite answer in 1 of 2 rows, the first nan, in rows"
    assert f"{said} [1]" in found.json()["detail"]


def test_limits_are_a_choice(here):
    assert here.ask("GET", "/").json()["limits"] == {
        "rows": 4,
        "bytes": 3000,
        "values of a list": 1000,
    }
    assert here.ask("POST", "/predict", content=b" " * 3001).status_code == 413
    assert here.ask("POST", "/predict", json=[{}] * 5).status_code == 413


# starting it


def test_columns_that_json_cannot_name_are_refused_at_the_start(tmp_path):
    built_full().export(tmp_path / "full.onnx")
    with pytest.raises(ValueError, match=r"cannot name the columns \[7\]"):
        service.app_of(Scorer(tmp_path / "full.onnx"))


def started(*words) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "helpers.service", *map(str, words)]
    how = {"capture_output": True, "text": True, "timeout": 120, "cwd": ROOT}
    return subprocess.run(command, check=False, **how)


def test_a_file_that_is_none_is_named_at_the_start(tmp_path, without_keras):
    done = started(tmp_path / "gone.onnx")
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr == f"{tmp_path / 'gone.onnx'} is missing.\n"
    with pytest.raises(RuntimeError, match="gone.onnx did not start"):
        with service.running(tmp_path / "gone.onnx"):
            pass


@pytest.mark.parametrize(
    "option", ["--port=99999", "--port=-1", "--rows=0", "--bytes=-5", "--bytes=1e6"]
)
def test_an_option_that_is_none_is_told_at_the_start(option, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["service", "a.onnx", option])
    with pytest.raises(SystemExit):
        service.main()
    assert "is no whole number from" in capsys.readouterr().err


def test_a_port_in_use_is_told_at_the_start(file, without_keras):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = started(file, "--port", taken.getsockname()[1])
    assert done.returncode == 1
    assert "Address already in use" in done.stderr


def test_an_answer_is_sent_at_once_where_the_service_says_it_is(monkeypatch, capsys):
    said = []

    def run(self, sockets):
        (listening,) = sockets
        said.append(listening.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        said.append(f"http://127.0.0.1:{listening.getsockname()[1]}\n")
        with socket.create_connection(listening.getsockname()):
            pass  # it listens before it runs

    monkeypatch.setattr(uvicorn.Server, "run", run)
    service.serve(FastAPI(), port=0)
    assert said == [1, capsys.readouterr().out]


def test_the_command_line_sets_the_limits(file, without_keras):
    with service.running(file, "--rows", "2", "--bytes", "500") as address:
        limits = httpx.get(address, trust_env=False).json()["limits"]
        again = httpx.post(f"{address}/predict", json=[{}] * 3, trust_env=False)
    assert limits == {"rows": 2, "bytes": 500, "values of a list": 1000}
    assert again.status_code == 413
    with pytest.raises(httpx.ConnectError):
        httpx.get(address, trust_env=False)
