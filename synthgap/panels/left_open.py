"""The ideal space beside trained models, in panels of levels: a measure's value there, and how far the loss leaves it open.

It is that of the temperature which the runs of a point end with. To find it takes a minute or so a point, so that
`synthgap ideal --figure` keeps what it finds in a file beside the figure, and what is drawn is read from there.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from synthgap.panels.panel import kind_of
from synthgap.panels.panel import load as kind_called
from synthgap.panels.rows import over_x
from synthgap.panels.style import Look
from synthgap.study import Study
from synthgap.variables import where_holds

FILE = "ideal.csv"
#: (metric, of) → its name in `synthgap.ideal.measures`
MEASURES = {(name, "image-text"): name for name in ("l2m", "rmg", "spread", "mean_cosine")}
MEASURES |= {("moad", modality): f"moad_{modality}" for modality in ("image", "text")}
POINT = ["arm", "x", "metric", "of"]
COLUMNS = [*POINT, "temperature", "regret", "value", "low", "high", "within"]
DASH = (0, (2, 1.2))  # finer than curves have


def points(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """The points of a study's figure of which an ideal space could tell: panel, curve, arm, x, metric, of; temperature, the
    mean of the runs' τ at their end; and run_id, of the first of them."""
    found = [row for panel in study.figure.get("panels", ()) for row in _of_panel(table, study, panel)]
    return pd.DataFrame(found, columns=["panel", "curve", *POINT, "temperature", "run_id"])


def _of_panel(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[tuple]:
    shown, curves = where_holds(table, panel.get("where", {})), []
    for curve in panel["curves"]:
        if isinstance(curve.get("of"), str) and (curve["metric"], curve["of"]) in MEASURES:
            curves.append((curve.get("label", ""), curve["metric"], curve["of"]))
    if kind_of(panel) is not kind_called("levels") or shown.empty or not curves:
        return
    scales = {**panel, "curves": [{"metric": "logit_scale", "of": ""}]}
    placed = over_x(shown, study, scales, lambda runs, x: {"label": runs.index, "x": x.astype(float).round(9)})
    for (arm, x), runs in (group for rows in placed for group in rows.groupby(["arm", "x"], sort=False)):
        for label, metric, of in curves:
            yield panel["title"], label, arm, x, metric, of, (1 / runs.value).mean(), runs.label.iloc[0]


def read(folder: Path, table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """What was found of a figure's points, as `points` has them with value, low, high and within; none of another temperature
    than the runs end with, as where seeds came since."""
    if not (folder / FILE).exists():
        return pd.DataFrame(columns=["panel", "curve", *COLUMNS])
    found = pd.read_csv(folder / FILE, keep_default_na=False).rename(columns={"temperature": "at"})
    found = points(table, study).merge(found, on=POINT)
    return found[(found["at"] / found.temperature - 1).abs() < 1e-6]


def draw(axis, found: pd.DataFrame, look: Look) -> None:
    """A dashed line and a hatched band each curve and arm. found: those of one panel, of `read`."""
    found = found[found.arm.isin(list(look.arms))].sort_values("x")
    for (arm, curve), part in found.groupby(["arm", "curve"], sort=False):
        colour = look.of(arm, curve).colour
        axis.fill_between(part.x, part.low, part.high, fc="none", ec=colour, hatch="////", lw=0, alpha=0.3)
        axis.plot(part.x, part.value, color=colour, lw=1.0, ls=DASH)
    if len(found):
        axis.plot([], [], color="gray", lw=1.0, ls=DASH, label="ideal space")
        label = f"within {found.within.iloc[0]:g} nats"
        axis.fill_between([], [], [], fc="none", ec="gray", hatch="////", lw=0, alpha=0.6, label=label)
