"""The forms of mappings in a study file, checked by pydantic, and the one line that says what is wrong, and where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from data_gen.errors import InputError, unknown
from synthgap import yaml_file

#: an error that pydantic finds → what must be there instead, where its own words are not for people who write YAML
MUST_BE = {
    "string_type": "a text (put it in quotes)",
    "bool_type": "true or false",
    "int_type": "a whole number",
    "dict_type": "a mapping",
    "too_short": "a list of {min_length} or more values",
}


def form(needed: Mapping[str, Any], more: Mapping[str, Any] | None = None) -> Any:
    """The type of mappings that have the keys `needed`, may have `more`, and have no others: key → type, in the order in which
    they are read. Validators of pydantic's in these types raise InputError."""
    keys = {**needed, **(more or {})}

    def check(raw: Any) -> Any:
        for key in raw if isinstance(raw, dict) else ():
            if key not in keys:
                raise unknown("key", key, keys)
        for key in needed if isinstance(raw, dict) else ():
            if key not in raw:
                raise InputError(f"it has no {key!r} (it needs {', '.join(needed)})")
        return raw

    return Annotated[TypedDict("Form", keys, total=False), BeforeValidator(check)]


def read(kind: TypeAdapter, raw: Any, path: Path, **context: Any) -> Any:
    """What a file's content `raw` says, as a type. Raises InputError with the first thing that is wrong, and its line.

    context: what the type's validators ask for.
    """
    try:
        return kind.validate_python(raw, strict=True, context=context)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
    given, about = repr(first["input"]), first.get("ctx", {})
    theirs = first["msg"].removeprefix("Input should be ").replace("a valid ", "a ")
    must_be = MUST_BE.get(first["type"], "").format(**about) or theirs
    why = about.get("error", f"it must be {must_be}, not {given if len(given) <= 80 else given[:77] + '…'}")
    raise InputError(f"{place([key for key in first['loc'] if key != '[key]'], raw, path)}: {why}")


def place(keys: Sequence, raw: Any, path: Path) -> str:
    """What a place in a file is called: "levels of a claim of own.yaml, line 12". keys: those on the way there."""
    words, node = [], raw
    for key in keys:
        above, node = node, node[key] if isinstance(node, list) or (isinstance(node, dict) and key in node) else None
        if isinstance(key, int) and not (isinstance(above, dict) and key in above):  # one of a list
            title = node.get("title") if isinstance(node, dict) else None
            if words[-1].endswith("s"):
                words[-1] = f"{words[-1][:-1]} {title!r}" if isinstance(title, str) else f"a {words[-1][:-1]}"
        elif words[-1:] in (["cases"], ["presets"]):
            words[-1] = f"{words[-1][:-1]} {str(key)!r}"
        elif not isinstance(above, str):  # the mere name of what is swept stands for {over: name}
            words.append("'of'" if key == "of" else str(key))
    if not words:
        return f"study {path}"
    return f"{' of '.join(reversed(words))} of {path}, line {yaml_file.line(path, keys)}"
