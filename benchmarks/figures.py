"""The figure and the table of README, from what the benchmarks have kept.

    python -m benchmarks.figures

Writes docs/benchmarks.png and the lines of README between the two marks.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks import growth, results
from helpers import plots

ROOT = Path(__file__).resolve().parent.parent
README, FIGURE = ROOT / "README.md", ROOT / "docs" / "benchmarks.png"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
PER_ROW = {
    "epoch": ("s an epoch", "#333333"),
    "encode": ("s to encode", "#999999"),
    "peak_gib": ("GiB at peak", "#d62728"),
}
SHADES = {"keras.Adam": "#999999", "Adam": "#333333", "RowAdam": "#d62728"}


def rows_of(accuracy: dict) -> dict[str, list[float]]:
    """Name of a contender, or of an ensemble -> test RMSEs, the best mean last."""
    rows = {}
    for name, found in accuracy["figures"].items():
        rows[name] = found["one_model"]["values"]
        if "ensemble" in found:
            members = len(next(iter(found["rmse"].values())))
            rows[f"{name}, mean of {members}"] = found["ensemble"]["values"]
    return dict(sorted(rows.items(), key=lambda r: -sum(r[1]) / len(r[1])))


def draw(accuracy: dict, growing: dict) -> plt.Figure:
    """Points of RMSE above; below them cost against rows and against ids."""
    plots.style()
    fig, ax = plt.subplot_mosaic([["rmse", "rmse"], ["rows", "ids"]], figsize=(9, 7.4))
    draw_accuracy(ax["rmse"], rows_of(accuracy))
    draw_rows(ax["rows"], growing["figures"]["rows"])
    draw_ids(ax["ids"], growing["figures"]["ids"])
    for name in ("rows", "ids"):
        ax[name].margins(y=0.3)  # room for the legend
        ax[name].legend(
            title="slope: of the last decade", fontsize="small", title_fontsize="small"
        )
    return fig


def draw_accuracy(ax: plt.Axes, rows: dict[str, list[float]]) -> None:
    """A line of points for each contender. rows: of rows_of()"""
    for line, (name, values) in enumerate(rows.items()):
        color = "#d62728" if name.startswith("ours") else "#333333"
        ax.plot(values, [line] * len(values), "o", color=color, alpha=0.5)
        ax.plot(sum(values) / len(values), line, "|", color=color, markersize=18)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="test RMSE, ml-100k: a point a split, the bar is the mean")


def draw_rows(ax: plt.Axes, rows: dict) -> None:
    """Seconds and memory against rows. rows: of growth.grow_rows()"""
    for key, (label, color) in PER_ROW.items():
        cost = [rows[str(n)][key] for n in growth.ROWS]
        label = f"{label}, slope {rows[f'slope_{key}']:.2f}"
        ax.loglog(growth.ROWS, cost, "o-", color=color, label=label)
    ax.set(xlabel="rows", ylabel="s, GiB")


def draw_ids(ax: plt.Axes, ids: dict) -> None:
    """Milliseconds against ids. ids: of growth.grow_ids()"""
    for name, color in SHADES.items():
        cost = [ids[name][str(n)]["median"] for n in growth.IDS]
        label = f"{name}, slope {ids[name]['slope']:.2f}"
        ax.loglog(growth.IDS, cost, "o-", color=color, label=label)
    ax.set(xlabel="ids of one field", ylabel="milliseconds a step")


def table() -> str:
    """Test RMSE of all contenders on both sets, and the speeds, in Markdown."""
    sets = [results.read("accuracy", name) for name in ("ml-100k", "ml-1m")]
    rows = [rows_of(found) if found else {} for found in sets]
    lines = ["| test RMSE | ml-100k, five splits | ml-1m, one split |", "|---|---|---|"]
    for name in reversed(rows[0]):
        small, large = rows[0][name], rows[1].get(name)
        sd = sets[0]["figures"].get(name, {}).get("one_model", {}).get("sd")
        cell = f"{sum(small) / len(small):.4f}" + (f" ± {sd:.4f}" if sd else "")
        lines.append(f"| {name} | {cell} | {f'{large[0]:.4f}' if large else ''} |")
    return "\n".join([*lines, "", *speeds()])


def speeds() -> list[str]:
    """Sentences with the ratios that were measured."""
    out = []
    for name in ("ml-100k", "ml-1m"):
        found = results.read("training_speed", name)
        if found:
            f = found["figures"]
            (d, on_jax), (p, p_jax) = (
                [f[rival][f"times_{own}"]["median"] for own in ("ours", "ours_jax")]
                for rival in ("deepctr", "pytorch")
            )
            floor = f["floor"]["ours_times_floor"]["median"]
            out.append(
                f"- An epoch of {name} takes DeepCTR {d:.2f} times and a plain PyTorch "
                f"DeepFM {p:.2f} times as long as ours, {on_jax:.2f} and {p_jax:.2f} "
                "times as long as ours with `KERAS_BACKEND=jax`; ours takes "
                f"{floor:.1f} times as long as its gathers and matrix products alone, "
                "in NumPy."
            )
        found = results.read("scoring", name)
        if found:
            f = found["figures"]["no histories"]
            out.append(
                f"- The top 10 of all movies of {name}: "
                f"{1000 * f['one_user']['median']:.0f} ms for one user, "
                f"{f['all_users']['median']:.1f} s for all."
            )
    growing = results.read("growth", "synthetic")["figures"]
    rows, ids = growing["rows"][str(growth.ROWS[-1])], growing["ids"]
    out.append(
        f"- Ten million rows take {rows['encode']:.0f} s to encode, "
        f"{rows['epoch']:.0f} s an epoch and {rows['peak_gib']:.1f} GiB at peak."
    )
    out.append(
        "- A step with ten million ids costs Keras' Adam "
        f"{ids['keras.Adam']['last_by_first']:.0f} times, ours "
        f"{ids['Adam']['last_by_first']:.0f} times and RowAdam "
        f"{ids['RowAdam']['last_by_first']:.1f} times a step with ten thousand."
    )
    return out


def main() -> None:
    """Draw the figure and rewrite the lines of README."""
    fig = draw(results.read("accuracy", "ml-100k"), results.read("growth", "synthetic"))
    fig.savefig(FIGURE, dpi=110)
    plt.close(fig)
    text = README.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")
    print(README)


if __name__ == "__main__":
    main()
