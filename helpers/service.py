"""An exported predictor over HTTP, in a process without Keras, TensorFlow or JAX.

    python -m helpers.service FILE [--host 127.0.0.1] [--port 8000] [--rows 1000]
        [--bytes 1048576]

POST /predict takes one row as JSON, or a list of rows, and gives {"answers": [...]}, a
number a row. A missing value is null, a date is ISO 8601 text. GET / says what a row
holds. Refusals are {"detail": a sentence}: 400 for what is no JSON, 413 for too much of
it, 422 for rows that cannot be used, with column, value and rows, counted from 0.
"""

import argparse
import datetime
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import uvicorn
from fastapi import Depends, FastAPI, HTTPException, Request

from helpers.fields import FieldEncoder, Numeric
from helpers.kinds import REFUSE
from helpers.serve import Scorer

ROWS, BYTES = 1_000, 2**20  # of one request, at most
LENGTH = 1_000  # of a list: an array is as wide as the longest list of a request
AT_ONCE = 100  # connections; more are answered 503


def app_of(scorer: Scorer, most_rows: int = ROWS, most_bytes: int = BYTES) -> FastAPI:
    """The app, see above. Raises ValueError for columns that JSON cannot name."""
    columns = scorer.encoder.columns
    if odd := [column for column in columns if not isinstance(column, str)]:
        raise ValueError(
            f"Rows of JSON cannot name the columns {odd}: make text of it."
        )
    dates = _dates(scorer.encoder)
    app = FastAPI(title=f"{scorer.target.kind}: {scorer.target.column}")

    @app.get("/")
    def expected() -> dict:
        limits = {"rows": most_rows, "bytes": most_bytes, "values of a list": LENGTH}
        return _description(scorer) | {"limits": limits}

    @app.post("/predict", openapi_extra=_body(columns))
    def predict(body: bytes = Depends(_at_most(most_bytes))) -> dict[str, list[float]]:
        rows = rows_of(body)
        if len(rows) > most_rows:
            raise HTTPException(413, f"{len(rows)} rows; {most_rows} at most.")
        try:
            _check_lists(rows)
            answers = scorer.predict([_with_dates(row, dates) for row in rows])
        except ValueError as error:
            raise HTTPException(422, f"{error}") from error
        return {"answers": answers.tolist()}

    return app


def _at_most(most: int) -> Callable:
    """What reads the body of a request. More than so many bytes are refused: 413."""

    async def body(request: Request) -> bytes:
        size, parts = 0, []
        async for part in request.stream():
            size += len(part)
            if size <= most:
                parts.append(part)  # others are read and dropped: who sends can listen
        if size > most:
            raise HTTPException(413, f"{size} bytes; {most} at most.")
        return b"".join(parts)

    return body


def rows_of(body: bytes) -> list:
    """The rows in the body; one row becomes a list of one."""
    try:
        how = {"parse_constant": _not_in_json, "object_pairs_hook": _each_once}
        found = json.loads(body, **how)
    except (ValueError, RecursionError) as error:
        raise HTTPException(400, f"The body is no JSON: {error}.") from error
    rows = [found] if isinstance(found, dict) else found
    if not isinstance(rows, list):
        raise HTTPException(422, "The body is one row, {...}, or a list of rows.")
    for i, row in enumerate(rows):
        if not isinstance(row, dict):
            raise HTTPException(422, f"Row {i} is no object, {{...}}.")
    return rows


def _not_in_json(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON, and a missing one is null")


def _each_once(pairs: list[tuple]) -> dict:
    """An object of JSON. Of two values for one name, neither is taken."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"an object has {twice[:80]!r} more than once")
    return found


def _check_lists(rows: list[dict]) -> None:
    for i, row in enumerate(rows):
        for column, value in row.items():
            if isinstance(value, list) and len(value) > LENGTH:
                raise ValueError(
                    f"Column {column!r} has a list of {len(value)} values in row {i}; "
                    f"{LENGTH} at most."
                )


def _dates(encoder: FieldEncoder) -> list[Hashable]:
    """The columns that hold dates."""
    fields = {name: encoder[name] for name in encoder.names}
    of_dates = {n: f for n, f in fields.items() if isinstance(f, Numeric) and f.dates}
    return [
        column for name, field in of_dates.items() for column in field.columns(name)
    ]


def _with_dates(row: dict, columns: list[Hashable]) -> dict:
    """The row with text of these columns as dates, where it is one."""
    found = {}
    for column in columns:
        try:
            found[column] = datetime.datetime.fromisoformat(row[column])
        except (KeyError, TypeError, ValueError):
            pass  # the field says what is wrong with it, and in which row
    return row | found


def _description(scorer: Scorer) -> dict:
    encoder, target = scorer.encoder, scorer.target
    fields = []
    for name in encoder.names:
        field = encoder[name]
        line = {"name": name, "kind": field.kind, "columns": field.columns(name)}
        fields.append(line | {"missing": getattr(field, "missing", REFUSE)})
    return {
        "target": {"kind": target.kind, "column": target.column},
        "fields": fields,
        "fingerprint": scorer.fingerprint,
    }


def _body(columns: list[str]) -> dict:
    """What the page /docs says of a request."""
    row = {"type": "object", "required": columns}
    schema = {"oneOf": [row, {"type": "array", "items": row}]}
    content = {"application/json": {"schema": schema}}
    return {"requestBody": {"required": True, "content": content}}


def serve(app: FastAPI, host: str = "127.0.0.1", port: int = 8000) -> None:
    """Answer until the process is told to end. Prints the address once it listens.

    port: 0 is one that is free. Raises OSError where the address is in use.
    """
    with socket.create_server((host, port)) as listening:
        # An answer is small: without this it may wait 40 ms for more to send with it.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print(f"http://{host}:{listening.getsockname()[1]}", flush=True)
        config = uvicorn.Config(
            app,
            log_config=None,  # its own would close the handlers of whoever calls
            limit_concurrency=AT_ONCE,
            timeout_graceful_shutdown=5,
        )
        uvicorn.Server(config).run(sockets=[listening])


@contextmanager
def running(file: str | Path, *options: str) -> Iterator[str]:
    """The address of the service of a file, in a process that ends with the block.

    options: of the command line. Raises RuntimeError where it does not start.
    """
    command = [sys.executable, "-m", "helpers.service", str(file), "--port", "0"]
    with subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            address = process.stdout.readline().strip()
            if not address:
                raise RuntimeError(f"The service of {file} did not start.")
            yield address
        finally:
            process.terminate()


def _number(least: int, most: int, text: str) -> int:
    """An option. Raises argparse.ArgumentTypeError outside of the limits."""
    if not (text.isascii() and text.isdecimal() and least <= int(text) <= most):
        raise argparse.ArgumentTypeError(
            f"{text} is no whole number from {least} to {most}"
        )
    return int(text)


def main() -> None:
    """Serve the file of the command line."""
    parser = argparse.ArgumentParser("python -m helpers.service", allow_abbrev=False)
    parser.add_argument("file", help="of Predictor.export()")
    parser.add_argument("--host", default="127.0.0.1", help="to listen on")
    number, ports = partial(_number, 1, sys.maxsize), partial(_number, 0, 2**16 - 1)
    parser.add_argument("--port", type=ports, default=8000, help="0: one that is free")
    parser.add_argument("--rows", type=number, default=ROWS, help="a request, at most")
    parser.add_argument("--bytes", type=number, default=BYTES, help="likewise")
    asked = parser.parse_args()
    try:
        app = app_of(Scorer(asked.file), asked.rows, asked.bytes)
        serve(app, asked.host, asked.port)
    except (ValueError, OSError) as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
