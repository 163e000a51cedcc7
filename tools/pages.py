"""Executed notebooks as pages that need no network: formulas are MathML."""

import html
import re
from pathlib import Path
from xml.etree import ElementTree

import latex2mathml.converter
import nbformat
from jinja2 import pass_context
from nbconvert import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath
from pygments.formatters import HtmlFormatter

CSS = """
body { max-width: 900px; margin: 2rem auto; padding: 0 1rem; color: #222;
  font: 17px/1.6 system-ui, sans-serif; }
h1, h2, h3 { line-height: 1.25; margin: 2rem 0 .8rem; }
h1 { font-size: 1.9rem; }
h2 { font-size: 1.4rem; border-top: 1px solid #ddd; padding-top: 1.2rem; }
a { color: #2f6296; }
nav { display: flex; justify-content: space-between; gap: 1rem; font-size: .9rem; }
pre, code { font: .86rem/1.5 ui-monospace, "DejaVu Sans Mono", monospace; }
pre { margin: 0; padding: .6rem .8rem; overflow-x: auto; }
p code, li code, td code { background: #f3f3f3; padding: .1em .25em; }
.input_area, .rendered_html .highlight { background: #f6f7f9;
  border-left: 3px solid #b8c4d0; margin: .8rem 0 0; }
.output_area { margin: .4rem 0 .8rem; overflow-x: auto; }
.output_stderr { background: #fdeceb; }
.prompt, .anchor-link { display: none; }
img, svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: .8rem 0; font-size: .92rem; }
table, th, td { border: 0; }
th, td { padding: .25rem .7rem; border-bottom: 1px solid #ddd; text-align: left; }
.dataframe th, .dataframe td { text-align: right; }
math { font-size: 1.1em; font-family: "STIX Two Math", "STIX Math", "Cambria Math",
  "Latin Modern Math", math; }
math[display=block] { margin: 1rem 0; }
mtd[columnalign] { padding: .1em; text-align: left; }
mtd[columnalign=right] { text-align: right; }
.index li { margin: 0 0 1rem; list-style: none; }
.index ol { padding: 0; }
.index small { color: #666; }
"""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{css}</style>
</head>
<body class="{kind}">
{body}
</body>
</html>
"""
LIMITS = {"msub": "munder", "msup": "mover", "msubsup": "munderover"}
WITH_LIMITS = ("\N{N-ARY SUMMATION}", "\N{N-ARY PRODUCT}", "max", "min")
NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'
LOCAL_NOTEBOOK = re.compile(r'href="(?![a-z]+:)([^"#/]+)\.ipynb(#[^"]*)?"')


class _Renderer(IPythonRenderer):
    """Formulas become MathML here, so that no script has to do it in the browser."""

    def inline_math(self, body: str) -> str:
        return self.formula(body, "inline")

    def block_math(self, body: str) -> str:
        return self.formula(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return self.formula(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")

    def _src_to_base64(self, src: str) -> str | None:
        # nbconvert's takes nothing from beside the folder of the notebook, as docs/ is.
        folder = Path(self.path).resolve()
        beside = IPythonRenderer(path=str(folder.parent))
        return beside._src_to_base64(f"{folder.name}/{src}")

    def _html_embed_images(self, text: str) -> str:
        # It parses tag by tag, and would close the first of <kbd>key</kbd> at once.
        return super()._html_embed_images(text) if "<img" in text else text

    def formula(self, body: str, display: str) -> str:
        try:
            return mathml(body, display)
        except Exception:  # the converter has a dozen; the tests hold notebooks to none
            return f"<code>{html.escape(body)}</code>"


class _Exporter(HTMLExporter):
    @pass_context
    def markdown2html(self, context, source):
        renderer = _Renderer(
            escape=False,
            attachments=context.get("cell", {}).get("attachments", {}),
            embed_images=True,
            path=context["resources"]["metadata"]["path"],
        )
        return MarkdownWithMath(renderer=renderer).render(source)


def mathml(formula: str, display: str = "inline") -> str:
    """A LaTeX formula as MathML. An unknown command stays, with its backslash."""
    formula = re.sub(r"(begin|end)\{(aligned|split)\}", r"\1{align*}", formula)
    text = latex2mathml.converter.convert(formula, display=display)
    text = text.replace(NAMESPACE, "")  # the headings of nbconvert would rename it
    if display != "block":
        return text
    tree = ElementTree.fromstring(text)
    _set_limits(tree)
    return ElementTree.tostring(tree, "unicode")


def _set_limits(tree: ElementTree.Element) -> None:
    """Below and above each sum, as TeX sets them in a display, fractions excepted.

    The converter sets those within brackets and braces beside the sum.
    """
    for node in tree:
        if node.tag in LIMITS and node[0].text in WITH_LIMITS:
            node.tag = LIMITS[node.tag]
        if node.tag != "mfrac":
            _set_limits(node)


def title_and_question(nb: nbformat.NotebookNode) -> tuple[str, str]:
    """The first heading and the line after **Question.**; empty where missing."""
    text = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    title = re.search(r"^# +(.+)$", text, re.M)
    question = re.search(r"^\*\*Question\.\*\* *(.+)$", text, re.M)
    return title[1].strip() if title else "", question[1].strip() if question else ""


def write_page(nb: nbformat.NotebookNode, path: Path, build: Path) -> None:
    """Write the executed notebook that was read from path as a page in build/."""
    exporter = _Exporter(template_name="basic")
    where = {"metadata": {"path": str(path.parent)}}
    body, _ = exporter.from_notebook_node(nb, where)
    body = LOCAL_NOTEBOOK.sub(r'href="\1.html\2"', body)
    links = _links(path)
    title = title_and_question(nb)[0] or path.stem
    _write(build / f"{path.stem}.html", title, f"{links}\n{body}\n{links}")


def write_index(folder: Path, build: Path, times: dict[str, float]) -> None:
    """Write build/index.html: every notebook of the folder, linked where it has a page.

    times: seconds a notebook took, by name.
    """
    items = []
    for path in sorted(folder.glob("*.ipynb")):
        title, question = title_and_question(nbformat.read(path, as_version=4))
        entry = inline(title or path.stem)
        if (build / f"{path.stem}.html").exists():
            entry = f'<a href="{path.stem}.html">{entry}</a>'
        if path.stem in times:
            entry += f" <small>{times[path.stem] / 60:.1f} min</small>"
        items.append(f"<li>{entry}<br>{inline(question)}</li>")
    body = "<h1>DeepFM, built from nothing</h1>\n<ol>\n" + "\n".join(items) + "\n</ol>"
    _write(build / "index.html", "DeepFM, built from nothing", body, "index")


def inline(markdown: str) -> str:
    """One line of Markdown as HTML, formulas included."""
    text = MarkdownWithMath(renderer=_Renderer(escape=False)).render(markdown)
    return text.strip().removeprefix("<p>").removesuffix("</p>")


def _links(path: Path) -> str:
    names = [other.stem for other in sorted(path.parent.glob("*.ipynb"))]
    at = names.index(path.stem)
    before = f'<a href="{names[at - 1]}.html">previous</a>' if at else "<span></span>"
    after = "<span></span>"
    if at + 1 < len(names):
        after = f'<a href="{names[at + 1]}.html">next</a>'
    return f'<nav>{before}<a href="index.html">index</a>{after}</nav>'


def _write(path: Path, title: str, body: str, kind: str = "page") -> None:
    css = CSS + HtmlFormatter().get_style_defs(".highlight")
    title = html.escape(title.replace("$", ""))
    path.write_text(PAGE.format(title=title, css=css, body=body, kind=kind), "utf-8")
