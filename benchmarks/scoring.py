"""Top 10 of all movies: seconds for one user, and for all users.

    python -m benchmarks.scoring [ml-100k|ml-1m] [rounds] [--anew]

Ours is recommend.top() with the FM and the DeepFM of notebook 05, and with the recipe's
four histories. Beside it the same lists in two other ways: every pair as a row of the
model, and, the plain way, a table of pairs for each user. And beside it recommend() of
`implicit`, whose model is a product of as many factors as ours has. Weights are not
trained: the time does not depend on them.
"""

import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from benchmarks import results, trials, turns
from benchmarks.rivals import ITEM, USER
from helpers import best, datasets, fields, models, recommend, training

N = 10
ONE_BY_ONE = 50  # users whom the plain way serves
TENTH = 0.1  # of the users are served with every pair as a row
ROWS = 2**16  # of the model, at once


def _fm(dataset: str) -> tuple[best.Recipe, dict]:
    plain = best.PLAIN[dataset].model
    model = plain | {"parts": ("first_order", "second_order")}
    return best.Recipe(model, {}), fields.MOVIELENS


#: A recipe and its fields, by the name of a set.
MODELS = {
    "FM": _fm,
    "no histories": lambda dataset: (best.PLAIN[dataset], fields.MOVIELENS),
    "four histories": lambda dataset: (best.RECIPES[dataset], best.FIELDS),
}


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


def every_pair(model, encoder, target, users, movies) -> pd.DataFrame:
    """What recommend.top() gives, with every pair as a row of the model."""
    of_user = encoder.transform(users.merge(movies.head(1), how="cross"))
    of_movie = encoder.transform(users.head(1).merge(movies, how="cross"))
    reading, found = encoder.reading(users.columns), []
    chunk = max(1, ROWS // len(movies))
    for start in range(0, len(users), chunk):
        some = users.iloc[start : start + chunk]
        x = {
            models.input_name(name): _pairs(
                of_user[name][start : start + chunk], of_movie[name], of_users
            )
            for name, of_users in reading.items()
        }
        raw = model.predict_on_batch({name: x[name] for name in model.input})
        raw = raw.reshape(len(some), len(movies))
        line, place = recommend.best(raw, N)
        lists = {
            USER: some[USER].to_numpy()[line],
            ITEM: movies[ITEM].to_numpy()[place],
        }
        lists[target.column] = target.answer(raw[line, place])
        found.append(pd.DataFrame(lists))
    return pd.concat(found, ignore_index=True)


def _pairs(of_user: np.ndarray, of_movie: np.ndarray, of_users: list) -> np.ndarray:
    """(users, L) and (movies, L) as one row a pair.

    of_users: as of FieldEncoder.reading()
    """
    one, other = of_user[:, None], of_movie[None]
    if len({*of_users}) > 1:  # a history: its owner from one, its item from the other
        pairs = np.where(of_users, one, other)
    else:
        pairs = one if all(of_users) else other
    width = pairs.shape[2]
    pairs = np.broadcast_to(pairs, (len(of_user), len(of_movie), width))
    return pairs.reshape(-1, width)


def of_implicit(users: int, movies: int, factors: int):
    """A call that gives lists of N for all users, by a model with random factors."""
    from implicit.als import AlternatingLeastSquares
    from scipy.sparse import csr_matrix

    draw = np.random.default_rng(0).normal
    log, everybody = csr_matrix((users, movies), dtype="float32"), np.arange(users)
    with threadpool_limits(1, "blas"):  # it has threads of its own, and asks for this
        model = AlternatingLeastSquares(factors=factors)
    model.user_factors = draw(size=(users, factors)).astype("float32")
    model.item_factors = draw(size=(movies, factors)).astype("float32")

    def lists():
        with threadpool_limits(1, "blas"):
            return model.recommend(
                everybody, log, N=N, filter_already_liked_items=False
            )

    return lists


def measure(
    data: training.Prepared, recipe: best.Recipe, users, movies, rounds
) -> dict:
    """Seconds of one user, of all, and of the other ways, in turn.

    every_pair: of all users, as ten times that of a tenth; implicit: of all users
    pair_by_pair: of one user
    times_as_fast: every_pair by all_users, round by round
    """
    one = users.sample(rounds, random_state=0)
    encoder, target = data.encoder, data.target
    model = models.deepfm(
        encoder.specs, **recipe.model, intercept=target.intercept, seed=0
    )
    models.set_lists(model, encoder)

    def ours(asked):
        own = [model], encoder, target
        return recommend.top(*own, asked, movies, user=USER, item=ITEM, n=N)

    def each_pair(asked):
        return every_pair(model, encoder, target, asked, movies)

    def plain(asked):
        return pair_by_pair(model, encoder, target, asked, movies)

    theirs = of_implicit(len(users), len(movies), recipe.model.get("k", 16))
    for call, asked in (
        (ours, one.head(1)),
        (ours, users),
        (each_pair, users.sample(frac=TENTH, random_state=0)),
        (plain, one.head(1)),
    ):
        call(asked)  # compiles
    theirs()
    names = "one_user", "all_users", "every_pair", "pair_by_pair", "implicit"
    found: dict[str, list] = {name: [] for name in names}
    for i in range(rounds):
        some = users.sample(ONE_BY_ONE, random_state=i)
        found["one_user"].append(turns.seconds(ours, one.iloc[i : i + 1]))
        found["all_users"].append(turns.seconds(ours, users))
        tenth = users.sample(frac=TENTH, random_state=i)
        found["every_pair"].append(turns.seconds(each_pair, tenth) / TENTH)
        found["pair_by_pair"].append(turns.seconds(plain, some) / ONE_BY_ONE)
        found["implicit"].append(turns.seconds(theirs))
    pairs = len(users) * len(movies)
    figures = {key: turns.quartiles(values) for key, values in found.items()}
    figures["times_as_fast"] = turns.quartiles(
        [a / b for a, b in zip(found["every_pair"], found["all_users"], strict=True)]
    )
    return figures | {"pairs_a_second": pairs / float(np.median(found["all_users"]))}


def run(dataset: str, name: str, rounds: int) -> tuple[dict, dict]:
    """measure() of one of MODELS; numbers of users and movies."""
    sets = datasets.load(dataset)
    recipe, chosen = MODELS[name](dataset)
    data = training.prepare(best.split(sets.joined(), 0), chosen)
    figures = measure(data, recipe, sets.users, sets.movies, rounds)
    return figures, {"users": len(sets.users), "movies": len(sets.movies)}


def main(dataset: str = "ml-100k", rounds: int = 5) -> None:
    """Measure in turn, keep and print. Each model is a trial: see trials."""
    alone = trials.Trials("scoring", dataset, len(MODELS)).alone
    figures = {}
    for name in MODELS:
        figures[name], size = alone(run, dataset, name, rounds)
        print(line(name, figures[name]), flush=True)
    print(results.write("scoring", dataset, figures, rounds=rounds, **size))


def line(name: str, found: dict) -> str:
    """Medians in words."""
    one, slow = (1000 * found[key]["median"] for key in ("one_user", "pair_by_pair"))
    ours, pairs, theirs = (
        found[key]["median"] for key in ("all_users", "every_pair", "implicit")
    )
    return (
        f"{name:15} one user {one:.1f} ms (pair by pair {slow:.1f} ms)"
        f"   all users {ours:.2f} s (every pair {pairs:.2f} s, implicit"
        f" {theirs:.2f} s), {found['pairs_a_second'] / 1e6:.2f} million pairs a second"
    )


if __name__ == "__main__":
    dataset, rounds = trials.words()[:1], trials.words()[1:]
    main(*dataset, *map(int, rounds))
