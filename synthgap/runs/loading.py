"""A finished run again: its model, and what it makes of its test samples."""

import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import load_model
from torch import Tensor

from data_gen import InputError, World, captions, files
from synthgap import free, packs
from synthgap.encoders import Encoders, build
from synthgap.observations import kinds_of, language_of, observe, policy_of, world_of
from synthgap.options import as_finetuned
from synthgap.runs.plan import MODEL, Plan, Task
from synthgap.runs.results import verify
from synthgap.runs.worker import run as do
from synthgap.training import embed


@dataclass(frozen=True)
class OpenRun:
    """A finished run. N test samples, F factors, D dimensions of the shared space.

    folder: where it is kept. config: the resolved one. model: trained, on the CPU; with images=free, the vectors that were
    found, of any words that have one. metrics: the run's rows, of columns metric, of, value. inputs: what the model reads of
    the test split, {modality: [N, …]}. codes: int64 [N, F], of the factors in `world.space`.
    """

    folder: Path
    config: dict
    model: Encoders | free.FreeVectors
    metrics: pd.DataFrame
    inputs: dict[str, Tensor]
    codes: np.ndarray
    world: World

    @cached_property
    def embeddings(self) -> dict[str, Tensor]:
        """{modality: float32 [N, D]} of the test split, unit-norm. Computed when first asked for."""
        return embed(self.model, self.inputs)

    @cached_property
    def factors(self) -> pd.DataFrame:
        """The factors' values by name, a row a test sample, a column a factor."""
        return self.world.space.table(self.codes)

    @cached_property
    def captions(self) -> list[str]:
        """The caption of each test sample, as words."""
        policy = policy_of(as_finetuned(self.config), self.world.space)
        return captions.texts(self.world.space, self.inputs["text"].numpy(), policy)


def open(run: str | Path, datasets: str | Path | None = None) -> OpenRun:  # synthgap.open
    """The run that trained a model in the folder `run`, `<out>/<study>/<run_id>`. datasets: `<out>/datasets`, if they lie
    elsewhere.

    Test samples are drawn anew if their dataset is gone, and the model is trained again if it was not kept (keep=tables).
    Raises InputError where there is no such run, it took its model from another, or a file of it is damaged.
    """
    folder = Path(run)
    if packs.place(folder) != folder:
        with files.locked(folder.parent / ".locks" / folder.name):
            packs.restore(folder)
    if not (folder / "done.json").exists():
        raise InputError(f"{folder} is no folder of a finished run, OUT/STUDY/RUN_ID: it has no done.json")
    about = verify(folder)
    if "model" in about:
        raise InputError(f"{folder} took its model from another run; open {folder.with_name(about['model'])}")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    if not (folder / MODEL).exists():
        _train_again(folder, config, Path(datasets or folder.absolute().parents[1] / "datasets"), about["threads"])
    world = world_of(config, "test")
    shown, codes = observe(Path(datasets or folder.absolute().parents[1] / "datasets"), as_finetuned(config), "test")(0)
    inputs = {name: torch.from_numpy(x) for name, x in shown.items()}
    if config["images"] == "free":
        model = free.model_of(config)
    else:
        model = build(config, inputs, kinds_of(config, world), **language_of(config))
    load_model(model, folder / MODEL)
    return OpenRun(folder, config, model, files.read_parquet(folder / "metrics.parquet"), inputs, codes, world)


def _train_again(folder: Path, config: dict, datasets: Path, threads: int) -> None:
    """The run once more, with its model, which keep=tables did not keep. threads: as many as it had, on which its last
    digits depend. Raises InputError where you may not write."""
    if why := files.forbidden(folder.parent):
        raise InputError(
            f"the model of {folder} was not kept, and cannot be trained again there: {why}; copy that folder"
        )
    print(f"synthgap: the model of {folder} was not kept (keep=tables), so it is trained again", file=sys.stderr)
    task = Task(folder.name, config | {"keep": "models"}, {})
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with files.locked(folder.parent / ".locks" / folder.name):
            do(Plan(None, folder.parent, datasets, (task,)), task)
    finally:
        torch.set_num_threads(before)
