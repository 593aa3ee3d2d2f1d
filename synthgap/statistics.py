"""A claim and a table in, a verdict out. Seeds are paired: every level of a comparison shares its seed."""

from dataclasses import dataclass
from math import factorial, inf, isfinite, nan, sqrt
from typing import Literal

import numpy as np
from scipy.stats import page_trend_test, permutation_test, t

from data_gen.errors import unknown

Direction = Literal["falls", "rises"]
DIRECTIONS = ("falls", "rises")
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
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    return float(page_trend_test(-table if direction == "falls" else table).pvalue)


def difference_test(differences, direction: Direction) -> float:
    """p of the exact sign-flip test that paired seed differences [n] have a mean below 0 ("falls") or above ("rises")."""
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    side = "less" if direction == "falls" else "greater"
    exact = {"permutation_type": "samples", "n_resamples": 2**14, "rng": np.random.default_rng(0)}
    d = np.asarray(differences, dtype=float)
    return float(permutation_test((d,), np.mean, alternative=side, **exact).pvalue)


def smallest_p(seeds: int, levels: int) -> float:
    """The p floor of the one-sided tests: every seed in perfect order, (1/levels!)^seeds; for two levels, 2^-seeds."""
    return factorial(levels) ** -float(seeds)


@dataclass(frozen=True)
class Verdict:
    """effect: mean paired change from the first level to the last, with its interval (low, high). p: of the trend in the
    claimed direction; p_floor: the smallest it could be. seeds_needed: how many would decide it, nan if decided or never."""

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
    """
    if direction not in DIRECTIONS:
        raise unknown("direction", direction, DIRECTIONS)
    table = np.asarray(table, dtype=float)
    table = table[np.isfinite(table).all(axis=1)]
    seeds, levels = table.shape
    if seeds < FEWEST_SEEDS or levels < fewest_levels:
        change = table[:, -1] - table[:, 0] if seeds and levels else np.array([])
        effect = float(change.mean()) if len(change) else nan
        needed = FEWEST_SEEDS if levels >= fewest_levels else nan  # more seeds make no trend of two levels
        return Verdict("undecided", effect, *paired_interval(change, level), nan, nan, seeds, needed)
    change = table[:, -1] - table[:, 0]
    sign = -1 if direction == "falls" else 1
    low, high = paired_interval(change, level)
    toward = sorted((sign * low, sign * high))  # the interval, positive = as claimed
    p, p_other = (_test(table, towards) for towards in (direction, "rises" if direction == "falls" else "falls"))
    if p < alpha and toward[0] > 0 and sign * change.mean() >= matters:
        outcome = "supported"
    elif (p_other < alpha and toward[1] < 0) or toward[1] < matters:
        outcome = "contradicted"
    else:
        outcome = "undecided"
    needed = _seeds_needed(sign * change, matters, level) if outcome == "undecided" else nan
    return Verdict(outcome, float(change.mean()), low, high, p, smallest_p(seeds, levels), seeds, needed)


def _test(table: np.ndarray, direction: Direction) -> float:
    if table.shape[1] < FEWEST_LEVELS:
        return difference_test(table[:, -1] - table[:, 0], direction)
    return trend_test(table, direction)


def _seeds_needed(toward: np.ndarray, matters: float, level: float) -> float:
    """Seeds at which an interval as wide as this spread makes it would exclude 0 (a change that matters) or `matters`."""
    distance = toward.mean() if toward.mean() >= matters else matters - toward.mean()
    spread = toward.std(ddof=1)
    for n in range(len(toward) + 1, 1000):
        if t.ppf((1 + level) / 2, n - 1) * spread / sqrt(n) < distance:
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
