"""Click models of others, on our splits: logistic regression, myFM, DeepCTR.

Each takes (job, **settings) and gives the probability of a one for the rows of
job.asked, (n,). job.target is Clicks; the clicks of those rows are not in the job.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from benchmarks.rivals import Job, deepctr_columns, one_hot, tensorflow_of_keras_2
from helpers import fields


def base_rate(job: Job) -> np.ndarray:
    """The share of ones in the training rows, for every row."""
    return np.full(len(job.asked), job.target.baseline())


def logistic(job: Job, kinds: Mapping, C: float = 1.0) -> np.ndarray:
    """scikit-learn's logistic regression on one-hot fields. C: its inverse penalty."""
    from sklearn.linear_model import LogisticRegression

    encoder = fields.FieldEncoder(kinds).fit(job.train)
    model = LogisticRegression(C=C, max_iter=1000)
    model.fit(one_hot(encoder, job.train), job.target.actual(job.train))
    return model.predict_proba(one_hot(encoder, job.asked))[:, 1]


def probit(job: Job, kinds: Mapping, rank: int = 10, samples: int = 200) -> np.ndarray:
    """myFM's Bayesian FM with a probit link, one group of variances for each field.

    samples: kept after 20 that are not; the answer is the mean of their probabilities.
    """
    from myfm import MyFMClassifier

    encoder = fields.FieldEncoder(kinds).fit(job.train)
    model = MyFMClassifier(rank=rank, random_seed=job.seed)
    model.fit(
        one_hot(encoder, job.train),
        job.target.actual(job.train),
        n_iter=samples + 20,
        n_kept_samples=samples,
        group_shapes=[spec.size for spec in encoder.specs],
    )
    return model.predict_proba(one_hot(encoder, job.asked))


def deepctr(
    job: Job,
    kinds: Mapping,
    k: int = 16,
    l2: float = 1e-5,
    dropout: float = 0.0,
    epochs: int = 5,
    batch: int = 1024,
    watch: bool = False,
) -> np.ndarray:
    """DeepCTR's DeepFM for clicks: the task for which it was written.

    l2: its l2_reg_embedding and l2_reg_linear. watch: give the probabilities after each
    epoch instead, (epochs, n).
    """
    tf = tensorflow_of_keras_2()
    from deepctr.models import DeepFM

    encoder = fields.FieldEncoder(kinds).fit(job.train)
    both = encoder.transform(pd.concat([job.train, job.asked]))  # lists of one length
    x = {name: array[: len(job.train)] for name, array in both.items()}
    asked = {name: array[len(job.train) :] for name, array in both.items()}
    columns = deepctr_columns(encoder.specs, x, k)
    tf.keras.utils.set_random_seed(job.seed)
    model = DeepFM(
        columns,
        columns,
        dnn_hidden_units=(64, 64),
        task="binary",
        dnn_dropout=dropout,
        l2_reg_embedding=l2,
        l2_reg_linear=l2,
        seed=job.seed,
    )
    model.compile(tf.keras.optimizers.Adam(), loss="binary_crossentropy")
    y, found = job.target.actual(job.train), []
    for epoch in range(1, epochs + 1):
        model.fit(x, y, batch, verbose=0)
        if watch or epoch == epochs:
            found.append(model.predict(asked, 16384, verbose=0)[:, 0])
    return np.array(found) if watch else found[-1]
