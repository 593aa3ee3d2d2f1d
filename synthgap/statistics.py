"""A claim and a table in, a verdict out. Seeds are paired: every level of a comparison shares its seed."""

from dataclasses import dataclass
from math import factorial, inf, isfinite, nan, sqrt
from typing import Literal

import numpy as np
from scipy.stats import page_trend_test, permutation_test, rankdata, t

from data_gen.errors import unknown

Direction = Literal["falls", "rises", "stays"]
TRENDS = ("falls", "rises")
DIRECTIONS = (*TRENDS, "stays")
FEWEST_LEVELS = 3  # a trend is more than a difference; a claim about two levels is a claim about their difference
FEWEST_SEEDS = 3  # fewer give no interval worth the name


def paired_interval(differences, level: float = 0.95) -> tuple[float, float]:
    """Student t interval (low, high) of the mean of paired seed differences [n]; (nan, nan) if n < 2.

    At the few seeds that sweeps have, the percentile bootstrap covers far too little (79 % for a nominal 95 % at n = 3);
    t keeps its level.
    """
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return nan, nan
    half = t.ppf((1 + level) / 2, len(d) - 1) * d.std(ddof=1) / sqrt(len(d))
    return float(d.mean() - half), float(d.mean() + half)


def trend_test(table, direction: Direction | None = None) -> float:
    """p of Page's L test that the columns of `table` [seeds, levels] have a monotone trend, in (0, 1].

    direction: "falls" or "rises" test that one side; None tests both (twice the smaller p). Exact for up to 8 levels and
    12 seeds without ties (scipy.stats.page_trend_test). Raises InputError for another direction word.
    """
    table = np.asarray(table, dtype=float)
    if direction is None:
        return min(1.0, 2 * min(trend_test(table, "falls"), trend_test(table, "rises")))
    if direction not in TRENDS:
        raise unknown("direction", direction, TRENDS)
    return float(page_trend_test(-table if direction == "falls" else table).pvalue)


def difference_test(differences, direction: Direction) -> float:
    """p of the exact sign-flip test that paired seed differences [n] have a mean below 0 ("falls") or above ("rises")."""
    if direction not in TRENDS:
        raise unknown("direction", direction, TRENDS)
    side = "less" if direction == "falls" else "greater"
    exact = {"permutation_type": "samples", "n_resamples": 2**14, "rng": np.random.default_rng(0)}
    d = np.asarray(differences, dtype=float)
    return float(permutation_test((d,), np.mean, alternative=side, **exact).pvalue)


def equivalence_test(differences, margin: float) -> float:
    """p of two one-sided t tests that the mean of paired seed differences [n] lies within ±margin (Schuirmann 1987).

    The larger of the two p, as both +margin and −margin must be excluded. nan if n < 2.
    """
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return nan
    error = d.std(ddof=1) / sqrt(len(d))
    if error == 0:
        return float(abs(d.mean()) >= margin)
    return float(max(t.sf((margin - d.mean()) / error, len(d) - 1), t.sf((margin + d.mean()) / error, len(d) - 1)))


def partial_spearman(y, x, given=()) -> float:
    """Spearman's correlation in [−1, 1] of y and x [n] with what the variables `given` [k][n] say of either taken off.

    Ranks are regressed on the ranks given, and what is left over is correlated: what x tells of y beyond them, where
    relations are monotone. nan where y or x has nothing left that varies, or n < k + 3, where it could be nothing
    but ±1.
    """
    y, x, *given = (_ranks(v) for v in (y, x, *given))
    if len(y) < len(given) + 3:
        return nan
    known = np.stack(given, axis=1) if given else np.zeros((len(y), 1))
    left = [v - known @ np.linalg.lstsq(known, v, rcond=None)[0] for v in (y, x)]
    lengths = [np.linalg.norm(v) for v in left]
    if min(lengths) < 1e-9 * len(y):  # ranks are as large as n
        return nan
    return float(left[0] @ left[1] / (lengths[0] * lengths[1]))


def matched_concordance(y, x, by, within: float) -> float:
    """Do y and x [n] go together among pairs that are alike in `by` [n], |difference| ≤ within? In [−1, 1].

    Mean of sign(Δy) · sign(Δx) over those pairs that differ in x: of two runs with equal `by`, has that with more x more
    y? nan where there is no such pair.
    """
    y, x, by = (np.asarray(v, dtype=float) for v in (y, x, by))
    first, second = np.triu_indices(len(y), 1)
    pairs = (np.abs(by[first] - by[second]) <= within) & (x[first] != x[second])
    agree = np.sign(y[first] - y[second]) * np.sign(x[first] - x[second])
    return float(agree[pairs].mean()) if pairs.any() else nan


def path_coefficients(y, causes) -> np.ndarray:
    """Standardised coefficients [k] of the regression of y's ranks [n] on those of its causes [k][n] (Wright 1934).

    Each says by how many standard deviations y's rank moves with that cause's, the others being held. nan where they are
    not determined: something is constant, causes say the same, or n < k + 2.
    """
    ranks = np.stack([_ranks(v) for v in (*causes, y)], axis=1)
    spread = ranks.std(axis=0)
    if len(ranks) < len(causes) + 2 or not spread.all():
        return np.full(len(causes), nan)
    z = ranks / spread
    found, _, rank, _ = np.linalg.lstsq(z[:, :-1], z[:, -1], rcond=1e-9)
    return found if rank == len(causes) else np.full(len(causes), nan)


def falls_under(x, y, share: float) -> float:
    """The x [n] at which y [n] is first under `share` of its best, from the best on, interpolated; nan if it never is."""
    order = np.argsort(x, kind="stable")
    x, y = np.asarray(x, dtype=float)[order], np.asarray(y, dtype=float)[order]
    best = int(y.argmax())
    bar = share * y[best]
    under = best + np.flatnonzero(y[best:] < bar)
    if not len(under) or y[best] <= 0:
        return nan
    i = under[0]
    return float(x[i - 1] + (y[i - 1] - bar) / (y[i - 1] - y[i]) * (x[i] - x[i - 1]))


def _ranks(v) -> np.ndarray:
    return rankdata(v) - (len(v) + 1) / 2  # centred


def smallest_p(seeds: int, levels: int) -> float:
    """The p floor of the one-sided tests: every seed in perfect order, (1/levels!)^seeds; for two levels, 2^-seeds."""
    return factorial(levels) ** -float(seeds)


def fewest_seeds(levels: int, direction: Direction, alpha: float = 0.05) -> int:
    """How many seeds can support a claim about so many levels at all: with fewer there is no verdict, or p's floor is in
    the way. "stays" has a t test, and no floor."""
    seeds = FEWEST_SEEDS
    while direction != "stays" and smallest_p(seeds, levels) >= alpha:
        seeds += 1
    return seeds


@dataclass(frozen=True)
class Verdict:
    """effect: mean paired change from the first level to the last, with its interval (low, high). p: of the trend in the
    claimed direction; p_floor: the smallest it could be (t tests have none: 0). seeds_needed: how many would decide it, nan
    if decided or never."""

    verdict: Literal["supported", "contradicted", "undecided"]
    effect: float
    low: float
    high: float
    p: float
    p_floor: float
    seeds: int
    seeds_needed: float


def judge(
    table,
    direction: Direction,
    matters: float,
    alpha: float = 0.05,
    level: float = 0.95,
    fewest_levels: int = FEWEST_LEVELS,
) -> Verdict:
    """Verdict on "the columns of `table` [seeds, levels] fall (or rise), by at least `matters` from first to last".

    With fewest_levels=2, two levels are compared by the exact sign-flip test; more always by the trend test.

    *supported*: the trend (or difference) is significant in the claimed direction, the interval of the change excludes 0
    on that side, and the change is at least `matters`. *contradicted*: the same in the other direction, or the interval
    lies wholly below `matters`: whatever change there is, it does not matter. *undecided*: anything else, and always
    under 3 seeds or the fewest levels.

    "stays" is a claim of its own kind, about the change from the first level to whichever is the least surely equal to it:
    *supported* if that change is within ±matters (`equivalence_test`; then all are), *contradicted* if its interval lies
    wholly beyond.
    """
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    table = np.asarray(table, dtype=float)
    whole = np.isfinite(table).all(axis=1)
    table = table[whole]
    seeds, levels = table.shape
    if seeds < FEWEST_SEEDS or levels < fewest_levels:
        change = table[:, -1] - table[:, 0] if seeds and levels else np.array([])
        effect = float(change.mean()) if len(change) else nan
        hopeless = levels < fewest_levels or (len(whole) and not seeds)  # seeds make no trend of two levels, nor of nan
        needed = nan if hopeless else FEWEST_SEEDS
        return Verdict("undecided", effect, *paired_interval(change, level), nan, nan, seeds, needed)
    if direction == "stays":
        return _equivalence((table[:, 1:] - table[:, :1]).T, matters, alpha, level)
    change = table[:, -1] - table[:, 0]
    low, high = paired_interval(change, level)
    sign = -1 if direction == "falls" else 1
    toward = sorted((sign * low, sign * high))  # the interval, positive = as claimed
    p, p_other = (_test(table, towards) for towards in (direction, "rises" if direction == "falls" else "falls"))
    if p < alpha and toward[0] > 0 and sign * change.mean() >= matters:
        outcome = "supported"
    elif (p_other < alpha and toward[1] < 0) or toward[1] < matters:
        outcome = "contradicted"
    else:
        outcome = "undecided"
    mean = sign * change.mean()
    distance = mean if mean >= matters else matters - mean
    needed = _seeds_needed(distance, change, (1 + level) / 2) if outcome == "undecided" else nan
    return Verdict(outcome, float(change.mean()), low, high, p, smallest_p(seeds, levels), seeds, needed)


def _equivalence(changes: np.ndarray, matters: float, alpha: float, level: float) -> Verdict:
    p, worst = max((equivalence_test(change, matters), i) for i, change in enumerate(changes))
    change = changes[worst]
    low, high = paired_interval(change, level)
    outcome = "supported" if p < alpha else "contradicted" if low > matters or high < -matters else "undecided"
    beyond = matters - abs(change.mean())
    chances = (
        (1 - alpha, 0.75) if beyond > 0 else ((1 + level) / 2,)
    )  # within ±matters: half of all means are near enough
    needed = _seeds_needed(beyond, change, *chances) if outcome == "undecided" else nan
    return Verdict(outcome, float(change.mean()), low, high, p, 0.0, len(change), needed)


def _test(table: np.ndarray, direction: Direction) -> float:
    if table.shape[1] < FEWEST_LEVELS:
        return difference_test(table[:, -1] - table[:, 0], direction)
    return trend_test(table, direction)


def _seeds_needed(distance: float, change: np.ndarray, *chances: float) -> float:
    """Seeds at which these quantiles of t, with this spread, would reach no further than from the mean to what is to be
    excluded: 0 (of a change that matters), or `matters`."""
    spread = change.std(ddof=1)
    for n in range(len(change) + 1, 1000):
        if t.ppf(chances, n - 1).sum() * spread / sqrt(n) < abs(distance):
            return float(n)
    return inf if isfinite(spread) else nan


def within_seed_interval(table, level: float = 0.95) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and t interval (mean, low, high), each [levels], of `table` [seeds, levels] with what a seed shifts removed.

    Each seed's mean is replaced by the grand mean, and the variance corrected by levels/(levels − 1) (Cousineau 2005,
    Morey 2008): the bars compare levels, as the paired design does. One level: the plain t interval.
    """
    table = np.asarray(table, dtype=float)
    levels = table.shape[1]
    if levels > 1:
        centred = table - table.mean(axis=1, keepdims=True)
        spread = sqrt(levels / (levels - 1)) * (centred - centred.mean(axis=0)) + table.mean(axis=0)
    else:
        spread = table
    intervals = np.array([paired_interval(column, level) for column in spread.T])
    return table.mean(axis=0), intervals[:, 0], intervals[:, 1]
