"""tools/run_notebooks.py: pages, failures, outputs stored in place."""

import json
import subprocess
import sys
from pathlib import Path

import nbformat
import pages
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from tidy import METADATA, tidy

ROOT = Path(__file__).resolve().parent.parent
OPENING = "# 00 A *title* with $w_0$\n\n**Question.** What is <b>in</b> `x`?\n\nMore."
PICTURE = (
    "from IPython.display import SVG\n"
    'SVG(\'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9"/></svg>\')'
)


def write(folder: Path, name: str, *cells) -> Path:
    path = folder / f"{name}.ipynb"
    nbformat.write(new_notebook(cells=list(cells)), path)
    return path


def run(folder: Path, *options, env=None) -> subprocess.CompletedProcess:
    program = [sys.executable, ROOT / "tools" / "run_notebooks.py", "--no-data"]
    paths = ["--notebooks", folder, "--build", folder / "build"]
    return subprocess.run(
        [*program, *paths, *options], capture_output=True, text=True, env=env
    )


@pytest.fixture(scope="module")
def broken(tmp_path_factory):
    """Three notebooks of which the second fails, and how the run of them ended."""
    folder = tmp_path_factory.mktemp("a space")
    link = new_markdown_cell(f"{OPENING}\n\n[on](01_b.ipynb#End) $$\\sum_i x_i$$")
    write(folder, "00_a", link, new_code_cell(PICTURE), new_code_cell("print(6 * 7)"))
    bad = new_code_cell("# why\nx = 1 / 0")
    write(folder, "01_b", new_markdown_cell("# 01 B"), new_code_cell("y = 1"), bad)
    write(folder, "02_c", new_code_cell("1"))
    (folder / "build").mkdir()
    (folder / "build" / "02_c.html").write_text("old")
    before = {p.name: p.read_bytes() for p in folder.glob("*.ipynb")}
    done = run(folder)
    assert before == {p.name: p.read_bytes() for p in folder.glob("*.ipynb")}
    return folder, done


def test_a_failing_cell_stops_the_run_and_is_told(broken):
    folder, done = broken
    assert done.returncode == 1
    said = done.stderr.strip()
    assert said.startswith("01_b.ipynb stopped in code cell 2:")
    assert "    # why\n    x = 1 / 0" in said
    assert said.endswith("ZeroDivisionError: division by zero")
    assert "Traceback" not in said


def test_pages_before_the_failure_remain_and_old_ones_go(broken):
    folder, _ = broken
    names = sorted(path.name for path in (folder / "build").iterdir())
    assert names == ["00_a.html", "index.html"]


def test_a_page_needs_no_network(broken):
    folder, _ = broken
    page = (folder / "build" / "00_a.html").read_text("utf-8")
    assert "<script" not in page and "<link" not in page
    assert '<math display="block"' in page and "<munder" in page
    assert "data:image/svg+xml;base64," in page
    assert "<pre>42\n</pre>" in page


def test_pages_lead_to_each_other(broken):
    folder, _ = broken
    page = (folder / "build" / "00_a.html").read_text("utf-8")
    assert 'href="01_b.html">next' in page and 'href="index.html">index' in page
    assert ">previous<" not in page
    assert 'href="01_b.html#End"' in page


def test_the_index_has_title_question_and_links_of_what_is_there(broken):
    folder, _ = broken
    index = (folder / "build" / "index.html").read_text("utf-8")
    assert '<a href="00_a.html">00 A <em>title</em> with <math' in index
    assert "What is <b>in</b> <code>x</code>?" in index
    assert "01 B" in index and 'href="01_b.html"' not in index
    assert index.count(" min</small>") == 1


def test_progress_is_plain_where_there_is_no_terminal(broken):
    _, done = broken
    lines = done.stdout.splitlines()
    assert "\r" not in done.stdout
    assert lines[0].split() == ["00_a", "cell", "0/2", "0:00"]
    assert lines[-1].split()[:3] == ["01_b", "cell", "2/2"]


def test_in_place_stores_outputs_and_only_those_of_the_chosen(tmp_path):
    cells = [
        new_code_cell("for i in range(3):\n    print(f'\\r{i}', end='')"),
        new_code_cell(""),
        new_code_cell("import sys; sys.executable", metadata={"tags": ["slow"]}),
        new_code_cell("import os; os.getcwd()", metadata={"scrolled": True}),
        new_code_cell("1 / 0", metadata={"tags": ["raises-exception"]}),
    ]
    path = write(tmp_path, "02_x", *cells)
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

    assert done.returncode == 0, done.stderr
    assert other.read_bytes() == before
    assert not (tmp_path / "build").exists()
    nb = nbformat.read(path, as_version=4)
    assert [cell.id for cell in nb.cells] == ids
    assert [cell.execution_count for cell in nb.cells] == [1, None, 2, 3, 4]
    assert [output.text for output in nb.cells[0].outputs] == ["2"]
    assert nb.cells[2].outputs[0].data["text/plain"] == repr(sys.executable)
    assert nb.cells[3].outputs[0].data["text/plain"] == repr(str(tmp_path))
    assert nb.metadata == METADATA
    assert nb.cells[2].metadata == {"tags": ["slow"]} and nb.cells[3].metadata == {}


def test_no_notebook_is_an_error_with_the_folder_in_it(tmp_path):
    done = run(tmp_path, "--only", "07")
    assert done.returncode == 1
    assert done.stderr == f"No notebook 07*.ipynb in {tmp_path}.\n"


def test_tidy_gives_ids_that_last_and_differ():
    cells = [new_code_cell("x"), new_code_cell("x"), new_markdown_cell("x")]
    cells[1].id = cells[0].id
    del cells[2]["id"]
    first, again = new_notebook(), new_notebook()
    for nb in (first, again):
        nb.cells = [cell.copy() for cell in cells]
        tidy(nb)
    ids = [cell.id for cell in first.cells]
    assert ids[0] == cells[0].id and len(set(ids)) == 3
    assert ids == [cell.id for cell in again.cells]


@pytest.mark.parametrize("environment", ["aligned", "split", "align*"])
def test_lines_of_a_formula_stand_below_each_other(environment):
    text = rf"\begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}}"
    assert pages.mathml(text).count("<mtr>") == 2


def test_a_formula_that_is_not_understood_is_shown_as_it_is():
    assert "<code>x_a_b &lt; 1</code>" in pages.inline("$x_a_b < 1$")
