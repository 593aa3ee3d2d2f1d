"""What the parts of a study file are made of: mappings, lists, texts, numbers and variables."""

from collections.abc import Mapping, Sequence
from contextlib import suppress

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import options
from synthgap.study import is_number


def meant_value(said, key: str, what: str, swept: Mapping):
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


def read_where(raw: Mapping, where: str, swept: Mapping) -> dict:
    """Swept parameters and the value, or values, that runs must have to count."""
    found = {}
    for key, values in a_mapping(raw.get("where", {}), f"where of {where}").items():
        if key not in swept:
            raise unknown(f"swept parameter in where of {where}", key, swept)
        meant = [meant_value(value, key, f"value of {key} in where of {where}", swept) for value in listed(values)]
        found[key] = meant if isinstance(values, list) else meant[0]
    return found


def a_variable(raw, where: str, swept: Mapping, *, also: Sequence[str] = (), text: bool = False) -> None:
    """What each run has one number of: a metric, {metric, of}, or a swept parameter, {over} or its mere name."""
    raw = {"over": raw} if isinstance(raw, str) else raw
    a_mapping(raw, where, optional=("metric", "of", "over", *also))
    if ("metric" in raw) == ("over" in raw):
        raise InputError(f"{where} must name either a metric (and of) or a swept parameter (over)")
    of = raw.get("of", "")
    named = isinstance(of, str) or (isinstance(of, list) and of and all(isinstance(name, str) for name in of))
    if not isinstance(raw.get("metric", ""), str) or not named:
        raise InputError(f"{where}: metric must be a name, and of a name or a list of names (put numbers in quotes)")
    a_text(raw, "label", where, "")
    if "over" not in raw:
        return
    if str(raw["over"]) not in swept:
        raise unknown(f"swept parameter in {where}", raw["over"], swept)
    if not text and not all(map(is_number, swept[raw["over"]])):
        raise InputError(f"{where}: {raw['over']} has values that are no numbers")


def a_number(raw: Mapping, key: str, where: str) -> None:
    if not is_number(raw[key]) or not 0 <= raw[key] < float("inf"):
        raise InputError(f"{key} of {where} must be a number of 0 or more, not {raw[key]!r}")


def a_text(raw: Mapping, key: str, where: str, default: str | None = None) -> str:
    text = raw[key] if default is None else raw.get(key, default)
    if not isinstance(text, str):
        raise InputError(f"{key} of {where} must be a text (put it in quotes), not {text!r}")
    return text


def by_name(raw: Mapping) -> dict:
    return {str(name): value for name, value in raw.items()}


def a_list(raw: Mapping, key: str, where: str) -> list:
    if not isinstance(raw.get(key, []), list):
        raise InputError(f"{key} of {where} must be a list")
    return raw.get(key, [])


def must_differ(names: Sequence[str], where: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: {twice!r} is there twice; names must differ")


def a_mapping(raw, where: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict:
    """`raw`, if it is a mapping with what is required and nothing beyond what is named; with any keys if none is."""
    if not isinstance(raw, dict):
        raise InputError(f"{where} must be a mapping" + (f" with {', '.join(required)}" if required else ""))
    for key in raw if required or optional else ():
        if key not in (*required, *optional):
            raise unknown(f"key in {where}", key, (*required, *optional))
    for key in required:
        if key not in raw:
            raise InputError(f"{where} has no {key!r} (it needs {', '.join(required)})")
    return raw


def listed(values) -> list:
    return values if isinstance(values, list) else [values]
