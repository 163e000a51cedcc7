"""The table of README and all figures of benchmarks/README, from what was kept.

    python -m benchmarks.figures

Writes docs/benchmarks.png and the lines of both files between the two marks.
"""

from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

from benchmarks import accuracy, growth, lists, readme, results
from helpers import comparisons, plots

ROOT = Path(__file__).resolve().parent.parent
README, DETAILS = ROOT / "README.md", ROOT / "benchmarks" / "README.md"
FIGURE = ROOT / "docs" / "benchmarks.png"
BEGIN, END = "<!-- benchmarks: begin -->", "<!-- benchmarks: end -->"
NOT_MEASURED = "not measured"
OURS = ("ours", "ours, no histories")  # what the others are held against
PER_ROW = {
    "epoch": ("s an epoch", "#333333"),
    "encode": ("s to encode", "#999999"),
    "peak_gib": ("GiB at peak", "#d62728"),
}
OPTIMIZERS = {
    "keras.Adam": ("Keras' Adam", "#999999"),
    "Adam": ("our Adam", "#333333"),
    "RowAdam": ("RowAdam", "#d62728"),
}


def scores_of(scored: dict) -> tuple[dict, dict]:
    """Test RMSEs by seed, of single models and of ensembles, the best mean last.

    ->  two times name -> Series (splits,)
    """
    singles, ensembles = {}, {}
    for name, found in scored["figures"].items():
        seeds = [*found["rmse"]]
        singles[name] = pd.Series(found["one_model"]["values"], seeds)
        if "ensemble" in found:
            many = f"{name}, mean of {len(found['rmse'][seeds[0]])}"
            ensembles[many] = pd.Series(found["ensemble"]["values"], seeds)
    return tuple(
        dict(sorted(rows.items(), key=lambda r: -r[1].mean()))
        for rows in (singles, ensembles)
    )


def draw(scored: dict, growing: dict) -> plt.Figure:
    """Points of RMSE above; below them cost against rows and against ids."""
    plots.style()
    fig, ax = plt.subplot_mosaic([["rmse", "rmse"], ["rows", "ids"]], figsize=(9, 7.4))
    draw_accuracy(ax["rmse"], *scores_of(scored))
    draw_rows(ax["rows"], growing["figures"]["rows"])
    draw_ids(ax["ids"], growing["figures"]["ids"])
    for name in ("rows", "ids"):
        ax[name].margins(y=0.3)  # room for the legend
        ax[name].legend(
            title="slope: over the last factor of ten",
            fontsize="small",
            title_fontsize="small",
        )
    return fig


def draw_accuracy(ax: plt.Axes, singles: dict, ensembles: dict) -> None:
    """A line of points for each contender; ensembles above a rule. See scores_of()."""
    rows = singles | ensembles
    for line, (name, values) in enumerate(rows.items()):
        color = "#d62728" if name.startswith("ours") else "#333333"
        ax.plot(values, [line] * len(values), "o", color=color, alpha=0.5)
        ax.plot(values.mean(), line, "|", color=color, markersize=18)
    if ensembles:
        ax.axhline(len(singles) - 0.5, color="#999999", lw=0.8)
    ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="test RMSE, ml-100k: a point a split, the bar is the mean")


def draw_rows(ax: plt.Axes, rows: dict) -> None:
    """Seconds and memory against rows. rows: of growth.grow_rows()"""
    for key, (label, color) in PER_ROW.items():
        cost = [rows[str(n)][key] for n in growth.ROWS]
        label = f"{label}, slope {rows[f'slope_{key}']:.2f}"
        ax.loglog(growth.ROWS, cost, "o-", color=color, label=label)
    ax.set(xlabel="rows", ylabel="seconds, or GiB")


def draw_ids(ax: plt.Axes, ids: dict) -> None:
    """Milliseconds against ids. ids: of growth.grow_ids()"""
    for key, (label, color) in OPTIMIZERS.items():
        cost = [ids[key][str(n)]["median"] for n in growth.IDS]
        label = f"{label}, slope {ids[key]['slope']:.2f}"
        ax.loglog(growth.IDS, cost, "o-", color=color, label=label)
    ax.set(xlabel="ids of one field", ylabel="milliseconds a step")


def table() -> str:
    """Test RMSE of single models on both sets, in Markdown; losses; what had no search.

    On ml-100k each is held against OURS on the same splits.
    """
    small, large = accuracies()
    said = [*losses(small[0]), *unsearched()]
    lines = comparison("one model", small[0], large[0])
    return "\n".join([*lines, *([""] if said else []), *said])


def details() -> str:
    """Ensembles on both sets, lists, where searches ended, and speeds, in Markdown."""
    small, large = accuracies()
    table = comparison("ensemble", small[1], large[1])
    return "\n".join([*table, "", *of_lists(), *edges(), *speeds()])


def of_lists() -> list[str]:
    """A table in Markdown: nDCG and coverage of lists, beside what was published."""
    sets = ("ml-100k", "ml-1m")
    kept = {name: results.read("lists", name) for name in sets}
    rows = {name: contenders(kept[name]["figures"]) for name in sets if kept[name]}
    if not rows:
        return []
    heads = ["lists of ten", "published", *rows]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    names = dict.fromkeys(
        [*lists.PUBLISHED, *(n for found in rows.values() for n in found)]
    )
    for name in names:
        known = lists.PUBLISHED.get(name)
        cells = [name, f"{known:.4f}" if known else ""]
        for found in rows.values():
            cells.append("{:.4f}, {:.3f}".format(*found[name]) if name in found else "")
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, ""]


def contenders(figures: dict) -> dict[str, tuple[float, float]]:
    """Name -> nDCG and coverage; of ours one model on average, and the mean of all."""
    found = {name: figures[name] for name in lists.LINEAR}
    members, means = figures[lists.OURS]["members"], figures[lists.OURS]["means"]
    found["ours, one model"] = {
        key: sum(one[key] for one in members) / len(members)
        for key in (lists.SCORE, "coverage")
    }
    if len(members) > 1:
        found[f"ours, mean of {len(members)}"] = means[-1]
    return {name: (f[lists.SCORE], f["coverage"]) for name, f in found.items()}


def accuracies() -> list[tuple[dict, dict]]:
    """scores_of() of ml-100k and of ml-1m."""
    kept = [results.read("accuracy", name) for name in ("ml-100k", "ml-1m")]
    return [scores_of(found) if found else ({}, {}) for found in kept]


def judged(rows: dict[str, pd.Series]) -> pd.DataFrame | None:
    """compare() for each of ours with all others, or None where there is no pair."""
    ours = [name for name in reversed(rows) if name.split(", mean of ")[0] in OURS]
    pairs = []
    for i, own in enumerate(ours):
        pairs += [(name, own) for name in rows if name not in ours[: i + 1]]
    if not pairs:
        return None
    return comparisons.compare(rows, pairs, test_to_train=accuracy.TEST_TO_TRAIN)


def comparison(what: str, rows: dict, others: dict) -> list[str]:
    """A table in Markdown: means of ml-100k, differences, and the RMSE on ml-1m.

    rows, others: of ml-100k and of ml-1m, as scores_of() gives them
    """
    found = judged(rows)
    references = [] if found is None else [*found.index.unique("reference")]
    heads = [what, "ml-100k", *(f"minus *{own}*" for own in references), "ml-1m"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in reversed(rows):
        cells = [name, f"{rows[name].mean():.4f}"]
        cells += [difference(found, name, own) for own in references]
        cells.append(f"{others[name].iloc[0]:.4f}" if name in others else NOT_MEASURED)
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def difference(found: pd.DataFrame | None, name: str, own: str) -> str:
    """A cell: the mean difference, its interval and the outcome; empty without."""
    if found is None or (name, own) not in found.index:
        return ""
    row = found.loc[(name, own)]
    text = f"{row.difference:+.4f} ± {row.half_width:.4f}, {row.outcome}"
    return text + "".join(f"; split {seed} is outlying" for seed in row.outlying)


def losses(rows: dict[str, pd.Series]) -> list[str]:
    """A sentence for each of ours that others are shown to be better than."""
    found = judged(rows)
    if found is None:
        return []
    better = found[found.outcome.str.startswith("better")]
    out = []
    for own, wins in better.groupby("reference", sort=False):
        names = ", ".join(f"*{name}*" for name in wins.index.unique("model"))
        out.append(f"- On ml-100k *{own}* loses to {names}.")
    return out


def unsearched() -> list[str]:
    """A sentence for each set with who could be searched there and was not."""
    out = []
    for name in ("ml-100k", "ml-1m"):
        scored = results.read("accuracy", name) or {"figures": {}}
        names = [
            f"*{rival}*"
            for rival, found in scored["figures"].items()
            if accuracy.CONTENDERS[rival].space and not found["tried"]
        ]
        if names:
            out.append(f"- On {name} with its maker's settings: {', '.join(names)}.")
    return out


def edges() -> list[str]:
    """A sentence with the searches that ended at the edge of what they could draw."""
    out = []
    for name in ("ml-100k", "ml-1m"):
        scored = results.read("accuracy", name) or {"figures": {}}
        ended = []
        for rival, found in scored["figures"].items():
            where = [f"{s} {found['settings'][s]}" for s in found["at_edge"]]
            if where:
                ended.append(f"*{rival}* ({', '.join(where)})")
        if ended:
            out.append(
                f"- On {name} these searches ended at the edge of what they could "
                f"draw, and may have more to give: {', '.join(ended)}."
            )
    return out


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
            fm, f, h = found["figures"].values()
            out.append(
                f"- The top 10 of all movies of {name}: "
                f"{1000 * f['one_user']['median']:.0f} ms for one user, "
                f"{f['all_users']['median']:.1f} s for all, "
                f"{f['times_as_fast']['median']:.1f} times as fast as every pair "
                f"through the model; with histories {h['all_users']['median']:.1f} s, "
                f"{h['times_as_fast']['median']:.1f} times; an FM "
                f"{fm['all_users']['median']:.2f} s, where a product of as many "
                f"factors takes `implicit` {fm['implicit']['median']:.2f} s."
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
    """Draw the figure and rewrite the lines of both files."""
    fig = draw(results.read("accuracy", "ml-100k"), results.read("growth", "synthetic"))
    fig.savefig(FIGURE, dpi=110)
    plt.close(fig)
    for path, lines in ((README, table()), (DETAILS, details())):
        readme.rewrite(path, BEGIN, END, [lines])
        print(path)


if __name__ == "__main__":
    main()
