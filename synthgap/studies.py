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
from synthgap.statistics import DIRECTIONS


@dataclass(frozen=True)
class Claim:
    """`metric` of `of` falls or rises over the `levels` of the swept parameter `over`, by `matters` at least."""

    claim: str
    metric: str
    of: str
    over: str
    levels: tuple
    direction: str
    matters: float
    source: str


@dataclass(frozen=True)
class Study:
    """grid: override → values, all combined. cases: overrides that change together, an arm of the comparison each."""

    name: str
    question: str
    source: str
    grid: Mapping[str, Sequence]
    cases: Sequence[Mapping]
    presets: Mapping[str, Mapping]
    claims: Sequence[Claim]
    figure: Mapping


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
        raw = yaml.safe_load(path.read_text())
    except OSError as error:
        raise InputError(f"study {path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"study {path} is not YAML: {' '.join(str(error).split())}") from error
    raw = _mapping(
        raw, f"study {path}", required=("question", "grid"), optional=("source", "cases", "presets", "claims", "figure")
    )
    source = raw.get("source", "own question")
    return Study(
        name=path.stem,
        question=raw["question"],
        source=source,
        grid=raw["grid"],
        cases=raw.get("cases") or [{}],
        presets=raw.get("presets") or {"quick": {}},
        claims=tuple(_claim(claim, path, source) for claim in raw.get("claims") or []),
        figure=raw.get("figure") or {},
    )


def _claim(raw, path: Path, source: str) -> Claim:
    where = f"a claim of {path}"
    raw = _mapping(
        raw, where, required=("claim", "metric", "over", "levels", "direction"), optional=("of", "matters", "source")
    )
    if raw["direction"] not in DIRECTIONS:
        raise unknown(f"direction in {where}", raw["direction"], DIRECTIONS)
    return Claim(**({"of": "", "matters": 0.0, "source": source} | raw | {"levels": tuple(raw["levels"])}))


def _mapping(raw, where: str, *, required: Sequence[str], optional: Sequence[str]) -> dict:
    if not isinstance(raw, dict):
        raise InputError(f"{where} must be a mapping with {', '.join(required)}")
    for key in raw:
        if key not in (*required, *optional):
            raise unknown(f"key in {where}", key, (*required, *optional))
    for key in required:
        if key not in raw:
            raise InputError(f"{where} has no {key!r} (it needs {', '.join(required)})")
    return raw


def expand(study: Study, overrides: Sequence[str]) -> tuple[list[str], list[dict], list[str]]:
    """The study's cells under the user's overrides → (swept keys, cells {key: value}, overrides that hold for all cells).

    An override of a swept parameter takes its place: one value or several (`seed=0,1`). `~key` drops it from the grid.
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
    for override in config.parse([o for o in overrides if not o.startswith(("preset=", "~"))]):
        key = override.key_or_group
        if override.is_sweep_override():
            grid[key] = [config.parse([f"{key}={value}"])[0].value() for value in override.sweep_string_iterator()]
        elif key in grid or any(key in case for case in cases):
            grid[key] = [override.value()]
        else:
            constant.append(override.input_line)
    cases = [{key: value for key, value in case.items() if key not in grid} for case in cases]
    swept = list(dict.fromkeys([*grid, *(key for case in cases for key in case)]))
    cells = [{**case, **dict(zip(grid, values, strict=True))} for case in cases for values in product(*grid.values())]
    unique = {tuple(sorted((k, str(v)) for k, v in cell.items())): cell for cell in cells}
    return swept, list(unique.values()), constant
