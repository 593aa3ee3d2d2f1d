"""A study from its question to its verdicts: the one way in, for the command, for Python and for Hydra's launchers alike.

Whoever does the runs, the study's claims are on record before the first of them.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from data_gen import InputError, files
from synthgap import conclusion, options, runs, sinks, tables, terminal
from synthgap.conclusion import ONE_PNG, Figures
from synthgap.judging import claims
from synthgap.runs import Plan, variations
from synthgap.studies import Study


def run(
    study: Study, overrides: Sequence[str] = (), work: Callable[[Plan], object] = runs.work, figures: Figures = ONE_PNG
) -> int:
    """Do what is left of a study's runs, then write and tell table, verdicts and figure; 1 if a run is missing, else 0.

    work: does the runs that are left (in this process, one after the other). A study that reads a table has none. Raises
    InputError for a mistake in what is asked, before any run.
    """
    if study.table:
        return terminal.tell(conclusion.of_table(study, study.table, folder_of(study, overrides), figures))
    plan = begin(study, overrides)
    left = sum(not plan.done(task) for task in plan.tasks)
    work(plan)
    return conclude(plan, left, figures=figures)


def begin(study: Study, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a sweep, once all is well, and what is asked and claimed is on record: its workers may start."""
    plan = planned(study, overrides)
    sinks.check({name for task in plan.tasks for name in task.config["sinks"]})
    variations.place(plan)  # a name that belongs to another variation, and
    if any(not plan.done(task) for task in plan.tasks):
        runs.verify_all(plan)  # a damaged result, are told before any work
    runs.prepare(plan)
    if not files.forbidden(plan.folder):  # else all is done, and it is only shown
        variations.record(plan)
    claims.stated_after(study, plan.folder)
    if changed := variations.of(plan).changed:
        done = sum(plan.done(task) for task in plan.tasks)
        claims.stated_after(study, variations.place(plan), done, changed)
    terminal.forewarn(plan)
    return plan


def planned(study: Study, overrides: Sequence[str] = ()) -> Plan:
    """The runs that are asked for: of a variation that is asked for by its name alone, those that made it."""
    return runs.plan(study, variations.completed(study, overrides))


def conclude(plan: Plan, did: int = 0, redraw: bool = False, figures: Figures = ONE_PNG) -> int:
    """Write and tell what is done of a plan; 1 if a run is missing, else 0. did: how many of its runs are new."""
    return terminal.tell(conclusion.of_plan(plan, redraw, figures), plan, did, redraw)


def show(study: Study, overrides: Sequence[str] = (), figures: Figures = ONE_PNG) -> int:
    """Redraw and tell what is there: the study's table, or, where overrides are given, the runs that they ask for."""
    if study.table:
        return terminal.tell(conclusion.of_table(study, study.table, folder_of(study, overrides), figures))
    folder = variations.folder_of(study, overrides)
    if variations.only_a_place(overrides) and (folder / tables.FILE).exists():
        try:
            return terminal.tell(conclusion.of_table(study, folder / tables.FILE, folder, figures))
        except tables.DamagedError as error:
            print(f"synthgap: {error}; its runs are read instead", file=sys.stderr)
    return conclude(planned(study, overrides), redraw=True, figures=figures)


def folder_of(study: Study, overrides: Sequence[str]) -> Path:
    """`<out>/<study>`, of a study for which nothing is trained. Raises InputError for any override but out=DIR."""
    return only_out(overrides, f", as {study.name} reads a table and trains nothing") / study.name


def only_out(overrides: Sequence[str], why: str = "") -> Path:
    """The folder that out=DIR names. Raises InputError for any other override; why: how that line ends."""
    for override in overrides:
        if not override.startswith("out="):
            raise InputError(f"{override!r}: only out=DIR is understood here{why}")
    return options.folder(overrides)
