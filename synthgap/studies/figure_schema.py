"""The figure of a study file: its panels, thresholds and diagram."""

from collections.abc import Mapping
from pathlib import Path
from textwrap import fill

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.panels.diagram import read as read_diagram
from synthgap.panels.panel import KINDS, load, x_of
from synthgap.panels.thresholds import read as read_threshold
from synthgap.parts import a_list, a_mapping, a_text, a_variable, by_name, must_differ, read_where

#: how wide, in characters, texts in a figure may be wrapped; None: not at all
WIDTHS = (None, 44, 24, 16)


def read_figure(raw, where: str, swept: Mapping, beside: Path) -> dict:
    """The figure, with values of swept parameters as a table of runs holds them. beside: the folder of kinds of one's own."""
    a_mapping(raw, where, optional=("title", "arms", "x", "over", "panels", "thresholds", "diagram"))
    a_text(raw, "title", where, "")
    arms = a_mapping(raw.get("arms", {}), f"arms of {where}")
    for name in arms:
        a_text(arms, name, f"arms of {where}")
    if "x" in raw:
        a_variable(raw["x"], f"x of {where}", swept, also=("label",), text=True)
    if "over" in raw and str(raw["over"]) not in swept:
        raise unknown(f"swept parameter in over of {where}", raw["over"], swept)
    panels = [_panel(panel, raw, beside, f"a panel of {where}", swept) for panel in a_list(raw, "panels", where)]
    must_differ([panel["title"] for panel in panels], f"panels of {where}")
    for asked in a_list(raw, "thresholds", where):
        read_threshold(asked, raw, f"thresholds of {where}", swept)
    if "diagram" in raw:
        read_diagram(raw["diagram"], f"diagram of {where}", swept)
    return raw | ({"panels": panels} if "panels" in raw else {}) | ({"arms": by_name(arms)} if arms else {})


def _panel(raw, figure: Mapping, beside: Path, where: str, swept: Mapping) -> dict:
    own = str(raw.get("kind", "")).endswith(".py") if isinstance(raw, dict) else False
    if own:  # it is looked for beside the study's file, and in the working directory
        raw = raw | {
            "kind": next((str(p) for p in (beside / raw["kind"], Path(raw["kind"])) if p.is_file()), raw["kind"])
        }
    name = str(raw.get("kind", "levels")) if isinstance(raw, dict) else "levels"
    if not own and name not in KINDS:
        raise unknown(f"kind of {where}", name, (*KINDS, "a Python file"))
    kind = load(name)
    a_mapping(raw, where, required=("title", "curves", *kind.required), optional=("kind", "x", "where", *kind.keys))
    a_text(raw, "title", where)
    where = f"panel {raw['title']!r} of {where.split(' of ', 1)[1]}"
    meant = {"where": read_where(raw, where, swept)} if "where" in raw else {}
    curves = a_list(raw, "curves", where)
    for curve in [*curves, *([raw["ideal"]] if "ideal" in raw else [])]:
        a_mapping(curve, f"a curve of {where}", required=("metric",), optional=("label", *kind.curve))
        a_variable(curve, f"a curve of {where}", swept, also=("label", *kind.curve))
    must_differ([curve.get("label", "") for curve in curves], f"curves of {where}")
    if "x" in kind.keys:
        x = x_of(raw, figure, where)
        a_variable(x, f"x of {where}", swept, also=("label",), text=kind.text)
    else:
        x = a_mapping(raw.get("x", {}), f"x of {where}", optional=("label",))
        a_text(x, "label", f"x of {where}", "")
    return raw | meant | kind.read(raw | {"x": x}, where, swept)


def can_be_drawn(raw, path: Path) -> None:
    """Raises InputError for a text that a figure could not show: what stands between two $ is a formula there."""
    if isinstance(raw, Mapping):
        raw = [*raw, *raw.values()]
    if isinstance(raw, list | tuple):
        for part in raw:
            can_be_drawn(part, path)
    elif isinstance(raw, str) and "$" in raw:
        from matplotlib.cbook import is_math_text  # a second that most studies need not wait for
        from matplotlib.mathtext import MathTextParser

        lines = {line for width in WIDTHS for line in (fill(raw, width) if width else raw).splitlines()}
        for line in filter(is_math_text, sorted(lines)):
            try:
                MathTextParser("path").parse(line)
            except Exception as error:  # any error of the parser is a mistake in the text
                what = f"{path}: a figure cannot show {line!r} as a formula"
                raise InputError(f"{what}; write \\$ for a dollar, and put formulas between two $") from error
