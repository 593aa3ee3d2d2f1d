"""A study's runs: planned, claimed, trained, kept; then gathered into one tidy table.

`plan` turns a study and overrides into tasks, each a resolved config with the hash that names its folder. `work` takes
whatever task is neither done nor claimed, so any number of workers, on any number of machines that share the folder, help
each other; a killed worker loses the run it was in, no more. A folder is written beside its place and renamed when whole.
"""

import json
import os
import shutil
import traceback
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

import pandas as pd
import yaml
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from data_gen import InputError, store
from data_gen.seeds import generator
from synthgap import config as configs
from synthgap import metric_names, studies
from synthgap.observations import (
    SPLITS,
    captions_of,
    dataset_of,
    known_of,
    object_of,
    observe,
    policy_of,
    world_of,
)
from synthgap.studies import CASE, Study


@dataclass(frozen=True)
class Task:
    """One run: its id, its resolved config and its place in the sweep (one value a swept parameter).

    start: the run whose model it takes instead of training one, where something is done to its embeddings afterwards, or
    it is shown something else than it was trained on.
    """

    run_id: str
    config: dict
    swept: dict
    start: "Task | None" = None


@dataclass(frozen=True)
class Plan:
    """All runs of a study under some overrides. folder: `<out>/<study>`; datasets: `<out>/datasets`."""

    study: Study
    folder: Path
    datasets: Path
    tasks: tuple[Task, ...]

    def done(self, task: Task) -> bool:
        return (self.folder / task.run_id / "done.json").exists()

    def failure(self, task: Task) -> Path:
        return self.folder / f"{task.run_id}.failed.json"

    def settled(self, task: Task) -> bool:
        return self.done(task) or self.failure(task).exists()


def plan(study: Study, overrides: Sequence[str], most: int | None = None) -> Plan:
    """Everything that can be wrong with the config, the files or the captions is said here, before any work starts.

    most: how many runs, the first ones, to plan; a large study takes seconds (all).
    """
    swept, cells, constant = studies.expand(study, overrides)
    tasks, known = {}, dict.fromkeys(metric_names.METRICS)
    for cell in cells[:most]:
        resolved = _resolved(constant, cell)
        out = Path(resolved["out"])
        world, tested = (world_of(resolved, split) for split in SPLITS)  # both are read now: damage in either is told
        resolved["captions"]["object"] = object_of(resolved, world.space)
        for shown in (resolved, configs.as_finetuned(resolved)):
            policy_of(shown, world.space)
        for metric, of in metric_names.possible(world, resolved["captions"]["object"]).items():
            known[metric] = dict.fromkeys([*(known[metric] or ()), *of])
        identity = world.identity if resolved["shift"]["name"] == "none" else world.identity | {"test": tested.identity}
        run_id = configs.run_id(resolved, identity)
        places = {key: cell[CASE] if key == CASE else _place(resolved, key) for key in swept}
        if CASE in cell and run_id in tasks:
            raise InputError(f"cases {tasks[run_id].swept[CASE]!r} and {cell[CASE]!r} of {study.name} are the same run")
        start = None
        if any(resolved[group]["name"] != "none" for group in configs.AFTERWARDS):
            trained = configs.as_trained(resolved)
            start = Task(configs.run_id(trained, world.identity), trained | {"study": study.name}, places)
        tasks[run_id] = Task(run_id, resolved | {"study": study.name}, places, start)
    if most is None:
        _check_names(study, overrides, known)
    return Plan(study, out / study.name, out / "datasets", tuple(tasks.values()))


def _check_names(study: Study, overrides: Sequence[str], known: dict) -> None:
    """Raises InputError for what no run could be measured of, unless the overrides took the study to another world."""
    try:
        studies.check_names(study, known, f"{study.name}.yaml", "`synthgap studies --metrics` lists all")
    except InputError:
        own = {}
        with suppress(InputError):  # as written it may lack what the overrides give, a folder say
            _, cells, constant = studies.expand(study, [o for o in overrides if o.startswith("preset=")])
            resolved = _resolved(constant, cells[0])
            world = world_of(resolved)
            own = metric_names.possible(world, object_of(resolved, world.space))
        if all(set(of) <= set(known[metric]) for metric, of in own.items()):
            raise


def _resolved(constant: Sequence[str], cell: dict) -> dict:
    return configs.resolve(constant, {key: value for key, value in cell.items() if key != CASE})


def _place(config: dict, key: str):
    """A swept value as a table holds it: a list or mapping as its text; none where another arm's group has the option."""
    try:
        value = configs.get(config, key)
    except KeyError:
        return None
    return str(value) if isinstance(value, list | dict) else value


def prepare(p: Plan) -> None:
    """Before any work: datasets there are whole and others can be drawn; the folder can be written and is roomy enough."""
    missing = [task for task in p.tasks if not p.done(task)]
    if not missing:
        return
    needed = 2**20 * len(missing)  # weights and tables: under 1 MiB a run at the default sizes
    for place, (world, number, _, _) in missing_datasets(p).items():
        if place.exists():
            store.load(place, mapped=True)  # its checksums are what matters here
        else:
            needed += number * store.trial(world)
    if any(task.config["training"]["device"] == "cuda" for task in missing):
        import torch

        if not torch.cuda.is_available():
            raise InputError("training.device=cuda: PyTorch sees no CUDA device here; use training.device=cpu")
    existing = next(path for path in (p.folder, *p.folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if free < needed:
        raise InputError(f"out={p.folder.parent}: about {needed / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free")
    p.folder.mkdir(parents=True, exist_ok=True)
    probe = p.folder / f".probe-{os.getpid()}"
    probe.touch()
    probe.unlink()
    for task in with_starts(p):
        p.failure(task).unlink(missing_ok=True)  # asked for again: tried again


def with_starts(p: Plan) -> list[Task]:
    """The plan's tasks after those whose models some of them take, which may not be in the plan."""
    starts = [task.start for task in p.tasks if task.start and not p.done(task)]
    return list({task.run_id: task for task in (*starts, *p.tasks)}.values())


def missing_datasets(p: Plan) -> dict[Path, tuple]:
    """place → (world, number, split, seed) of each dataset that the missing runs read."""
    return {
        store.place(p.datasets, store.recipe(*wanted)): wanted
        for task in p.tasks
        if task.config["images"] == "pixels" and not p.done(task)
        for wanted in (dataset_of(task.config, split) for split in SPLITS)
    }


def work(p: Plan) -> None:
    """Do what is left of a plan, beside any other workers: first the datasets, then the runs. Failures are recorded."""
    limit_threads()
    for wanted in missing_datasets(p).values():
        with suppress(Exception):  # the runs that need it fail with the same reason, and record it
            store.make(p.datasets, *wanted, wait=False)
    locks = p.folder / ".locks"
    locks.mkdir(parents=True, exist_ok=True)
    for patience in (0, -1):  # first what nobody holds; then wait for the rest, whose holders may have been killed
        for task in with_starts(p):
            if patience == 0 and task.start and not p.settled(task.start):
                continue  # somebody is training its model
            with suppress(Timeout), FileLock(locks / task.run_id, timeout=patience):
                if not p.settled(task):
                    _run_or_record(p, task)


def _run_or_record(p: Plan, task: Task) -> None:
    partial = p.folder / f"{task.run_id}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)  # a killed worker's; we hold the lock, so nobody writes it
        partial.mkdir()
        _run(p, task, partial)
        shutil.rmtree(p.folder / task.run_id, ignore_errors=True)  # without its done mark, it is a deletion's rest
        os.replace(partial, p.folder / task.run_id)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)  # first: on a full disk it makes room for the reason
        reason = f"{type(error).__name__}: {error}"
        record = {"reason": reason, "swept": task.swept, "config": task.config, "traceback": traceback.format_exc()}
        _write_beside(p.failure(task), json.dumps(record, indent=1))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _run(p: Plan, task: Task, folder: Path) -> None:
    # torch costs two seconds to import, so only workers do
    import numpy as np
    import torch
    from safetensors.torch import load_model, save_model

    from synthgap.encoders import build, initialise, set_apart
    from synthgap.evaluation import QUERIES, evaluate, floors, within
    from synthgap.losses import LEARNT, LOSSES
    from synthgap.posthoc import HEADS, POSTHOC, SEARCHES, heads
    from synthgap.training import Finetuning, settings_at, train

    c, clock = task.config, [perf_counter()]
    loss, settings, batch = LOSSES[c["loss"]["name"]], _settings(c["loss"]), c["training"]["batch"]
    world, tested, device, object = world_of(c), world_of(c, "test"), c["training"]["device"], c["captions"]["object"]

    def on_device(arrays: dict) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(x).to(device) for name, x in arrays.items()}

    def seen_in(epoch: int) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
        shown, codes = seen(epoch)
        return on_device(shown), on_device(known_of(world.space, object, codes, shown["text"]))

    told = configs.as_finetuned(c)
    shown, codes = observe(p.datasets, told, "test")(0)
    test = on_device(shown)
    if task.start is None:  # a model that is taken needs no training data
        seen = observe(p.datasets, c, "train")
        first, known = seen_in(0)
        then = None
        if told is not c:
            other, f = captions_of(told, seen(0)[1], "train"), c["finetune"]
            again = first | on_device({"text": other}), on_device(known_of(world.space, object, seen(0)[1], other))
            then = Finetuning(*again, epochs=f["epochs"], lr=f["lr"], frozen=f["temperature"] == "frozen")
    clock.append(perf_counter())

    model = build(test, c["encoder"], vocabulary=len(world.space.words), longest=len(world.space))
    chance = torch.Generator().manual_seed(c["seeds"]["init"])
    model = initialise(model, chance)
    model = model.to(device, memory_format=torch.channels_last)
    if task.start is None:
        if c["encoder"]["apart"]:
            set_apart(model, {name: x[:500] for name, x in first.items()}, c["encoder"]["apart"], chance)
        trained = train(
            model,
            first,
            loss,
            temperature=c["temperature"],
            training=c["training"],
            settings=settings,
            order=generator(c["seeds"]["order"], "order"),
            watched={name: x[:500] for name, x in test.items()},
            known=known,
            anew=None if world.look is None else seen_in,
            then=then,
        )
        scale, settings = trained.scale, trained.settings
        save_model(model, folder / "model.safetensors")
        trained.trajectory.to_parquet(folder / "trajectory.parquet")
        course = _course(trained.trajectory)
    else:
        place, course = p.folder / task.start.run_id, []
        if not p.done(task.start):
            raise RuntimeError(f"the run whose model it takes failed: {_failure(p.failure(task.start))['reason']}")
        load_model(model, place / "model.safetensors", device=device)
        measured = pd.read_parquet(place / "metrics.parquet")
        learnt = measured[measured.of == ""].set_index("metric").value
        scale = learnt["logit_scale"]
        settings = settings_at(settings, 1.0) | {name: learnt[f"logit_{name}"] for name in LEARNT if name in settings}
    clock.append(perf_counter())

    method, done = c["posthoc"]["name"], _settings(c["posthoc"])
    if method in SEARCHES:  # not a space of all modalities, so there is nothing else to measure
        gallery, asked = SEARCHES[method](model, test, queries=QUERIES, **done)
        rows = within(gallery, codes, tested, asked)
    else:
        if method in HEADS:
            done["heads"] = heads(model)
        rows = evaluate(
            model,
            test,
            codes,
            tested,
            object=object,
            loss=partial(loss, **settings),
            scale=scale,
            batch=batch,
            posthoc=partial(POSTHOC[method], **done) if method in POSTHOC else None,
        )
        rows += [(f"logit_{name}", "", x) for name, x in settings.items() if name in LEARNT]
        rows += course
    if task.start:
        before = measured[measured.metric == "map"].set_index("of").value
        rows += [("map_gain", of, value - before[of]) for metric, of, value in rows if metric == "map"]
    rows += floors(world, tested, policy_of(told, world.space), codes, shown["text"], batch, c["loss"]["anchor"])
    clock.append(perf_counter())
    parts = np.diff(clock)
    rows += [("seconds", of, float(s)) for of, s in zip(("data", "training", "evaluation"), parts, strict=True)]
    rows += [("seconds", "", float(parts.sum()))]

    (folder / "config.yaml").write_text(yaml.safe_dump(c, sort_keys=False))
    pd.DataFrame(rows, columns=["metric", "of", "value"]).to_parquet(folder / "metrics.parquet")
    versions = {"synthgap": version("synthgap"), "torch": torch.__version__, "numpy": np.__version__}
    about = {"versions": versions, "device": device, "threads": torch.get_num_threads(), "seconds": float(parts.sum())}
    if task.start:
        about["model"] = task.start.run_id
    about["checksums"] = {path.name: store.checksum(path) for path in sorted(folder.iterdir())}
    (folder / "done.json").write_text(json.dumps(about, indent=1))


def _settings(chosen: dict) -> dict:
    return {name: x for name, x in chosen.items() if name != "name"}


def _course(trajectory: pd.DataFrame) -> list[tuple[str, str, float]]:
    """What was watched, at each twentieth of the steps."""
    steps, shares = trajectory.step, [i / 20 for i in range(21)]
    at = [(steps - share * steps.iloc[-1]).abs().idxmin() for share in shares]
    return [
        (f"{name}_at", f"{share:g}", float(trajectory[name][i]))
        for name in ("loss", "logit_scale", "rmg", "l2m", "entropy")
        for share, i in zip(shares, at, strict=True)
    ]


def collect(p: Plan) -> pd.DataFrame:
    """The tidy table of the plan's finished runs: run_id, seed, the swept parameters, metric, of, value; in plan order."""
    tables = []
    for task in p.tasks:
        if p.done(task):
            folder = p.folder / task.run_id
            try:
                for name, expected in json.loads((folder / "done.json").read_text()).get("checksums", {}).items():
                    if store.checksum(folder / name) != expected:
                        raise ValueError(f"{name} does not match its checksum")
                rows = pd.read_parquet(folder / "metrics.parquet")
            except (OSError, ValueError, AttributeError) as error:
                reason = (str(error) or type(error).__name__).splitlines()[0]
                raise InputError(
                    f"the run in {folder} is damaged ({reason}); delete that folder and it is run again"
                ) from error
            known = {"run_id": task.run_id, "seed": task.config["seed"]} | task.swept
            tables.append(pd.DataFrame(known, index=rows.index).join(rows))
    table = pd.concat(tables, ignore_index=True) if tables else pd.DataFrame()
    for column in set(table) - {"value"}:  # a weight may be a number here and a course there: one column has one type
        kinds = {type(value) for value in table[column].dropna().unique()}
        if str in kinds and len(kinds) > 1:
            table[column] = table[column].map(str, na_action="ignore")
    return table


def failures(p: Plan) -> dict[str, dict]:
    """run_id → {reason, swept, …} of the runs that failed."""
    return {task.run_id: _failure(p.failure(task)) for task in p.tasks if p.failure(task).exists()}


def _failure(path: Path) -> dict:
    try:
        return {"reason": "unknown"} | json.loads(path.read_text())
    except (OSError, ValueError, TypeError):
        return {"reason": f"unknown, as {path} cannot be read"}


def limit_threads() -> None:
    """One thread a worker: two workers on two cores do almost twice the work of one worker with two threads."""
    import cv2
    import sklearn.cluster
    import sklearn.linear_model  # noqa: F401  (with their linear algebra: only what is loaded can be limited)
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threadpool_limits(1)


def _write_beside(path: Path, text: str) -> None:
    beside = Path(f"{path}.{os.getpid()}")
    beside.write_text(text)
    os.replace(beside, path)
