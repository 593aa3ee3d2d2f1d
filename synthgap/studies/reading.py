"""Reads a study from its YAML file, and says in a line what is wrong with it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import metric_names, options, tables, yaml_file
from synthgap.catalogue import find
from synthgap.forms import form, place, read
from synthgap.judging.kind import seeds_needed, test_of
from synthgap.parts import BY_NAME, listed
from synthgap.studies.claim_schema import CLAIM
from synthgap.studies.figure_schema import FIGURE, can_be_drawn
from synthgap.studies.grid import expand
from synthgap.study import Claim, Study, available, seeds
from synthgap.tables import CASE

#: what lies beside the folders of studies, so that none may have it as a name
TAKEN = ("datasets",)
NAME = re.compile(r"\w[^+=]*")  # folders of variations are called NAME+option=value
LONGEST_NAME = 100  # bytes: files in the folder have it, and more, in their names


def _grid(raw: dict) -> dict:
    return {key: [options.typed(str(key), value) for value in values] for key, values in raw.items()}


def _set(raw: dict) -> dict:
    return {key: options.typed(str(key), value) for key, value in raw.items()}


def _cases(raw: Any) -> list[dict]:
    """A list of cases; of a mapping name → case (or several that share the name), each with its name."""
    if isinstance(raw, dict):
        return [{CASE: str(name)} | case for name, some in NAMED.validate_python(raw).items() for case in some]
    if not isinstance(raw or [], list):
        raise InputError("it must be a list of mappings, an arm of the comparison each, or name them: name: mapping")
    return CASES.validate_python(raw or [])


#: option → values, and option → value, of the options' types
Grid = Annotated[dict[Any, Annotated[list, Field(min_length=1)]], AfterValidator(_grid)]
Set = Annotated[dict, AfterValidator(_set)]
Cases = Annotated[Any, AfterValidator(_cases)]
CASES = TypeAdapter(list[Set])
NAMED = TypeAdapter(dict[Any, Annotated[list[Set], BeforeValidator(listed)]])
PRESET = form({}, {"grid": Grid, "cases": Cases, "set": Set})
#: The file of any study. Claims and the figure are read when it is known what is swept.
ANY = {"source": str, "claims": Any, "figure": Any}
OF_TABLE = TypeAdapter(form({"question": str, "table": str}, ANY))
SWEEP = {"cases": Cases, "presets": Annotated[dict[str, PRESET] | None, BY_NAME]}
TRAINED = TypeAdapter(form({"question": str, "grid": Grid}, {**ANY, **SWEEP}))
TOLD = TypeAdapter(form({"claims": list[CLAIM], "figure": FIGURE}))


def load(name: str, out: Path = Path("runs"), metrics: Sequence[str] = ()) -> Study:
    """A study by its name, or from a user's own YAML file. Raises InputError that says what is missing or misspelt.

    out: where the tables are of studies that have run. metrics: files of metrics of the user's own, beside those that it sets.
    """
    known = available()
    path = known.get(name, Path(name))
    if name not in known and path.suffix not in (".yaml", ".yml"):
        raise unknown("study", name, known)
    _check_name(path)
    raw = yaml_file.read(path)
    if path.stem in known and not _is_same(path, known[path.stem]):
        raise InputError(
            f"study {path}: {path.stem} comes with synthgap, and both would write into one folder; call the file "
            "something else"
        )
    if raw is None:
        raise InputError(f"study {path} is empty; it needs a question, and a grid to train or a table to read")
    table, where_listed = None, "`synthgap studies --metrics` lists all"
    if isinstance(raw, dict) and "table" in raw:
        for key in ("grid", "cases", "presets"):
            if key in raw:
                raise InputError(f"study {path} reads a table, and trains nothing; leave out {key!r}, or 'table'")
        said = read(OF_TABLE, raw, path)
        table = _table(said["table"], path, out)
        rows = tables.read(table)
        known, (grid, cases), presets = tables.names(rows), tables.design(rows), {}
        where_listed = f"{table} has {', '.join(known)}"
    else:
        if isinstance(raw, dict) and "grid" not in raw:
            raise InputError(f"study {path} has no 'grid' of what to train, nor a 'table' of what was trained")
        options.notice(raw)
        said = read(TRAINED, raw, path)
        grid, cases, presets = said["grid"], said.get("cases", []), said.get("presets") or {"quick": {}}
        _names_hold(grid, cases, presets, path)
        learnt = metric_names.learnt_by(find("loss", name) for name in _anywhere("loss", grid, cases, presets))
        own = dict.fromkeys(
            [*metrics, *(path for paths in _anywhere("metrics", grid, cases, presets) for path in paths)]
        )
        known = dict.fromkeys([*metric_names.METRICS, *metric_names.own(list(own)), *learnt])
    swept = _swept(grid, cases, presets)
    source = said.get("source", "own question")
    told = {"claims": raw.get("claims", []), "figure": raw.get("figure") or {}}
    told = read(TOLD, told, path, swept=swept, source=source, beside=path.parent)
    study = Study(
        path.stem, said["question"], source, grid, cases or [{}], presets, tuple(told["claims"]), told["figure"], table
    )
    can_be_drawn([study.question, study.figure, swept], path)
    check_names(study, known, path, where_listed)
    cells = [expand(study, [f"preset={preset}"])[1] for preset in presets]
    sweeps = [rows.drop_duplicates("run_id").to_dict("records")] if table else cells
    for i, claim in enumerate(study.claims):
        if few := _too_few_seeds(claim, sweeps, table):
            raise InputError(f"{place(('claims', i), raw, path)} {few}")
    return study


def _anywhere(key: str, grid: Mapping, cases: Sequence[Mapping], presets: Mapping) -> list:
    """The values of an option that the study has anywhere."""
    sets = [preset.get("set", {}) for preset in presets.values()]
    return _swept(grid, [*cases, *sets], presets).get(key, [])


def _check_name(path: Path) -> None:
    """Raises InputError unless the file's name can be that of a folder beside those of other studies."""
    name = path.stem
    if not NAME.fullmatch(name) or not name.isprintable() or len(name.encode()) > LONGEST_NAME:
        raise InputError(
            f"study {str(path)!r}: a folder gets its name, so that must begin with a letter, a digit or _, have no + or =, "
            f"and at most {LONGEST_NAME} bytes"
        )
    if name.casefold() in TAKEN:
        raise InputError(f"study {path}: {name} is a folder of its own beside studies; call the file something else")


def _is_same(path: Path, other: Path) -> bool:
    return path.samefile(other) or path.read_bytes() == other.read_bytes()


def _table(name: str, path: Path, out: Path) -> Path:
    try:
        return tables.find(name, path.parent, out)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{path}: table: {error.strerror}") from error


def check_names(study: Study, known: Mapping[str, Iterable[str] | None], path: str | Path, listed: str) -> None:
    """Raises InputError if a claim or the figure is about a metric, or of something, that is not `known`: metric → all that
    it is of, None if that is not known. listed: where the reader finds the names."""
    for claim in study.claims:
        compared = claim.variables() or {"metric": claim.metric, "of": claim.of}
        for variable in _variables([compared, claim.explained_by, claim.given, claim.matched]):
            metric_names.check(variable, f"a claim of {path}", known, listed)
    for variable in _variables(study.figure):
        metric_names.check(variable, f"figure of {path}", known, listed)


def _variables(raw) -> Iterator[Mapping]:
    """Every {metric, of} that is anywhere in it."""
    if isinstance(raw, Mapping):
        if isinstance(raw.get("metric"), str):
            yield raw
        raw = list(raw.values())
    for part in raw if isinstance(raw, list | tuple) else ():
        yield from _variables(part)


def _too_few_seeds(claim: Claim, sweeps: Sequence[Sequence[Mapping]], table: Path | None) -> str:
    """Why no sweep could support the claim; empty if one could."""
    most, needed = max(seeds(claim, runs) for runs in sweeps), seeds_needed(claim)
    if most >= needed:
        return ""
    levels = len(claim.levels)
    what = "is an explanation" if not levels else f"compares {'two' if levels == 2 else levels} levels"
    over = f"{most} seed{'s' * (most != 1)}"
    floor = f"its p cannot fall under {test_of(claim).floor(claim, most):g}"
    why = floor if most >= claim.seeds else f"nothing is decided by fewer than {claim.seeds}"
    mend = f"{table} would need" if table else "sweep"
    wanted = list(range(needed)) if needed <= 20 else f"[0, 1, …, {needed - 1}]"
    return f"{what} over {over}: {why}; {mend} seed: {wanted} or more"


def _swept(grid: Mapping, cases: Sequence[Mapping], presets: Mapping) -> dict[str, list]:
    """Everything that the study varies, in any preset → its values; `case` among them, where cases have names."""
    found = {}
    for changes in ({"grid": grid, "cases": cases}, *presets.values()):
        for key, values in changes.get("grid", {}).items():
            found.setdefault(key, []).extend(values)
        for case in changes.get("cases", ()):
            for key, value in case.items():
                found.setdefault(key, []).append(value)
    return found


def _names_hold(grid: Mapping, cases: Sequence[Mapping], presets: Mapping, path: Path) -> None:
    for name, changes in presets.items():
        for case in changes.get("cases", cases):
            for key in {**grid, **changes.get("grid", {})}:
                if CASE in case and key in case:
                    raise InputError(
                        f"preset {name} of {path}: {key} is in its grid, and case {case[CASE]!r} sets it too"
                    )
