"""Lists that leave out their own row tell its label. Does a cure lower the error?

    python -m benchmarks.leave_one_out [ml-100k|ml-1m] [--anew]

The list of likes is one shorter in the training rows that were liked: see
history.History. A model may learn that from training rows, and test rows do not have
it. Each cure changes the lists of training rows alone:

    folds     a list has no row of its own tenth of the training rows
    others    where the row's own item is not on the list, a random other is left out
    dropout   this share of the entries is left out, drawn anew for each batch, and
              the rest are scaled up

All have best.RECIPES. They train on the training rows of one split and are scored on
its validation rows; test rows take no part. A trial is one seed with all cures, and is
kept as soon as it is done: see trials.
"""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from unittest import mock

import keras
import numpy as np
import pandas as pd
from keras import ops

from benchmarks import results, trials
from helpers import best, comparisons, datasets, models, training
from helpers.history import History
from helpers.history_layers import HistorySum

SPLIT_SEED = 0
SEEDS = {"ml-100k": [0, 1, 2], "ml-1m": [0, 1, 2]}
FOLDS = 10
NONE = "none"
CURES = (NONE, "folds", "others", "dropout 0.2", "dropout 0.5")


class Thinned(HistorySum):
    """In training some of each list's entries are left out, the rest scaled up.

    Inputs and output: as of HistorySum. Rows that share a list share what it has left.
    """

    share = 0.0

    def build(self, input_shape):
        """The weights of HistorySum, and a dropout that has none."""
        super().build(input_shape)
        self.thin = keras.layers.Dropout(self.share, seed=SPLIT_SEED)

    def call(self, inputs, training=False):
        """The sum over what is left, without the row's own item where that is left."""
        lists, place, item, _, number = inputs
        lists = self.thin(lists, training=training)
        cells = ops.reshape(lists, (-1, 1))
        own = ops.take(cells, place * ops.shape(lists)[1] + item, axis=0)
        return super().call([lists, place, item, own, number])


def attempt(dataset: str, seed: int) -> dict[str, float]:
    """Validation RMSE with each cure, of models that start from this seed."""
    split = best.split(datasets.load(dataset).joined(), SPLIT_SEED, refit=False)
    data = training.prepare(split, best.FIELDS)  # its test rows are the validation rows
    return {cure: score(data, best.RECIPES[dataset], cure, seed) for cure in CURES}


def score(data: training.Prepared, recipe: best.Recipe, cure: str, seed: int) -> float:
    """RMSE on data.test of one model, trained on data.train with one of CURES."""
    if cure == "folds":
        model, train = with_folds(data, recipe, seed)
    else:
        with models_with(cure):
            model = training.build(data, recipe.model, seed)
        train = data.train
        if cure == "others":
            train = train._replace(x=with_others(train.x, data.encoder.histories))
    training.fit(model, train, **recipe.fit, seed=seed)
    return training.evaluate(model, data.test)["RMSE"]


def models_with(cure: str):
    """A context in which models.deepfm() has the layers of this cure."""
    if not cure.startswith("dropout"):
        return nullcontext()
    layer = type("Thinned", (Thinned,), {"share": float(cure.split()[1])})
    return mock.patch.object(models, "HistorySum", layer)


def with_others(
    x: Mapping[str, np.ndarray], histories: Mapping[str, History]
) -> dict[str, np.ndarray]:
    """Encoded rows from whose lists one item is missing, whatever the label.

    Where the row's own item is on the list it is that one, else a random one.
    """
    x, rng = dict(x), np.random.default_rng(SPLIT_SEED)
    for name, history in histories.items():
        owner, item = x[name].T
        listed = history.table()[owner, item] == 1
        start = np.append(0, history.starts_)[owner]  # owner 0 has no list
        number = np.append(0, np.diff(history.starts_))[owner]
        drawn = start + (rng.random(len(owner)) * number).astype(int)
        other = np.append(history.entries_, 0)[drawn]
        left_out = np.where(listed | (number == 0), item, other)
        x[name] = np.column_stack([owner, left_out]).astype("int32")
    return x


def with_folds(data: training.Prepared, recipe: best.Recipe, seed: int) -> tuple:
    """A model whose tables have the whole lists and, below them, those of each fold.

    ->  the model, and training rows that ask for the lists of their fold
    """
    fold = np.random.default_rng(SPLIT_SEED).integers(FOLDS, size=len(data.train.y))
    x, tables = dict(data.train.x), {}
    for name, history in data.encoder.histories.items():
        tables[name], x[name] = folded(history.table(), x[name], fold)
    specs = [
        replace(s, owners=len(tables[s.name])) if s.owners else s
        for s in data.encoder.specs
    ]
    model = models.deepfm(
        specs, **recipe.model, intercept=data.target.intercept, seed=seed
    )
    for name, table in tables.items():
        layer = model.get_layer(f"{models.layer_name(name)}.lists")
        layer.lists.assign(table)
    return model, training.Encoded(x, data.train.y, data.target)


def folded(table: np.ndarray, ids: np.ndarray, fold: np.ndarray) -> tuple:
    """table (owners, items) and below it, for each fold, the same without its rows.

    ids (n, 2): owner and item of each training row; fold (n,): its fold, from 0
    ->  ((FOLDS + 1) * owners, items), and ids whose owner is that of the row's fold
    """
    stacked = np.tile(table, (FOLDS + 1, 1))
    owner = ids[:, 0] + (fold + 1) * len(table)
    stacked[owner, ids[:, 1]] = 0
    return stacked, np.column_stack([owner, ids[:, 1]]).astype(ids.dtype)


def main(dataset: str = "ml-100k") -> None:
    """Try the cures, keep what they gave, print how each compares with none."""
    if dataset not in SEEDS:
        raise SystemExit(f"Unknown: {dataset}. Sets: {[*SEEDS]}.")
    seeds = SEEDS[dataset]
    alone = trials.Trials("leave_one_out", dataset, len(seeds)).alone
    runs = [alone(attempt, dataset, seed) for seed in seeds]
    figures = {cure: [run[cure] for run in runs] for cure in CURES}
    out = results.write("leave_one_out", dataset, figures, seeds=seeds)
    print(pd.DataFrame(figures).mean().round(4).to_string())
    print(against_none(figures).round(4).to_string())
    print(out)


def against_none(figures: dict[str, list[float]]) -> pd.DataFrame:
    """comparisons.compare() of each cure with none, seeds on one split."""
    return comparisons.compare(
        figures,
        [(cure, NONE) for cure in figures if cure != NONE],
        test_to_train=comparisons.SEEDS_ON_ONE_SPLIT,
    )


if __name__ == "__main__":
    main(*trials.words())
