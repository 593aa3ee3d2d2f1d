"""From a table of runs to the verdicts of claims."""

from synthgap.judging.judge import VERDICT_COLUMNS, compared, unjudged, verdicts
from synthgap.judging.kind import TESTS, ClaimTest, seeds_needed

__all__ = ["TESTS", "VERDICT_COLUMNS", "ClaimTest", "compared", "seeds_needed", "unjudged", "verdicts"]
