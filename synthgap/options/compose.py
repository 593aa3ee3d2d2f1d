"""Overrides in, the resolved and checked config of one run out."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from functools import lru_cache
from pickle import dumps, loads
from typing import Any

from hydra import compose, initialize
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data_gen import InputError, user_file
from synthgap.catalogue import KINDS, Method, choices, chosen_in, find, kind_of
from synthgap.options.checks import check
from synthgap.options.identity import get
from synthgap.options.overrides import check_key, parse, values, written
from synthgap.options.schema import FREE, GROUPS, alias, register


def resolve(overrides: Sequence[str], cell: Mapping[str, Any] | None = None) -> dict:
    """The config of one run as plain nested dicts, types and values checked. Raises InputError.

    cell: values that go on top of the overrides. Hydra composes once a choice of groups (70 ms), then cells are cheap.
    """
    cell = dict(cell or {})
    groups = {key: cell.pop(key) for key in list(cell) if key in GROUPS or kind_of(key)}
    try:
        all_overrides = (*overrides, *(written(key, value) for key, value in groups.items()))
        own = _own(all_overrides)
        config = loads(_composed(all_overrides, own))
        chosen = {group: get(config, group) for group in GROUPS} | {key: name for _, key, name in chosen_in(config)}
        for key, value in cell.items():
            check_key(key, chosen)
            OmegaConf.update(config, key, value, force_add=True)  # checked above; a probability is a new key
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain(error)) from error
    if own:
        files = {m.name: {"file": str(m.path), "source": user_file.fingerprint(m.source)} for m in own}
        resolved["own"] = {name: files[name] for _, _, name in chosen_in(resolved) if name in files}
    check(resolved)
    return resolved


def _own(overrides: Sequence[str]) -> tuple[Method, ...]:
    """The methods of the user's files that overrides choose."""
    asked = [o for o in overrides if kind_of(o.partition("=")[0]) and ".py" in o]
    named = [choice for o in parse(asked) for value in values(o) for choice in choices(o.key_or_group, value)]
    return tuple(find(kind, name, key) for kind, key, name in named if name.endswith(".py"))


@lru_cache
def _composed(overrides: tuple[str, ...], own: tuple[Method, ...]) -> bytes:
    """The config, pickled: loading is the quickest way to a copy."""
    register(own)
    names = {(method.kind, method.name): alias(method) for method in own}
    overrides = [
        f"{o.key_or_group}={names[o.key_or_group, o.value()]}"
        if own and o.key_or_group in KINDS and (o.key_or_group, o.value()) in names
        else o.input_line
        for o in parse(overrides)
    ]
    overrides = [f"+{o}" if o.startswith(FREE) else o for o in overrides]  # Hydra wants a + where a key is new
    inside_a_job = GlobalHydra.instance().is_initialized()
    with nullcontext() if inside_a_job else initialize(version_base="1.3", config_path=None):
        return dumps(compose("run", overrides=overrides))


def _explain(error: Exception) -> str:
    key = getattr(error, "full_key", None)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    key = key or getattr(cause, "full_key", None)
    line = _first_line(cause)
    if "Missing mandatory value" in line:
        return f"{key} is not set: give {key}=…"
    return f"{key}: {line}" if key and key not in line else line


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]
