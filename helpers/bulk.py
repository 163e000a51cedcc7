"""Scoring in bulk: a folder of Parquet files in, predictions beside the keys out.

A file is a piece: it is scored as a whole, and its predictions are a file of the same
name. So a run that was stopped goes on with the pieces that are not there yet. Memory
holds a row group.
"""

import contextlib
import hashlib
import logging
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from helpers import values
from helpers.parquet import Parquet, paths_in
from helpers.processes import started
from helpers.serve import Scorer

PREDICTION = "prediction"
CONTENT = "predictor.json"  # of a saved Predictor: it names the sums of the weights
MODEL, ROWS = b"deepfm.model", b"deepfm.rows"  # in a file: what scored it, and what


class Scored(NamedTuple):
    """What a run has done. pieces, rows: scored now; kept: pieces that were there."""

    pieces: int
    rows: int
    kept: int


class Job(NamedTuple):
    """What scores a piece: the model's folder or file, what it is, and columns."""

    model: Path
    sum: str
    keys: tuple[str, ...]


def score(
    model: str | Path,
    source: str | Path,
    out: str | Path,
    keys: Iterable[str],
    *,
    workers: int = 1,
    address: str | None = None,
) -> Scored:
    """Write the predictions for each file of `source` into a file of its name in `out`.

    model: folder of Predictor.save(), or .onnx file of Predictor.export(), which Scorer
        answers without Keras. Each process loads it.
    source: folder whose *.parquet files have the columns of the fields, and the keys
    keys: columns that are copied beside PREDICTION, rows in their order
    workers: processes that score a piece each, on Ray; one is this process, without it
    address: of a cluster of Ray, whose machines all see these folders; None is here

    A piece is written whole or not at all. One that is there is not scored again, so
    that the same call goes on where another was stopped; a worker that is lost is
    replaced. Predictions know their model and rows. Raises ValueError where `out` has
    those of another model, of rows or keys that changed since, or anything else, before
    anything is scored; and for rows that cannot be used, with file, column and value.
    """
    workers = values.whole("workers", workers)
    source, out = _folder(source), Path(out).expanduser().resolve()
    model = Path(model).expanduser().resolve()
    keys = (keys,) if isinstance(keys, str) else tuple(dict.fromkeys(keys))
    if PREDICTION in keys:
        raise ValueError(f"{PREDICTION!r} is what is written: it cannot be a key.")
    if out == source:
        raise ValueError(f"{out} holds the rows: choose another folder to write to.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out} is no folder: choose another place.")
    pieces = paths_in(source)
    job = Job(model, sum_of(model), keys)
    out.mkdir(parents=True, exist_ok=True)
    missing = _missing(job, pieces, out)
    if workers == 1 and address is None:
        scorer = opened(model)
        counts = [score_piece(scorer, job, piece, out) for piece in missing]
    else:
        counts = _by_ray(job, missing, out, workers, address) if missing else []
    return Scored(len(missing), sum(counts), len(pieces) - len(missing))


def opened(model: Path):
    """What predicts: a Predictor of a folder, a Scorer of a file."""
    if not model.is_dir():
        return Scorer(model)
    from helpers.predictor import Predictor  # a Scorer runs where there is no Keras

    return Predictor.load(model)


def sum_of(model: Path) -> str:
    """32 hex digits for fields, target, settings and weights.

    Raises ValueError where there is no model.
    """
    path = model / CONTENT if model.is_dir() else model
    if not path.is_file():
        raise ValueError(f"{path} is missing: {model} is no predictor.")
    return _sum(path)


def score_piece(scorer, job: Job, piece: Path, out: Path) -> int:
    """Write the predictions of one piece, whole or not at all; gives their number."""
    handle, draft = tempfile.mkstemp(prefix=f".{piece.name}-", dir=out)
    os.close(handle)
    try:
        rows = Parquet(piece, scorer.encoder.columns)
        with pq.ParquetFile(piece) as file:
            _write(scorer, job, rows, file, Path(draft))
        os.chmod(draft, 0o644)  # a temporary file is its owner's alone
        os.replace(draft, out / piece.name)
    finally:
        Path(draft).unlink(missing_ok=True)
    return len(rows)


def _write(scorer, job: Job, rows: Parquet, file: pq.ParquetFile, draft: Path) -> None:
    schema = file.schema_arrow
    if missing := [key for key in job.keys if key not in schema.names]:
        raise ValueError(f"{rows.path.name}: there are no keys {missing}.")
    if twice := [key for key in job.keys if schema.names.count(key) > 1]:
        raise ValueError(f"{rows.path.name}: keys are there more than once: {twice}.")
    fields = [schema.field(key) for key in job.keys]
    fields.append(pa.field(PREDICTION, pa.float64()))
    about = {MODEL: job.sum, ROWS: _sum(rows.path)}
    with pq.ParquetWriter(draft, pa.schema(fields, about)) as written:
        for number, group in enumerate(rows.groups):
            keys = file.read_row_group(group.number, [*job.keys])
            answers = scorer.predict(rows.read(number))
            found = [*(keys[key] for key in job.keys), pa.array(answers.to_numpy())]
            written.write_table(pa.table(found, schema=written.schema))


def _sum(path: Path) -> str:
    """32 hex digits for all bytes of a file: its footer may be that of other rows."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:32]


def _missing(job: Job, pieces: list[Path], out: Path) -> list[Path]:
    """The pieces that are still to score. Removes what a stopped run left half."""
    names = {piece.name for piece in pieces}
    for path in sorted(out.iterdir()):
        draft = path.name.startswith(".") and path.name[1:].rpartition("-")[0] in names
        if draft:
            path.unlink()
        elif path.name not in names:
            raise ValueError(
                f"{path} is none of the predictions of {pieces[0].parent}: choose a "
                "folder of their own."
            )
    there = [piece for piece in pieces if (out / piece.name).exists()]
    for piece in there:
        _check(job, piece, out / piece.name)
    return [piece for piece in pieces if piece not in there]


def _check(job: Job, piece: Path, done: Path) -> None:
    """Raise ValueError where predictions are not those of this job and piece."""
    try:
        schema = pq.read_schema(done)
        now = _sum(piece).encode()
    except (OSError, pa.ArrowException) as error:
        raise ValueError(f"{done} is damaged, or cannot be read: {error}") from error
    about: Mapping = schema.metadata or {}
    expected = [*job.keys, PREDICTION]
    why = None
    if about.get(MODEL) != job.sum.encode():
        why = "is of another model"
    elif about.get(ROWS) != now:
        why = f"is of other rows than {piece} has now"
    elif schema.names != expected:
        why = f"has the columns {schema.names}, and {expected} are asked for"
    if why:
        raise ValueError(f"{done} {why}: choose another folder, or delete this one.")


class _Pieces:
    """Scores pieces in a process of Ray's."""

    def __init__(self, job: Job, out: Path):
        self.score = partial(score_piece, opened(job.model), job)
        self.out = out

    def __call__(self, batch: Mapping) -> Mapping:
        counts, refused = [], []
        for name in batch["piece"]:
            try:
                counts.append(self.score(Path(str(name)), self.out))
                refused.append("")
            except ValueError as error:  # Ray would wrap it in words of its own
                counts.append(0)
                refused.append(str(error))
        return {"rows": counts, "refused": refused}


def _by_ray(
    job: Job, pieces: list[Path], out: Path, workers: int, address: str | None
) -> list[int]:
    """As many processes as workers take pieces until there are none: counts of rows."""
    with started(address, workers), _silent() as data:
        names = [{"piece": str(piece)} for piece in pieces]
        many = data.from_items(names, override_num_blocks=len(pieces))
        done = many.map_batches(
            _Pieces,
            fn_constructor_args=(job, out),
            batch_size=1,
            compute=data.ActorPoolStrategy(size=workers),
            num_cpus=1,
        )
        counts = []
        for row in done.iter_rows():
            if row["refused"]:
                raise ValueError(row["refused"])
            counts.append(row["rows"])
        return counts


@contextlib.contextmanager
def _silent() -> Iterator[ModuleType]:
    """Ray Data without bars, plans and notes."""
    import ray.data as data

    context = data.DataContext.get_current()
    before = context.enable_progress_bars, context.print_on_execution_start
    logger = logging.getLogger("ray.data")
    level = logger.level
    context.enable_progress_bars = context.print_on_execution_start = False
    logger.setLevel(logging.CRITICAL)
    try:
        yield data
    finally:
        context.enable_progress_bars, context.print_on_execution_start = before
        logger.setLevel(level)


def _folder(path: str | Path) -> Path:
    path = Path(path).expanduser().resolve()
    if not path.is_dir():
        raise ValueError(f"There is no folder {path}.")
    return path
