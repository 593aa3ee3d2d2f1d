"""The exact sign-flip test: does the second of two levels have less, or more, than the first?"""

from synthgap.judging.comparison import by_level, judged_by_level
from synthgap.judging.kind import ClaimTest
from synthgap.statistics import FEWEST_LEVELS, smallest_p

test = ClaimTest(
    "two levels",
    by_level,
    judged_by_level,
    fits=lambda claim: not claim.explained_by and claim.direction != "stays" and len(claim.levels) < FEWEST_LEVELS,
    floor=lambda claim, seeds: smallest_p(seeds, 2),
    lacks="no arm of this sweep has two of its levels of {over}",
)
