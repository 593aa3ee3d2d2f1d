"""The spread of each level over seeds, as bars: a kind of panel, in a study file `kind: my_panel.py`."""

from synthgap.panels import Panel
from synthgap.panels.rows import over_x


def rows(table, study, panel):
    """Every value, at its level."""
    return over_x(table, study, panel, lambda runs, x: {"label": x.astype(str), "x": x.astype(float)})


def spread(dots):
    found = dots.groupby("x").value.agg(["std", "size"]).reset_index()
    more = {
        "label": found.x.astype(str),
        "seeds": found["size"],
        "mean": found["std"],
        "low": 0.0,
        "high": found["std"],
    }
    return found[["x"]].assign(**more)


def draw(axis, panel, points, dots, look):
    for series, bars in look.series(points):
        axis.bar(bars.x, bars["mean"], width=0.8 / look.number, color=series.colour)


panel = Panel(rows, draw, points=spread, interval="bars: standard deviations over seeds")
