"""Plants known bugs in the helpers, one at a time: a check of the course must fail.

A bug is a piece of a helper's source and what a tired author would have written. The
code cells of a notebook's Setup and of the sections named are run in this process, on
ml-100k. Without the bug they pass; with it a check, and nothing else, stops the last of
them. Those before the last are run once for all bugs, without any.
"""

import copy
import inspect
import re
import sys
import textwrap
from contextlib import nullcontext
from functools import cache
from typing import Any, NamedTuple

import keras
import numpy as np
import pandas as pd
import pytest
from sections import as_a_reader, cells_of

from helpers import (
    best,
    checks,
    columns,
    comparisons,
    contest,
    datasets,
    explain,
    explorer,
    feeding,
    fields,
    history_layers,
    kinds,
    layers,
    models,
    moments,
    optimizers,
    parquet,
    predictor,
    probabilities,
    ranking,
    recommend,
    repair,
    sampling,
    serve,
    shapley,
    splits,
    suggest,
    targets,
    terms,
    training,
    vocabulary,
)


class Bug(NamedTuple):
    """In owner.name, `right` becomes `wrong`: the last of the sections notices."""

    says: str
    owner: Any
    name: str
    right: str
    wrong: str
    sections: tuple[str, ...]


# A notebook, and the sections of it that are run.
JOINED = ("01", "One row a rating")
SPLIT = (*JOINED, "Split first")
BUILT = (
    *SPLIT,
    "Tokens become ids",
    "Lists of values",
    "Numbers",
    "One encoder for all",
)
FORMS = (*SPLIT, "Numbers in other forms")
RARE = (*SPLIT, "Rare, missing and too many")
WAY = (*BUILT, "The way of the data")
MEAN = ("02", "Input layers", "The mean of a list")
STACK = (*MEAN, "One intercept, and no bias on a number", "The layer stack")
PAIRS = ("03", "A weight for every pair", "From a loop to a layer")
ROWS = (*PAIRS, "A row for every field")
NOTHING = (*PAIRS, "What must not interact")
MLP = ("04", "One row of numbers")
SHARED = (*MLP, "One set of embeddings")
LOOP = (*MLP, "A training loop")
KERAS = (*LOOP, "The same with Keras")
LINEAR = ("04", "The last layer is linear")
THREE = ("05", "Three parts, one sum")
TRAINED = (*THREE, "Training")
CONTRIBUTIONS = (*THREE, "What each part contributes")
SHOWN = ("05", "When is a difference shown?")
CLICKS = ("05", "Another target")
STRIPS = ("06", "Three splits")
OVERLAP = ("06", "Splits that share their rows")
LIKED = ("06", "What a user has rated")
CHOOSING = ("06", "Rows to choose on")
YES_NO = ("07", "From stars to yes and no")
ORDER = (*YES_NO, "AUC")
RIGHT = (*ORDER, "Are the probabilities right?")
MENDED = (*RIGHT, "Mending")
THINNED = (*ORDER, "When zeros are left out")
METRIC = ("08", "A metric by hand")
TABLE = ("08", "A published table")
SAMPLED = (*TABLE, "What was chosen against what was not")
OWN_LIST = (*SAMPLED, "Histories")
OWN_LOG = (*TABLE, "A log of your own")
SUM = ("09", "A prediction", "First and second order are a sum already")
SHARED_OUT = (*SUM, "The deep part: who adds what?")
FROM_MEAN = (*SHARED_OUT, "From the mean to the prediction")
VALUES = (*SHARED_OUT, "Down to a single value")
VARIANCE = (*SHARED_OUT, "Which terms carry the predictions")
PANEL = (*SHARED_OUT, "Play with it")
TEN_LINES = ("10", "Ten lines")
STRANGE = (*TEN_LINES, "What is in the table?")
MISSING = (*STRANGE, "A number that is missing")
CONTEST = (*STRANGE, "An honest contest")
OUT = (*STRANGE, "Out of the notebook")
STREAM = ("11", "Learning from a stream")
FILES = ("11", "Rows in files")
PIECES = (*FILES, "An order without all rows")

BUGS = (
    Bug(
        "the join changes the order of the ratings",
        datasets.MovieLens,
        "joined",
        "self.ratings.join(",
        "self.ratings.sort_values('movie_id').join(",
        JOINED,
    ),
    Bug(
        "validation and test rows are taken from the ends of the file",
        splits,
        "random_rows",
        "np.random.default_rng(seed).permutation(n)",
        "np.arange(n)",
        SPLIT,
    ),
    Bug(
        "training rows are also test rows",
        splits,
        "random_rows",
        "rows.iloc[train], ",
        "rows, ",
        SPLIT,
    ),
    Bug(
        "the encoder learns from all rows, test rows included",
        training,
        "prepare",
        "encoder.fit(train)",
        "encoder.fit(pd.concat(split))",
        WAY,
    ),
    Bug(
        "an unseen value gets id 0, the padding",
        vocabulary,
        "ids",
        "vocabulary.get(v, UNKNOWN)",
        "vocabulary.get(v, PADDING)",
        ("01", "Rows that do not fit"),
    ),
    Bug(
        "lists are cut at their front",
        kinds.MultiCategorical,
        "_list",
        "found[: self.longest]",
        "found[-3:]",
        BUILT,
    ),
    Bug(
        "rare genres are dropped from the vocabulary",
        kinds._Coded,
        "finish",
        "vocabulary.known(seen, self.min_count)",
        "vocabulary.known(seen, self.min_count)[:14]",
        BUILT,
    ),
    Bug(
        "a missing number counts as zero, not as the mean",
        kinds.Numeric,
        "encode",
        "np.float32(0)",
        "np.float32(-self.mean_ / self.scale_)",
        ("01", "Rows that do not fit"),
    ),
    Bug(
        "a number is not scaled",
        kinds.Numeric,
        "_scale",
        "self._moments.scale",
        "1.0",
        BUILT,
    ),
    Bug(
        "the logarithm is taken in training and forgotten afterwards",
        kinds.Numeric,
        "encode",
        "x = self._numbers(column)",
        "x = values.numbers(column, self.dates)",
        FORMS,
    ),
    Bug(
        "a rare value is not unknown",
        vocabulary,
        "known",
        "count >= min_count",
        "count >= 1",
        RARE,
    ),
    Bug(
        "a hash differs between processes",
        vocabulary.Hashed,
        "get",
        'int.from_bytes(digest.digest(), "little")',
        "hash(text)",
        RARE,
    ),
    Bug(
        "padding counts in the mean",
        layers.MaskedMean,
        "call",
        "ops.sum(present, axis=1, keepdims=True)",
        "float(ids.shape[1])",
        MEAN,
    ),
    Bug(
        "a list without values gives NaN",
        layers.MaskedMean,
        "call",
        "ops.maximum(ops.sum(present, axis=1, keepdims=True), 1)",
        "ops.sum(present, axis=1, keepdims=True)",
        MEAN,
    ),
    Bug(
        "the padding has a row that interacts",
        layers.MaskedMean,
        "call",
        "embeddings * present",
        "embeddings",
        NOTHING,
    ),
    Bug(
        "a number enters with a bias",
        models,
        "_row_of_number",
        "use_bias=False",
        "use_bias=True",
        STACK,
    ),
    Bug(
        "the first order has no intercept",
        layers.SumWithIntercept,
        "call",
        " + self.w0",
        "",
        STACK,
    ),
    Bug(
        "pairs are counted twice",
        layers.PairwiseInteractions,
        "call",
        "0.5 * ",
        "",
        PAIRS,
    ),
    Bug(
        "values meet themselves",
        layers.PairwiseInteractions,
        "call",
        "square_of_sum - sum_of_squares",
        "square_of_sum",
        PAIRS,
    ),
    Bug(
        "pairs are summed over the batch",
        layers.PairwiseInteractions,
        "call",
        "axis=1, keepdims=True)",
        "keepdims=True) * ops.ones_like(inputs[:, 0, :1])",
        PAIRS,
    ),
    Bug(
        "a batch pays for all its rows, not for the mean of them",
        layers.FieldRows,
        "call",
        " / batch",
        "",
        ROWS,
    ),
    Bug(
        "the deep part's output is a ReLU",
        models,
        "deep_part",
        '        "deep",',
        '        "deep", activation="relu",',
        MLP,
    ),
    Bug(
        "hidden layers are linear",
        models,
        "deep_part",
        ', activation="relu"',
        "",
        MLP,
    ),
    Bug(
        "the deep part has embeddings of its own",
        models,
        "deepfm",
        "deep_part(embeddings",
        "deep_part(embed(x, specs, k, name='own')",
        SHARED,
    ),
    Bug(
        "Adam's mean of gradients starts at zero and is not corrected",
        optimizers.Adam,
        "_numbers",
        '"beta1_power": beta1**step',
        '"beta1_power": 0.0 * step',
        LOOP,
    ),
    Bug(
        "every epoch has the batches of the first",
        feeding.Batches,
        "begin",
        "self.seed, epoch)",
        "self.seed, 0)",
        LOOP,
    ),
    Bug(
        "an epoch ends before its last, smaller batch",
        feeding.Batches,
        "__len__",
        "-(-self.rows // self.size)",
        "self.rows // self.size",
        LOOP,
    ),
    Bug(
        "the rate does not fall",
        training,
        "rate_of",
        "if steps is None:",
        "if True:",
        KERAS,
    ),
    Bug(
        "answers are not clipped to the rating scale",
        targets.Stars,
        "answer",
        'np.clip(np.asarray(raw, "float64"), self.low_, self.high_)',
        'np.asarray(raw, "float64")',
        LINEAR,
    ),
    Bug(
        "the weights of the last epoch are kept, not those of the best",
        training,
        "_best_weights",
        "restore_best_weights=True",
        "restore_best_weights=False",
        TRAINED,
    ),
    Bug(
        "the checkpoint holds the last epoch, not the best",
        training,
        "_best_weights",
        "save_best_only=True",
        "save_best_only=False",
        TRAINED,
    ),
    Bug(
        "the movie of a row is in its own history",
        history_layers.HistorySum,
        "call",
        "(whole - own)",
        "whole",
        LIKED,
    ),
    Bug(
        "training validates on the last tenth of its own rows",
        training,
        "fit",
        "_Scores(target, valid)",
        "_Scores(\n"
        "    target,\n"
        "    Encoded(\n"
        "        {n: a[-len(a) // 10 :] for n, a in train.x.items()},\n"
        "        train.y[-len(train.y) // 10 :],\n"
        "        target,\n"
        "    ),\n"
        ")",
        CHOOSING,
    ),
    Bug(
        "settings are compared on test rows",
        best,
        "split",
        "splits.Split(train, test.iloc[:0], valid)",
        "splits.Split(train, valid.iloc[:0], test)",
        CHOOSING,
    ),
    Bug(
        "a list leaves out its lower limit",
        fields.History,
        "_listed",
        "(low <= x)",
        "(low < x)",
        LIKED,
    ),
    Bug(
        "the lists of newcomers are put into the old predictor",
        fields.History,
        "with_log",
        "other = self.fresh()",
        "other = self",
        LIKED,
    ),
    Bug(
        "an answer is applied twice",
        predictor.Predictor,
        "_answers",
        "training.predict(m, x, self.target)",
        "self.target.answer(training.predict(m, x, self.target))",
        CLICKS,
    ),
    Bug(
        "the log-odds are scored as if they were the answer",
        targets.Clicks,
        "answer",
        "probability(raw)",
        "np.clip(raw, 0.01, 0.99)",
        CLICKS,
    ),
    Bug(
        "the standard deviation has n in its denominator",
        comparisons,
        "compare",
        "ddof=1",
        "ddof=0",
        SHOWN,
    ),
    Bug(
        "each comparison is judged as if it were the only one",
        comparisons,
        "holm",
        "np.arange(len(p), 0, -1) * p[order]",
        "p[order]",
        SHOWN,
    ),
    Bug(
        "where no difference is shown, none is said to be there",
        comparisons,
        "compare",
        "stats.t.sf((delta - mean.abs()) / se, n - 1)",
        "1 - p",
        SHOWN,
    ),
    Bug(
        "half of a user's rows are in none of the three",
        splits,
        "unseen_users",
        "np.isin(code, tenth) for",
        "np.isin(code, tenth) & (np.arange(len(code)) % 2 == 0) for",
        STRIPS,
    ),
    Bug(
        "a border in time lies some rows too early",
        splits,
        "later_ratings",
        "in_order[n - tenths * (n // 10) - 1] for",
        "in_order[n - tenths * (n // 10) - 9] for",
        STRIPS,
    ),
    Bug(
        "splits that share rows are taken for independent",
        comparisons,
        "compare",
        "1 / n + test_to_train",
        "1 / n",
        OVERLAP,
    ),
    Bug(
        "a model of clicks starts at the log-odds of the zeros",
        targets.Target,
        "_learn",
        "moments.mean",
        "1 - moments.mean",
        YES_NO,
    ),
    Bug(
        "the sigmoid is taken twice",
        training,
        "predict",
        "target.answer(raw_output(model, x))",
        "target.answer(target.answer(raw_output(model, x)))",
        ORDER,
    ),
    Bug(
        "a tie counts as won",
        probabilities,
        "auc",
        "stats.rankdata(score)",
        'stats.rankdata(score, method="max")',
        ORDER,
    ),
    Bug(
        "a tie inside a user counts as won",
        probabilities,
        "auc_within",
        'each["score"].rank()',
        'each["score"].rank(method="max")',
        ORDER,
    ),
    Bug(
        "the gaps of groups make up for each other",
        targets,
        "calibration_error",
        "np.abs(gaps).sum()",
        "abs(gaps.sum())",
        RIGHT,
    ),
    Bug(
        "the temperature is fitted on test rows",
        repair,
        "temperature",
        "_judged(model, data.valid)",
        "_judged(model, data.test)",
        MENDED,
    ),
    Bug(
        "isotonic steps are fitted on test rows",
        repair,
        "isotonic",
        "_judged(model, data.valid)",
        "_judged(model, data.test)",
        MENDED,
    ),
    Bug(
        "the correction of left-out zeros is inverted",
        probabilities,
        "undo_sampling",
        "return p / (p + (1 - p) / kept)",
        "return p / (p + (1 - p) * kept)",
        THINNED,
    ),
    Bug(
        "an explanation counts each pair twice",
        terms,
        "fm_terms",
        "np.triu(e @ e.transpose(0, 2, 1), 1)",
        "e @ e.transpose(0, 2, 1) * (1 - np.eye(e.shape[1]))",
        SUM,
    ),
    Bug(
        "an explanation divides a list by the length of the longest",
        terms,
        "_features",
        "1 / there.sum(axis=1)[row]",
        "np.ones(len(row)) / there.shape[1]",
        SUM,
    ),
    Bug(
        "all coalitions weigh the same",
        shapley,
        "exact",
        "factorial(s) * factorial(p - s - 1) / factorial(p)",
        "1 / 2 ** (p - 1)",
        SHARED_OUT,
    ),
    Bug(
        "the background is averaged before the network, not after",
        explain,
        "deep_worths",
        'np.einsum("mpk,pku->mpu", background, by_field)',
        'np.einsum("mpk,pku->mpu", background.mean(axis=0)[None], by_field)',
        SHARED_OUT,
    ),
    Bug(
        "the background's mean is not taken off the terms",
        explain.Explainer,
        "explain",
        "terms = fm - self._means",
        "terms = fm",
        FROM_MEAN,
    ),
    Bug(
        "what two rows have alike is told as their difference",
        explain.Explanation,
        "between",
        "gap[gap != 0]",
        "gap",
        FROM_MEAN,
    ),
    Bug(
        "an estimate's error is the spread of single orders",
        shapley,
        "sampled",
        "spread / orders**0.5",
        "spread",
        FROM_MEAN,
    ),
    Bug(
        "an explanation has the movie of a row in its own history",
        terms,
        "_features",
        "lists[row, x[:, 1]] = False",
        "pass",
        VALUES,
    ),
    Bug(
        "a share of variance leaves out the covariances",
        explain,
        "variance_shares",
        "centred.mul(total, axis=0).sum() / (total**2).sum()",
        "(centred**2).sum() / (centred**2).to_numpy().sum()",
        VARIANCE,
    ),
    Bug(
        "the panel draws a change and does not take it",
        explorer.Explorer,
        "_set",
        "self.row[column] = value",
        "self.row.get(column, value)",
        PANEL,
    ),
    Bug(
        "the ideal list always has ten hits",
        ranking,
        "ndcg",
        "np.minimum(judged.relevant, judged.n) if cut else judged.relevant",
        "np.full_like(judged.relevant, judged.n)",
        METRIC,
    ),
    Bug(
        "the whole ideal list is cut at ten",
        ranking,
        "ndcg",
        "if cut else judged.relevant",
        "if cut else np.minimum(judged.relevant, judged.n)",
        METRIC,
    ),
    Bug(
        "users with nothing to find are judged too",
        ranking,
        "judge",
        "np.flatnonzero(number)",
        "np.arange(len(number))",
        TABLE,
    ),
    Bug(
        "films of the training rows stay on the lists",
        ranking,
        "best",
        "np.where(hidden, np.inf, -scores)",
        "-scores",
        TABLE,
    ),
    Bug(
        "test rows are trained on",
        splits,
        "mcrec",
        "train = rows[~test]",
        "train = rows",
        TABLE,
    ),
    Bug(
        "what a user chose is drawn against it",
        sampling.Negatives,
        "_is_chosen",
        "self.chosen[at] == pair",
        "self.chosen[at] != self.chosen[at]",
        SAMPLED,
    ),
    Bug(
        "every epoch draws the same",
        sampling.Negatives,
        "draw",
        "[self.seed, 1, epoch]",
        "[self.seed, 1, 0]",
        SAMPLED,
    ),
    Bug(
        "a drawn film has the genres of another",
        sampling,
        "_fields",
        "found[name] = array[first], np.ones(array.shape[1], bool)",
        "found[name] = array[np.roll(first, 1)], np.ones(array.shape[1], bool)",
        SAMPLED,
    ),
    Bug(
        "what a customer has is recommended again",
        recommend,
        "top",
        "mean[skip] = -np.inf",
        "pass",
        OWN_LOG,
    ),
    Bug(
        "a row's own film is in its user's list, of all that they chose",
        history_layers.HistorySum,
        "call",
        "(whole - own)",
        "whole",
        OWN_LIST,
    ),
    Bug(
        "the encoder is fitted anew to the rows that are asked",
        predictor.Predictor,
        "predict",
        "x = self.encoder.transform(table)",
        'x = __import__("copy").deepcopy(self.encoder).fit(table).transform(table)',
        OUT,
    ),
    Bug(
        "the target is left among the fields",
        suggest,
        "_gives_away",
        "auc >= GIVES_AWAY",
        "auc > 1",
        STRANGE,
    ),
    Bug(
        "a value's own row has a part in its score",
        columns.Column,
        "auc",
        "other, own = fold != number, fold == number",
        "other, own = fold >= 0, fold == number",
        STRANGE,
    ),
    Bug(
        "a missing number is an unknown one",
        kinds.Numeric,
        "_interval",
        "if self.missing_ else UNKNOWN",
        "if not self.missing_ else UNKNOWN",
        MISSING,
    ),
    Bug(
        "test rows in the search",
        contest,
        "search",
        "Split(split.train, split.valid, split.test.iloc[:0])",
        "Split(split.train, split.test, split.test.iloc[:0])",
        CONTEST,
    ),
    Bug(
        "a search that is taken up draws as it did at its start",
        contest,
        "search",
        "[seed, done]",
        "[seed, 0]",
        CONTEST,
    ),
    Bug(
        "a reloaded predictor has the weights of its start",
        predictor.Predictor,
        "_rebuilt",
        "models.set_weights(model, own)",
        "model",
        OUT,
    ),
    Bug(
        "an unknown value counts as none",
        vocabulary,
        "ids",
        "vocabulary.get(v, UNKNOWN)",
        "vocabulary.get(v, 0)",
        OUT,
    ),
    Bug(
        "a number is centred by the rows that are asked",
        kinds.Numeric,
        "encode",
        "x - self.mean_",
        "x - np.nanmean(x)",
        OUT,
    ),
    Bug(
        "log-odds are served as probabilities",
        serve.Scorer,
        "predict",
        "self.target.answer(part)",
        "part",
        OUT,
    ),
    Bug(
        "a value counts anew in each frame",
        vocabulary,
        "tally",
        "frequency[value] += count",
        "frequency[value] = count",
        STREAM,
    ),
    Bug(
        "the deviation is that of the last frame",
        moments.Moments,
        "add",
        "self.squares += ",
        "self.squares = ",
        STREAM,
    ),
    Bug(
        "a file ends before its last row group",
        parquet,
        "_groups",
        "range(footer.num_row_groups)",
        "range(footer.num_row_groups - 1)",
        FILES,
    ),
    Bug(
        "of the rows that fill no batch others come twice",
        feeding.Pieces,
        "chunks",
        "held = [_taken(x, y, shuffled_rows[full:])]",
        "held = [_taken(x, y, shuffled_rows[: n - full])]",
        PIECES,
    ),
    Bug(
        "every epoch has the order of the first",
        feeding.Pieces,
        "chunks",
        "[self.seed, self.epoch]",
        "[self.seed, 0]",
        PIECES,
    ),
    Bug(
        "pieces come in the order of the file",
        feeding.Pieces,
        "chunks",
        "rng.permutation(self.pieces)",
        "range(self.pieces)",
        PIECES,
    ),
)


def plant(bug: Bug, monkeypatch) -> None:
    """Replace owner.name by the version with the bug."""
    found = inspect.getattr_static(bug.owner, bug.name)
    source = textwrap.dedent(inspect.getsource(found))
    assert source.count(bug.right) == 1, f"{bug.name} has no single {bug.right!r}"
    namespace = vars(sys.modules[found.__module__])
    before = dict(namespace)
    exec(source.replace(bug.right, bug.wrong), namespace)
    planted = namespace[bug.name]
    namespace.pop(bug.name)
    namespace.update(before)
    monkeypatch.setattr(bug.owner, bug.name, planted)
    for kind, row_of in models.ROWS.items():  # holds functions by kind, not by name
        if row_of is found:
            monkeypatch.setitem(models.ROWS, kind, planted)


def before(sections: tuple[str, ...]) -> dict:
    """The names that the last of the sections needs, as those before it left them."""
    names, weights = without_a_bug(sections[:-1])
    for name, of_model in weights.items():
        names[name].set_weights(of_model)
    return {name: copied(value) for name, value in names.items()}


def copied(value):
    """A copy of what a section may change in place."""
    if isinstance(value, np.random.Generator):
        return copy.deepcopy(value)
    changed = dict, list, np.ndarray, pd.DataFrame, pd.Series
    return copy.copy(value) if isinstance(value, changed) else value


@cache
def without_a_bug(sections: tuple[str, ...]) -> tuple[dict, dict]:
    """The names that sections define, and the weights of models; each run once."""
    number, *headings = sections
    with as_a_reader() as run:
        names = run((number, *headings[-1:]), before(sections) if headings else None)
    models = {n: v for n, v in names.items() if isinstance(v, keras.Model)}
    return names, {name: model.get_weights() for name, model in models.items()}


@pytest.fixture
def last():
    """Runs the last of the sections, with an edit of what stands in it."""
    with as_a_reader() as run:

        def go(sections: tuple[str, ...], ready: dict, edit=None) -> dict:
            return run((sections[0], sections[-1]), ready, edit)

        yield go


def longest(found: set[tuple]) -> list[tuple]:
    """Without those that another one starts with."""
    return sorted(
        one
        for one in found
        if not any(one == other[: len(one)] for other in found - {one})
    )


@pytest.mark.parametrize("sections", longest({bug.sections for bug in BUGS}), ids=str)
def test_without_a_bug_the_sections_hold(sections):
    without_a_bug(sections)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.says)
def test_a_check_of_the_course_notices(bug, last, monkeypatch):
    right, ready = getattr(bug.owner, bug.name), before(bug.sections)
    plant(bug, monkeypatch)
    wrong = getattr(bug.owner, bug.name)
    ready = {n: wrong if value is right else value for n, value in ready.items()}
    with pytest.raises(AssertionError, match=r"^fails: "):
        last(bug.sections, ready)


# ---- ten of all checks, drawn at random


class Drawn(NamedTuple):
    """A check, where it stands, and an edit that breaks it and none before it.

    The edit is in owner.name, or in a cell of the notebook where there is no owner.
    """

    claim: str
    sections: tuple[str, ...]
    right: str
    wrong: str
    owner: Any = None
    name: str = ""


# By random.Random(12).sample(), from the 301 checks of the notebooks outside exercises.
# Two of the ten stop bugs above: "no row used to choose is a test row" that settings
# are compared on test rows, "the checkpoint holds the same weights: ..." that it has
# those of the last epoch. One is in test_the_drawn_check_after_minutes_of_training.
DRAWN = (
    Drawn(
        "the rate, against the sign",
        LOOP,
        "rate * (m / (1 - b1**t))",
        "rate * m",
    ),
    Drawn(
        "and ends at the other",
        FROM_MEAN,
        "gap[gap != 0]",
        "gap[gap > 0]",
        explain.Explanation,
        "between",
    ),
    Drawn(
        "the stack built here = helpers.models",
        STACK,
        "SumWithIntercept(4.0)(stack)",
        "SumWithIntercept(4.0)(stack[:, :2])",
    ),
    Drawn(
        "the deep part's weight is halved and every prediction stays",
        CONTRIBUTIONS,
        "[[1.0], [1.0], [0.5]]",
        "[[1.0], [1.0], [1.0]]",
    ),
    Drawn(
        "Embedding of Keras picks these rows",
        ("00", "A look-up in a table"),
        "Embedding(6, 4, weights=[table])",
        "Embedding(6, 4)",
    ),
    Drawn(
        "and their verdict",
        SHOWN,
        "p < level, p_small < level",
        "p_small < level, p < level",
        comparisons,
        "compare",
    ),
    Drawn(
        "helpers: by the rate, as by hand",
        LOOP,
        'kind.Adam(0.1), keras.Variable(np.zeros((3, 1), "float32"))',
        'keras.optimizers.Adam(0.1), keras.Variable(np.zeros((3, 1), "float32"))',
    ),
)


@pytest.mark.parametrize("drawn", DRAWN, ids=lambda drawn: drawn.claim)
def test_an_edit_breaks_the_check_that_was_drawn(drawn, last, monkeypatch):
    ready, edit = before(drawn.sections), (drawn.right, drawn.wrong)
    if drawn.owner:
        says = f"for {drawn.claim}"
        plant(Bug(says, drawn.owner, drawn.name, *edit, drawn.sections), monkeypatch)
        edit = None
    with pytest.raises(AssertionError, match=rf"^fails: {re.escape(drawn.claim)}"):
        last(drawn.sections, ready, edit)


@pytest.mark.parametrize("with_histories, holds", [(0.87, True), (0.88, False)])
def test_the_drawn_check_after_minutes_of_training(with_histories, holds):
    """Its cell alone, with made-up figures in place of the trainings."""
    claim = "histories, on the same training rows, are below all of the ladder"
    (source,) = (cell["source"] for cell in cells_of("06") if claim in cell["source"])
    rmse = pd.DataFrame({"FM": {0: 0.875, 1: 0.8}, "DeepFM": {0: 0.89, 1: 0.8}})
    names = {
        "with_histories": with_histories,
        "rmse": rmse,
        "SEED": 0,
        "checks": checks,
    }
    with nullcontext() if holds else pytest.raises(AssertionError, match=claim):
        exec(source, names | {"checks": checks})
