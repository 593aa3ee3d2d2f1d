"""A kind of panel: what a study file may give it, its rows, and how it is drawn."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib import import_module
from inspect import isgeneratorfunction
from pathlib import Path
from pkgutil import iter_modules
from typing import Annotated, Any

import pandas as pd
from pydantic import TypeAdapter

from data_gen import user_file
from data_gen.errors import unknown
from synthgap.forms import form
from synthgap.panels import kinds
from synthgap.panels.points import whole_seeds, within_seeds
from synthgap.parts import LABEL, Names, Where, differ, variable
from synthgap.study import Study

#: names of the kinds that come with synthgap, the usual one first
KINDS = ("levels", *sorted(name for _, name, _ in iter_modules(kinds.__path__) if name != "levels"))
#: keys of a curve, and of a panel that is drawn over a variable → their types
OF = {"of": Names}
X = variable(also=LABEL)


def curve(keys: Mapping[str, Any] = OF) -> Any:
    """The form of a curve that has these keys, too."""
    return form({"metric": str}, {**LABEL, **keys})


def x_of_figure(panel: Mapping, figure: Mapping) -> Mapping | None:
    """The panel's own x, or its figure's."""
    x = panel.get("x") or figure.get("x")
    return {"over": x} if isinstance(x, str) else x


@dataclass(frozen=True)
class Panel:
    """rows: (table of runs, study, panel) → a frame a curve with the columns curve, arm, label, seed, x and value.

    draw: (matplotlib axis, panel, points, dots, look) draws the panel's means and intervals (`panels.levels`) and every value
    (`panels.dots`), each series in its `style.Look`. It alone may need matplotlib, so what draws is imported within it.

    keys, required: keys of a panel beside title, kind, curves and where → their types, for pydantic; all may have a label, as
    its x. curve: keys that a curve may have beside metric and label. check: (panel, swept parameters → values)
    raises InputError for what their types cannot tell. x: (panel, figure) → what lies along x.

    points: all values of a curve of an arm → their means and intervals. whole: the same values → those that are compared.
    interval: what the intervals are, for the figure's footer.
    joined: its means are joined by lines. marked: they have marks. down: names stand along y, and values along x. change: its
    values are changes of its metrics.
    """

    rows: Callable[[pd.DataFrame, Study, Mapping], Iterable[pd.DataFrame]]
    draw: Callable[..., None]
    keys: Mapping[str, Any] = field(default_factory=lambda: {"x": X})
    required: Mapping[str, Any] = field(default_factory=dict)
    curve: Mapping[str, Any] = field(default_factory=lambda: OF)
    check: Callable[[Mapping, Mapping], None] = lambda panel, swept: None
    x: Callable[[Mapping, Mapping], Mapping | None] = x_of_figure
    points: Callable[[pd.DataFrame], pd.DataFrame] = within_seeds
    whole: Callable[[pd.DataFrame], pd.DataFrame] = whole_seeds
    interval: str = ""
    joined: bool = False
    marked: bool = True
    down: bool = False
    change: bool = False

    @cached_property
    def form(self) -> TypeAdapter:
        """What a study file may say of a panel of this kind."""
        curves = Annotated[list[curve(self.curve)], differ(lambda curves: [x.get("label", "") for x in curves])]
        needed = {"title": str, **self.required, "curves": curves}
        return TypeAdapter(form(needed, {"kind": str, "x": form({}, LABEL), "where": Where, **self.keys}))


def kind_of(panel: Mapping) -> Panel:
    """The kind that a panel of a figure is of."""
    return load(panel.get("kind", "levels"))


def load(name: str) -> Panel:
    """A kind by its name, or the `panel` that a user's Python file defines. Raises InputError."""
    if name in KINDS:
        return import_module(f"{kinds.__name__}.{name}").panel
    if not name.endswith(".py"):
        raise unknown("kind of panel", name, (*KINDS, "a Python file"))
    path, what = Path(name), f"kind: {Path(name).name}"
    panel = user_file.defined(path, what, "panel", Panel, "panel = synthgap.panels.Panel(rows, draw)")
    if isgeneratorfunction(rows := panel.rows):  # else its errors would come later, and not name the file
        panel = replace(panel, rows=lambda *given: list(rows(*given)))
    panel = user_file.all_named(panel, path, what, ("rows", "draw", "check", "x", "points", "whole"))
    with user_file.blamed(path, what, "its keys"):
        _ = panel.form  # pydantic may not know their types
    return panel


def x_of(panel: Mapping, figure: Mapping) -> Mapping:
    """What a panel (or a threshold) has along x."""
    return kind_of(panel).x(panel, figure)
