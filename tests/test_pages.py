"""tools/pages.py: notebooks as pages, their links, formulas and the index."""

import base64
import re
from pathlib import Path

import nbformat
import pages
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

PIXEL = (  # a PNG of one pixel
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9"
    "awAAAABJRU5ErkJggg=="
)


@pytest.fixture(autouse=True)
def backwards(monkeypatch):
    """Folders that list their files in the wrong order, as some file systems do."""
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *a: reversed(sorted(glob(*a))))


def page(folder: Path, *cells, name: str = "01_b") -> str:
    """The page of a notebook with these cells, between two others."""
    for other in ("00_a", "02_c"):
        nbformat.write(new_notebook(), folder / f"{other}.ipynb")
    path = folder / f"{name}.ipynb"
    nb = new_notebook(cells=list(cells))
    nbformat.write(nb, path)
    build = folder / "build"
    build.mkdir(exist_ok=True)
    pages.write_page(nb, path, build)
    assert [p.name for p in build.iterdir()] == [f"{name}.html"]
    return (build / f"{name}.html").read_text("utf-8")


def text(source: str, **options):
    return new_markdown_cell(source, **options)


# A page -----------------------------------------------------------------------------


def test_a_page_is_whole(tmp_path):
    said = page(tmp_path, text("# A <b> & $w_0$\n\nText."), text("# Not this"))
    head, body = said.split("</head>\n")
    assert head.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n')
    assert '<meta charset="utf-8">\n<meta name="viewport" content="width=' in head
    assert "<title>A &lt;b&gt; &amp; w_0</title>\n<style>\nbody { max-width: 9" in head
    assert re.search(r"^\.highlight .k \{ color: ", head, re.M)  # keywords of code
    assert head.count("{") == head.count("}") and "{{" not in head
    assert body.startswith('<body class="page">\n<nav>')
    assert body.endswith("</nav>\n</body>\n</html>\n") and body.count("\n<nav>") == 2
    assert "<p>Text.</p>" in body
    assert "<script" not in said and "<link" not in said


def test_a_page_without_a_heading_has_the_name_of_its_notebook(tmp_path):
    assert "<title>01_b</title>" in page(tmp_path, text("Text."))


def test_code_and_its_outputs_are_shown(tmp_path):
    output = new_output("stream", text="6 < 7\n")
    said = page(tmp_path, new_code_cell("if True:\n    pass", outputs=[output]))
    assert '<span class="k">if</span>' in said
    assert "<pre>6 &lt; 7\n</pre>" in said


@pytest.mark.parametrize(
    ("name", "links"),
    [
        ("00_a", '<span></span><a href="index.html">index</a><a href="01_b.html">next'),
        ("01_b", None),
        (
            "02_c",
            '<a href="01_b.html">previous</a><a href="index.html">index</a><span>',
        ),
    ],
)
def test_pages_lead_to_each_other(tmp_path, name, links):
    nbformat.write(new_notebook(), tmp_path / "01_b.ipynb")
    (tmp_path / "00_notes.txt").touch()
    between = (
        '<nav><a href="00_a.html">previous</a><a href="index.html">index</a>'
        '<a href="02_c.html">next</a></nav>'
    )
    said = page(tmp_path, text("# A"), name=name)
    assert said.count(links or between) == 2
    assert said.count("<nav>") == said.count("</nav>") == 2


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("02_c.ipynb", "02_c.html"),
        ("02_c.ipynb#The-end", "02_c.html#The-end"),
        ("../docs/02_c.ipynb", "../docs/02_c.ipynb"),
        ("https://example.org/02_c.ipynb", "https://example.org/02_c.ipynb"),
        ("https:02_c.ipynb", "https:02_c.ipynb"),
        ("02_c.py", "02_c.py"),
        ("#The-end", "#The-end"),
    ],
)
def test_links_to_notebooks_lead_to_their_pages(tmp_path, written, becomes):
    said = page(tmp_path, text(f"[one]({written}), [two]({written})"))
    assert f'<a href="{becomes}">one</a>, <a href="{becomes}">two</a>' in said


def test_pictures_are_in_the_page(tmp_path):
    (tmp_path / "dot.png").write_bytes(base64.b64decode(PIXEL))
    attached = {"other.png": {"image/png": PIXEL}}
    said = page(
        tmp_path,
        text("![from a file](dot.png)"),
        text("![attached](attachment:other.png)", attachments=attached),
        text('As HTML: <img src="dot.png" width="9">'),
    )
    assert said.count(f'src="data:image/png;base64,{PIXEL}"') == 3


def test_a_picture_beside_the_folder_is_in_the_page_and_none_from_further_away(
    tmp_path,
):
    folder = tmp_path / "course" / "notebooks"
    for place in (folder.parent / "docs", tmp_path):
        place.mkdir(parents=True, exist_ok=True)
        (place / "dot.png").write_bytes(base64.b64decode(PIXEL))
    folder.mkdir()
    said = page(folder, text("![one](../docs/dot.png)"), text("![two](../../dot.png)"))
    assert said.count(f'src="data:image/png;base64,{PIXEL}"') == 1
    assert 'src="../../dot.png"' in said


def test_html_in_text_stays_html(tmp_path):
    said = page(tmp_path, text("A <kbd>key</kbd>.\n\n<details>\n\nMore.\n\n</details>"))
    assert "<p>A <kbd>key</kbd>.</p>" in said
    assert re.search(r"<details>\s*<p>More.</p>\s*</details>", said)


# Formulas ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("formula", "tags"),
    [
        (r"\left(\sum_i x\right)^2", ["munder"]),
        (
            r"\sqrt{\sum_{i=1}^n x} + \sum^n x + \prod_i x",
            ["munderover", "mover", "munder"],
        ),
        (r"\max_i x_i", ["munder", "msub"]),
        (r"\frac{\sum_i x}{2} < 1", ["msub"]),  # small there, so that it stays beside
    ],
)
def test_limits_stand_below_and_above_the_sums_of_a_display(formula, tags):
    found = pages.mathml(formula, "block")
    scripts = r"<(m(?:under|over|underover|sub|subsup))>"
    assert re.findall(scripts, found) == tags
    assert "munder" not in pages.mathml(r"\left(\sum_i x\right)")


def test_formulas_in_a_page_are_mathml(tmp_path):
    said = page(
        tmp_path,
        text("## With $w_0$\n\nIn a line, $x_i$.\n\n$$\\sum_i x_i$$"),
        text("\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}"),
    )
    assert said.count('<math display="inline"><mrow><msub>') == 2
    assert said.count('<math display="block"><mrow>') == 2
    assert said.count("<mtr>") == 2
    assert "xmlns" not in said and "$" not in said.split("</style>")[1]
    assert re.search(r"<h2[^>]*>With <math", said)


@pytest.mark.parametrize("environment", ["aligned", "split", "align*"])
def test_lines_of_a_formula_stand_below_each_other(environment):
    text = rf" \begin{{{environment}}} a &= b \\ c &= d \end{{{environment}}} "
    found = pages.mathml(text)
    assert found.count("<mtr>") == 2 and "begin" not in found and "end" not in found


def test_a_formula_stands_in_a_line_or_by_itself():
    assert pages.mathml("x").startswith('<math display="inline"><mrow><mi>x</mi>')
    assert pages.mathml("x", "block").startswith('<math display="block">')


def test_a_formula_that_is_not_understood_is_shown_as_it_is():
    assert pages.inline("see $x_a_b < 1$") == "see <code>x_a_b &lt; 1</code>"


def test_an_unknown_command_keeps_its_backslash():
    assert r"\unknown" in pages.mathml(r"\unknown{x}")


def test_a_line_of_markdown_is_html_without_a_paragraph():
    assert pages.inline("*a* `b` <i>c</i>") == "<em>a</em> <code>b</code> <i>c</i>"
    assert pages.inline("") == ""


# Title, question, index -------------------------------------------------------------


@pytest.mark.parametrize(
    ("cells", "found"),
    [
        (["#  A title \n\n**Question.**  What? \n\nMore."], ("A title", "What?")),
        (["# A", "# B\n\n**Question.** One\n\n**Question.** Two"], ("A", "One")),
        (["text", "## 2", "# A"], ("A", "")),
        (["not # A\n\nno **Question.** here"], ("", "")),
        (["text\n**Question.**What?"], ("", "What?")),
        ([], ("", "")),
    ],
)
def test_title_and_question_of_a_notebook(cells, found):
    code = new_code_cell("# a comment\n**Question.** x")
    nb = new_notebook(cells=[code, *map(new_markdown_cell, cells)])
    assert pages.title_and_question(nb) == found


def test_the_index_has_title_question_time_and_links_of_what_is_there(tmp_path):
    build = tmp_path / "build"
    build.mkdir()
    contents = {
        "02_c": "no heading",
        "00_a": "# 00 A *title* with $w_0$\n\n**Question.** What is <b>in</b> `x`?",
        "01_b": "# 01 B\n\n**Question.** Why?",
    }
    for name, source in contents.items():
        nbformat.write(new_notebook(cells=[text(source)]), tmp_path / f"{name}.ipynb")
    (tmp_path / "03_notes.txt").touch()
    for name in ("00_a", "02_c"):
        (build / f"{name}.html").touch()
    pages.write_index(tmp_path, build, {"00_a": 93.0, "01_b": 600.0})
    said = (build / "index.html").read_text("utf-8")
    title = f"00 A <em>title</em> with {pages.mathml('w_0')}"
    assert said.partition('<body class="index">\n')[2] == (
        "<h1>DeepFM, built from nothing</h1>\n<ol>\n"
        f'<li><a href="00_a.html">{title}</a> <small>1.6 min</small><br>'
        "What is <b>in</b> <code>x</code>?</li>\n"
        "<li>01 B <small>10.0 min</small><br>Why?</li>\n"
        '<li><a href="02_c.html">02_c</a><br></li>\n'
        "</ol>\n</body>\n</html>\n"
    )
    assert "<title>DeepFM, built from nothing</title>" in said
