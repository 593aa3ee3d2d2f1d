"""What a sweep changes of its study, and where its result goes, so that no finished result is replaced by another.

`runs/<study>` holds the study's result. A sweep with other overrides is a variation of the study, and one with fewer runs
is a part of it: neither replaces a table that stands there. They go to a folder beside it that is named after them, as
`runs/imbalance+images=symbolic`, or `runs/imbalance+NAME` where name=NAME is given. The runs themselves stay in
`runs/<study>`, and are shared. `asked.json` beside each table says what the last sweep that goes there was asked for.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from itertools import islice
from pathlib import Path

import pandas as pd
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from data_gen import InputError, files
from data_gen.errors import unknown
from synthgap import options, tables
from synthgap.runs import Plan, with_starts
from synthgap.runs.plan import SAFE
from synthgap.studies import Study

RECORD = "made"  # of a table's attributes, which Parquet keeps
ASKED = "asked.json"


@dataclass(frozen=True)
class Made:
    """What a table was made with, beside the study.

    changed: overrides that make it a variation: other options, or levels that the study does not have. levels: overrides
    that only choose among the study's own levels, or other seeds. roots: overrides that say where data are, and which
    files of metrics there are.
    """

    preset: str = ""
    changed: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    roots: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """All that differs from the study as written; empty if nothing does."""
        return "; ".join((*self.changed, *self.levels))

    @property
    def overrides(self) -> list[str]:
        """Those that make it again."""
        return [*([f"preset={self.preset}"] if self.preset else []), *self.changed, *self.levels, *self.roots]


def of(plan: Plan) -> Made:
    """What a plan changes of its study. An override that says what the study says anyway changes nothing."""
    study, told, roots = plan.study, {}, []
    presets = [o.removeprefix("preset=") for o in plan.overrides if o.startswith("preset=")]
    preset = presets[-1] if presets else next(iter(study.presets))
    for override in plan.overrides:
        key = override.partition("=")[0]
        if key in (*options.PLACES, "metrics"):  # what is measured besides changes no run of the study
            roots += [override] * (key != "out")
        elif key not in ("preset", "workers", "sinks", "keep"):
            told[key] = override
    own, every = _levels(study, [preset]), _levels(study, study.presets)
    grid = {**study.grid, **study.presets[preset].get("grid", {})}
    before, changed, levels = _as_written(study.presets[preset], told), [], []
    for key, override in told.items():
        if key.startswith("~"):
            changed.append(override)
            continue
        given = _each(override)
        values, text = [one.value() for one in given], ",".join(one.get_value_element_as_str() for one in given)
        if key in own:
            same = values == own[key] and (key in grid or (len(values) == 1 and key not in study.of_cases))
        else:
            same = key not in every and values == [before.get(key, ...)]
        known = key == "seed" or (key in every and all(value in every[key] for value in values))
        if not same:
            (levels if known else changed).append(f"{key}={text}")
    return Made(preset, tuple(sorted(changed)), tuple(sorted(levels)), tuple(sorted(roots)))


def _levels(study: Study, presets: Iterable[str]) -> dict[str, list]:
    """Swept parameter → its values in these presets."""
    found = {}
    for preset in presets:
        changes = study.presets[preset]
        for key, values in {**study.grid, **changes.get("grid", {})}.items():
            found.setdefault(key, []).extend(values)
        for case in changes.get("cases", study.cases):
            for key, value in case.items():
                found.setdefault(key, []).append(value)
    return {key: [x for i, x in enumerate(values) if x not in values[:i]] for key, values in found.items()}


def _as_written(preset: Mapping, told: Mapping[str, str]) -> dict:
    """Option → its value where no override sets it: the preset's, or the default."""
    fixed = preset.get("set", {})
    given = fixed | {key: _each(told[key])[0].value() for key in told if options.is_choice(key)}
    chosen = {}
    for key in filter(options.is_choice, given):
        chosen |= options.chosen_by(key, given[key])
    first = {group: next(iter(options)) for group, options in options.GROUPS.items()}
    return first | {key: default for key, (default, _) in options.keys(chosen).items()} | fixed


def _each(override: str) -> list[Override]:
    """An override for each value that it gives."""
    reading, parse = options.reading(override), OverridesParser.create().parse_overrides
    try:
        parsed = parse([override])[0]
    except HydraException:  # a text that Hydra would not take without quotes
        parsed = reading
    if not reading.is_sweep_override():
        return [reading if parsed.is_sweep_override() else parsed]
    number, alike = len(options.values(reading)), False
    with suppress(OmegaConfBaseException):  # texts of which one looks like a range to Hydra
        alike = parsed.is_sweep_override() and len([*islice(parsed.sweep_string_iterator(), number + 1)]) == number
    return parse([f"x={value}" for value in (parsed if alike else reading).sweep_string_iterator()])


def made_with(table: pd.DataFrame) -> Made | None:
    """What a table was made with; None where it does not say."""
    return _made(table.attrs.get(RECORD))


def _made(record) -> Made | None:
    try:
        preset, *overrides = (record[key] for key in ("preset", "changed", "levels", "roots"))
        return Made(preset, *map(tuple, overrides))
    except (KeyError, TypeError):
        return None


def record(plan: Plan) -> None:
    """Keep what a sweep was asked for in the folder of its result, before any run. Raises InputError as `place` does."""
    folder = place(plan)
    ids = {task.run_id for task in with_starts(plan)} | {task.start.run_id for task in plan.tasks if task.start}
    if asked(folder) == (of(plan), ids):
        return  # a finished sweep is left as it is
    with files.locked(folder / ".locks" / "asked"):
        files.sweep_up(folder, Path(ASKED).stem)
        with files.whole(folder / ASKED) as beside:
            beside.write_text(json.dumps(asdict(of(plan)) | {"runs": sorted(ids)}, indent=1), encoding="utf-8")


def asked(folder: Path) -> tuple[Made | None, set[str]]:
    """What the last sweep whose result goes to `folder` was asked for, and its runs; else what the table there was made
    with, and its runs. None and no runs where neither says."""
    try:
        found = json.loads((folder / ASKED).read_text(encoding="utf-8"))
        return _made(found), set(found["runs"])
    except (OSError, ValueError, KeyError, TypeError):  # a damaged one is written anew by the next sweep
        return _there(folder) or (None, set())


def folder_of(study: Study, overrides: Sequence[str]) -> Path:
    """`<out>/<study>`, or `<out>/<study>+NAME` with name=NAME, whether or not it is there."""
    names = [f"+{override.removeprefix('name=')}" for override in overrides if override.startswith("name=")]
    return options.folder(overrides) / f"{study.name}{(names or [''])[-1]}"


def only_a_place(overrides: Sequence[str]) -> bool:
    """Whether overrides say no more than where a result is."""
    return all(override.startswith(("out=", "name=")) for override in overrides)


def completed(study: Study, overrides: Sequence[str]) -> list[str]:
    """Overrides that give a name and nothing else ask for the variation of that name: with the overrides that made it."""
    named = any(override.startswith("name=") for override in overrides)
    return [*(made_by(study, overrides) if named and only_a_place(overrides) else ()), *overrides]


def made_by(study: Study, overrides: Sequence[str]) -> list[str]:
    """The overrides of the last sweep whose result goes to `folder_of`; none where there was no sweep."""
    made, _ = asked(folder_of(study, overrides))
    return made.overrides if made else []


def check_there(study: Study, out: Path, name: str) -> None:
    """Raises InputError if there is no variation in `<out>/<study>+<name>`."""
    if asked(out / f"{study.name}+{name}")[0] is None and not _there(out / f"{study.name}+{name}"):
        known = sorted(path.name for path in out.glob(f"{study.name}+*") if asked(path)[0])
        if not known:
            raise InputError(f"{study.name} has no variations in {out}; `synthgap run {study.name} …` makes them")
        raise unknown(f"variation in {out}", f"{study.name}+{name}", known)


def marked(table: pd.DataFrame, made: Made) -> pd.DataFrame:
    """The table with what it was made with; it is kept in Parquet."""
    table = table.copy(deep=False)
    table.attrs[RECORD] = {key: list(x) if isinstance(x, tuple) else x for key, x in asdict(made).items()}
    return table


def place(plan: Plan) -> Path:
    """The folder for a plan's table, figure and verdicts: `plan.folder`, unless another result stands there that is to stay.

    A table is replaced by one with the same changes that has all its runs, or by the same sweep of an edited study or a
    larger preset. The study as written comes before its variations: where one of them has its folder, `make_room` moves it.
    Raises InputError if the plan has a name, and what is there under that name is not to be replaced.
    """
    made, ids = of(plan), {task.run_id for task in plan.tasks}
    if plan.name:
        return _named(plan, made, ids)
    own = plan.folder.with_name(_name(plan.study, made, ids))
    first = [own] if made.text and _there(own) else []
    for folder in (*first, plan.folder, own):
        there = _there(folder)
        if there is None or _replaces(made, ids, *there) or (folder == plan.folder and _moves(made, ids, *there)):
            return folder
    return plan.folder.with_name(f"{plan.study.name}+{_digest(ids)}")


def _named(plan: Plan, made: Made, ids: set[str]) -> Path:
    folder = plan.folder.with_name(f"{plan.study.name}+{plan.name}")
    (known, _), there = asked(folder), _there(folder)
    if known and known.changed != made.changed:
        what = f"with {'; '.join(known.changed)}" if known.changed else "with nothing changed"
        raise InputError(f"name={plan.name} belongs to another variation, {what}, in {folder}; use another name")
    if there and not _replaces(made, ids, *there):
        number = len(there[1])
        raise InputError(
            f"name={plan.name}: the table in {folder} has {number} runs, and this sweep has not all of them; use another "
            "name, or delete that folder"
        )
    return folder


def make_room(plan: Plan, names: Sequence[str]) -> Path | None:
    """Moves another result out of `plan.folder`, if the plan's is to stand there: the files `names`, the table first.

    Returns where it is now; None if nothing was in the way. Its claims are recorded in both places.
    """
    with files.locked(plan.folder / ".locks" / "place"):
        made, ids, there = of(plan), {task.run_id for task in plan.tasks}, _there(plan.folder)
        if place(plan) != plan.folder or there is None or _replaces(made, ids, *there):
            return None
        theirs, runs = there
        own = plan.folder.with_name(_name(plan.study, theirs, runs))
        to = own if not _there(own) else plan.folder.with_name(f"{plan.study.name}+{_digest(runs)}")
        to.mkdir(exist_ok=True)
        if (plan.folder / "claims.json").exists() and not (to / "claims.json").exists():
            with files.whole(to / "claims.json") as beside:
                shutil.copyfile(plan.folder / "claims.json", beside)
        for name in (tables.FILE, *names):
            if (plan.folder / name).exists():
                os.replace(plan.folder / name, to / name)
        return to


def runs_in(folder: Path) -> set[str]:
    """The runs of the table in a folder; none where there is no whole one."""
    there = _there(folder)
    return there[1] if there else set()


def _there(folder: Path) -> tuple[Made | None, set[str]] | None:
    """What the table in a folder was made with, and its runs; None where there is none, or a damaged one."""
    try:
        table = tables.read(folder / tables.FILE)
    except InputError:
        return None
    return made_with(table), set(table.run_id)


def _replaces(made: Made, ids: set[str], theirs: Made | None, there: set[str]) -> bool:
    if theirs is None:  # from before tables said it
        return there <= ids
    if theirs.changed != made.changed:
        return False
    alike = theirs.levels == made.levels and theirs.roots == made.roots
    return there <= ids or (alike and (theirs.preset == made.preset or len(ids) > len(there)))


def _moves(made: Made, ids: set[str], theirs: Made | None, there: set[str]) -> bool:
    if made.text or (ids <= there and not (theirs and theirs.changed)):
        return False
    return bool(theirs.text) if theirs else len(ids) >= len(there)


def _name(study: Study, made: Made | None, ids: set[str]) -> str:
    text = "" if made is None else ",".join((*made.changed, *made.levels)) or f"preset={made.preset}"
    return f"{study.name}+{text if SAFE.fullmatch(text) else _digest(ids)}"


def _digest(ids: Iterable[str]) -> str:
    return sha256(",".join(sorted(ids)).encode()).hexdigest()[:8]
