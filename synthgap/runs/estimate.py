"""What is left of a plan, and what it will take: runs, datasets, seconds and bytes. Nothing is trained or written."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from data_gen import files, store
from synthgap import options, packs
from synthgap.runs.plan import Plan, Task, left, missing_datasets, with_starts

#: Measured on one core, at the default sizes: seconds of training an image and epoch, of drawing a sample, and of measuring
#: a run. Medians of the published tables, so larger encoders and other machines need more.
TRAINING = {"pixels": 1.7e-4, "symbolic": 1.7e-5}
DRAWING, MEASURING = 1 / 2854, 1.9
SETTLING = 10.0  # seconds that free vectors take, at MAD's size
RUN_BYTES = {"models": 2**20, "tables": 2**16, "course": 2**22}  # at the default sizes a run is smaller than that


@dataclass(frozen=True)
class Estimate:
    """Of a plan. left: its runs that are not done (with those whose models they take); datasets: number to draw; seconds: on
    one core; bytes: on disk; timed: how many finished runs the seconds rest on, 0 where they rest on constants."""

    done: int
    left: tuple[Task, ...]
    datasets: int
    seconds: float
    bytes: int
    timed: int


def estimate(p: Plan) -> Estimate:
    """Raises InputError where a dataset's world cannot be drawn."""
    to_do = tuple(left(p))
    new = [wanted for place, wanted in missing_datasets(p).items() if not place.exists()]
    known = {kind: [_seconds(p.folder / task.run_id) for task in some] for kind, some in _by_kind(p).items()}
    seconds = sum(mean(times) if (times := known.get(_kind(task))) else _guess(task) for task in to_do)
    seconds += sum(number for _, number, _, _ in new) * DRAWING
    timed = sum(len(known.get(kind, ())) for kind in {_kind(task) for task in to_do})
    every = all(known.get(_kind(task)) for task in to_do)
    return Estimate(
        sum(p.done(task) for task in p.tasks), to_do, len(new), seconds, bytes_needed(p), timed if every else 0
    )


def bytes_needed(p: Plan) -> int:
    """What the runs and datasets that are missing will take on disk, about."""
    needed = sum(RUN_BYTES["tables" if task.start else task.config["keep"]] for task in p.tasks if not p.done(task))
    for place, (world, number, _, _) in missing_datasets(p).items():
        if not place.exists():
            needed += number * store.trial(world)
    return needed


def held(p: Plan) -> list[Task]:
    """The runs that some worker, of any command on any machine, is in."""
    return [task for task in with_starts(p) if not p.done(task) and files.held(p.folder / ".locks" / task.run_id)]


def size(paths: Iterable[Path]) -> int:
    """Bytes of files, and of all that is in folders."""
    return sum(
        file.lstat().st_size
        for path in paths
        for file in (path.rglob("*") if path.is_dir() and not path.is_symlink() else [path])
        if file.is_symlink() or file.is_file()
    )


def _by_kind(p: Plan) -> dict[tuple, list[Task]]:
    found = {}
    for task in p.tasks:
        if p.done(task):
            found.setdefault(_kind(task), []).append(task)
    return found


def _kind(task: Task) -> tuple:
    """Runs of a kind take about as long: they train alike, or take a model from another."""
    c = task.config
    return task.start is not None, c["images"], options.get(c, options.size_of(c, "train")), str(c["training"])


def _seconds(folder: Path) -> float:
    try:
        return float(json.loads(packs.read(folder, "done.json"))["seconds"])
    except (OSError, ValueError, KeyError, TypeError):  # damaged, which `run` tells
        return MEASURING


def _guess(task: Task) -> float:
    if task.start is not None:
        return MEASURING
    c = task.config
    if c["images"] == "free":
        return MEASURING + SETTLING
    images = options.get(c, options.size_of(c, "train"))
    epochs = c["training"]["epochs"]
    if c["training"]["steps"] is not None:
        epochs = c["training"]["steps"] * c["training"]["batch"] / images
    return MEASURING + images * (epochs + c["finetune"].get("epochs", 0)) * TRAINING[c["images"]]
