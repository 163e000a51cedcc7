"""Lists of ten on the same test rows: ours, and linear models of the same log.

    python -m benchmarks.lists [ml-100k|ml-1m] [contender ...]

ml-100k: the MCRec split, whose published figures are beside ours in FIGURES. ml-1m: a
fifth of each user's rows to test, by splits.of_each_user(rows, 0). All ratings of
training rows are choices; every film that a user has not rated in them is ranked.

Settings come from the paper that published them, or were chosen on validation rows.
Contenders that are named are measured again, the others keep what they have; without
names all are measured. What is kept of each member of ours is its own score, and that
of the mean of the first members, which is what a Predictor of as many answers.
"""

import sys
import time

import numpy as np
import pandas as pd

from benchmarks import results
from benchmarks.rivals import ITEM, USER
from helpers import best, datasets, ranking, splits
from helpers.predictor import Predictor

N = 10
SCORE = "nDCG, whole ideal"
#: Ferrari Dacrema et al. 2021, additional material, table 46: nDCG at 10.
PUBLISHED = {"most popular": 0.1361, "PureSVD": 0.2719, "EASE": 0.2905, "SLIM": 0.2957}


def most_popular(x: np.ndarray) -> np.ndarray:
    """Scores by the number of choices: (users, items), as all of these."""
    return np.tile(x.sum(axis=0), (len(x), 1))


def pure_svd(x: np.ndarray, factors: int = 13) -> np.ndarray:
    """The best approximation of that rank (Cremonesi et al. 2010, eq. 5)."""
    _, _, v = np.linalg.svd(x, full_matrices=False)
    return x @ v[:factors].T @ v[:factors]


def ease(x: np.ndarray, penalty: float = 458) -> np.ndarray:
    """Each film from all others, ridge regression (Steck 2019, eq. 8)."""
    p = np.linalg.inv(x.T @ x + penalty * np.eye(x.shape[1]))
    b = -p / np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


LINEAR = {"most popular": most_popular, "PureSVD": pure_svd, "EASE": ease}
OURS = "ours"


def split_of(dataset: str, rows: pd.DataFrame) -> splits.Split:
    """Training and test rows."""
    return splits.mcrec(rows) if dataset == "ml-100k" else splits.of_each_user(rows, 0)


def table(rows: pd.DataFrame, sets) -> np.ndarray:
    """Who rated what: (users, films) bool."""
    found = np.zeros((len(sets.users), len(sets.movies)), bool)
    user = pd.Index(sets.users[USER]).get_indexer(rows[USER])
    item = pd.Index(sets.movies[ITEM]).get_indexer(rows[ITEM])
    found[user, item] = True
    return found


def figures_of(judged: ranking.Judged, lists: np.ndarray, items: int) -> dict:
    """Mean scores, and the share of films that are on a list."""
    found = ranking.scores(judged).mean().to_dict()
    return found | {"coverage": ranking.coverage(lists, items)}


def linear(name: str, train: np.ndarray, test: np.ndarray) -> dict:
    """Scores and seconds of one of LINEAR."""
    start = time.perf_counter()
    lists = ranking.best(LINEAR[name](train.astype("float64")), train, N)
    seconds = time.perf_counter() - start
    found = figures_of(ranking.judge(lists, test), lists, train.shape[1])
    return found | {"seconds": seconds}


def ours(split: splits.Split, sets, test: np.ndarray):
    """Scores of each member and of the mean of those so far, one after another."""
    found: dict[str, list] = {"members": [], "means": [], "seconds": []}
    models, recipe = [], best.LISTS
    for seed in range(recipe.members):
        start = time.perf_counter()
        made = Predictor.train(
            split, best.CHOSEN, best.LISTS_TARGET, recipe.model, recipe.fit, seed
        )
        found["seconds"].append(time.perf_counter() - start)
        models += made.models
        mean = Predictor(models, made.encoder, made.target, made.settings)
        for what, predictor in (("members", made), ("means", mean)):
            lists = lists_of(predictor, split, sets)
            judged = ranking.judge(lists, test)
            found[what].append(figures_of(judged, lists, test.shape[1]))
        yield found


def lists_of(predictor: Predictor, split: splits.Split, sets) -> np.ndarray:
    """Its lists as ranking.best() gives them: (users, N) places of films."""
    names = {"user": USER, "item": ITEM}
    # films that nobody chose were never drawn either: the model knows nothing of them
    known = sets.movies[sets.movies[ITEM].isin(split.train[ITEM])]
    top = predictor.top(sets.users, known, **names, n=N, seen=split.train)
    line = pd.Index(sets.users[USER]).get_indexer(top[USER])
    place = top.groupby(USER, sort=False).cumcount()
    lists = np.full((len(sets.users), N), ranking.NOTHING)
    lists[line, place] = pd.Index(sets.movies[ITEM]).get_indexer(top[ITEM])
    return lists


def main(dataset: str = "ml-100k", *names: str) -> None:
    """Measure the contenders, keep what they gave after each, print a line for each."""
    known = [*LINEAR, OURS]
    if unknown := {*names} - {*known}:
        raise SystemExit(f"Unknown: {unknown}. Contenders: {known}.")
    sets = datasets.load(dataset)
    split = split_of(dataset, sets.joined())
    train, test = table(split.train, sets), table(split.test, sets)
    kept = results.read("lists", dataset)
    figures = kept["figures"] if kept and names else {}
    for name in names or known:
        steps = ours(split, sets, test) if name == OURS else [linear(name, train, test)]
        for found in steps:
            figures[name] = found
            out = results.write("lists", dataset, figures, n=N)
            print(line(name, found), flush=True)
    print(out)


def line(name: str, found: dict) -> str:
    """Name, nDCG and coverage; of ours those of the last member and of the mean."""
    if name != OURS:
        return _said(name, found)
    number = len(found["members"])
    one = _said(f"{name}, model {number}", found["members"][-1])
    return f"{one}   {_said(f'mean of {number}', found['means'][-1])}"


def _said(name: str, found: dict) -> str:
    return f"{name}: nDCG {found[SCORE]:.4f}, coverage {found['coverage']:.3f}"


if __name__ == "__main__":
    main(*sys.argv[1:])
