"""The figure of `synthgap measure`: tables in, figure out; no computing here."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthgap.panels.style import COLOURS, MARKERS, theme

LINES = {"gap": "-", "random": ":"}  # by which order dimensions are set to 0
SCORES = {"rmg": "relative gap (rmg)", "recall@1_instance": "R@1", "ncm": "nearest class mean"}


def draw(tables: Mapping[str, pd.DataFrame], path: Path, title: str) -> None:
    """Draw the tables of `measures.measure` into `path`, a PNG: the gap by dimension, three planes, ablation, spectra."""
    with rc_context(theme()):
        figure = Figure(figsize=(10, 6.4), layout="constrained")
        axes = figure.subplots(2, 3)
        _by_dimension(axes[0, 0], tables["dimensions"])
        points, at = tables["points"], (axes[0, 1], axes[0, 2], axes[1, 1])
        titles = {
            "largest means": "largest mean of each modality",
            "largest differences": "where means differ most",
            "principal components": "principal components of both",
        }
        for axis, (panel, told) in zip(at, titles.items(), strict=True):
            _plane(axis, points[points.panel == panel], told)
        _ablation(axes[1, 0], tables["ablation"])
        _spectra(axes[1, 2], tables["spectrum"])
        for axis in (axes[0, 1], axes[1, 2]):
            if handles := axis.get_legend_handles_labels()[0]:  # a modality that is one point has no spectrum
                for name in axis.legend(handles=handles).get_texts():
                    name.set_parse_math(False)  # a name is plain text, dollar signs too
        figure.suptitle(fill(title, 110), parse_math=False)
        figure.savefig(path, dpi=150)


def _by_dimension(axis, table: pd.DataFrame) -> None:
    ranks = range(1, len(table) + 1)
    axis.fill_between(ranks, table.difference.abs(), step="mid", color=COLOURS[0], alpha=0.4, lw=0)
    axis.set(
        title="where the gap lies", xlabel="dimensions, the largest gap first (log)", xscale="log", xlim=(0.9, None)
    )
    axis.set_ylabel("|difference of means|", color=COLOURS[0])
    axis.set_ylim(0)
    share = axis.twinx()
    share.plot(ranks, table.cumulative_share, color="black")
    share.set_ylabel("share of the squared gap, cumulative")
    share.set_ylim(0, 1.02)
    share.spines["right"].set_visible(True)
    share.grid(False)


def _plane(axis, points: pd.DataFrame, title: str) -> None:
    for (name, part), colour, marker in zip(points.groupby("modality", sort=False), COLOURS, MARKERS, strict=False):
        axis.plot(part.x, part.y, marker, color=colour, ms=2.5, alpha=0.5, mew=0, label=name)
    axis.set(title=title, xlabel=points.x_name.iloc[0], ylabel=points.y_name.iloc[0])


def _ablation(axis, table: pd.DataFrame) -> None:
    metrics = [metric for metric in SCORES if metric in set(table.metric)]
    for metric, colour, marker in zip(metrics, COLOURS, MARKERS, strict=False):
        for order, line in LINES.items():
            part = table[(table.metric == metric) & (table.order == order)].groupby("dimensions").value.mean()
            axis.plot(part.index, part, line, color=colour, marker=marker, ms=3)
    axis.set_xscale("symlog", base=2, linthresh=1, linscale=0.7)
    ticks = sorted(set(table.dimensions))
    ticks = ticks if len(ticks) <= 8 else [0, *ticks[1::2]]
    axis.set_xticks(ticks, [str(k) for k in ticks])
    axis.set_xticks([], minor=True)
    axis.set(title="without some dimensions", xlabel="dimensions set to 0", ylim=(0, 1.02))
    axis.set_ylabel("mean of both directions")
    handles = [
        Line2D([], [], color=colour, marker=marker, ms=4, label=SCORES[metric])
        for metric, colour, marker in zip(metrics, COLOURS, MARKERS, strict=False)
    ]
    names = {"gap": "largest gap first", "random": "random"}
    handles += [Line2D([], [], color="black", ls=line, label=names[order]) for order, line in LINES.items()]
    where = dict(loc="upper center", bbox_to_anchor=(0.5, -0.18), ncols=2)  # curves may run anywhere inside
    axis.legend(handles=handles, columnspacing=1.2, **where)


def _spectra(axis, table: pd.DataFrame) -> None:
    modalities = table[table.singular_value > 0].groupby("modality", sort=False)
    for (name, part), colour, line in zip(
        modalities, COLOURS, ("-", "--"), strict=False
    ):  # they often lie on each other
        axis.plot(part.component, part.singular_value, line, color=colour, label=name)
    axis.set(
        title="spectrum of each modality, centred", xlabel="component", ylabel="singular value (log)", yscale="log"
    )
