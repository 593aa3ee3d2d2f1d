"""Two one-sided t tests: do levels differ by no more than what matters?"""

from synthgap.judging.comparison import by_level, judged_by_level
from synthgap.judging.kind import ClaimTest

test = ClaimTest(
    "levels between which something stays",
    by_level,
    judged_by_level,
    fits=lambda claim: not claim.explained_by and claim.direction == "stays",
    lacks="no arm of this sweep has two of its levels of {over}",
)
