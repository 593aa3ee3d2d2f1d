"""Results of the same study from several people, in one table: a class's runs, say, with each student's seeds kept apart.

All students begin with seed 0, so a seed is told apart by its student. But a run's id is a hash of all that decides its
numbers, the seed among them: runs of two students that have the same id are the same run done twice. They are one piece of
evidence, and count once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import inf
from pathlib import Path

import pandas as pd

from data_gen import InputError, files
from data_gen.errors import unknown
from synthgap import conclusion, tables
from synthgap.conclusion import Conclusion
from synthgap.judging import claims
from synthgap.judging.overview import counted
from synthgap.pages.result import Result, read
from synthgap.runs import variations
from synthgap.variables import runs_of

STUDENTS = "students.csv"  # beside the pooled table: which seeds are whose
POOLED = "pooled"  # of a table's attributes, which Parquet keeps: the folders that it is from


def gather(folders: Sequence[str], study: str = "") -> dict[str, Result]:
    """Student → result, of folders that are each a runs folder, or that of a study's result. study: its name, that of a
    variation, or a YAML file; it may be left out if the folders have one in common.

    Raises InputError for a folder that holds no result, one that `pages.result.read` cannot show (an edited claim, a table
    of an older version), and results of other studies or options than the first one's.
    """
    places = [Path(folder).absolute() for folder in folders]
    if len(places) < 2:
        raise InputError(f"{' '.join(folders)}: pooling needs the folders of two students or more")
    for i, place in enumerate(places):
        if place in places[:i]:
            raise InputError(f"{folders[i]} is given twice")
    there = {place: _results_in(place, folder, study) for place, folder in zip(places, map(str, folders), strict=True)}
    if study:
        name = Path(study).stem if study.endswith((".yaml", ".yml")) else study
        for place, found in there.items():
            if not _is_result(place) and name not in found:
                raise unknown(f"result in {place}", name, found)
    else:
        runs = [set(found) for place, found in there.items() if not _is_result(place)]
        common = sorted(set.intersection(*runs)) if runs else []
        if runs and len(common) != 1:
            have = f"these have {', '.join(common)}" if common else "these have none in common"
            raise InputError(
                f"runs folders of which study? {have}; name one by --study, or give the folders of results"
            )
        name = common[0] if common else ""
    given = study if study.endswith((".yaml", ".yml")) else ""
    kept = [found.get(name) or next(iter(found.values())) for found in there.values()]
    results = {who: read(at.parent, at.name, given) for who, at in zip(_names(kept), kept, strict=True)}
    _check_alike(results)
    return results


def _is_result(folder: Path) -> bool:
    return (folder / tables.FILE).exists()


def _results_in(place: Path, given: str, study: str) -> dict[str, Path]:
    """Name → folder of the results in a folder, which may be one itself."""
    if not place.is_dir():
        raise InputError(
            f"{given}: no such folder; give a runs folder, or that of a study's result (runs/{study or 'STUDY'})"
        )
    if _is_result(place):
        return {place.name: place}
    found = {path.parent.name: path.parent for path in sorted(place.glob(f"*/{tables.FILE}"))}
    if not found:
        raise InputError(
            f"{given}: no study has run there: it has no {tables.FILE}; `synthgap run {study or 'STUDY'}` makes one"
        )
    return found


def _names(results: Sequence[Path]) -> list[str]:
    """What students are called: the folder around their runs folder; the whole path, where two would be called the same."""
    names = [next((part for part in reversed(path.parts[:-1]) if part != "runs"), path.name) for path in results]
    return names if len({*names}) == len(names) else [str(path) for path in results]


def _check_alike(results: Mapping[str, Result]) -> None:
    """Raises InputError unless all are of one study, made with the same options, seeds aside."""
    (first, one), *others = results.items()
    for who, result in results.items():
        if variations.made_with(result.table) is None:
            raise InputError(
                f"the table of {who} does not say what it was made with, as it is from an older synthgap; "
                f"`synthgap run` with the same overrides writes it anew, in seconds"
            )
        if result.study.table:
            raise InputError(f"{result.name} reads another study's table and trains nothing; pool that study's results")
    for who, result in others:
        if result.study.name != one.study.name:
            raise InputError(
                f"{first} has results of {one.study.name}, and {who} of {result.study.name}: pool one study"
            )
        if _options(result) != _options(one):
            here, there = (", ".join(_options(some)) for some in (one, result))
            raise InputError(f"{first} and {who} ran {one.study.name} with different options: {here}, and {there}")
        if lacking := {*one.table} ^ {*result.table}:
            raise InputError(
                f"the tables of {first} and {who} do not fit: only one of them has {', '.join(sorted(lacking))}"
            )


def _options(result: Result) -> list[str]:
    """The overrides that made a result, but for seeds and places."""
    made = result.made
    return [f"preset={made.preset}", *made.changed, *_without_seeds(made.levels)]


def _without_seeds(levels: Sequence[str]) -> tuple[str, ...]:
    return tuple(each for each in levels if not each.startswith("seed="))


def pool(results: Mapping[str, Result]) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    """(table, students, notes): the table of all runs, each once, with a seed for each (student, seed); a row for each of
    these: student, seed, runs, counted_as (the seed in the pooled table), same_as (the student who has the same runs, whose
    numbers count).

    A seed of which any run is known from an earlier student is that one's seed.
    """
    unit_of: dict[str, int] = {}
    owner: list[str] = []
    rows, parts, differing = [], [], 0
    for who, result in results.items():
        table, taken = result.table, []
        for seed, some in runs_of(table).groupby("seed"):
            known = [unit_of[run] for run in some.index if run in unit_of]
            if not known:
                owner.append(who)
            unit = known[0] if known else len(owner) - 1
            new = [run for run in some.index if run not in unit_of]
            unit_of |= dict.fromkeys(new, unit)
            taken += new
            same = owner[unit] if owner[unit] != who else ""
            rows.append({"student": who, "seed": seed, "runs": len(some), "counted_as": unit, "same_as": same})
        again = table[~table.run_id.isin(taken)]
        differing += _differing(again, parts)
        parts.append(table[table.run_id.isin(taken)])
    made = next(iter(results.values())).made
    table = pd.concat(parts, ignore_index=True)
    table["seed"] = table.run_id.map(unit_of)
    table = variations.marked(table, replace(made, levels=_without_seeds(made.levels), roots=()))
    versions: dict[str, dict] = {}
    for result in results.values():
        for package, some in result.table.attrs.get("versions", {}).items():
            versions.setdefault(package, {}).update(dict.fromkeys(some))
    table.attrs["versions"] = {package: list(some) for package, some in versions.items()}
    students = pd.DataFrame(rows)
    return table, students, _notes(students, differing, table.attrs["versions"])


def _differing(again: pd.DataFrame, parts: Sequence[pd.DataFrame]) -> int:
    """How many runs have other numbers than the same runs have in tables before, timings aside."""
    if again.empty:
        return 0
    keys = ["run_id", "metric", "of"]
    both = again.merge(pd.concat(parts), on=keys, suffixes=("", "_before"))
    both = both[both.metric != "seconds"]
    other = ~((both.value == both.value_before) | (both.value.isna() & both.value_before.isna()))
    return both[other].run_id.nunique()


def _notes(students: pd.DataFrame, differing: int, versions: Mapping[str, Sequence]) -> list[str]:
    notes = []
    if again := int((students.same_as != "").sum()):
        notes.append(
            f"{counted(again, 'seed')} of {len(students)} count once only: the same runs (options, seed and run id) were "
            "handed in before, and are no new evidence. Others would be: seed=10,11,12 for one student, 20,21,22 for the next"
        )
    if differing:
        notes.append(
            f"{counted(differing, 'run')} came out with other numbers for two students (another machine, or an edited "
            "table?); those of the student named first count"
        )
    several = [f"{package} {' and '.join(some)}" for package, some in versions.items() if len(some) > 1]
    if several:
        notes.append(f"runs were done with different versions: {', '.join(several)}")
    return notes


def write(results: Mapping[str, Result], folders: Sequence[str], to: Path) -> tuple[Conclusion, pd.DataFrame]:
    """Write into a folder in `to` the pooled table, which seed is whose, the verdicts and the figure. It is called as the
    results are or, where students called theirs differently, as the study. Raises InputError where a result stands that was
    not pooled."""
    one, names = next(iter(results.values())), {result.name for result in results.values()}
    folder = to / (one.name if len(names) == 1 else one.study.name)
    if to.exists() and not to.is_dir():
        raise InputError(f"--to {to}: it is a file; name a folder")
    if why := files.forbidden(to):
        raise InputError(f"--to {to}: it may not be written by you ({why})")
    if (folder / tables.FILE).exists() and POOLED not in tables.read(folder / tables.FILE).attrs:
        raise InputError(
            f"{folder} holds a result that was not pooled, which would be overwritten; choose another folder by --to"
        )
    table, students, notes = pool(results)
    table.attrs[POOLED] = [str(each) for each in folders]
    with files.locked(folder / ".locks" / "pool"):
        claims.write(
            to / one.study.name / "claims.json", _stated(results)
        )  # where a study's are, whatever its result is called
        tables.write(students, folder / STUDENTS)
        tables.write(table, folder / tables.FILE)
        found = conclusion.of_table(one.study, folder / tables.FILE, folder)
    found.places |= {"students": folder / STUDENTS}
    found.notes += notes
    return found, students


def _stated(results: Mapping[str, Result]) -> dict[str, dict]:
    """When each claim was stated: as with the student who had most runs by then, or of whom that is not known.

    A result that was handed in without its claims.json, which stands beside the runs, says in its verdicts after how many.
    """
    found: dict[str, dict] = {}
    for result in results.values():
        stated = {
            row.hash: {"claim": row.claim, "stated": "", "runs_done": int(row.stated_after)}
            for row in result.judged.itertuples()
            if row.stated_after >= 0  # not nan: recorded
        }
        for name, record in (stated | result.stated).items():
            found[name] = max(found.get(name, record), record, key=_runs_done)
    return found


def _runs_done(record: Mapping) -> float:
    return inf if record["runs_done"] is None else record["runs_done"]
