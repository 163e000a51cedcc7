"""benchmarks/readme.py: lines between two marks."""

import pytest

from benchmarks import readme


def test_only_the_lines_between_the_marks_are_replaced(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before ±\n<a>\nold\n<b>\nafter\n", "utf-8")
    for _ in range(2):
        readme.rewrite(path, "<a>", "<b>", ["", "one", "two", ""])
        assert path.read_text("utf-8") == "before ±\n<a>\none\ntwo\n<b>\nafter\n"


@pytest.mark.parametrize("text", ["<a>\n", "<b>\n", "<a>\n<a>\n<b>\n", "<a> <b> <b>"])
def test_without_both_marks_once_nothing_is_written(tmp_path, text):
    path = tmp_path / "README.md"
    path.write_text(text, "utf-8")
    with pytest.raises(ValueError, match=r"README.md has <[ab]> [02] times, not once"):
        readme.rewrite(path, "<a>", "<b>", ["new"])
    assert path.read_text("utf-8") == text
