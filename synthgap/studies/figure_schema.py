"""The figure of a study file: its panels, thresholds and diagram."""

from collections.abc import Mapping
from math import isfinite
from pathlib import Path
from textwrap import fill

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.studies.claim import told
from synthgap.studies.parts import (
    a_list,
    a_mapping,
    a_number,
    a_text,
    a_variable,
    by_name,
    is_number,
    meant_value,
    must_differ,
    read_where,
)
from synthgap.tables import CASE

#: how wide, in characters, texts in a figure may be wrapped; None: not at all
WIDTHS = (None, 44, 24, 16)
#: kinds of a figure's panel → the keys that not all have
PANELS = {
    "levels": ("ideal",),
    "cases": (),
    "path": (),
    "scatter": ("colour", "fits"),
    "course": ("colour", "marks"),
    "forest": ("over", "levels", "matters"),
}


def read_figure(raw, where: str, swept: Mapping) -> dict:
    """The figure, with values of swept parameters as a table of runs holds them."""
    a_mapping(raw, where, optional=("title", "arms", "x", "over", "panels", "thresholds", "diagram"))
    a_text(raw, "title", where, "")
    arms = a_mapping(raw.get("arms", {}), f"arms of {where}")
    for name in arms:
        a_text(arms, name, f"arms of {where}")
    if "x" in raw:
        a_variable(raw["x"], f"x of {where}", swept, also=("label",), text=True)
    if "over" in raw and str(raw["over"]) not in swept:
        raise unknown(f"swept parameter in over of {where}", raw["over"], swept)
    panels = [_panel(panel, raw, f"a panel of {where}", swept) for panel in a_list(raw, "panels", where)]
    must_differ([panel["title"] for panel in panels], f"panels of {where}")
    for asked in a_list(raw, "thresholds", where):
        place = f"thresholds of {where}"
        a_mapping(asked, place, required=("metric", "share"), optional=("of", "x"))
        a_variable(asked, place, swept, also=("share", "x"))
        a_variable(x_of(asked, raw, place), f"x of {place}", swept, also=("label",))
        if not is_number(asked["share"]) or not 0 < asked["share"] < 1:
            raise InputError(f"share of {place} must lie between 0 and 1, not be {asked['share']!r}")
    if "diagram" in raw:
        _diagram(raw["diagram"], f"diagram of {where}", swept)
    return raw | ({"panels": panels} if "panels" in raw else {}) | ({"arms": by_name(arms)} if arms else {})


def _panel(raw, figure: Mapping, where: str, swept: Mapping) -> dict:
    kind = raw.get("kind", "levels") if isinstance(raw, dict) else "levels"
    if str(kind) not in PANELS:
        raise unknown(f"kind of {where}", kind, PANELS)
    required = ("title", "curves", *(("over", "levels") if kind == "forest" else ()))
    a_mapping(raw, where, required=required, optional=("kind", "x", "where", *PANELS[kind]))
    a_text(raw, "title", where)
    where = f"panel {raw['title']!r} of {where.split(' of ', 1)[1]}"
    meant = {"where": read_where(raw, where, swept)} if "where" in raw else {}
    if kind in ("course", "forest"):
        a_text(a_mapping(raw.get("x", {}), f"x of {where}", optional=("label",)), "label", f"x of {where}", "")
        meant |= _course(raw, where) if kind == "course" else _forest(raw, where, swept)
    else:
        a_variable(x_of(raw, figure, where), f"x of {where}", swept, also=("label",), text=kind == "cases")
    published = ("published",) if kind == "cases" else ()
    of = () if kind == "course" else ("of",)
    curves = a_list(raw, "curves", where)
    for curve in [*curves, *([raw["ideal"]] if "ideal" in raw else [])]:
        a_mapping(curve, f"a curve of {where}", required=("metric",), optional=(*of, "label", *published))
        a_variable(curve, f"a curve of {where}", swept, also=("label", *published))
        for name, value in a_mapping(curve.get("published", {}), f"published of {where}").items():
            if str(name) not in (names := list(map(str, swept.get(x_of(raw, figure, where).get("over"), ())))):
                raise unknown(f"case in published of {where}", name, dict.fromkeys(names))
            if not is_number(value) or not isfinite(value):
                raise InputError(f"published of {where} must be numbers, not {value!r}")
    must_differ([curve.get("label", "") for curve in curves], f"curves of {where}")
    if "colour" in raw:
        a_variable(raw["colour"], f"colour of {where}", swept, text=True)
    if not isinstance(raw.get("fits", True), bool):
        raise InputError(f"fits of {where} must be true or false, not {raw['fits']!r}")
    curves = [curve | {"published": by_name(curve["published"])} if "published" in curve else curve for curve in curves]
    return raw | meant | {"curves": curves}


def _course(raw: Mapping, where: str) -> dict:
    for curve in a_list(raw, "curves", where):
        metric = curve.get("metric", "_at") if isinstance(curve, dict) else "_at"
        if not str(metric).endswith("_at"):
            raise InputError(f"a curve of {where} is of {metric}, which has no course; those that have end in _at")
    for share, text in a_mapping(raw.get("marks", {}), f"marks of {where}").items():
        if not is_number(share) or not 0 <= share <= 1 or not isinstance(text, str):
            raise InputError(
                f"marks of {where} must be texts at shares of training from 0 to 1, not {{{share!r}: {text!r}}}"
            )
    return {}


def _forest(raw: Mapping, where: str, swept: Mapping) -> dict:
    if (over := str(raw["over"])) not in swept:
        raise unknown(f"swept parameter in over of {where}", over, swept)
    levels = raw["levels"]
    if not isinstance(levels, list) or len(levels) < 2:
        raise InputError(f"levels of {where} must be a list of two or more values of {over}")
    levels = [meant_value(level, over, f"value of {over} in levels of {where}", swept) for level in levels]
    must_differ(list(map(str, levels)), f"levels of {where}")
    if "matters" in raw:
        a_number(raw, "matters", where)
    return {"levels": levels}


def _diagram(raw, where: str, swept: Mapping) -> None:
    a_mapping(raw, where, required=("tiers",), optional=("title",))
    a_text(raw, "title", where, "")
    tiers = a_list(raw, "tiers", where)
    if len(tiers) < 2 or not all(isinstance(tier, list) and tier for tier in tiers):
        raise InputError(f"tiers of {where} must be two or more lists of variables, causes first")
    nodes = [node for tier in tiers for node in tier]
    for node in nodes:
        a_variable(node, f"a node of {where}", swept, also=("label",))
    must_differ([told(node) for node in nodes], f"nodes of {where}")


def x_of(panel: Mapping, figure: Mapping, where: str = "") -> Mapping:
    """What a panel (or a threshold) has along x: its own, its figure's, or else the cases by their names.

    A course and a forest have no variable there, only what they are by nature, under a label.
    """
    if panel.get("kind") == "course":
        return {"label": "share of training"} | panel.get("x", {})
    if panel.get("kind") == "forest":
        over = "" if panel["over"] == CASE else f"{panel['over']} "
        return {"label": f"change from {over}{panel['levels'][0]} to {panel['levels'][-1]}"} | panel.get("x", {})
    if panel.get("x") or figure.get("x"):
        return panel.get("x") or figure["x"]
    if panel.get("kind") == "cases":
        return {"over": CASE, "label": ""}
    raise InputError(f"{where} has no x, nor has its figure")


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
            except Exception as error:  # whatever the parser raises, it is the text that is at fault
                what = f"{path}: a figure cannot show {line!r} as a formula"
                raise InputError(f"{what}; write \\$ for a dollar, and put formulas between two $") from error
