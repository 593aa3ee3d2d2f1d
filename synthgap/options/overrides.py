"""Overrides in Hydra's syntax: read, checked against the names there are, and written."""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from math import inf
from os.path import expanduser
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from hydra._internal.grammar.functions import Functions
from hydra.core.override_parser.overrides_parser import OverridesParser, create_functions
from hydra.core.override_parser.types import Override, Quote, QuotedString, Sweep, ValueType
from hydra.errors import HydraException

from data_gen import InputError
from synthgap import yaml_file
from synthgap.catalogue import choices, kind_of
from synthgap.options.schema import FREE, GROUPS, OWN, PLACES, keys, type_of, types
from synthgap.options.schema import chosen as choose

MOST_RUNS = 100_000  # of a study: to plan one takes 5 to 10 ms
#: What no override needs to exceed, in characters and in brackets within brackets; Hydra's parser takes minutes for more.
LONGEST, DEEPEST = 20_000, 20
LARGEST = sys.float_info.max  # whole numbers have no end, and what comes after cannot tell them
TRUTHS = {**dict.fromkeys(("true", "yes", "on", "1"), True), **dict.fromkeys(("false", "no", "off", "0"), False)}
_QUOTED = r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\""""
QUOTED, PIECES = re.compile(_QUOTED), re.compile(rf"(?:^|,)(\s*(?:{_QUOTED})\s*(?=,|\Z)|[^,]*)")
CALL = re.compile(r"(?:choice|sort|str)\(.*\)")


def parse(overrides: Sequence[str]) -> list[Override]:
    """Overrides in Hydra's syntax, checked against the names there are. Raises InputError for the first that is wrong.

    A text (a place, a factor's name) is all that follows `=`, as it is written, or what is in quotes. Commas outside quotes
    separate the values of a sweep; in `out`, which is one folder, they are part of its name.
    """
    first = [
        override for override in overrides if is_choice(override.partition("=")[0])
    ]  # they decide what others can be
    for override in map(reading, first):
        for name in values(override):
            chosen_by(override.key_or_group, name)
    parsed, chosen = [reading(override) for override in overrides], {}
    for override in parsed:
        if is_choice(override.key_or_group) and not override.is_sweep_override():
            chosen |= chosen_by(override.key_or_group, override.value())
    for override in parsed:
        check_key(override.key_or_group, chosen)
    return parsed


def is_choice(key: str) -> bool:
    """Whether an option chooses what other options there are."""
    return key in GROUPS or bool(kind_of(key))


def chosen_by(key: str, value: Any) -> dict[str, Any]:
    """{option: name} of all that an option of this value chooses. Raises InputError for a name that is none."""
    named = {chooser: name for _, chooser, name in choices(key, value)} if kind_of(key) else {key: value}
    for chooser, name in named.items():
        choose(chooser, name)
    return named


def reading(override: str) -> Override:
    """One override in Hydra's terms, its option not yet checked. Raises InputError if it is none."""
    if "=" not in override and not override.startswith("~"):
        raise InputError(f"{_shown(override)} is not an override; write name=value")
    if override.startswith("~"):
        raise InputError(f"{_shown(override)}: only what a study sweeps can be dropped")
    if override.startswith("+"):
        raise InputError(f"{_shown(override)}: there are no options to add; write name=value")
    written = _with_texts_in_quotes(override)
    if len(written) > LONGEST or _nested(written) > DEEPEST:
        raise InputError(f"{_shown(override)} is too long, or nested too deep, for an override (name=value)")
    try:
        parsed = OverridesParser(_functions()).parse_overrides([written])[0]
        found = values(parsed)
    except InputError:
        raise
    except Exception as error:  # any error of the parser is a mistake in the text
        raise InputError(f"{_shown(override)} is not an override (name=value): {_of_grammar(error)}") from error
    if parsed.package is not None:
        raise InputError(f"{_shown(override)}: there are no packages here; write name=value")
    if any(isinstance(value, Sweep) for value in found):
        raise InputError(f"{_shown(override)}: a range among other values is not understood; write out what it gives")
    meant = "inf" in written.lower()
    if any(abs(x) > LARGEST and not (isinstance(x, float) and meant) for x in _numbers(found)):
        raise InputError(f"{_shown(override)}: that number is too large")
    return parsed


def folder(overrides: Sequence[str], default: str = "runs") -> Path:
    """The folder that the last out=DIR among the overrides names: the same one for every command."""
    given = [override for override in overrides if override.startswith("out=")]
    return Path(parse(given)[-1].value() if given else default)


def files_of_metrics(overrides: Sequence[str]) -> list[str]:
    """The files that metrics=[…] among the overrides name."""
    given = parse([override for override in overrides if override.startswith("metrics=")])
    some = [each for override in given for each in values(override)]
    return [path for paths in some for path in typed("metrics", paths)]


def values(override: Override) -> list:
    """The value of an override, or all those of its sweep. Raises InputError if they are none, or more than `MOST_RUNS`."""
    if not override.is_sweep_override():
        return [override.value()]
    try:
        found = list(islice(override.sweep_iterator(), MOST_RUNS + 1))
    except (HydraException, ValueError, ArithmeticError) as error:
        raise InputError(f"{override.input_line}: range needs numbers, and a step that is not 0") from error
    if not found:
        raise InputError(f"{override.input_line} has no values")
    if len(found) > MOST_RUNS:
        raise InputError(f"{override.input_line} has more than {MOST_RUNS:,} values")
    return [Override(override.type, override.key_or_group, ValueType.ELEMENT, value).value() for value in found]


@lru_cache
def _functions() -> Functions:
    """Those of Hydra's that give a list of values, in an order that is always the same."""
    functions = create_functions()
    for name in ("glob", "interval", "shuffle", "tag"):
        del functions.definitions[name], functions.functions[name]
    return functions


def _with_texts_in_quotes(override: str) -> str:
    """The same override in Hydra's own terms, where `2024_01` is a number and `a b(c` is an error."""
    key, _, text = override.partition("=")
    if type_of(key) not in (str, str | None) or (key != "out" and CALL.fullmatch(text)):
        return override
    found = [text] if key == "out" else PIECES.findall(text)
    return f"{key}={','.join(_in_quotes(key, piece.strip()) for piece in found)}"


def _in_quotes(key: str, text: str) -> str:
    if text.lower() == "null" and type_of(key) == str | None:
        return text
    if QUOTED.fullmatch(text):
        text = OverridesParser(_functions()).parse_rule(text, "primitive").text
    elif text[:1] in ("'", '"'):
        raise InputError(f"{key}={text}: its quotes do not match")
    if key in (*PLACES, "world"):
        _check_place(key, text)
    return QuotedString(text, Quote.single).with_quotes()


def _check_place(key: str, text: str) -> None:
    if not text:
        raise InputError(f"{key} is empty; write {key}=… with a {'file' if key == 'world' else 'folder'}")
    if "\0" in text or "${" in text:
        raise InputError(f"{key}={text!r}: write the path itself, without ${{…}} or the character NUL")
    if QUOTED.fullmatch(text):
        raise InputError(f"{key}={text}: it is in quotes twice")
    if text.startswith("~") and expanduser(text) != text:
        raise InputError(
            f"{key}={text}: ~ is not expanded here; write {key}={expanduser(text)} (or ./~ if you mean it)"
        )


def _nested(text: str) -> int:
    """How deep brackets are nested, those in quotes too."""
    level, deepest = 0, 0
    for character in text:
        level += (character in "[{(") - (character in ")}]")
        deepest = max(deepest, level)
    return deepest


def _numbers(value: Any) -> Iterator[int | float]:
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from _numbers(part)
    elif isinstance(value, int | float):
        yield value


def _of_grammar(error: Exception) -> str:
    """What Hydra's grammar does not understand."""
    if unknown_function := re.search(r"Unknown function '(\w+)'", str(error)):
        return f"{unknown_function[1]}() is none of {', '.join(_functions().definitions)}"
    lines = str(error).strip().splitlines() or [type(error).__name__]
    line = lines[1] if lines[0].startswith("Error parsing override") and len(lines) > 1 else lines[0]
    if line.startswith("LexerNoViableAlt"):
        return "a character in it needs quotes, as in name='…'"
    return line.split(" expecting ")[0][:200]


def check_key(key: str, chosen: dict[str, str]) -> None:
    names = keys(chosen)
    free = any(key.startswith(f"{name}.") for name in names if name in FREE)
    if key in names or key in GROUPS or free:
        return
    for group, options in GROUPS.items():
        for name in options:
            if key in keys({**chosen, group: name}):
                raise InputError(f"{key} belongs to {group}={name}; add {group}={name} to use it")
    for method in OWN.values():
        if key.removeprefix(f"{method.kind}.") in method.options:
            raise InputError(f"{key} belongs to {method.key}; add {method.key} to use it")
    raise _unknown_option(key, names)


def typed(key: str, value: Any) -> Any:
    """`value` of an option, or of the choice of a group, as its type has it: the text 1e-3 and the number .001 are one.

    Raises InputError for an option that no choice of groups has, and for a value that is not of its type.
    """
    if key == "out":
        raise InputError("out is no part of a study: give it to the command, as out=DIR")
    if is_choice(key):
        chosen_by(key, value)
    if key in GROUPS:
        return value
    if key not in types() and not key.startswith(tuple(f"{name}." for name in FREE)):
        raise _unknown_option(key, types())
    kind = type_of(key)
    try:
        found = _converted(kind, value)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{key} must be {_kind(kind)}, not {_shown(value)}") from error
    if key in (*PLACES, "world"):
        _check_place(key, found)
    return found


def _converted(kind: Any, value: Any) -> Any:
    """Raises ValueError or TypeError."""
    if kind is Any:  # a number, or its course; null where the option allows it, which is checked with its bounds
        if isinstance(value, list):
            return [_converted(Any, part) for part in value]
        return None if value is None else _converted(float, value)
    if isinstance(kind, UnionType):  # or null
        return None if value is None else _converted(get_args(kind)[0], value)
    if kind is str and isinstance(value, str) and "${" not in value:
        return value
    if kind is bool and (isinstance(value, bool) or str(value).lower() in TRUTHS):
        return TRUTHS[str(value).lower()]
    if kind in (int, float) and not isinstance(value, bool):
        return _number(kind, value)
    if get_origin(kind) is list and isinstance(value, list):
        return [_converted(get_args(kind)[0], part) for part in value]
    if get_origin(kind) is dict and isinstance(value, dict):
        return {str(name): _converted(get_args(kind)[1], part) for name, part in value.items()}
    raise TypeError


def _number(kind: type, value: Any) -> int | float:
    """A whole number stays one where fractions may stand, too: both are the same."""
    if isinstance(value, str):
        finite, infinite = re.fullmatch(yaml_file.NUMBER, value), re.fullmatch(r"[-+]?\.?inf", value.lower())
        if not finite and not infinite:
            raise ValueError
        value = int(value[:40]) if re.fullmatch(yaml_file.INTEGER, value) else float(value.replace(".inf", "inf"))
        if finite and abs(value) >= (2**63 if isinstance(value, int) else inf):
            raise ValueError
    if value != value or (kind is int and int(value) != value):
        raise ValueError
    return int(value) if kind is int else value


def _kind(kind: Any) -> str:
    if kind is Any:
        return "a number, or [[share,number],…]"
    if isinstance(kind, UnionType):
        return f"{_kind(get_args(kind)[0])}, or null"
    named = {int: "a whole number", float: "a number", bool: "true or false", str: "a text (put it in quotes)"}
    if get_origin(kind) is dict:
        return f"a mapping of names to {'texts' if get_args(kind)[1] is str else 'numbers'}"
    return named.get(kind) or "a list of texts"


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


def written(key: str, value: Any) -> str:
    """The override that gives an option this value."""
    return f"{key}={_written(value)}"


def _written(value: Any) -> str:
    if isinstance(value, str):
        plain = re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]*", value) and value.lower() not in ("null", "inf", "nan", *TRUTHS)
        return value if plain else QuotedString(value, Quote.single).with_quotes()
    if isinstance(value, list):
        return f"[{','.join(map(_written, value))}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{name}:{_written(part)}' for name, part in value.items())}}}"
    return "null" if value is None else str(value)


def _unknown_option(key: str, names: Iterable[str]) -> InputError:
    near = get_close_matches(key, [*names, *GROUPS], n=1, cutoff=0.5)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return InputError(f"unknown option {key!r}{hint} (`synthgap run --help` lists all)")
