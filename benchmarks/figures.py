"""The figure and the table of README, from what the benchmarks have kept.

    python -m benchmarks.figures

Writes docs/benchmarks.png and the lines of README between the two marks.
"""

from pathlib import Path

import matplotlib.pyplot as plt

from benchmarks import growth, results
from helpers import plots

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
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
            rows[f"{name}, mean of 5"] = found["ensemble"]["values"]
    return dict(sorted(rows.items(), key=lambda r: -sum(r[1]) / len(r[1])))


def draw(accuracy: dict, growing: dict) -> None:
    """Points of RMSE above; below them cost against rows and against ids."""
    plots.style()
    fig, ax = plt.subplot_mosaic(
        [["rmse", "rmse"], ["rows", "ids"]], figsize=(9, 7.4), layout="constrained"
    )
    found = rows_of(accuracy)
    for line, (name, values) in enumerate(found.items()):
        color = "#d62728" if name.startswith("ours") else "#333333"
        ax["rmse"].plot(values, [line] * len(values), "o", color=color, alpha=0.5)
        mean = sum(values) / len(values)
        ax["rmse"].plot(mean, line, "|", color=color, markersize=18)
    ax["rmse"].set_yticks(range(len(found)), found)
    ax["rmse"].set(xlabel="test RMSE, ml-100k: a point a split, the bar is the mean")
    rows = growing["figures"]["rows"]
    for key, (label, color) in PER_ROW.items():
        cost = [rows[str(n)][key] for n in growth.ROWS]
        label = f"{label}, slope {rows[f'slope_{key}']:.2f}"
        ax["rows"].loglog(growth.ROWS, cost, "o-", color=color, label=label)
    ax["rows"].set(xlabel="rows", ylabel="s, GiB")
    for name, color in SHADES.items():
        sizes = growing["figures"]["ids"][name]
        cost = [sizes[str(n)]["median"] for n in growth.IDS]
        label = f"{name}, slope {sizes['slope']:.2f}"
        ax["ids"].loglog(growth.IDS, cost, "o-", color=color, label=label)
    ax["ids"].set(xlabel="ids of one field", ylabel="milliseconds a step")
    for name in ("rows", "ids"):
        ax[name].margins(y=0.3)  # room for the legend
        ax[name].legend(
            title="slope: of the last decade", fontsize="small", title_fontsize="small"
        )
    fig.savefig(ROOT / "docs" / "benchmarks.png", dpi=110)
    plt.close(fig)


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
    draw(results.read("accuracy", "ml-100k"), results.read("growth", "synthetic"))
    text = README.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    README.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", "utf-8")
    print(README)


if __name__ == "__main__":
    main()
