"""What a figure's panels show: every value, and its mean and interval by level."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd

from synthgap.panels.panel import kind_of, load, x_of
from synthgap.study import Study
from synthgap.tables import CASE
from synthgap.variables import arms, combinations, missing, of_runs, runs_of, where_holds

FIT, FIT_ALL = "least squares", "least squares, all"  # labels of what is no cell, but a line through some
IDEAL = "ideal critic"  # the curve of what no model can beat
ROWS = ["curve", "arm", "label", "seed", "x", "value"]  # what a kind of panel gives
DOTS = ["panel", "kind", "fits", *ROWS]
LEVELS = ["panel", "curve", "arm", "label", "x", "seeds", "mean", "low", "high"]


def dots(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every value that the figure shows, a row a value: panel, kind, fits, curve, arm, label, seed, x, value.

    A panel's `kind` says what is drawn (`panels/kinds/`), its `where` the runs that it shows; with `fits`, least-squares lines
    go through its cells. Arms leave out what x ranges over, or the figure's `over`: else what the first claim ranges over (not
    cases), or the first swept parameter.
    """
    rows = []
    for panel in study.figure.get("panels", ()):
        kind, shown = kind_of(panel), where_holds(table, panel.get("where", {}))
        if shown.empty:
            continue
        known = {"panel": panel["title"], "kind": panel.get("kind", "levels"), "fits": bool(panel.get("fits"))}
        for found in kind.rows(shown, study, panel):
            rows += [kind.whole(part) for _, part in found.assign(**known).groupby("arm", sort=False)]
    return pd.concat(rows, ignore_index=True)[DOTS] if rows else pd.DataFrame(columns=DOTS)


def over_x(table: pd.DataFrame, study: Study, panel: Mapping, placed: Callable) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over the panel's x. placed: (runs, x of each) → the columns label and x."""
    x, runs = x_of(panel, study.figure), runs_of(table)
    if missing(table, x):
        return
    arm = coloured(runs, study, panel, x.get("over") or ranges_over(study))
    shown = pd.DataFrame({"seed": runs.seed, "arm": arm}, index=runs.index).assign(**placed(runs, of_runs(table, x)))
    for curve in panel["curves"]:
        if not missing(table, curve):
            found = shown.assign(curve=curve.get("label", ""), value=of_runs(table, curve))
            yield found.dropna(subset=["x", "value"])


def over_cells(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over another variable of the same run, each labelled by its cell."""
    return over_x(table, study, panel, lambda runs, x: {"label": combinations(runs), "x": x.astype(float)})


def coloured(runs: pd.DataFrame, study: Study, panel: Mapping, over: str) -> pd.Series:
    """The arm of each run: the value of what the panel is coloured by, if this table varies it; else as of `arms`."""
    if panel.get("colour") in runs:
        return combinations(runs, set(runs) - {panel["colour"]}).replace(study.figure.get("arms", {}))
    return arms(runs, study, over)


def ranges_over(study: Study) -> str:
    ranged = [claim.over for claim in study.claims if claim.over not in ("", CASE)]
    return study.figure.get("over") or next(iter([*ranged, *study.grid]))


def levels(dots: pd.DataFrame) -> pd.DataFrame:
    """`dots` over the seeds: panel, curve, arm, label, x, seeds, mean, low, high, a row a level, case, cell or arm, with 95 % t
    intervals, as of their kind.

    Of panels with `fits`, also the two ends of the least-squares line through each arm's cells, labelled `FIT`, and through
    those of all arms, labelled `FIT_ALL`; a line has no interval.
    """
    points, fits = [], []
    for (panel, kind, fitted, curve, arm), part in dots.groupby(["panel", "kind", "fits", "curve", "arm"], sort=False):
        points.append(load(kind).points(part).assign(panel=panel, curve=curve, arm=arm))
        fits += [points[-1]] if fitted else []
    for _, cells in pd.concat(fits).groupby(["panel", "curve"], sort=False) if fits else ():
        points += [_line(part, FIT) for _, part in cells.groupby("arm", sort=False)]
        points += [_line(cells.assign(arm=""), FIT_ALL)] if cells.arm.nunique() > 1 else []
    return pd.concat(points, ignore_index=True)[LEVELS] if points else pd.DataFrame(columns=LEVELS)


def _line(cells: pd.DataFrame, label: str) -> pd.DataFrame:
    """The ends of the least-squares line through cells; no rows where all have the same x."""
    if cells.x.round(9).nunique() < 2:
        return cells[:0]
    x, ends = cells.x - cells.x.mean(), np.array([cells.x.min(), cells.x.max()])
    mean = cells["mean"].mean() + (x @ cells["mean"]) / (x @ x) * (ends - cells.x.mean())
    return cells[:2].assign(label=label, x=ends, seeds=cells.seeds.max(), mean=mean, low=np.nan, high=np.nan)
