"""A YAML file that a person wrote, read as it is written, or refused with the line that is at fault.

Plain values are those of YAML 1.2's core schema, in decimals: 1e-3 is a number; yes, on, 010, 1:30 and dates are texts.
"""

import re
import unicodedata
from collections.abc import Sequence
from math import inf, isinf
from pathlib import Path
from typing import Any

import yaml

from data_gen import InputError

MOST_BYTES = 100_000  # ten times the longest study that ships
MOST_LEVELS = 40
MOST_VALUES = 100_000  # with every alias written out
#: what YAML's parser complains of → what to do about it
MENDS = {
    "'\\t'": "indent by spaces, not tabs",
    "mapping values": "put a text that holds a colon in quotes",
    "expected <block end>": "its indentation is not that of its neighbours",
}
INTEGER = r"[-+]?(0|[1-9][0-9]*)"
NUMBER = rf"{INTEGER}(\.[0-9]*)?([eE][-+]?[0-9]+)?|[-+]?\.[0-9]+([eE][-+]?[0-9]+)?"
_PLAIN = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": INTEGER,
    "float": rf"{NUMBER}|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
    "merge": r"<<",
}


def read(path: Path) -> Any:
    """What the file holds, None if nothing. Raises InputError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{path} is larger than {MOST_BYTES // 1000} kB; it must be a study's YAML file")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path} is not YAML: line {line} is not UTF-8; save the file in that encoding") from error
    try:
        return yaml.load(text, _Loader)
    except yaml.YAMLError as error:
        raise InputError(f"{path} is not YAML: {_damage(error)}") from error
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} is not YAML: an escape in it is of no character ({error})") from error


def line(path: Path, keys: Sequence) -> int:
    """The line of what lies under these keys (and indices) in a file that was read, or of the last of them that is there."""
    node, found = yaml.compose(path.read_text(encoding="utf-8-sig"), _Loader), 1
    for key in keys:
        pairs = {}
        if isinstance(node, yaml.MappingNode):
            pairs = {at.value: (at, below) for at, below in node.value}
        elif isinstance(node, yaml.SequenceNode):
            pairs = {str(i): (below, below) for i, below in enumerate(node.value)}
        if str(key) not in pairs:
            break
        at, node = pairs[str(key)]
        found = at.start_mark.line + 1
    return found


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012  (as PyYAML keeps them)
        None: [(f"tag:yaml.org,2002:{name}", re.compile(rf"({text})\Z")) for name, text in _PLAIN.items()]
    }
    level = 0

    def compose_node(self, parent, index):
        event = self.peek_event()
        if getattr(event, "tag", None):
            tag = event.tag.replace("tag:yaml.org,2002:", "!!")
            raise _wrong(event, f"tags are not understood here; leave out {tag!r}")
        self.level += 1
        if self.level > MOST_LEVELS:
            raise _wrong(event, f"it is nested more than {MOST_LEVELS} levels deep")
        node = super().compose_node(parent, index)
        self.level -= 1
        return node

    def get_single_node(self):
        node = super().get_single_node()
        if node is not None:
            self._check(node, {})
        return node

    def _check(self, node: yaml.Node, sizes: dict[yaml.Node, float]) -> float:
        """How many values a node holds, with every alias written out. Raises for what cannot be read as it is written."""
        if node not in sizes:
            sizes[node] = inf  # until all that it holds is known: an alias of what holds the alias has no end
            if isinstance(node, yaml.ScalarNode):
                parts = ()
                _check_text(node)
            elif isinstance(node, yaml.MappingNode):
                parts = [part for pair in node.value for part in pair]
                self._check_keys(node)
            else:
                parts = node.value
            sizes[node] = 1 + sum(self._check(part, sizes) for part in parts)
        if sizes[node] > MOST_VALUES:
            raise _wrong(node, f"with its aliases (*name) written out it holds more than {MOST_VALUES:,} values")
        return sizes[node]

    def _check_keys(self, node: yaml.MappingNode) -> None:
        lines = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _wrong(key, "a key must be a text or a number")
            if re.search(r"[\t\n\x85\u2028\u2029]", key.value):
                raise _wrong(key, f"the key {_short(key.value)} holds a tab or a line break")
            name = "<<" if key.tag.endswith(":merge") else self.construct_object(key)
            if str(name) != key.value:
                raise _wrong(key, f"the key {_short(key.value)} would be read as {name!r}; put it in quotes")
            if name in lines:
                raise _wrong(key, f"the key {_short(key.value)} is there twice, first in line {lines[name]}")
            lines[name] = key.start_mark.line + 1

    def construct_yaml_int(self, node):
        value = int(node.value[:40])  # Python refuses to read thousands of digits
        if abs(value) >= 2**63:
            raise _wrong(node, f"{_short(node.value)} is too large for a whole number")
        return value

    def construct_yaml_float(self, node):
        value = super().construct_yaml_float(node)
        if isinf(value) and "inf" not in node.value.lower():
            raise _wrong(node, f"{_short(node.value)} is too large for a number")
        return value


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_yaml_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _damage(error: yaml.YAMLError) -> str:
    """What is wrong with a file that is no YAML, and what would mend it."""
    if isinstance(error, yaml.reader.ReaderError):
        return f"no text holds the character {chr(error.character)!a}"
    if not isinstance(error, yaml.MarkedYAMLError) or not error.problem_mark:
        return " ".join(str(error).split())
    mend = next((f"; {mend}" for said, mend in MENDS.items() if said in error.problem), "")
    return " ".join(f"line {error.problem_mark.line + 1}: {error.problem}{mend}".split())


def _wrong(at: yaml.Node | yaml.Event, what: str) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=what, problem_mark=at.start_mark)


def _check_text(node: yaml.ScalarNode) -> None:
    for character in node.value:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise _wrong(node, f"no text holds the character {character!a}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}…")
