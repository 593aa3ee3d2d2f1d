"""What several kinds of panel draw: dots of seeds, means, bands, lines, and intervals from the top down."""

from textwrap import fill

import pandas as pd
import seaborn as sns

from synthgap.panels.style import Look, Series

NAME = 26  # characters, before a name is wrapped


def _named(rows: pd.DataFrame, look: Look) -> tuple[pd.DataFrame, dict]:
    """Rows with the column `series`, and what seaborn needs to know of it."""
    rows = rows.assign(series=rows.arm + "\n" + rows.curve)
    styles = {f"{arm}\n{curve}": look.of(arm, curve) for arm in look.arms for curve in look.curves}
    there = {name: style for name, style in styles.items() if name in set(rows.series)}
    palette = {name: style.colour for name, style in there.items()}
    return rows, dict(hue="series", style="series", hue_order=list(there), style_order=list(there), palette=palette) | {
        "markers": {name: style.marker for name, style in there.items()},
        "legend": False,
    }


def dots(axis, rows: pd.DataFrame, look: Look, x: str = "x", y: str = "value", alpha: float = 0.4) -> None:
    """Every seed, small and pale."""
    if len(rows):
        rows, known = _named(rows, look)
        known["markers"] = dict.fromkeys(known["markers"], "o")
        sns.scatterplot(rows, x=x, y=y, s=7, alpha=alpha, lw=0, ax=axis, **known)


def means(axis, points: pd.DataFrame, look: Look) -> None:
    if len(points):
        points, known = _named(points, look)
        sns.scatterplot(points, x="x", y="mean", s=26, edgecolor="white", lw=0.6, zorder=3, ax=axis, **known)


def lines(axis, points: pd.DataFrame, look: Look) -> None:
    """Means, joined in the order of the rows."""
    if len(points):
        points, known = _named(points, look)
        known["dashes"] = {name: look.of(*name.split("\n")).dash for name in known["palette"]}
        known |= {"ms": 4, "mew": 0.4} if look.marked else {"markers": False, "units": "label"}  # a line a cell
        sns.lineplot(points, x="x", y="mean", estimator=None, errorbar=None, sort=False, ax=axis, **known)


def band(axis, line: pd.DataFrame, series: Series) -> None:
    axis.fill_between(line.x, line.low, line.high, color=series.colour, alpha=0.18, lw=0)


def beside(i: int, n: int) -> float:
    """Where the i-th of n series stands in the place of a name, which is 1 high."""
    return 0.74 * ((i + 0.5) / n - 0.5)


def down(axis, points: pd.DataFrame, seeds: pd.DataFrame, look: Look) -> None:
    """Values along x with their intervals, a name a line, and every seed as a dot."""
    found = zip(look.series(points), look.series(seeds), strict=True)
    for i, ((series, line), (_, dot)) in enumerate(found):
        at = beside(i, look.number)
        dots(axis, dot.assign(place=dot.x + at), look, x="value", y="place")
        error = [line["mean"] - line.low, line.high - line["mean"]]
        bars = dict(fmt=series.marker, ms=4.5, mew=0.4, mec="white", capsize=0, lw=1.2, zorder=3)
        axis.errorbar(line["mean"], line.x + at, xerr=error, color=series.colour, **bars)
    names = points.sort_values("x").drop_duplicates("x")
    axis.set_yticks(names.x.to_list(), [fill(name, NAME) for name in names.label])
    axis.tick_params(axis="y", length=0)
    axis.set_ylim(names.x.max() + 0.6, names.x.min() - 0.6)
