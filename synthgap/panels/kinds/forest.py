"""Of each seed the change from the first of the panel's `levels` of `over` to the last, an arm a line; only seeds that have
every level. Changes up to `matters` lie in a band."""

from collections.abc import Iterator, Mapping

import pandas as pd

from synthgap.panels.panel import Panel
from synthgap.panels.points import by_label
from synthgap.parts import Amount, Levels, swept
from synthgap.study import Study
from synthgap.tables import CASE
from synthgap.variables import arms, missing, of_runs, runs_of


def x(panel: Mapping, figure: Mapping) -> Mapping:
    over = "" if panel["over"] == CASE else f"{panel['over']} "
    return {"label": f"change from {over}{panel['levels'][0]} to {panel['levels'][-1]}"} | panel.get("x", {})


def rows(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """An arm is a label, and has one place in all curves."""
    runs, over = runs_of(table), panel["over"]
    if over not in runs:
        return
    levels = list(map(str, panel["levels"])) if over == CASE else panel["levels"]
    shown = pd.DataFrame({"label": arms(runs, study, over), "seed": runs.seed, "level": runs[over]})
    found = []
    for curve in panel["curves"]:
        if not missing(table, curve):
            values = shown.assign(value=of_runs(table, curve))
            wide = values.pivot_table(index=["label", "seed"], columns="level", values="value")
            whole = wide.reindex(columns=levels).dropna()
            change = whole[levels[-1]] - whole[levels[0]]
            found.append(change.rename("value").reset_index().assign(curve=curve.get("label", ""), arm=""))
    there = {label for changes in found for label in changes.label}
    place = {label: float(i) for i, label in enumerate(label for label in dict.fromkeys(shown.label) if label in there)}
    for changes in found:
        yield changes.assign(x=changes.label.map(place)).sort_values(["x", "seed"])


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    axis.axvline(0, color="black", lw=0.8, zorder=1)
    if "matters" in panel:
        axis.axvspan(-panel["matters"], panel["matters"], color="0.5", alpha=0.15, lw=0, zorder=0)
    marks.down(axis, points, dots, look)


panel = Panel(
    rows,
    draw,
    keys={"matters": Amount},
    required={"over": swept(), "levels": Levels},
    x=x,
    points=by_label,
    whole=lambda dots: dots,
    interval="bars of changes: 95 % t intervals",
    down=True,
    change=True,
)
