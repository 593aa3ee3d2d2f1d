"""Partial rank correlation of each seed, with `given` held, and the sign-flip test that its mean is not 0."""

from synthgap.judging.comparison import judged_by_level, of_seeds
from synthgap.judging.kind import ClaimTest
from synthgap.statistics import partial_spearman, smallest_p

test = ClaimTest(
    "an explanation, with 'given' held",
    lambda table, study, claim: of_seeds(table, claim, lambda y, x, *given: partial_spearman(y, x, given)),
    judged_by_level,
    fits=lambda claim: bool(claim.explained_by) and not claim.matched and not claim.held,
    floor=lambda claim, seeds: smallest_p(seeds, 2),
    lacks="no seed has, for {explained_by}, runs enough that differ",
)
