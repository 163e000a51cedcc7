"""Lists for users: the plain way gives those of recommend.top(); how both are timed."""

import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from benchmarks import results, scoring, turns
from helpers import best, fields, models, recommend, splits, training

N_USERS, N_MOVIES = 60, 15
USERS = pd.DataFrame({"user_id": range(100, 100 + N_USERS)})
USERS["gender"] = ["F", "M", "M"] * 20
MOVIES = pd.DataFrame({"movie_id": range(N_MOVIES)})
MOVIES["genres"] = [("a", "b"), ("c",), ()] * 5
KINDS = {
    "user_id": "categorical",
    "movie_id": "categorical",
    "genres": "multi-categorical",
    "liked": best.HISTORIES["liked"],
    "fans": best.HISTORIES["fans"],
}


@pytest.fixture(scope="module")
def rows() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    pairs = {"user_id": rng.choice(USERS.user_id, 400)}
    pairs["movie_id"] = rng.integers(0, N_MOVIES, 400)
    rows = pd.DataFrame(pairs).assign(rating=rng.integers(1, 6, 400))
    return rows.merge(USERS, on="user_id").merge(MOVIES, on="movie_id")


@pytest.fixture(scope="module")
def data(rows) -> training.Prepared:
    return training.prepare(splits.Split(rows, rows[:0], rows[:0]), KINDS)


@pytest.mark.parametrize("way", [scoring.pair_by_pair, scoring.every_pair])
@pytest.mark.parametrize("movies", [MOVIES, MOVIES[:7]])
def test_other_ways_give_the_lists_of_top(data, way, movies, monkeypatch):
    monkeypatch.setattr(recommend, "PAIRS", 40)  # two users at once
    monkeypatch.setattr(scoring, "ROWS", 40)
    model = models.deepfm(data.encoder.specs, 3, (4,), intercept=4.4, seed=0)
    models.set_lists(model, data.encoder)
    rng = np.random.default_rng(0)
    # so that answers differ, and some are clipped
    for weight in sorted(model.trainable_variables, key=lambda w: w.path):
        weight.assign(weight.numpy() + rng.normal(0, 0.3, weight.shape))
    own = data.encoder, data.target
    users = USERS.head(4)
    found = way(model, *own, users, movies)
    names = {"user": "user_id", "item": "movie_id"}
    top = recommend.top([model], *own, users, movies, **names, n=10)
    assert len(found) == 4 * min(10, len(movies))
    pd.testing.assert_frame_equal(found, top, check_dtype=False, rtol=1e-5)
    assert found.rating.max() == 5 and found.rating.nunique() > 10


def test_implicit_lists_ten_for_everybody():
    places, scores = scoring.of_implicit(6, 15, 4)()
    assert places.shape == scores.shape == (6, 10)
    assert (np.diff(scores, axis=1) <= 0).all()


class Race:
    """Takes the place of both ways: says who asked for what, and for whom."""

    def __init__(self):
        self.said = []

    def top(self, models, encoder, target, users, items, *, user, item, n):
        assert (user, item, n) == ("user_id", "movie_id", 10)
        assert items is MOVIES and len(models) == 1
        self.asked = models[0], encoder, target
        self.said.append(("top", len(users)))

    def pair_by_pair(self, model, encoder, target, users, items):
        assert items is MOVIES
        assert (model, encoder, target) == self.asked
        self.said.append(("pair", len(users)))
        self.users = users

    def every_pair(self, model, encoder, target, users, items):
        assert items is MOVIES
        assert (model, encoder, target) == self.asked
        self.said.append(("every", len(users)))

    def of_implicit(self, users, movies, factors):
        assert (users, movies, factors) == (N_USERS, N_MOVIES, 5)
        return lambda: self.said.append(("implicit", users))


@pytest.fixture
def race(monkeypatch) -> Race:
    race, now = Race(), itertools.count()
    monkeypatch.setattr(recommend, "top", race.top)
    for name in ("pair_by_pair", "every_pair", "of_implicit"):
        monkeypatch.setattr(scoring, name, getattr(race, name))
    made = {}

    def deepfm(specs, **how):
        made.update(how, specs=specs)
        return made

    monkeypatch.setattr(models, "deepfm", deepfm)
    monkeypatch.setattr(
        models, "set_lists", lambda model, encoder: model.update(lists=encoder)
    )
    clock = SimpleNamespace(perf_counter=lambda: next(now) ** 2)
    monkeypatch.setattr(turns, "time", clock)
    return race


def test_all_ways_are_timed_in_turn_after_each_was_compiled(data, race):
    recipe = best.Recipe({"k": 5, "units": (6,)}, {})
    found = scoring.measure(data, recipe, USERS, MOVIES, 3)
    compiled = [("top", 1), ("top", N_USERS), ("every", N_USERS / 10), ("pair", 1)]
    compiled += [("implicit", N_USERS)]
    turn = [("top", 1), ("top", N_USERS), ("every", N_USERS / 10), ("pair", 50)]
    turn += [("implicit", N_USERS)]
    assert race.said == compiled + 3 * turn
    # the clock shows 0, 1, 4, 9, ...: calls take 1, 5, 9, 13, ... seconds
    high = found["pair_by_pair"]["high"]
    assert high == pytest.approx(43 / 50)
    assert found == {
        "one_user": {"median": 21, "low": 11, "high": 31},
        "all_users": {"median": 25, "low": 15, "high": 35},
        "every_pair": {"median": 290, "low": 190, "high": 390},
        "pair_by_pair": {
            "median": 33 / 50,
            "low": 23 / 50,
            "high": pytest.approx(43 / 50),
        },
        "implicit": {"median": 37, "low": 27, "high": 47},
        "times_as_fast": turns.quartiles([90 / 5, 290 / 25, 490 / 45]),
        "pairs_a_second": pytest.approx(N_USERS * N_MOVIES / 25),
    }
    model, encoder, target = race.asked
    assert (encoder, target) == (data.encoder, data.target)
    assert model == {
        "k": 5,
        "units": (6,),
        "intercept": target.intercept,
        "seed": 0,
        "specs": encoder.specs,
        "lists": encoder,
    }


def test_no_user_is_scored_twice_alone(data, race, monkeypatch):
    asked = []

    def top(models, encoder, target, users, items, **names):
        race.asked = models[0], encoder, target
        asked.append(users.user_id.tolist())

    monkeypatch.setattr(recommend, "top", top)
    served = []
    plain = scoring.pair_by_pair

    def kept(*args):
        plain(*args)
        served.append(race.users.user_id.tolist())

    monkeypatch.setattr(scoring, "pair_by_pair", kept)
    scoring.measure(data, best.Recipe({"k": 5}, {}), USERS, MOVIES, 4)
    alone = [users[0] for users in asked if len(users) == 1]
    assert alone[0] == alone[1] and len({*alone}) == 4
    # another run asks the same users
    assert alone[1:] == USERS.sample(4, random_state=0).user_id.tolist()
    for i, users in enumerate(served[1:]):
        assert users == USERS.sample(50, random_state=i).user_id.tolist()
    assert len({*map(tuple, served[1:])}) == 4
    assert served[0] == alone[:1]


def test_both_models_are_measured_on_what_the_recipe_trains_on(
    rows, monkeypatch, in_this_process, capsys
):
    recipes = {name: best.Recipe({"k": k}, {}) for name, k in (("p", 1), ("r", 2))}
    monkeypatch.setitem(best.PLAIN, "toy", recipes["p"])
    monkeypatch.setitem(best.RECIPES, "toy", recipes["r"])
    sets = SimpleNamespace(joined=lambda: rows, users=USERS, movies=MOVIES)
    monkeypatch.setattr(scoring.datasets, "load", {"toy": sets}.get)
    prepared, asked = [], []
    monkeypatch.setattr(
        training, "prepare", lambda *args: prepared.append(args) or args
    )

    def measure(*args):
        asked.append(args)
        return figures(len(asked))

    monkeypatch.setattr(scoring, "measure", measure)
    scoring.main("toy", 3)
    split = best.split(rows, 0)
    plain = fields.MOVIELENS
    assert [chosen for _, chosen in prepared] == [plain, plain, best.FIELDS]
    for found, _ in prepared:
        assert found.train.equals(split.train) and found.test.equals(split.test)
    fm = best.Recipe({"k": 1, "parts": ("first_order", "second_order")}, {})
    assert asked == [
        (prepared[0], fm, USERS, MOVIES, 3),
        (prepared[1], recipes["p"], USERS, MOVIES, 3),
        (prepared[2], recipes["r"], USERS, MOVIES, 3),
    ]
    kept = results.read("scoring", "toy")
    names = "FM", "no histories", "four histories"
    assert kept["figures"] == {name: figures(i) for i, name in enumerate(names, 1)}
    assert kept["settings"] == {"rounds": 3, "users": N_USERS, "movies": N_MOVIES}
    said = capsys.readouterr().out.splitlines()
    for i, name in enumerate(names, 1):
        assert said.pop(i - 1).startswith(f"scoring_toy {i}/3: run toy {name} 3 · ")
    assert said == [
        "FM              one user 20.0 ms (pair by pair 300.0 ms)   all users 1.00 s"
        " (every pair 5.00 s, implicit 0.50 s), 2.50 million pairs a second",
        "no histories    one user 40.0 ms (pair by pair 600.0 ms)   all users 2.00 s"
        " (every pair 10.00 s, implicit 1.00 s), 5.00 million pairs a second",
        "four histories  one user 60.0 ms (pair by pair 900.0 ms)   all users 3.00 s"
        " (every pair 15.00 s, implicit 1.50 s), 7.50 million pairs a second",
        str(results.path("scoring", "toy")),
    ]


def figures(scale: float) -> dict:
    return {
        "one_user": {"median": 0.02 * scale},
        "all_users": {"median": 1.0 * scale},
        "every_pair": {"median": 5.0 * scale},
        "implicit": {"median": 0.5 * scale},
        "pair_by_pair": {"median": 0.3 * scale},
        "pairs_a_second": 2.5e6 * scale,
    }


@pytest.mark.parametrize("name", ["ml-100k", "ml-1m"])
def test_what_is_kept_was_measured_as_the_program_would(name):
    kept = results.read("scoring", name)
    assert [*kept["figures"]] == [*scoring.MODELS]
    assert kept["settings"]["rounds"] == scoring.main.__defaults__[1]
    assert scoring.main.__defaults__[0] == "ml-100k"
    for found in kept["figures"].values():
        pairs = kept["settings"]["users"] * kept["settings"]["movies"]
        assert found["pairs_a_second"] == pytest.approx(
            pairs / found["all_users"]["median"]
        )
