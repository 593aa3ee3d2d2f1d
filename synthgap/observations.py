"""What a config says is there to be seen: its world, its captions, and the arrays that encoders read."""

from collections.abc import Callable
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from data_gen import FactorSpace, InputError, World, captions, store, user_file, worlds
from data_gen.captions import Policy
from data_gen.errors import unknown
from data_gen.seeds import generator
from data_gen.worlds import avmnist, mad, own_data
from data_gen.written import Texts, Written
from synthgap import catalogue, options
from synthgap.metric_names import TEXT

SPLITS = ("train", "test")  # that runs read
FILE = "a file"  # any world of a user's own
DATA = "images of your own"
#: The worlds that heed an option, where some would ignore it: there it is refused.
HEEDED = {
    "mad.variant": ("mad",),
    "mad.style": ("mad",),
    "mad.strength": ("mad", "avmnist"),
    "mad.images": ("mad", FILE, DATA),
    "mad.test_images": ("mad", FILE, DATA),
    **dict.fromkeys(("data.size", "data.gray", "data.factors"), (DATA,)),
    **dict.fromkeys(
        (
            "speech",
            "image.components",
            "audio.snr_db",
            "avmnist.images",
            "avmnist.validation_images",
            "avmnist.test_images",
        ),
        ("avmnist",),
    ),
}
#: Options that only pixels and sounds know.
RENDERED = ("mad.variant", "mad.strength", "image.components", "audio.snr_db")


def splits_of(config: dict) -> tuple[str, ...]:
    """The splits that a config's world has."""
    return ("train", "validation", "test") if config["world"] == "avmnist" else SPLITS


def world_of(config: dict, split: str = "train") -> World:
    """The world that a config names, with its factors distributed and shown as `space` says, and its test as `shift` does."""
    config = _shifted(config) if split == "test" else config
    name, symbolic = config["world"], config["images"] != "pixels"
    kind = name if name in ("mad", "avmnist") else DATA if own_data.is_data(name) else FILE
    for option, heeded in HEEDED.items():
        if kind not in heeded and option.partition(".")[0] in config:  # older runs' configs have no data
            _refuse(config, option, f"is for world={' or '.join(heeded)}, not for {name}")
    for option in RENDERED if symbolic else ():
        _refuse(config, option, f"changes what is seen or heard, and images={config['images']} has neither")
    if name == "avmnist":
        world = _symbolic_avmnist(config) if symbolic else _avmnist(*_of_avmnist(config, split))
    elif name == "mad":
        world = World(mad.space(config["mad"]["style"]), identity={"world": "mad"})
        if not symbolic:
            world = _mad(*_of_mad(config, split))
    elif kind == DATA:
        world = own_data.world(name, split, **config["data"])
    else:
        world = worlds.load(name)
        if not symbolic and world.render is None:
            raise InputError(f"world={name} has no render; give images=symbolic, or the world a render")
    _check_modalities(config, (*world.modalities, TEXT))
    return _distributed(world, config, split)


def _check_modalities(config: dict, modalities: tuple[str, ...]) -> None:
    for key, option, value in options.declared_in(config):
        if option.modality and value is not None and value not in modalities:
            raise unknown(f"value of {key}", value, ("null", *modalities))


def check_encoders(config: dict, world: World) -> None:
    """Raises InputError for encoders that cannot read what the world gives, or do not go together."""
    for modality in config["encoder"]["others"]:
        if modality not in (*world.modalities, TEXT):
            raise unknown("modality in encoder.others", modality, world.modalities[1:])
    options.check_encoders(config, kinds_of(config, world))


def kinds_of(config: dict, world: World) -> dict[str, str]:
    """What encoders are given of each modality, {modality: one of `data_gen.inputs.KINDS`}, the text's last. Raises InputError
    where the world leaves that unclear."""
    symbolic = config["images"] != "pixels"
    return (dict.fromkeys(world.modalities, "tokens") if symbolic else store.kinds(world)) | {TEXT: "tokens"}


def _shifted(config: dict) -> dict:
    """The config of the world that the test shows: of other digits, another pen, or unseen combinations."""
    method = catalogue.of_config(config, "shift")
    return (
        catalogue.load(method)(config, **catalogue.settings_of(config["shift"])) if method.form == "world" else config
    )


def _refuse(config: dict, option: str, why: str) -> None:
    given = options.get(config, option)
    if given != _default(option):
        raise InputError(f"{option}={given} {why}")


@cache
def _default(option: str) -> Any:
    return next(iter(options.GROUPS[option])) if option in options.GROUPS else options.keys()[option][0]


def _of_mad(config: dict, split: str) -> tuple:
    m, digits, style = config["mad"], config["digits"], config["digits"].get("style") or {}
    given = tuple(sorted(style.items()))
    return digits["name"], digits.get("root", ""), split, m["variant"], m["strength"], tuple(m["style"]), given


@lru_cache
def _mad(digits, root, split, variant, strength, style, given) -> World:
    return mad.world(digits, root, split, variant=variant, strength=strength, style=style, given=dict(given))


def _symbolic_avmnist(config: dict) -> World:
    speech = config["speech"]["name"]
    space = avmnist.space(speech)
    return World(space, identity={"world": "avmnist", "speech": speech}, shows=avmnist.shows(space))


def _of_avmnist(config: dict, split: str) -> tuple:
    digits, speech = config["digits"], config["speech"]
    if digits.get("style"):
        raise InputError("digits.style is for world=mad, not for avmnist")
    voices = speech["name"], speech.get("root", ""), tuple(speech.get("held_out", ()))
    knobs = config["image"]["components"], config["audio"]["snr_db"], config["mad"]["strength"]
    return digits["name"], digits.get("root", ""), split, *voices, *knobs


@lru_cache
def _avmnist(digits, root, split, speech, speech_root, held_out, kept, snr_db, strength) -> World:
    return avmnist.world(
        digits,
        root,
        split,
        speech=speech,
        speech_root=speech_root,
        held_out=held_out,
        kept=kept,
        snr_db=snr_db,
        strength=strength,
    )


def _distributed(world: World, config: dict, split: str) -> World:
    s, space = config["space"], world.space
    for name in s["hidden"]:
        if name not in space.names:
            raise unknown("factor in space.hidden", name, space.names)
    for modality in world.modalities:
        about = world.shows.get(modality, space.names)
        if s["hidden"] and not set(about) - {*world.hidden, *s["hidden"]}:
            shown = "images show" if modality == "image" else f"{modality} shows"
            raise InputError(f"space.hidden names every factor: leave one that {shown} ({', '.join(about)})")
    if s["rho"]:
        first, second = s["correlated"] or (space.names[0], space.names[-1])
        space = space.correlated(first, second, s["rho"])
    if s["test"] != "all" and not s["held_out"]:
        raise InputError(f"space.test={s['test']} needs space.held_out above 0: nothing is unseen")
    if s["held_out"]:
        seen, unseen = _parted(space, s["held_out"], tuple(s["held_out_of"]), config["seeds"]["data"])
        space = seen if split == "train" else {"all": space, "seen": seen, "unseen": unseen}[s["test"]]
    return replace(world, space=space, hidden=(*world.hidden, *s["hidden"]))


@lru_cache
def _parted(space: FactorSpace, share: float, of: tuple[str, ...], seed: int) -> tuple[FactorSpace, FactorSpace]:
    return space.hold_out(share, generator(seed, "held out"), of or None)


def object_of(config: dict, space: FactorSpace) -> str:
    """The factor whose bias is measured: the one the config names, or the space's first."""
    name = config["captions"]["object"]
    if name is not None and name not in space.names:
        raise unknown("factor in captions.object", name, space.names)
    return name or space.names[0]


def policy_of(config: dict, space: FactorSpace, split: str = "train") -> Policy | Written:
    """The caption policy that a config describes, for a split. Raises InputError where it does not fit the space, or fails."""
    method, settings = catalogue.of_config(config, "captions"), catalogue.settings_of(config["captions"])
    settings |= {"object": object_of(config, space)}
    if "object" not in method.needs:
        del settings["object"]
    if "texts" in method.needs:
        settings["texts"] = _texts(config, split)
    with user_file.located(catalogue.files_of(config)):
        policy = catalogue.load(method)(space, **settings)
    if not isinstance(policy, Policy | Written):
        raise InputError(f"{method.key}: {method.function}() must give a data_gen.captions.Policy, not {policy!r}")
    return policy


def _texts(config: dict, split: str) -> Texts:
    if not own_data.is_data(config["world"]):
        raise InputError(
            f"captions={config['captions']['policy']} reads the captions of images of your own (world=FOLDER, or a table); "
            f"world={config['world']} has none"
        )
    return own_data.texts(config["world"], split, **config["data"])


def written_in(config: dict) -> dict[str, str]:
    """The checksum of the written captions that a config's policy reads, as a part of what identifies its run; empty where it
    reads none."""
    reads = "texts" in catalogue.of_config(config, "captions").needs
    return {"captions": _texts(config, "train").checksum} if reads else {}


def language_of(config: dict) -> dict[str, int]:
    """How many words a config's captions may have, and how many the longest has."""
    space = world_of(config).space
    policy = policy_of(config, space)
    if isinstance(policy, Written):
        return {"vocabulary": len(policy.texts.words), "longest": max(len(space), policy.texts.tokens.shape[1])}
    return {"vocabulary": len(space.words), "longest": len(space)}


def dataset_of(config: dict, split: str) -> tuple[World, int, str, int]:
    """World, number, split and seed: what `data_gen.store.make` asks for."""
    number = options.get(config, options.size_of(config, split))
    return world_of(config, split), number, split, config["seeds"]["data"]


def captions_of(
    config: dict, codes: np.ndarray, split: str, *epoch: int, images: np.ndarray | None = None
) -> np.ndarray:
    """The tokens, int64 [N, L], that a config's policy writes for codes [N, F] of a split.

    images: which image of a table each sample is, [N], which matters where captions are as written. Of training images,
    the share `training.mismatched` get the captions of one another, if they are two or more.
    """
    space, seed = world_of(config, split).space, config["seeds"]["data"]
    chance = generator(seed, "captions", split, *epoch)
    tokens = captions.write(space, policy_of(config, space, split), codes, chance, images)
    share = config["training"].get("mismatched", 0.0)  # older runs' configs have none
    if split == "train" and share:
        order = generator(seed, "mismatched", *epoch).permutation(len(tokens))
        mismatched = order[: round(share * len(tokens))]
        tokens[mismatched] = tokens[np.roll(mismatched, 1)]
    return tokens


def observe(datasets: Path, config: dict, split: str) -> Callable[[int], tuple[dict[str, np.ndarray], np.ndarray]]:
    """What encoders see of a split, by epoch: epoch → {modality: array [N, …]}, and its codes [N, F].

    The same in every epoch, unless the world has a `look` of its own at each, or captions are drawn anew.
    """
    world, number, _, seed = dataset_of(config, split)
    images = None
    if config["images"] != "pixels":
        codes = world.space.sample(number, generator(seed, "factors", split))
        tokens = 1 + world.space.offsets + codes
        first = {modality: tokens[:, world.shown_by(modality)] for modality in world.modalities}
    else:
        dataset = store.load(store.make(datasets, world, number, split, seed))
        first, codes = {"image": dataset.images, **dataset.others}, world.space.codes(dataset.table)
        images = dataset.table.get(own_data.SOURCE)
    if split == "test":
        shift = catalogue.of_config(config, "shift")
        if shift.form == "images":
            chance = generator(seed, "shift")
            first["image"] = catalogue.load(shift)(first["image"], chance, **catalogue.settings_of(config["shift"]))
    first["text"] = captions_of(config, codes, split, images=images)

    def at(epoch: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
        if not changes(config, world) or epoch == 0:
            return first, codes
        shown, now = first, codes
        if world.look:
            image, now = world.look(first["image"], codes, generator(seed, "look", split, epoch))
            shown = first | {"image": image}
        return shown | {"text": captions_of(config, now, split, epoch, images=images)}, now

    return at


def changes(config: dict, world: World) -> bool:
    """Whether training shows other samples in each epoch: images, captions or both."""
    return world.look is not None or config["training"].get("captions_anew", False)


def first(config: dict) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    """The samples that training begins with, drawn as those of its dataset are: {modality: [n, …]}, none unless
    images=pixels; codes [n, F]; and captions' tokens [n, L]."""
    world, seed, drawn, style = world_of(config), config["seeds"]["data"], {}, {}
    codes = world.space.sample(store.BLOCK, generator(seed, "factors", "train"))
    if config["images"] == "pixels":
        drawn, style = store.draw(world, codes, generator(seed, "render", "train", 0))
    return drawn, codes, captions_of(config, codes, "train", images=style.get(own_data.SOURCE))


def known_of(space: FactorSpace, object: str, codes: np.ndarray, tokens: np.ndarray) -> dict[str, np.ndarray]:
    """What a loss may be told of samples with codes [N, F] and captions tokens [N, L]: their factors [N, F], the object's
    value [N] and a number of the caption [N], equal where captions are."""
    return {"factors": codes, "object": codes[:, space.index(object)], "caption": captions.equal(tokens)}
