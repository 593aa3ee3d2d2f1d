"""Values over the levels of x, joined, in a band; only seeds that have every level. `ideal`: a variable of the best critic."""

from collections.abc import Iterator, Mapping

import pandas as pd

from synthgap.panels.panel import Panel, X, curve
from synthgap.panels.rows import IDEAL, over_x
from synthgap.study import Study


def rows(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    ideal = [panel["ideal"] | {"label": IDEAL}] if "ideal" in panel else []
    with_ideal = {**panel, "curves": [*panel["curves"], *ideal]}
    # sums of logarithms may differ in the last bit
    return over_x(table, study, with_ideal, lambda runs, x: {"label": "", "x": x.astype(float).round(9)})


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    marks.dots(axis, dots[dots.curve != IDEAL], look)
    for series, line in look.series(points[points.curve != IDEAL]):
        marks.band(axis, line, series)
    marks.lines(axis, points[points.curve != IDEAL], look)
    ideal = points[points.curve == IDEAL]
    if len(ideal):
        ideal = ideal[ideal.arm == ideal.arm.iloc[0]]  # it is of the world, so the same in all arms
        axis.plot(ideal.x, ideal["mean"], color="black", lw=1.1, ls=(0, (4, 2)), label=IDEAL)


panel = Panel(rows, draw, keys={"x": X, "ideal": curve()}, interval="bands: 95 % within-seed t intervals", joined=True)
