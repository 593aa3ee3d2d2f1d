"""From a table of runs to a study's figure."""

from synthgap.panels.diagram import paths
from synthgap.panels.panel import Panel, kind_of, x_of
from synthgap.panels.rows import FIT, FIT_ALL, dots, levels
from synthgap.panels.thresholds import thresholds

__all__ = ["FIT", "FIT_ALL", "Panel", "dots", "kind_of", "levels", "paths", "thresholds", "x_of"]
