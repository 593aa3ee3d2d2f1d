"""What a config says is there to be seen: its world, its captions, and the arrays that encoders read."""

from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from data_gen import FactorSpace, InputError, World, captions, mad, store, worlds
from data_gen.captions import Policy
from data_gen.errors import unknown
from data_gen.seeds import generator

SPLITS = ("train", "test")
PIXELS_OF_MAD = {
    "variant": "corrected",
    "strength": "published",
}  # options that only its pixels know, and their defaults


def world_of(config: dict, split: str = "train") -> World:
    """The world that a config names, with its factors distributed and shown as `space` says."""
    m, images = config["mad"], config["images"]
    if config["world"] != "mad":
        world = worlds.load(config["world"])
        if images == "pixels" and world.render is None:
            raise InputError(f"world={config['world']} has no render; give images=symbolic, or the world a render")
        for option, default in (PIXELS_OF_MAD | {"style": []}).items():
            if m[option] != default:
                raise InputError(f"mad.{option}={m[option]} is for world=mad, not for {config['world']}")
    elif images == "symbolic":
        for option, default in PIXELS_OF_MAD.items():
            if m[option] != default:
                raise InputError(f"mad.{option}={m[option]} changes pixels, and images=symbolic has none")
        world = World(mad.space(m["style"]), identity={"world": "mad"})
    else:
        digits, style = config["digits"], config["digits"].get("style") or {}
        world = _mad(
            digits["name"],
            digits.get("root", ""),
            split,
            m["variant"],
            m["strength"],
            tuple(m["style"]),
            tuple(sorted(style.items())),
        )
    return _distributed(world, config, split)


@lru_cache
def _mad(digits, root, split, variant, strength, style, given) -> World:
    return mad.world(digits, root, split, variant=variant, strength=strength, style=style, given=dict(given))


def _distributed(world: World, config: dict, split: str) -> World:
    s, space = config["space"], world.space
    for name in s["hidden"]:
        if name not in space.names:
            raise unknown("factor in space.hidden", name, space.names)
    if len(set(s["hidden"])) == len(space):
        raise InputError("space.hidden names every factor: leave one that images show")
    if s["rho"]:
        first, second = s["correlated"] or (space.names[0], space.names[-1])
        space = space.correlated(first, second, s["rho"])
    if s["test"] != "all" and not s["held_out"]:
        raise InputError(f"space.test={s['test']} needs space.held_out above 0: nothing is unseen")
    if s["held_out"]:
        chance = generator(config["seeds"]["data"], "held out")
        seen, unseen = space.hold_out(s["held_out"], chance, s["held_out_of"] or None)
        space = seen if split == "train" else {"all": space, "seen": seen, "unseen": unseen}[s["test"]]
    return replace(world, space=space, hidden=(*world.hidden, *s["hidden"]))


def object_of(config: dict, space: FactorSpace) -> str:
    """The factor whose bias is measured: the one the config names, or the space's first."""
    name = config["captions"]["object"]
    if name is not None and name not in space.names:
        raise unknown("factor in captions.object", name, space.names)
    return name or space.names[0]


def policy_of(config: dict, space: FactorSpace) -> Policy:
    """The caption policy that a config describes. Raises InputError where it does not fit the space."""
    c = config["captions"]
    match c["policy"]:
        case "attributes":
            return captions.attributes(space, object_of(config, space), c["attributes"], c["shuffled"])
        case "fixed":
            return captions.fixed(space, c["factors"], c["shuffled"])
        case "contiguous":
            return captions.contiguous(space, c["fraction"], c["shuffled"])
        case "independent":
            return captions.independent(space, c["probability"], c["shuffled"])


def dataset_of(config: dict, split: str) -> tuple[World, int, str, int]:
    """World, number, split and seed: what `data_gen.store.make` asks for."""
    number = config["mad"]["images" if split == "train" else "test_images"]
    return world_of(config, split), number, split, config["seeds"]["data"]


def captions_of(config: dict, codes: np.ndarray, split: str, *epoch: int) -> np.ndarray:
    """The tokens, int64 [N, L], that a config's policy writes for codes [N, F] of a split."""
    space = world_of(config, split).space
    chance = generator(config["seeds"]["data"], "captions", split, *epoch)
    return captions.write(space, policy_of(config, space), codes, chance)


def observe(datasets: Path, config: dict, split: str) -> tuple[Callable[[int], dict], np.ndarray]:
    """What encoders see of a split, by epoch: epoch → {modality: array [N, …]}, and codes [N, F] of the first epoch.

    The same in every epoch, unless the world has a `look` of its own at each.
    """
    world, number, _, seed = dataset_of(config, split)
    if config["images"] == "symbolic":
        codes = world.space.sample(number, generator(seed, "factors", split))
        image = (1 + world.space.offsets + codes)[:, world.visible]
    else:
        dataset = store.load(store.make(datasets, world, number, split, seed))
        image, codes = dataset.images, world.space.codes(dataset.table)
    first = {"image": image, "text": captions_of(config, codes, split)}

    def at(epoch: int) -> dict:
        if world.look is None or epoch == 0:
            return first
        image, now = world.look(first["image"], codes, generator(seed, "look", split, epoch))
        return {"image": image, "text": captions_of(config, now, split, epoch)}

    return at, codes
