"""Lists of ten on the same test rows: ours, and linear models of the same log.

    python -m benchmarks.lists [ml-100k|ml-1m] [members] [--anew]

ml-100k: the MCRec split, whose published figures are beside ours in PUBLISHED. ml-1m: a
fifth of each user's rows to test, by splits.of_each_user(rows, 0). All ratings of
training rows are choices; every film that a user has not rated in them is ranked.

Settings come from the paper that published them, or were chosen on validation rows.
Each training is a trial: see trials. Kept are the scores of each member of ours, and
those of the mean of the first members, which is what a Predictor of as many answers.
"""

import time
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks import results, trials
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


def figures_of(found: ranking.Judged, lists: np.ndarray, items: int) -> dict:
    """Mean scores, and the share of films that are on a list."""
    scores = ranking.scores(found).mean().to_dict()
    return scores | {"coverage": ranking.coverage(lists, items)}


def rows_of(dataset: str) -> tuple:
    """The split, the set, and who rated what in training and test rows."""
    sets = datasets.load(dataset)
    split = split_of(dataset, sets.joined())
    return split, sets, table(split.train, sets), table(split.test, sets)


def linear(dataset: str, name: str) -> dict:
    """Scores and seconds of one of LINEAR."""
    _, _, train, test = rows_of(dataset)
    start = time.perf_counter()
    lists = ranking.best(LINEAR[name](train.astype("float64")), train, N)
    seconds = time.perf_counter() - start
    found = figures_of(ranking.judge(lists, test), lists, train.shape[1])
    return found | {"seconds": seconds}


def member(dataset: str, seed: int) -> dict:
    """Scores and seconds of one model of best.LISTS, which is kept for mean()."""
    split, sets, _, test = rows_of(dataset)
    recipe, target = best.LISTS[dataset], best.LISTS_TARGET[dataset]
    start = time.perf_counter()
    made = Predictor.train(split, best.CHOSEN, target, recipe.model, recipe.fit, seed)
    seconds = time.perf_counter() - start
    made.save(folder(dataset, seed))
    found = judged(made, split, sets, test)
    return found | {"seconds": seconds, "device": results.device()}


def mean(dataset: str, members: int) -> dict:
    """Scores of the mean of the first members."""
    split, sets, _, test = rows_of(dataset)
    made = [Predictor.load(folder(dataset, seed)) for seed in range(members)]
    models = [model for one in made for model in one.models]
    together = Predictor(models, made[0].encoder, made[0].target, made[0].settings)
    return judged(together, split, sets, test)


def folder(dataset: str, seed: int) -> Path:
    """Where a member is kept, beside the trials."""
    return trials.TRIALS / f"lists_{dataset}" / str(seed)


def judged(predictor: Predictor, split: splits.Split, sets, test: np.ndarray) -> dict:
    """Scores of its lists."""
    lists = lists_of(predictor, split, sets)
    return figures_of(ranking.judge(lists, test), lists, test.shape[1])


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


def main(dataset: str = "ml-100k", members: int | None = None) -> None:
    """Measure, keep after each training, print a line for each contender."""
    members = members or best.LISTS[dataset].members
    total = len(LINEAR) + 2 * members - 1
    alone = trials.Trials("lists", dataset, total).alone
    figures: dict[str, object] = {}
    for name in LINEAR:
        figures[name] = alone(linear, dataset, name)
        print(line(name, figures[name]), flush=True)
    ours: dict[str, list] = {"members": [], "means": []}
    for seed in range(members):
        one = alone(member, dataset, seed)
        ours["members"].append(one)
        ours["means"].append(alone(mean, dataset, seed + 1) if seed else one)
        print(line(f"ours, seed {seed}", one), flush=True)
        print(line(f"mean of {seed + 1}", ours["means"][-1]), flush=True)
        out = results.write("lists", dataset, figures | {OURS: ours}, n=N)
    print(out)


def line(name: str, found: dict) -> str:
    """Name, nDCG and coverage."""
    return f"{name}: nDCG {found[SCORE]:.4f}, coverage {found['coverage']:.3f}"


if __name__ == "__main__":
    dataset, members = trials.words()[:1], trials.words()[1:]
    main(*dataset, *map(int, members))
