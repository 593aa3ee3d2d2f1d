"""Values of a metric that is followed through training, over the share of the steps done; only runs that have every share.

`colour` names the swept parameter whose values are the arms; `marks` are texts at shares.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from textwrap import fill
from typing import Annotated

import pandas as pd
from pydantic import AfterValidator, Field

from data_gen import InputError
from synthgap.panels.panel import Panel
from synthgap.panels.points import whole_seeds, within_seeds
from synthgap.panels.rows import coloured
from synthgap.parts import variable
from synthgap.study import Study
from synthgap.variables import combinations, runs_of


def x(panel: Mapping, figure: Mapping) -> Mapping:
    return {"label": "share of training"} | panel.get("x", {})


def followed(metric: str) -> str:
    if not metric.endswith("_at"):
        raise InputError(f"{metric} has no course; metrics that have one end in _at")
    return metric


def rows(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """What the metric is `of` is the share of training."""
    runs = runs_of(table)
    arm = coloured(runs, study, panel, "seed")
    shown = pd.DataFrame({"label": combinations(runs), "seed": runs.seed, "arm": arm}, index=runs.index)
    for curve in panel["curves"]:
        found = table[table.metric == curve["metric"]].set_index("run_id").dropna(subset=["value"])
        known = {"curve": curve.get("label", ""), "x": found["of"].astype(float).to_numpy()}
        yield shown.loc[found.index].assign(value=found.value.to_numpy(), **known)


def points(dots: pd.DataFrame) -> pd.DataFrame:
    """Each cell is a line of its own."""
    return pd.concat([within_seeds(cell) for _, cell in dots.groupby("label", sort=False)])


def draw(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look) -> None:
    from synthgap.panels import marks

    for series, values in look.series(dots):  # a line a seed: dots would be too many
        for _, seed in values.groupby(["label", "seed"], sort=False):
            axis.plot(seed.x, seed.value, color=series.colour, lw=0.6, alpha=0.25)
    for series, line in look.series(points):
        for _, cell in line.groupby("label", sort=False):
            marks.band(axis, cell, series)
    marks.lines(axis, points, look)
    for share in panel.get("marks", {}):
        axis.axvline(share, color="0.35", lw=0.9, ls=":")
    if texts := panel.get("marks"):  # above the plot, where nothing else is
        above = axis.secondary_xaxis("top")
        above.set_xticks(list(texts), [fill(text, 22) for text in texts.values()], color="0.35")
        above.tick_params(length=0, pad=1)
        above.spines["top"].set_visible(False)


panel = Panel(
    rows,
    draw,
    keys={"colour": variable(text=True), "marks": dict[Annotated[float, Field(ge=0, le=1)], str]},
    curve={"metric": Annotated[str, AfterValidator(followed)]},
    x=x,
    points=points,
    whole=partial(whole_seeds, one=("seed", "label")),
    interval="thin lines: seeds; bands: 95 % within-seed t intervals",
    joined=True,
    marked=False,
)
