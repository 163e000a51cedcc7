"""The tables of clicks in benchmarks/README, from what clicks.py kept.

    python -m benchmarks.click_tables

Writes the lines of that file between the two marks.
"""

from pathlib import Path

import pandas as pd

from benchmarks import clicks, readme, results
from benchmarks.figures import difference
from helpers import comparisons

README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- clicks: begin -->", "<!-- clicks: end -->"
OURS = ("ours, no histories", "ours")  # what the others are held against
TEST_TO_TRAIN = 1 / 8


def judged(figures: dict) -> pd.DataFrame | None:
    """compare() of the log losses of single models, others less ours; None without."""
    single = [name for name in figures if name not in clicks.MEANS]
    losses = {n: figures[n]["scores"]["log loss"]["values"] for n in single}
    ours = [name for name in OURS if name in losses]
    pairs = [(name, own) for own in ours for name in losses if name not in OURS]
    if not pairs:
        return None
    return comparisons.compare(losses, pairs, test_to_train=TEST_TO_TRAIN)


def table(figures: dict) -> list[str]:
    """A table in Markdown: the lowest mean log loss first."""
    found = judged(figures)
    references = [] if found is None else [*found.index.unique("reference")]
    heads = ["", *clicks.SCORES, *(f"log loss minus *{own}*" for own in references)]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    for name in sorted(figures, key=lambda n: figures[n]["scores"]["log loss"]["mean"]):
        scores = [figures[name]["scores"][score] for score in clicks.SCORES]
        cells = [name, *(f"{x['mean']:.4f} ± {x['sd']:.4f}" for x in scores)]
        cells += [difference(found, name, own) for own in references]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def main() -> None:
    """Rewrite the lines between the marks."""
    lines = []
    for dataset in clicks.BOTH:
        if kept := results.read("clicks", dataset):
            lines += [f"**{dataset}**", "", *table(kept["figures"]), ""]
    readme.rewrite(README, BEGIN, END, lines)
    print(README)


if __name__ == "__main__":
    main()
