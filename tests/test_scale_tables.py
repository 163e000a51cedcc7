"""The lines and the figure of scale: what was kept, and nothing else."""

import matplotlib.pyplot as plt
import pytest

from benchmarks import results, scale, scale_tables


def cost(n: int) -> dict:
    scores = {"others": {"log loss": 0.5}, "truth": {"log loss": 0.4}}
    seconds = {"cpu_learn": n / 10, "cpu_train": n / 5, "cpu_score": n / 20}
    return {**seconds, "peak_gib": 1.25, **scores, "file_bytes": n * 2**20}


ROWS = {str(n): cost(n) for n in (100, 1000)}
ROWS |= {f"slope_{key}": 1.0 for key in scale.COSTS}
QUARTILES = {"median": 0.9, "low": 0.8, "high": 1.0}
SPEED = {"rows_a_second": {"memory": [1.0, 2.0]}} | {
    f"{name} / memory": QUARTILES for name in ("parquet", "kept pieces")
}
ORDER = {
    "user_id": {
        "minus_from_memory": [
            {"model": n, "difference": 0.01, "half_width": 0.002, "outcome": "worse"}
            for n in scale.BUFFERS
        ]
    }
}


def test_a_line_a_size():
    lines = scale_tables.of_rows(ROWS)
    assert lines[2] == "| 100 | 0.10 | 10 | 20 | 5 | 1.25 | 0.5000 | 0.4000 |"
    assert lines[3].startswith("| 1,000 | 0.98 | 100 |") and lines[4] == ""


def test_speed_and_order_in_words():
    (line,) = scale_tables.of_speed(SPEED)
    assert "2 rounds: parquet 0.90 (0.80 to 1.00); kept pieces 0.90" in line
    assert scale_tables.of_order(ORDER)[3].startswith(
        "| `user_id` | +0.0100 ± 0.0020, w"
    )


def test_ids_in_words():
    at = {str(ids): {"rows_a_second": 1e9 / ids, "peak_gib": 1.26} for ids in scale.IDS}
    (line,) = scale_tables.of_ids({"RowAdam": at})
    assert (
        "RowAdam trains 10,000 rows" in line and "100 with 10,000,000; peak 1.3" in line
    )


def test_the_figure_has_the_points():
    fig = scale_tables.draw(ROWS)
    memory, seconds = fig.axes
    assert [*memory.lines[0].get_ydata()] == [1.25, 1.25]
    assert [*seconds.lines[1].get_ydata()] == [20, 200]
    assert "slope 1.00" in memory.get_legend().get_texts()[0].get_text()
    plt.close(fig)


@pytest.mark.parametrize("figures", [{"rows": ROWS}, {"speed": SPEED, "order": ORDER}])
def test_the_lines_between_the_marks_are_replaced(
    figures, monkeypatch, tmp_path, capsys
):
    monkeypatch.setattr(results, "RESULTS", tmp_path)
    monkeypatch.setattr(scale_tables, "README", tmp_path / "README.md")
    monkeypatch.setattr(scale_tables, "FIGURE", tmp_path / "scale.png")
    text = f"before\n{scale_tables.BEGIN}\nold\n{scale_tables.END}\nafter\n"
    scale_tables.README.write_text(text, "utf-8")
    results.write("scale", "synthetic", figures)
    for _ in range(2):
        scale_tables.main()
        found = scale_tables.README.read_text("utf-8")
        assert found.startswith("before\n") and found.endswith("\nafter\n")
        assert "old" not in found and found.count("|") > 4
    assert (tmp_path / "scale.png").exists() == ("rows" in figures)


def test_where_the_lines_belong():
    text = scale_tables.README.read_text("utf-8")
    assert text.count(scale_tables.BEGIN) == text.count(scale_tables.END) == 1
