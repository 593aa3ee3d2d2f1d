"""From a table of runs to the verdicts of claims."""

from synthgap.judging.comparison import compared, unjudged
from synthgap.judging.judge import VERDICT_COLUMNS, verdicts

__all__ = ["VERDICT_COLUMNS", "compared", "unjudged", "verdicts"]
