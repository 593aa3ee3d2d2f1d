"""Values over another metric of the same run, a mark a cell; with `fits`, least-squares lines through the cells.

`colour` names the swept parameter whose values are the arms.
"""

from collections.abc import Mapping

import pandas as pd

from synthgap.panels.panel import Panel, X
from synthgap.panels.points import by_label
from synthgap.panels.rows import FIT, FIT_ALL, over_cells
from synthgap.parts import variable


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    fitted = points.label.isin((FIT, FIT_ALL))
    marks.dots(axis, dots, look, alpha=0.35)
    marks.means(axis, points[~fitted], look)
    for series, line in look.series(points[points.label == FIT]):
        axis.plot(line.x, line["mean"], color=series.colour, lw=1.5, zorder=3)
    for i, (_, line) in enumerate(points[points.label == FIT_ALL].groupby("curve")):
        axis.plot(line.x, line["mean"], "--", color="black", lw=1.5, zorder=3, label="" if i else FIT_ALL)


panel = Panel(
    over_cells,
    draw,
    keys={"x": X, "colour": variable(text=True), "fits": bool},
    points=by_label,
    whole=lambda dots: dots,
    interval="large marks: means over seeds",
)
