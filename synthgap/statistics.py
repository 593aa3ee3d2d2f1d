"""A claim and a table in, a verdict out. Seeds are paired: every level of a comparison shares its seed."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import factorial, inf, isfinite, nan, prod, sqrt
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit  # scipy.stats takes a second to load: only where it is needed

from data_gen.errors import unknown

Direction = Literal["falls", "rises", "stays"]
TRENDS = ("falls", "rises")
DIRECTIONS = (*TRENDS, "stays")
ALPHA, LEVEL = 0.05, 0.95  # of every verdict
FEWEST_LEVELS = 3  # a trend is more than a difference; a claim about two levels is a claim about their difference
FEWEST_SEEDS = 3  # fewer give no interval worth the name
MOST_SEEDS = 1000  # that a verdict is said to need; beyond, it is said that more are needed
PERMUTATIONS = 9_999  # with what was seen, 10,000


def paired_interval(differences, level: float = LEVEL) -> tuple[float, float]:
    """Student t interval (low, high) of the mean of paired seed differences [n]; (nan, nan) if n < 2.

    At the few seeds that sweeps have, the percentile bootstrap covers far too little (79 % for a nominal 95 % at n = 3);
    t keeps its level.
    """
    d = np.asarray(differences, dtype=float)
    if len(d) < 2:
        return nan, nan
    half = stdtrit(len(d) - 1, (1 + level) / 2) * d.std(ddof=1) / sqrt(len(d))
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
    from scipy.stats import page_trend_test

    return float(page_trend_test(-table if direction == "falls" else table).pvalue)


def difference_test(differences, direction: Direction) -> float:
    """p of the exact sign-flip test that paired seed differences [n] have a mean below 0 ("falls") or above ("rises")."""
    if direction not in TRENDS:
        raise unknown("direction", direction, TRENDS)
    from scipy.stats import permutation_test

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
    return float(max(stdtr(len(d) - 1, (d.mean() - margin) / error), stdtr(len(d) - 1, (-margin - d.mean()) / error)))


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


def kendall(y, x, strata=None) -> np.ndarray:
    """Kendall's tau-b [...] in [−1, 1] of y and x [..., n], among the pairs that share their stratum [n] (None: all do).

    Other pairs count neither as concordant nor as ties, so what strata hold fixed has no say. nan where y or x is the same
    in all pairs that count.
    """
    y, x = (np.asarray(v, dtype=float) for v in (y, x))
    strata = np.zeros(y.shape[-1]) if strata is None else np.asarray(strata)
    first, second = np.triu_indices(y.shape[-1], 1)
    first, second = (i[strata[first] == strata[second]] for i in (first, second))
    dy, dx = (np.sign(v[..., first] - v[..., second]) for v in (y, x))
    agree, untied = (dy * dx).sum(-1), np.sqrt((dy**2).sum(-1) * (dx**2).sum(-1))
    return np.divide(agree, untied, out=np.full(agree.shape, nan), where=untied > 0)


def kendall_test(y, x, strata=None) -> dict[Direction, float]:
    """p of permutation tests that y falls, and rises, with x [seeds, n], by the mean over seeds of `kendall`, in (0, 1].

    What is exchangeable is the n units (cells of a grid), not the runs: x is permuted among units of a stratum [n], in the
    same way in all seeds, so that many seeds of few cells count as few cells. p = (1 + how many of 9,999 permutations go
    together at least as much) / 10,000 (Phipson & Smyth 2010), and never under `smallest_kendall_p`.
    """
    y, x = (np.asarray(v, dtype=float) for v in (y, x))
    n = y.shape[1]
    codes = np.zeros(n, dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
    orders = np.empty((PERMUTATIONS, n), dtype=int)
    shuffled = np.random.default_rng(0).random(orders.shape)
    orders[:, np.argsort(codes, kind="stable")] = np.argsort(codes + shuffled, axis=1)
    parts = np.array_split(orders, -(-orders.size * n // 2**20))  # a few MB of pairs at a time
    chance = np.concatenate([kendall(y[:, None], x[:, part], codes).mean(axis=0) for part in parts])
    seen, least = kendall(y, x, codes).mean(), smallest_kendall_p(x, codes)
    beyond = {"falls": chance <= seen + 1e-12, "rises": chance >= seen - 1e-12}  # ties, but for rounding
    return {side: max(float(1 + found.sum()) / (1 + PERMUTATIONS), least) for side, found in beyond.items()}


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
    """Ranks [n], centred; those that are equal share their mean rank."""
    _, which, counts = np.unique(v, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[which] - (len(v) + 1) / 2


def smallest_p(seeds: int, levels: int) -> float:
    """The p floor of the one-sided tests: every seed in perfect order, (1/levels!)^seeds; for two levels, 2^-seeds."""
    return factorial(levels) ** -float(seeds)


def smallest_kendall_p(x, strata=None) -> float:
    """The p floor of `kendall_test`: one of all orders of the units of x [seeds, n] within strata [n], but not under 1/10,000.

    Units that are alike in all seeds make no other order by changing places. More seeds do not lower it; more units do.
    """
    x = np.asarray(x, dtype=float)
    codes = np.zeros(x.shape[1], dtype=int) if strata is None else np.unique(strata, return_inverse=True)[1]
    _, alike = np.unique(np.vstack([codes, x]), axis=1, return_counts=True)
    orders = prod(map(factorial, np.bincount(codes).tolist())) // prod(map(factorial, alike.tolist()))
    return max(1 / (1 + PERMUTATIONS), 1 / orders)


def holm(p) -> np.ndarray:
    """p [n] adjusted for there being n of them (Holm 1979), in [0, 1]; nan stays nan, and does not count.

    The smallest is multiplied by n, the next by n − 1 and so on, none falling under one before it: whoever believes those
    under alpha believes any that is false with a chance of at most alpha, however the tests depend on each other.
    """
    p = np.asarray(p, dtype=float)
    order = np.argsort(p)[: np.isfinite(p).sum()]  # nan are last
    adjusted = np.full(p.shape, nan)
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def holm_bars(p) -> np.ndarray:
    """What each p [n] would have to be under for `holm` to leave it under 0.05, all others staying as they are; nan for nan.

    0.05 / (n − s), where s of the others stand whatever this one is.
    """
    p = np.asarray(p, dtype=float)
    there = np.flatnonzero(np.isfinite(p))
    bars, n = np.full(p.shape, nan), len(there)
    for i in there:
        others = np.sort(p[there[there != i]])
        stands = np.logical_and.accumulate(others < ALPHA / np.arange(n, 1, -1))
        bars[i] = ALPHA / (n - stands.sum())
    return bars


def seeds_to_stand(p: float, p_floor: float, seeds: int, bar: float) -> float:
    """About how many seeds like these would have a p under `bar`; inf if more than 1,000 would be needed.

    Floors are powers (0: the test has none). Of a p above its floor, it is the normal score that grows, with √n.
    """
    n = np.arange(seeds, MOST_SEEDS + 1)
    floors = p_floor ** (n / seeds)
    reach = floors if p <= p_floor * (1 + 1e-9) else np.maximum(floors, ndtr(ndtri(p) * np.sqrt(n / seeds)))
    return float(n[(reach < bar).argmax()]) if (reach < bar).any() else inf


@dataclass(frozen=True)
class Verdict:
    """effect: mean over seeds of the paired change from the first level to the last (or of tau), with its interval (low,
    high). p: in the claimed direction; p_floor: the smallest it could be (t tests have none: 0).

    seeds_needed: how many would decide it; nan if it is decided or no number would, inf if more than 1,000. A promise about
    the interval, which is what seeds make narrow: were changes spread about this mean as they were here, at least about
    half of all studies with so many seeds would have one that decides, and so would the p of more seeds like these.
    """

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
    fewest_levels: int = FEWEST_LEVELS,
    fewest_seeds: int = FEWEST_SEEDS,
) -> Verdict:
    """Verdict on "the columns of `table` [seeds, levels] fall (or rise), by at least `matters` from first to last".

    With fewest_levels=2, two levels are compared by the exact sign-flip test; more always by the trend test.

    *supported*: the trend (or difference) is significant in the claimed direction, the interval of the change excludes 0
    on that side, and the change is at least `matters`. *contradicted*: the same in the other direction, or the interval
    lies wholly below `matters`: whatever change there is, it does not matter. *undecided*: anything else, and always
    under the fewest seeds or levels.

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
    change = table[:, -1] - table[:, 0] if seeds and levels else np.array([])
    if seeds < fewest_seeds or levels < fewest_levels:
        hopeless = levels < fewest_levels or (len(whole) and not seeds)  # seeds make no trend of two levels, nor of nan
        return _too_few(change, nan if hopeless else fewest_seeds)
    if direction == "stays":
        return _equivalence((table[:, 1:] - table[:, :1]).T, matters)
    p = {towards: _test(table, towards) for towards in TRENDS}
    within_reach = partial(_p_of_more, p[direction], seeds, levels)
    return _decide(change, p, smallest_p(seeds, levels), within_reach, direction, matters)


def judge_order(
    y,
    x,
    direction: Direction,
    matters: float,
    strata=None,
    fewest_seeds: int = FEWEST_SEEDS,
) -> Verdict:
    """Verdict on "y falls (or rises) with x [seeds, n], by a tau of at least `matters`", over n cells within their strata.

    The rule is that of `judge`: the change is Kendall's tau of each seed, and p that of `kendall_test`. Seeds in which y or
    x is the same everywhere do not count.
    """
    if direction not in TRENDS:
        raise unknown("direction", direction, TRENDS)
    y, x = (np.asarray(v, dtype=float) for v in (y, x))
    tau = kendall(y, x, strata)
    tells = np.isfinite(tau)
    y, x, tau = y[tells], x[tells], tau[tells]
    if len(tau) < fewest_seeds:
        return _too_few(tau, nan if len(tells) and not len(tau) else fewest_seeds)
    p = kendall_test(y, x, strata)
    reach = p[direction]  # it is cells that are few, if it is not small enough
    return _decide(tau, p, smallest_kendall_p(x, strata), lambda _: reach, direction, matters)


def _p_of_more(p: float, seeds: int, levels: int, n: int) -> float:
    """What n seeds like these would have: the floor, if these are at theirs; else a normal score grows with √n."""
    if p <= smallest_p(seeds, levels) * (1 + 1e-9):
        return smallest_p(n, levels)
    return max(smallest_p(n, levels), ndtr(ndtri(p) * sqrt(n / seeds)))


def _too_few(change: np.ndarray, needed: float) -> Verdict:
    effect = float(change.mean()) if len(change) else nan
    return Verdict("undecided", effect, *paired_interval(change), nan, nan, len(change), needed)


def _decide(
    change: np.ndarray,
    p: dict[Direction, float],
    p_floor: float,
    within_reach: Callable[[int], float],
    direction: Direction,
    matters: float,
) -> Verdict:
    """The rule of `judge`, of changes [seeds], the p of both directions, and that which n seeds may reach."""
    low, high = paired_interval(change)
    sign, other = (-1, "rises") if direction == "falls" else (1, "falls")
    toward, mean = sorted((sign * low, sign * high)), sign * change.mean()  # positive = as claimed
    if p[direction] < ALPHA and toward[0] > 0 and mean >= matters:
        outcome = "supported"
    elif (p[other] < ALPHA and toward[1] < 0) or toward[1] < matters:
        outcome = "contradicted"
    else:
        outcome = "undecided"
    needed = nan
    if outcome == "undecided" and mean < matters:
        needed = _seeds_needed(matters - mean, change, (1 + LEVEL) / 2)
    elif outcome == "undecided":
        needed = _seeds_needed(mean, change, (1 + LEVEL) / 2, enough=lambda n: within_reach(n) < ALPHA)
    return Verdict(outcome, float(change.mean()), low, high, p[direction], p_floor, len(change), needed)


def _equivalence(changes: np.ndarray, matters: float) -> Verdict:
    p, worst = max((equivalence_test(change, matters), i) for i, change in enumerate(changes))
    change = changes[worst]
    low, high = paired_interval(change)
    outcome = "supported" if p < ALPHA else "contradicted" if low > matters or high < -matters else "undecided"
    beyond = matters - abs(change.mean())
    # within ±matters: half of all means are near enough
    chances = (1 - ALPHA, 0.75) if beyond > 0 else ((1 + LEVEL) / 2,)
    needed = _seeds_needed(beyond, change, *chances) if outcome == "undecided" else nan
    return Verdict(outcome, float(change.mean()), low, high, p, 0.0, len(change), needed)


def _test(table: np.ndarray, direction: Direction) -> float:
    if table.shape[1] < FEWEST_LEVELS:
        return difference_test(table[:, -1] - table[:, 0], direction)
    return trend_test(table, direction)


def _seeds_needed(
    distance: float, change: np.ndarray, *chances: float, enough: Callable[[int], bool] = lambda n: True
) -> float:
    """Seeds at which these quantiles of t, with this spread, would reach no further than from the mean to what is to be
    excluded: 0 (of a change that matters), or `matters`; the first that are enough for p as well."""
    spread = change.std(ddof=1)
    if not isfinite(spread) or not enough(MOST_SEEDS):
        return nan
    fewest = next((n for n in range(len(change) + 1, MOST_SEEDS) if enough(n)), MOST_SEEDS)
    n = np.arange(fewest, MOST_SEEDS + 1)
    near = sum(stdtrit(n - 1, chance) for chance in chances) * spread / np.sqrt(n) < abs(distance)
    return float(n[near.argmax()]) if near.any() else inf


def within_seed_interval(table) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
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
    intervals = np.array([paired_interval(column) for column in spread.T])
    return table.mean(axis=0), intervals[:, 0], intervals[:, 1]
