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
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout
from threadpoolctl import threadpool_limits

from data_gen import InputError, store
from synthgap import config as configs
from synthgap import metric_names, studies
from synthgap.observations import SPLITS, dataset_of, object_of, policy_of, world_of
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
    overrides: tuple[str, ...] = ()

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
        if resolved["finetune"]["name"] != "none" and world.look:
            kept = f"finetune={resolved['finetune']['name']} keeps the images"
            raise InputError(f"{kept}, and this world (mad.variant=published, or your own) shows others in each epoch")
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
    return Plan(study, out / study.name, out / "datasets", tuple(tasks.values()), tuple(overrides))


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
    from synthgap.execution import execute  # brings torch, which planning does without

    partial = p.folder / f"{task.run_id}.partial"
    try:
        shutil.rmtree(partial, ignore_errors=True)  # a killed worker's; we hold the lock, so nobody writes it
        partial.mkdir()
        execute(p, task, partial)
        shutil.rmtree(p.folder / task.run_id, ignore_errors=True)  # without its done mark, it is a deletion's rest
        os.replace(partial, p.folder / task.run_id)
    except Exception as error:
        shutil.rmtree(partial, ignore_errors=True)  # first: on a full disk it makes room for the reason
        reason = f"{type(error).__name__}: {error}"
        record = {"reason": reason, "swept": task.swept, "config": task.config, "traceback": traceback.format_exc()}
        _write_beside(p.failure(task), json.dumps(record, indent=1))
    finally:
        shutil.rmtree(partial, ignore_errors=True)


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
    return {task.run_id: failure_in(p.failure(task)) for task in p.tasks if p.failure(task).exists()}


def failure_in(path: Path) -> dict:
    """The record of a run that failed: its reason, at least."""
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
