"""Top lists against scoring every pair the slow way, and what must not be on them."""

import numpy as np
import pandas as pd
import pytest

from helpers import best, models, recommend, training

USERS = pd.DataFrame({"user_id": [7, 3, 9], "gender": ["F", "M", "F"]})
MOVIES = pd.DataFrame(
    {
        "movie_id": [10, 20, 30, 40, 50],
        "genres": [("Drama",), ("Drama", "War"), (), ("War",), ("Comedy",)],
        "year": [1950.0, 1990.0, np.nan, 1980.0, 1999.0],
    }
)
KINDS = {
    "user_id": "categorical",
    "movie_id": "categorical",
    "gender": "categorical",
    "genres": "multi-categorical",
    "year": "numeric",
}


@pytest.fixture(scope="module")
def trained():
    rows = USERS.merge(MOVIES, how="cross").iloc[[0, 2, 3, 6, 7, 9, 11, 12, 13]]
    rows = rows.assign(rating=[1.0, 5, 4, 3, 2, 5, 4, 1, 3])
    data = training.encode_parts((rows, rows[:0], rows[:0]), KINDS, best.histories())
    model = models.deepfm(data.encoder.specs, k=3, units=(4,), intercept=3.0)
    training.fit(model, data.train, epochs=5, batch_size=4, learning_rate=0.1)
    return rows, data.encoder, model


def slowly(encoder, model, users=USERS) -> pd.DataFrame:
    pairs = users.merge(MOVIES, how="cross")
    pairs["rating"] = model.predict(encoder.transform(pairs), verbose=0)[:, 0]
    pairs = pairs.sort_values("rating", ascending=False, kind="stable")
    return pairs.set_index("user_id").loc[[*users.user_id]].reset_index()


@pytest.mark.parametrize("pairs", [1, 7, 2**18])
@pytest.mark.parametrize("n", [1, 3, 5, 9])
def test_the_list_is_that_of_all_pairs_scored_and_sorted(
    trained, n, pairs, monkeypatch
):
    monkeypatch.setattr(recommend, "PAIRS", pairs)
    _, encoder, model = trained
    found = recommend.top(model, encoder, USERS, MOVIES, n)
    expected = slowly(encoder, model).groupby("user_id", sort=False).head(n)
    np.testing.assert_array_equal(found.user_id, expected.user_id)
    np.testing.assert_array_equal(found.movie_id, expected.movie_id)
    np.testing.assert_allclose(found.rating, expected.rating.clip(1, 5), atol=1e-5)


def test_what_was_seen_is_not_recommended_and_nothing_takes_its_place(trained):
    rows, encoder, model = trained
    unknown = pd.DataFrame({"user_id": [7, 999], "movie_id": [999, 10]})
    seen = pd.concat([rows[["user_id", "movie_id"]], unknown])
    found = recommend.top(model, encoder, USERS, MOVIES, 5, seen)
    pairs = set(zip(found.user_id, found.movie_id, strict=True))
    assert not pairs & set(zip(rows.user_id, rows.movie_id, strict=True))
    assert len(pairs) == len(USERS) * len(MOVIES) - len(rows)


def test_a_stranger_gets_a_list_too(trained):
    _, encoder, model = trained
    stranger = pd.DataFrame({"user_id": [4], "gender": ["F"]})
    found = recommend.top(model, encoder, stranger, MOVIES, 2)
    expected = slowly(encoder, model, stranger).head(2)
    np.testing.assert_array_equal(found.movie_id, expected.movie_id)


@pytest.mark.parametrize(
    ("users", "movies", "n", "says"),
    [
        (USERS[:0], MOVIES, 1, "user_id"),
        (USERS, pd.concat([MOVIES, MOVIES]), 1, "movie_id"),
        (USERS, MOVIES, 0, "n is 0"),
    ],
)
def test_tables_that_make_no_list_are_refused(trained, users, movies, n, says):
    _, encoder, model = trained
    with pytest.raises(ValueError, match=says):
        recommend.top(model, encoder, users, movies, n)
