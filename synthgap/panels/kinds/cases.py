"""Values of each case (or other text) by its name, from the top down; what was published of it as a hollow mark."""

from collections.abc import Iterator, Mapping
from math import isfinite

import pandas as pd

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.panels.panel import Panel, x_of_figure
from synthgap.panels.points import whole_seeds
from synthgap.panels.rows import over_x
from synthgap.parts import a_mapping, by_name
from synthgap.study import Study, is_number
from synthgap.tables import CASE


def x(panel: Mapping, figure: Mapping) -> Mapping:
    return x_of_figure(panel, figure) or {"over": CASE, "label": ""}


def read(panel: Mapping, where: str, swept: Mapping) -> dict:
    """The curves, with what was `published` of each case by its name."""
    curves, names = [], list(map(str, swept.get(panel["x"].get("over"), ())))
    for curve in panel["curves"]:
        published = a_mapping(curve.get("published", {}), f"published of {where}")
        for name, value in published.items():
            if str(name) not in names:
                raise unknown(f"case in published of {where}", name, dict.fromkeys(names))
            if not is_number(value) or not isfinite(value):
                raise InputError(f"published of {where} must be numbers, not {value!r}")
        curves.append(curve | ({"published": by_name(published)} if "published" in curve else {}))
    return {"curves": curves}


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
    keys=("x",),
    curve=("of", "published"),
    read=read,
    x=x,
    text=True,
    whole=whole,
    interval="bars: 95 % within-seed t intervals",
    down=True,
)
