"""Does the runs of a plan that are neither done nor claimed, beside any other workers."""

import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count, takewhile
from pathlib import Path

from filelock import Timeout
from threadpoolctl import threadpool_limits

from data_gen import files, store
from data_gen.errors import one_line
from synthgap import sinks
from synthgap.runs.plan import Plan, Task, left, missing_datasets, with_starts
from synthgap.runs.results import record_failure


def work(p: Plan, begins: Callable[[Task], None] = lambda task: None, passes_on: bool = True) -> None:
    """Do what is left of a plan, beside any other workers: first the datasets, then the runs. Failures are recorded.

    begins: told of each run before it begins. passes_on: write finished runs into the sinks that are asked for.
    """
    limit_threads()
    with at_work(p.folder):
        for wanted in missing_datasets(p).values():
            with suppress(Exception):  # the runs that need it fail with the same reason, and record it
                store.make(p.datasets, *wanted, wait=False)
        models = {task.run_id for task in left(p)} & p.taken
        # first what no other worker holds; then the rest, whose holders may have been killed
        for wait in (False, True):
            for task in with_starts(p):
                if not wait and task.start and not p.settled(task.start, model=True):
                    continue  # another worker trains its model
                with suppress(Timeout), files.claimed(p.folder / ".locks" / task.run_id, wait):
                    model = task.run_id in models
                    new = not p.settled(task, model)
                    if new:
                        begins(task)
                        _run_or_record(p, task, model)
                    if passes_on and (new or not wait):  # once, also of what was finished before
                        pass_on(p, task)


@contextmanager
def at_work(folder: Path) -> Iterator[None]:
    """Holds the lock of a worker, one that no other has, so that others see that a worker is running here."""
    with ExitStack() as held:
        for number in count():
            with suppress(Timeout):
                held.enter_context(files.claimed(_worker(folder, number), wait=False))
                break
        yield


def running(folder: Path) -> bool:
    """Whether a worker, of any command on any machine, is at work in a study's folder. Of a folder that you may not write,
    nobody can say, and it is False."""
    return workers_in(folder) > 0


def workers_in(folder: Path) -> int:
    """How many workers are at work in a study's folder."""
    there = takewhile(Path.exists, (_worker(folder, number) for number in count()))
    return sum(map(files.held, there))


def _worker(folder: Path, number: int) -> Path:
    return folder / ".locks" / f"worker-{number}"


def pass_on(p: Plan, task: Task) -> None:
    """Write a finished run into the sinks that are asked for. An error there is reported, and is no failure of the run."""
    if task.config["sinks"] and p.done(task):
        try:
            sinks.write(p.folder.parent, task.config["sinks"], p.folder / task.run_id)
        except Exception as error:  # their libraries may raise anything
            line = one_line(
                f"the run {task.run_id} is finished, but not written by sinks={task.config['sinks']}: {error}"
            )
            print(f"synthgap: {line}", file=sys.stderr, flush=True)


def _run_or_record(p: Plan, task: Task, model: bool) -> None:
    """model: others take it."""
    try:
        run(p, task)
    except Exception as error:  # the folder is gone by now, which on a full disk makes room for the reason
        if p.settled(task, model):
            return  # where locks do not hold between machines, another may have done it meanwhile: with the same numbers
        record_failure(p, task, f"{type(error).__name__}: {error}", traceback.format_exc())


def run(p: Plan, task: Task) -> None:
    """Do a run whose lock you hold, into its folder. Raises what it fails with; then that folder is as it was."""
    from synthgap.runs.execution import execute  # brings torch, which planning does without

    for place in (p.folder / task.run_id, p.failure(task)):
        files.sweep_up(p.folder, place.stem)  # a killed worker's; we hold the lock, so no other writes it
    if not p.done(task):
        shutil.rmtree(p.folder / task.run_id, ignore_errors=True)  # without its done mark, it is a deletion's rest
    with files.whole_folder(p.folder / task.run_id) as partial:
        execute(p, task, partial)
        if (p.folder / task.run_id).exists():  # its model was not kept, and is now: what was there stays until then
            files.remove(p.folder / task.run_id)


def limit_threads() -> None:
    """One thread a worker: two workers on two cores do almost twice the work of one worker with two threads."""
    import cv2
    import torch

    if os.environ.get("OMP_NUM_THREADS") != "1":  # else what loads later limits itself
        import sklearn.cluster
        import sklearn.linear_model  # noqa: F401  (with their linear algebra: only what is loaded can be limited)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    threadpool_limits(1)
