"""Parquet files read by row groups: which rows, of what types, and what is refused."""

import datetime
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from helpers.fields import FieldEncoder, MultiCategorical, Numeric
from helpers.parquet import Parquet
from helpers.targets import Stars

N = 25
TABLE = pd.DataFrame(
    {
        "user": np.arange(N) % 7,
        "word": [f"w{i % 4}" for i in range(N)],
        "tags": [f"t{i % 3}|t{i % 5}" for i in range(N)],
        "list": [[f"t{j}" for j in range(i % 3)] for i in range(N)],
        "price": np.arange(N) / 4,
        "rating": 1.0 + np.arange(N) % 5,
    }
)
FIELDS = {
    "user": "categorical",
    "word": "categorical",
    "tags": MultiCategorical(separator="|"),
    "list": "multi-categorical",
    "price": "numeric",
}


@pytest.fixture
def folder(tmp_path):
    """Three files of ten, ten and five rows, in groups of four."""
    for number in range(3):
        part = TABLE.iloc[10 * number : 10 * (number + 1)]
        write(part, tmp_path / f"part-{number}.parquet")
    (tmp_path / "_SUCCESS").touch()
    return tmp_path


def write(table: pd.DataFrame, path, **how):
    table.to_parquet(path, index=False, row_group_size=4, **how)
    return path


def test_all_rows_come_once_and_in_order(folder):
    files = Parquet(folder)
    assert len(files) == N and files.columns == [*TABLE]
    assert [len(frame) for frame in files] == [4, 4, 2, 4, 4, 2, 4, 1]
    together = pd.concat(files, ignore_index=True)
    for name in ("user", "price", "rating"):
        np.testing.assert_array_equal(together[name], TABLE[name])
    assert together.word.tolist() == TABLE.word.tolist()
    assert [[*tags] for tags in together["list"]] == TABLE["list"].tolist()


def test_a_row_has_its_number_in_the_file(folder):
    frames = [*Parquet(folder)]
    assert frames[4].index.tolist() == [4, 5, 6, 7]
    assert Parquet(folder).groups[4].where == "part-1.parquet, row group 1"


def test_one_file_is_enough(folder):
    assert len(Parquet(folder / "part-2.parquet")) == 5


def test_only_some_columns_are_read(folder):
    files = Parquet(folder).only(["price", "user", "price"])
    assert files.columns == ["price", "user"] and len(files) == N
    assert all([*frame] == ["price", "user"] for frame in files)


def test_files_teach_and_are_encoded_as_the_whole_table_is(folder):
    whole, parted = FieldEncoder(FIELDS).fit(TABLE), FieldEncoder(FIELDS)
    parted.fit(Parquet(folder))
    assert parted.to_json() == whole.to_json()
    assert Stars().fit(Parquet(folder)).state() == Stars().fit(TABLE).state()
    expected = whole.transform(TABLE)
    pieces = [parted.transform(frame) for frame in Parquet(folder)]
    for name, array in expected.items():
        found = np.concatenate([piece[name] for piece in pieces])
        np.testing.assert_array_equal(found, array)


def test_a_whole_number_beside_a_gap_stays_whole(tmp_path):
    large = 2**53 + 1  # no float is this number
    table = pa.table({"id": pa.array([large, None, 1]), "small": pa.array([1, 2, 3])})
    pq.write_table(table, tmp_path / "a.parquet")
    (frame,) = Parquet(tmp_path)
    assert frame.id[0] == large and frame.id.isna().tolist() == [False, True, False]
    assert frame.small.dtype == "int64"
    unsigned = pa.table({"id": pa.array([2**64 - 1, None], pa.uint64())})
    pq.write_table(unsigned, tmp_path / "a.parquet")
    assert next(iter(Parquet(tmp_path))).id[0] == 2**64 - 1


def test_dates_come_as_dates(tmp_path):
    table = pd.DataFrame({"day": pd.to_datetime(["2001-01-01", "2001-01-03"])})
    write(table, tmp_path / "a.parquet")
    encoder = FieldEncoder({"day": Numeric(dates=True)})
    assert (
        encoder.fit(Parquet(tmp_path))["day"].mean_ == encoder.fit(table)["day"].mean_
    )


def test_groups_and_files_without_rows_are_passed_over(folder):
    write(TABLE.iloc[:0], folder / "part-3.parquet")
    assert len(Parquet(folder)) == N and len([*Parquet(folder)]) == 8
    empty = Parquet(folder / "part-3.parquet")
    assert len(empty) == 0 and [*empty] == []
    with pytest.raises(ValueError, match="no rows to learn from"):
        FieldEncoder(FIELDS).fit(empty)


# ---- what is refused


def test_no_files(tmp_path):
    with pytest.raises(ValueError, match="no file or folder"):
        Parquet(tmp_path / "gone")
    (tmp_path / "below").mkdir()
    write(TABLE, tmp_path / "below" / "a.parquet")
    with pytest.raises(ValueError, match="no .parquet file in .*subfolders"):
        Parquet(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"a,b\n1,2\n" * 9])
def test_a_file_that_is_none_of_parquet(folder, content):
    (folder / "part-1.parquet").write_bytes(content)
    with pytest.raises(ValueError, match=r"part-1.parquet is no whole Parquet file"):
        Parquet(folder)


def test_a_file_cut_short(folder):
    path = folder / "part-1.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(ValueError, match="part-1.parquet is no whole Parquet file"):
        Parquet(folder)


def test_bytes_that_have_changed(tmp_path):
    path = write(TABLE, tmp_path / "a.parquet", write_page_checksum=True)
    column = pq.read_metadata(path).row_group(2).column(4)
    content = bytearray(path.read_bytes())
    at = column.data_page_offset + column.total_compressed_size - 3
    content[at] ^= 0xFF
    path.write_bytes(content)
    files = Parquet(tmp_path)
    files.read(1)
    with pytest.raises(ValueError, match=r"a.parquet, row group 2, cannot be read"):
        files.read(2)


def test_a_file_that_is_gone_when_it_is_read(folder):
    files = Parquet(folder)
    (folder / "part-2.parquet").unlink()
    with pytest.raises(ValueError, match=r"part-2.parquet, row group 0, cannot be"):
        list(files)


@pytest.mark.parametrize("change", [lambda t: t[::-1], lambda t: t.assign(user=3)])
def test_a_file_that_is_written_anew_while_it_is_read(tmp_path, change):
    """Its rows would be half old and half new, where their sizes allow it."""
    path = write(TABLE[["user"]], tmp_path / "a.parquet", compression="none")
    files = Parquet(tmp_path)
    files.read(0)
    write(change(TABLE[["user"]]), path, compression="none")
    with pytest.raises(ValueError, match="a.parquet, row group 1: .* written anew|can"):
        files.read(1)
    assert Parquet(tmp_path).read(1).user.tolist() == [
        *change(TABLE).user.iloc[4:8]
    ]  # opened again


def test_text_that_is_none(tmp_path):
    odd = pa.array([b"\xff\xfe", b"good"]).buffers()
    table = pa.table({"word": pa.Array.from_buffers(pa.string(), 2, odd)})
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="a.parquet, row group 0, cannot be read"):
        Parquet(tmp_path).read(0)


def test_hidden_files_do_not_count_and_capital_letters_do(tmp_path):
    write(TABLE, tmp_path / "a.parquet")
    write(TABLE, tmp_path / "b.PARQUET")
    write(TABLE, tmp_path / ".c.parquet")
    (tmp_path / "._a.parquet").write_bytes(b"of a file system")
    assert len(Parquet(tmp_path)) == 2 * N


def test_a_folder_that_is_called_as_a_file(folder):
    (folder / "part-9.parquet").mkdir()
    write(TABLE, folder / "part-9.parquet" / "a.parquet")
    with pytest.raises(ValueError, match=r"\['part-9.parquet'\] .* are folders"):
        Parquet(folder)
    assert len(Parquet(folder / "part-9.parquet")) == N


def test_the_name_of_one_column(folder):
    assert Parquet(folder, "word").columns == ["word"]


def test_missing_columns(folder):
    write(TABLE.drop(columns="word"), folder / "part-1.parquet")
    with pytest.raises(ValueError, match=r"part-1.parquet: columns are missing: \['w"):
        Parquet(folder)
    assert len(Parquet(folder, ["user"])) == 10 + N + 5
    with pytest.raises(ValueError, match=r"part-0.parquet: .*\['colour'\]; there are"):
        Parquet(folder, ["colour"])


def test_a_column_that_is_there_twice(tmp_path):
    table = pa.Table.from_arrays([pa.array([1]), pa.array([2])], ["a", "a"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(ValueError, match=r"more than once: \['a'"):
        Parquet(tmp_path, ["a"])


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("user", [*"abcde"], "holds text in part-1.parquet and numbers in part-0"),
        ("word", [1, 2, 3, 4, 5], "holds numbers in part-1.parquet and text in"),
        ("list", [[1]] * 5, "lists of numbers in part-1.parquet and lists of text"),
        ("price", [datetime.date(2001, 1, 1)] * 5, "holds dates in part-1"),
    ],
)
def test_other_types_in_one_file(folder, column, values, says):
    write(TABLE.head().assign(**{column: values}), folder / "part-1.parquet")
    with pytest.raises(ValueError, match=re.escape(says)):
        Parquet(folder)
    Parquet(folder, [name for name in TABLE if name != column])


@pytest.mark.parametrize("kind", ["int8", "uint32", "float32", "bool"])
def test_numbers_of_another_width_are_numbers(folder, kind):
    write(TABLE.head().astype({"user": kind}), folder / "part-1.parquet")
    assert len(Parquet(folder)) == 20


def test_a_column_of_nothing_goes_with_any(folder):
    write(TABLE.head().assign(user=None), folder / "part-0.parquet")
    with pytest.raises(ValueError, match=r"'user' has a missing value in 4 of 4 rows"):
        FieldEncoder({"user": "categorical"}).fit(Parquet(folder, ["user"]))


def test_a_bad_value_is_named_with_file_group_and_row(folder):
    bad = TABLE.iloc[10:20].reset_index(drop=True).astype({"price": "float64"})
    bad.loc[6, "price"] = np.inf
    write(bad, folder / "part-1.parquet")
    says = r"'price' .*first inf, in rows \[6\] of part-1.parquet, row group 1\."
    with pytest.raises(ValueError, match=says):
        FieldEncoder(FIELDS).fit(Parquet(folder))
    encoder = FieldEncoder(FIELDS).fit(TABLE)
    with pytest.raises(ValueError, match=says):
        for frame in Parquet(folder):
            encoder.transform(frame)
    with pytest.raises(ValueError, match=says):
        Stars("price").fit(Parquet(folder))
