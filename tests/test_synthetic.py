"""The planted FM: its terms against plain loops over its weights."""

import itertools

import numpy as np
import pandas as pd
import pytest

from helpers import synthetic
from helpers.fields import CATEGORICAL, MULTI, NUMERIC, FieldEncoder

SIZES = {"n": 300, "n_users": 12, "n_movies": 9, "k": 3}


@pytest.fixture(scope="module")
def planted() -> synthetic.Planted:
    return synthetic.planted_fm(**SIZES, seed=1)


def looked_up(planted, field: str, table: dict, row):
    """x times v of the value, the mean over genres, nothing where there is none."""
    if field == "year":
        years = planted.rows.year.to_numpy()
        return (row.year - years.mean()) / years.std() * table["x"]
    if field != "genres":
        return table[getattr(row, field)]
    found = [table[genre] for genre in row.genres]
    return sum(found) / len(found) if found else 0.0 * table["Drama"]


def test_the_terms_add_up_to_the_rating(planted):
    total = planted.terms.first_order + planted.terms.second_order + planted.terms.noise
    np.testing.assert_allclose(planted.rows.rating, total, rtol=1e-12)


def test_the_terms_are_those_of_the_planted_weights_and_vectors(planted):
    for i, row in enumerate(planted.rows.head(50).itertuples()):
        of = [looked_up(planted, f, planted.weights[f], row) for f in synthetic.KINDS]
        assert planted.terms.first_order[i] == pytest.approx(planted.w0 + sum(of))
        of = [looked_up(planted, f, planted.vectors[f], row) for f in synthetic.KINDS]
        pairs = sum(a @ b for a, b in itertools.combinations(of, 2))
        assert planted.terms.second_order[i] == pytest.approx(pairs)


def test_the_first_fifty_rows_show_every_length_of_a_list(planted):
    assert {*planted.rows.genres.head(50).map(len)} == {0, 1, 2, 3}


def test_the_vectors_have_k_numbers_and_weights_are_numbers(planted):
    assert {np.shape(v) for t in planted.vectors.values() for v in t.values()} == {(3,)}
    assert {np.shape(w) for t in planted.weights.values() for w in t.values()} == {()}


def test_the_second_order_is_not_small_beside_the_noise(planted):
    assert planted.terms.second_order.std() > 3 * planted.terms.noise.std()


def test_without_interactions_the_second_order_is_zero():
    none = synthetic.planted_fm(**SIZES, interactions=0)
    assert not none.terms.second_order.any()
    assert none.terms.first_order.std() > 0


def test_without_noise_the_rating_is_the_fm():
    exact = synthetic.planted_fm(**SIZES, noise=0)
    assert not exact.terms.noise.any()


def test_the_noise_has_the_standard_deviation_that_is_asked_for():
    noise = synthetic.planted_fm(**{**SIZES, "n": 4000}, noise=0.5).terms.noise
    assert abs(noise.std() - 0.5) < 0.05
    assert abs(noise.mean()) < 0.05


def test_one_seed_gives_the_same_rows_and_another_seed_others(planted):
    again = synthetic.planted_fm(**SIZES, seed=1)
    pd.testing.assert_frame_equal(again.rows, planted.rows)
    pd.testing.assert_frame_equal(again.terms, planted.terms)
    other = synthetic.planted_fm(**SIZES, seed=2)
    assert (other.rows.rating != planted.rows.rating).any()


def test_a_user_and_a_movie_keep_their_columns(planted):
    rows = planted.rows
    assert rows.groupby("user_id").gender.nunique().max() == 1
    assert rows.groupby("movie_id").year.nunique().max() == 1
    assert rows.groupby("movie_id").genres.nunique().max() == 1


def test_the_rows_are_fields_of_the_three_kinds_and_can_be_encoded(planted):
    assert len(planted.rows) == SIZES["n"]
    assert {*synthetic.KINDS.values()} == {CATEGORICAL, MULTI, NUMERIC}
    x = FieldEncoder(synthetic.KINDS).fit(planted.rows).transform(planted.rows)
    assert {len(values) for values in x.values()} == {SIZES["n"]}


def test_the_rows_of_the_course_have_the_size_and_the_scales_that_are_told():
    """What notebooks 02 and 03 plant: all defaults."""
    planted = synthetic.planted_fm()
    rows, terms = planted.rows, planted.terms
    assert len(rows) == len(terms) == 40_000
    assert sorted(rows.user_id.unique()) == [*range(1, 151)]
    assert sorted(rows.movie_id.unique()) == [*range(1, 101)]
    assert planted.w0 == 3.0
    assert terms.noise.std() == pytest.approx(0.1, rel=0.02)
    assert {np.shape(v) for t in planted.vectors.values() for v in t.values()} == {(2,)}
    pd.testing.assert_frame_equal(rows, synthetic.planted_fm(seed=0).rows)


def test_weights_and_vectors_have_the_scale_that_is_told():
    planted = synthetic.planted_fm(n=10, n_users=4000, interactions=4.0, seed=3)
    weights = np.array([*planted.weights["user_id"].values()])
    vectors = np.array([*planted.vectors["user_id"].values()])
    assert len(weights) == len(vectors) == 4000
    assert abs(weights.mean()) < 0.02 and weights.std() == pytest.approx(0.2, rel=0.05)
    assert abs(vectors.mean()) < 0.05 and vectors.std() == pytest.approx(1.0, rel=0.05)


def test_movies_have_years_of_1930_to_2000_and_up_to_three_genres():
    movies = synthetic.planted_fm(n=20_000, n_movies=2000, seed=1).rows
    assert (movies.year.min(), movies.year.max()) == (1930, 2000)
    assert movies.year.dtype == "float64"
    assert {*movies.genres.map(len)} == {0, 1, 2, 3}
    assert {g for genres in movies.genres for g in genres} == {*synthetic.GENRES}
    assert all(len({*genres}) == len(genres) for genres in movies.genres.unique())
    assert {*movies.gender} == {"F", "M"}
    assert [*movies] == ["user_id", "movie_id", "gender", "genres", "year", "rating"]


def test_every_value_has_a_weight_and_a_vector(planted):
    values = {
        "user_id": [*range(1, 13)],
        "movie_id": [*range(1, 10)],
        "gender": ["F", "M"],
        "genres": ["Action", "Comedy", "Drama", "Horror", "Musical", "Western"],
        "year": ["x"],
    }
    for found in (planted.weights, planted.vectors):
        assert {field: [*table] for field, table in found.items()} == values


# ---- clicks


TRUTH = synthetic.click_truth()
CLICKS = synthetic.clicks(TRUTH, 20_000, seed=1)


def test_clicks_have_the_shape_of_the_criteo_logs():
    assert len(synthetic.NUMBERS) == 13 and len(synthetic.VALUES) == 26
    assert [*CLICKS] == [*synthetic.NUMBERS, *synthetic.VALUES, "click", "log-odds"]
    assert [*synthetic.CLICK_FIELDS] == [*CLICKS][:39]
    assert 0.2 < CLICKS.click.mean() < 0.3 and {*CLICKS.click} == {0, 1}
    for name, size in synthetic.VALUES.items():
        assert 1 <= CLICKS[name].min() and CLICKS[name].max() < size
    assert (CLICKS[synthetic.NUMBERS] >= 0).all(axis=None)


def test_values_come_by_zipfs_law():
    share = CLICKS.C26.value_counts(normalize=True)
    for rank in (1, 2, 4):
        expected = np.log((rank + 1) / rank) / np.log(synthetic.VALUES["C26"])
        assert share[rank] == pytest.approx(expected, rel=0.2)


def test_clicks_are_those_of_the_fm():
    """By the definition, pair by pair, for ten rows."""
    rng = np.random.default_rng([1, 1])
    normal = rng.standard_normal((20_000, 13), "float32")[:10]
    for i in range(10):
        row = CLICKS.iloc[i]
        terms = [x * line for x, line in zip(normal[i], TRUTH.numbers, strict=True)]
        terms += [TRUTH.values[n][int(row[n])] for n in synthetic.VALUES]
        terms = np.array(terms, "float64")
        pairs = sum(
            terms[a, 1:] @ terms[b, 1:] for a in range(39) for b in range(a + 1, 39)
        )
        expected = TRUTH.w0 + terms[:, 0].sum() + pairs
        assert row["log-odds"] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_the_log_odds_say_how_often_rows_are_clicks():
    said = 1 / (1 + np.exp(-CLICKS["log-odds"].to_numpy("float64")))
    for low in (0, 0.25, 0.5, 0.75):
        here = (low <= said) & (said < low + 0.25)
        assert CLICKS.click[here].mean() == pytest.approx(said[here].mean(), abs=0.04)


def test_one_seed_one_table_of_clicks():
    assert synthetic.clicks(TRUTH, 20_000, seed=1).equals(CLICKS)
    assert not synthetic.clicks(TRUTH, 20_000, seed=2).equals(CLICKS)
    same = synthetic.click_truth()
    np.testing.assert_array_equal(same.numbers, TRUTH.numbers)
