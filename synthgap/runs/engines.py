"""Who does the runs that are left: processes here, jobs of a cluster, or tasks of a Ray cluster."""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.runs import Plan, pool

#: engine → its module, the package it stands on, and the extra that brings that
ENGINES = {
    "local": ("synthgap.runs.pool", "multiprocessing", ""),
    "submitit": ("synthgap.runs.on_submitit", "submitit", "slurm"),
    "ray": ("synthgap.runs.on_ray", "ray", "ray"),
}


def check(engine: str, settings: Mapping[str, str]) -> None:
    """Raises InputError for an engine that there is not, or that is not installed, and for settings where there are none."""
    if engine not in ENGINES:
        raise unknown("engine", engine, ENGINES)
    _, package, extra = ENGINES[engine]
    if find_spec(package) is None:
        raise InputError(f'engine={engine} needs {package}; install it by pip install "synthgap[{extra}]"')
    if engine == "local" and settings:
        raise InputError(f"engine.{next(iter(settings))} belongs to engine=submitit or engine=ray; name one of them")


def work(plan: Plan, engine: str, workers: int, settings: Mapping[str, str]) -> int:
    """Do what is left of a plan; returns how many runs were left. settings: of the engine, by name. Raises InputError."""
    left = sum(not plan.done(task) for task in plan.tasks)
    if engine == "local" or not left:
        return pool.sweep(plan, workers)
    import_module(ENGINES[engine][0]).sweep(plan, workers, settings)
    return left
