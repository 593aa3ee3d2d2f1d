"""From a table of runs to a study's figure."""

from synthgap.panels.paths import paths
from synthgap.panels.points import FIT, FIT_ALL, IDEAL, dots, levels
from synthgap.panels.thresholds import thresholds

__all__ = ["FIT", "FIT_ALL", "IDEAL", "dots", "levels", "paths", "thresholds"]
