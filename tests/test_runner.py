"""tools/run_notebooks.py and its kernels: runs, failures, outputs stored in place."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pytest
import run_notebooks
from kernel import THREADS, Client
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from run_notebooks import Failed
from tidy import METADATA

ROOT = Path(__file__).resolve().parent.parent
LIMIT = 120  # seconds: no test waits longer, none needs more than a few
OPENING = "# 00 A *title* with $w_0$\n\n**Question.** What is <b>in</b> `x`?\n\nMore."
PICTURE = (
    "from IPython.display import SVG\n"
    'SVG(\'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>\')'
)


def write(folder: Path, name: str, *cells, **metadata) -> Path:
    path = folder / f"{name}.ipynb"
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=list(cells), metadata=metadata), path)
    return path


def command(folder: Path, *options) -> list:
    program = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--no-data"]
    return [*program, "--notebooks", folder, "--build", folder / "build", *options]


def run(folder: Path, *options, env=None) -> subprocess.CompletedProcess:
    how = {"capture_output": True, "text": True, "timeout": LIMIT}
    return subprocess.run(command(folder, *options), env=env, **how)


def until(path: Path) -> str:
    """What a cell runs to wait for a file."""
    there = f"pathlib.Path({str(path)!r}).exists()"
    return f"import pathlib, time\nwhile not {there}: time.sleep(0.02)"


FOREVER = "import time\ntime.sleep(600)"


def wait_for(there: Callable[[], object]) -> None:
    end = time.monotonic() + LIMIT
    while not there():
        assert time.monotonic() < end, f"not there after {LIMIT} s"
        time.sleep(0.02)


# A whole run ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """The last two notebooks at once; the first begins as one fails. How it ended."""
    folder = tmp_path_factory.mktemp("a space")
    link = new_markdown_cell(f"{OPENING}\n\n[on](01_b.ipynb#End) $$\\sum_i x_i$$")
    write(folder, "02_c", link, new_code_cell(PICTURE), new_code_cell("print(6 * 7)"))
    bad = new_code_cell("# why\nx = 1 / 0")
    empty = new_code_cell(" \n")
    heading = new_markdown_cell("# 01 B")
    later = new_code_cell(until(folder / "build" / "02_c.html"))
    write(folder, "01_b", heading, empty, later, bad)
    write(folder, "00_a", new_code_cell(FOREVER))
    (folder / "build").mkdir()
    for name in ("00_a", "01_b"):
        (folder / "build" / f"{name}.html").write_text("old")
    before = {p.name: p.read_bytes() for p in folder.glob("*.ipynb")}
    done = run(folder)
    assert before == {p.name: p.read_bytes() for p in folder.glob("*.ipynb")}
    return folder, done


def test_a_failing_cell_stops_the_run_and_is_told(broken):
    _, done = broken
    assert done.returncode == 1
    assert done.stderr == (
        "\n01_b.ipynb stopped in code cell 2:\n\n    # why\n    x = 1 / 0\n\n"
        "ZeroDivisionError: division by zero\n"
    )


def test_pages_before_the_failure_remain_and_old_ones_go(broken):
    folder, _ = broken
    names = sorted(path.name for path in (folder / "build").iterdir())
    assert names == ["02_c.html", "index.html"]


def test_a_page_needs_no_network(broken):
    folder, _ = broken
    page = (folder / "build" / "02_c.html").read_text("utf-8")
    assert "<script" not in page and "<link" not in page
    assert '<math display="block"' in page and "<munder" in page
    assert "data:image/svg+xml;base64," in page
    assert "<pre>42\n</pre>" in page


def test_the_index_of_a_run_that_failed_links_what_is_there(broken):
    folder, _ = broken
    index = (folder / "build" / "index.html").read_text("utf-8")
    assert '<a href="02_c.html">00 A <em>title</em> with <math' in index
    assert "What is <b>in</b> <code>x</code>?" in index
    assert "01 B" in index and 'href="01_b.html"' not in index
    assert index.count(" min</small>") == 1


def test_progress_is_plain_where_there_is_no_terminal(broken):
    _, done = broken
    lines = done.stdout.splitlines()
    assert "\r" not in done.stdout
    assert sorted(lines) in (["01_b", "02_c"], ["00_a", "01_b", "02_c"])
    assert "cell 0/2" not in done.stderr


def test_two_notebooks_run_at_once(tmp_path):
    begun = "open('{}', 'w').close()\n"
    for own, other in (("00_a", "01_b"), ("01_b", "00_a")):
        meet = begun.format(own) + until(tmp_path / other)
        tells = "import os\nprint(os.environ['TF_NUM_INTRAOP_THREADS'])"
        write(tmp_path, own, new_code_cell(meet), new_code_cell(tells))
    free = {n: x for n, x in os.environ.items() if n not in THREADS}
    assert run(tmp_path, env=free).returncode == 0
    page = (tmp_path / "build" / "00_a.html").read_text("utf-8")
    share = max(1, os.cpu_count() // 2)
    assert f"<pre>{share}\n</pre>" in page


def test_in_place_one_runs_at_a_time(tmp_path):
    alone = "open('busy', 'x').close()\ntime.sleep(0.3)\nos.remove('busy')"
    for name in ("00_a", "01_b"):
        write(tmp_path, name, new_code_cell(f"import os, time\n{alone}"))
    done = run(tmp_path, "--in-place")
    assert (done.returncode, done.stderr) == (0, "")


def test_in_place_stores_outputs_and_only_those_of_the_chosen(tmp_path):
    stale = nbformat.v4.new_output("stream", text="stale\n")
    cells = [
        new_code_cell("for i in range(3):\n    print(f'\\r{i}', end='')"),
        new_code_cell("", outputs=[stale], execution_count=7),
        new_code_cell("import sys; sys.executable", metadata={"tags": ["slow"]}),
        new_code_cell("import os; os.getcwd()", metadata={"scrolled": True}),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
        new_code_cell("print('a', flush=True)\nprint('b')"),
    ]
    named = {"kernelspec": {"name": "mine", "display_name": "Mine"}}
    path = write(tmp_path, "02_x", *cells, **named)
    ids = [cell.id for cell in nbformat.read(path, as_version=4).cells]
    other = write(tmp_path, "03_y", new_code_cell("1 / 0"))
    before = other.read_bytes()

    # A kernel of the same name elsewhere must not be taken for that of this Python.
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    spec = {"argv": ["false"], "display_name": "Other", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(spec))
    env = {"JUPYTER_PATH": str(tmp_path / "jupyter"), "PATH": "", "HOME": str(tmp_path)}
    done = run(tmp_path, "--in-place", "--only", "02", env=env)

    assert (done.returncode, done.stderr) == (0, "")
    assert other.read_bytes() == before
    assert not (tmp_path / "build").exists()
    nb = nbformat.read(path, as_version=4)
    assert [cell.id for cell in nb.cells] == ids
    assert [cell.execution_count for cell in nb.cells] == [1, None, 2, 3, 4, 5]
    assert [output.text for output in nb.cells[0].outputs] == ["2"]
    assert nb.cells[1].outputs == []
    assert nb.cells[2].outputs[0].data["text/plain"] == repr(sys.executable)
    assert nb.cells[3].outputs[0].data["text/plain"] == repr(str(tmp_path))
    assert [output.text for output in nb.cells[5].outputs] == ["a\nb\n"]
    assert nb.metadata == METADATA
    assert nb.cells[2].metadata == {"tags": ["slow"]} and nb.cells[3].metadata == {}


def test_no_notebook_is_an_error_with_the_folder_in_it(tmp_path):
    write(tmp_path, "00_a", new_code_cell("1"))
    done = run(tmp_path, "--only", "07")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"No notebook 07*.ipynb in {tmp_path}.\n"


def test_without_options_it_runs_the_course_on_the_data_that_it_finds(tmp_path):
    shutil.copytree(ROOT / "tools", tmp_path / "tools")
    helpers(tmp_path, "print('a note')\n    return SimpleNamespace(name='ml-100k')")
    asks = "import os\nprint(os.environ['MOVIELENS'], os.path.basename(os.getcwd()))"
    write(tmp_path / "notebooks", "00_a", new_code_cell(asks))
    write(tmp_path / "notebooks", "01_b", new_code_cell("1"))
    (tmp_path / "elsewhere").mkdir()
    done = subprocess.run(
        [sys.executable, tmp_path / "tools" / "run_notebooks.py"],
        capture_output=True,
        text=True,
        timeout=LIMIT,
        cwd=tmp_path / "elsewhere",
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[:2] == ["a note", "Data: ml-100k"]
    assert [line.split()[1:] for line in lines[-4:-1]] == [
        *(["min", "00_a"], ["min", "01_b"], ["min", "in", "all"]),
    ]
    assert lines[-1] == f"Written: {tmp_path / 'build' / 'index.html'}"
    page = (tmp_path / "build" / "00_a.html").read_text("utf-8")
    assert "<pre>ml-100k notebooks\n</pre>" in page
    assert sorted(path.name for path in (tmp_path / "build").iterdir()) == [
        *("00_a.html", "01_b.html", "index.html"),
    ]


def test_without_data_no_notebook_runs(tmp_path):
    path = write(tmp_path, "00_a", new_code_cell("open('ran', 'w').close()"))
    arguments = [part for part in command(tmp_path) if part != "--no-data"]
    done = subprocess.run(
        arguments,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        env=dict(os.environ, MOVIELENS="ml-25m"),
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "No data: There is no set 'ml-25m'. Choose ml-1m or ml-100k.\n"
        "\nThe notebooks need MovieLens; see data/README.md.\n"
    )
    assert [*tmp_path.iterdir()] == [path]


# Kernels that end early -------------------------------------------------------------


def test_a_kernel_that_dies_is_told_with_its_cell(tmp_path):
    last_words = new_code_cell("import os\nos._exit(0)")
    write(tmp_path, "00_a", new_code_cell("1"), last_words, new_code_cell("2"))
    done = run(tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "\n00_a.ipynb stopped in code cell 2:\n\n    import os\n    os._exit(0)\n\n"
        "The kernel died. Too little memory is the usual cause.\n"
    )
    assert [path.name for path in (tmp_path / "build").iterdir()] == ["index.html"]


def test_a_kernel_that_does_not_start_is_told(tmp_path):
    write(tmp_path, "00_a", new_code_cell("1"))
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit(3)")
    done = run(tmp_path, env=dict(os.environ, PYTHONPATH=str(tmp_path)))
    assert done.returncode == 1
    assert done.stderr.startswith("\nThe kernel of 00_a.ipynb did not start: ")
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_run_and_its_kernel(tmp_path):
    begins = (
        "import os, pathlib, time\n"
        "pathlib.Path('new').write_text(str(os.getpid()))\n"
        "os.rename('new', 'pid')\n"
        "time.sleep(600)"
    )
    write(tmp_path, "03_d", new_code_cell("1"))
    after = new_code_cell("open('after', 'w')")
    write(tmp_path, "02_c", new_code_cell(begins), after)
    write(tmp_path, "01_b", new_code_cell(FOREVER), after)
    write(tmp_path, "00_a", after)
    page = tmp_path / "build" / "03_d.html"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A shell that runs the tests in the background has them ignore Ctrl-C.
    heard = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    runner = subprocess.Popen(command(tmp_path), preexec_fn=heard, **pipes)
    try:
        pid = tmp_path / "pid"
        wait_for(lambda: pid.exists() and page.exists() or runner.poll() is not None)
        kernel = int((tmp_path / "pid").read_text())
        runner.send_signal(signal.SIGINT)
        _, said = runner.communicate(timeout=LIMIT)
    finally:
        runner.kill()
    assert (runner.returncode, said) == (1, "\nStopped.\n")
    with pytest.raises(ProcessLookupError):
        os.kill(kernel, 0)
    assert not (tmp_path / "after").exists()
    index = (tmp_path / "build" / "index.html").read_text("utf-8")
    assert 'href="03_d.html"' in index and 'href="02_c.html"' not in index


@pytest.mark.parametrize("source", ["", "1 / 0"])
def test_a_kernel_ends_with_its_notebook(tmp_path, source):
    asks = new_code_cell("import os\nprint(os.getpid())")
    nb = new_notebook(cells=[asks, new_code_cell(source)])
    client = Client(nb, resources={"metadata": {"path": str(tmp_path)}})
    try:
        client.execute()
    except CellExecutionError:
        assert source
    with pytest.raises(ProcessLookupError):
        os.kill(int(nb.cells[0].outputs[0].text), 0)


def test_a_notebook_in_any_folder_has_the_helpers_of_this_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "mine.py").touch()
    asks = new_code_cell("import helpers, mine\nprint(helpers.__file__)")
    nb = new_notebook(cells=[asks])
    Client(nb, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert nb.cells[0].outputs[0].text == f"{ROOT / 'helpers' / '__init__.py'}\n"


# Data -------------------------------------------------------------------------------


def helpers(root: Path, load: str) -> None:
    """A project of which helpers.datasets.load() does what the text says."""
    (root / "helpers").mkdir()
    (root / "helpers" / "__init__.py").touch()
    (root / "helpers" / "datasets.py").write_text(
        "from types import SimpleNamespace\n"
        "class DataError(Exception): pass\n"
        f"def load():\n    {load}\n"
    )


@pytest.fixture
def get_data(tmp_path, monkeypatch):
    monkeypatch.setattr(run_notebooks, "ROOT", tmp_path)
    monkeypatch.setenv("MOVIELENS", "before")

    def start(load: str) -> None:
        helpers(tmp_path, load)
        run_notebooks.get_data()

    return start


@pytest.mark.parametrize("notes", [[], ["one note"], ["one note", "and another"]])
def test_the_data_are_named_and_every_kernel_gets_them(get_data, capfd, notes):
    prints = "".join(f"print({note!r}); " for note in notes)
    get_data(f"{prints}return SimpleNamespace(name='ml-100k')")
    assert os.environ["MOVIELENS"] == "ml-100k"
    said = "".join(f"{line}\n" for line in [*notes, "Data: ml-100k"])
    assert capfd.readouterr() == (said, "")


def test_no_data_is_a_failure_with_its_reason(get_data, capfd):
    with pytest.raises(Failed, match=r"^The notebooks need .*; see data/README\.md\.$"):
        get_data("raise DataError('the reason')")
    assert capfd.readouterr() == ("", "No data: the reason\n")
    assert os.environ["MOVIELENS"] == "before"


def test_a_fault_in_loading_is_a_failure_too(get_data, capfd):
    with pytest.raises(Failed):
        get_data("return 1 / 0")
    assert "ZeroDivisionError: division by zero" in capfd.readouterr().err


# Progress ---------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Standard output that is a terminal."""

    def isatty(self) -> bool:
        return True


def test_a_line_on_a_terminal_is_rewritten_cell_by_cell(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", Terminal())
    monkeypatch.setattr(run_notebooks.tqdm, "monitor_interval", 0)
    cells = [new_code_cell("import time; time.sleep(0.2)"), new_code_cell(" ")]
    path = write(tmp_path, "00_a", *cells, new_code_cell("1"))
    assert run_notebooks.execute(path, set())[1] > 0.2
    lines = sys.stdout.getvalue().split("\r")
    assert lines[1].startswith(f"{'00_a':28}  cell 0/2  00:0")
    assert any(line.startswith(f"{'00_a':28}  cell 2/2  00:0") for line in lines)
    assert lines[-1].strip() == ""


# What is written and said -----------------------------------------------------------


@pytest.fixture
def executed(monkeypatch):
    """run() with notebooks that take 15 and 5 minutes and print their name."""
    order = []

    def execute(path, running, threads):
        order.append(path.name)
        nb = nbformat.read(path, as_version=4)
        nb.cells[0].outputs = [nbformat.v4.new_output("stream", text=f"{path.stem}\n")]
        return nb, {"00_a": 900.0, "01_b": 300.0}[path.stem]

    monkeypatch.setattr(run_notebooks, "execute", execute)
    return order


def books(folder: Path) -> list[Path]:
    return [write(folder, name, new_code_cell("1")) for name in ("00_a", "01_b")]


TIMES = "  15.0 min  00_a\n   5.0 min  01_b\n   0.0 min  in all\n"


def test_pages_index_and_times_of_a_run(tmp_path, executed, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    build = Path("deep") / "build"
    for _ in range(2):  # the second time, the folder is there
        run_notebooks.run(books(tmp_path), build, in_place=False)
    index = tmp_path / build / "index.html"
    assert capsys.readouterr() == ((TIMES + f"Written: {index}\n") * 2, "")
    assert sorted(executed) == ["00_a.ipynb"] * 2 + ["01_b.ipynb"] * 2
    assert "<pre>01_b\n</pre>" in (index.parent / "01_b.html").read_text("utf-8")
    assert '01_b.html">01_b</a> <small>5.0 min</small>' in index.read_text("utf-8")


def test_in_place_writes_notebooks_and_no_page(tmp_path, executed, capsys):
    run_notebooks.run(books(tmp_path), tmp_path / "build", in_place=True)
    assert capsys.readouterr() == (TIMES + f"Written: {tmp_path}\n", "")
    assert not (tmp_path / "build").exists()
    nb = nbformat.read(tmp_path / "01_b.ipynb", as_version=4)
    assert nb.cells[0].outputs[0].text == "01_b\n"
    assert nb.metadata == METADATA


@pytest.fixture
def main(tmp_path, monkeypatch):
    """main() with a command line and what run() does; (its answer, what it called)."""
    for name in ("02_b", "01_a", "02_a"):
        write(tmp_path, name, new_code_cell("1"))

    def start(*options: object, error: BaseException | None = None) -> tuple:
        called = []

        def run(paths, build, in_place):
            called.append(([path.stem for path in paths], build, in_place))
            if error:
                raise error

        monkeypatch.setattr(run_notebooks, "get_data", lambda: called.append("data"))
        monkeypatch.setattr(run_notebooks, "run", run)
        line = ["run_notebooks.py", "--notebooks", tmp_path, *options]
        monkeypatch.setattr(sys, "argv", [*map(str, line)])
        return run_notebooks.main(), called

    return start


def test_the_command_line_chooses(main, tmp_path):
    build = ROOT / "build"
    everything = ["01_a", "02_a", "02_b"]
    assert main() == (0, ["data", (everything, build, False)])
    assert main("--no-data") == (0, [(everything, build, False)])
    other = ("--only", "02", "--in-place", "--build", tmp_path / "x", "--no-data")
    assert main(*other) == (0, [(["02_a", "02_b"], tmp_path / "x", True)])
    assert main("--only", "") == (0, ["data", (everything, build, False)])


@pytest.mark.parametrize("there", [True, False])
def test_a_notebook_is_left_out_where_ray_is_missing(
    main, tmp_path, monkeypatch, capsys, there
):
    write(tmp_path, "11_scale", new_code_cell("1"))
    monkeypatch.setattr(run_notebooks, "find_spec", lambda name: there or None)
    code, called = main("--only", "11", "--no-data")
    assert (code, bool(called)) == ((0, True) if there else (1, False))
    _, called = main("--no-data")
    assert ("11_scale" in called[0][0]) == there
    said = "Left out: 11_scale.ipynb, which needs Ray. Install it: make scale"
    assert (said in capsys.readouterr().out) != there


def test_the_options_are_explained(main, capsys):
    with pytest.raises(SystemExit) as ended:
        main("--help")
    assert ended.value.code == 0
    said = " ".join(capsys.readouterr().out.split())
    about = "Run the notebooks in fresh kernels: as pages under build/, or in place."
    assert about in said and "python tools/" not in said
    for line in (
        "--only ONLY names that start with this",
        "--in-place store the outputs",
        "--no-data do not load MovieLens",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (Failed("00_a.ipynb stopped"), "\n00_a.ipynb stopped\n"),
        (KeyboardInterrupt(), "\nStopped.\n"),
    ],
)
def test_a_run_that_stops_says_why_and_ends_with_1(main, capsys, error, said):
    assert main(error=error)[0] == 1
    assert capsys.readouterr() == ("", said)


def test_a_fault_of_the_runner_is_not_hidden(main):
    with pytest.raises(ZeroDivisionError):
        main(error=ZeroDivisionError())
