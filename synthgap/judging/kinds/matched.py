"""Concordance, in each seed, of pairs of runs that are alike in what is `matched`, and the sign-flip test of its mean."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from synthgap.judging.comparison import judged_by_level, of_seeds
from synthgap.judging.kind import ClaimTest
from synthgap.statistics import matched_concordance, smallest_p
from synthgap.study import Claim, Study


def compare(table: pd.DataFrame, study: Study, claim: Claim) -> Mapping[str, np.ndarray]:
    return of_seeds(table, claim, lambda y, x, by: matched_concordance(y, x, by, claim.matched["within"]))


test = ClaimTest(
    "an explanation, among runs that are 'matched'",
    compare,
    judged_by_level,
    fits=lambda claim: bool(claim.explained_by and claim.matched),
    floor=lambda claim, seeds: smallest_p(seeds, 2),
    lacks="no seed has, for {explained_by}, runs enough that differ",
)
