"""What the forms of a study file are made of: names of what is swept, variables, levels, and runs that count.

Validators find what the study sweeps, parameter → values, in their context as `swept`.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationInfo

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import options
from synthgap.forms import form
from synthgap.study import is_number
from synthgap.tables import CASE


def swept(*also: str) -> Any:
    """The type of names of swept parameters, and of what is `also` allowed."""

    def check(name: Any, info: ValidationInfo) -> Any:
        if name not in also and str(name) not in info.context["swept"]:
            raise unknown("swept parameter", name, info.context["swept"])
        return name

    return Annotated[Any, AfterValidator(check)]


def _names(of: Any) -> Any:
    if not isinstance(of, str) and not (isinstance(of, list) and of and all(isinstance(name, str) for name in of)):
        raise InputError("it must be a name or a list of names (put numbers in quotes)")
    return of


def _where(raw: dict, info: ValidationInfo) -> dict:
    found, swept = {}, info.context["swept"]
    for key, values in raw.items():
        if key not in swept:
            raise unknown("swept parameter", key, swept)
        meant = [meant_value(value, key, f"value of {key}", swept) for value in listed(values)]
        found[key] = meant if isinstance(values, list) else meant[0]
    return found


def _levels(levels: list, info: ValidationInfo) -> list:
    over, swept = str(info.data.get("over")), info.context["swept"]
    if over not in swept:
        return levels
    return [meant_value(level, over, over if over == CASE else f"level of {over}", swept) for level in levels]


def differ(names_of: Callable[[list], list]) -> AfterValidator:
    """Of a list whose names must differ."""

    def check(items: list) -> list:
        names = names_of(items)
        twice = next((each for each in names if names.count(each) > 1), None)
        if twice is not None:
            raise InputError(f"{twice!r} is there twice; names must differ")
        return items

    return AfterValidator(check)


def variable(*, needed: Mapping | None = None, also: Mapping | None = None, text: bool = False) -> Any:
    """The type of what each run has one number of: a metric of something, or a swept parameter, {over} or its mere name.

    needed, also: more keys. text: values of the parameter need not be numbers.
    """
    keys = TypeAdapter(form(needed or {}, {"metric": str, "of": Names, "over": swept(), **(also or {})}))

    def check(raw: Any, info: ValidationInfo) -> Any:
        said = {"over": raw} if isinstance(raw, str) else raw
        keys.validate_python(said, strict=True, context=info.context)
        if ("metric" in said) == ("over" in said):
            raise InputError("it must name either a metric (and of) or a swept parameter (over)")
        if "over" in said and not text and not all(map(is_number, info.context["swept"][str(said["over"])])):
            raise InputError(f"{said['over']} has values that are no numbers")
        return raw

    return Annotated[Any, AfterValidator(check)]


LABEL = {"label": str}
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
#: what a metric is of
Names = Annotated[Any, AfterValidator(_names)]
#: swept parameters and the value, or values, that runs must have to count, as a table of runs holds them
Where = Annotated[dict, AfterValidator(_where)]
#: two or more values of what the form has as `over`, as a table of runs holds them
Levels = Annotated[list, Field(min_length=2), AfterValidator(_levels), differ(list)]
#: makes the keys of a mapping texts
BY_NAME = BeforeValidator(lambda raw: {str(key): x for key, x in raw.items()} if isinstance(raw, dict) else raw)


def meant_value(said: Any, key: str, what: str, swept: Mapping) -> Any:
    """The value of a swept parameter that is meant, as a table of runs holds it. Raises InputError if there is none.

    A table has a list, and anything that stands in one column with lists or texts, as text.
    """
    text = any(isinstance(value, str | list | dict) for value in swept[key])
    known = {str(value): str(value) if text else value for value in swept[key] if value is not None}
    meant = said
    if key in options.types() or key in options.GROUPS:
        with suppress(InputError):
            meant = options.typed(key, said)  # the text 1e-3 is the number .001
    for value in (meant, said):
        same = [name for name, x in known.items() if str(value) == name or (is_number(value) and value == x)]
        if same:
            return known[same[0]]
    raise unknown(what, said, known)


def own_file(name: Any, info: ValidationInfo) -> str:
    """Where a Python file that is named lies: in the context's folder `beside`, or else the working directory."""
    places = (info.context["beside"] / str(name), Path(str(name)))
    return next((str(path) for path in places if path.suffix == ".py" and path.is_file()), str(name))


def listed(values: Any) -> list:
    return values if isinstance(values, list) else [values]
