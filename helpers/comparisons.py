"""One rule for models that were scored on the same splits, or with the same seeds.

Scores are a table: a row for each split, a column for each model. Two models are
compared by the differences d_1 … d_n of their columns, so what a split does to both
cancels. The mean difference has the standard error

    se = sd(d) · sqrt(1/n + n_test/n_train),    sd with n - 1 in its denominator.

*Random splits of one table* share most of their training rows, so their differences are
no independent samples. The second term makes up for that (Nadeau and Bengio, "Inference
for the Generalization Error", Machine Learning 52, 2003, section 3); its size is
n_test/n_train of one split.

*Seeds on one split* (SEEDS_ON_ONE_SPLIT) draw the start and the order of the batches
anew and leave the rows as they are. Given the rows they are independent and the second
term is 0. What they show is shown for that split alone: another split may order the
models differently, and no number of seeds can tell.

Two questions are asked of each pair, by Student's t with n - 1 degrees of freedom:

    is there a difference?       p = 2 P(t > |mean(d)| / se)
    is it smaller than delta?    p = P(t > (delta - |mean(d)|) / se)

The second is the larger p of two one-sided tests, against -delta and against delta
(Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15, 1987). The pairs of one call
are one family for each question: Holm's step-down procedure (Scandinavian Journal of
Statistics 6, 1979) holds the probability of one false answer or more to a question at
`level`, whatever the pairs have to do with each other.
"""

from collections.abc import Hashable, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

DELTA = 0.003  # stars: a difference that we call small
LEVEL = 0.05
SEEDS_ON_ONE_SPLIT = 0.0  # as test_to_train, where rows of scores are seeds

NOT_SHOWN = "not shown"
SMALL = "smaller than δ"


def compare(
    scores: pd.DataFrame | Mapping[Hashable, Sequence[float]],
    pairs: Sequence[tuple[Hashable, Hashable]],
    *,
    test_to_train: float,
    delta: float = DELTA,
    level: float = LEVEL,
    lower_is_better: bool = True,
) -> pd.DataFrame:
    """What the scores show of each pair (model, reference): a row for each, in order.

    scores: (n splits or seeds, models), all in one unit, or model -> n numbers
    test_to_train: n_test / n_train of one split, or SEEDS_ON_ONE_SPLIT
    delta: the difference, in the unit of the scores, below which two models may be
        called the same
    level: of either question, all pairs together
    ->  index (model, reference) and the columns
        difference: mean of model - reference
        half_width: difference ± half_width is the interval that holds the true one with
            probability 1 - level, for this pair alone
        p, p_small: of the two questions, adjusted for all pairs by holm()
        outcome: "better" or "worse" where there is a difference, "smaller than δ" where
            it is, both with a comma between them, or "not shown", which is not "equal"
        outlying: the rows of scores that outlying() names

    Raises ValueError for fewer than two rows, scores that are missing or no numbers,
    models with different numbers of scores, names that occur twice or are unknown,
    pairs that occur twice, and differences that are the same in every row.
    """
    table = _checked(scores)
    _check_pairs(pairs, table)
    _check_rule(test_to_train, delta, level)
    d = _differences(table, pairs)
    n, mean = len(d), d.mean()
    se = d.std(ddof=1) * np.sqrt(1 / n + test_to_train)
    p = holm(2 * stats.t.sf(mean.abs() / se, n - 1))
    p_small = holm(stats.t.sf((delta - mean.abs()) / se, n - 1))
    ahead = mean < 0 if lower_is_better else mean > 0
    return pd.DataFrame(
        {
            "difference": mean,
            "half_width": stats.t.ppf(1 - level / 2, n - 1) * se,
            "p": p,
            "p_small": p_small,
            "outcome": [*map(_outcome, ahead, p < level, p_small < level)],
            "outlying": [outlying(d[pair], level) for pair in d],
        },
        index=d.columns,
    )


def holm(p: Sequence[float]) -> np.ndarray:
    """p values adjusted for their number m (Holm 1979): (m,), none above 1.

    With p_(1) ≤ … ≤ p_(m) the i-th becomes max over j ≤ i of (m - j + 1) p_(j). All
    that are below a level then may be called so together, at that level.
    """
    p = np.asarray(p, "float64")
    order = np.argsort(p, kind="stable")
    raised = np.maximum.accumulate(np.arange(len(p), 0, -1) * p[order])
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted


def outlying(differences: pd.Series, level: float = LEVEL) -> tuple[Hashable, ...]:
    """The rows whose difference lies too far from the others': labels of the Series.

    By Grubbs' test (Technometrics 11, 1969) a row does where, in a sample of n from one
    normal distribution, none would with probability 1 - level or more:

        |d_i - mean(d)| / sd(d) > (n - 1) / sqrt(n) · sqrt(t² / (n - 2 + t²)),

    t being the 1 - level / (2 n) quantile of Student's t with n - 2 degrees of freedom.
    Of two rows no such thing can be said, and none is named. A row that is named stays
    in the comparison: it asks to be looked at.
    """
    n = len(differences)
    if n < 3:
        return ()
    t = stats.t.ppf(1 - level / (2 * n), n - 2)
    most = (n - 1) / np.sqrt(n) * np.sqrt(t**2 / (n - 2 + t**2))
    far = np.abs(differences - differences.mean()) > most * differences.std(ddof=1)
    return tuple(differences.index[far])


def _outcome(ahead: bool, different: bool, small: bool) -> str:
    said = []
    if different:
        said.append("better" if ahead else "worse")
    if small:
        said.append(SMALL)
    return ", ".join(said) or NOT_SHOWN


def _differences(table: pd.DataFrame, pairs: Sequence[tuple]) -> pd.DataFrame:
    """Model less reference: (n, pairs)."""
    a, b = (table[[*side]].to_numpy() for side in zip(*pairs, strict=True))
    columns = pd.MultiIndex.from_tuples(pairs, names=["model", "reference"])
    d = pd.DataFrame(a - b, index=table.index, columns=columns)
    same = np.ptp(a - b, axis=0) <= 1e-12 * np.maximum(np.abs(a), np.abs(b)).max(axis=0)
    for model, reference in columns[same]:
        raise ValueError(
            f"{model!r} and {reference!r} differ by {d[model, reference].iloc[0]:.6g} "
            "in every row: without any spread there is nothing to judge it by."
        )
    return d


def _checked(scores: pd.DataFrame | Mapping) -> pd.DataFrame:
    """The scores as floats, a row for each split."""
    if not isinstance(scores, pd.DataFrame):
        lengths = {name: len(column) for name, column in scores.items()}
        if len({*lengths.values()}) > 1:
            raise ValueError(
                f"The models have different numbers of scores: {lengths}. Each needs "
                "one for each split, in the same order."
            )
        scores = pd.DataFrame(scores)
    for what, labels in (("Models", scores.columns), ("Rows", scores.index)):
        if twice := [*labels[labels.duplicated()].unique()]:
            raise ValueError(f"{what} that occur twice: {twice}.")
    if len(scores) < 2:
        raise ValueError(
            f"There are scores of {len(scores)} split or seed: a difference is judged "
            "by how it varies, so two are needed at least."
        )
    try:
        table = scores.astype("float64")
    except (TypeError, ValueError) as error:
        raise ValueError(f"Scores are numbers, one a cell: {error}") from error
    wrong = ~np.isfinite(table)
    if wrong.to_numpy().any():
        where = {name: [*table.index[bad]] for name, bad in wrong.items() if bad.any()}
        raise ValueError(f"Scores are missing or not finite: model -> rows {where}.")
    return table


def _check_pairs(pairs: Sequence[tuple], table: pd.DataFrame) -> None:
    if not len(pairs):
        raise ValueError("There is no pair to compare.")
    if unknown := sorted({name for pair in pairs for name in pair} - {*table}, key=str):
        raise ValueError(f"There are no scores of {unknown}. There are: {[*table]}.")
    if any(a == b for a, b in pairs) or len({*map(frozenset, pairs)}) < len(pairs):
        raise ValueError(
            "A pair is of two models and counts once, either way round: "
            f"{[tuple(pair) for pair in pairs]}."
        )


def _check_rule(test_to_train: float, delta: float, level: float) -> None:
    if not 0 <= test_to_train < np.inf:
        raise ValueError(f"test_to_train is {test_to_train}: it is a ratio of rows.")
    if not 0 < delta < np.inf:
        raise ValueError(f"delta is {delta}: it is a difference above 0.")
    if not 0 < level < 0.5:
        raise ValueError(f"level is {level}: it is a probability below one half.")
