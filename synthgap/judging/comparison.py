"""What a claim compares in a table of runs: levels within each arm, or what each seed tells."""

from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd

from synthgap.statistics import FEWEST_LEVELS, Verdict, judge
from synthgap.study import METRIC, OF, Claim, Study
from synthgap.variables import arms, of_runs, runs_of


def by_level(table: pd.DataFrame, study: Study, claim: Claim) -> dict[str, np.ndarray]:
    """In each arm values [seeds, levels], in the claim's order and of whole seeds: of the metric, or what it changes by.

    A partial sweep has fewer levels; arms with fewer than two are left out.
    """
    runs, known, found = runs_of(table), {}, {}
    for arm, part in runs.groupby(arms(runs, study, *(over for over, _ in claim.ranges)), sort=False):
        values = []
        for level, variable in zip(claim.levels, claim.variables(), strict=True):
            if (name := repr(variable)) not in known:
                known[name] = of_runs(table, variable)
            there = part if claim.over in (METRIC, OF) else part[part[claim.over] == level]
            there = there[there.index.isin(known[name].index)]
            means = _means(known[name][there.index], there, claim.change)
            if len(means):
                values.append(means)
        if len(values) > 1:
            found[arm] = pd.concat(values, axis=1).dropna().to_numpy()
    return found


def _means(values: pd.Series, there: pd.DataFrame, change: Mapping | None) -> pd.Series:
    """The mean over the runs of each seed; of a change, that at the last of its levels less that at the first."""
    if not change:
        return values.groupby(there.seed).mean()
    first, last = (there[there[change["over"]] == change["levels"][i]] for i in (0, -1))
    return (values[last.index].groupby(last.seed).mean() - values[first.index].groupby(first.seed).mean()).dropna()


def of_seeds(table: pd.DataFrame, claim: Claim, statistic: Callable[..., float]) -> dict[str, np.ndarray]:
    """Of each seed that can tell, over its runs, how far `metric` goes with what is to explain it, in [−1, 1]: as the second of
    two levels [seeds, 2], of which the first is 0. Runs of all arms count."""
    values = pd.concat([of_runs(table, variable) for variable in explaining(claim)], axis=1).astype(float).dropna()
    found = np.array([statistic(*part.to_numpy().T) for _, part in values.groupby(runs_of(table).seed)])
    found = found[np.isfinite(found)]
    return {"": np.stack([0 * found, found], axis=1)} if len(found) else {}


def explaining(claim: Claim) -> list[str | Mapping]:
    """The variables of an explanation: what is explained, by what, and what is beside."""
    return [
        {"metric": claim.metric, "of": claim.of},
        claim.explained_by,
        *([claim.matched] if claim.matched else claim.given),
    ]


def asked(claim: Claim) -> dict:
    """What a claim asks of `statistics.judge`."""
    return {"direction": claim.direction, "matters": claim.matters, "fewest_seeds": claim.seeds}


def judged_by_level(values: np.ndarray, claim: Claim) -> Verdict:
    return judge(values, fewest_levels=min(FEWEST_LEVELS, len(claim.levels) or 2), **asked(claim))
