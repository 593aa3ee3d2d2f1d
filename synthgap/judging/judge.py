"""The verdicts of a study's claims on a table of runs."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from synthgap.judging.comparison import explaining
from synthgap.judging.kind import fitting, test_of
from synthgap.study import Claim, Study, as_text, claim_hash, told
from synthgap.tables import CASE
from synthgap.variables import missing, where_holds

VERDICT_COLUMNS = (
    "study",
    "claim",
    "arm",
    "source",
    "test",
    "verdict",
    "effect",
    "low",
    "high",
    "p",
    "p_floor",
    "seeds",
    "hash",
)


def verdicts(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row a claim, and a claim an arm: what became of it, with everything it rests on."""
    rows = []
    for claim in study.claims:
        for arm, values in compared(table, study, claim).items():
            text = f"{claim.claim} ({arm})" if arm else claim.claim
            known = {"study": study.name, "claim": text, "arm": arm, "source": claim.source}
            known |= {"metric": as_text(claim.metric), "of": as_text(claim.of), "hash": claim_hash(claim)}
            known |= {"test": Path(claim.test).name or fitting(claim)[0], "fewest_seeds": claim.seeds}
            rows.append(known | asdict(test_of(claim).judge(values, claim)))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def compared(table: pd.DataFrame, study: Study, claim: Claim) -> Mapping[str, Any]:
    """What a claim's test compares, in each arm that it can be judged in."""
    table = where_holds(table, claim.where)
    return {} if _lacking(table, claim) else test_of(claim).compare(table, study, claim)


def unjudged(table: pd.DataFrame, study: Study, claim: Claim) -> str:
    """Why this table cannot speak to a claim; empty where it can, in some arm at least."""
    if lacking := _lacking(where_holds(table, claim.where), claim):
        return lacking
    if compared(table, study, claim):
        return ""
    return test_of(claim).lacks.format(
        over=claim.over, explained_by=told(claim.explained_by) if claim.explained_by else ""
    )


def _lacking(table: pd.DataFrame, claim: Claim) -> str:
    """What the runs that count for a claim lack, for any test; empty if nothing."""
    if table.empty:
        return f"this sweep has no runs of {', '.join(f'{key}={value}' for key, value in claim.where.items())}"
    for over, levels in claim.ranges:
        if over not in table:
            return f"this sweep does not vary {over}" + ": overrides set what cases do" * (over == CASE)
        if len(set(table[over]) & set(levels)) < 2:
            return f"this sweep has fewer than two of {over} = {', '.join(map(str, levels))}"
    variables = explaining(claim) if claim.explained_by else claim.variables()
    each = {repr(variable): variable for variable in variables}.values()  # levels often share theirs
    return next(filter(None, (missing(table, variable) for variable in each)), "")
