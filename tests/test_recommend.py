"""Top lists against scoring every pair the slow way, and what must not be on them."""

from dataclasses import dataclass
from decimal import Decimal

import keras
import numpy as np
import pandas as pd
import pytest

from helpers import models, recommend, splits, training
from helpers.fields import CATEGORICAL, Categorical, FieldEncoder, History, Numeric
from helpers.fields import MultiCategorical as Multi
from helpers.targets import Clicks, Stars

rng = np.random.default_rng(0)
USERS = pd.DataFrame(
    {
        "user_id": [7, 3, 9, 12, 4],
        "gender": ["F", "M", "F", "M", "M"],
        "income": rng.normal(40_000, 9_000, 5),
        "tags": [["a"], [], ["a", "b", "c"], ["b"], ["c", "a"]],
    }
)
MOVIES = pd.DataFrame(
    {
        "movie_id": [10, 20, 30, 40, 50, 60, 70],
        "genres": [
            ("Drama",),
            ("Drama", "War"),
            (),
            ("War",),
            ("Comedy",),
            (),
            ("War", "Comedy", "Drama"),
        ],
        "year": [1950.0, 1990.0, np.nan, 1980.0, 1999.0, 1967.5, 2001.25],
    }
)
FIELDS = {
    "user_id": CATEGORICAL,
    "movie_id": CATEGORICAL,
    "gender": CATEGORICAL,
    "income": Numeric(),
    "tags": Multi(),
    "genres": Multi(),
    "year": Numeric(missing="mean"),
    "liked": History("user_id", "movie_id", "rating", at_least=4),
    "fans": History("movie_id", "user_id", "rating", at_least=4),
}
IDS = {"user": "user_id", "item": "movie_id"}


def log() -> pd.DataFrame:
    rows = USERS.merge(MOVIES, how="cross")
    rows = rows[rows.user_id != 4].sample(frac=0.6, random_state=0)
    return rows.assign(rating=rng.integers(1, 6, len(rows)).astype(float))


@pytest.fixture(scope="module")
def trained():
    """(log, encoder, target, model) whose outputs go beyond the limits of the stars."""
    rows = log()
    data = training.prepare(splits.Split(rows, rows[:0], rows[:0]), FIELDS)
    model = models.deepfm(data.encoder.specs, k=3, units=(4,), intercept=4, seed=0)
    models.set_lists(model, data.encoder)
    training.fit(model, data.train, epochs=4, batch_size=5, learning_rate=0.1)
    for weight in model.trainable_weights:
        weight.assign(2 * weight)
    return rows, data.encoder, data.target, model


def slowly(encoder, model, users=USERS) -> pd.DataFrame:
    """Raw outputs of all pairs, best first for each user."""
    pairs = users.merge(MOVIES, how="cross")
    pairs["raw"] = model.predict(encoder.transform(pairs), verbose=0)[:, 0]
    pairs = pairs.sort_values("raw", ascending=False, kind="stable")
    return pairs.set_index("user_id").loc[[*users.user_id]].reset_index()


def pairs_of(found: pd.DataFrame) -> set:
    return set(zip(found.user_id, found.movie_id, strict=True))


@pytest.mark.parametrize("pairs", [1, 15, 2**18])
@pytest.mark.parametrize("n", [1, 3, 7, 9])
def test_the_list_is_that_of_all_pairs_scored_and_sorted(
    trained, n, pairs, monkeypatch
):
    monkeypatch.setattr(recommend, "PAIRS", pairs)  # one, two, and all users at once
    _, encoder, target, model = trained
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, n=n)
    expected = slowly(encoder, model).groupby("user_id", sort=False).head(n)
    assert [*found.columns] == ["user_id", "movie_id", "rating"]
    np.testing.assert_array_equal(found.user_id, expected.user_id)
    np.testing.assert_array_equal(found.movie_id, expected.movie_id)
    np.testing.assert_allclose(found.rating, target.answer(expected.raw), atol=1e-5)


def test_items_are_ranked_by_raw_outputs_where_answers_tie_at_the_limit(trained):
    _, encoder, target, model = trained
    expected = slowly(encoder, model)
    above = expected[expected.raw > 5].groupby("user_id", sort=False).head(7)
    assert above.groupby("user_id").size().max() > 2  # or this test shows nothing
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS)
    assert found.rating.max() == 5.0
    tied = found[found.rating == 5.0]
    np.testing.assert_array_equal(tied.movie_id, above.movie_id)


def test_ten_items_are_listed_unless_told_otherwise(trained):
    _, encoder, target, model = trained
    many = pd.concat([MOVIES.assign(movie_id=MOVIES.movie_id + i) for i in range(2)])
    found = recommend.top([model], encoder, target, USERS, many, **IDS)
    assert found.groupby("user_id").size().tolist() == [10] * 5


def test_what_was_seen_is_not_recommended_and_nothing_takes_its_place(
    trained, monkeypatch
):
    monkeypatch.setattr(recommend, "PAIRS", 15)
    rows, encoder, target, model = trained
    unknown = pd.DataFrame({"user_id": [7, 999], "movie_id": [999, 10]})
    seen = pd.concat([rows[["user_id", "movie_id"]], unknown])
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, seen=seen)
    assert not pairs_of(found) & pairs_of(rows)
    assert len(found) == len(pairs_of(found)) == 5 * 7 - len(rows)
    assert not found.rating.isna().any()


CONTAINERS = {
    "integers of 8 bits": lambda c: c.astype("uint8"),
    "floats": lambda c: c.astype("float64"),
    "floats of 32 bits": lambda c: c.astype("float32"),
    "objects": lambda c: c.astype(object),
    "decimals": lambda c: pd.Series([Decimal(int(v)) for v in c], c.index),
    "categories": lambda c: c.astype("category"),
    "nullable": lambda c: c.astype("Int64"),
}


@pytest.mark.parametrize("container", CONTAINERS)
def test_ids_of_seen_pairs_are_the_same_in_every_container(trained, container):
    rows, encoder, target, model = trained
    seen = rows[["user_id", "movie_id"]].apply(CONTAINERS[container])
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, seen=seen)
    assert not pairs_of(found) & pairs_of(rows)
    tables = (t.assign(**{c: CONTAINERS[container](t[c])}) for t, c in TABLES)
    found = recommend.top(
        [model], encoder, target, *tables, **IDS, seen=rows[["user_id", "movie_id"]]
    )
    assert not pairs_of(found.astype({"user_id": int, "movie_id": int})) & pairs_of(
        rows
    )


TABLES = ((USERS, "user_id"), (MOVIES, "movie_id"))


@pytest.mark.parametrize("column", ["user_id", "movie_id"])
def test_text_is_no_id_where_the_table_has_numbers(trained, column):
    rows, encoder, target, model = trained
    seen = rows.astype({column: str})
    with pytest.raises(
        ValueError, match=f"'{column}' does not hold numbers, as the table with .*text"
    ):
        recommend.top([model], encoder, target, USERS, MOVIES, **IDS, seen=seen)


def test_pairs_without_an_id_and_no_pairs_hide_nothing(trained):
    rows, encoder, target, model = trained
    none = pd.DataFrame({"user_id": [7, None], "movie_id": [None, 10.0]})
    for seen in (none, none[:0], rows[:0], none[:0].astype(object)):
        found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, seen=seen)
        assert len(found) == 5 * 7


def test_who_has_seen_all_gets_no_row(trained):
    _, encoder, target, model = trained
    seen = USERS.merge(MOVIES, how="cross")
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, seen=seen)
    assert len(found) == 0
    assert [*found.columns] == ["user_id", "movie_id", "rating"]


def test_strangers_and_new_items_get_and_are_on_lists_too(trained):
    _, encoder, target, model = trained
    stranger = USERS[:1].assign(user_id=99)
    found = recommend.top([model], encoder, target, stranger, MOVIES, **IDS, n=2)
    expected = slowly(encoder, model, stranger).head(2)
    np.testing.assert_array_equal(found.movie_id, expected.movie_id)
    new = MOVIES.assign(movie_id=MOVIES.movie_id.replace(10, 99))
    found = recommend.top([model], encoder, target, USERS, new, **IDS)
    assert 99 in {*found.movie_id}


def test_ids_come_back_as_the_tables_have_them(trained):
    _, encoder, target, model = trained
    tables = (USERS.astype({"user_id": "float32"}), MOVIES.set_index([[0] * 7]))
    found = recommend.top([model], encoder, target, *tables, **IDS)
    assert {*found.user_id} == {*USERS.user_id}
    assert found.user_id.dtype == "float32"
    assert [*found.index] == [*range(35)]


def test_errors_name_the_rows_of_the_tables(trained):
    _, encoder, target, model = trained
    users = USERS.set_axis([f"u{i}" for i in range(len(USERS))])
    wrong = users.assign(gender=users.gender.where(users.index != "u3"))
    with pytest.raises(ValueError, match=r"'gender' has a missing .* rows \['u3'\]"):
        recommend.top([model], encoder, target, wrong, MOVIES, **IDS)
    movies = MOVIES.set_axis([f"m{i}" for i in range(len(MOVIES))])
    movies["genres"] = [None if i == "m2" else v for i, v in movies.genres.items()]
    with pytest.raises(ValueError, match=r"'genres' has a missing .* rows \['m2'\]"):
        recommend.top([model], encoder, target, users, movies, **IDS)


# several models


def test_of_several_models_the_mean_is_taken(trained):
    _, encoder, target, model = trained
    other = models.deepfm(encoder.specs, k=2, units=(3,), intercept=5, seed=1)
    models.set_lists(other, encoder)
    found = recommend.top([model, other], encoder, target, USERS, MOVIES, **IDS)
    pairs = USERS.merge(MOVIES, how="cross")[["user_id", "movie_id"]]
    x = encoder.transform(USERS.merge(MOVIES, how="cross"))
    raw = np.hstack([m.predict(x, verbose=0) for m in (model, other)])
    pairs["raw"], pairs["answer"] = raw.mean(1), target.answer(raw).mean(1)
    pairs = pairs.sort_values("raw", ascending=False, kind="stable")
    pairs = pairs.set_index("user_id").loc[[*USERS.user_id]].reset_index()
    np.testing.assert_array_equal(found.movie_id, pairs.movie_id)
    np.testing.assert_allclose(found.rating, pairs.answer, atol=1e-5)
    clipped_late = target.answer(pairs.raw.to_numpy())
    assert np.abs(found.rating - clipped_late).max() > 0.01  # or nothing is shown


def test_answers_are_probabilities_where_clicks_are_predicted(trained):
    rows, encoder, _, model = trained
    target = Clicks("bought").fit(rows.assign(bought=rows.rating > 3))
    found = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, n=2)
    expected = slowly(encoder, model).groupby("user_id", sort=False).head(2)
    np.testing.assert_allclose(found.bought, 1 / (1 + np.exp(-expected.raw)), 1e-5)


# what is refused


@dataclass
class Crossed(Categorical):
    """A field of user and movie together."""

    def columns(self, name):
        return ["user_id", "movie_id"]

    def observe(self, name, rows):
        super().observe(name, self.crossed(rows))

    def encode(self, name, rows):
        return super().encode(name, self.crossed(rows))

    def crossed(self, rows):
        both = (rows.user_id * 1000 + rows.movie_id).rename("user_id")
        return both.to_frame()


def test_a_field_that_depends_on_the_pair_is_refused():
    encoder = FieldEncoder({"both": Crossed("user_id")})
    encoder.fit(USERS.merge(MOVIES, how="cross"))
    model = models.deepfm(encoder.specs, k=2, units=(3,))
    target = Stars(low=1, high=5).fit(pd.DataFrame({"rating": [1.0, 5.0]}))
    with pytest.raises(ValueError, match="'both' depends on the pair"):
        recommend.top([model], encoder, target, USERS, MOVIES, **IDS)


@pytest.mark.parametrize(
    ("users", "movies", "says"),
    [
        (USERS[:0], MOVIES, "no rows with a 'user_id'"),
        (USERS, MOVIES[:0], "no rows with a 'movie_id'"),
        (
            USERS,
            pd.concat([MOVIES, MOVIES[2:4]]).set_axis([*"abcdefghi"]),
            r"'movie_id' has a value of a row before in 2 of 9 rows, the first 30, in "
            r"rows \['h', 'i'\]",
        ),
        (
            USERS.assign(user_id=[7, 7.0, 9, 12, 4]),
            MOVIES,
            r"'user_id' has a value of a row before in 1 of 5 .* in rows \[1\]",
        ),
        (
            USERS.assign(user_id=[7, None, 9, 12, 4]),
            MOVIES,
            r"'user_id' has a missing value in 1 of 5 rows.*\[1\]",
        ),
        (USERS, MOVIES.drop(columns="movie_id"), r"missing: \['movie_id'\]"),
        (USERS.drop(columns="gender"), MOVIES, r"missing: \['gender'\]"),
        (USERS, MOVIES.assign(gender="F"), r"in both tables: \['gender'\]"),
        (USERS.assign(year=1.0), MOVIES, r"in both tables: \['year'\]"),
        (USERS.assign(movie_id=10), MOVIES, r"in both tables: \['movie_id'\]"),
        (USERS.to_dict(), MOVIES, "Rows are a DataFrame, not a dict"),
    ],
)
def test_tables_that_make_no_list_are_refused(trained, users, movies, says):
    _, encoder, target, model = trained
    with pytest.raises(ValueError, match=says):
        recommend.top([model], encoder, target, users, movies, **IDS)


def test_columns_that_no_field_reads_may_be_in_both_tables(trained):
    _, encoder, target, model = trained
    tables = (USERS.assign(note=1), MOVIES.assign(note=2))
    found = recommend.top([model], encoder, target, *tables, **IDS, n=1)
    expected = recommend.top([model], encoder, target, USERS, MOVIES, **IDS, n=1)
    pd.testing.assert_frame_equal(found, expected)


@pytest.mark.parametrize("n", [0, -1, 0.5])
def test_a_list_has_one_item_at_least(trained, n):
    _, encoder, target, model = trained
    with pytest.raises(ValueError, match=f"n is {n}"):
        recommend.top([model], encoder, target, USERS, MOVIES, **IDS, n=n)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_model_that_gives_no_finite_number_is_refused(trained, value):
    _, encoder, target, model = trained
    broken = keras.models.clone_model(model)
    broken.set_weights(model.get_weights())
    table = broken.get_layer("weight_movie_id").embeddings
    weights = np.array(table)
    weights[3] = value  # of one movie
    table.assign(weights)
    with pytest.raises(ValueError, match="gives NaN: its training diverged"):
        recommend.top([model, broken], encoder, target, USERS, MOVIES, **IDS)


def test_a_model_of_another_encoder_is_refused(trained):
    rows, _, target, model = trained
    others = rows.assign(movie_id=rows.movie_id + 1)
    other = FieldEncoder(FIELDS).fit(others)
    assert [s.size for s in other.specs] == [s.size for s in trained[1].specs]
    with pytest.raises(ValueError, match="same ids mean other values"):
        recommend.top([model], other, target, USERS, MOVIES, **IDS)


def test_a_model_of_smaller_tables_is_refused(trained):
    rows, encoder, target, _ = trained
    fewer = FieldEncoder(FIELDS).fit(rows[rows.movie_id < 60])
    model = models.set_lists(models.deepfm(fewer.specs, k=2, units=(3,)), fewer)
    model.lists_fingerprint = None  # as a file of Keras leaves it
    with pytest.raises(ValueError, match="has ids from .* knows 0 to"):
        recommend.top([model], encoder, target, USERS, MOVIES, **IDS)
