"""Workers on this machine: one process a core, each with one thread, all taking from the same plan."""

import os
import signal
import sys
from collections.abc import Callable
from ctypes import Array
from multiprocessing.process import BaseProcess
from time import sleep, thread_time

from data_gen import InputError, processes
from data_gen.errors import NotStartedError
from synthgap import interrupts, memory, progress, runs, server
from synthgap.runs import Plan, Task

GRACE = 10.0  # seconds that a worker has to clean up
RARELY = 50  # how much longer to wait for runs than it takes to look for them


def sweep(plan: Plan, workers: int) -> int:
    """Do what is left of the plan; returns how many runs were left. Shows progress; stops its workers if interrupted.

    A run in which its worker died, and which no other did, is recorded as failed.
    """
    left = [task for task in plan.tasks if not plan.done(task)]
    if not left:
        for task in plan.tasks:
            runs.pass_on(plan, task)
        return 0
    if line := memory.lacking(memory.OF_WORKERS):
        raise NotStartedError(line)
    context = server.context()
    started: dict[BaseProcess, Array] = {}  # with the id of the run that it is in
    finished = counter(plan)
    try:
        with processes.left_to_the_parent(), processes.inheriting(server.ENVIRONMENT):
            for _ in range(min(workers, len(left))):
                at = context.Array("c", 64, lock=False)
                process = context.Process(target=_work, args=(plan, at), daemon=True)
                try:
                    process.start()
                except (EOFError, ConnectionError) as error:
                    raise NotStartedError(
                        "workers could not be started: the process that starts them died, perhaps for want of memory"
                    ) from error
                started[process] = at
        datasets = runs.missing_datasets(plan)
        if datasets:
            with progress.bar("datasets", len(datasets)) as advance_to:
                watch(started, lambda: sum(place.exists() for place in datasets), len(datasets), advance_to)
        with progress.bar("runs", len(plan.tasks)) as advance_to:
            watch(started, finished, len(plan.tasks), advance_to)
    finally:
        _end(list(started), at_once=finished() < len(plan.tasks))
    for process, at in started.items():
        if process.exitcode:
            _record(plan, at.value.decode(), process.exitcode)
    return len(left)


def _end(workers: list[BaseProcess], at_once: bool) -> None:
    """Waits until all have ended; at_once: tells them to. Kills those that do not, and all if a signal comes meanwhile."""
    try:
        for process in workers:
            if at_once and process.is_alive():
                process.terminate()
        for process in workers:
            process.join(GRACE if at_once else None)
    finally:
        for process in workers:
            if process.is_alive():
                process.kill()
                process.join()


def _record(plan: Plan, run_id: str, code: int) -> None:
    unsettled = [task for task in runs.with_starts(plan) if not plan.settled(task)]
    for task in [task for task in unsettled if run_id in (task.run_id, "")][
        :1
    ]:  # "": it was at the datasets, before any
        killed = "was killed by SIGKILL, as systems do that are out of memory (fewer workers=N need less)"
        how = killed if code == -signal.SIGKILL else f"ended with exit code {code}"
        runs.record_failure(plan, task, f"its worker {how}")


def counter(plan: Plan) -> Callable[[], int]:
    """Counts the runs that are settled. One that was found settled is not looked for again."""
    open_runs = {task.run_id: (plan.failure(task).name, task) for task in plan.tasks}

    def count() -> int:
        there = set(os.listdir(plan.folder)) if plan.folder.exists() else set()
        for run_id, (record, task) in list(open_runs.items()):
            if (run_id in there or record in there) and plan.settled(task):
                del open_runs[run_id]
        return len(plan.tasks) - len(open_runs)

    return count


def watch(workers, count, total: int, advance_to) -> None:
    """Tells how many of `total` are done, by `count()`, until all are, or no worker is alive."""
    while True:
        begun = thread_time()
        if (done := count()) >= total or not any(process.is_alive() for process in workers):
            break
        advance_to(done)
        sleep(max(0.2, RARELY * (thread_time() - begun)))
    advance_to(count())


def _work(plan: Plan, at: Array) -> None:
    def begins(task: Task) -> None:
        at.value = task.run_id.encode()

    try:
        with interrupts.raised([], once=True):  # multiprocessing sends a second
            processes.begin()
            runs.work(plan, begins)
    except KeyboardInterrupt:  # the parent's word
        sys.exit(1)
    except Exception as error:
        # not a run's own, which would be recorded: of the folder itself, its locks or their threads
        if not memory.is_short(error) and not isinstance(error, OSError | InputError):
            raise
        sys.exit(f"synthgap: a worker stopped: {memory.LINE if memory.is_short(error) else error}")
