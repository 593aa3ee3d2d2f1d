"""A world: a factor space and a way to show it. MAD is one; a teacher's own is another, and nothing else changes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_gen import inputs, user_file
from data_gen.errors import InputError
from data_gen.factors import FactorSpace

#: What is observed of n samples: uint8 images [n, H, W, 3], or by modality {"image": such, another: [n, …] of its kind}.
Observed = np.ndarray | dict[str, np.ndarray]
#: codes int64 [n, F] and a generator → what is observed, alone or with style latents {name: [n]}.
Render = Callable[[np.ndarray, np.random.Generator], Observed | tuple[Observed, dict[str, np.ndarray]]]
#: what a render is given → the waves that its audio pictures, float [n, samples] at data_gen.speech.RATE.
Listen = Callable[[np.ndarray, np.random.Generator], np.ndarray]
#: images uint8 [n, H, W, 3], their codes [n, F] and a generator → the same things as another look shows them.
Look = Callable[[np.ndarray, np.ndarray, np.random.Generator], tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class World:
    """space: what varies. render: how it looks; None for a world that is only ever read as symbols.

    identity: all that beside (space, number, split, seed) decides the pixels, e.g. a fingerprint of the files read;
    it is hashed into the dataset's name.
    hidden: factors that images do not show, though captions may name them (reverse imbalance): they are rendered, or
    read as symbols, as if each had its first value, or were not there.
    look: for a world that is never the same twice: applied afresh in every epoch but the first.
    shows: for a world that is observed otherwise than by images: the factors that each modality shows.
    listen: for a world with sound: gives, from what render is given, the waves of the audio that it renders.
    kinds: what the array of each modality is, of `data_gen.inputs.KINDS`; of those that it leaves out, `inputs.told` says it.
    """

    space: FactorSpace
    render: Render | None = None
    identity: dict[str, str] = field(default_factory=dict)
    hidden: tuple[str, ...] = ()
    look: Look | None = None
    shows: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    listen: Listen | None = None
    kinds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self):
        if self.shows and "image" not in self.shows:
            raise InputError(
                f"World.shows names what {', '.join(self.shows)} shows; it must name what `image` does too"
            )
        inputs.check(self.kinds, self.modalities)

    @property
    def modalities(self) -> tuple[str, ...]:
        """What observes the world, captions aside."""
        return tuple(self.shows) or ("image",)

    @property
    def visible(self) -> np.ndarray:
        """Which factors the images show, bool [F]."""
        return self.shown_by("image")

    def shown_by(self, modality: str) -> np.ndarray:
        """Which factors a modality shows, bool [F]."""
        return self.space.mask(self.shows.get(modality, self.space.names)) & ~self.space.mask(self.hidden)


def load(path: str | Path) -> World:
    """The `world` that a user's Python file defines. Raises InputError if there is none, or the file does not run."""
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"world={path}: no such file (a world is `mad` or a Python file that defines `world = World(…)`)"
        )
    what = f"world={path}"
    return _run(path, user_file.read(path, what), what)


@lru_cache
def _run(path: Path, source: bytes, what: str) -> World:
    world = getattr(user_file.run(path, source, what), "world", None)
    if not isinstance(world, World) or not isinstance(world.space, FactorSpace):
        found = f"World({type(world.space).__name__}, …)" if isinstance(world, World) else type(world).__name__
        raise InputError(f"{what} must define `world = data_gen.World(space, render)`, found {found}")
    render = user_file.named(world.render, path, what, "render") if world.render else None
    return replace(world, render=render, identity={"file": user_file.fingerprint(source), **world.identity})
