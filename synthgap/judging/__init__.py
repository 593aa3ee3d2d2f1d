"""From a table of runs to the verdicts of claims."""

from synthgap.judging.claim_test import TESTS, ClaimTest, seeds_needed
from synthgap.judging.judge import VERDICT_COLUMNS, compared, unjudged, verdicts

__all__ = ["TESTS", "VERDICT_COLUMNS", "ClaimTest", "compared", "seeds_needed", "unjudged", "verdicts"]
