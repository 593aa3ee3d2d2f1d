"""Table in, figure out; no computing here."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from synthgap.summary import IDEAL

COLOURS = ("#1b6ca8", "#d1495b", "#e09f3e", "#2e933c", "#6f4e9c", "#5c5c5c")
STYLES = ("-", "--", ":", "-.")
MARKERS = ("o", "s", "^", "v")


def draw(points: pd.DataFrame, dots: pd.DataFrame, spec: Mapping, path: Path, footer: str = "") -> None:
    """Draw a study's figure into `path`: a panel each, curves with bands, every seed as a dot.

    dots, points: `summary.dots` and `summary.levels`. spec: the study's `figure`.
    """
    panels = spec["panels"]
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.4 * rows + 1.2), dpi=120, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for axis, panel in zip(axes, panels, strict=False):
        title = panel["title"]
        axis.set_visible(title in set(points.panel))  # a world of its own factors has no curve for MAD's
        _panel(axis, panel, points[points.panel == title], dots[dots.panel == title])
        axis.set_title(title, fontsize=10.5)
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    _legend_of_arms(axes, panels, points)
    figure.suptitle(spec.get("title", ""), fontsize=13)
    figure.supxlabel(f"{spec['x']['label']}\n{footer}".strip() if "x" in spec else footer, fontsize=10)
    _save(figure, path)


def diagram(paths: pd.DataFrame, tiers: Sequence[Sequence[Mapping]], path: Path, title: str, footer: str) -> None:
    """Draw the path coefficients of `summary.paths` into `path`: tiers left to right, an arrow each; paler where the
    interval holds 0."""
    figure = Figure(figsize=(11, 6.2), dpi=120, layout="constrained")
    axis = figure.subplots()
    boxes = {}
    for t, tier in enumerate(tiers):
        for i, node in enumerate(reversed(tier)):
            look = dict(ha="center", va="center", size=10.5, zorder=4)
            box = dict(boxstyle="round,pad=0.6", fc="#f4f1ea", ec="0.35")
            name = node["label"]
            boxes[name] = axis.text(t, (i + 0.5) / len(tier), name.replace(" ", "\n", 1), bbox=box, **look)
    lanes = {}  # arrows into a node carry their numbers at different distances from it
    for row in paths.assign(size=paths["mean"].abs()).sort_values("size").itertuples():
        start, end = boxes[row.source], boxes[row.target]
        (x0, y0), (x1, y1) = start.get_position(), end.get_position()
        sure = row.low > 0 or row.high < 0
        colour = (COLOURS[0] if row.mean > 0 else COLOURS[1]) if sure else "0.75"
        skips = x1 - x0 > 1  # past a tier: around its nodes
        bend = 0.22 * (1 if y0 < 0.5 else -1) if skips else 0.0
        arrow = dict(arrowstyle="-|>", connectionstyle=f"arc3,rad={bend}", shrinkA=0, shrinkB=0, mutation_scale=15)
        look = dict(color=colour, lw=0.8 + 6 * row.size if sure else 0.8, alpha=0.85, zorder=2 if sure else 1)
        axis.annotate(
            "",
            (x1, y1),
            (x0, y0),
            arrowprops=dict(**arrow, **look, patchA=start.get_bbox_patch(), patchB=end.get_bbox_patch()),
        )
        if sure:
            lane = lanes[row.target] = lanes.get(row.target, -1) + 1
            along = (0.62, 0.5, 0.38, 0.74, 0.26, 0.56)[lane % 6]
            x, y = x0 + along * (x1 - x0), y0 + along * (y1 - y0)
            if skips:
                middle = (0.5 * (x0 + x1) + bend * (y1 - y0), 0.5 * (y0 + y1) - bend * (x1 - x0))
                x, y = (
                    (1 - along) ** 2 * a + 2 * along * (1 - along) * m + along**2 * b
                    for a, m, b in zip((x0, y0), middle, (x1, y1), strict=True)
                )
            box = dict(boxstyle="round,pad=0.15", fc="white", ec="none", alpha=0.9)
            axis.text(x, y, f"{row.mean:+.2f}", color=colour, ha="center", va="center", size=9.5, bbox=box, zorder=3)
    axis.set(xlim=(-0.25, len(tiers) - 0.75), ylim=(-0.1, 1.1))
    axis.axis("off")
    figure.suptitle(title, fontsize=13)
    figure.supxlabel(footer, fontsize=9.5)
    _save(figure, path)


def _save(figure: Figure, path: Path) -> None:
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    figure.savefig(beside, format=path.suffix[1:])
    beside.replace(path)


def _legend_of_arms(axes: list, panels: Sequence[Mapping], points: pd.DataFrame) -> None:
    """Colours mean the same in every panel of the same arms: said once."""
    told = set()
    for axis, panel in zip(axes, panels, strict=False):
        arms = tuple(dict.fromkeys(points[points.panel == panel["title"]].arm))
        if len(arms) > 1 and arms not in told:
            told.add(arms)
            handles = [axis.plot([], [], color=_colour(a, len(arms), panel), lw=2)[0] for a in range(len(arms))]
            first = axis.get_legend()
            axis.legend(handles, arms, frameon=False, fontsize=8, loc="best")
            if first:
                axis.add_artist(first)


def _colour(i: int, n: int, panel: Mapping):
    if "colour" in panel:  # values of a parameter, in their order
        return colormaps["viridis"](i / max(1, n - 1) * 0.92)
    return COLOURS[i % len(COLOURS)]


def _panel(axis, panel: Mapping, points: pd.DataFrame, dots: pd.DataFrame) -> None:
    if points.empty:
        return
    kind = panel.get("kind", "levels")
    arms = list(dict.fromkeys(points.arm))
    curves = [curve for curve in dict.fromkeys(points.curve) if curve != IDEAL]
    for a, arm in enumerate(arms):
        for c, curve in enumerate(curves):
            colour = _colour(a, len(arms), panel) if len(arms) > 1 else COLOURS[c % len(COLOURS)]
            line = points[(points.arm == arm) & (points.curve == curve)]
            dot = dots[(dots.arm == arm) & (dots.curve == curve)]
            beside = 0.22 * (c - (len(curves) - 1) / 2) if kind == "cases" else 0
            axis.plot(dot.x + beside, dot.value, ".", color=colour, ms=5, alpha=0.45 if kind != "path" else 0.25, mew=0)
            if kind in ("cases", "scatter"):
                error = [(line["mean"] - line.low).fillna(0), (line.high - line["mean"]).fillna(0)]
                bars = dict(fmt=MARKERS[c % len(MARKERS)], ms=6, capsize=3, lw=1.2, zorder=3)
                axis.errorbar(line.x + beside, line["mean"], error, color=colour, **bars)
            elif kind == "path":
                line = line.sort_values("x")
                axis.plot(
                    line.x, line["mean"], STYLES[c % len(STYLES)], color=colour, lw=1.7, marker=MARKERS[a % 4], ms=4
                )
            else:
                axis.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, lw=0)
                axis.plot(line.x, line["mean"], STYLES[c % len(STYLES)], color=colour, lw=1.7)
    for c, curve in enumerate(filter(None, curves)):
        style = MARKERS[c % len(MARKERS)] if kind in ("cases", "scatter") else STYLES[c % len(STYLES)]
        axis.plot([], [], style, color="black" if len(arms) > 1 else COLOURS[c % len(COLOURS)], label=curve)
    if kind == "cases":
        _cases(axis, panel, points)
    ideal = points[(points.curve == IDEAL) & (points.arm == arms[0])]
    if len(ideal):
        axis.plot(ideal.x, ideal["mean"], color="black", lw=1.1, ls=(0, (4, 2)), label=IDEAL)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, lw=0.6)
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    if "x" in panel:
        axis.set_xlabel(panel["x"].get("label", panel["x"]["metric"]), fontsize=9)
    if axis.get_legend_handles_labels()[1]:
        axis.legend(frameon=False, fontsize=8.5)


def _cases(axis, panel: Mapping, points: pd.DataFrame) -> None:
    """Names of the cases, and beside what was measured of each, what was published of it."""
    ticks = points.drop_duplicates("x").set_index("label").x
    axis.set_xticks(ticks.to_list(), ticks.index.to_list(), rotation=30, ha="right", fontsize=8)
    curves = panel["curves"]
    said = [c for c in curves if "published" in c]
    for c, curve in enumerate(curves):
        for case, value in curve.get("published", {}).items():
            if case in ticks.index:
                look = dict(color=COLOURS[c % len(COLOURS)], mfc="white", ms=6, zorder=2)
                axis.plot(ticks[case] + 0.22 * (c - (len(curves) - 1) / 2) + 0.16, value, "D", **look)
    if said:
        axis.plot([], [], "D", color=COLOURS[curves.index(said[0])], mfc="white", label="published")
