"""From a study and overrides to the cells of its grid, a run each."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import options
from synthgap.parts import listed
from synthgap.study import Study, canonical
from synthgap.tables import CASE


def expand(study: Study, overrides: Sequence[str]) -> tuple[list[str], list[dict], list[str]]:
    """The study's cells under the user's overrides → (swept keys, cells {key: value}, overrides that hold for all cells).

    An override of a swept parameter takes its place: one value or several (`seed=0,1`). `~key` drops it from the grid.
    Where it takes the place of what cases set, they lose their names. Of an option that only some of the cells have
    (`digits.root`, of those with digits=idx), an override is theirs alone.
    `preset=…` picks one of the study's presets (the first, if none is given).
    """
    chosen = [o for o in overrides if o.startswith("preset=")]
    preset = chosen[-1].removeprefix("preset=") if chosen else next(iter(study.presets))
    if preset not in study.presets:
        raise unknown("preset", preset, study.presets)
    changes = study.presets[preset]
    grid = {**study.grid, **changes.get("grid", {})}
    cases = changes.get("cases", study.cases)
    constant = [options.written(key, value) for key, value in changes.get("set", {}).items()]

    for dropped in (o.removeprefix("~") for o in overrides if o.startswith("~")):
        if grid.pop(dropped, None) is None:
            raise unknown("swept parameter to drop", dropped, grid)
    plain = [o for o in overrides if not o.startswith(("preset=", "~"))]
    choosing = {key for key in (o.partition("=")[0] for o in plain) if options.is_choice(key)}
    of_some = {key: value for o in plain for key, value in _of_some_cells(o, choosing, [grid, *cases]).items()}
    plain = [o for o in plain if o.partition("=")[0] not in of_some]
    # what the preset chooses brings options that may be overridden
    choices = [o for o in constant if options.is_choice(o.partition("=")[0])]
    for override in options.parse([*choices, *plain])[len(choices) :] if plain else ():
        key = override.key_or_group
        if override.is_sweep_override():
            grid[key] = options.values(override)
        elif key in grid or any(key in case for case in cases):
            grid[key] = [override.value()]
        else:
            constant.append(override.input_line)
    if any(key in grid for case in cases for key in case):  # then their names would lie
        cases = [{key: value for key, value in case.items() if key not in (*grid, CASE)} for case in cases]
    number = len(cases) * prod(map(len, grid.values()))
    if number > options.MOST_RUNS:
        raise InputError(f"{study.name} would be {number:,} runs, more than {options.MOST_RUNS:,}; give fewer values")
    swept = list(dict.fromkeys([*grid, *(key for case in cases for key in case)]))
    cells = [{**case, **dict(zip(grid, values, strict=True))} for case in cases for values in product(*grid.values())]
    for cell in cells:
        for key, value in of_some.items():
            if any(key in options.keys(chosen) for chosen in _chosen(cell, _section(key))):
                cell[key] = value
    unique = {tuple(sorted((k, str(canonical(v))) for k, v in cell.items())): cell for cell in cells}
    return swept, list(unique.values()), constant


def _section(key: str) -> str:
    return key.partition(".")[0]


def _chosen(cell: Mapping, section: str) -> Iterator[dict]:
    """{option: name} of each choice in a cell, or a grid, that decides which options a section has."""
    for key, values in cell.items():
        if _section(key) == section and options.is_choice(key):
            for value in listed(values):
                yield options.chosen_by(key, value)


def _of_some_cells(override: str, choosing: set[str], cells: Sequence[Mapping]) -> dict:
    """{key: value} of an override that needs an option of its section which the study has in some cells only.

    choosing: what other overrides choose, which the cells' choices give way to.
    """
    key = override.partition("=")[0]
    section = _section(key)
    default = options.keys()
    if options.is_choice(key) or any(key in cell for cell in cells) or key in default:
        return {}
    chosen = [some for cell in cells for some in _chosen(cell, section) if not some.keys() & choosing]
    having = next((some for some in chosen if key in options.keys(some)), None)
    if having is None:
        return {}
    parsed = options.parse([*(options.written(*choice) for choice in having.items()), override])[-1]
    if parsed.is_sweep_override():
        raise InputError(f"{key} is an option of some of the study's cases alone, so it takes one value")
    return {key: parsed.value()}
