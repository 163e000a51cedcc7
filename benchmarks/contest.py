"""The contest of notebook 10: five models, searched alike, on two tables.

    python -m benchmarks.contest [adult|ml-100k] [contender ...] [--anew]

adult: does a person earn more than 50,000 dollars? A small table without ids.
ml-100k: is a rating 4 or 5 stars? Ids of users and films, with what is known of both.

The split is splits.random_rows(rows, seed), for five seeds. On each, every model of
helpers.contenders has TRIALS trials (helpers.contest): trained on the training rows,
chosen by the validation rows. The model that was chosen is asked about the test rows
once. With names only those are measured, and the others keep what they have. A search
that was stopped goes on after its last trial. In the end the lines of README between
the two marks are written anew.
"""

import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from benchmarks import clicks, readme, results, trials
from benchmarks.figures import difference
from helpers import best, comparisons, contest, datasets, fields, splits
from helpers.contenders import CONTENDERS, Contender
from helpers.targets import Clicks

SEEDS = [0, 1, 2, 3, 4]
TRIALS = 24
SCORES = clicks.SCORES
OURS = "DeepFM"  # what the others are held against
TEST_TO_TRAIN = 1 / 8
ADULT, STARS = "adult", "ml-100k"
TARGETS = {ADULT: "over_50k", STARS: "liked"}
FIELDS = {ADULT: best.ADULT, STARS: fields.MOVIELENS}
README = Path(__file__).resolve().parent / "README.md"
BEGIN, END = "<!-- contest: begin -->", "<!-- contest: end -->"


def rows_of(dataset: str) -> pd.DataFrame:
    """The table with the column of its target, 0 or 1, and not what that is made of."""
    if dataset == ADULT:
        rows = datasets.adult()
        high = rows.income == ">50K"
        return rows.drop(columns="income").assign(over_50k=high.astype(int))
    rows = datasets.load(dataset).joined()
    liked = (rows.rating >= 4).astype(int)
    return rows.drop(columns="rating").assign(liked=liked)


def run(name: str, dataset: str, seed: int) -> dict:
    """Search one contender of helpers.contenders on one split, as searched()."""
    return searched(name, CONTENDERS[name], dataset, seed, database(dataset))


def searched(
    name: str, contender: Contender, dataset: str, seed: int, path: Path
) -> dict:
    """Search one contender on one split, and ask what was chosen about its test rows.

    path: of the file that keeps the trials
    ->  scores of the test rows; valid: the log loss that it was chosen by; settings;
        how many trials were pruned; seconds: of each trial; and of the chosen model
    """
    split = splits.random_rows(rows_of(dataset), seed)
    target = Clicks(TARGETS[dataset]).fit(split.train)
    about = split, FIELDS[dataset], target
    how = {"trials": TRIALS, "seed": seed, "path": path}
    study = contest.search(f"{name}, split {seed}", contender, *about, **how)
    start = time.perf_counter()
    settings, answers = contest.chosen(contender, study, *about, seed)
    seconds = time.perf_counter() - start
    p = answers(split.test.drop(columns=target.column))
    return {
        "scores": target.scores(p, target.actual(split.test)),
        "valid": study.best_value,
        "settings": settings,
        "pruned": sum(t.state.name == "PRUNED" for t in study.trials),
        "seconds": contest.seconds(study),
        "seconds_of_chosen": seconds,
    }


def database(dataset: str) -> Path:
    """Where searches are kept that were not finished: for the code as it is."""
    ours = [Path(__file__), *sorted(Path(contest.__file__).parent.glob("*.py"))]
    code = hashlib.sha256(b"".join(path.read_bytes() for path in ours)).hexdigest()
    trials.TRIALS.mkdir(parents=True, exist_ok=True)
    return trials.TRIALS / f"contest_{dataset}_{code[:12]}.db"


def measure(name: str, dataset: str, alone: Callable) -> dict:
    """All splits of one contender. alone: Trials.alone."""
    found = [alone(run, name, dataset, seed) for seed in SEEDS]
    every = [seconds for one in found for seconds in one["seconds"]]
    return {
        "scores": clicks.summary([one["scores"] for one in found]),
        "valid": [one["valid"] for one in found],
        "settings": [one["settings"] for one in found],
        "trials": [len(one["seconds"]) for one in found],
        "pruned": [one["pruned"] for one in found],
        "seconds_a_trial": statistics.median(every),
        "seconds_a_model": statistics.median(o["seconds_of_chosen"] for o in found),
    }


def judged(figures: dict, score: str = "log loss") -> pd.DataFrame:
    """comparisons.compare() of DeepFM with each of the others."""
    values = {name: found["scores"][score]["values"] for name, found in figures.items()}
    pairs = [(OURS, name) for name in values if name != OURS]
    return comparisons.compare(
        values, pairs, test_to_train=TEST_TO_TRAIN, lower_is_better=score != "AUC"
    )


def table(figures: dict) -> list[str]:
    """A table in Markdown: the lowest mean log loss first."""
    scores = ("log loss", "AUC")
    heads = ["", *SCORES, *(f"{OURS}'s {score} minus its" for score in scores)]
    heads += ["seconds a trial"]
    lines = [f"| {' | '.join(heads)} |", "|---" * len(heads) + "|"]
    beside = {s: judged(figures, s) for s in scores} if len(figures) > 1 else {}
    for name in sorted(figures, key=lambda n: figures[n]["scores"]["log loss"]["mean"]):
        found = figures[name]
        each = [found["scores"][score] for score in SCORES]
        cells = [name, *(f"{x['mean']:.4f} ± {x['sd']:.4f}" for x in each)]
        cells += [difference(beside.get(score), OURS, name) for score in scores]
        cells.append(f"{found['seconds_a_trial']:.1f}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def of_first_days(figures: dict) -> list[str]:
    """A line for each job of tables.py that was measured."""
    found = []
    for name, one in figures.items():
        if "lines" in one:
            means = [f"{score} {of['mean']:.4f}" for score, of in one["scores"].items()]
            seconds = f"{one['seconds']:.0f} s from start to end"
            words = [f"{one['lines']} lines of code", *means, seconds]
            found.append(f"- {name}: {', '.join(words)}.")
    return found


def kept(dataset: str) -> dict:
    """All figures on a table: of the contest, and of those of others (tables.py)."""
    found = [results.read(name, dataset) for name in ("contest", "tables")]
    return {
        name: one for each in found if each for name, one in each["figures"].items()
    }


def write_tables() -> None:
    """Rewrite the lines of README between the marks."""
    lines = []
    for dataset in TARGETS:
        figures = kept(dataset)
        if OURS in figures:
            contenders = {n: one for n, one in figures.items() if "lines" not in one}
            lines += [f"**{dataset}**", "", *table(contenders), ""]
            lines += [*of_first_days(figures), ""]
    readme.rewrite(README, BEGIN, END, lines)


def main(dataset: str = ADULT, *names: str) -> None:
    """Measure by name, keep what was found after each, print a line for each."""
    unknown = {*names} - {*CONTENDERS}
    if unknown or dataset not in TARGETS:
        raise SystemExit(f"Unknown: {unknown or dataset}. There are: {[*CONTENDERS]}.")
    kept = results.read("contest", dataset)
    figures = kept["figures"] if kept and names else {}
    if trials.ANEW in sys.argv:
        database(dataset).unlink(missing_ok=True)
    names = names or (*CONTENDERS,)
    alone = trials.Trials("contest", dataset, len(names) * len(SEEDS)).alone
    for name in names:
        figures[name] = measure(name, dataset, alone)
        out = results.write("contest", dataset, figures, seeds=SEEDS, trials=TRIALS)
        print(line(name, figures[name]), flush=True)
    write_tables()
    print(out)


def line(name: str, found: dict) -> str:
    """Name, then log loss, AUC and calibration error, means over the splits."""
    means = " / ".join(f"{found['scores'][score]['mean']:.4f}" for score in SCORES)
    return f"{name:20} {means}   {found['seconds_a_trial']:.1f} s a trial"


if __name__ == "__main__":
    main(*trials.words())
