"""Recommenders of others, on our splits: Surprise, myFM and DeepCTR.

Each takes (job, **settings) and gives predictions in stars for the rows of job.asked,
(n,). The ratings of those rows are not in the job, so none can see them.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import sparse

from helpers import fields
from helpers.targets import Target

USER, ITEM = "user_id", "movie_id"


class Job(NamedTuple):
    """All that a contender gets.

    dataset: its name; train: rows as of MovieLens.joined()
    asked: rows to predict, without the column of the target
    target: that has learned from train
    """

    dataset: str
    train: pd.DataFrame
    asked: pd.DataFrame
    target: Target
    seed: int


def surprise(job: Job, name: str, **settings) -> np.ndarray:
    """An algorithm of Surprise by its name, with its own defaults but for settings."""
    from surprise import Dataset, Reader, prediction_algorithms

    np.random.seed(job.seed)  # SVD++ draws from NumPy's global state
    if name != "BaselineOnly":  # which draws nothing
        settings["random_state"] = job.seed
    algorithm = getattr(prediction_algorithms, name)(**settings)
    scale = Reader(rating_scale=(job.target.low_, job.target.high_))
    table = job.train[[USER, ITEM, job.target.column]]
    fitted = algorithm.fit(Dataset.load_from_df(table, scale).build_full_trainset())
    pairs = zip(job.asked[USER], job.asked[ITEM], strict=True)
    return np.array([fitted.predict(user, item).est for user, item in pairs])


def myfm(
    job: Job,
    kinds: dict[str, str],
    rank: int = 10,
    samples: int = 200,
    histories: bool = False,
) -> np.ndarray:
    """Bayesian FM by Gibbs sampling, one group of variances for each field.

    kinds: fields, as for FieldEncoder. samples: kept after 20 that are not. histories:
    further blocks, the movies of the user and the users of the movie, each row divided
    by the root of its sum, as in myFM's example of an SVD++ "flipped".
    """
    from myfm import MyFMRegressor, RelationBlock

    encoder = fields.FieldEncoder(kinds).fit(job.train)
    train, asked = (one_hot(encoder, rows) for rows in (job.train, job.asked))
    groups = [spec.size for spec in encoder.specs]
    of_train, of_asked = [], []
    if histories:
        for owner, item in ((USER, ITEM), (ITEM, USER)):
            log = fields.FieldEncoder({owner: fields.History(owner, item)})
            lists = over_root(log.fit(job.train)[owner].table())
            groups.append(lists.shape[1])
            for rows, out in ((job.train, of_train), (job.asked, of_asked)):
                out.append(RelationBlock(log.transform(rows)[owner][:, 0], lists))
    model = MyFMRegressor(rank=rank, random_seed=job.seed)
    model.fit(
        train,
        job.target.actual(job.train),
        X_rel=of_train,
        n_iter=samples + 20,
        n_kept_samples=samples,
        group_shapes=groups,
    )
    return model.predict(asked, X_rel=of_asked)


def over_root(table: np.ndarray) -> sparse.csr_matrix:
    """Lists of zeros and ones, each over the root of its sum."""
    lists = sparse.csr_matrix(table, dtype="float64")
    number = np.diff(lists.indptr)
    lists.data /= np.sqrt(np.repeat(number, number))
    return lists


def one_hot(encoder: fields.FieldEncoder, rows: pd.DataFrame) -> sparse.csr_matrix:
    """One column an id of each field; the values of a list share one, 1/n each."""
    x, columns = encoder.transform(rows), []
    for spec in encoder.specs:
        ids = x[spec.name]
        there = ids != fields.PADDING
        line, place = np.nonzero(there)
        share = 1 / there.sum(1)[line]
        cells = (share, (line, ids[line, place]))
        columns.append(sparse.csr_matrix(cells, shape=(len(rows), spec.size)))
    return sparse.hstack(columns, format="csr")


def deepctr(
    job: Job,
    k: int = 4,
    units: Sequence[int] = (256, 128, 64),
    l2: float = 1e-5,
    dropout: float = 0.0,
    learning_rate: float = 1e-3,
    epochs: int = 5,
    batch: int = 1024,
    watch: bool = False,
) -> np.ndarray:
    """DeepCTR's DeepFM for regression, with the fields of the course.

    units: of its hidden layers. l2: its l2_reg_embedding and l2_reg_linear. watch: give
    the predictions after each epoch instead, (epochs, n).
    """
    tf = tensorflow_of_keras_2()
    from deepctr.models import DeepFM

    encoder = fields.FieldEncoder(fields.MOVIELENS).fit(job.train)
    both = encoder.transform(pd.concat([job.train, job.asked]))  # lists of one length
    x = {name: array[: len(job.train)] for name, array in both.items()}
    asked = {name: array[len(job.train) :] for name, array in both.items()}
    columns = deepctr_columns(encoder.specs, x, k)
    mean = job.target.intercept  # its constant starts at zero
    y = job.target.encode(job.train)[:, 0] - mean
    tf.keras.utils.set_random_seed(job.seed)
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=tuple(units),
        task="regression",
        dnn_dropout=dropout,
        l2_reg_embedding=l2,
        l2_reg_linear=l2,
        seed=job.seed,
    )
    model.compile(tf.keras.optimizers.Adam(learning_rate), loss="mse")
    found = []
    for epoch in range(1, epochs + 1):
        model.fit(x, y, batch, verbose=0)
        if watch or epoch == epochs:
            found.append(model.predict(asked, 16384, verbose=0)[:, 0] + mean)
    return np.array(found) if watch else found[-1]


def tensorflow_of_keras_2():
    """TensorFlow with tf-keras, for which DeepCTR was written.

    Nothing in the process may have imported TensorFlow before.
    """
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow

    return tensorflow


def deepctr_columns(specs, x: dict[str, np.ndarray], k: int, initializer=None) -> list:
    """DeepCTR's description of our fields. x: encoded rows, for the length of lists."""
    from deepctr.feature_column import DenseFeat, SparseFeat, VarLenSparseFeat

    start = {"embeddings_initializer": initializer} if initializer else {}
    columns = []
    for s in specs:
        if s.kind == fields.NUMERIC:
            columns.append(DenseFeat(s.name, 1))
            continue
        column = SparseFeat(s.name, s.size, k, **start)
        if s.kind == fields.MULTI:
            length = x[s.name].shape[1]
            column = VarLenSparseFeat(column, maxlen=length, combiner="mean")
        columns.append(column)
    return columns
