"""The verdicts of a study's claims on a table of runs."""

from dataclasses import asdict

import numpy as np
import pandas as pd

from synthgap.judging.comparison import cells_of, compared
from synthgap.statistics import FEWEST_LEVELS, Verdict, judge, judge_order
from synthgap.study import Claim, Study, as_text, claim_hash
from synthgap.variables import where_holds

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
            known |= {"test": claim.test, "fewest_seeds": claim.seeds}
            rows.append(known | asdict(_judged(values, table, study, claim)))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def _judged(values: np.ndarray, table: pd.DataFrame, study: Study, claim: Claim) -> Verdict:
    asked = {"direction": claim.direction, "matters": claim.matters, "fewest_seeds": claim.seeds}
    if claim.test == "kendall":
        y, x, strata = cells_of(where_holds(table, claim.where), study, claim)
        return judge_order(y, x, strata=strata, **asked)
    return judge(values, fewest_levels=min(FEWEST_LEVELS, len(claim.levels) or 2), **asked)
