"""Table in, figure out; no computing here."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from synthgap.summary import IDEAL

COLOURS = ("#1b6ca8", "#d1495b", "#e09f3e", "#2e933c", "#6f4e9c", "#5c5c5c")
STYLES = ("-", "--", ":", "-.")


def draw(points: pd.DataFrame, dots: pd.DataFrame, spec: Mapping, path: Path, footer: str = "") -> None:
    """Draw a study's figure into `path`: a panel each, curves with bands, every seed as a dot.

    dots, points: `summary.dots` and `summary.levels`. spec: the study's `figure`.
    """
    panels = spec["panels"]
    columns = 2 if len(panels) == 4 else min(3, len(panels))
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(4.3 * columns, 3.4 * rows + 1.2), dpi=120, layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    arms = list(dict.fromkeys(points.arm))
    for axis, panel in zip(axes, panels, strict=False):
        title = panel["title"]
        axis.set_visible(title in set(points.panel))  # a world of its own factors has no curve for MAD's
        _panel(axis, points[points.panel == title], dots[dots.panel == title], arms)
        axis.set_title(title, fontsize=10.5)
    if len(arms) > 1:  # colours mean the same in every panel: said once
        handles = [axes[0].plot([], [], color=COLOURS[i % len(COLOURS)], lw=2)[0] for i in range(len(arms))]
        axes[0].legend(handles, arms, frameon=False, fontsize=8.5, loc="best")
    for axis in axes[len(panels) :]:
        axis.set_visible(False)
    figure.suptitle(spec.get("title", ""), fontsize=13)
    figure.supxlabel(f"{spec['x']['label']}\n{footer}".strip(), fontsize=10)
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    figure.savefig(beside, format=path.suffix[1:])
    beside.replace(path)


def _panel(axis, points: pd.DataFrame, dots: pd.DataFrame, arms: list[str]) -> None:
    if points.empty:
        return
    curves = [curve for curve in dict.fromkeys(points.curve) if curve != IDEAL]
    for a, arm in enumerate(arms):
        for c, curve in enumerate(curves):
            colour = COLOURS[(a if len(arms) > 1 else c) % len(COLOURS)]
            line = points[(points.arm == arm) & (points.curve == curve)]
            dot = dots[(dots.arm == arm) & (dots.curve == curve)]
            axis.plot(dot.x, dot.value, ".", color=colour, ms=5, alpha=0.45, mew=0)
            axis.fill_between(line.x, line.low, line.high, color=colour, alpha=0.18, lw=0)
            axis.plot(line.x, line["mean"], STYLES[c % len(STYLES)], color=colour, lw=1.7)
    for c, curve in enumerate(filter(None, curves)):
        axis.plot(
            [], [], STYLES[c % len(STYLES)], color="black" if len(arms) > 1 else COLOURS[c % len(COLOURS)], label=curve
        )
    ideal = points[(points.curve == IDEAL) & (points.arm == arms[0])]
    if len(ideal):
        axis.plot(ideal.x, ideal["mean"], color="black", lw=1.1, ls=(0, (4, 2)), label=IDEAL)
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(alpha=0.25, lw=0.6)
    axis.set_ylim(bottom=min(0, axis.get_ylim()[0]))
    if axis.get_legend_handles_labels()[1]:
        axis.legend(frameon=False, fontsize=8.5)
