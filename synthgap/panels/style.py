"""How figures look: one quiet style, colours that stay apart in deuteranopia, and marks and dashes that do in gray."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from data_gen import files

#: Okabe & Ito's, in an order in which neighbours differ in lightness; brown instead of yellow, which is too light on white
COLOURS = ("#0072b2", "#e69f00", "#444444", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7f5539")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
#: as seaborn takes them: lengths of a dash and of its gap
DASHES = ("", (4, 1.5), (1, 1), (4, 1, 1, 1))
RISES, FALLS = "#0072b2", "#d55e00"
NUMBER = r"-?\d+(?:\.\d+)?"
ORDERED, LIGHTEST = "viridis", 0.88  # of ordered values; its lightest part would be lost on white
FORMATS = ("png", "svg", "pdf")


def theme(smallest: float = 8.0) -> dict:
    """matplotlib's settings, for `rc_context`; smallest: of the texts, in points."""
    import seaborn as sns

    text = {"font.size": smallest, "axes.titlesize": 1.15 * smallest, "axes.labelsize": 1.05 * smallest}
    text |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), smallest)
    text |= {"figure.titlesize": 1.35 * smallest, "figure.labelsize": smallest}
    lines = {"axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "legend.frameon": False}
    lines |= {"grid.linewidth": 0.6, "grid.color": "0.92", "axes.edgecolor": "0.3", "axes.linewidth": 0.8}
    lines |= {"lines.linewidth": 1.5, "xtick.major.size": 3, "ytick.major.size": 3, "xtick.color": "0.2"}
    lines |= {"axes.titlelocation": "left", "figure.dpi": 120, "svg.fonttype": "none", "svg.hashsalt": "synthgap"}
    return sns.axes_style("ticks") | sns.plotting_context("paper") | text | lines | {"ytick.color": "0.2"}


def ordered(names: Sequence[str]) -> bool:
    """Do names differ in a number alone, as the values of one swept parameter do? A mere number goes with any of them."""
    around = {tuple(re.split(NUMBER, name)) for name in names} - {("", "")}
    return len(names) > 2 and len(around) <= 1 and all(len(re.findall(NUMBER, name)) == 1 for name in names)


def scale(names: Sequence[str]) -> dict[str, tuple]:
    """name → colour, from dark to light, in the order of the names' numbers."""
    from matplotlib import colormaps

    if ordered(names):
        names = sorted(names, key=lambda name: float(re.search(NUMBER, name)[0]))
    return {name: colormaps[ORDERED](LIGHTEST * i / max(1, len(names) - 1)) for i, name in enumerate(names)}


@dataclass(frozen=True)
class Series:
    """How a curve of an arm looks. dash: as seaborn takes it."""

    colour: tuple | str
    marker: str
    dash: str | tuple

    @property
    def line(self) -> str | tuple:
        """The dash as matplotlib takes it."""
        return (0, self.dash) if self.dash else "-"


@dataclass(frozen=True)
class Look:
    """How the series of a panel look. arms: arm → its colour. What differs, arms or curves, differs in all that it can: where
    both do, arms have colours (and marks, on lines), curves dashes (or marks)."""

    arms: Mapping[str, tuple | str]
    curves: Sequence[str]
    joined: bool = False
    marked: bool = True

    @property
    def number(self) -> int:
        return len(self.arms) * len(self.curves)

    def of(self, arm: str, curve: str) -> Series:
        a, c = list(self.arms).index(arm), list(self.curves).index(curve)
        if len(self.arms) == 1:
            return Series(COLOURS[c % len(COLOURS)], MARKERS[c % len(MARKERS)], DASHES[c % len(DASHES)])
        if len(self.curves) == 1:
            return Series(self.arms[arm], MARKERS[a % len(MARKERS)], DASHES[a % len(DASHES)])
        mark = a if self.joined else c
        return Series(self.arms[arm], MARKERS[mark % len(MARKERS)], DASHES[c % len(DASHES)])

    def series(self, rows: pd.DataFrame) -> Iterator[tuple[Series, pd.DataFrame]]:
        """Each series with its rows."""
        for arm in self.arms:
            for curve in self.curves:
                yield self.of(arm, curve), rows[(rows.arm == arm) & (rows.curve == curve)]

    def published(self, curve: str) -> tuple | str:
        return self.of(next(iter(self.arms)), curve).colour if len(self.arms) == 1 else "black"


def save(figure, path: Path) -> None:
    """Write a figure whole, in the format of its ending, without the date."""
    dated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with files.whole(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], metadata=dated.get(path.suffix[1:]))
