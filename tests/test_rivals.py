"""Recommenders of others, with stand-ins for their libraries: what each is given."""

import os
import sys
from types import ModuleType, SimpleNamespace
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from benchmarks import rivals
from helpers import fields
from helpers.targets import Stars

TRAIN = pd.DataFrame(
    {
        "user_id": [7, 7, 8, 9],
        "movie_id": [1, 2, 2, 1],
        "gender": ["F", "F", "M", "M"],
        "age": [1, 1, 18, 25],
        "occupation": [0, 0, 1, 2],
        "genres": [("a", "b"), ("c",), ("c",), ("a", "b")],
        "year": [1990.0, 1992.0, 1992.0, 1990.0],
        "rating": [5.0, 2.0, 4.0, 3.0],
    },
    index=[10, 11, 12, 13],
)
#: A known pair, a user and a movie that are new, a list that is longer than any.
ASKED = pd.DataFrame(
    {
        "user_id": [8, 6, 7],
        "movie_id": [1, 2, 5],
        "gender": ["M", "M", "F"],
        "age": [18, 25, 1],
        "occupation": [1, 2, 0],
        "genres": [("a", "b"), ("c",), ("a", "b", "c", "a")],
        "year": [1990.0, 1992.0, np.nan],
    }
)


def job(seed: int = 3) -> rivals.Job:
    return rivals.Job("toy", TRAIN, ASKED, Stars().fit(TRAIN), seed)


@pytest.fixture
def stand_in(monkeypatch):
    """Put a module in the place of a library."""

    def stand_in(name: str, **content) -> ModuleType:
        module = ModuleType(name)
        vars(module).update(content)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return stand_in


# ---- Surprise


@pytest.fixture
def surprise(stand_in):
    """Keeps what it was given; predicts user + movie / 10 + a number that it draws."""
    seen = {}
    before = np.random.get_state()

    class Algorithm:
        def __init__(self, **settings):
            seen["settings"], seen["name"] = settings, type(self).__name__

        def fit(self, trainset):
            seen["trained on"], seen["drawn"] = trainset, np.random.random()
            return self

        def predict(self, user, movie):
            return SimpleNamespace(est=user + movie / 10)

    def load_from_df(table, reader):
        seen["scale"] = reader
        return SimpleNamespace(build_full_trainset=lambda: table)

    kinds = {name: type(name, (Algorithm,), {}) for name in ("BaselineOnly", "SVD")}
    stand_in(
        "surprise",
        Dataset=SimpleNamespace(load_from_df=load_from_df),
        Reader=lambda rating_scale: rating_scale,
        prediction_algorithms=SimpleNamespace(**kinds),
    )
    yield seen
    np.random.set_state(before)


def test_surprise_learns_the_training_rows_and_answers_in_order(surprise):
    found = rivals.surprise(job(), "SVD", n_factors=5)
    np.testing.assert_allclose(found, [8.1, 6.2, 7.5])
    assert surprise["name"] == "SVD"
    assert surprise["settings"] == {"n_factors": 5, "random_state": 3}
    table = surprise["trained on"]
    assert [*table] == ["user_id", "movie_id", "rating"]  # it reads them by place
    assert table.equals(TRAIN[[*table]])
    assert surprise["scale"] == (2.0, 5.0)


def test_surprise_draws_the_same_with_the_same_seed(surprise):
    drawn = []
    for seed in (0, 0, 1):
        rivals.surprise(job(seed), "SVD")
        drawn.append(surprise["drawn"])
    assert drawn[0] == drawn[1] != drawn[2]


def test_the_baseline_takes_no_seed(surprise):
    rivals.surprise(job(), "BaselineOnly")
    assert surprise["settings"] == {} and surprise["name"] == "BaselineOnly"


# ---- myFM


class Block(NamedTuple):
    ids: np.ndarray
    lists: object


@pytest.fixture
def myfm(stand_in):
    seen = {}

    class Regressor:
        def __init__(self, rank, random_seed):
            seen["made"] = rank, random_seed

        def fit(self, X, y, **more):
            seen.update(more, X=X, y=y)

        def predict(self, X, X_rel):
            seen.update(asked=X, asked_rel=X_rel)
            return X.sum(1)

    stand_in("myfm", MyFMRegressor=Regressor, RelationBlock=Block)
    return seen


IDS = {"user_id": "categorical", "movie_id": "categorical"}


def test_myfm_is_given_a_column_for_each_id_and_a_group_for_each_field(myfm):
    found = rivals.myfm(job(), IDS)
    # of users: padding, unknown, 7, 8, 9; of movies: padding, unknown, 1, 2
    np.testing.assert_array_equal(
        myfm["X"].toarray(),
        [
            [0, 0, 1, 0, 0, 0, 0, 1, 0],
            [0, 0, 1, 0, 0, 0, 0, 0, 1],
            [0, 0, 0, 1, 0, 0, 0, 0, 1],
            [0, 0, 0, 0, 1, 0, 0, 1, 0],
        ],
    )
    np.testing.assert_array_equal(
        myfm["asked"].toarray(),
        [
            [0, 0, 0, 1, 0, 0, 0, 1, 0],
            [0, 1, 0, 0, 0, 0, 0, 0, 1],
            [0, 0, 1, 0, 0, 0, 1, 0, 0],
        ],
    )
    assert myfm["group_shapes"] == [5, 4]
    assert myfm["X_rel"] == myfm["asked_rel"] == []
    assert myfm["y"].tolist() == [5, 2, 4, 3]
    assert (myfm["n_iter"], myfm["n_kept_samples"]) == (220, 200)
    assert myfm["made"] == (10, 3)
    assert found.shape == (3, 1)


def test_myfm_takes_rank_and_samples(myfm):
    rivals.myfm(job(), IDS, rank=2, samples=7)
    assert (myfm["n_iter"], myfm["n_kept_samples"]) == (27, 7)
    assert myfm["made"] == (2, 3)


def test_histories_of_myfm_are_movies_of_the_user_and_users_of_the_movie(myfm):
    rivals.myfm(job(), IDS, histories=True)
    half = 0.5**0.5
    # rows: nobody, 7, 8, 9; columns: padding, unknown, 1, 2
    movies = [[0, 0, 0, 0], [0, 0, half, half], [0, 0, 0, 1], [0, 0, 1, 0]]
    # rows: nothing, 1, 2; columns: padding, unknown, 7, 8, 9
    users = [[0, 0, 0, 0, 0], [0, 0, half, 0, half], [0, 0, half, half, 0]]
    for blocks, ids in (
        (myfm["X_rel"], ([1, 1, 2, 3], [1, 2, 2, 1])),
        (myfm["asked_rel"], ([2, 0, 1], [1, 2, 0])),
    ):
        assert [block.ids.tolist() for block in blocks] == [*ids]
        np.testing.assert_allclose(blocks[0].lists.toarray(), movies)
        np.testing.assert_allclose(blocks[1].lists.toarray(), users)
        assert blocks[0].lists.dtype == "float64"
    assert myfm["group_shapes"] == [5, 4, 4, 5]


def test_one_hot_by_hand():
    kinds = {"user_id": "categorical", "genres": "multi-categorical"}
    encoder = fields.FieldEncoder(kinds).fit(TRAIN)
    rows = ASKED.assign(genres=[("b", "a"), (), ("a", "b", "c", "new")])
    # of users: padding, unknown, 7, 8, 9; of genres: padding, unknown, a, b, c
    np.testing.assert_allclose(
        rivals.one_hot(encoder, rows).toarray(),
        [
            [0, 0, 0, 1, 0, 0, 0, 0.5, 0.5, 0],
            [0, 1, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 0, 1, 0, 0, 0, 0.25, 0.25, 0.25, 0.25],
        ],
    )


# ---- DeepCTR


class Sparse(NamedTuple):
    name: str
    size: int
    k: int
    embeddings_initializer: object = None


class VarLen(NamedTuple):
    of: Sparse
    maxlen: int
    combiner: str


class Dense(NamedTuple):
    name: str
    dimension: int


@pytest.fixture
def deepctr(stand_in, monkeypatch):
    """Predicts epochs so far / 10 + the user's id / 100, and the length of lists."""
    seen = SimpleNamespace(fitted=[], asked=[], seeds=[])

    class Model:
        def __init__(self, linear, deep, **settings):
            seen.columns, seen.settings = (linear, deep), settings

        def compile(self, optimizer, loss):
            seen.compiled = optimizer, loss

        def fit(self, x, y, batch, verbose):
            seen.fitted.append((x, y, batch, verbose))

        def predict(self, x, batch, verbose):
            assert verbose == 0
            seen.asked.append(x)
            return len(seen.fitted) / 10 + x["user_id"] / 100

    adam = SimpleNamespace(Adam=lambda rate: ("Adam", rate))
    utils = SimpleNamespace(set_random_seed=seen.seeds.append)
    seen.tensorflow = stand_in(
        "tensorflow", keras=SimpleNamespace(optimizers=adam, utils=utils)
    )
    stand_in("deepctr")
    stand_in("deepctr.models", DeepFM=Model)
    columns = {"DenseFeat": Dense, "SparseFeat": Sparse, "VarLenSparseFeat": VarLen}
    stand_in("deepctr.feature_column", **columns)
    for name in ("TF_USE_LEGACY_KERAS", "TF_CPP_MIN_LOG_LEVEL"):
        monkeypatch.setenv(name, "0")
    return seen


USERS = [3, 1, 2]  # ids of ASKED


def test_deepctr_trains_on_the_distance_to_the_mean_and_answers_in_stars(deepctr):
    found = rivals.deepctr(
        job(),
        k=3,
        units=[8, 4],
        l2=0.1,
        dropout=0.2,
        learning_rate=0.01,
        epochs=4,
        batch=2,
    )
    np.testing.assert_allclose(found, 3.5 + 0.4 + np.array(USERS) / 100)
    assert len(deepctr.asked) == 1 and len(deepctr.fitted) == 4
    for x, y, batch, verbose in deepctr.fitted:
        np.testing.assert_allclose(y, [1.5, -1.5, 0.5, -0.5])
        assert (batch, verbose) == (2, 0)
        assert x["user_id"].tolist() == [[2], [2], [3], [4]]
    assert deepctr.seeds == [3]
    assert deepctr.compiled == (("Adam", 0.01), "mse")
    assert deepctr.settings == {
        "dnn_hidden_units": (8, 4),
        "task": "regression",
        "dnn_dropout": 0.2,
        "l2_reg_embedding": 0.1,
        "l2_reg_linear": 0.1,
        "seed": 3,
    }


def test_deepctr_by_its_defaults(deepctr):
    rivals.deepctr(job())
    assert len(deepctr.fitted) == 5 and deepctr.fitted[0][2] == 1024
    assert deepctr.settings["dnn_dropout"] == 0
    assert deepctr.settings["l2_reg_embedding"] == 1e-5
    assert deepctr.settings["dnn_hidden_units"] == (256, 128, 64)
    assert deepctr.compiled == (("Adam", 0.001), "mse")
    assert {c.k for c in deepctr.columns[0] if isinstance(c, Sparse)} == {4}


def test_deepctr_watched_answers_after_each_epoch(deepctr):
    found = rivals.deepctr(job(), epochs=3, watch=True)
    expected = 3.5 + np.array([[0.1], [0.2], [0.3]]) + np.array(USERS) / 100
    np.testing.assert_allclose(found, expected)


def test_deepctr_has_the_fields_of_the_course_and_room_for_the_longest_list(deepctr):
    rivals.deepctr(job(), k=3)
    linear, deep = deepctr.columns
    assert (
        linear
        == deep
        == [
            Sparse("user_id", 5, 3),
            Sparse("movie_id", 4, 3),
            Sparse("gender", 4, 3),
            Sparse("age", 5, 3),
            Sparse("occupation", 5, 3),
            VarLen(Sparse("genres", 5, 3), 4, "mean"),
            Dense("year", 1),
        ]
    )
    (asked,), x = deepctr.asked, deepctr.fitted[0][0]
    np.testing.assert_array_equal(
        x["genres"], [[2, 3, 0, 0], [4, 0, 0, 0], [4, 0, 0, 0], [2, 3, 0, 0]]
    )
    np.testing.assert_array_equal(
        asked["genres"], [[2, 3, 0, 0], [4, 0, 0, 0], [2, 3, 4, 2]]
    )
    np.testing.assert_allclose(x["year"][:, 0], [-1, 1, 1, -1])
    np.testing.assert_allclose(asked["year"][:, 0], [-1, 1, 0])


def test_deepctr_starts_where_it_is_told_to(deepctr):
    spec = fields.FieldSpec("a", fields.CATEGORICAL, 9)
    assert rivals.deepctr_columns([spec], {}, 2, "start") == [
        Sparse("a", 9, 2, "start")
    ]


def test_deepctr_has_the_keras_that_it_was_written_for(deepctr, monkeypatch):
    monkeypatch.delenv("TF_CPP_MIN_LOG_LEVEL")
    assert rivals.tensorflow_of_keras_2() is deepctr.tensorflow
    assert os.environ["TF_USE_LEGACY_KERAS"] == "1"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "3"
