"""Top 10 of all movies: seconds for one user, and for all users.

    python -m benchmarks.scoring [ml-100k|ml-1m] [rounds]

Ours is recommend.top() with the DeepFM of notebook 05, and with the recipe's four
histories; beside it the same lists the way notebook 05 makes them, a table of pairs for
each user. Weights are not trained: the time does not depend on them.
"""

import sys

import numpy as np

from benchmarks import results, turns
from helpers import best, datasets, models, recommend, training

ONE_BY_ONE = 50  # users whom the slow way serves


def pair_by_pair(model, encoder, users, movies) -> None:
    """Notebook 05's way: for each user a table of pairs, encoded, scored, sorted."""
    for user in range(len(users)):
        rows = movies.merge(users.iloc[user : user + 1], how="cross")
        stars = training.predict(model, encoder.transform(rows))[:, 0]
        rows.assign(rating=stars).nlargest(10, "rating")


def main(dataset: str = "ml-100k", rounds: int = 5) -> None:
    """Measure in turn, keep and print."""
    sets = datasets.load(dataset)
    parts = best.parts(sets.joined(), 0)
    users, movies = sets.users, sets.movies
    figures = {}
    for name, recipe, histories in (
        ("no histories", best.PLAIN[dataset], ()),
        ("four histories", best.RECIPES[dataset], best.histories()),
    ):
        data = training.encode_parts(parts, histories=histories)
        asked = models.deepfm(data.encoder.specs, **recipe.model), data.encoder
        one = users.sample(rounds, random_state=0)
        recommend.top(*asked, one.head(1), movies)  # compiles
        recommend.top(*asked, users, movies)
        pair_by_pair(*asked, one.head(1), movies)
        found: dict[str, list] = {"one_user": [], "all_users": [], "pair_by_pair": []}
        for i in range(rounds):
            user, some = one.iloc[i : i + 1], users.sample(ONE_BY_ONE, random_state=i)
            found["one_user"].append(turns.seconds(recommend.top, *asked, user, movies))
            found["all_users"].append(
                turns.seconds(recommend.top, *asked, users, movies)
            )
            slow = turns.seconds(pair_by_pair, *asked, some, movies)
            found["pair_by_pair"].append(slow / ONE_BY_ONE)
        figures[name] = {key: turns.quartiles(values) for key, values in found.items()}
        pairs = len(users) * len(movies)
        figures[name]["pairs_a_second"] = pairs / float(np.median(found["all_users"]))
        print(line(name, figures[name]), flush=True)
    print(
        results.write(
            "scoring",
            dataset,
            figures,
            rounds=rounds,
            users=len(users),
            movies=len(movies),
        )
    )


def line(name: str, found: dict) -> str:
    """Medians in words."""
    one, slow = (1000 * found[key]["median"] for key in ("one_user", "pair_by_pair"))
    return (
        f"{name:15} one user {one:.1f} ms (notebook 05's way {slow:.1f} ms)"
        f"   all users {found['all_users']['median']:.2f} s,"
        f" {found['pairs_a_second'] / 1e6:.2f} million pairs a second"
    )


if __name__ == "__main__":
    main(*sys.argv[1:2], *map(int, sys.argv[2:3]))
