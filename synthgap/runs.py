"""A study's runs: planned, claimed, trained, kept; then gathered into one tidy table.

`plan` turns a study and overrides into tasks, each a resolved config with the hash that names its folder. `work` takes
whatever task is neither done nor claimed, so any number of workers, on any number of machines that share the folder, help
each other; a killed worker loses the run it was in, no more. A folder is written beside its place and renamed when whole.
"""

import json
import shutil
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pandas as pd
from filelock import Timeout
from threadpoolctl import threadpool_limits

from data_gen import InputError, files, store
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
    """Before any work: datasets and models there are whole, and other datasets can be drawn; the folder can be written and
    locked, and is roomy enough."""
    missing = [task for task in p.tasks if not p.done(task)]
    if not missing:
        return
    for run_id in {task.start.run_id for task in missing if task.start and p.done(task.start)}:
        verify(p.folder / run_id, run_id)
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
    if why := files.forbidden(p.folder):
        raise InputError(f"{p.folder} may not be written by you ({why}); use another folder, by out=DIR")
    with _at_work(p.folder):
        pass  # so there are locks here
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


def work(p: Plan, begins: Callable[[Task], None] = lambda task: None) -> None:
    """Do what is left of a plan, beside any other workers: first the datasets, then the runs. Failures are recorded.

    begins: told of each run before it begins.
    """
    limit_threads()
    with _at_work(p.folder):
        for wanted in missing_datasets(p).values():
            with suppress(Exception):  # the runs that need it fail with the same reason, and record it
                store.make(p.datasets, *wanted, wait=False)
        for wait in (False, True):  # first what nobody holds; then the rest, whose holders may have been killed
            for task in with_starts(p):
                if not wait and task.start and not p.settled(task.start):
                    continue  # somebody is training its model
                with suppress(Timeout), files.locked(p.folder / ".locks" / task.run_id, wait):
                    if not p.settled(task):
                        begins(task)
                        _run_or_record(p, task)


@contextmanager
def _at_work(folder: Path) -> Iterator[None]:
    """Holds the lock of a worker, one that nobody else has, so that others see that somebody is at work here."""
    with ExitStack() as held:
        for number in count():
            with suppress(Timeout):
                held.enter_context(files.locked(_worker(folder, number), wait=False))
                break
        yield


def running(folder: Path) -> bool:
    """Whether a worker, of any command on any machine, is at work in a study's folder. Of a folder that you may not write,
    nobody can say, and it is False."""
    for number in count():
        path = _worker(folder, number)
        if not path.exists():
            return False
        try:
            with files.locked(path, wait=False):
                pass
        except Timeout:
            return True
        except InputError:
            return False


def _worker(folder: Path, number: int) -> Path:
    return folder / ".locks" / f"worker-{number}"


def _run_or_record(p: Plan, task: Task) -> None:
    from synthgap.execution import execute  # brings torch, which planning does without

    for place in (p.folder / task.run_id, p.failure(task)):
        files.sweep_up(p.folder, place.stem)  # a killed worker's; we hold the lock, so nobody writes it
    try:
        shutil.rmtree(p.folder / task.run_id, ignore_errors=True)  # without its done mark, it is a deletion's rest
        with files.whole_folder(p.folder / task.run_id) as partial:
            execute(p, task, partial)
    except Exception as error:  # the folder is gone by now, which on a full disk makes room for the reason
        record_failure(p, task, f"{type(error).__name__}: {error}", traceback.format_exc())


def verify(folder: Path, run_id: str | None = None) -> None:
    """Raises InputError if the folder of a finished run does not hold what was written: that all of it is listed, with
    checksums that agree, and that it is the run `run_id`, if given."""
    try:
        try:
            about = json.loads((folder / "done.json").read_text())
            sums = dict(about["checksums"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("done.json is no list of checksums") from error
        needed = ("config.yaml", "metrics.parquet", *(() if "model" in about else ("model.safetensors",)))
        if lacking := [name for name in needed if name not in sums]:
            raise ValueError(f"done.json lists no {', '.join(lacking)}")
        if run_id and about.get("run_id", run_id) != run_id:  # none: written before it was recorded
            raise ValueError(f"it holds the run {about['run_id']}")
        for name, expected in sums.items():
            if files.checksum(folder / name) != expected:
                raise ValueError(f"{name} does not match its checksum")
    except PermissionError as error:
        raise files.not_yours(error) from error
    except (OSError, ValueError) as error:
        raise InputError(f"the run in {folder} is damaged ({error}); delete that folder and it is run again") from error


def record_failure(p: Plan, task: Task, reason: str, trace: str = "") -> None:
    """Keep why a run failed, beside where its folder would be."""
    record = {"reason": reason, "swept": task.swept, "config": task.config, "traceback": trace}
    with files.whole(p.failure(task)) as beside:
        beside.write_text(json.dumps(record, indent=1))


def collect(p: Plan) -> pd.DataFrame:
    """The tidy table of the plan's finished runs: run_id, seed, the swept parameters, metric, of, value; in plan order."""
    tables = []
    for task in p.tasks:
        if p.done(task):
            folder = p.folder / task.run_id
            verify(folder, task.run_id)
            rows = pd.read_parquet(folder / "metrics.parquet")
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
