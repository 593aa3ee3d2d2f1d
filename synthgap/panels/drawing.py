"""Table in, figure out; no computing here."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import fill

import pandas as pd
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch
from matplotlib.path import Path as Outline

from data_gen import files
from synthgap.metric_names import METRICS
from synthgap.panels import FIT, FIT_ALL, IDEAL
from synthgap.studies import told, x_of

COLOURS = ("#1b6ca8", "#d1495b", "#e09f3e", "#2e933c", "#6f4e9c", "#5c5c5c", "#3aa6b9", "#8c5a3c")
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "v")
RISES, FALLS = COLOURS[:2]
#: how many legends stand beside a figure → where
BESIDE = {1: ("center",), 2: ("upper", "lower")}
#: where a legend would be in the way, or something would run through it: kind → how it stands
LEGENDS = {
    "forest": dict(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=3, frameon=False, borderaxespad=0),
    "course": dict(edgecolor="none", framealpha=0.85),
}
#: in inches: the least height of a panel's plot, that of an arm of a forest, and the width of a letter of its name
PLOT, ARM, LETTER = 2.4, 0.28, 0.065
#: of a diagram, in inches: a node's width, the space between tiers, between arrows at a node, and for an arrow's number
NODE, SPACE, PORT, LEAD = 1.7, 2.7, 0.27, 0.6


def draw(points: pd.DataFrame, dots: pd.DataFrame, spec: Mapping, path: Path, footer: str = "") -> None:
    """Draw a study's figure into `path`: a panel each, every seed as a dot.

    dots, points: `summary.dots` and `summary.levels`. spec: the study's `figure`.
    """
    panels = [
        panel for panel in spec["panels"] if panel["title"] in set(points.panel)
    ]  # own factors: no curve for MAD's
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    forests = [_arms_down(panel, points) for panel in panels]
    named = [() if i % columns and arms == forests[i - 1] else arms for i, arms in enumerate(forests)]  # by the first
    plots = [max(PLOT, *(ARM * len(arms) for arms in forests[i : i + columns])) for i in range(0, len(panels), columns)]
    wide = [LETTER * max(len(name) for arms in named[i::columns] for name in ("", *arms)) for i in range(columns)]
    size = sum(4.3 + names for names in wide), sum(plot + 1.0 for plot in plots) + 1.2
    figure = Figure(figsize=size, dpi=120, layout="constrained")
    axes = list(figure.subplots(len(plots), columns, squeeze=False, height_ratios=plots).flat)
    points = _within_range(points, panels)
    lines, points = (points[points.label.isin((FIT, FIT_ALL)) == fitted] for fitted in (True, False))
    looks, shared = _looks(panels, points), all(x_of(panel, spec) == spec.get("x") for panel in panels)
    # what colours mean is told in the first of the panels that share them; many, where there is room for it, beside all
    every = list(looks.values())
    many = [look for i, look in enumerate(every) if len(look) > 4 and look not in every[:i]]
    beside = dict(zip(BESIDE.get(len(many), ()), many, strict=False))
    told_of = list(beside.values())
    for axis, panel, arms in zip(axes, panels, named, strict=False):
        title, kind = panel["title"], panel.get("kind", "levels")
        if kind == "forest":
            _forest(axis, panel, points[points.panel == title], dots[dots.panel == title], named=bool(arms))
        else:
            _panel(axis, panel, points[points.panel == title], dots[dots.panel == title], looks[title])
        _published(axis, panel, points[points.panel == title])
        _fits(axis, lines[lines.panel == title], looks[title])
        _marks(axis, panel.get("marks", {}))
        axis.set_xlabel("" if shared else _label(x_of(panel, spec)), fontsize=9)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(alpha=0.25, lw=0.6)
        low, top = axis.get_ylim()
        far = kind == "cases" and low > 1.5 * (top - low)  # marks, not bars: from 0 they would look alike
        bottom = low if far or panel.get("fits") else min(0, low)
        if kind != "forest":
            axis.set_ylim(bottom, top + 0.03 * (top - bottom))
        handles, names = axis.get_legend_handles_labels()
        if len(looks[title]) > 1 and looks[title] not in told_of:
            told_of.append(looks[title])
            handles = [Line2D([], [], color=colour, lw=4) for colour in looks[title].values()] + handles
            names = [*looks[title], *names]
        if names:
            axis.legend(handles, names, fontsize=8.5, **LEGENDS.get(kind, dict(frameon=False)))
        below = "\n" * -(-len(names) // 3) if kind == "forest" else ""  # room for the legend
        axis.set_title(fill(title, 44) + below, fontsize=10.5)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    for where, look in beside.items():
        handles = [Line2D([], [], color=colour, lw=4) for colour in look.values()]
        figure.legend(handles, list(look), loc=f"outside right {where}", frameon=False, fontsize=9.5)
    figure.suptitle(spec.get("title", ""), fontsize=13)
    figure.supxlabel(f"{_label(spec['x']) if shared else ''}\n{fill(footer, int(13 * size[0]))}".strip(), fontsize=10)
    save(figure, path)


def _within_range(points: pd.DataFrame, panels: Sequence[Mapping]) -> pd.DataFrame:
    """With intervals cut to what their metric can be: a t interval knows nothing of it. Of a change, that is the range's
    width, up or down."""
    points = points.copy()
    for panel in panels:
        for curve in panel["curves"]:
            if (metric := METRICS.get(curve.get("metric"))) is None:
                continue
            width = metric.high - metric.low
            low, high = (-width, width) if panel.get("kind") == "forest" else (metric.low, metric.high)
            shown = (points.panel == panel["title"]) & (points.curve == curve.get("label", ""))
            points.loc[shown, "low"] = points.low.clip(low).clip(upper=points["mean"])  # a mean may be off by rounding
            points.loc[shown, "high"] = points.high.clip(upper=high).clip(points["mean"])
    return points


def _label(x: Mapping) -> str:
    return x.get("label", told(x))


def _looks(panels: Sequence[Mapping], points: pd.DataFrame) -> dict[str, dict[str, tuple]]:
    """panel → arm → colour. An arm has one colour in all panels; values of a panel's own `colour` go from dark to light."""
    of_panel = {panel["title"]: list(dict.fromkeys(points[points.panel == panel["title"]].arm)) for panel in panels}
    every = dict.fromkeys(arm for panel in panels if "colour" not in panel for arm in of_panel[panel["title"]])
    fixed = {arm: COLOURS[i % len(COLOURS)] for i, arm in enumerate(every)}
    looks = {}
    for panel in panels:
        arms = of_panel[panel["title"]]
        scale = {arm: colormaps["viridis"](0.92 * i / max(1, len(arms) - 1)) for i, arm in enumerate(arms)}
        looks[panel["title"]] = scale if "colour" in panel else {arm: fixed[arm] for arm in arms}
    return looks


def _panel(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, looks: Mapping[str, tuple]) -> None:
    kind = panel.get("kind", "levels")
    curves = [curve for curve in dict.fromkeys(points.curve) if curve != IDEAL]
    mark = STYLES if kind in ("levels", "path", "course") else MARKERS
    series = [(arm, curve) for arm in looks for curve in curves]
    for i, (arm, curve) in enumerate(series):
        c = curves.index(curve)
        colour = looks[arm] if len(looks) > 1 else COLOURS[c % len(COLOURS)]
        line = points[(points.arm == arm) & (points.curve == curve)]
        dot = dots[(dots.arm == arm) & (dots.curve == curve)]
        beside = _beside(i, len(series)) if kind == "cases" else 0.0
        if kind == "course":  # a line a seed: too many dots
            for _, seed in dot.groupby(["label", "seed"], sort=False):
                axis.plot(seed.x, seed.value, color=colour, lw=0.6, alpha=0.25)
            for _, cell in line.groupby("label", sort=False):
                axis.fill_between(cell.x, cell.low, cell.high, color=colour, alpha=0.18, lw=0)
                axis.plot(cell.x, cell["mean"], mark[c % len(mark)], color=colour, lw=1.7)
            continue
        faint = dict(ms=4, alpha=0.35) if panel.get("fits") else dict(ms=5, alpha=0.45 if kind != "path" else 0.25)
        axis.plot(dot.x + beside, dot.value, ".", color=colour, mew=0, **faint)
        if kind == "levels":
            axis.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, lw=0)
            axis.plot(line.x, line["mean"], mark[c % len(mark)], color=colour, lw=1.7)
        elif kind == "path":
            axis.plot(line.x, line["mean"], mark[c % len(mark)], color=colour, lw=1.7, marker="o", ms=4)
        elif kind == "scatter":
            size = dict(ms=5 if panel.get("fits") else 6, mec="white", mew=0.6)
            axis.plot(line.x, line["mean"], mark[c % len(mark)], color=colour, **size)
        else:
            error = [line["mean"] - line.low, line.high - line["mean"]]
            bars = dict(fmt=mark[c % len(mark)], ms=5, capsize=3, lw=1.3, zorder=3)
            axis.errorbar(line.x + beside, line["mean"], error, color=colour, **bars)
    for c, curve in enumerate(filter(None, curves)):
        colour = "black" if len(looks) > 1 else COLOURS[c % len(COLOURS)]
        axis.plot([], [], mark[c % len(mark)], color=colour, label=curve)
    if kind == "cases":
        names = points.drop_duplicates("x")
        axis.set_xticks(names.x.to_list(), names.label.to_list(), rotation=30, ha="right", rotation_mode="anchor")
        axis.set_xlim(names.x.min() - 0.6, names.x.max() + 0.6)
        axis.tick_params(axis="x", labelsize=8.5)
    ideal = points[(points.curve == IDEAL) & (points.arm == next(iter(looks)))]
    if len(ideal):
        axis.plot(ideal.x, ideal["mean"], color="black", lw=1.1, ls=(0, (4, 2)), label=IDEAL)


def _arms_down(panel: Mapping, points: pd.DataFrame) -> list[str]:
    """The arms of a forest, from the top; of other panels none."""
    if panel.get("kind") != "forest":
        return []
    return points[points.panel == panel["title"]].sort_values("x").label.drop_duplicates().to_list()


def _forest(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame, *, named: bool) -> None:
    """Changes along x, an arm a line."""
    curves, arms = list(dict.fromkeys(points.curve)), _arms_down(panel, points)
    axis.axvline(0, color="black", lw=0.8, zorder=1)
    if "matters" in panel:
        axis.axvspan(-panel["matters"], panel["matters"], color="0.5", alpha=0.15, lw=0, zorder=0)
    for c, curve in enumerate(curves):
        look, below = dict(color=COLOURS[c % len(COLOURS)]), _beside(c, len(curves))
        line, dot = points[points.curve == curve], dots[dots.curve == curve]
        axis.plot(dot.value, dot.x + below, ".", ms=5, alpha=0.3, mew=0, **look)
        error = [line["mean"] - line.low, line.high - line["mean"]]
        bars = dict(fmt=MARKERS[c % len(MARKERS)], ms=4.5, capsize=2, lw=1.3, zorder=3)
        axis.errorbar(line["mean"], line.x + below, xerr=error, **bars, **look)
        if curve:
            axis.plot([], [], MARKERS[c % len(MARKERS)], label=curve, **look)
    axis.set_yticks(range(len(arms)), arms if named else [""] * len(arms))
    axis.tick_params(axis="y", labelsize=8.5, length=0)
    axis.set_ylim(len(arms) - 0.5, -0.5)


def _fits(axis, lines: pd.DataFrame, looks: Mapping[str, tuple]) -> None:
    """Least-squares lines: of an arm in its colour, of all dashed and black."""
    curves = list(dict.fromkeys(lines.curve))
    for (label, curve, arm), line in lines.groupby(["label", "curve", "arm"], sort=False):
        if label == FIT_ALL:
            axis.plot(line.x, line["mean"], "--", color="black", lw=1.5, zorder=3)
        else:
            colour = looks[arm] if len(looks) > 1 else COLOURS[curves.index(curve) % len(COLOURS)]
            axis.plot(line.x, line["mean"], color=colour, lw=1.5, zorder=3)
    if FIT_ALL in set(lines.label):
        axis.plot([], [], "--", color="black", lw=1.5, label=FIT_ALL)


def _marks(axis, marks: Mapping[float, str]) -> None:
    """Dotted lines at shares of training, with their texts above the plot, where nothing else is."""
    for share in marks:
        axis.axvline(share, color="0.35", lw=0.9, ls=":")
    if marks:
        above = axis.secondary_xaxis("top")
        above.set_xticks(list(marks), [fill(text, 24) for text in marks.values()], fontsize=8.5, color="0.35")
        above.tick_params(length=0, pad=1)
        above.spines["top"].set_visible(False)


def _beside(i: int, n: int) -> float:
    """Where the i-th of n series stands in the place of a case, which is 1 wide."""
    return 0.5 * ((i + 0.5) / n - 0.5)


def _published(axis, panel: Mapping, points: pd.DataFrame) -> None:
    """What was published of each case: a hollow mark of its curve's colour, left of what was measured."""
    place = dict(zip(points.label, points.x, strict=True))
    left = _beside(0, points[["curve", "arm"]].drop_duplicates().shape[0]) - 0.22
    known = [curve for curve in panel["curves"] if "published" in curve]
    for curve in known:
        c = [curve.get("label", "") for curve in panel["curves"]].index(curve.get("label", ""))
        values = {place[case]: value for case, value in curve["published"].items() if case in place}
        colour = COLOURS[c % len(COLOURS)] if points.arm.nunique() == 1 else "black"
        at = [x + left for x in values]
        axis.plot(at, list(values.values()), "D", color=colour, mfc="white", mew=1.3, ms=5.5, zorder=4)
    if known:
        axis.plot([], [], "D", color="black", mfc="white", mew=1.3, ms=5.5, label="published")


def diagram(paths: pd.DataFrame, tiers: Sequence[Sequence[Mapping]], path: Path, title: str, footer: str = "") -> None:
    """Draw the coefficients of `summary.paths` into `path`: tiers of causes left to right, an arrow a coefficient.

    Arrows are as wide as coefficients are large, blue where the effect rises and red where it falls with the cause; those
    whose interval holds 0 are pale. Each has its number where it leaves its cause.
    """
    there = {*paths.source, *paths.target}
    named = [[name for name in map(told, tier) if name in there] for tier in tiers]
    place, heights, through = _layout(paths, [tier for tier in named if tier])
    tall, wide = max(y + heights[name] / 2 for name, (_, y) in place.items()), max(x for x, _ in place.values())
    figure = Figure(figsize=(wide + NODE + 0.6, 2 * tall + 1.3), dpi=120, layout="constrained")
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
        axis.text(s=number, size=9, bbox=box, **where, **weight)
    for name, (x, y) in place.items():
        corner, size = (x - NODE / 2, y - heights[name] / 2), (NODE, heights[name])
        box = dict(boxstyle="round,pad=0,rounding_size=0.08", fc="#f4f1ea", ec="0.35", zorder=3)
        axis.add_patch(FancyBboxPatch(corner, *size, **box))
        axis.text(x, y, fill(name, 16), ha="center", va="center", size=10.5, zorder=5)
    figure.suptitle(title, fontsize=13)
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


def _curve(corners: Sequence[tuple]) -> Outline:
    """A smooth line that is level at all corners, and straight at its start, where its number stands."""
    (x, y), *rest = corners
    points, codes = [(x, y), (x + LEAD, y)], [Outline.MOVETO, Outline.LINETO]
    for (x0, y0), (x1, y1) in pairwise([(x + LEAD, y), *rest]):
        middle = (x0 + x1) / 2
        points += [(middle, y0), (middle, y1), (x1, y1)]
        codes += [Outline.CURVE4] * 3
    return Outline(points, codes)


def save(figure: Figure, path: Path) -> None:
    """Write a figure whole, in the format of its ending."""
    with files.whole(path) as beside:
        figure.savefig(beside, format=path.suffix[1:])
