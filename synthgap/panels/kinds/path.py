"""Values over another metric of the same run, joined cell by cell in the plan's order; only seeds that have every cell."""

from collections.abc import Mapping
from functools import partial

import pandas as pd

from synthgap.panels.panel import Panel
from synthgap.panels.points import by_label, whole_seeds
from synthgap.panels.rows import over_cells


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    marks.dots(axis, dots, look, alpha=0.25)
    marks.lines(axis, points, look)


panel = Panel(
    over_cells,
    draw,
    points=by_label,
    whole=partial(whole_seeds, key="label"),
    interval="large marks: means over seeds",
    joined=True,
)
