"""tools/tidy.py: what a stored notebook keeps."""

import copy
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tidy import tidy

ROOT = Path(__file__).resolve().parent.parent
WIDGET = "application/vnd.jupyter.widget-view+json"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python", "pygments_lexer": "ipython3"},
}


def worn():
    """A notebook with all that differs between runs and programs."""
    shown = {"text/plain": "x", WIDGET: {"model_id": "1"}}
    cell = new_code_cell(
        "1",
        execution_count=3,
        metadata={"tags": ["slow", "fails"], "execution": {"iopub": "12:00"}},
        outputs=[
            new_output(
                "display_data", data=shown, metadata={"image/png": {"width": 9}}
            ),
            new_output("execute_result", data={"text/plain": "1"}, execution_count=3),
            new_output("stream", text="said\n"),
            new_output("error", ename="E", evalue="why", traceback=["line"]),
        ],
    )
    text = new_markdown_cell("# A", metadata={"tags": [], "jp-MarkdownHeading": True})
    nb = new_notebook(cells=[cell, text], metadata={"authors": [{"name": "A"}]})
    nb.metadata |= {"kernelspec": {"name": "mine", "display_name": "Mine"}}
    nb.nbformat_minor = 4
    return nb


def test_what_a_notebook_says_stays_and_the_rest_goes():
    nb, expected = worn(), worn()
    expected.metadata = METADATA
    expected.nbformat_minor = 5
    expected.cells[0].metadata = {"tags": ["slow", "fails"]}
    expected.cells[1].metadata = {}
    for output in expected.cells[0].outputs[:2]:
        output.metadata = {}
    del expected.cells[0].outputs[0].data[WIDGET]
    for cell, other in zip(expected.cells, nb.cells, strict=True):
        cell.id = other.id
    assert tidy(nb) is nb
    assert nb == expected
    assert all(isinstance(cell.metadata, nbformat.NotebookNode) for cell in nb.cells)
    nbformat.validate(nb)


def test_tidy_changes_nothing_more_the_second_time():
    once = tidy(worn())
    assert tidy(copy.deepcopy(once)) == once


def test_two_notebooks_share_no_metadata():
    first, second = tidy(worn()), tidy(worn())
    first.metadata.kernelspec.name = "changed"
    assert second.metadata == METADATA


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
    assert ids[1:] == ["9764ed1a", "13cba421"]  # of number and source: for ever these
    assert ids == [cell.id for cell in again.cells]


def test_the_program_tidies_the_files_it_is_given(tmp_path):
    paths = [tmp_path / "a.ipynb", tmp_path / "b.ipynb"]
    untouched = tmp_path / "c.ipynb"
    for path in [*paths, untouched]:
        nbformat.write(worn(), path)
    before = untouched.read_bytes()
    program = [sys.executable, ROOT / "tools" / "tidy.py", *paths]
    assert subprocess.run(program, timeout=120).returncode == 0
    for path in paths:
        nb = nbformat.read(path, as_version=4)
        assert nb.metadata == METADATA and nb.cells[1].metadata == {}
    assert untouched.read_bytes() == before
