"""A training that can go on: one file, written whole or not at all."""

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ABOUT = "about"  # entry of the file: what is in it, as JSON


def write(
    path: Path, meaning: str, numbers: Mapping, arrays: Mapping[str, Sequence]
) -> None:
    """Put lists of arrays, and numbers, in the place of what was there before.

    path: ends in .npz; meaning: of what training this is; numbers: as JSON holds them
    """
    lengths = {name: len(found) for name, found in arrays.items()}
    about = {"meaning": meaning, "numbers": dict(numbers), "lengths": lengths}
    named = {f"{n}_{i}": a for n, found in arrays.items() for i, a in enumerate(found)}
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez(file, **named, **{ABOUT: json.dumps(about)})
        os.replace(draft, path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise


def read(path: Path, meaning: str) -> tuple[dict, dict[str, list]] | None:
    """The numbers and the lists of arrays of write(); None where there is no file.

    Raises ValueError where it is damaged, or of another training.
    """
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            about = json.loads(str(file[ABOUT]))
            arrays = {
                name: [file[f"{name}_{i}"] for i in range(length)]
                for name, length in about["lengths"].items()
            }
    except Exception as error:  # NumPy and zipfile have a dozen for a damaged file
        raise ValueError(
            f"{path} is damaged, or no checkpoint: {error}. Delete it to start anew."
        ) from error
    if about["meaning"] != meaning:
        raise ValueError(
            f"{path} is of another training: its model, fields, target, rows, "
            "optimizer, seed, rate or batches differ. Take another path, or delete it "
            "to start anew."
        )
    return about["numbers"], arrays
