"""What a claim compares in a table of runs."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from synthgap.statistics import kendall, matched_concordance, partial_spearman
from synthgap.study import METRIC, OF, Claim, Study, told
from synthgap.tables import CASE, COLUMNS
from synthgap.variables import arms, missing, of_runs, runs_of, where_holds


def compared(table: pd.DataFrame, study: Study, claim: Claim) -> dict[str, np.ndarray]:
    """What a claim compares, in each arm: values [seeds, levels], in the claim's order and of whole seeds.

    A partial sweep has fewer levels; arms with fewer than two are left out, and so is what the table does not vary. The two
    levels of an explanation are 0 and what its seeds tell; all runs (or cells) count, whatever their arm.
    """
    if unjudged(table, claim):
        return {}
    table = where_holds(table, claim.where)
    if claim.explained_by:
        seeds = kendall(*cells_of(table, study, claim)) if claim.test == "kendall" else _explained(table, claim)
        seeds = seeds[np.isfinite(seeds)]
        return {"": np.stack([0 * seeds, seeds], axis=1)} if len(seeds) else {}
    found = {}
    for arm, part in table.groupby(arms(table, study, claim.over), sort=False):
        if claim.over in (METRIC, OF):
            there = dict.fromkeys(claim.levels, part)
        else:
            there = {level: rows for level, rows in part.groupby(claim.over) if level in claim.levels}
        values = [
            of_runs(there[level], variable).groupby(runs_of(there[level]).seed).mean()
            for level, variable in zip(claim.levels, claim.variables(), strict=True)
            if level in there
        ]
        if len(values) > 1:
            found[arm] = pd.concat(values, axis=1).dropna().to_numpy()
    return found


def unjudged(table: pd.DataFrame, claim: Claim) -> str:
    """Why this table cannot speak to a claim; empty where it can, in some arm at least."""
    table = where_holds(table, claim.where)
    if table.empty:
        return f"this sweep has no runs of {', '.join(f'{key}={value}' for key, value in claim.where.items())}"
    if claim.explained_by:
        lacking = next(filter(None, (missing(table, variable) for variable in _explaining(claim))), "")
        if lacking or claim.test == "kendall" or len(_explained(table, claim)):
            return lacking
        return f"no seed has, for {told(claim.explained_by)}, runs enough that differ"
    if claim.over in (METRIC, OF):
        return next(filter(None, (missing(table, variable) for variable in claim.variables())), "")
    if claim.over not in table:
        return f"this sweep does not vary {claim.over}" + ": overrides set what cases do" * (claim.over == CASE)
    if len(set(table[claim.over]) & set(claim.levels)) < 2:
        return f"this sweep has fewer than two of {claim.over} = {', '.join(map(str, claim.levels))}"
    return next(filter(None, (missing(table, variable) for variable in claim.variables())), "")


def _explaining(claim: Claim) -> list[str | Mapping]:
    beside = [claim.matched] if claim.matched else claim.given
    return [{"metric": claim.metric, "of": claim.of}, claim.explained_by, *beside]


def _explained(table: pd.DataFrame, claim: Claim) -> np.ndarray:
    """Of each seed that can tell, over its runs, how far `metric` goes with what is to explain it, in [−1, 1]."""
    values = pd.concat([of_runs(table, variable) for variable in _explaining(claim)], axis=1).astype(float).dropna()
    found = []
    for _, part in values.groupby(runs_of(table).seed):
        y, x, *rest = part.to_numpy().T
        within = claim.matched and claim.matched["within"]
        found.append(matched_concordance(y, x, *rest, within) if claim.matched else partial_spearman(y, x, rest))
    return np.array([value for value in found if np.isfinite(value)])


def cells_of(table: pd.DataFrame, study: Study, claim: Claim) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`metric` and what is to explain it [seeds, cells], and each cell's stratum [cells] by what is `held`.

    A cell is what was swept but for the seed; a named case is one cell, whatever it sets. Seeds that lack a cell that
    others have do not count, as cells change places in all seeds at once.
    """
    runs, of_cases = runs_of(table), study.of_cases - {CASE, *claim.held} if CASE in table else set()
    told_apart = [column for column in runs if column not in {*COLUMNS, *of_cases}]
    cell = runs.groupby([pd.Series(0, runs.index), *told_apart], dropna=False, sort=False).ngroup()
    y, x = (
        of_runs(table, variable).astype(float).groupby([runs.seed, cell]).mean().unstack()
        for variable in _explaining(claim)[:2]
    )
    there = y.columns[y.notna().any() & x.notna().any()]
    y, x = y[there], x[there]
    whole = y.notna().all(axis=1) & x.notna().all(axis=1)
    held = [column for column in claim.held if column in runs]  # what this sweep does not vary is
    strata = runs.groupby([pd.Series(0, runs.index), *held], dropna=False).ngroup().groupby(cell).first()
    return y[whole].to_numpy(), x[whole].to_numpy(), strata[there].to_numpy()
