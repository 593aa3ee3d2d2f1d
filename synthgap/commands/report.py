"""`synthgap report`: results as web pages."""

from pathlib import Path

from data_gen import InputError
from synthgap.commands import asked as common

WHAT = "write a study's result as a web page, one file that needs no network; without STUDY, a page each and an index"
EPILOG = """\
A page has the question, the claims and what became of them, the figures, tables to sort and filter, samples of the data
with their captions, every option, and the command, seeds, versions and time that it took. Nothing is trained, and no
result is changed.

  synthgap report imbalance               the page of a study that has run
  synthgap report                         pages of all results in runs, and an index with all verdicts
  synthgap report out=figures --to site   of the published results, in a checkout of synthgap

  out=DIR          results in another folder than runs
  name=NAME        the variation STUDY+NAME
  preset=full, …   the result of a sweep with these overrides
"""


def arguments(command) -> None:
    command.add_argument(
        "studies", nargs="*", metavar="STUDY", help="studies that have run, or variations, STUDY+NAME (all)"
    )
    command.add_argument("--to", metavar="DIR", default="report", help="where pages go (report)")
    command.epilog = EPILOG


def do(asked) -> int:
    from synthgap import options, pages

    names, overrides = common.results(asked.studies)
    if rest := [each for each in overrides if not each.startswith("out=")]:
        if len(names) != 1:
            raise InputError(f"{rest[0]!r}: give one study with it, or only out=DIR and name=NAME")
        names = _of_sweep(*names.items(), overrides)
    print(pages.write(names, options.folder(overrides), Path(asked.to)))
    return 0


def _of_sweep(named: tuple[str, str], overrides: list[str]) -> dict[str, str]:
    """The folder of the result of a sweep with these overrides, with its study as it was given. Raises InputError."""
    from synthgap import sweep, tables
    from synthgap.runs import variations

    folder, given = named
    name = folder.partition("+")[2]
    study, overrides = common.study(given, [*overrides, *([f"name={name}"] if name and "+" not in given else [])])
    if study.table:
        sweep.folder_of(study, overrides)
    plan = sweep.planned(study, overrides)
    place = variations.place(plan)
    table = place / tables.FILE
    there = table.exists() and variations.made_with(tables.read(table))
    if there != variations.of(plan) and variations.runs_in(place) != {task.run_id for task in plan.tasks}:
        raise InputError(f"no result of {' '.join([given, *overrides])} yet; `synthgap run` with the same makes one")
    return {place.name: given}
