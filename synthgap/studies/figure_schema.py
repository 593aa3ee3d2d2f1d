"""The figure of a study file: its panels, thresholds and diagram."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import fill
from typing import Annotated

from pydantic import AfterValidator, TypeAdapter, ValidationInfo

from data_gen import InputError
from synthgap.forms import form
from synthgap.panels.diagram import DIAGRAM
from synthgap.panels.panel import load, x_of_figure
from synthgap.panels.thresholds import THRESHOLD
from synthgap.parts import BY_NAME, LABEL, differ, own_file, swept, variable

#: how wide, in characters, texts in a figure may be wrapped; None: not at all
WIDTHS = (None, 44, 24, 16)


def _panel(raw: dict, info: ValidationInfo) -> dict:
    """A panel, in the form of its kind."""
    raw = raw | {"kind": own_file(raw["kind"], info)} if "kind" in raw else raw
    kind = load(raw.get("kind", "levels"))
    found = _read(kind.form, kind.x if "x" in kind.keys else None, raw, info)
    kind.check(found, info.context["swept"])
    return {key: found[key] for key in raw}


def _threshold(raw: dict, info: ValidationInfo) -> dict:
    _read(THRESHOLD, x_of_figure, raw, info)
    return raw


def _read(form: TypeAdapter, x: Callable | None, raw: dict, info: ValidationInfo) -> dict:
    """What is said in a form. x: (it, the figure) → what it has along x, where it needs that."""
    if x:
        raw = raw | {"x": x(raw, info.data)}
        if raw["x"] is None:
            raise InputError("it has no x, nor has its figure")
    return form.validate_python(raw, strict=True, context=info.context)


FIGURE = form(
    {},
    {
        "title": str,
        "arms": Annotated[dict[str, str], BY_NAME],
        "x": variable(also=LABEL, text=True),
        "over": swept(),
        "panels": Annotated[
            list[Annotated[dict, AfterValidator(_panel)]], differ(lambda some: [p["title"] for p in some])
        ],
        "thresholds": list[Annotated[dict, AfterValidator(_threshold)]],
        "diagram": DIAGRAM,
    },
)


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
