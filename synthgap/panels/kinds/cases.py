"""Values of each case (or other text) by its name, from the top down; what was published of it as a hollow mark."""

from collections.abc import Iterator, Mapping
from typing import Annotated

import pandas as pd
from pydantic import FiniteFloat

from data_gen.errors import unknown
from synthgap.panels.panel import OF, Panel, x_of_figure
from synthgap.panels.points import whole_seeds
from synthgap.panels.rows import over_x
from synthgap.parts import BY_NAME, LABEL, variable
from synthgap.study import Study
from synthgap.tables import CASE


def x(panel: Mapping, figure: Mapping) -> Mapping:
    return x_of_figure(panel, figure) or {"over": CASE, "label": ""}


def check(panel: Mapping, swept: Mapping) -> None:
    """What was published is of cases."""
    cases = dict.fromkeys(map(str, swept.get(panel["x"].get("over"), ())))
    for name in (name for curve in panel["curves"] for name in curve.get("published", ())):
        if name not in cases:
            raise unknown("case of published", name, cases)


def rows(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    def placed(runs: pd.DataFrame, case: pd.Series) -> dict:
        return {"label": case.astype(str), "x": pd.Series(pd.factorize(case)[0], case.index, dtype=float)}

    return over_x(table, study, panel, placed)


def whole(dots: pd.DataFrame) -> pd.DataFrame:
    """Cases may share no seed; then each is shown by its own."""
    shared = whole_seeds(dots)
    return shared if len(shared) else dots


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    marks.down(axis, points, dots, look)
    place = dict(zip(points.label, points.x, strict=True))
    known = [curve for curve in panel["curves"] if "published" in curve]
    for curve in known:
        at = {place[case]: value for case, value in curve["published"].items() if case in place}
        colour = look.published(curve.get("label", ""))
        above = [y + marks.beside(0, look.number) - 0.18 for y in at]
        axis.plot(list(at.values()), above, "D", color=colour, mfc="white", mew=1.2, ms=4.5, zorder=4)
    if known:
        axis.plot([], [], "D", color="black", mfc="white", mew=1.2, ms=4.5, label="published")


panel = Panel(
    rows,
    draw,
    keys={"x": variable(also=LABEL, text=True)},
    curve=OF | {"published": Annotated[dict[str, FiniteFloat], BY_NAME]},
    check=check,
    x=x,
    whole=whole,
    interval="bars: 95 % within-seed t intervals",
    down=True,
)
