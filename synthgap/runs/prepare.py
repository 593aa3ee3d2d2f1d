"""What is checked before any run begins."""

import shutil

from data_gen import InputError, files, store
from synthgap.runs.estimate import bytes_needed
from synthgap.runs.plan import Plan, missing_datasets, with_starts
from synthgap.runs.results import verify
from synthgap.runs.worker import at_work


def prepare(p: Plan) -> None:
    """Before any work: datasets and models there are whole, and other datasets can be drawn; the folder can be written and
    locked, and is roomy enough."""
    missing = [task for task in p.tasks if not p.done(task)]
    if not missing:
        return
    for run_id in {task.start.run_id for task in missing if task.start and p.done(task.start)}:
        verify(p.folder / run_id, run_id)
    for place in missing_datasets(p):
        if place.exists():
            store.load(place, mapped=True)  # its checksums are what matters here
    needed = bytes_needed(p)
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
    with at_work(p.folder):
        pass  # so there are locks here
    for task in with_starts(p):
        p.failure(task).unlink(missing_ok=True)  # asked for again: tried again
