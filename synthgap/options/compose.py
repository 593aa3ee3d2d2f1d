"""Overrides in, the resolved and checked config of one run out."""

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import lru_cache, reduce
from pickle import dumps, loads
from typing import Any

from hydra import compose, initialize
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import OverrideType
from hydra.errors import HydraException
from omegaconf import II, MISSING, DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from data_gen import InputError, user_file
from data_gen.errors import first_line
from synthgap.catalogue import KINDS, Method, choices, chosen_in, find, kind_of
from synthgap.options.checks import check
from synthgap.options.identity import get
from synthgap.options.overrides import check_key, parse, values, written
from synthgap.options.schema import FREE, GROUPS, alias, register

SEED = II("seed")


def resolve(overrides: Sequence[str], cell: Mapping[str, Any] | None = None) -> dict:
    """The config of one run as plain nested dicts, types and values checked. Raises InputError.

    cell: values that go on top of the overrides. Hydra composes once a choice of groups, and each value is brought to its
    option's type once; what is left to do for a cell takes under 1 ms.
    """
    cell = dict(cell or {})
    groups = {key: cell.pop(key) for key in list(cell) if key in GROUPS or kind_of(key)}
    try:
        all_overrides = (*overrides, *(written(key, value) for key, value in groups.items()))
        own = _own(all_overrides)
        resolved = _put_in(all_overrides, own, cell) or _resolved(_updated(all_overrides, own, cell))
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain(error)) from error
    if own:
        files = {m.name: {"file": str(m.path), "source": user_file.fingerprint(m.source)} for m in own}
        resolved["own"] = {name: files[name] for _, _, name in chosen_in(resolved) if name in files}
    check(resolved)
    return resolved


def _updated(overrides: tuple[str, ...], own: tuple[Method, ...], cell: Mapping[str, Any]) -> DictConfig:
    """The composed config with a cell's values."""
    config = loads(_composed(overrides, own))
    for key, value in cell.items():
        _update(config, overrides, own, key, value)
    return config


def _update(config: DictConfig, overrides: tuple[str, ...], own: tuple[Method, ...], key: str, value: Any) -> None:
    check_key(key, _chosen(overrides, own))
    OmegaConf.update(config, key, value, force_add=True)  # checked above; a probability is a new key


@lru_cache
def _chosen(overrides: tuple[str, ...], own: tuple[Method, ...]) -> dict[str, Any]:
    """What is chosen of groups and of encoders."""
    config = loads(_plain(overrides, own))
    return {group: get(config, group) for group in GROUPS} | {key: name for _, key, name in chosen_in(config)}


def _resolved(config: DictConfig) -> dict:
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)


def _put_in(overrides: tuple[str, ...], own: tuple[Method, ...], cell: Mapping[str, Any]) -> dict | None:
    """The same as `_resolved(_updated(…))`, but quicker; None where values refer to others (seeds to the seed may)."""
    if any(isinstance(value, Mapping) or _unsettled(value) for value in cell.values()):
        return None
    config = loads(_plain(overrides, own))
    for key, value in cell.items():
        *sections, name = key.split(".")
        reduce(lambda part, section: part[section], sections, config)[name] = _typed(overrides, own, key, dumps(value))
    config["seeds"] = {name: config["seed"] if value == SEED else value for name, value in config["seeds"].items()}
    return None if _unsettled(config) else config


@lru_cache
def _plain(overrides: tuple[str, ...], own: tuple[Method, ...]) -> bytes:
    return dumps(OmegaConf.to_container(loads(_composed(overrides, own))))


@lru_cache
def _scratch(overrides: tuple[str, ...], own: tuple[Method, ...]) -> DictConfig:
    """The composed config that values are tried in, one after the other."""
    return loads(_composed(overrides, own))


@lru_cache(maxsize=4096)
def _typed(overrides: tuple[str, ...], own: tuple[Method, ...], key: str, value: bytes) -> Any:
    """A value as the option's type has it. Raises as `_updated` does."""
    config = _scratch(overrides, own)
    _update(config, overrides, own, key, loads(value))
    found = OmegaConf.select(config, key)
    return OmegaConf.to_container(found) if OmegaConf.is_config(found) else found


def _unsettled(part: Any) -> bool:
    """Whether anything in it refers to another value, or is yet to be given."""
    if isinstance(part, dict | list):
        return any(map(_unsettled, part.values() if isinstance(part, dict) else part))
    return isinstance(part, str) and (part == MISSING or "${" in part)


def _own(overrides: Sequence[str]) -> tuple[Method, ...]:
    """The methods of the user's files that overrides choose."""
    asked = [o for o in overrides if kind_of(o.partition("=")[0]) and ".py" in o]
    named = [choice for o in parse(asked) for value in values(o) for choice in choices(o.key_or_group, value)]
    return tuple(find(kind, name, key) for kind, key, name in named if name.endswith(".py"))


@lru_cache
def _composed(overrides: tuple[str, ...], own: tuple[Method, ...]) -> bytes:
    """The config, pickled: loading is the quickest way to a copy. Hydra chooses the groups, which takes it the longest by far;
    values are put in as it does."""
    groups, values = [], []
    for o in parse(overrides):
        if o.key_or_group in GROUPS or o.is_sweep_override():
            groups.append(o.input_line)
        else:  # a key that is new has to be added
            values.append(replace(o, type=OverrideType.ADD) if o.key_or_group.startswith(FREE) else o)
    config = loads(_grouped(tuple(groups), own))
    ConfigLoaderImpl._apply_overrides_to_config(values, config)
    return dumps(config)


@lru_cache
def _grouped(overrides: tuple[str, ...], own: tuple[Method, ...]) -> bytes:
    """The config as Hydra composes it of its overrides, pickled."""
    register(own)
    names = {(method.kind, method.name): alias(method) for method in own}
    overrides = [
        f"{o.key_or_group}={names[o.key_or_group, o.value()]}"
        if own and o.key_or_group in KINDS and (o.key_or_group, o.value()) in names
        else o.input_line
        for o in parse(overrides)
    ]
    inside_a_job = GlobalHydra.instance().is_initialized()
    with nullcontext() if inside_a_job else initialize(version_base="1.3", config_path=None):
        return dumps(compose("run", overrides=overrides))


def _explain(error: Exception) -> str:
    key = getattr(error, "full_key", None)
    cause = error.__cause__ if isinstance(error.__cause__, OmegaConfBaseException) else error
    key = key or getattr(cause, "full_key", None)
    line = first_line(cause)
    if "Missing mandatory value" in line:
        return f"{key} is not set: give {key}=…"
    return f"{key}: {line}" if key and key not in line else line
