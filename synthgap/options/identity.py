"""What of a config decides the numbers of a run, and the hash of that."""

import json
from collections.abc import Mapping
from functools import reduce
from hashlib import sha256
from typing import Any

from omegaconf import DictConfig

from synthgap.catalogue import KINDS, chosen_in
from synthgap.options.schema import AFTERWARDS, PLACES

VERSION = 2  # of what a config means: raise it when the same config gives other numbers, and old runs are not reused
#: What came later, and what it is where it does nothing: then it is left out of a run's identity, too.
LATER = {
    "finetune": {"name": "none"},
    "encoder.start": "usual",
    "encoder.apart": 0.0,
    "encoder.rank": 0,
    "encoder.angle": None,
    "encoder.others": {},
    "training.steps": None,
    "training.mismatched": 0.0,
    "training.captions_anew": False,
    "training.compile": False,
    "loss.contrast": 1.0,
    "loss.query": None,
    "temperature.scale": "exp",
    "temperature.schedule": None,
    "posthoc.published": False,
    "posthoc.text_steps": 150,
}
COMMON = KINDS["finetune"].before  # what finetuning is told beside its policy
#: What no run reads, and what the identity of files tells, of metrics and of data: left out of a run's identity too.
UNREAD = ("avmnist.validation_images", "sinks", "keep", "metrics", "data")
#: Sections that only avmnist reads.
OF_AVMNIST = ("avmnist", "image", "audio", "speech")


def size_of(config: Mapping, split: str) -> str:
    """The option that says how many samples a split of the config's world has."""
    section = "avmnist" if config["world"] == "avmnist" else "mad"
    return f"{section}.{'images' if split == 'train' else f'{split}_images'}"


def get(config: Mapping, key: str) -> Any:
    """The value under an override's name; of a group, the name of its chosen option."""
    for part in key.split("."):
        config = config[part]
    if isinstance(config, Mapping | DictConfig):
        return config.get("name", config.get("policy"))
    return config


def as_trained(config: dict) -> dict:
    """The same config with nothing done afterwards: that of the run whose model it shares."""
    return config | {group: {"name": "none"} for group in AFTERWARDS}


def as_finetuned(config: dict) -> dict:
    """The same config with the captions that a model sees last, and is tested on."""
    finetune = config.get("finetune", {"name": "none"})  # older runs' configs have none
    if finetune["name"] == "none":
        return config
    policy = {"policy" if name == "name" else name: x for name, x in finetune.items() if name not in COMMON}
    return config | {"captions": policy | {name: config["captions"][name] for name in ("object", "shuffled")}}


def run_id(config: dict, identity: dict) -> str:
    """Hash of all that decides a run's numbers. identity: of the world's files, which count and not where they lie."""
    kept = _copied(config)
    own = {}
    for kind, key, name in chosen_in(config):  # a user's file: what is in it counts, not its name nor where it lies
        if name in kept.get("own", {}):
            own[key] = kept["own"][name]["source"]
            *sections, last = key.split(".") if kind == "encoder" else (key, "policy" if kind == "captions" else "name")
            reduce(dict.get, sections, kept)[last] = None
    kept |= {"own": own} if own else {}
    idle = [key for key, value in LATER.items() if _value(kept, key) == value]
    for key in (*PLACES, *UNREAD, *idle):
        section, _, name = key.rpartition(".")
        (kept[section] if section else kept).pop(name, None)
    if config["world"] != "avmnist":
        kept = {k: v for k, v in kept.items() if k not in OF_AVMNIST}
    for group in AFTERWARDS:
        if config[group]["name"] == "none":
            del kept[group]
    if config["images"] != "pixels":
        kept["digits"] = None  # they are not drawn
    if config["world"] not in ("mad", "avmnist"):
        kept["world"] = None  # its identity says what is in the file, wherever that lies
    text = json.dumps({"version": VERSION, "config": kept, "world": identity}, sort_keys=True)
    return sha256(text.encode()).hexdigest()[:12]


def _copied(part: dict) -> dict:
    """The same mappings anew; what else is in them is only read."""
    return {key: _copied(value) if isinstance(value, dict) else value for key, value in part.items()}


def _value(config: Mapping, key: str) -> Any:
    """What stands there, a mapping too; of an option that the chosen one of its group lacks, the key."""
    return reduce(lambda part, name: part.get(name, key), key.split("."), config)
