"""Why a prediction is what it is: from the mean of some rows to it, term by term.

First and second order are sums already, so their terms are exact. The deep part is no
sum: Shapley values share it out among the fields (Lundberg and Lee 2017). A field that
has not joined takes the values that it has in background rows.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping
from itertools import combinations
from typing import NamedTuple

import numpy as np
import pandas as pd

from helpers import shapley, values
from helpers.fields import FIRST, UNKNOWN, History, MultiCategorical
from helpers.predictor import Predictor
from helpers.steps import Steps
from helpers.targets import LOGISTIC
from helpers.terms import (
    deep_worths,
    embeddings,
    features,
    fm_terms,
    parameters,
    value_pairs,
    value_terms,
)

PLAYERS = 12  # all coalitions of more would be too many
LOG_ODDS = "log-odds of "
LONGEST = 24  # letters of a value in a text


class Explanation(NamedTuple):
    """The outputs of n rows as sums, each term as its distance from the background.

    start: the mean output of the background rows
    terms: a row each, with their index; columns part, field, other. `other` is "" but
        for pairs; a deep part's field can be a group. start and the terms of a row are
        its output.
    errors: standard errors of the deep part's terms, None where they are exact
    answers: of the predictor; texts: of each field of each row; unit: of start, terms
    """

    start: float
    terms: pd.DataFrame
    errors: pd.DataFrame | None
    answers: pd.Series
    texts: pd.DataFrame
    unit: str

    @property
    def output(self) -> pd.Series:
        """Start and terms added up: what the target makes answers of."""
        return self.start + self.terms.sum(axis=1)

    def row(self, label: Hashable) -> Steps:
        """From the mean of the background rows to the row of this label."""
        lines = _lines(self.terms.loc[label], self.texts.loc[label])
        ends = ("the mean", self.start, lines, "The prediction")
        return Steps(*ends, self.unit, self._note(label))

    def between(
        self, label: Hashable, other: Hashable, name: str, other_name: str
    ) -> Steps:
        """From the row `other` to the row `label`: why this one and not that one.

        name, other_name: of the two. A term that both have alike is left out. A field
        in which they differ stands there by its name alone.
        """
        gap = self.terms.loc[label] - self.terms.loc[other]
        texts = self.texts.loc[label]
        alike = texts == self.texts.loc[other]
        lines = _lines(gap[gap != 0], texts.where(alike, texts.index.map(str)))
        return Steps(other_name, self.output[other], lines, name, self.unit)

    def _note(self, label: Hashable) -> str:
        answer = self.answers[label]
        if self.unit.startswith(LOG_ODDS):
            return f", a probability of {answer:.2f}"
        clipped = abs(answer - self.output[label]) > 0.005
        return f", answered as {answer:.2f}" if clipped else ""


def _lines(terms: pd.Series, texts: pd.Series) -> pd.DataFrame:
    """Columns part, text, term; the largest term first."""
    lines = [
        (part, " × ".join(texts.get(f, str(f)) for f in (field, other) if f != ""))
        for part, field, other in terms.index
    ]
    found = pd.DataFrame(lines, columns=["part", "text"]).assign(term=terms.to_numpy())
    order = found.term.abs().argsort(stable=True)[::-1]
    return found.iloc[order].reset_index(drop=True)


class Explainer:
    """Explains the answers of a predictor, each held against the same background rows.

    background: raw rows, such as a hundred of training. Explanations start at the mean
        of the predictor's outputs for them.
    groups: name -> fields that join the deep part together; each alone where None
    orders: estimate the deep part's terms from so many random orders of joining. All
        coalitions are taken where it is None, and the terms are exact.
    seed: of the orders
    words: field -> function of a value, for the texts; the value itself where none

    Raises ValueError for no background, for groups that do not hold each field once,
    and for more than 12 fields or groups without `orders`.
    """

    def __init__(
        self,
        predictor: Predictor,
        background: pd.DataFrame,
        *,
        groups: Mapping[Hashable, Iterable[Hashable]] | None = None,
        orders: int | None = None,
        seed: int = 0,
        words: Mapping[Hashable, Callable] | None = None,
    ):
        if not len(background):
            raise ValueError("There are no background rows.")
        self.predictor, self.words = predictor, dict(words or {})
        self.names = predictor.encoder.names
        self.groups = _groups(groups, self.names)
        self.orders, self.seed = orders, seed
        specs = predictor.encoder.specs
        self.members = [parameters(model, specs) for model in predictor.models]
        self.parts = [*self.members[0].scales]
        if "deep" in self.parts and orders is None and len(self.groups) > PLAYERS:
            raise ValueError(
                f"{len(self.groups)} fields have 2^{len(self.groups)} coalitions, too "
                "many to take all: put fields together with groups=, or take orders= "
                "for an estimate that carries its error."
            )
        self._names = _names(self.names, self.groups if "deep" in self.parts else [])
        xs = self._features(background)
        self._background = self._embeddings(xs)
        fm, outputs = self._fm(xs, self._background)
        self._means, self._start = fm.mean(axis=0), outputs.mean()

    def explain(self, rows) -> Explanation:
        """The Explanation of raw rows.

        rows: as of Predictor.predict(). Raises ValueError as it, and for labels that
        occur twice.
        """
        table = values.table(rows, self.predictor.encoder.columns)
        if not table.index.is_unique:
            raise ValueError("Labels of rows occur twice: reset_index() first.")
        xs, target, errors = self._features(table), self.predictor.target, None
        rows_of = self._embeddings(xs)
        fm, outputs = self._fm(xs, rows_of)
        terms = fm - self._means
        if "deep" in self.parts:
            found = self._shapley(rows_of)
            terms = np.hstack([terms, found.values.T])
            if self.orders is not None:
                errors = found.errors.T * target.unit
                errors = pd.DataFrame(errors, table.index, [*self.groups])
        return Explanation(
            float(target.decode(self._start)),
            pd.DataFrame(terms * target.unit, table.index, self._names)[self.parts],
            errors,
            pd.Series(target.answer(outputs).mean(axis=0), table.index),
            self._texts(table),
            f"{LOG_ODDS if target.loss == LOGISTIC else ''}{target.column}",
        )

    def _features(self, rows: pd.DataFrame) -> list:
        """Of each member."""
        x = self.predictor.encoder.transform(rows)
        return [features(member, x) for member in self.members]

    def _embeddings(self, xs: list) -> list[np.ndarray]:
        return [embeddings(*one) for one in zip(self.members, xs, strict=True)]

    def _fm(self, xs: list, rows_of: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """First and second order, the mean of the members: (n, p + p (p - 1) / 2).

        And the whole output of each member, deep part included: (members, n).
        rows_of: the embeddings of xs
        """
        each = [fm_terms(*one) for one in zip(self.members, xs, strict=True)]
        one, two = np.triu_indices(len(self.names), 1)
        terms = [np.hstack([fm.first, fm.pairs[:, one, two]]) for fm in each]
        outputs = np.array([fm.total for fm in each])
        if "deep" in self.parts:
            everybody = np.ones((1, len(self.names)), bool)
            pairs = zip(self.members, rows_of, strict=True)
            deep = [deep_worths(member, e, e[:1], everybody) for member, e in pairs]
            outputs += np.vstack(deep)
        return np.mean(terms, axis=0), outputs

    def _shapley(self, rows_of: list[np.ndarray]) -> shapley.Estimate:
        """Of the deep part, the mean of the members: (groups, n)."""
        of_group = np.array(
            [[name in fields for name in self.names] for fields in self.groups.values()]
        )

        def worths(coalitions: np.ndarray) -> np.ndarray:
            joined = coalitions @ of_group
            each = zip(self.members, rows_of, self._background, strict=True)
            return np.mean([deep_worths(*one, joined) for one in each], axis=0)

        if self.orders is not None:
            return shapley.sampled(worths, len(of_group), self.orders, self.seed)
        exact = shapley.exact(worths(shapley.coalitions(len(of_group))))
        return shapley.Estimate(exact, np.zeros_like(exact))

    def _texts(self, rows: pd.DataFrame) -> pd.DataFrame:
        texts = {}
        for name in self.names:
            columns = self.predictor.encoder[name].columns(name)
            said = [str(name)] * len(rows)
            if len(columns) == 1:  # not so for a history, which is of a user and a film
                word = self.words.get(name, _same)
                said = [f"{name} {_text(value, word)}" for value in rows[columns[0]]]
            texts[name] = said
        return pd.DataFrame(texts, rows.index)

    def values(
        self, rows, field: Hashable, other: Hashable | None = None
    ) -> pd.DataFrame:
        """What the values of a field, or of a pair of fields, add: a line a value.

        ->  columns row, field, (other,) term; row holds labels. Lists and histories are
        taken apart. The terms of a row add up to the first order of the field, or to
        the second order of the pair, before the background's mean is taken off.
        """
        table = values.table(rows, self.predictor.encoder.columns)
        asked = [field] if other is None else [field, other]
        of = value_terms if other is None else value_pairs
        pairs = zip(self.members, self._features(table), strict=True)
        each = [of(*one, *asked) for one in pairs]
        found = each[0].assign(
            term=np.mean([lines.term for lines in each], axis=0)
            * self.predictor.target.unit
        )
        lines = found["row"].to_numpy()
        for name, ids in zip(asked, ("id", "other"), strict=False):
            meaning = self._values(name, found[ids].to_numpy(), table, lines)
            found[ids] = [self.words.get(name, _same)(value) for value in meaning]
        names = dict(zip(("id", "other"), asked, strict=False))
        return found.rename(columns=names).assign(row=table.index.to_numpy()[lines])

    def _values(
        self, name: Hashable, ids: np.ndarray, rows: pd.DataFrame, lines: np.ndarray
    ) -> list:
        """What stands in each line: the id of a list's value, or the row's only one."""
        field = self.predictor.encoder[name]
        if not isinstance(field, History | MultiCategorical):
            return rows[field.columns(name)[0]].to_numpy()[lines].tolist()
        known = field.items_ if isinstance(field, History) else field.values_
        return [_value(known, number) for number in ids.tolist()]


def _same(value):
    return value


def _names(fields: list, players: Iterable[Hashable]) -> pd.MultiIndex:
    """(part, field, other) of all terms."""
    found = [("first_order", name, "") for name in fields]
    found += [("second_order", *pair) for pair in combinations(fields, 2)]
    found += [("deep", name, "") for name in players]
    return pd.MultiIndex.from_tuples(found, names=["part", "field", "other"])


def _groups(groups: Mapping | None, names: list) -> dict:
    if groups is None:
        return {name: [name] for name in names}
    found = {name: [*fields] for name, fields in groups.items()}
    held = [field for fields in found.values() for field in fields]
    if Counter(held) != Counter(names):
        raise ValueError(f"Groups hold {held}: each of {names} belongs to one.")
    return found


def _text(value, word: Callable) -> str:
    """A value, or a list of values, for a label."""
    if isinstance(value, list | tuple | set | np.ndarray):
        text = ", ".join(str(word(one)) for one in value)
    else:
        whole = isinstance(value, float) and value.is_integer()
        text = str(word(int(value) if whole else value))
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _value(known: list, number: int):
    """The value that an id stands for; a hashed one has lost it."""
    place = number - FIRST
    if 0 <= place < len(known):
        return known[place]
    return "unknown" if number == UNKNOWN else f"id {number}"


def variance_shares(terms: pd.DataFrame) -> pd.Series:
    """The share of each term in the variance of the sum of all: they add up to 1.

    terms: (n, T), as of an Explanation. A share is Cov(term, sum) / Var(sum): the
    term's own variance and its half of each covariance with others. It is negative
    where a term pulls against the sum. Raises ValueError where the sum does not vary.
    """
    if np.ptp(terms.sum(axis=1)) <= 1e-12 * terms.abs().max(axis=None):
        raise ValueError("The sum is the same in all rows: there is nothing to share.")
    centred = terms - terms.mean()
    total = centred.sum(axis=1)
    return centred.mul(total, axis=0).sum() / (total**2).sum()


def pair_table(terms: pd.Series, names: Iterable[Hashable]) -> pd.DataFrame:
    """Numbers of fields and pairs, as a p x p table: fields on the diagonal.

    terms: by (part, field, other). A pair stands once, below the diagonal.
    """
    names = [*names]
    table = pd.DataFrame(np.nan, index=names, columns=names)
    for (part, field, other), term in terms.items():
        if part == "first_order":
            table.loc[field, field] = term
        elif part == "second_order":
            table.loc[other, field] = term
    return table


def partial_effect(
    predictor: Predictor, rows: pd.DataFrame, column: Hashable, grid: Iterable
) -> pd.DataFrame:
    """The answers of rows whose column takes each value of a grid: (len(grid), n).

    The mean over the rows is the partial dependence of Friedman (2001, eq. 47).
    """
    grid = [*grid]
    changed = pd.concat([rows.assign(**{column: value}) for value in grid])
    answers = predictor.predict(changed.reset_index(drop=True)).to_numpy()
    found = pd.DataFrame(answers.reshape(len(grid), len(rows)), columns=rows.index)
    return found.set_axis(pd.Index(grid, name=column))
