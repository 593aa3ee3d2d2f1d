"""Workers on this machine: one process a core, each with one thread, all taking from the same plan."""

import os
import signal
import sys
from multiprocessing import get_context
from time import sleep

from data_gen.processes import end_with
from synthgap import progress, runs
from synthgap.runs import Plan

#: glibc hands a step's large blocks back to the system and faults them in again at the next: a third of a run's time.
KEEP_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}


def sweep(plan: Plan, workers: int) -> int:
    """Do what is left of the plan; returns how many runs were left. Shows progress; stops its workers if interrupted."""
    left = [task for task in plan.tasks if not plan.done(task)]
    if not left:
        return 0
    for name, value in KEEP_MEMORY.items():
        os.environ.setdefault(name, value)  # read once, when a process starts: inherited by the workers
    spawn = get_context("spawn")  # forked workers would share torch's thread pools
    processes = [
        spawn.Process(target=_work, args=(plan, os.getpid()), daemon=True) for _ in range(min(workers, len(left)))
    ]
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited: Ctrl-C is the parent's, which ends its workers
    for process in processes:
        process.start()
    signal.signal(signal.SIGINT, before)
    try:
        datasets = runs.missing_datasets(plan)
        if datasets:
            with progress.bar("datasets", len(datasets)) as advance_to:
                _watch(processes, lambda: sum(place.exists() for place in datasets), len(datasets), advance_to)
        with progress.bar("runs", len(plan.tasks)) as advance_to:
            _watch(processes, lambda: _finished(plan), len(plan.tasks), advance_to)
    finally:
        for process in processes:
            process.terminate() if process.exitcode is None and _finished(plan) < len(plan.tasks) else process.join()
    return len(left)


def _finished(plan: Plan) -> int:
    return sum(plan.done(task) or plan.failure(task).exists() for task in plan.tasks)


def _watch(processes, count, total: int, advance_to) -> None:
    while (done := count()) < total and any(process.is_alive() for process in processes):
        advance_to(done)
        sleep(0.2)
    advance_to(count())


def _work(plan: Plan, parent: int) -> None:
    end_with(parent)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the run it is in is cleaned up
    try:
        runs.work(plan)
    except OSError as error:  # not a run's own, which would be recorded: the folder itself cannot be written
        sys.exit(f"synthgap: a worker stopped: {error}")
