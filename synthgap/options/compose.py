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

from data_gen import InputError
from synthgap.options.checks import check
from synthgap.options.identity import get
from synthgap.options.overrides import check_key, parse
from synthgap.options.schema import FREE, GROUPS, register


def resolve(overrides: Sequence[str], cell: Mapping[str, Any] | None = None) -> dict:
    """The config of one run as plain nested dicts, types and values checked. Raises InputError.

    cell: values that go on top of the overrides. Hydra composes once a choice of groups (70 ms), then cells are cheap.
    """
    cell = dict(cell or {})
    groups = {key: cell.pop(key) for key in list(cell) if key in GROUPS}
    try:
        config = loads(_composed((*overrides, *(f"{key}={value}" for key, value in groups.items()))))
        chosen = {group: get(config, group) for group in GROUPS} if cell else {}
        for key, value in cell.items():
            check_key(key, chosen)
            OmegaConf.update(config, key, value, force_add=True)  # checked above; a probability is a new key
        resolved = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    except (HydraException, OmegaConfBaseException) as error:
        raise InputError(_explain(error)) from error
    check(resolved)
    return resolved


@lru_cache
def _composed(overrides: tuple[str, ...]) -> bytes:
    """The config, pickled: loading is the quickest way to a copy."""
    register()
    overrides = [override.input_line for override in parse(overrides)]
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
