"""The tables of clicks: sorted, judged, and put between the marks."""

from benchmarks import click_tables, results


def found(*losses: float) -> dict:
    one = {"values": [*losses], "mean": sum(losses) / len(losses), "sd": 0.01}
    return {"scores": dict.fromkeys(("log loss", "AUC", "calibration error"), one)}


FIGURES = {
    "theirs": found(0.4, 0.45, 0.41),
    "ours": found(0.3, 0.33, 0.31),
    "ours, mean of 5": found(0.29, 0.3, 0.3),
}


def test_rows_are_sorted_and_single_models_are_held_against_ours():
    lines = click_tables.table(FIGURES)
    assert lines[0] == (
        "|  | log loss | AUC | calibration error | log loss minus *ours* |"
    )
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| ours, mean of 5",
        "| ours",
        "| theirs",
    ]
    # differences 0.1, 0.12 (outlying), 0.1:
    # mean 0.1067, sd 0.01155; sd sqrt(1/3 + 1/8) t = 0.0336
    assert lines[4].endswith("| +0.1067 ± 0.0336, worse; split 1 is outlying |")
    assert lines[2].endswith("| 0.2967 ± 0.0100 |  |")


def test_without_ours_nothing_is_judged():
    assert click_tables.judged({"theirs": FIGURES["theirs"]}) is None
    assert len(click_tables.table({"theirs": FIGURES["theirs"]})) == 3


def test_the_lines_between_the_marks_are_replaced(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(click_tables, "README", tmp_path / "README.md")
    text = f"before\n{click_tables.BEGIN}\nold\n{click_tables.END}\nafter\n"
    click_tables.README.write_text(text, "utf-8")
    results.write("clicks", "ml-1m", FIGURES)
    for _ in range(2):
        click_tables.main()
        lines = "\n".join(["**ml-1m**", "", *click_tables.table(FIGURES)])
        assert click_tables.README.read_text("utf-8") == text.replace("old", lines)
    assert capsys.readouterr().out == f"{click_tables.README}\n" * 2


def test_where_the_lines_belong(monkeypatch):
    text = click_tables.README.read_text("utf-8")
    assert text.count(click_tables.BEGIN) == text.count(click_tables.END) == 1
