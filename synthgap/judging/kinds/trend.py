"""Page's test: do three or more levels fall, or rise, one after the other?"""

from synthgap.judging.comparison import by_level, judged_by_level
from synthgap.judging.kind import ClaimTest
from synthgap.statistics import FEWEST_LEVELS, smallest_p

test = ClaimTest(
    "three or more levels",
    by_level,
    judged_by_level,
    fits=lambda claim: not claim.explained_by and claim.direction != "stays" and len(claim.levels) >= FEWEST_LEVELS,
    floor=lambda claim, seeds: smallest_p(seeds, len(claim.levels)),
    lacks="no arm of this sweep has two of its levels of {over}",
)
