"""A study: a question, a grid of runs, claims and a figure, read from one YAML file."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import product
from pathlib import Path

import yaml

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import config
from synthgap.statistics import DIRECTIONS, TRENDS

CASE = "case"  # the swept parameter that holds the names of cases


@dataclass(frozen=True)
class Claim:
    """`metric` of `of` (the mean, if several) falls, rises or stays over the `levels` of the swept parameter `over` (or of
    `case`), by `matters`.

    A claim of explanation has no levels: over all runs of a seed, `metric` goes with `explained_by` (falls or rises with
    it) by `matters` at least: in partial correlation given the variables `given`, or among pairs of runs that are `matched`
    in one. A variable is {metric, of} of the same run, or a swept parameter.
    """

    claim: str
    metric: str
    of: str | Sequence[str]
    direction: str
    matters: float
    source: str
    over: str = ""
    levels: tuple = ()
    explained_by: str | Mapping = ""
    given: tuple = ()
    matched: Mapping | None = None


@dataclass(frozen=True)
class Study:
    """grid: override → values, all combined. cases: overrides that change together, an arm of the comparison each; those
    that have a name have it under `case`."""

    name: str
    question: str
    source: str
    grid: Mapping[str, Sequence]
    cases: Sequence[Mapping]
    presets: Mapping[str, Mapping]
    claims: Sequence[Claim]
    figure: Mapping

    @property
    def of_cases(self) -> set[str]:
        """What named cases set, in any preset: an arm is called by its case's name, not by these."""
        presets = (preset.get("cases", ()) for preset in self.presets.values())
        return {key for cases in (self.cases, *presets) for case in cases if CASE in case for key in case}


def available() -> dict[str, Path]:
    """The studies that come with synthgap: name → file."""
    installed, checkout = Path(str(files("synthgap") / "experiments")), Path(__file__).parents[1] / "experiments"
    folder = installed if installed.is_dir() else checkout
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def load(name: str) -> Study:
    """A study by its name, or from a user's own YAML file. Raises InputError that says what is missing or misspelt."""
    known = available()
    path = known.get(name, Path(name))
    if name not in known and path.suffix not in (".yaml", ".yml"):
        raise unknown("study", name, known)
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"study {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"study {path} is not YAML: {' '.join(str(error).split())}") from error
    raw = _mapping(
        raw, f"study {path}", required=("question", "grid"), optional=("source", "cases", "presets", "claims", "figure")
    )
    _grid(raw["grid"], f"grid of {path}")
    cases, presets = _cases(raw.get("cases"), f"cases of {path}"), {}
    for name, changes in _mapping(raw.get("presets") or {"quick": {}}, f"presets of {path}").items():
        _mapping(changes, f"preset {name} of {path}", optional=("grid", "cases", "set"))
        _grid(changes.get("grid", {}), f"grid of preset {name} of {path}")
        _mapping(changes.get("set", {}), f"set of preset {name} of {path}")
        own = {"cases": _cases(changes["cases"], f"cases of preset {name} of {path}")} if "cases" in changes else {}
        presets[name] = {**changes, **own}
    names = {case.get(CASE) for some in (cases, *(p.get("cases", ()) for p in presets.values())) for case in some}
    source = raw.get("source", "own question")
    return Study(
        name=path.stem,
        question=raw["question"],
        source=source,
        grid=raw["grid"],
        cases=cases or [{}],
        presets=presets,
        claims=tuple(_claim(claim, path, source, names - {None}) for claim in raw.get("claims") or []),
        figure=_mapping(raw.get("figure") or {}, f"figure of {path}"),
    )


def _claim(raw, path: Path, source: str, cases: set[str]) -> Claim:
    where = f"a claim of {path}"
    if isinstance(raw, dict) and "explained_by" in raw:
        raw = _mapping(
            raw,
            where,
            required=("claim", "metric", "explained_by", "direction"),
            optional=("of", "matters", "source", "given", "matched"),
        )
        if raw["direction"] not in TRENDS:
            raise unknown(f"direction in {where} of explanation", raw["direction"], TRENDS)
        if "given" in raw and "matched" in raw:
            raise InputError(f"{where} has both 'given' and 'matched'; an explanation is tested by one of them")
        if not isinstance(raw.get("given", []), list):
            raise InputError(f"given of {where} must be a list of variables")
        for variable in (raw["explained_by"], *raw.get("given", [])):
            if not isinstance(variable, str):
                _mapping(variable, f"a variable in {where}", required=("metric",), optional=("of",))
        if "matched" in raw:
            _mapping(raw["matched"], f"matched of {where}", required=("metric", "within"), optional=("of",))
            _number(raw["matched"], "within", f"matched of {where}")
        _number(raw, "matters", where)
        raw = raw | {"given": tuple(raw.get("given", ()))}
    else:
        raw = _mapping(
            raw,
            where,
            required=("claim", "metric", "over", "levels", "direction"),
            optional=("of", "matters", "source"),
        )
        if not isinstance(raw["levels"], list):
            raise InputError(f"levels of {where} must be a list of values of {raw['over']}")
        if raw["direction"] not in DIRECTIONS:
            raise unknown(f"direction in {where}", raw["direction"], DIRECTIONS)
        _number(raw, "matters", where)
        if raw["direction"] == "stays" and not raw.get("matters", 0) > 0:
            raise InputError(
                f"{where} says that {raw['metric']} stays: give matters, the largest change that does not matter"
            )
        if raw["over"] == CASE:
            raw = raw | {"levels": [str(level) for level in raw["levels"]]}  # as are the names
            for level in raw["levels"]:
                if level not in cases:
                    raise unknown(f"case in {where}", level, sorted(cases))
        raw = raw | {"levels": tuple(raw["levels"])}
    return Claim(**({"of": "", "matters": 0.0, "source": source} | raw))


def _number(raw: Mapping, key: str, where: str) -> None:
    value = raw.get(key, 0)
    if not isinstance(value, int | float) or not value >= 0:
        raise InputError(f"{key} of {where} must be a number of 0 or more (write 0.001, not 1e-3), not {value!r}")


def _grid(raw, where: str) -> None:
    for key, values in _mapping(raw, where).items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{where}: {key} needs a list of one or more values, like [{values if values else 0}]")


def _cases(raw, where: str) -> list[dict]:
    """A list of cases; of a mapping name → case (or several that share the name), each with its name."""
    if isinstance(raw, dict):
        found = [
            (str(name), case) for name, some in raw.items() for case in (some if isinstance(some, list) else [some])
        ]
        return [{CASE: name} | _mapping(case, f"case {name!r} in {where}") for name, case in found]
    if not isinstance(raw or [], list):
        raise InputError(
            f"{where} must be a list of mappings, an arm of the comparison each, or name them: name: mapping"
        )
    return [_mapping(case, where) for case in raw or []]


def _mapping(raw, where: str, *, required: Sequence[str] = (), optional: Sequence[str] = ()) -> dict:
    """`raw`, if it is a mapping with what is required and nothing beyond what is named; with any keys if none is."""
    if not isinstance(raw, dict):
        raise InputError(f"{where} must be a mapping" + (f" with {', '.join(required)}" if required else ""))
    for key in raw if required or optional else ():
        if key not in (*required, *optional):
            raise unknown(f"key in {where}", key, (*required, *optional))
    for key in required:
        if key not in raw:
            raise InputError(f"{where} has no {key!r} (it needs {', '.join(required)})")
    return raw


def expand(study: Study, overrides: Sequence[str]) -> tuple[list[str], list[dict], list[str]]:
    """The study's cells under the user's overrides → (swept keys, cells {key: value}, overrides that hold for all cells).

    An override of a swept parameter takes its place: one value or several (`seed=0,1`). `~key` drops it from the grid.
    Where it takes the place of what cases set, they lose their names.
    `preset=…` picks one of the study's presets (the first, if none is given).
    """
    chosen = [o for o in overrides if o.startswith("preset=")]
    preset = chosen[-1].removeprefix("preset=") if chosen else next(iter(study.presets))
    if preset not in study.presets:
        raise unknown("preset", preset, study.presets)
    changes = study.presets[preset]
    grid = {**study.grid, **changes.get("grid", {})}
    cases = changes.get("cases", study.cases)
    constant = [f"{key}={value}" for key, value in changes.get("set", {}).items()]

    for dropped in (o.removeprefix("~") for o in overrides if o.startswith("~")):
        if grid.pop(dropped, None) is None:
            raise unknown("swept parameter to drop", dropped, grid)
    plain = [o for o in overrides if not o.startswith(("preset=", "~"))]
    groups = [o for o in plain if o.partition("=")[0] in config.GROUPS]  # they decide which other keys there are
    for override in config.parse(plain):
        key = override.key_or_group
        if override.is_sweep_override():
            grid[key] = [
                config.parse([*groups, f"{key}={value}"])[-1].value() for value in override.sweep_string_iterator()
            ]
        elif key in grid or any(key in case for case in cases):
            grid[key] = [override.value()]
        else:
            constant.append(override.input_line)
    if any(key in grid for case in cases for key in case):  # then their names would lie
        cases = [{key: value for key, value in case.items() if key not in (*grid, CASE)} for case in cases]
    swept = list(dict.fromkeys([*grid, *(key for case in cases for key in case)]))
    cells = [{**case, **dict(zip(grid, values, strict=True))} for case in cases for values in product(*grid.values())]
    unique = {tuple(sorted((k, str(v)) for k, v in cell.items())): cell for cell in cells}
    return swept, list(unique.values()), constant
