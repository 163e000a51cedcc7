"""Rows in Parquet files, read a row group at a time: more rows than memory holds."""

from collections.abc import Hashable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from helpers import values

NOTHING, TEXT, NUMBERS = "nothing", "text", "numbers"


class Group(NamedTuple):
    """A row group: rows of a file that are read together.

    number: of the group in its file; first: its first row there, both from 0
    """

    path: Path
    number: int
    rows: int
    first: int

    @property
    def where(self) -> str:
        """For messages."""
        return f"{self.path.name}, row group {self.number}"


class Parquet:
    """The rows of a Parquet file, or of all *.parquet files right in a folder.

    path: of the file or folder, in which hidden files do not count. columns: those to
        read; all where it is None
    groups: the row groups, files in the order of their names; len() counts rows

    Iterating gives a DataFrame for each row group, so that FieldEncoder.fit and
    Target.fit learn from them as from any frames, and training.prepare takes a Split of
    three such objects. Memory holds one row group of the columns that are read: how
    large it is, who writes the files decides, as with DataFrame.to_parquet(path,
    row_group_size=100_000).

    Text comes as a pandas Categorical, whole numbers with gaps as Int64. Rows have
    their number in the file as index, and errors name file and row group.

    Raises ValueError for no files, a file that is none of Parquet, missing columns, a
    column that holds another kind of thing in one file than in the first, and, when it
    is read, a file that was written anew since.
    """

    def __init__(self, path: str | Path, columns: Iterable[Hashable] | None = None):
        self.path = Path(path).expanduser()
        paths = paths_in(self.path) if self.path.is_dir() else [_there(self.path)]
        self._written = {path: _written(path) for path in paths}
        self._footers = {path: _footer(path) for path in paths}
        self.columns = [*self._schema(paths[0]).names]
        if isinstance(columns, str):
            columns = [columns]
        if columns is not None:
            self.columns = [*dict.fromkeys(columns)]
        self._check_columns()
        self.groups = [g for p in paths for g in _groups(p, self._footers[p])]

    def __len__(self) -> int:
        return sum(group.rows for group in self.groups)

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return map(self.read, range(len(self.groups)))

    def only(self, columns: Iterable[Hashable]) -> "Parquet":
        """The same rows, of which only these columns are read."""
        return Parquet(self.path, columns)

    def read(self, number: int) -> pd.DataFrame:
        """The rows of groups[number]. Raises ValueError where they cannot be read."""
        group = self.groups[number]
        footer = self._footers[group.path]
        schema = footer.schema.to_arrow_schema()
        text = [
            name for name in self.columns if _holds(schema.field(name).type) == TEXT
        ]
        how = {"read_dictionary": text, "page_checksum_verification": True}
        try:
            with pq.ParquetFile(group.path, metadata=footer, **how) as file:
                table = file.read_row_group(group.number, self.columns)
            same = _written(group.path) == self._written[group.path]
            index = pd.RangeIndex(group.first, group.first + group.rows)
            rows = {name: _series(table[name], index) for name in self.columns}
        except (OSError, pa.ArrowException) as error:
            raise ValueError(
                f"{group.where}, cannot be read: {error}. It is damaged, or was "
                "changed since it was opened."
            ) from error
        if not same:  # old and new rows would be mixed, without a word
            raise ValueError(
                f"{group.where}: the file was written anew since it was opened. Open "
                "it again."
            )
        frame = pd.DataFrame(rows, index, copy=False)
        frame.attrs[values.WHERE] = group.where
        return frame

    def _schema(self, path: Path):
        return self._footers[path].schema.to_arrow_schema()

    def _check_columns(self) -> None:
        """Raise ValueError where a file has not all columns, or other types there."""
        first = next(iter(self._footers))
        for path in self._footers:
            schema = self._schema(path)
            if missing := [c for c in self.columns if c not in schema.names]:
                raise ValueError(
                    f"{path.name}: columns are missing: {missing}; there are "
                    f"{schema.names}."
                )
            if twice := [c for c in self.columns if schema.names.count(c) > 1]:
                raise ValueError(
                    f"{path.name}: columns are there more than once: {twice}."
                )
            for name in self.columns:
                types = [self._schema(p).field(name).type for p in (first, path)]
                held = [*map(_holds, types)]
                if NOTHING not in held and held[0] != held[1]:
                    raise ValueError(
                        f"Column {name!r} holds {held[1]} in {path.name} and {held[0]} "
                        f"in {first.name}. Make all files alike."
                    )


def _holds(kind) -> str:
    """What a column of an Arrow type holds: types that one field can read are one."""
    is_ = pa.types
    if is_.is_dictionary(kind):
        return _holds(kind.value_type)
    if is_.is_null(kind):
        return NOTHING
    if is_.is_string(kind) or is_.is_large_string(kind) or is_.is_string_view(kind):
        return TEXT
    numbers = (is_.is_integer, is_.is_floating, is_.is_decimal, is_.is_boolean)
    if any(is_one(kind) for is_one in numbers):
        return NUMBERS
    if is_.is_date(kind) or is_.is_timestamp(kind):
        return "dates"
    if is_.is_list(kind) or is_.is_large_list(kind) or is_.is_fixed_size_list(kind):
        return f"lists of {_holds(kind.value_type)}"
    return str(kind)


def _series(column, index: pd.RangeIndex) -> pd.Series:
    """An Arrow column; whole numbers with gaps do not become floats on the way."""
    mapper = None
    if column.null_count and pa.types.is_integer(column.type):
        mapper = {column.type: pd.Int64Dtype()}.get
        if pa.types.is_unsigned_integer(column.type):
            mapper = {column.type: pd.UInt64Dtype()}.get
    found = column.to_pandas(types_mapper=mapper)
    found.index = index
    return found


def paths_in(folder: Path) -> list[Path]:
    """The .parquet files of a folder, by name, without hidden ones.

    Raises ValueError where there are none, and for a folder that is called as a file.
    """
    named = [p for p in folder.iterdir() if p.suffix.lower() == ".parquet"]
    found = sorted(path for path in named if not path.name.startswith("."))
    if not found:
        raise ValueError(
            f"There is no .parquet file in {folder}; its subfolders are not looked "
            "into, and hidden files do not count."
        )
    if folders := [path.name for path in found if path.is_dir()]:
        raise ValueError(
            f"{folders} in {folder} are folders, which are not looked into. Move their "
            "files up, or open each folder by itself."
        )
    return found


def _there(path: Path) -> Path:
    if not path.exists():
        raise ValueError(f"There is no file or folder {path}.")
    return path


def _written(path: Path) -> tuple[int, int]:
    """Size in bytes, and when a file was last written, in ns."""
    found = path.stat()
    return found.st_size, found.st_mtime_ns


def _footer(path: Path):
    """The metadata of a file, which stand at its end."""
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException) as error:
        raise ValueError(
            f"{path.name} is no whole Parquet file, {path.stat().st_size} bytes: "
            f"{error}"
        ) from error


def _groups(path: Path, footer) -> Iterator[Group]:
    first = 0
    for number in range(footer.num_row_groups):
        rows = footer.row_group(number).num_rows
        if rows:
            yield Group(path, number, rows, first)
        first += rows
