"""Workers as jobs of a Slurm cluster, or, where there is none, as processes of submitit's local executor.

They share the study's folder, as workers of any command do: a job that the cluster ends early is queued again, and until then
others take the runs that it did not come to.
"""

import pickle
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import submitit

from data_gen import InputError, files, processes
from data_gen.errors import one_line
from synthgap import progress, runs, server
from synthgap.runs import Plan
from synthgap.runs.pool import counter, watch

#: what a job asks for, unless engine.NAME=VALUE says otherwise: one core, a day
USUAL = {"timeout_min": 24 * 60, "cpus_per_task": 1, "tasks_per_node": 1}


@dataclass(frozen=True)
class Worker:
    """A job. plan: the file of the plan."""

    plan: Path

    def __call__(self) -> None:
        runs.work(pickle.loads(self.plan.read_bytes()))

    def checkpoint(self) -> submitit.helpers.DelayedSubmission:
        """What submitit queues again when the cluster ends the job before its time, or at the end of it."""
        return submitit.helpers.DelayedSubmission(self)


@dataclass(frozen=True)
class _Job:
    job: submitit.Job

    def is_alive(self) -> bool:
        return not self.job.done()


def sweep(plan: Plan, workers: int, settings: Mapping[str, str]) -> None:
    """Do what is left of the plan by as many jobs as there are workers; waits for them, and ends them if interrupted.

    settings: `cluster` (slurm where there is Slurm, else local), and parameters of submitit by its own names. Raises
    InputError for one that it does not know.
    """
    folder = plan.folder.absolute() / ".jobs"
    folder.mkdir(exist_ok=True)
    asked = {name: _value(text) for name, text in settings.items() if name != "cluster"}
    try:
        executor = submitit.AutoExecutor(folder, cluster=settings.get("cluster"))
        executor.update_parameters(name=f"synthgap-{plan.study.name}", **USUAL | asked)
    except (NameError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(f"engine=submitit: {one_line(str(error))}") from error
    with files.whole(folder / "plan.pkl") as beside:
        beside.write_bytes(pickle.dumps(plan))
    with processes.inheriting(server.ENVIRONMENT), executor.batch():
        jobs = [executor.submit(Worker(folder / "plan.pkl")) for _ in range(workers)]
    try:
        with progress.bar("runs", len(plan.tasks)) as advance_to:
            watch([_Job(job) for job in jobs], counter(plan), len(plan.tasks), advance_to)
        for job in jobs:
            job.wait()
    finally:
        for job in jobs:
            if not job.done():
                job.cancel()
    for job in jobs:
        if job.exception() is not None:
            print(f"synthgap: job {job.job_id} failed; what it said is in {job.paths.stderr}", file=sys.stderr)


def _value(text: str) -> int | str:
    return int(text) if text.isdecimal() else text
