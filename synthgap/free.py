"""`images=free`: what a run measures where its embeddings are those of the ideal space, in place of trained encoders'.

Each image and each caption of the world has a vector, at the optimum of the population's loss (`synthgap.ideal`). The
embeddings of a test sample are the vectors of what its image shows and of what its caption says; all else of a run is as usual.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from data_gen import InputError
from data_gen.written import Written
from synthgap import ideal, observations, options
from synthgap.catalogue import settings_of
from synthgap.training import Trained, settings_at


class FreeVectors(nn.Module):
    """{modality: words [N, L], 0 = padding} → {modality: [N, D]}: the vector of those words, whatever their order; nan where
    they have none, as a caption that the policy never writes.

    words: {modality: those of each vector, [V, F], 0 = padding}. Vectors are 0 until they are found (`settle`).
    """

    def __init__(self, words: Mapping[str, np.ndarray], dimensions: int):
        super().__init__()
        for modality, named in words.items():
            self.register_buffer(modality, torch.zeros(len(named), dimensions))
            self.register_buffer(f"{modality}_words", torch.from_numpy(named))
        self._rows = {m: {_key(row): i for i, row in enumerate(named.tolist())} for m, named in words.items()}

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {modality: self._vectors(modality, words) for modality, words in inputs.items()}

    def _vectors(self, modality: str, words: Tensor) -> Tensor:
        vectors, rows = getattr(self, modality), self._rows[modality]
        at = torch.tensor([rows.get(_key(row), -1) for row in words.tolist()], device=vectors.device)
        return torch.where(at[:, None] < 0, torch.nan, vectors[at])


def _key(words: list[int]) -> frozenset[int]:
    return frozenset(words) - {0}


def population_of(config: dict) -> ideal.Population:
    """The population of the images and captions that a config's training shows. Raises InputError where it is not known, or
    too large."""
    world = observations.world_of(config)
    if len(world.modalities) > 1:
        raise InputError(f"an ideal space is of images and captions; here are {', '.join(world.modalities)} too")
    policy = observations.policy_of(config, world.space)
    if isinstance(policy, Written):
        raise InputError(
            "an ideal space needs captions that name factors: of captions as written nobody knows the chances"
        )
    return ideal.population(world.space, policy, world.shown_by("image"))


def sought(config: dict) -> dict:
    """What `ideal.ideal` is asked for by a config."""
    loss, temperature = config["loss"]["name"], config["temperature"]
    given = {"batch": config["training"]["batch"]} | settings_at(config["loss"], 1.0)
    return {
        "loss": loss,
        "temperature": temperature["init"] if temperature["mode"] == "fixed" else None,
        "begin": temperature["init"],
        "dimensions": config["encoder"]["embedding"],
        "seed": config["seeds"]["init"],
        **{name: given[name] for name in ideal.DEFAULTS.get(loss, ())},
    }


def beside(config: dict, temperature: float) -> tuple[ideal.Population, str, dict]:
    """The population that trained models of a config learn from, its object, and what `ideal.ideal` is asked for at the
    temperature that they end with. Raises InputError where their loss over a population is not known."""
    for key in ("finetune", "posthoc", "shift", "training.mismatched", "encoder.rank"):
        if (value := options.get(config, key)) not in ("none", 0):
            raise InputError(f"{key}={value}: no ideal space is known of that")
    if config["loss"]["name"] not in ideal.DEFAULTS or config["loss"].get("query"):
        raise InputError(f"loss={config['loss']['name']}: no ideal space is known of that")
    object = observations.object_of(config, observations.world_of(config).space)
    return population_of(config), object, sought(config) | {"temperature": temperature}


def check(config: dict) -> None:
    """Raises InputError where a config's world, captions and loss have no ideal space that can be found."""
    asked, there = sought(config), population_of(config)
    ideal.settings_of(asked["loss"], {name: asked[name] for name in ideal.DEFAULTS[asked["loss"]]}, there)


def model_of(config: dict) -> FreeVectors:
    """A config's vectors, before they are found."""
    world, there = observations.world_of(config), population_of(config)
    offsets, shown = world.space.offsets, world.shown_by("image")
    words = {
        "image": np.where(shown, 1 + offsets + there.shown, 0),
        "text": np.where(there.said > 0, offsets + there.said, 0),
    }
    return FreeVectors(words, config["encoder"]["embedding"])


def settle(model: FreeVectors, config: dict) -> Trained:
    """Find a config's vectors, in place. The course of the descent is no course of training, so there is none."""
    found = ideal.ideal(population_of(config), **sought(config))
    model.image.copy_(found.image)
    model.text.copy_(found.text)
    settings = settings_at(settings_of(config["loss"]), 1.0)
    return Trained(found.scale, settings | ({"bias": found.bias} if found.loss == "siglip" else {}), pd.DataFrame())
