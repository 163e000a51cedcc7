"""The lines of a README that benchmarks write, between two marks."""

from pathlib import Path


def rewrite(path: Path, begin: str, end: str, lines: list[str]) -> None:
    """Put lines in the place of what stands between the marks, each on its line.

    Raises ValueError, and leaves the file as it is, where a mark is not there once.
    """
    text = path.read_text("utf-8")
    for mark in (begin, end):
        if text.count(mark) != 1:
            raise ValueError(f"{path} has {mark} {text.count(mark)} times, not once.")
    before, rest = text.split(begin)
    _, after = rest.split(end)
    between = "\n".join(lines).strip()
    path.write_text(f"{before}{begin}\n{between}\n{end}{after}", "utf-8")
