"""Table in, figure out; no computing here."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill

import pandas as pd
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from synthgap.metric_names import METRICS, Metric
from synthgap.panels import left_open
from synthgap.panels.marks import NAME
from synthgap.panels.names import plain
from synthgap.panels.panel import kind_of, x_of
from synthgap.panels.rows import FIT_ALL, IDEAL
from synthgap.panels.style import COLOURS, Look, ordered, save, scale, theme
from synthgap.study import told

#: in inches: a panel's width beside its names, the height of its plot, that of a line of names, and what is above and below
WIDE, PLOT, LINE, AROUND = 3.5, 2.1, 0.17, 1.0
COLUMN, SMALLEST = (
    3.3,
    7.2,
)  # inches that a panel may be shrunk to, and the size in points that its texts then have at least
FEW = 4  # arms that are told in a panel; more stand beside all


def draw(
    points: pd.DataFrame,
    dots: pd.DataFrame,
    spec: Mapping,
    path: Path,
    footer: str = "",
    known: Mapping[str, Metric] = METRICS,
    ideal: pd.DataFrame | None = None,
) -> None:
    """Draw a study's figure into `path`, in the format of its ending: a panel each, every seed as a dot.

    dots, points: `panels.dots` and `panels.levels`. spec: the study's `figure`. known: the metrics' declarations. ideal: of
    `left_open.read`.
    """
    panels = [p for p in spec["panels"] if p["title"] in set(points.panel)]  # own factors: no curve for MAD's
    columns = 2 if len(panels) in (2, 4) else min(3, len(panels))
    points, looks = _within_range(points, panels, known), _looks(panels, points)
    names = [_names(panel, points) for panel in panels]
    named = [() if i % columns and names[i] == names[i - 1] else names[i] for i in range(len(panels))]  # by the first
    smallest = _smallest(named, columns)
    wide = [WIDE + max(_room(some, smallest) for some in named[i::columns]) for i in range(columns)]
    lines = [LINE * smallest / 8 * _lines_down(panel, some, looks) for panel, some in zip(panels, names, strict=True)]
    tall = [max(PLOT, *lines[i : i + columns]) for i in range(0, len(panels), columns)]
    told_of = _told(list(looks.values()))
    with rc_context(theme(smallest)):
        figure = Figure(figsize=(sum(wide), sum(AROUND + plot for plot in tall)), layout="constrained")
        title = _title(figure, spec.get("title", ""))
        figure.set_figheight(figure.get_figheight() + 0.25 * (2 + title.count("\n")))
        axes = list(figure.subplots(len(tall), columns, squeeze=False, height_ratios=tall).flat)
        for i, (axis, panel) in enumerate(zip(axes, panels, strict=False)):
            shown, values = (rows[rows.panel == panel["title"]] for rows in (points, dots))
            if ideal is not None:
                left_open.draw(axis, ideal[ideal.panel == panel["title"]], looks[panel["title"]])
            _panel(axis, panel, spec, shown, values, looks[panel["title"]], known)
            if kind_of(panel).down and not named[i]:
                axis.set_yticklabels([])
        for axis in axes[len(panels) :]:
            axis.set_visible(False)
        figure.supxlabel(fill(footer, int(16 * sum(wide) * 8 / smallest)))
        beside = [look for look in told_of if len(look.arms) > FEW]
        for where, look in zip(("center",) if len(beside) == 1 else ("upper", "lower"), beside, strict=False):
            figure.legend(handles=_arms(look), loc=f"outside right {where}")
        figure.draw_without_rendering()  # so that it is known how far down each axis goes
        for axis, panel in zip(axes, panels, strict=False):
            look = looks[panel["title"]]
            here = any(look is told for told in told_of) and not any(look is told for told in beside)
            _legend(figure, axis, look, arms=here)
        save(figure, path)


def _title(figure: Figure, title: str) -> str:
    """Give a figure its title, in as few lines as its width allows. Returns these."""
    columns = int(14 * figure.get_figwidth())
    shown = figure.suptitle(fill(title, columns))
    while shown.get_window_extent().width > figure.bbox.width and columns > 20:
        columns -= 1
        shown.set_text(fill(title, columns))
    return shown.get_text()


def _panel(
    axis, panel: Mapping, spec: Mapping, points: pd.DataFrame, dots: pd.DataFrame, look: Look, known: Mapping
) -> None:
    """One panel, with its title and what its axes are."""
    kind, x = kind_of(panel), x_of(panel, spec)
    axis.grid(axis="y" if kind.down else "x", visible=False)
    kind.draw(axis, panel, points, dots, look)
    if kind.down:
        axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.set_title(fill(panel["title"], 44))
    along, value = fill(x.get("label", told(x)), 48), plain([curve["metric"] for curve in panel["curves"]], known)
    if kind.down:
        axis.set(xlabel=along if kind.change else fill(value, 44), ylabel="")
    else:
        axis.set(xlabel=along, ylabel=fill(value, 32))
    set_limits, (low, high) = (axis.set_xlim, axis.get_xlim()) if kind.down else (axis.set_ylim, axis.get_ylim())
    far = kind.down and low > 1.5 * (high - low)  # marks, not bars: from 0 they would look alike
    if not kind.change and not far and not panel.get("fits"):
        set_limits(min(0, low), high)


def _names(panel: Mapping, points: pd.DataFrame) -> tuple[str, ...]:
    """What stands along y, from the top; nothing where that is numbers."""
    if not kind_of(panel).down:
        return ()
    return tuple(points[points.panel == panel["title"]].sort_values("x").label.drop_duplicates())


def _room(names: Sequence[str], size: float) -> float:
    """The inches that names take, at a size in points."""
    return max((min(len(name), NAME) for name in names), default=0) * 0.0075 * size


def _smallest(named: Sequence[Sequence[str]], columns: int) -> float:
    """The size of a figure's texts, in points, with which they can be read where a panel is shrunk to `COLUMN` inches."""
    size = 8.0
    for _ in range(20):  # larger texts need more room
        wide = WIDE + sum(max(_room(some, size) for some in named[i::columns]) for i in range(columns)) / columns
        size = max(8.0, SMALLEST * wide / COLUMN)
    return size


def _lines_down(panel: Mapping, names: Sequence[str], looks: Mapping[str, Look]) -> float:
    """How many lines of text a panel of names is high: each name, or as many as it has series."""
    series = max(1.3, 0.36 * looks[panel["title"]].number)
    return sum(max(1.35 * -(-len(name) // NAME), series) for name in names)


def _within_range(
    points: pd.DataFrame, panels: Sequence[Mapping], known: Mapping[str, Metric] = METRICS
) -> pd.DataFrame:
    """With intervals cut to what their metric can be: a t interval knows nothing of it. Of a change, that is the range's
    width, up or down."""
    points = points.copy()
    for panel in panels:
        for curve in panel["curves"]:
            if (metric := known.get(curve.get("metric"))) is None:
                continue
            width = metric.high - metric.low
            low, high = (-width, width) if kind_of(panel).change else (metric.low, metric.high)
            shown = (points.panel == panel["title"]) & (points.curve == curve.get("label", ""))
            points.loc[shown, "low"] = points.low.clip(low).clip(upper=points["mean"])  # a mean may be off by rounding
            points.loc[shown, "high"] = points.high.clip(upper=high).clip(points["mean"])
    return points


def _looks(panels: Sequence[Mapping], points: pd.DataFrame) -> dict[str, Look]:
    """panel → how its series look. An arm has one colour in all panels; values of one parameter go from dark to light."""
    points = points[(points.label != FIT_ALL) & (points.curve != IDEAL)]
    arms = {panel["title"]: list(dict.fromkeys(points[points.panel == panel["title"]].arm)) for panel in panels}
    sequential = {panel["title"]: "colour" in panel or ordered(arms[panel["title"]]) for panel in panels}
    fixed = dict.fromkeys(arm for title, some in arms.items() if not sequential[title] for arm in some)
    fixed = {arm: COLOURS[i % len(COLOURS)] for i, arm in enumerate(fixed)}
    looks = {}
    for panel in panels:
        title = panel["title"]
        curves = list(dict.fromkeys(points[points.panel == title].curve))
        colours = scale(arms[title]) if sequential[title] else {arm: fixed[arm] for arm in arms[title]}
        looks[title] = Look(colours, curves, kind_of(panel).joined, kind_of(panel).marked)
    return looks


def _told(looks: Sequence[Look]) -> list[Look]:
    """Of looks with the same arms, the first, in which they are told; none where there is one arm."""
    first = {tuple(look.arms.items()): look for look in reversed(looks) if len(look.arms) > 1}
    return [look for look in looks if any(look is told for told in first.values())]


def _arms(look: Look) -> list[Line2D]:
    """Arms, by what tells them apart: where curves have the marks, by their colour alone."""
    handles, one = [], len(look.curves) == 1
    for arm, colour in look.arms.items():
        series = look.of(arm, look.curves[0])
        shown = {"ls": series.line if one else "-", "marker": series.marker} if look.joined else {"ls": "none"}
        shown |= {} if look.joined else {"marker": series.marker} if one else {"ls": "-", "lw": 4}
        shown |= {} if look.marked else {"marker": ""}
        handles.append(Line2D([], [], color=colour, ms=5, label=arm, **shown))
    return handles


def _curves(look: Look) -> list[Line2D]:
    """Curves, in black where arms have the colours."""
    found = []
    for curve in filter(None, look.curves):
        series = look.of(next(iter(look.arms)), curve)
        colour = "black" if len(look.arms) > 1 else series.colour
        marker = "" if (look.joined and len(look.arms) > 1) or not look.marked else series.marker
        line = series.line if look.joined else "none"
        found.append(Line2D([], [], color=colour, ls=line, marker=marker, ms=4.5, label=curve))
    return found


def _legend(figure: Figure, axis, look: Look, *, arms: bool) -> None:
    """Below all that belongs to the axis, where no curve runs: its arms, if they are told here, its curves, and what else its
    kind has named."""
    handles = [*(_arms(look) if arms else ()), *_curves(look), *axis.get_legend_handles_labels()[0]]
    if not handles:
        return
    below = axis.get_window_extent().y0 - min(axis.xaxis.get_tightbbox().y0, axis.get_window_extent().y0)
    down = ScaledTranslation(0, -(below / figure.dpi + 0.03), figure.dpi_scale_trans)
    longest = max(len(str(handle.get_label())) for handle in handles)
    ncols = max(1, min(3, int(52 // (longest + 6))))
    at = dict(loc="upper center", bbox_to_anchor=(0.5, 0), bbox_transform=axis.transAxes + down, borderaxespad=0)
    axis.legend(handles=handles, ncols=ncols, columnspacing=1.2, handlelength=2.2, **at)
