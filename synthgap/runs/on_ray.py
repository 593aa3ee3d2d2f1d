"""Runs as tasks of a Ray cluster. What they leave comes back through Ray's object store, so that no folder is shared.

A task is a model and what is done with it afterwards. One whose machine dies is done again on another. Datasets are drawn on
each machine that needs them, and stay there for later tasks.
"""

import getpass
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import ray
from ray.exceptions import RayError

from data_gen import InputError, files
from data_gen.errors import one_line
from synthgap import packs, progress, runs, server
from synthgap.runs import Plan, Task
from synthgap.runs.plan import to_train_again
from synthgap.runs.pool import counter
from synthgap.runs.worker import at_work

RETRIES = 5  # of a task whose process or machine dies
Files = dict[str, bytes]  # name → content


def sweep(plan: Plan, workers: int, settings: Mapping[str, str]) -> None:
    """Do what is left of the plan on the cluster at `settings["address"]`, or $RAY_ADDRESS; else on one that is started here,
    of as many cores as there are workers. Raises InputError where there is no such cluster, and for other settings."""
    for name in settings:
        if name != "address":
            raise InputError(f"engine.{name}: engine=ray has one setting, engine.address=HOST:PORT")
    address = settings.get("address") or os.environ.get("RAY_ADDRESS")
    here = {"address": address} if address else {"num_cpus": workers, "include_dashboard": False}
    environment = {"env_vars": server.ENVIRONMENT}
    try:
        ray.init(**here, runtime_env=environment, log_to_driver=False, logging_level="error")
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"engine.address={address}: no Ray cluster there ({one_line(str(error))})") from error
    try:
        with at_work(plan.folder), progress.bar("runs", len(plan.tasks)) as advance_to:
            count = counter(plan)
            _do(plan, lambda: advance_to(count()))
    finally:
        ray.shutdown()


def units(plan: Plan) -> list[list[Task]]:
    """The runs that are left, those together that share a model."""
    found: dict[str, list[Task]] = {}
    for task in plan.tasks:
        if not plan.done(task):
            found.setdefault(task.start.run_id if task.start else task.run_id, []).append(task)
    return list(found.values())


def _do(plan: Plan, advance) -> None:
    waiting, running = units(plan)[::-1], {}
    again = {task.run_id for task in to_train_again(plan)}
    cores = max(1, int(ray.cluster_resources().get("CPU", 1)))
    try:
        while waiting or running:
            while waiting and len(running) < 2 * cores:  # few at a time, so that results do not pile up
                unit = waiting.pop()
                starts = {task.start.run_id: task.start for task in unit if task.start}
                models = {i: packs.contents(plan.folder / i) for i, start in starts.items() if plan.ready(start)}
                running[_unit.remote(plan.folder.name, unit, models)] = unit
            ready, _ = ray.wait(list(running), timeout=1)
            for reference in ready:
                unit = running.pop(reference)
                try:
                    done, failed = ray.get(reference)
                except RayError as error:  # even after the retries
                    done, failed = {}, {task.run_id: f"{type(error).__name__}: {one_line(str(error))}" for task in unit}
                _keep(plan, unit, done, failed, again)
            advance()
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


@ray.remote(num_cpus=1, max_retries=RETRIES)
def _unit(study: str, unit: Sequence[Task], models: Mapping[str, Files]) -> tuple[dict[str, Files], dict[str, str]]:
    """Do runs on a machine of the cluster → the files of those that are done, and why the others failed."""
    top = Path(tempfile.gettempdir()) / f"synthgap-{getpass.getuser()}"
    (top / "datasets").mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=top) as out:
        there = Plan(None, Path(out) / study, top / "datasets", tuple(unit))
        there.folder.mkdir()
        for run_id, content in models.items():
            packs.write(content, there.folder / run_id)
        runs.work(there, passes_on=False)
        new = [task for run_id, task in _every(unit).items() if run_id not in models]
        done = {task.run_id: packs.contents(there.folder / task.run_id) for task in new if there.done(task)}
        return done, {run_id: record["reason"] for run_id, record in runs.failures(there).items()}


def _keep(
    plan: Plan, unit: Sequence[Task], done: Mapping[str, Files], failed: Mapping[str, str], again: set[str]
) -> None:
    """Write what came back into the study's folder, as a worker there would."""
    every = _every(unit)
    for run_id, content in done.items():
        with files.locked(plan.folder / ".locks" / run_id):
            files.sweep_up(plan.folder, run_id)
            if not plan.settled(every[run_id], model=run_id in again):
                with files.whole_folder(plan.folder / run_id) as beside:
                    packs.write(content, beside)
                    runs.verify(beside, run_id)
                    if (plan.folder / run_id).exists():
                        files.remove(plan.folder / run_id)
    for run_id, reason in failed.items():
        if not plan.settled(every[run_id]):
            runs.record_failure(plan, every[run_id], reason)
    for task in unit:
        runs.pass_on(plan, task)
    lost = [task.run_id for task in unit if not plan.settled(task)]
    if lost:
        print(f"synthgap: runs {', '.join(lost)} did not come back; the same command does them", file=sys.stderr)


def _every(unit: Sequence[Task]) -> dict[str, Task]:
    """The runs of a task, and the one whose model they take."""
    return {task.run_id: task for each in unit for task in (each.start, each) if task}
