"""Recommenders of others, on our splits: Surprise, myFM and DeepCTR.

Each takes (train, test, seed, **settings), DataFrames as MovieLens.joined(), and gives
predictions in stars for the rows of test, (n,). None sees a test rating.
"""

import numpy as np
import pandas as pd
from scipy import sparse

from helpers import fields
from helpers.history import ItemHistory


def surprise(train: pd.DataFrame, test: pd.DataFrame, seed: int, name: str, **settings):
    """An algorithm of Surprise by its name, with its own defaults but for settings."""
    from surprise import Dataset, Reader, prediction_algorithms

    columns = ["user_id", "movie_id", "rating"]
    np.random.seed(seed)  # SVD++ draws from NumPy's global state
    algorithm = getattr(prediction_algorithms, name)
    if name != "BaselineOnly":
        settings["random_state"] = seed
    rows = Dataset.load_from_df(train[columns], Reader(rating_scale=(1, 5)))
    fitted = algorithm(**settings).fit(rows.build_full_trainset())
    pairs = zip(test.user_id, test.movie_id, strict=True)
    return np.array([fitted.predict(user, movie).est for user, movie in pairs])


def myfm(
    train: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    kinds: dict[str, str],
    rank: int = 10,
    samples: int = 200,
    histories: bool = False,
) -> np.ndarray:
    """Bayesian FM by Gibbs sampling, one group of variances for each field.

    kinds: as for FieldEncoder. samples: kept after 20 that are not. histories: further
    blocks, the movies of the user and the users of the movie, each row divided by the
    root of its sum, as in myFM's example of an SVD++ "flipped".
    """
    from myfm import MyFMRegressor, RelationBlock

    encoder = fields.FieldEncoder(kinds).fit(train)
    blocks = [one_hot(encoder, rows) for rows in (train, test)]
    model = MyFMRegressor(rank=rank, random_seed=seed)
    groups = [spec.size for spec in encoder.specs]
    more: tuple[list, list] = ([], [])
    if histories:
        for owner, item in (("user_id", "movie_id"), ("movie_id", "user_id")):
            log = ItemHistory({"rated": (1, 5)}, owner, item).fit(train)
            lists = sparse.csr_matrix(log.specs[0].lists, dtype="float64")
            number = np.diff(lists.indptr)
            lists.data /= np.sqrt(np.repeat(number, number))
            groups.append(lists.shape[1])
            for rows, out in zip((train, test), more, strict=True):
                out.append(RelationBlock(log.transform(rows)["rated"][:, 0], lists))
    model.fit(
        blocks[0],
        train.rating.to_numpy("float64"),
        X_rel=more[0],
        n_iter=samples + 20,
        n_kept_samples=samples,
        group_shapes=groups,
    )
    return model.predict(blocks[1], X_rel=more[1])


def one_hot(encoder: fields.FieldEncoder, rows: pd.DataFrame) -> sparse.csr_matrix:
    """One column an id of each field; the values of a list share one, 1/n each."""
    columns = []
    for spec in encoder.specs:
        ids = encoder.transform(rows)[spec.name]
        line, place = np.nonzero(ids)
        share = 1 / (ids != fields.PADDING).sum(1)[line]
        cells = (share, (line, ids[line, place]))
        columns.append(sparse.csr_matrix(cells, shape=(len(rows), spec.size)))
    return sparse.hstack(columns, format="csr")


def deepctr(
    train: pd.DataFrame,
    test: pd.DataFrame,
    seed: int,
    k: int = 16,
    l2: float = 1e-5,
    dropout: float = 0.0,
    epochs: int = 5,
    batch: int = 1024,
    watch: bool = False,
) -> np.ndarray:
    """DeepCTR's DeepFM for regression, with the fields of the course.

    It was written for Keras 2: TF_USE_LEGACY_KERAS=1 must be set from the start.
    l2: its l2_reg_embedding and l2_reg_linear. watch: give the predictions after each
    epoch instead, (epochs, n).
    """
    import tensorflow as tf
    from deepctr.models import DeepFM

    encoder = fields.FieldEncoder(fields.MOVIELENS, mean_for_missing=["year"])
    x, asked = encoder.fit(train).transform(train), encoder.transform(test)
    columns = deepctr_columns(encoder.specs, k)
    mean = train.rating.mean()  # its constant starts at zero
    tf.keras.utils.set_random_seed(seed)
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=(64, 64),
        task="regression",
        dnn_dropout=dropout,
        l2_reg_embedding=l2,
        l2_reg_linear=l2,
        seed=seed,
    )
    model.compile(tf.keras.optimizers.Adam(), loss="mse")
    found = []
    for _ in range(epochs):
        model.fit(x, train.rating.to_numpy() - mean, batch, verbose=0)
        if watch:
            found.append(model.predict(asked, 16384, verbose=0)[:, 0] + mean)
    if watch:
        return np.array(found)
    return model.predict(asked, 16384, verbose=0)[:, 0] + mean


def deepctr_columns(specs, k: int, initializer=None) -> list:
    """DeepCTR's description of our fields."""
    from deepctr.feature_column import DenseFeat, SparseFeat, VarLenSparseFeat

    start = {"embeddings_initializer": initializer} if initializer else {}
    columns = []
    for s in specs:
        if s.kind == fields.NUMERIC:
            columns.append(DenseFeat(s.name, 1))
            continue
        column = SparseFeat(s.name, s.size, k, **start)
        if s.kind == fields.MULTI:
            column = VarLenSparseFeat(column, maxlen=s.length, combiner="mean")
        columns.append(column)
    return columns
