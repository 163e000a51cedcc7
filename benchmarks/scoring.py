"""Top 10 of all movies: seconds for one user, and for all users.

    python -m benchmarks.scoring [ml-100k|ml-1m] [rounds] [--anew]

Ours is recommend.top() with the DeepFM of notebook 05, and with the recipe's four
histories; beside it the same lists the plain way, a table of pairs for each user.
Weights are not trained: the time does not depend on them.
"""

import numpy as np
import pandas as pd

from benchmarks import results, trials, turns
from benchmarks.rivals import ITEM, USER
from helpers import best, datasets, fields, models, recommend, training

N = 10
ONE_BY_ONE = 50  # users whom the plain way serves


def pair_by_pair(model, encoder, target, users, movies) -> pd.DataFrame:
    """What recommend.top() gives: for each user all pairs, encoded, scored, sorted."""
    lists = []
    for user in range(len(users)):
        rows = movies.merge(users.iloc[user : user + 1], how="cross")
        raw = training.raw_output(model, encoder.transform(rows))[:, 0]
        rows[target.column] = raw
        lists.append(rows.nlargest(N, target.column)[[USER, ITEM, target.column]])
    found = pd.concat(lists, ignore_index=True)
    found[target.column] = target.answer(found[target.column])
    return found


def measure(
    data: training.Prepared, recipe: best.Recipe, users, movies, rounds
) -> dict:
    """Seconds of one user, of all, and of one the plain way, in turn."""
    encoder, target = data.encoder, data.target
    model = models.deepfm(
        encoder.specs, **recipe.model, intercept=target.intercept, seed=0
    )
    models.set_lists(model, encoder)

    def ours(asked):
        own = [model], encoder, target
        return recommend.top(*own, asked, movies, user=USER, item=ITEM, n=N)

    def plain(asked):
        return pair_by_pair(model, encoder, target, asked, movies)

    one = users.sample(rounds, random_state=0)
    for call, asked in ((ours, one.head(1)), (ours, users), (plain, one.head(1))):
        call(asked)  # compiles
    found: dict[str, list] = {"one_user": [], "all_users": [], "pair_by_pair": []}
    for i in range(rounds):
        some = users.sample(ONE_BY_ONE, random_state=i)
        found["one_user"].append(turns.seconds(ours, one.iloc[i : i + 1]))
        found["all_users"].append(turns.seconds(ours, users))
        found["pair_by_pair"].append(turns.seconds(plain, some) / ONE_BY_ONE)
    pairs = len(users) * len(movies)
    figures = {key: turns.quartiles(values) for key, values in found.items()}
    return figures | {"pairs_a_second": pairs / float(np.median(found["all_users"]))}


def run(dataset: str, histories: bool, rounds: int) -> tuple[dict, dict]:
    """measure() with or without the recipe's histories; numbers of users and movies."""
    sets = datasets.load(dataset)
    recipe = (best.RECIPES if histories else best.PLAIN)[dataset]
    chosen = best.FIELDS if histories else fields.MOVIELENS
    data = training.prepare(best.split(sets.joined(), 0), chosen)
    figures = measure(data, recipe, sets.users, sets.movies, rounds)
    return figures, {"users": len(sets.users), "movies": len(sets.movies)}


def main(dataset: str = "ml-100k", rounds: int = 5) -> None:
    """Measure in turn, keep and print. Each model is a trial: see trials."""
    alone = trials.Trials("scoring", dataset, 2).alone
    figures = {}
    for name, histories in (("no histories", False), ("four histories", True)):
        figures[name], size = alone(run, dataset, histories, rounds)
        print(line(name, figures[name]), flush=True)
    print(results.write("scoring", dataset, figures, rounds=rounds, **size))


def line(name: str, found: dict) -> str:
    """Medians in words."""
    one, slow = (1000 * found[key]["median"] for key in ("one_user", "pair_by_pair"))
    return (
        f"{name:15} one user {one:.1f} ms (pair by pair {slow:.1f} ms)"
        f"   all users {found['all_users']['median']:.2f} s,"
        f" {found['pairs_a_second'] / 1e6:.2f} million pairs a second"
    )


if __name__ == "__main__":
    dataset, rounds = trials.words()[:1], trials.words()[1:]
    main(*dataset, *map(int, rounds))
