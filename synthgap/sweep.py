"""A study from its question to its verdicts: the one way in, for the command, for Python and for Hydra's launchers alike.

Whoever does the runs, the study's claims are on record before the first of them.
"""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from data_gen import InputError
from synthgap import options, report, runs, tables
from synthgap.judging import claims
from synthgap.report import ONE_PNG, Figures
from synthgap.runs import Plan, variations
from synthgap.studies import Study


def run(
    study: Study,
    overrides: Sequence[str] = (),
    work: Callable[[Plan], object] = runs.work,
    figures: Figures = ONE_PNG,
) -> int:
    """Do what is left of a study's runs, then write and tell table, verdicts and figure; 1 if a run is missing, else 0.

    work: does the runs that are left (in this process, one after the other). A study that reads a table has none. Raises
    InputError for a mistake in what is asked, before any run.
    """
    if study.table:
        return report.conclude_table(study, study.table, folder_of(study, overrides), figures)
    plan = begin(study, overrides)
    left = sum(not plan.done(task) for task in plan.tasks)
    work(plan)
    return report.conclude(plan, left, figures=figures)


def begin(study: Study, overrides: Sequence[str] = ()) -> Plan:
    """The plan of a sweep, once all is well and its claims are on record: its workers may start."""
    plan = runs.plan(study, overrides)
    runs.collect(plan)  # a damaged result is told before any work
    runs.prepare(plan)
    claims.stated_after(study, plan.folder)
    if changed := variations.of(plan).changed:
        done = sum(plan.done(task) for task in plan.tasks)
        claims.stated_after(study, variations.place(plan), done, changed)
    report.forewarn(plan)
    return plan


def show(study: Study, overrides: Sequence[str] = (), figures: Figures = ONE_PNG) -> int:
    """Redraw and tell what is there: the study's table, or, where overrides are given, the runs that they ask for."""
    if study.table:
        return report.conclude_table(study, study.table, folder_of(study, overrides), figures)
    if all(override.startswith("out=") for override in overrides):
        folder = folder_of(study, overrides)
        if (folder / tables.FILE).exists():
            try:
                return report.conclude_table(study, folder / tables.FILE, folder, figures)
            except tables.DamagedError as error:
                print(f"synthgap: {error}; its runs are read instead", file=sys.stderr)
    return report.conclude(runs.plan(study, overrides), did=0, redraw=True, figures=figures)


def folder_of(study: Study, overrides: Sequence[str]) -> Path:
    """`<out>/<study>`, of a study for which nothing is trained. Raises InputError for any override but out=DIR."""
    for override in overrides:
        if not override.startswith("out="):
            what = f"{override!r}: only out=DIR is understood here"
            raise InputError(f"{what}, as {study.name} reads a table and trains nothing")
    return options.folder(overrides) / study.name
