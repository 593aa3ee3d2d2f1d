"""A finished run again: its model and what it was tested on."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import yaml
from safetensors.torch import load_model
from torch import Tensor

from data_gen import InputError, World
from synthgap.encoders import Encoders, build
from synthgap.observations import observe, world_of
from synthgap.options import as_finetuned
from synthgap.runs import verify


class Run(NamedTuple):
    """config: the resolved one. inputs: {modality: [N, …]} of the test samples, whose codes are [N, F] in world.space."""

    config: dict
    model: Encoders
    inputs: dict[str, Tensor]
    codes: np.ndarray
    world: World


def load_run(folder: str | Path, datasets: str | Path | None = None) -> Run:
    """The run that trained a model in `folder` (`<out>/<study>/<run_id>`). datasets: `<out>/datasets`, if they lie elsewhere.

    Test samples are drawn anew if their dataset is gone. Raises InputError where there is no such run, it took its model
    from another, or a file of it is damaged.
    """
    folder = Path(folder)
    for name in ("config.yaml", "model.safetensors"):
        if not (folder / name).exists():
            raise InputError(f"{folder} is no folder of a run with its model: No such file ({folder / name})")
    verify(folder)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    world = world_of(config, "test")
    shown, codes = observe(Path(datasets or folder.parents[1] / "datasets"), as_finetuned(config), "test")(0)
    inputs = {name: torch.from_numpy(x) for name, x in shown.items()}
    model = build(inputs, config["encoder"], vocabulary=len(world.space.words), longest=len(world.space))
    load_model(model, folder / "model.safetensors")
    return Run(config, model, inputs, codes, world)
