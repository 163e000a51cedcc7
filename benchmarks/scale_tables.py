"""The figure and the lines of scale in benchmarks/README, from what scale.py kept.

    python -m benchmarks.scale_tables

Writes docs/scale.png and the lines of that file between the two marks.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks import readme, results, scale
from helpers import plots

ROOT = Path(__file__).resolve().parent.parent
README, FIGURE = ROOT / "benchmarks" / "README.md", ROOT / "docs" / "scale.png"
BEGIN, END = "<!-- scale: begin -->", "<!-- scale: end -->"
SECONDS = {
    "cpu_learn": ("to learn the fields", plots.PALETTE["inputs"]),
    "cpu_train": ("to train one epoch", plots.PALETTE["output"]),
    "cpu_score": ("to score all rows", plots.PALETTE["first_order"]),
}
CEILING = 2  # GiB


def sizes_of(rows: dict) -> list[int]:
    """The numbers of rows that were measured."""
    return sorted(int(name) for name in rows if name.isdigit())


def draw(rows: dict) -> plt.Figure:
    """Memory and seconds against rows, log axes. rows: of scale.grow()"""
    plots.style()
    sizes = sizes_of(rows)
    fig, (memory, seconds) = plt.subplots(1, 2, figsize=(9, 3.6))
    peaks = [rows[str(n)]["peak_gib"] for n in sizes]
    label = f"peak, slope {rows['slope_peak_gib']:.2f}"
    memory.loglog(sizes, peaks, "o-", color=plots.PALETTE["output"], label=label)
    memory.axhline(CEILING, color=plots.PALETTE["inputs"], lw=0.8)
    memory.text(sizes[0], CEILING * 1.05, f"{CEILING} GiB", color="#777777")
    memory.set(xlabel="rows", ylabel="GiB, libraries included", ylim=(0.3, 10))
    for key, (words, color) in SECONDS.items():
        costs = [rows[str(n)][key] for n in sizes]
        label = f"{words}, slope {rows[f'slope_{key}']:.2f}"
        seconds.loglog(sizes, costs, "o-", color=color, label=label)
    seconds.set(xlabel="rows", ylabel="seconds of all processors")
    for ax in (memory, seconds):
        ax.legend(
            fontsize="small", title="slope of the last two sizes", loc="upper left"
        )
    return fig


def of_rows(rows: dict) -> list[str]:
    """A table in Markdown: a line a size."""
    lines = [
        "| rows | files, GiB | CPU s to learn | to train | to score | peak, GiB "
        "| log loss of other rows | of the truth |",
        "|---" * 8 + "|",
    ]
    for n in sizes_of(rows):
        cost = rows[str(n)]
        cells = [f"{n:,}", f"{cost['file_bytes'] / 2**30:.2f}"]
        cells += [f"{cost[key]:.0f}" for key in SECONDS]
        cells.append(f"{cost['peak_gib']:.2f}")
        cells += [f"{cost[who]['log loss']:.4f}" for who in ("others", "truth")]
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def of_speed(speed: dict) -> list[str]:
    """A sentence: rows a second, and what they are of those from memory."""
    ratios = {name: speed[f"{name} / memory"] for name in ("parquet", "kept pieces")}
    said = [
        f"{name} {r['median']:.2f} ({r['low']:.2f} to {r['high']:.2f})"
        for name, r in ratios.items()
    ]
    return [
        "- Rows a second in those of training from memory, median and middle half of "
        f"{len(speed['rows_a_second']['memory'])} rounds: {'; '.join(said)}.",
    ]


def of_order(order: dict) -> list[str]:
    """A table in Markdown: validation RMSE less that from memory."""
    heads = ["sorted by", *scale.BUFFERS]
    lines = ["", f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for column, found in order.items():
        rows = {row["model"]: row for row in found["minus_from_memory"]}
        cells = [f"`{column}`"]
        for name in scale.BUFFERS:
            row = rows[name]
            cells.append(
                f"{row['difference']:+.4f} ± {row['half_width']:.4f}, {row['outcome']}"
            )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def of_ids(found: dict) -> list[str]:
    """A sentence for each optimizer: rows a second with few ids and with many."""
    few, many = (str(ids) for ids in scale.IDS)
    return [
        f"- {name} trains {_thousands(at[few])} rows a second from Parquet "
        f"with {int(few):,} hashed ids, {_thousands(at[many])} with "
        f"{int(many):,}; peak {at[many]['peak_gib']:.1f} GiB."
        for name, at in found.items()
    ]


def _thousands(found: dict) -> str:
    return f"{round(found['rows_a_second'], -2):,.0f}"


PARTS = {"rows": of_rows, "speed": of_speed, "ids": of_ids, "order": of_order}


def main() -> None:
    """Draw the figure and rewrite the lines between the marks."""
    figures = results.read("scale", "synthetic")["figures"]
    if len(sizes_of(figures.get("rows", {}))) > 1:
        fig = draw(figures["rows"])
        fig.savefig(FIGURE, dpi=110)
        plt.close(fig)
    lines = [
        line for name in PARTS if name in figures for line in PARTS[name](figures[name])
    ]
    readme.rewrite(README, BEGIN, END, lines)
    print(README)


if __name__ == "__main__":
    main()
