"""A study's causal diagram: what a study file says of it, its coefficients, and how they are drawn."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import fill
from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field

from synthgap.forms import form
from synthgap.panels.style import FALLS, RISES, save, theme
from synthgap.parts import LABEL, differ, variable
from synthgap.statistics import paired_interval, path_coefficients
from synthgap.study import Study, told
from synthgap.variables import missing, of_runs, runs_of

#: in inches: a node's width, the space between tiers, between arrows at a node, and for an arrow's number
NODE, SPACE, PORT, LEAD = 1.7, 2.5, 0.27, 0.6
PATH_COLUMNS = ["source", "target", "mean", "low", "high", "seeds"]
_TIER = Annotated[list[variable(also=LABEL)], Field(min_length=1)]
_TIERS = Annotated[
    list[_TIER], Field(min_length=2), differ(lambda tiers: [told(node) for tier in tiers for node in tier])
]
#: what a study file says: tiers of variables, causes first
DIAGRAM = form({"tiers": _TIERS}, {"title": str})


def paths(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Coefficients of the study's causal `diagram`: source, target, mean, low, high (95 % t interval over seeds), seeds.

    Nodes stand in tiers. Of each seed, over all its runs, every node is regressed on all nodes of earlier tiers
    (`path_coefficients`); what does not vary in this table is left out. That is causal only so far as the order of tiers is
    right and nothing that moves two nodes is missing.
    """
    tiers = study.figure["diagram"]["tiers"]
    tiers = [{told(node): of_runs(table, node) for node in tier if not missing(table, node)} for tier in tiers]
    tiers = [{name: values for name, values in tier.items() if values.nunique() > 1} for tier in tiers]
    values = pd.DataFrame({name: column for tier in tiers for name, column in tier.items()}).astype(float).dropna()
    rows, causes = [], []
    for tier in tiers:
        for effect in tier if causes else ():
            parts = [part for _, part in values.groupby(runs_of(table).seed)]
            found = np.array([path_coefficients(part[effect], part[causes].to_numpy().T) for part in parts])
            found = found[np.isfinite(found).all(axis=1)]
            for cause, seeds in zip(causes, found.T, strict=True) if len(found) else ():
                rows.append((cause, effect, seeds.mean(), *paired_interval(seeds), len(seeds)))
        causes += tier
    return pd.DataFrame(rows, columns=PATH_COLUMNS)


def draw(paths: pd.DataFrame, tiers: Sequence[Sequence[Mapping]], path: Path, title: str, footer: str = "") -> None:
    """Draw the coefficients of `paths` into `path`: tiers of causes left to right, an arrow a coefficient.

    Arrows are as wide as coefficients are large, blue where the effect rises and orange where it falls with the cause; those
    whose interval holds 0 are pale. Each has its number where it leaves its cause.
    """
    from matplotlib import rc_context  # a second that planning need not wait for
    from matplotlib.colors import to_rgb
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

    there = {*paths.source, *paths.target}
    named = [[name for name in map(told, tier) if name in there] for tier in tiers]
    place, heights, through = _layout(paths, [tier for tier in named if tier])
    tall, wide = max(y + heights[name] / 2 for name, (_, y) in place.items()), max(x for x, _ in place.values())
    with rc_context(theme(9)):
        figure = Figure(figsize=(wide + NODE + 0.6, 2 * tall + 1.3), layout="constrained")
    axis = figure.subplots()
    axis.set(xlim=(-NODE / 2 - 0.1, wide + NODE / 2 + 0.1), ylim=(-tall - 0.1, tall + 0.1), aspect="equal")
    axis.axis("off")
    rows = list(paths.itertuples())
    leaves = _ports(rows, place, lambda row: row.source, lambda row: through[row.source, row.target][0])
    comes = _ports(rows, place, lambda row: row.target, lambda row: through[row.source, row.target][-1])
    for row, leave, come in zip(rows, leaves, comes, strict=True):
        sure = row.low > 0 or row.high < 0
        colour = to_rgb(RISES if row.mean > 0 else FALLS)
        shade = colour if sure else tuple(1 - 0.28 * (1 - part) for part in colour)
        width = 0.8 + 7 * abs(row.mean)
        start, end = (place[row.source][0] + NODE / 2, leave), (place[row.target][0] - NODE / 2, come)
        corners = [start, *through[row.source, row.target][1:-1], end]
        look = dict(color=shade, lw=width, mutation_scale=8 + 1.2 * width, shrinkA=0, shrinkB=0, joinstyle="miter")
        axis.add_patch(FancyArrowPatch(path=_curve(corners), arrowstyle="-|>", zorder=2 if sure else 1, **look))
        box = dict(boxstyle="round,pad=0.15", fc="white", ec="none")
        weight = dict(color=colour, weight="bold") if sure else dict(color="0.55")
        number = f"{row.mean:+.2f}".replace("-", "−") if abs(row.mean) >= 0.005 else "0.00"
        where = dict(x=start[0] + LEAD / 2, y=leave, ha="center", va="center", zorder=4)
        axis.text(s=number, size=9.5, bbox=box, **where, **weight)
    for name, (x, y) in place.items():
        corner, size = (x - NODE / 2, y - heights[name] / 2), (NODE, heights[name])
        box = dict(boxstyle="round,pad=0,rounding_size=0.08", fc="#f4f1ea", ec="0.35", zorder=3)
        axis.add_patch(FancyBboxPatch(corner, *size, **box))
        axis.text(x, y, fill(name, 16), ha="center", va="center", size=10.5, zorder=5)
    figure.suptitle(title, fontsize=12.5)
    figure.supxlabel(footer, fontsize=9.5)
    save(figure, path)


def _layout(paths: pd.DataFrame, tiers: Sequence[Sequence[str]]) -> tuple[dict, dict, dict]:
    """In inches: node → centre, node → height, and (cause, effect) → the points an arrow goes by, ends among them.

    An arrow past a tier has a place of its own between that tier's nodes, about as high as it came from.
    """
    tier_of = {name: t for t, tier in enumerate(tiers) for name in tier}
    share = {name: (i + 0.5) / len(tier) for tier in tiers for i, name in enumerate(tier)}
    arrows = list(zip(paths.source, paths.target, strict=True))
    ends = [end for arrow in arrows for end in arrow]
    busiest = {name: max(list(paths.source).count(name), list(paths.target).count(name)) for name in ends}
    heights = {name: max(0.6, PORT * busiest[name] + 0.1) for name in share}
    place = {}
    for t, tier in enumerate(tiers):
        past = [arrow for arrow in arrows if tier_of[arrow[0]] < t < tier_of[arrow[1]]]
        slots = [(share[name], 0.5, name, heights[name] + 0.5) for name in tier]
        slots += [(share[arrow[0]], share[arrow[0]] > 0.5, arrow, 0.4) for arrow in past]  # on a tie: the outer side
        y = sum(slot[-1] for slot in slots) / 2
        for _, _, what, room in sorted(slots, key=lambda slot: slot[:2]):
            place[what if isinstance(what, str) else (*what, t)] = (t * (NODE + SPACE), y - room / 2)
            y -= room
    through = {
        (cause, effect): [
            place[cause],
            *(
                (place[cause, effect, t][0] + side * NODE / 2, place[cause, effect, t][1])
                for t in range(tier_of[cause] + 1, tier_of[effect])
                for side in (-1, 1)
            ),
            place[effect],
        ]
        for cause, effect in arrows
    }
    return {name: place[name] for name in share}, heights, through


def _ports(rows: list, place: Mapping, node: Callable, other: Callable) -> list[float]:
    """Heights at which arrows touch a node, in the order of where they go or come from: none cross at the node."""
    found = []
    for row in rows:
        ends = sorted((other(r)[1], -i) for i, r in enumerate(rows) if node(r) == node(row))
        found.append(place[node(row)][1] + PORT * (ends.index((other(row)[1], -rows.index(row))) - (len(ends) - 1) / 2))
    return found


def _curve(corners: Sequence[tuple]):
    """A smooth line, a matplotlib Path, that is level at all corners, and straight at its start, where its number stands."""
    from matplotlib.path import Path as Outline

    (x, y), *rest = corners
    points, codes = [(x, y), (x + LEAD, y)], [Outline.MOVETO, Outline.LINETO]
    for (x0, y0), (x1, y1) in pairwise([(x + LEAD, y), *rest]):
        middle = (x0 + x1) / 2
        points += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Outline.CURVE4] * 3
    return Outline(points, codes)
