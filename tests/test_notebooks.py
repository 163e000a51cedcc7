"""The rules for notebooks, and for each rule a notebook that breaks it."""

import ast
import copy
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pages
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from tidy import tidy

FOLDER = Path(__file__).resolve().parent.parent / "notebooks"
PATHS = sorted(FOLDER.glob("*.ipynb"))
TAGS = {
    "nbval-ignore-output",  # noisy values: shown here, judged in the next cell
    "exercise",
}
OPENING = ["**Question.**", "**You leave with.**", "**Needs.**", "**Time.**"]
CLOSING = ["What we showed", "What we did not show", "Exercises", "Next"]
ABSOLUTE = re.compile(r"(?<![\w.:/~-])/(home|root|work|tmp|Users)/|\bC:\\")
FENCE = re.compile(r"^(```|~~~).*?^\1", re.S | re.M)
CODE_SPAN = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.S)
MATH = re.compile(
    r"(?<!\\)\$\$(?P<block>.+?)\$\$|\\begin\{(?P<env>\w+\*?)\}.+?\\end\{(?P=env)\}"
    r"|(?<![\\$])\$(?P<inline>[^$]+?)(?<!\\)\$",
    re.S,
)
CHECK = re.compile(r"\bchecks\.(?!load_)\w+\(")
LINK = re.compile(r"\]\(<?([^)\s>]+)[^)]*\)|(?:src|href)=\"([^\"]+)\"")
DECIMAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w]|\.\d)")
FOLDED = re.compile(
    r"<details><summary>Hint</summary>.+</details>.*"
    r"<details><summary>Solution</summary>\s+```python\n"
    r"(?=.*^(?:answer\b|def answer\()).+```\s+</details>",
    re.S | re.M,
)
TO_READ = re.compile(r"^\*\*Time\.\*\* +(\d+) minutes to read\b", re.M)
HOURS = {4: "four", 5: "five", 6: "six", 7: "seven", 8: "eight"}
WORDS_A_MINUTE, LINES_A_MINUTE = 200, 25  # of text, and of code
CITED = re.compile(r"\([^()]*\b(19|20)\d\d\b[^()]*\)|arXiv")


@dataclass
class Book:
    """A notebook, where it lies, and whether it is the last of the course."""

    path: Path
    nb: nbformat.NotebookNode
    last: bool = False

    @property
    def code(self) -> list[nbformat.NotebookNode]:
        cells = [cell for cell in self.nb.cells if cell.cell_type == "code"]
        return [cell for cell in cells if cell.source.strip()]

    @property
    def text(self) -> list[nbformat.NotebookNode]:
        return [cell for cell in self.nb.cells if cell.cell_type == "markdown"]

    def sections(self) -> dict[str, list[nbformat.NotebookNode]]:
        """Cells by ## heading; those before the first heading under ""."""
        found, name = {"": []}, ""
        for cell in self.nb.cells:
            if cell.cell_type == "markdown":
                for title in re.findall(r"^## +(.+?) *$", prose(cell.source), re.M):
                    name = title
                    found.setdefault(name, [])
            found[name].append(cell)
        return found


def prose(source: str) -> str:
    """Markdown without code blocks; code spans and formulas become one letter."""
    text = CODE_SPAN.sub("c", FENCE.sub("", source))
    return MATH.sub("m", text)


def printed(cell: nbformat.NotebookNode) -> str:
    """All text that a code cell has as output; tags of HTML become blanks."""
    parts = []
    for output in cell.get("outputs", []):
        parts += [output.get("text", ""), *output.get("traceback", [])]
        data = output.get("data", {})
        parts += [str(data.get(kind, "")) for kind in ("text/plain", "text/markdown")]
        parts.append(re.sub(r"<[^>]*>", " ", str(data.get("text/html", ""))))
    return "\n".join(parts)


def quoted(cell: nbformat.NotebookNode) -> str:
    """The first words of a cell, for messages."""
    return repr(cell.source[:50])


# Each rule yields a sentence for everything that breaks it.


def code_is_short(book: Book) -> Iterator[str]:
    lengths = [len(cell.source.splitlines()) for cell in book.code]
    for cell, length in zip(book.code, lengths, strict=True):
        if length > 25:
            yield f"{length} lines of code, 25 allowed: {quoted(cell)}"
    if lengths and statistics.median(lengths) > 8:
        yield f"The median cell has {statistics.median(lengths)} lines, 8 allowed."


def text_is_short(book: Book) -> Iterator[str]:
    for cell in book.text:
        words = len(re.findall(r"\S*\w\S*", prose(cell.source)))
        if words > 150:
            yield f"{words} words in one cell, 150 allowed: {quoted(cell)}"


def one_figure_a_cell(book: Book) -> Iterator[str]:
    for cell in book.code:
        data = [output.get("data", {}) for output in cell.outputs]
        figures = sum(any(kind.startswith("image/") for kind in d) for d in data)
        if figures > 1:
            yield f"{figures} figures in one cell, 1 allowed: {quoted(cell)}"


def file_is_small(book: Book) -> Iterator[str]:
    size = len(nbformat.writes(book.nb).encode())
    if size > 1_000_000:
        yield f"{size:,} bytes, 1,000,000 allowed."


def sections_are_checked(book: Book) -> Iterator[str]:
    for title, cells in book.sections().items():
        code = [cell.source for cell in cells if cell in book.code]
        exempt = not title or "setup" in title.lower()
        if code and not exempt and not any(map(CHECK.search, code)):
            yield f"The section '{title}' has code and no check."


def ran_clean(book: Book) -> Iterator[str]:
    for cell in book.code:
        for output in cell.outputs:
            if output.output_type == "error":
                yield f"{output.ename} in the output of {quoted(cell)}"
            if output.get("name") == "stderr":
                yield f"stderr in the output of {quoted(cell)}"


def counts_are_in_order(book: Book) -> Iterator[str]:
    counts = [cell.execution_count for cell in book.code]
    if counts != list(range(1, len(counts) + 1)):
        yield f"Execution counts are {counts}: run make notebooks."


def tags_are_known(book: Book) -> Iterator[str]:
    for cell in book.nb.cells:
        for tag in set(cell.metadata.get("tags", [])) - TAGS:
            yield f"Unknown tag {tag!r} on {quoted(cell)}"


def checks_are_compared(book: Book) -> Iterator[str]:
    for cell in book.code:
        tags = cell.metadata.get("tags", [])
        if CHECK.search(cell.source) and "nbval-ignore-output" in tags:
            yield f"A check whose output is ignored: {quoted(cell)}"


def no_absolute_path(book: Book) -> Iterator[str]:
    for cell in book.nb.cells:
        found = ABSOLUTE.search(f"{cell.source}\n{printed(cell)}")
        if found:
            yield f"The absolute path {found[0]}… in {quoted(cell)}"


def anchors(nb: nbformat.NotebookNode) -> set[str]:
    """The ids that headings get: their text with hyphens for blanks."""
    titles = [
        re.sub(r"[*`$]", "", title).strip().replace(" ", "-")
        for cell in nb.cells
        if cell.cell_type == "markdown"
        for title in re.findall(r"^#+ +(.+)$", FENCE.sub("", cell.source), re.M)
    ]
    return set(titles)


def links_lead_somewhere(book: Book) -> Iterator[str]:
    for cell in book.text:
        for pair in LINK.findall(prose(cell.source)):
            target = "".join(pair)
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            path = book.path.parent / name
            if name and not path.exists():
                yield f"The link {target} leads nowhere: {quoted(cell)}"
            elif anchor and (not name or path.suffix == ".ipynb"):
                nb = nbformat.read(path, as_version=4) if name else book.nb
                if anchor not in anchors(nb):
                    yield f"No heading has the anchor of {target}: {quoted(cell)}"


def numbers_were_printed(book: Book) -> Iterator[str]:
    output = "\n".join(printed(cell) for cell in book.code)
    known = set(DECIMAL.findall(re.sub(r"(?<=\d),(?=\d{3})", "", output)))
    for cell in book.text:
        for paragraph in re.split(r"\n\s*\n", prose(cell.source)):
            if CITED.search(paragraph):
                continue
            paragraph = re.sub(r"(?<=\d),(?=\d{3})", "", LINK.sub("]", paragraph))
            for number in set(DECIMAL.findall(paragraph)) - known:
                yield f"No cell printed {number}, no source is cited: {quoted(cell)}"


def opening_is_whole(book: Book) -> Iterator[str]:
    first = book.nb.cells[0] if book.nb.cells else new_markdown_cell()
    number = book.path.name[:2]
    if not re.match(rf"# {number} \S", first.source):
        yield f"The first cell does not begin with '# {number} ' and a title."
    for start in OPENING:
        if not re.search(rf"^{re.escape(start)} *\S", first.source, re.M):
            yield f"The first cell has no line that starts with {start}"


def closing_is_whole(book: Book) -> Iterator[str]:
    sections = book.sections()
    titles = list(sections)
    without_next = book.last and titles[-3:] == CLOSING[:3]
    if titles[-4:] != CLOSING and not without_next:
        yield f"The last ## headings are not {CLOSING}, in this order."
    text = {
        title: "\n".join(c.source for c in cells if c.cell_type == "markdown")
        for title, cells in sections.items()
    }
    table = r"^\| *claim *\| *check *\|[^|\n]*number[^|\n]*\|\n\|[-:| ]+\|\n\|.+\|"
    if not re.search(table, text.get("What we showed", ""), re.M | re.I):
        yield "'What we showed' has no table with the columns claim, check, number."
    exercises = re.findall(r"^(?:#+ +|\*\*)?(\d)\. ", text.get("Exercises", ""), re.M)
    if exercises != ["1", "2", "3"]:
        yield f"'Exercises' has the numbers {exercises}: three are wanted, 1. to 3."


def time_to_read_is_true(book: Book) -> Iterator[str]:
    if not (said := TO_READ.search(book.nb.cells[0].source)):
        return  # opening_is_whole wants the line
    minutes, needed = int(said[1]), minutes_to_read(book)
    if minutes % 5 or abs(minutes - needed) > 5:
        yield f"{minutes} minutes to read: it takes {needed:.0f}. Say it in fives."


def minutes_to_read(book: Book) -> float:
    """Of text, and of code, which is read as slowly as it deserves; nothing folded."""
    folded = re.compile(r"<details>.*?</details>", re.S)
    words = sum(len(folded.sub("", cell.source).split()) for cell in book.text)
    lines = [x for cell in book.code for x in cell.source.splitlines() if x.strip()]
    return words / WORDS_A_MINUTE + len(lines) / LINES_A_MINUTE


def exercises_ask(book: Book) -> Iterator[str]:
    cells = book.nb.cells
    asked = [i for i, cell in enumerate(cells) if is_exercise(cell)]
    if len(asked) != 3:
        yield f"{len(asked)} cells have the tag 'exercise': three are wanted."
    for i in asked:
        if not cells[i].source.startswith("answer = ...\n"):
            yield f"An exercise does not begin with 'answer = ...': {quoted(cells[i])}"
        last = ast.unparse(ast.parse(cells[i].source).body[-1])
        if not CHECK.match(last):
            yield f"An exercise does not end in a check: {quoted(cells[i])}"
        if not printed(cells[i]).strip().rpartition("\n")[2].startswith("open: "):
            yield f"The stored output of an exercise is not open: {quoted(cells[i])}"
        if not FOLDED.search(cells[i + 1].source if i + 1 < len(cells) else ""):
            yield f"No hint and solution are folded under {quoted(cells[i])}"


def is_exercise(cell: nbformat.NotebookNode) -> bool:
    return cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", [])


def file_is_tidy(book: Book) -> Iterator[str]:
    if tidy(copy.deepcopy(book.nb)) != book.nb:
        yield f"Metadata or ids: run python tools/tidy.py notebooks/{book.path.name}"


def formulas_are_understood(book: Book) -> Iterator[str]:
    for cell in book.text:
        text = CODE_SPAN.sub("", FENCE.sub("", cell.source))
        for found in MATH.finditer(text):
            formula = found["block"] or found["inline"] or found[0]
            try:
                tree = pages.mathml(formula)
            except Exception as error:
                tree = f"\\{error}"
            if "\\" in tree or "<mi>&</mi>" in tree:
                yield f"The pages of make run cannot show {formula!r}."


RULES = [
    code_is_short,
    text_is_short,
    one_figure_a_cell,
    file_is_small,
    sections_are_checked,
    ran_clean,
    counts_are_in_order,
    tags_are_known,
    checks_are_compared,
    no_absolute_path,
    links_lead_somewhere,
    numbers_were_printed,
    opening_is_whole,
    closing_is_whole,
    time_to_read_is_true,
    exercises_ask,
    file_is_tidy,
    formulas_are_understood,
]


def test_there_are_notebooks_and_their_numbers_differ():
    assert PATHS, "There is no notebook in notebooks/."
    names = [path.name for path in PATHS]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", name) for name in names), names
    assert len({name[:2] for name in names}) == len(names), names


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
def test_notebook(path: Path, rule: Callable):
    book = Book(path, nbformat.read(path, as_version=4), path == PATHS[-1])
    faults = list(rule(book))
    assert not faults, "\n".join([path.name, *faults])


# The rules bite: a good notebook, and what is done to it so that one rule fails.


def stream(text: str, name: str = "stdout") -> nbformat.NotebookNode:
    return new_output("stream", name=name, text=text)


def image() -> nbformat.NotebookNode:
    return new_output("display_data", {"image/svg+xml": "<svg/>", "text/plain": "x"})


def exercise(count: int) -> list[nbformat.NotebookNode]:
    number = count - 3
    heading = "## Exercises\n\n" if number == 1 else ""
    folded = """<details><summary>Hint</summary>

Count.
</details>
<details><summary>Solution</summary>

```python
answer = 1
```
</details>"""
    cell = new_code_cell("answer = ...\nchecks.equal('y', answer, 1)")
    cell.update(execution_count=count, outputs=[stream("open: y\n")])
    cell.metadata.tags = ["exercise"]
    asks = new_markdown_cell(f"{heading}**{number}. Recall.** How many?")
    return [asks, cell, new_markdown_cell(folded)]


def good() -> Book:
    starts = "\n\n".join(f"{start} 5 minutes to read." for start in OPENING)
    opening = f"# 07 A title\n\n{starts}"
    formula = "## Pairs\n\nSee [Exercises](#Exercises). $$\\sum_{i<j} 0.5 e_i$$\n\n"
    cited = (
        "RMSE is 0.91 here, and 0.8567 there (Koren 2008).\n\n| a |\n|---|\n| `1.25` |"
    )
    showed = "## What we showed\n\n| claim | check | number |\n|-|-|-|\n| a | b | 1 |"
    cells = [
        new_markdown_cell(opening),
        new_code_cell("import numpy as np", execution_count=1),
        new_markdown_cell(formula + cited),
        new_code_cell("rmse", execution_count=2, outputs=[stream("0.91\n"), image()]),
        new_code_cell("checks.equal('x', 1, 1)", execution_count=3),
        new_markdown_cell(showed),
        new_markdown_cell("## What we did not show\n\nMuch."),
        new_code_cell("", execution_count=None),
        *[cell for i in (4, 5, 6) for cell in exercise(i)],
        new_markdown_cell("## Next\n\nMore."),
    ]
    return Book(FOLDER / "07_good.ipynb", tidy(new_notebook(cells=cells)))


def source(cell: int, text: str, add: bool = True) -> Callable:
    def change(book: Book) -> None:
        book.nb.cells[cell].source = book.nb.cells[cell].source * add + text

    return change


def replace(cell: int, old: str, new: str) -> Callable:
    def change(book: Book) -> None:
        assert old in book.nb.cells[cell].source
        book.nb.cells[cell].source = book.nb.cells[cell].source.replace(old, new)

    return change


def output(cell: int, *outputs: nbformat.NotebookNode) -> Callable:
    return lambda book: book.nb.cells[cell].outputs.extend(outputs)


def tag(cell: int, name: str) -> Callable:
    return lambda book: book.nb.cells[cell].metadata.update(tags=[name])


def unchecked(book: Book) -> None:
    book.nb.cells[7].update(source="x = 1", execution_count=4)
    for i, cell in enumerate(book.code, start=1):
        cell.execution_count = i


def error() -> nbformat.NotebookNode:
    return new_output("error", ename="ValueError", evalue="no", traceback=[])


BAD = [
    (code_is_short, source(3, "\nx" * 25)),
    (code_is_short, lambda book: [source(i, "\nx" * 16)(book) for i in (1, 3, 4)]),
    (text_is_short, source(2, " word" * 150)),
    (one_figure_a_cell, output(3, image())),
    (file_is_small, output(3, stream("x" * 1_000_000))),
    (sections_are_checked, replace(4, "checks.", "cheques.")),
    (sections_are_checked, unchecked),
    (ran_clean, output(3, error())),
    (ran_clean, output(3, stream("warning", "stderr"))),
    (counts_are_in_order, lambda book: book.nb.cells[3].update(execution_count=None)),
    (counts_are_in_order, lambda book: book.nb.cells[4].update(execution_count=2)),
    (tags_are_known, tag(3, "nbval-ignore-ouput")),
    (checks_are_compared, tag(4, "nbval-ignore-output")),
    (no_absolute_path, source(3, "\nopen('/home/me/x')")),
    (no_absolute_path, output(3, stream("read /tmp/x"))),
    (no_absolute_path, output(3, stream("read C:\\x"))),
    (links_lead_somewhere, source(2, "\n[gone](gone.md)")),
    (links_lead_somewhere, source(2, "\n![gone](figures/gone.svg)")),
    (links_lead_somewhere, source(2, "\n[gone](#Gone)")),
    (numbers_were_printed, source(2, "\n\nRMSE falls to 0.87.")),
    (numbers_were_printed, source(2, "\n\nRMSE falls to 0.9.")),
    (opening_is_whole, replace(0, "# 07", "# 08")),
    *[(opening_is_whole, replace(0, start, "")) for start in OPENING],
    *[(closing_is_whole, replace(i, "## ", "### ")) for i in (5, 6, 8, 17)],
    (closing_is_whole, replace(5, "| claim |", "| what |")),
    (closing_is_whole, replace(14, "3. Recall", "4. Recall")),
    (time_to_read_is_true, replace(0, "Time.** 5 ", "Time.** 10 ")),
    (time_to_read_is_true, replace(0, "Time.** 5 ", "Time.** 3 ")),
    (exercises_ask, replace(9, "answer = ...\n", "answer = 1\n")),
    (exercises_ask, source(9, "\nx = 1")),
    (exercises_ask, output(9, stream("holds: y\n"))),
    (exercises_ask, replace(10, "answer = 1", "x = 1")),
    (exercises_ask, replace(10, "Solution", "Answer")),
    (exercises_ask, replace(10, "Hint", "Help")),
    (exercises_ask, lambda book: book.nb.cells[15].metadata.pop("tags")),
    (file_is_tidy, lambda book: book.nb.metadata.update(widgets={})),
    (file_is_tidy, lambda book: book.nb.metadata.kernelspec.update(name="mine")),
    (file_is_tidy, lambda book: book.nb.cells[3].metadata.update(execution={})),
    (formulas_are_understood, source(2, "\n$\\nocommand{x}$")),
    (formulas_are_understood, source(2, "\n$x_a_b$")),
]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_good_notebook_passes(rule):
    assert list(rule(good())) == []


@pytest.mark.parametrize("rule, spoil", BAD, ids=lambda x: getattr(x, "__name__", ""))
def test_a_bad_notebook_fails_by_its_rule_alone(rule, spoil):
    book = good()
    spoil(book)
    assert [other.__name__ for other in RULES if list(other(book))] == [rule.__name__]


def test_every_rule_has_a_bad_notebook():
    assert {rule for rule, _ in BAD} == set(RULES)


def test_readme_says_how_long_all_of_it_is_to_read():
    books = [Book(path, nbformat.read(path, as_version=4)) for path in PATHS]
    hours = round(sum(map(minutes_to_read, books)) / 60)
    readme = (FOLDER.parent / "README.md").read_text("utf-8")
    assert f"**How long:** about {HOURS[hours]} hours to read" in readme


def test_the_last_notebook_needs_no_next():
    book = good()
    del book.nb.cells[-1]
    book.last = True
    assert list(closing_is_whole(book)) == []
    assert list(closing_is_whole(Book(book.path, book.nb, last=False)))


def test_reading_bounds_is_no_check():
    book = good()
    replace(4, "checks.equal('x', 1, 1)", "checks.load_bounds('ml-1m')")(book)
    tag(4, "nbval-ignore-output")(book)
    assert list(checks_are_compared(book)) == []
    assert list(sections_are_checked(book)) != []
