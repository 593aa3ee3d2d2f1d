"""A world: a factor space and a way to show it. MAD is one; a teacher's own is another, and nothing else changes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np

from data_gen.errors import InputError
from data_gen.factors import FactorSpace

#: codes int64 [n, F] and a generator → uint8 images [n, H, W, 3], alone or with style latents {name: [n]}.
Render = Callable[[np.ndarray, np.random.Generator], np.ndarray | tuple[np.ndarray, dict[str, np.ndarray]]]


@dataclass(frozen=True)
class World:
    """space: what varies. render: how it looks; None for a world that is only ever read as symbols.

    identity: whatever beside (space, number, split, seed) decides the pixels, e.g. a fingerprint of the files read;
    it is hashed into the dataset's name.
    """

    space: FactorSpace
    render: Render | None = None
    identity: dict[str, str] = field(default_factory=dict)


def load(path: str | Path) -> World:
    """The `world` that a user's Python file defines. Raises InputError if there is none, or the file does not run."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"world={path}: no such file (a world is `mad` or a Python file that defines `world = World(…)`)"
        )
    spec = spec_from_file_location(f"synthgap_world_{path.stem}", path)
    module = module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise InputError(f"world={path} does not run: {type(error).__name__}: {error}") from error
    world = getattr(module, "world", None)
    if not isinstance(world, World):
        raise InputError(
            f"world={path} must define `world = data_gen.World(space, render)`, found {type(world).__name__}"
        )
    return World(world.space, world.render, {"file": sha256(path.read_bytes()).hexdigest(), **world.identity})
