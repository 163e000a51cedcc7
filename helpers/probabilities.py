"""How good probabilities are: their order, their loss, and whether they are right.

Probabilities are of a one; what happened is 0 or 1. All arrays are (n,), and all
functions raise ValueError where lengths differ, for no rows, for NaN, for probabilities
outside 0 to 1, and where anything but 0 and 1 happened.
"""

import numpy as np
import pandas as pd
from scipy import special, stats


def auc(probabilities, happened) -> float:
    """The share of pairs, a one and a zero, in which the one stands higher.

    Equal probabilities count half. By ranks (Mann and Whitney 1947): with n1 ones,
    n0 zeros and R the sum of the ones' ranks, (R - n1 (n1 + 1) / 2) / (n1 n0). NaN
    where there are no pairs. Any numbers will do for probabilities: only order counts.
    """
    score, y = _both(probabilities, happened, of_any_size=True)
    ones = y.sum()
    pairs = ones * (len(y) - ones)
    if not pairs:
        return np.nan
    ranks = stats.rankdata(score)
    return float((ranks[y == 1].sum() - ones * (ones + 1) / 2) / pairs)


def auc_within(probabilities, happened, groups) -> float:
    """The mean AUC inside each group, weighted by its rows: GAUC (Zhu et al. 2017).

    groups: (n,), such as the user of each row. Those whose rows are all alike have no
    AUC and are left out; NaN where none is left.
    """
    score, y = _both(probabilities, happened, of_any_size=True)
    if len(groups) != len(y):
        raise ValueError(f"Lengths differ: {len(groups)} groups, {len(y)} rows.")
    table = pd.DataFrame({"score": score, "y": y, "group": np.asarray(groups)})
    each = table.groupby("group", dropna=False)
    ranks = each["score"].rank()
    n, ones = each["y"].transform("size"), each["y"].transform("sum")
    pairs = ones * (n - ones)
    # a one's share: its rank less half of what the ones' own ranks add up to
    share = table["y"] * (ranks - (ones + 1) / 2) / pairs.where(pairs > 0)
    weights = float((pairs > 0).sum())
    return float((share * n).sum() / weights) if weights else np.nan


def log_loss(probabilities, happened) -> float:
    """Mean of -log(probability of what happened), natural logarithm."""
    p, y = _both(probabilities, happened)
    return float(-(special.xlogy(y, p) + special.xlog1py(1 - y, -p)).mean())


def normalised_entropy(probabilities, happened) -> float:
    """Log loss over that of the rows' own base rate (He et al. 2014, eq. 1).

    1: no better than the constant; 0: all known. NaN where all rows are alike.
    """
    p, y = _both(probabilities, happened)
    constant = special.entr([y.mean(), 1 - y.mean()]).sum()
    return log_loss(p, y) / float(constant) if constant else np.nan


def reliability(
    probabilities, happened, groups: int = 15, level: float = 0.95
) -> pd.DataFrame:
    """What was said and what happened, over groups of equal size in order of p.

    Rows are cut at quantiles of the probability, equal ones together, so there may be
    fewer groups.
    ->  a row for each group: rows; said, the mean probability; happened, the share of
        ones; low and high, Wilson's interval of that share (1927) at `level`
    """
    p, y = _both(probabilities, happened)
    cuts = np.quantile(p, np.arange(1, groups) / groups)
    table = pd.DataFrame({"said": p, "happened": y})
    each = table.groupby(np.searchsorted(np.unique(cuts), p))
    found = each.mean().assign(rows=each.size()).reset_index(drop=True)
    z, n, share = stats.norm.ppf((1 + level) / 2), found["rows"], found["happened"]
    middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    low, high = middle - half, middle + half
    # Where all of a group are alike an end is the share, but for rounding.
    return found.assign(low=np.minimum(low, share), high=np.maximum(high, share))


def undo_sampling(probabilities, kept: float) -> np.ndarray:
    """Probabilities for all rows, from those of a model that saw a share of the zeros.

    kept: share of the zeros that were kept at random, above 0 and at most 1; ones were
        all kept. The odds were 1/kept times too high (He et al. 2014, section 6.3):
        p / (p + (1 - p) / kept).
    """
    if not 0 < kept <= 1:
        raise ValueError(f"kept is a share above 0 and at most 1, not {kept!r}.")
    p = np.asarray(probabilities, "float64")
    _check_probabilities(p)
    return p / (p + (1 - p) / kept)


def temperature(log_odds, happened) -> float:
    """The T above 0 for which sigmoid(log_odds / T) has the lowest log loss.

    Above 1 the log-odds were too far from 0 (Guo et al., "On Calibration of Modern
    Neural Networks", ICML 2017, section 4.2). Raises ValueError where no T is best:
    rows all alike, or ones and zeros that a threshold at 0 parts without a fault.
    """
    from scipy import optimize

    raw, y = _both(log_odds, happened, of_any_size=True)

    def slope(scale: float) -> float:
        """Of the log loss in 1/T: it rises, so it is 0 at most once."""
        return float(((special.expit(raw * scale) - y) * raw).mean())

    low, high = 1e-3, 1e3
    if not slope(low) < 0 < slope(high):
        raise ValueError(
            f"No temperature from {1 / high:g} to {1 / low:g} is best for these rows: "
            "their log-odds tell nothing, or everything, of what happened."
        )
    return 1 / optimize.brentq(slope, low, high)


def _both(scores, happened, of_any_size: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """(n,) float64 each, checked."""
    score, y = np.asarray(scores, "float64"), np.asarray(happened, "float64")
    if score.shape != y.shape or y.ndim != 1:
        raise ValueError(
            f"Two arrays (n,) are wanted, not {score.shape} and {y.shape}."
        )
    if not len(y):
        raise ValueError("There are no rows.")
    if not np.isin(y, (0, 1)).all():
        raise ValueError("What happened is 0 or 1.")
    if of_any_size and np.isnan(score).any():
        raise ValueError(f"{np.isnan(score).sum()} of {len(y)} scores are NaN.")
    if not of_any_size:
        _check_probabilities(score)
    return score, y


def _check_probabilities(p: np.ndarray) -> None:
    if not ((p >= 0) & (p <= 1)).all():
        raise ValueError("Probabilities are from 0 to 1: not log-odds, and not NaN.")
