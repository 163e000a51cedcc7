"""The best DeepFM of the course: with histories, refitted, and the mean of several."""

from collections.abc import Sequence
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd

from helpers import splits, training
from helpers.fields import CATEGORICAL, MOVIELENS, Categorical, History, Numeric
from helpers.targets import Chosen


class Recipe(NamedTuple):
    """What was chosen on the validation rows of one set.

    For stars by benchmarks/recipes.py, for clicks by benchmarks/clicks.py.

    model: arguments of models.deepfm(); fit: arguments of training.fit()
    members: models of which the ensemble is the mean
    """

    model: dict
    fit: dict
    members: int = 5

    def shorter(self) -> "Recipe":
        """Half of the epochs, to try a notebook out."""
        return self._replace(fit=self.fit | {"epochs": self.fit["epochs"] // 2})


FIT = {"epochs": 6, "batch_size": 1024, "learning_rate": 3e-3, "decay": True}
RECIPES = {
    "ml-100k": Recipe({"k": 32, "units": (32,), "dropout": 0.3, "l2": 0.04}, FIT),
    "ml-1m": Recipe(
        {"k": 32, "units": (64,), "dropout": 0.2, "l2": 0.03},
        FIT | {"batch_size": 8192},
    ),
}

#: The DeepFM of notebook 05: the same fields as its rivals, no histories.
PLAIN_MODEL = {"k": 16, "units": (64, 64), "dropout": 0.5}
PLAIN_FIT = {"epochs": 16, "batch_size": 1024, "learning_rate": 1e-2, "decay": True}
PLAIN = {
    "ml-100k": Recipe(PLAIN_MODEL | {"l2": 0.08}, PLAIN_FIT),
    "ml-1m": Recipe(PLAIN_MODEL | {"l2": 0.05}, PLAIN_FIT | {"batch_size": 4096}),
}

#: What a user liked and did not, and who liked a movie and who did not.
HISTORIES = {
    "liked": History("user_id", "movie_id", "rating", at_least=4),
    "disliked": History("user_id", "movie_id", "rating", below=4),
    "fans": History("movie_id", "user_id", "rating", at_least=4),
    "critics": History("movie_id", "user_id", "rating", below=4),
}
FIELDS = {**MOVIELENS, **HISTORIES}

#: What a user chose and who chose a film: for lists, where stars do not count.
CHOSEN = {
    **MOVIELENS,
    "rated": History("user_id", "movie_id"),
    "raters": History("movie_id", "user_id"),
}

#: The fields of Adult, as notebook 10 arrives at them. An exact amount of money gained
#: or lost is a value of its own, beside its logarithm.
ADULT = {
    "age": Numeric(),
    "workclass": Categorical(missing="value"),
    "education": Categorical(),
    "marital_status": Categorical(),
    "occupation": Categorical(missing="value"),
    "relationship": Categorical(),
    "race": Categorical(),
    "sex": Categorical(),
    "capital_gain": Numeric(log=True),
    "capital_loss": Numeric(log=True),
    "hours_per_week": Numeric(),
    "native_country": Categorical(missing="value"),
    "exact_gain": Categorical("capital_gain"),
    "exact_loss": Categorical("capital_loss"),
}


def chosen(negatives: int) -> Chosen:
    """Lists: so many films are drawn beside each choice, with their own fields."""
    return Chosen("user_id", "movie_id", ["genres", "year"], negatives=negatives)


#: For lists: an FM that tells choices from drawn films. That of ml-100k was chosen on
#: validation rows of splits.mcrec(), that of ml-1m by benchmarks/list_recipes.py.
LISTS_TARGET = {"ml-100k": chosen(8), "ml-1m": chosen(8)}
FM = {"k": 32, "l2": 0.005, "parts": ("first_order", "second_order")}
_FIT = {"epochs": 16, "batch_size": 4096, "learning_rate": 5e-3, "decay": True}
LISTS = {
    "ml-100k": Recipe(FM, _FIT),
    "ml-1m": Recipe(FM | {"k": 128}, _FIT | {"epochs": 6, "learning_rate": 2e-3}, 1),
}

#: The same for clicks: the column "liked" is 1 for 4 or 5 stars, 0 for 1 or 2.
PLAIN_CLICK_FIELDS = {**MOVIELENS, "zip_code": CATEGORICAL}
CLICK_FIELDS = {
    **PLAIN_CLICK_FIELDS,
    "liked_by_user": History("user_id", "movie_id", "liked", at_least=1),
    "disliked_by_user": History("user_id", "movie_id", "liked", below=1),
    "fans": History("movie_id", "user_id", "liked", at_least=1),
    "critics": History("movie_id", "user_id", "liked", below=1),
}
CLICK_FIT = {"epochs": 6, "batch_size": 1024, "learning_rate": 3e-3, "decay": True}
CLICKS = {
    "ml-100k": Recipe(
        {"k": 32, "units": (32,), "dropout": 0.3, "l2": 0.002}, CLICK_FIT
    ),
    "ml-1m": Recipe(
        {"k": 64, "units": (128, 64), "dropout": 0.3, "l2": 0.002},
        {"epochs": 4, "batch_size": 2048, "learning_rate": 2e-3, "decay": True},
    ),
}
PLAIN_CLICK_FIT = {
    "epochs": 8,
    "batch_size": 1024,
    "learning_rate": 5e-3,
    "decay": True,
}
PLAIN_CLICKS = {
    "ml-100k": Recipe(
        {"k": 16, "units": (64, 64), "dropout": 0.5, "l2": 0.003}, PLAIN_CLICK_FIT
    ),
    "ml-1m": Recipe(
        {"k": 32, "units": (256, 128), "dropout": 0.5, "l2": 0.002},
        {"epochs": 10, "batch_size": 4096, "learning_rate": 5e-3, "decay": True},
    ),
}


def split(rows: pd.DataFrame, seed: int, refit: bool = True) -> splits.Split:
    """random_rows() without validation rows: they are trained on.

    Not so with refit=False, where settings are chosen: then the rows to judge by are
    the validation rows, and the test rows are in none of the three.
    """
    train, valid, test = splits.random_rows(rows, seed)
    if refit:
        return splits.Split(pd.concat([train, valid]), valid.iloc[:0], test)
    return splits.Split(train, test.iloc[:0], valid)


def train(data: training.Prepared, recipe: Recipe, seed: int, **changes) -> keras.Model:
    """One model of the recipe on data.train. changes: of its arguments of deepfm()."""
    model = training.build(data, recipe.model | changes, seed)
    training.fit(model, data.train, **recipe.fit, seed=seed)
    return model


def mean_of(predictions: Sequence[np.ndarray]) -> np.ndarray:
    """The ensemble: the mean of the predictions of its members, (n, 1)."""
    return np.mean(predictions, axis=0)
