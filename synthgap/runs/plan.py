"""A study's runs before any is done: each a resolved config, with the hash that names its folder."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from data_gen import InputError, World, store
from synthgap import catalogue, metric_names, options, packs, progress, studies
from synthgap.observations import (
    SPLITS,
    changes,
    check_encoders,
    dataset_of,
    object_of,
    policy_of,
    world_of,
    written_in,
)
from synthgap.studies import CASE, Study
from synthgap.study import as_held

MODEL = packs.MODEL
OF_POPULATION = ("world", "mad", "data", "space", "captions", "loss")  # of a config: what an ideal space is of
SAFE = re.compile(r"[\w.=,+~-]{1,120}")  # what a folder of a variation can be called after STUDY+, on every system


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
    """All runs of a study under some overrides. folder: `<out>/<study>`; datasets: `<out>/datasets`.

    study: none, of a run that is done once more by itself. name: of the variation, if it was given one: its result goes to
    `<out>/<study>+<name>`.
    """

    study: Study | None
    folder: Path
    datasets: Path
    tasks: tuple[Task, ...]
    overrides: tuple[str, ...] = ()
    name: str = ""

    def done(self, task: Task) -> bool:
        return packs.there(self.folder / task.run_id)

    def ready(self, task: Task) -> bool:
        """Whether others can take the run's model: it is done, and its model was kept."""
        return self.done(task) and (self.folder / task.run_id / MODEL).exists()

    def failure(self, task: Task) -> Path:
        return self.folder / f"{task.run_id}.failed.json"

    def settled(self, task: Task, model: bool = False) -> bool:
        """Whether nothing is left to do of a run. model: that others take is needed, too."""
        return (self.ready(task) if model else self.done(task)) or self.failure(task).exists()

    @cached_property
    def taken(self) -> frozenset[str]:
        """The runs whose models others of the plan take."""
        return frozenset(task.start.run_id for task in self.tasks if task.start)


def plan(study: Study, overrides: Sequence[str], most: int | None = None) -> Plan:
    """Everything that can be wrong with the config, the files or the captions is said here, before any work starts.

    most: how many runs, the first ones, to plan; a large study takes seconds (all).
    """
    name, overrides = _name_in(overrides)
    swept, cells, constant = studies.expand(study, overrides)
    tasks, known, told = {}, dict.fromkeys(metric_names.METRICS), set()
    for resolved, cell in _resolved(constant, cells[:most]):
        out = Path(resolved["out"])
        world, tested = (world_of(resolved, split) for split in SPLITS)
        check_encoders(resolved, world)
        resolved["captions"]["object"] = object_of(resolved, world.space)
        if resolved["finetune"]["name"] != "none" and changes(resolved, world):
            kept = f"finetune={resolved['finetune']['name']} keeps the images"
            others = "others in each epoch: mad.variant=published, training.captions_anew, or a world of your own"
            raise InputError(f"{kept} and captions, and training shows {others}")
        policy_of(resolved, world.space)
        if resolved["images"] == "free" and (asked := str([resolved[part] for part in OF_POPULATION])) not in told:
            from synthgap import free  # brings torch, which planning does without

            told.add(asked)
            free.check(resolved)
        if resolved["finetune"]["name"] != "none":
            policy_of(options.as_finetuned(resolved), world.space)
        loss, object, space = catalogue.of_config(resolved, "loss"), resolved["captions"]["object"], world.space
        alike = (loss, object, space.names, space.sizes, str(world.shows), *resolved["metrics"])
        if alike not in told:  # else it is measured as another run is
            told.add(alike)
            measured = metric_names.learnt_by([loss]) | metric_names.METRICS | metric_names.own(resolved["metrics"])
            for metric, of in metric_names.possible(world, object, measured.values()).items():
                known[metric] = dict.fromkeys([*(known.get(metric) or ()), *of])
        run_id = identify(resolved, world, tested)
        places = {key: cell[CASE] if key == CASE else swept_value(resolved, key) for key in swept}
        if CASE in cell and run_id in tasks:
            raise InputError(f"cases {tasks[run_id].swept[CASE]!r} and {cell[CASE]!r} of {study.name} are the same run")
        start = None
        if any(resolved[group]["name"] != "none" for group in options.AFTERWARDS):
            trained = options.as_trained(resolved)
            start = Task(identify(trained, world, tested), trained | {"study": study.name}, places)
        tasks[run_id] = Task(run_id, resolved | {"study": study.name}, places, start)
    if most is None:
        _check_names(study, overrides, known)
    return Plan(study, out / study.name, out / "datasets", tuple(tasks.values()), tuple(overrides), name)


def _resolved(constant: Sequence[str], cells: Sequence[dict]) -> Iterator[tuple[dict, dict]]:
    """The config of each cell, and the cell."""
    with progress.bar("planning", len(cells), after=progress.SOON) as advance_to:
        for i, cell in enumerate(cells):
            yield resolved_cell(constant, cell), cell
            advance_to(i + 1)


def identify(config: dict, world: World, tested: World) -> str:
    """The id of a run: a hash of its resolved config and of all files that decide its numbers, as they are now. world, tested:
    those that it shows in training and in the test."""
    hashes = metric_names.hashes(config["metrics"])
    identity = world.identity | ({"metrics": hashes} if hashes else {}) | written_in(config)
    if config["shift"]["name"] != "none":
        identity |= {"test": tested.identity}
    return options.run_id({key: value for key, value in config.items() if key != "study"}, identity)


def _name_in(overrides: Sequence[str]) -> tuple[str, list[str]]:
    """The last name=NAME, or "", and the other overrides. Raises InputError for a name that no folder can have."""
    names = [override.removeprefix("name=") for override in overrides if override.startswith("name=")]
    if names and not SAFE.fullmatch(names[-1]):
        raise InputError(f"name={names[-1]}: it must have 1 to 120 characters: letters, digits, and _ . = , + ~ -")
    return (names or [""])[-1], [override for override in overrides if not override.startswith("name=")]


def _check_names(study: Study, overrides: Sequence[str], known: dict) -> None:
    """Raises InputError for what no run could be measured of, unless the overrides took the study to another world."""
    try:
        studies.check_names(study, known, f"{study.name}.yaml", "`synthgap studies --metrics` lists all")
    except InputError:
        own = {}
        with suppress(InputError):  # as written it may lack what the overrides give, a folder say
            _, cells, constant = studies.expand(study, [o for o in overrides if o.startswith("preset=")])
            resolved = resolved_cell(constant, cells[0])
            world = world_of(resolved)
            own = metric_names.possible(world, object_of(resolved, world.space))
        if all(set(of) <= set(known[metric]) for metric, of in own.items()):
            raise


def resolved_cell(constant: Sequence[str], cell: dict) -> dict:
    return options.resolve(constant, {key: value for key, value in cell.items() if key != CASE})


def swept_value(config: dict, key: str):
    """A swept value as a table holds it: a list or mapping as its text; none where another arm's group has the option."""
    try:
        return as_held(options.get(config, key))
    except KeyError:
        return None


def with_starts(p: Plan) -> list[Task]:
    """The plan's tasks after those whose models some of them take, which may not be in the plan."""
    starts = [task.start for task in p.tasks if task.start and not p.done(task)]
    return list({task.run_id: task for task in (*starts, *p.tasks)}.values())


def left(p: Plan) -> list[Task]:
    """What is to be done: runs that are not, and those whose models are to be taken and were not kept."""
    return [task for task in with_starts(p) if not p.done(task)] + to_train_again(p)


def to_train_again(p: Plan) -> list[Task]:
    """The runs that are done, but for models that others are to take and that were not kept (keep=tables)."""
    starts = {task.start.run_id: task.start for task in p.tasks if task.start and not p.done(task)}
    return [start for start in starts.values() if p.done(start) and not p.ready(start)]


def missing_datasets(p: Plan) -> dict[Path, tuple]:
    """place → (world, number, split, seed) of each dataset that the missing runs read."""
    return {
        store.place(p.datasets, store.recipe(*wanted)): wanted
        for task in p.tasks
        if task.config["images"] == "pixels" and not p.done(task)
        for wanted in (dataset_of(task.config, split) for split in SPLITS)
    }
