"""What no table needs: left-overs of killed commands, records of failed runs, runs and datasets that no table refers to, and
models that keep=tables asked to keep only for as long as other runs take them.

A run that the last sweep of its study asked for is needed, too, whether or not that sweep came to its table.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml

from data_gen import InputError, files, store
from synthgap import packs, progress, tables
from synthgap.observations import SPLITS, dataset_of
from synthgap.runs import running, variations
from synthgap.runs.plan import MODEL
from synthgap.runs.results import forget_model

RUN_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Leftover:
    """A file or folder that can go. lock: the file whose lock is free unless another command writes it now."""

    path: Path
    why: str
    lock: Path


def find(out: Path, study: str = "") -> list[Leftover]:
    """What can go of one study, or of all under `out` with their datasets. Raises InputError while a sweep is running there,
    and where a table is damaged, as it is unknown then what it needs."""
    names = sorted({path.parent.name.partition("+")[0] for path in out.glob("*/.locks")} - {"datasets"})
    names = [name for name in names if study in ("", name)]
    found, kept = [], []
    for name in names:
        folder = out / name
        if running(folder):
            raise InputError(f"a sweep is running in {folder}; wait until it ends")
        needed = _needed(out, name)
        for path in (folder, *out.glob(f"{name}+*")):
            found += [Leftover(left, "left by a killed command", _lock_of(left)) for left in files.left_in(path)]
        for path in sorted(folder.glob("*.failed.json")):
            lock = folder / ".locks" / path.name.removesuffix(".failed.json")
            found.append(Leftover(path, "record of a failed run", lock))
        ended = all(packs.there(folder / run_id) for run_id in needed)
        kept += [folder / run_id for run_id in packs.known(folder)]
        for path in sorted(path for path in folder.glob("*") if RUN_ID.fullmatch(path.name) and path.is_dir()):
            if path.name in needed:
                kept.append(path)
                if ended and (path / MODEL).exists() and _keeps(path) == "tables":
                    found.append(Leftover(path / MODEL, "model, by keep=tables", folder / ".locks" / path.name))
            else:
                found.append(Leftover(path, "run that no table refers to", folder / ".locks" / path.name))
    return found if study else found + list(_datasets(out / "datasets", kept))


def remove(left: Leftover) -> None:
    """Delete it, whole. Raises filelock.Timeout if another command writes it now."""
    with files.locked(left.lock, wait=False):
        if left.path.name == MODEL:
            forget_model(left.path.parent)
        else:
            files.remove(left.path)


def _keeps(run: Path) -> str:
    """What the run's config says of keep; what older ones do not say, and damaged ones cannot, is models."""
    try:
        return yaml.safe_load((run / "config.yaml").read_text())["keep"]
    except (OSError, KeyError, TypeError, ValueError, yaml.YAMLError):
        return "models"


def _needed(out: Path, name: str) -> set[str]:
    """Ids of the runs that the tables of a study and its variations have, that were asked for last, and whose models they
    take."""
    ids = set()
    for folder in (out / name, *out.glob(f"{name}+*")):
        if (folder / tables.FILE).exists():
            ids |= set(tables.read(folder / tables.FILE).run_id)
        ids |= variations.asked(folder)[1]
    for run_id in list(ids):
        try:
            about = json.loads(packs.read(out / name / run_id, "done.json"))
            ids |= {about["model"]} if "model" in about else set()
        except (OSError, ValueError, TypeError):  # not done, or damaged: it says nothing
            continue
    return ids


def _datasets(root: Path, kept: list[Path]) -> Iterator[Leftover]:
    """Datasets that no kept run reads; none, if it is unknown what some run reads, as its files are gone."""
    for path in files.left_in(root):
        yield Leftover(path, "left by a killed command", _lock_of(path))
    there = sorted(path.parent for path in root.glob("[!.]*/manifest.json"))
    if not there:
        return

    @cache
    def places(text: str) -> set[Path]:
        config = json.loads(text)
        return {store.place(root, store.recipe(*dataset_of(config, split))) for split in SPLITS}

    read = set()
    with progress.bar("looking for what runs read", len(kept), after=progress.SOON) as advance_to:
        for i, run in enumerate(kept):
            try:
                config = yaml.safe_load(packs.read(run, "config.yaml"))
                if config["images"] == "pixels":
                    read |= places(json.dumps({key: config[key] for key in config if key not in _UNREAD}))
            except (OSError, InputError, KeyError, TypeError, yaml.YAMLError):
                return
            advance_to(i + 1)
    for path in there:
        if path not in read:
            yield Leftover(path, "dataset that no table refers to", Path(f"{path}.lock"))


#: sections of a config that do not decide which pixels a run reads
_UNREAD = {
    *("captions", "loss", "temperature", "encoder", "training", "posthoc", "finetune"),
    *("study", "out", "seed", "sinks", "keep"),
}


def _lock_of(left: Path) -> Path:
    """The lock under which the place beside a left-over is written."""
    name = files.place_of(left)
    if left.parent.name == "datasets":
        return left.with_name(f"{name}.lock")
    conclusion = not RUN_ID.fullmatch(name.removesuffix(".failed"))
    return left.parent / ".locks" / ("conclude" if conclusion else name.removesuffix(".failed"))
