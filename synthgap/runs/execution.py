"""One run: what is seen, the model that learns from it, what is measured, and the folder that keeps it all.

Only workers come here: torch costs two seconds to import.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd
import torch
import yaml
from safetensors.torch import load_model, save_file, save_model
from torch import Tensor

from data_gen import InputError, files, user_file
from data_gen.seeds import generator
from synthgap import catalogue, free, metric_names, options
from synthgap.encoders import Encoders, at_an_angle, build, initialise, set_apart, start_together
from synthgap.evaluation import Row, check, evaluate, finite, within
from synthgap.losses import of_all
from synthgap.metrics import own
from synthgap.metrics.embedded import QUERIES
from synthgap.metrics.floors import floors
from synthgap.observations import (
    SPLITS,
    captions_of,
    changes,
    kinds_of,
    known_of,
    language_of,
    observe,
    policy_of,
    world_of,
)
from synthgap.posthoc import heads
from synthgap.runs import Plan, Task, failure_in, verify
from synthgap.runs.plan import MODEL, identify
from synthgap.training import Finetuning, Trained, settings_at, train

WATCHED = 500  # test samples on which gap and entropy are followed through training
COURSE = "course.safetensors"  # in a run's folder, with keep=course: embeddings of those samples at each row of its trajectory


def execute(p: Plan, task: Task, folder: Path) -> None:
    """Do a run. Raises InputError with the place for what a user's own file raises, and if files were edited since the run
    was planned; and else as `_execute` does."""
    with user_file.located(catalogue.files_of(task.config)):
        if identify(task.config, *(world_of(task.config, split) for split in SPLITS)) != task.run_id:
            raise InputError("a file that this run reads was edited since it was planned; run the study again")
        _execute(p, task, folder)


def _execute(p: Plan, task: Task, folder: Path) -> None:
    """Do a run and write into `folder`: config, metrics, what was trained, and, last, done.json with their checksums.

    Its model is trained, or taken from the run `task.start`. Raises RuntimeError if that failed, and FloatingPointError if
    the loss, the embeddings or what is measured of them are not finite.
    """
    c, clock = task.config, [perf_counter()]
    shown, codes = observe(p.datasets, options.as_finetuned(c), "test")(0)
    test = _on_device(shown, c)
    settles = c["images"] == "free"  # on the population: there is nothing to train, and no sample to train on
    learning = {} if settles or task.start else _to_learn_from(p, c)
    clock.append(perf_counter())

    chance = torch.Generator().manual_seed(c["seeds"]["init"])
    world, device = world_of(c), c["training"]["device"]
    model = free.model_of(c) if settles else build(c, test, kinds_of(c, world), **language_of(c))
    model = initialise(model, chance).to(device, memory_format=torch.channels_last)
    if task.start is None:
        course: list[dict[str, Tensor]] = []
        trained = free.settle(model, c) if settles else _train(model, c, learning, test, chance, course.append)
        if c["keep"] == "course":
            _save_course(course, folder / COURSE)
        if c["keep"] != "tables" or task.run_id in p.taken:
            with files.whole(folder / MODEL) as beside:  # which the library makes readable by its owner alone
                save_model(model, beside)
        if len(trained.trajectory):
            trained.trajectory.to_parquet(folder / "trajectory.parquet")
        scale, settings, before = trained.scale, trained.settings, None
    else:
        place = p.folder / task.start.run_id
        if not p.ready(task.start):
            raise RuntimeError(f"the run whose model it takes failed: {failure_in(p.failure(task.start))['reason']}")
        verify(place, task.start.run_id)
        load_model(model, place / MODEL, device=device)
        before = files.read_parquet(place / "metrics.parquet")
        scale, settings = _learnt(before, c)
    clock.append(perf_counter())

    rows = _measure(model, c, test, codes, scale, settings)
    if before is None:
        rows += _course(trained.trajectory) if len(trained.trajectory) else []
    else:
        found = before[before.metric == "map"].set_index("of").value
        rows += [("map_gain", of, value - found[of]) for metric, of, value in rows if metric == "map"]
    learnt = metric_names.learnt_by([catalogue.of_config(c, "loss")])
    known = learnt | metric_names.METRICS | metric_names.own(c["metrics"])
    rows = check([*rows, *_floors(c, codes, shown["text"])], known)
    clock.append(perf_counter())
    parts = np.diff(clock)
    rows += [("seconds", of, float(s)) for of, s in zip(("data", "training", "evaluation"), parts, strict=True)]
    _write(folder, task, [*rows, ("seconds", "", float(parts.sum()))])


def _to_learn_from(p: Plan, c: dict) -> dict:
    """Inputs and what is known of them, of the first epoch and of later ones where those differ; and of finetuning."""
    world, seen, device_of = world_of(c), observe(p.datasets, c, "train"), partial(_on_device, c=c)
    object = c["captions"]["object"]

    def seen_in(epoch: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        shown, codes = seen(epoch)
        return device_of(shown), device_of(known_of(world.space, object, codes, shown["text"]))

    inputs, known = seen_in(0)
    found = {"inputs": inputs, "known": known, "anew": seen_in if changes(c, world) else None, "then": None}
    told, codes = options.as_finetuned(c), seen(0)[1]
    if told is not c:
        text, f = captions_of(told, codes, "train"), c["finetune"]
        again = inputs | device_of({"text": text}), device_of(known_of(world.space, object, codes, text))
        found["then"] = Finetuning(*again, epochs=f["epochs"], lr=f["lr"], frozen=f["temperature"] == "frozen")
    return found


def _save_course(course: Sequence[dict[str, Tensor]], path: Path) -> None:
    """The embeddings, {modality: float32 [moments, N, D]}."""
    moments = {name: torch.stack([z[name] for z in course]).float().cpu() for name in course[0]}
    with files.whole(path) as beside:
        save_file(moments, beside)


def _train(
    model: Encoders,
    c: dict,
    learning: dict,
    test: dict[str, Tensor],
    chance: torch.Generator,
    seen: Callable[[dict[str, Tensor]], None],
) -> Trained:
    some = {name: x[:500] for name, x in learning["inputs"].items()}
    start_together(model, some, c["encoder"]["start"])
    if c["encoder"]["apart"]:
        set_apart(model, some, c["encoder"]["apart"], chance)
    if c["encoder"]["angle"] is not None:
        at_an_angle(model, c["encoder"]["angle"], chance)
    return train(
        model,
        loss=of_all(catalogue.of_config(c, "loss")),
        temperature=c["temperature"],
        training=c["training"],
        settings=catalogue.settings_of(c["loss"]),
        learnt=catalogue.of_config(c, "loss").learnt,
        order=generator(c["seeds"]["order"], "order"),
        chance=torch.Generator().manual_seed(int(generator(c["seeds"]["order"], "loss").integers(2**63))),
        watched={name: x[:WATCHED] for name, x in test.items()},
        seen=seen,
        **learning,
    )


def _learnt(measured: pd.DataFrame, c: dict) -> tuple[float, dict]:
    """Logit scale and the loss's settings that a run ended with, from its metrics."""
    of_run = measured[measured.of == ""].set_index("metric").value
    learnt = {name: of_run[f"logit_{name}"] for name in catalogue.of_config(c, "loss").learnt}
    return of_run["logit_scale"], settings_at(catalogue.settings_of(c["loss"]), 1.0) | learnt


def _measure(
    model: Encoders, c: dict, test: dict[str, Tensor], codes: np.ndarray, scale: float, settings: dict
) -> list[Row]:
    tested, method, done = world_of(c, "test"), catalogue.of_config(c, "posthoc"), catalogue.settings_of(c["posthoc"])
    loss = catalogue.of_config(c, "loss")
    if method.form == "search":  # not a space of all modalities, so there is nothing else to measure
        gallery, asked = catalogue.load(method)(model, test, queries=QUERIES, **done)
        return within(finite(gallery), codes, tested, finite(asked))
    if "heads" in method.needs:
        done["heads"] = heads(model)
    rows = evaluate(
        model,
        test,
        codes,
        tested,
        object=c["captions"]["object"],
        loss=partial(of_all(loss), **settings),
        scale=scale,
        batch=c["training"]["batch"],
        posthoc=None if method.name == "none" else partial(catalogue.load(method), **done),
        own=own.load(c["metrics"]),
    )
    return rows + [(f"logit_{name}", "", x) for name, x in settings.items() if name in loss.learnt]


def _course(trajectory: pd.DataFrame) -> list[Row]:
    """What was watched, at each twentieth of the steps."""
    steps, shares = trajectory.step, [i / 20 for i in range(21)]
    at = [(steps - share * steps.iloc[-1]).abs().idxmin() for share in shares]
    return [
        (f"{name}_at", f"{share:g}", float(trajectory[name][i]))
        for name in ("loss", "logit_scale", "rmg", "l2m", "entropy")
        for share, i in zip(shares, at, strict=True)
    ]


def _floors(c: dict, codes: np.ndarray, tokens: np.ndarray) -> list[Row]:
    world, policy = world_of(c), policy_of(options.as_finetuned(c), world_of(c).space)
    anchor = c["loss"].get("query") or c["loss"]["anchor"]  # only pairs with it count
    return floors(world, world_of(c, "test"), policy, codes, tokens, c["training"]["batch"], anchor)


def _write(folder: Path, task: Task, rows: Iterable[Row]) -> None:
    rows = list(rows)
    (folder / "config.yaml").write_text(yaml.safe_dump(task.config, sort_keys=False))
    pd.DataFrame(rows, columns=["metric", "of", "value"]).to_parquet(folder / "metrics.parquet")
    about = {
        "versions": {"synthgap": version("synthgap"), "torch": torch.__version__, "numpy": np.__version__},
        "run_id": task.run_id,
        "device": task.config["training"]["device"],
        "threads": torch.get_num_threads(),
        "seconds": rows[-1][-1],
    }
    if task.start:
        about["model"] = task.start.run_id
    elif not (folder / MODEL).exists():
        about["keep"] = "tables"
    about["checksums"] = {path.name: files.checksum(path) for path in sorted(folder.iterdir())}
    (folder / "done.json").write_text(json.dumps(about, indent=1))


def _on_device(arrays: dict[str, np.ndarray], c: dict) -> dict[str, Tensor]:
    return {name: torch.from_numpy(x).to(c["training"]["device"]) for name, x in arrays.items()}
