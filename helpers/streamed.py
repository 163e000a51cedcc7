"""Rows of Parquet files as a model sees them, a row group at a time."""

import tempfile
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from helpers.fields import FieldEncoder
from helpers.parquet import Parquet
from helpers.targets import Target

Piece = tuple[dict[Hashable, np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Streamed:
    """What training.encode() makes of Parquet files: Encoded rows, piece by piece.

    files: with the columns that encoder and target read
    folder: where kept() has written the encoded pieces, or None
    """

    files: Parquet
    encoder: FieldEncoder
    target: Target
    folder: Path | None = None

    @property
    def n_rows(self) -> int:
        """All rows of all files."""
        return len(self.files)

    @property
    def n_pieces(self) -> int:
        """All row groups of all files."""
        return len(self.files.groups)

    def piece(self, number: int) -> Piece:
        """The encoded rows of a row group: x, field -> array, and y, (n, 1) float32.

        Raises ValueError for values that cannot be used, with column, value, rows, file
        and row group.
        """
        if self.folder:
            return _read(self.folder / f"{number}.npz", self.encoder.names)
        rows = self.files.read(number)
        return self.encoder.transform(rows), self.target.encode(rows)

    def pieces(self) -> Iterator[Piece]:
        """All of them, in order."""
        return map(self.piece, range(self.n_pieces))

    def kept(self, folder: str | Path) -> "Streamed":
        """The same rows, encoded once for all epochs: each piece in a file of a folder.

        4 bytes a row and column of the encoded arrays are needed on disk. The files
        belong to this encoder alone; delete the folder after training.

        Raises ValueError as piece(), and where the folder is there and not empty. The
        folder is then not made.
        """
        folder = Path(folder).expanduser().resolve()
        if folder.exists() and not (folder.is_dir() and not any(folder.iterdir())):
            raise ValueError(f"{folder} is not empty, or no folder: name a new one.")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(
            prefix=f".{folder.name}-", dir=folder.parent
        ) as draft:
            whole = Path(draft, "whole")
            whole.mkdir()
            for number, (x, y) in enumerate(self.pieces()):
                np.savez(whole / f"{number}.npz", y, *x.values())
            if folder.exists():
                folder.rmdir()
            whole.rename(folder)
        return replace(self, folder=folder)


def _read(path: Path, names: list[Hashable]) -> Piece:
    with np.load(path) as file:
        y, *arrays = (file[f"arr_{i}"] for i in range(1 + len(names)))
    return dict(zip(names, arrays, strict=True)), y
