"""Kendall's tau over all cells of the grid, or those that have the same of what is `held`: cells change places, not runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from synthgap.judging.comparison import asked, explaining
from synthgap.judging.kind import ClaimTest
from synthgap.statistics import Verdict, judge_order, kendall
from synthgap.study import Claim, Study
from synthgap.tables import CASE, COLUMNS
from synthgap.variables import of_runs, runs_of


def compare(table: pd.DataFrame, study: Study, claim: Claim) -> Mapping[str, tuple]:
    """`metric` and what is to explain it [seeds, cells], and each cell's stratum [cells] by what is `held`.

    A cell is what was swept but for the seed; a named case is one cell. Seeds that lack a cell that
    others have do not count, as cells change places in all seeds at once.
    """
    runs, of_cases = runs_of(table), study.of_cases - {CASE, *claim.held} if CASE in table else set()
    told_apart = [column for column in runs if column not in {*COLUMNS, *of_cases}]
    cell = runs.groupby([pd.Series(0, runs.index), *told_apart], dropna=False, sort=False).ngroup()
    y, x = (
        of_runs(table, variable).astype(float).groupby([runs.seed, cell]).mean().unstack()
        for variable in explaining(claim)[:2]
    )
    there = y.columns[y.notna().any() & x.notna().any()]
    y, x = y[there], x[there]
    whole = y.notna().all(axis=1) & x.notna().all(axis=1)
    held = [column for column in claim.held if column in runs]  # what this sweep does not vary is
    strata = runs.groupby([pd.Series(0, runs.index), *held], dropna=False).ngroup().groupby(cell).first()
    found = y[whole].to_numpy(), x[whole].to_numpy(), strata[there].to_numpy()
    return {"": found} if np.isfinite(kendall(*found)).any() else {}


def judge(found: tuple, claim: Claim) -> Verdict:
    y, x, strata = found
    return judge_order(y, x, strata=strata, **asked(claim))


test = ClaimTest(
    "an explanation, what is 'held' being equal",
    compare,
    judge,
    fits=lambda claim: bool(claim.explained_by) and not claim.matched and not claim.given,
    lacks="no arm of this sweep has cells enough, in all seeds, that differ",
    usual=False,
)
