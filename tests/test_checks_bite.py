"""Plants known bugs in the helpers, one at a time: a check of the course must fail.

A bug is a piece of a helper's source and what a tired author would have written. The
code cells of a notebook's Setup and of the sections named are run in this process, on
ml-100k. Without the bug they pass; with it a check, and nothing else, stops them.
"""

import inspect
import json
import sys
import textwrap
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import pytest

from helpers import (
    best,
    checks,
    datasets,
    fields,
    history_layers,
    kinds,
    layers,
    models,
    predictor,
    splits,
    targets,
    training,
    vocabulary,
)

NOTEBOOKS = Path(__file__).resolve().parent.parent / "notebooks"
ANYTHING = checks.Bound(-float("inf"), float("inf"))


class Bug(NamedTuple):
    """In owner.name, `right` becomes `wrong`."""

    says: str
    owner: Any
    name: str
    right: str
    wrong: str
    sections: tuple[str, ...]


SPLIT = ("01", "One row a rating", "Split first")
LISTS = (*SPLIT, "Lists of values")
NUMBERS = (*SPLIT, "Numbers")
FORMS = (*SPLIT, "Numbers in other forms")
RARE = (*SPLIT, "Rare, missing and too many")
WAY = (*SPLIT, "Save and load", "The way of the data")
MEAN = ("02", "Input layers", "The mean of a list")
STACK = ("02", "Input layers", "The layer stack")
PAIRS = ("03", "A weight for every pair", "From a loop to a layer")
NOTHING = (*PAIRS, "What must not interact")
MLP = ("04", "One row of numbers")
SHARED = (*MLP, "One set of embeddings")
LINEAR = ("04", "The last layer is linear")
TRAINED = ("05", "Three parts, one sum", "Training")
CLICKS = ("05", "Another target")
LIKED = ("06", "What a user has rated")
CHOOSING = ("06", "Rows to choose on")

BUGS = (
    Bug(
        "the join changes the order of the ratings",
        datasets.MovieLens,
        "joined",
        "self.ratings.join(",
        "self.ratings.sort_values('movie_id').join(",
        SPLIT,
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
        LISTS,
    ),
    Bug(
        "rare genres are dropped from the vocabulary",
        kinds._Coded,
        "finish",
        "vocabulary.known(seen, self.min_count)",
        "vocabulary.known(seen, self.min_count)[:14]",
        LISTS,
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
        NUMBERS,
    ),
    Bug(
        "the logarithm is taken in training and forgotten afterwards",
        kinds.Numeric,
        "encode",
        "x = self._numbers(name, rows)",
        "x = values.numbers(rows[self.columns(name)[0]], self.dates)",
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
        history_layers.OwnerLists,
        "call",
        "ops.where(own, ops.zeros_like(rows), rows)",
        "ops.where(own, rows, rows)",
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
        "np.where(raw >= 0, 1, small) / (1 + small)",
        "np.clip(raw, 0.01, 0.99)",
        CLICKS,
    ),
)


def sections(number: str) -> list[tuple[str, list[str]]]:
    """(heading, sources of its code cells) of a notebook, in order."""
    (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
    found: list[tuple[str, list[str]]] = [("", [])]
    for cell in json.loads(path.read_text("utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            heads = [x[3:] for x in source.splitlines() if x.startswith("## ")]
            found += [(head, []) for head in heads]
        elif cell["cell_type"] == "code":
            found[-1][1].append(source)
    return found


def run(wanted: tuple[str, ...]) -> None:
    """Run Setup and the wanted sections of a notebook; wanted[0] is its number."""
    number, *headings = wanted
    cells = sections(number)
    unknown = {*headings} - {head for head, _ in cells}
    assert not unknown, f"notebook {number} has no section {unknown}"
    namespace = {"__name__": "notebook"}
    for head, sources in cells:
        if head in ("Setup", *headings):
            for source in sources:
                exec(compile(source, f"{number} {head}", "exec"), namespace)


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


@pytest.fixture(scope="module")
def movielens():
    """Notebook number -> data: all of ml-100k, fewer users where a model is trained."""
    whole = datasets.load("ml-100k")
    ratings = whole.ratings[whole.ratings.user_id <= 150].reset_index(drop=True)
    few = replace(whole, ratings=ratings)
    return defaultdict(lambda: whole, {"05": few, "06": few})


@pytest.fixture
def as_a_reader(movielens, monkeypatch):
    """Run sections as a reader would, without figures and whatever the bounds."""
    monkeypatch.setattr(
        checks, "load_bounds", lambda name: defaultdict(lambda: ANYTHING)
    )
    path, backend = [*sys.path], matplotlib.get_backend()
    settings = matplotlib.rcParams.copy()
    matplotlib.use("Agg")

    def go(wanted):
        data = movielens[wanted[0]]
        monkeypatch.setattr(datasets, "load", lambda name=None: data)
        run(wanted)

    yield go
    matplotlib.pyplot.close("all")
    matplotlib.use(backend)
    matplotlib.rcParams.update(settings)
    sys.path[:] = path


@pytest.mark.parametrize("wanted", dict.fromkeys(bug.sections for bug in BUGS), ids=str)
def test_without_a_bug_the_sections_hold(wanted, as_a_reader):
    as_a_reader(wanted)


@pytest.mark.parametrize("bug", BUGS, ids=lambda bug: bug.says)
def test_a_check_of_the_course_notices(bug, as_a_reader, monkeypatch):
    plant(bug, monkeypatch)
    with pytest.raises(AssertionError, match=r"^fails: "):
        as_a_reader(bug.sections)
