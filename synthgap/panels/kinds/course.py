"""Values of a metric that is followed through training, over the share of the steps done; only runs that have every share.

`colour` names the swept parameter whose values are the arms; `marks` are texts at shares.
"""

from collections.abc import Iterator, Mapping
from functools import partial
from textwrap import fill

import pandas as pd

from data_gen import InputError
from synthgap.panels.panel import Panel
from synthgap.panels.points import whole_seeds, within_seeds
from synthgap.panels.rows import coloured
from synthgap.parts import a_mapping, a_variable
from synthgap.study import Study, is_number
from synthgap.variables import combinations, runs_of


def x(panel: Mapping, figure: Mapping) -> Mapping:
    return {"label": "share of training"} | panel.get("x", {})


def read(panel: Mapping, where: str, swept: Mapping) -> dict:
    for curve in panel["curves"]:
        if not curve["metric"].endswith("_at"):
            what = f"{curve['metric']}, which has no course; those that have end in _at"
            raise InputError(f"a curve of {where} is of {what}")
        a_mapping(curve, f"a curve of {where}", required=("metric",), optional=("label",))  # it is of all shares
    for share, text in a_mapping(panel.get("marks", {}), f"marks of {where}").items():
        if not is_number(share) or not 0 <= share <= 1 or not isinstance(text, str):
            what = f"texts at shares of training from 0 to 1, not {{{share!r}: {text!r}}}"
            raise InputError(f"marks of {where} must be {what}")
    if "colour" in panel:
        a_variable(panel["colour"], f"colour of {where}", swept, text=True)
    return {}


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
    keys=("colour", "marks"),
    read=read,
    x=x,
    points=points,
    whole=partial(whole_seeds, one=("seed", "label")),
    interval="thin lines: seeds; bands: 95 % within-seed t intervals",
    joined=True,
    marked=False,
)
