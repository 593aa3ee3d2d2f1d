"""A study: a question, a grid of runs, claims and a figure, read from one YAML file."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from hashlib import sha256
from importlib.resources import files
from itertools import product
from math import isfinite, prod
from pathlib import Path
from textwrap import fill

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import config, metric_names, tables, yaml_file
from synthgap.statistics import DIRECTIONS, FEWEST_LEVELS, FEWEST_SEEDS, TRENDS, fewest_seeds, smallest_p
from synthgap.tables import CASE

METRIC, OF = "metric", "of"  # what a claim ranges over that compares metrics of the same runs, or what one metric is of
#: by what a claim is tested → what it then is about
TESTS = {
    "trend": "three or more levels",
    "difference": "two levels",
    "equivalence": "levels between which something stays",
    "partial": "an explanation, whatever is 'given'",
    "matched": "an explanation, among runs that are 'matched'",
    "kendall": "an explanation, what is 'held' being equal",
}
#: what people say → the direction that it is
SAID = {
    **dict.fromkeys(("increase", "increases", "increasing", "up", "grow", "grows", "higher", "more"), "rises"),
    **dict.fromkeys(
        ("decrease", "decreases", "decreasing", "down", "drop", "drops", "shrinks", "lower", "less"), "falls"
    ),
    **dict.fromkeys(("same", "equal", "constant", "flat", "unchanged"), "stays"),
}
#: what lies beside the folders of studies, so that none may have it as a name
TAKEN = ("datasets",)
LONGEST_NAME = 100  # bytes: files in the folder have it, and more, in their names
#: how wide, in characters, texts in a figure may be wrapped; None: not at all
WIDTHS = (None, 44, 24, 16)
#: kinds of a figure's panel → the keys that not all have
PANELS = {
    "levels": ("ideal",),
    "cases": (),
    "path": (),
    "scatter": ("colour", "fits"),
    "course": ("colour", "marks"),
    "forest": ("over", "levels", "matters"),
}


@dataclass(frozen=True)
class Claim:
    """`metric` of `of` falls, rises or stays over the `levels` of the swept parameter `over` (or of `case`), by `matters`.

    of: one, or several whose mean is taken. A list of metrics has one for each level, and `of` may then, too. Over
    `metric`, the levels are metrics of the same runs, and all are of the same; over `of`, they are what the metric is of.

    where: swept parameters and the value, or values, that each must have; other runs do not count.

    A claim of explanation has no levels: over all runs of a seed, `metric` falls or rises with `explained_by`, in partial
    rank correlation given the variables `given`, or among pairs of runs that are `matched` in one. A variable is {metric,
    of} of the same run, or a swept parameter by its name. With the test `kendall`: over all cells of the grid, or those
    pairs of cells that have the same of the swept parameters `held`.

    test: one of `TESTS`; the first that fits, if none is named. seeds: fewer decide nothing.
    """

    claim: str
    metric: str | Sequence[str]
    of: str | Sequence[str]
    direction: str
    matters: float
    source: str
    over: str = ""
    levels: tuple = ()
    where: Mapping = field(default_factory=dict)
    explained_by: str | Mapping = ""
    given: tuple = ()
    matched: Mapping | None = None
    held: tuple = ()
    test: str = ""
    seeds: int = FEWEST_SEEDS

    def __post_init__(self):
        if not self.test:
            object.__setattr__(self, "test", self.fitting()[0])

    def fitting(self) -> tuple[str, ...]:
        """The tests that fit what is claimed, the usual one first."""
        if self.explained_by:
            beside = (("matched", self.matched), ("partial", self.given), ("kendall", self.held))
            return tuple(test for test, named in beside if named) or ("partial", "kendall")
        if self.direction == "stays":
            return ("equivalence",)
        return ("trend",) if len(self.levels) >= FEWEST_LEVELS else ("difference",)

    def variables(self) -> list[dict]:
        """What is looked at in each of the levels: {metric, of}."""
        n = len(self.levels)
        if self.over == OF:
            return [{"metric": self.metric, "of": of} for of in self.levels]
        if isinstance(self.metric, str):
            return [{"metric": self.metric, "of": self.of}] * n
        of = [self.of] * n if isinstance(self.of, str) or self.over == METRIC else self.of
        return [{"metric": metric, "of": some} for metric, some in zip(self.metric, of, strict=True)]


def claim_hash(claim: Claim) -> str:
    """8 hex digits of whatever decides what is tested: another wording, threshold or test is another claim.

    Neither its source nor the way it is written down counts: the order of keys, 1 or 1.0, a default that is spelt out.
    """
    said = {f.name: getattr(claim, f.name) for f in fields(claim) if f.name != "source"}
    said |= {key: _spelt_out(said[key]) for key in ("explained_by", "matched") if said[key]}
    said |= {"given": [_spelt_out(variable) for variable in claim.given]}
    said = {key: _canonical(value) for key, value in said.items() if value not in ("", None, (), [], {})}
    return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:8]


def _spelt_out(variable: str | Mapping) -> Mapping:
    variable = {"over": variable} if isinstance(variable, str) else variable
    return {"of": ""} | variable if METRIC in variable else variable


def _canonical(value):
    if isinstance(value, Mapping):
        return {str(key): _canonical(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(x) for x in value]
    return float(value) if _is_number(value) else value


@dataclass(frozen=True)
class Study:
    """grid: override → values, all combined. cases: overrides that change together, an arm of the comparison each; those
    that have a name have it under `case`.

    table: of a study that trains nothing, the table of runs that its claims are about; grid and cases are those of the
    sweep that made it, and there are no presets.
    """

    name: str
    question: str
    source: str
    grid: Mapping[str, Sequence]
    cases: Sequence[Mapping]
    presets: Mapping[str, Mapping]
    claims: Sequence[Claim]
    figure: Mapping
    table: Path | None = None

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


def load(name: str, out: Path = Path("runs")) -> Study:
    """A study by its name, or from a user's own YAML file. Raises InputError that says what is missing or misspelt.

    out: where the tables are of studies that have run.
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
    table, metrics = None, dict.fromkeys(metric_names.METRICS)
    listed = "`synthgap studies --metrics` lists all"
    if isinstance(raw, dict) and "table" in raw:
        for key in ("grid", "cases", "presets"):
            if key in raw:
                raise InputError(f"study {path} reads a table, and trains nothing; leave out {key!r}, or 'table'")
        _mapping(raw, f"study {path}", required=("question", "table"), optional=("source", "claims", "figure"))
        table = _table(raw["table"], path, out)
        rows = tables.read(table)
        metrics, (grid, cases), presets = tables.names(rows), tables.design(rows), {}
        listed = f"{table} has {', '.join(metrics)}"
    else:
        grid, cases, presets = _sweep(raw, path)
    swept = _swept(grid, cases, presets)
    source = _text(raw, "source", f"study {path}", "own question")
    study = Study(
        name=path.stem,
        question=_text(raw, "question", f"study {path}"),
        source=source,
        grid=grid,
        cases=cases or [{}],
        presets=presets,
        claims=tuple(_claim(claim, path, source, swept) for claim in _list(raw, "claims", f"study {path}")),
        figure=_figure(raw.get("figure") or {}, f"figure of {path}", swept),
        table=table,
    )
    _can_be_drawn([study.question, study.figure, swept], path)
    check_names(study, metrics, path, listed)
    cells = [expand(study, [f"preset={preset}"])[1] for preset in presets]
    _enough_seeds(study, [rows.drop_duplicates("run_id").to_dict("records")] if table else cells, path)
    return study


def _check_name(path: Path) -> None:
    """Raises InputError unless the file's name can be that of a folder beside those of other studies."""
    name = path.stem
    if name.startswith(".") or not name.isprintable() or len(name.encode(errors="replace")) > LONGEST_NAME:
        raise InputError(
            f"study {str(path)!r}: its name is that of a folder, so it must have no dot in front, at most {LONGEST_NAME} "
            "bytes, and no characters that are not shown"
        )
    if name.casefold() in TAKEN:
        raise InputError(f"study {path}: {name} is a folder of its own beside studies; call the file something else")


def _is_same(path: Path, other: Path) -> bool:
    return path.samefile(other) or path.read_bytes() == other.read_bytes()


def _table(name, path: Path, out: Path) -> Path:
    if not isinstance(name, str):
        raise InputError(f"table of {path} must be a file or a study's name, not {name!r}")
    try:
        return tables.find(name, path.parent, out)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except OSError as error:  # a name that is too long, say
        raise InputError(f"{path}: table: {error.strerror}") from error


def _sweep(raw, path: Path) -> tuple[dict, list[dict], dict]:
    """What a study trains: grid, cases and presets."""
    if isinstance(raw, dict) and "grid" not in raw:
        raise InputError(f"study {path} has no 'grid' of what to train, nor a 'table' of what was trained")
    more = ("source", "cases", "presets", "claims", "figure")
    _mapping(raw, f"study {path}", required=("question", "grid"), optional=more)
    grid = _grid(raw["grid"], f"grid of {path}")
    cases, presets = _cases(raw.get("cases"), f"cases of {path}"), {}
    for name, changes in _mapping(raw.get("presets") or {"quick": {}}, f"presets of {path}").items():
        _mapping(changes, f"preset {name} of {path}", optional=("grid", "cases", "set"))
        own = {"grid": _grid(changes["grid"], f"grid of preset {name} of {path}")} if "grid" in changes else {}
        if "cases" in changes:
            own |= {"cases": _cases(changes["cases"], f"cases of preset {name} of {path}")}
        if "set" in changes:
            own |= {"set": _set(changes["set"], f"set of preset {name} of {path}")}
        presets[str(name)] = {**changes, **own}
    _names_hold(grid, cases, presets, path)
    return grid, cases, presets


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


def seeds(claim: Claim, runs: Iterable[Mapping]) -> int:
    """How many seeds there are among the runs, swept parameter → value, that count for a claim."""
    where = {key: values if isinstance(values, list) else [values] for key, values in claim.where.items()}
    counted = (run for run in runs if all(_held(run.get(key)) in values for key, values in where.items()))
    return len({str(run.get("seed", 0)) for run in counted})


def seeds_needed(claim: Claim) -> int:
    """How many seeds can support a claim at all: what it asks for, and where p's floor is low enough (Kendall's is set by
    the cells)."""
    by_floor = FEWEST_SEEDS if claim.test == "kendall" else fewest_seeds(len(claim.levels) or 2, claim.direction)
    return max(claim.seeds, by_floor)


def _enough_seeds(study: Study, sweeps: Sequence[Sequence[Mapping]], path: Path) -> None:
    for claim in study.claims:
        most, needed = max(seeds(claim, runs) for runs in sweeps), seeds_needed(claim)
        if most >= needed:
            continue
        levels = len(claim.levels)
        what = "is an explanation" if not levels else f"compares {'two' if levels == 2 else levels} levels"
        over = f"{most} seed{'s' * (most != 1)}"
        floor = f"its p cannot fall under {smallest_p(most, levels or 2):g}"
        why = floor if most >= claim.seeds else f"nothing is decided by fewer than {claim.seeds}"
        mend = f"{study.table} would need" if study.table else "sweep"
        wanted = list(range(needed)) if needed <= 20 else f"[0, 1, …, {needed - 1}]"
        raise InputError(f"a claim of {path} {what} over {over}: {why}; {mend} seed: {wanted} or more")


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


def _claim(raw, path: Path, source: str, swept: Mapping) -> Claim:
    where = f"a claim of {path}"
    explains = isinstance(raw, dict) and any(key in raw for key in ("explained_by", "given", "matched", "held"))
    if explains and ("over" in raw or "levels" in raw):
        raise InputError(f"{where} has both levels and an explanation; make two claims of it")
    kind = ("explained_by",) if explains else ("over", "levels")
    more = ("given", "matched", "held") if explains else ()
    if isinstance(raw, dict) and raw.get("over") == METRIC:
        if METRIC in raw:
            raise InputError(f"{where} is over metric, so its levels are the metrics; leave out 'metric'")
        raw = raw | {METRIC: raw.get("levels")}
    if isinstance(raw, dict) and raw.get("over") == OF:
        if OF in raw:
            raise InputError(f"{where} is over of, so its levels are what {METRIC} is of; leave out 'of'")
        raw = raw | {OF: raw.get("levels")}
    required, optional = (
        ("claim", METRIC, *kind, "direction"),
        ("of", "matters", "source", "where", "test", "seeds", *more),
    )
    raw = {"of": "", "matters": 0.0, "source": source} | _mapping(raw, where, required=required, optional=optional)
    for key in ("claim", "source"):
        _text(raw, key, where)
    raw |= {"where": _where(raw, where, swept)}
    if not isinstance(raw[METRIC], str | list):
        raise InputError(f"metric of {where} must be a name, not {raw[METRIC]!r}")
    if (said := raw["direction"]) not in (allowed := TRENDS if explains else DIRECTIONS):
        meant = SAID.get(str(said).lower())
        raise unknown(f"direction in {where}" + " of explanation" * explains, said, allowed, meant)
    _number(raw, "matters", where)
    if raw["direction"] == "stays" and raw["matters"] == 0:
        raise InputError(
            f"{where} says that {as_text(raw['metric'])} stays: give matters, the largest change that does not matter"
        )
    _evidence(raw, where)
    claim = (_explanation if explains else _comparison)(raw, where, swept)
    if claim.test not in (fitting := claim.fitting()):
        about = " or ".join(f"{test} (of {TESTS[test]})" for test in fitting)
        raise InputError(f"{where} cannot be tested by {claim.test} (of {TESTS[claim.test]}), but by {about}")
    return claim


def _evidence(raw: Mapping, where: str) -> None:
    if raw.get("test", "trend") not in tuple(TESTS):
        raise unknown(f"test in {where}", raw["test"], TESTS)
    seeds = raw.get("seeds", FEWEST_SEEDS)
    if not isinstance(seeds, int) or isinstance(seeds, bool) or seeds < FEWEST_SEEDS:
        raise InputError(f"seeds of {where} must be a whole number of at least {FEWEST_SEEDS}, not {seeds!r}")


def _comparison(raw: dict, where: str, swept: Mapping) -> Claim:
    over, levels = raw["over"], raw["levels"]
    if over not in (METRIC, OF) and str(over) not in swept:
        raise unknown(f"swept parameter in over of {where}", over, swept)
    if not isinstance(levels, list) or len(levels) < 2:
        raise InputError(f"levels of {where} must be a list of two or more values of {over}, not {levels!r}")
    if over not in (METRIC, OF):
        of = f"case in {where}" if over == CASE else f"level of {over} in {where}"
        levels = [_value(level, over, of, swept) for level in levels]
    _differ(levels, f"levels of {where}")
    for key in ("metric", "of") if isinstance(raw["metric"], list) else ():
        if isinstance(raw[key], list) and len(raw[key]) != len(levels) and raw["over"] != METRIC:
            raise InputError(
                f"{where} has {len(raw[key])} of {key!r} for {len(levels)} levels; give one, or one a level"
            )
    claim = Claim(**raw | {"levels": tuple(levels)})
    for variable in claim.variables():
        _variable(variable, f"metric of {where}", swept)
    return claim


def _value(said, key: str, what: str, swept: Mapping):
    """The value of a swept parameter that is meant, as a table of runs holds it. Raises InputError if there is none.

    A table has a list, and whatever stands in one column with lists or texts, as text.
    """
    text = any(isinstance(value, str | list | dict) for value in swept[key])
    known = {str(value): str(value) if text else value for value in swept[key] if value is not None}
    meant = said
    if key in config.types() or key in config.GROUPS:
        with suppress(InputError):
            meant = config.typed(key, said)  # the text 1e-3 is the number .001
    for value in (meant, said):
        same = [name for name, x in known.items() if str(value) == name or (_is_number(value) and value == x)]
        if same:
            return known[same[0]]
    raise unknown(what, said, known)


def _held(value):
    """A swept value as a table of runs holds it."""
    return str(value) if isinstance(value, list | dict) else value


def _explanation(raw: dict, where: str, swept: Mapping) -> Claim:
    _variable({"metric": raw["metric"], "of": raw["of"]}, f"metric of {where}", swept)
    _variable(raw["explained_by"], f"explained_by of {where}", swept)
    beside = [key for key in ("given", "matched", "held") if key in raw]
    if len(beside) > 1:
        raise InputError(f"{where} has both {beside[0]!r} and {beside[1]!r}; an explanation is tested by one of them")
    given, matched, held = raw.get("given", []), raw.get("matched"), raw.get("held", [])
    if not isinstance(held, list):
        raise InputError(f"held of {where} must be a list of swept parameters")
    others = [key for key in swept if key not in ("seed", _spelt_out(raw["explained_by"]).get("over"))]
    for key in held:
        if key not in others:
            raise unknown(f"swept parameter in held of {where}", key, others)
    if not isinstance(given, list):
        raise InputError(f"given of {where} must be a list of variables")
    for variable in given:
        _variable(variable, f"given of {where}", swept)
    if "matched" in raw:
        _variable(matched, f"matched of {where}", swept, also=("within",))
        if "within" not in matched:
            raise InputError(f"matched of {where} has no 'within': the largest difference of runs that count as alike")
        _number(matched, "within", f"matched of {where}")
    return Claim(**raw | {"given": tuple(given), "held": tuple(held)})


def _where(raw: Mapping, where: str, swept: Mapping) -> dict:
    """Swept parameters and the value, or values, that runs must have to count."""
    found = {}
    for key, values in _mapping(raw.get("where", {}), f"where of {where}").items():
        if key not in swept:
            raise unknown(f"swept parameter in where of {where}", key, swept)
        meant = [_value(value, key, f"value of {key} in where of {where}", swept) for value in _listed(values)]
        found[key] = meant if isinstance(values, list) else meant[0]
    return found


def _variable(raw, where: str, swept: Mapping, *, also: Sequence[str] = (), text: bool = False) -> None:
    """What each run has one number of: a metric, {metric, of}, or a swept parameter, {over} or its mere name."""
    raw = {"over": raw} if isinstance(raw, str) else raw
    _mapping(raw, where, optional=("metric", "of", "over", *also))
    if ("metric" in raw) == ("over" in raw):
        raise InputError(f"{where} must name either a metric (and of) or a swept parameter (over)")
    of = raw.get("of", "")
    named = isinstance(of, str) or (isinstance(of, list) and of and all(isinstance(name, str) for name in of))
    if not isinstance(raw.get("metric", ""), str) or not named:
        raise InputError(f"{where}: metric must be a name, and of a name or a list of names (put numbers in quotes)")
    _text(raw, "label", where, "")
    if "over" not in raw:
        return
    if str(raw["over"]) not in swept:
        raise unknown(f"swept parameter in {where}", raw["over"], swept)
    if not text and not all(map(_is_number, swept[raw["over"]])):
        raise InputError(f"{where}: {raw['over']} has values that are no numbers")


def _number(raw: Mapping, key: str, where: str) -> None:
    if not _is_number(raw[key]) or not 0 <= raw[key] < float("inf"):
        raise InputError(f"{key} of {where} must be a number of 0 or more, not {raw[key]!r}")


def _text(raw: Mapping, key: str, where: str, default: str | None = None) -> str:
    text = raw[key] if default is None else raw.get(key, default)
    if not isinstance(text, str):
        raise InputError(f"{key} of {where} must be a text (put it in quotes), not {text!r}")
    return text


def _is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def told(variable: str | Mapping) -> str:
    """A variable as a person would say it: its label, if it has one."""
    if isinstance(variable, str):
        return variable
    return (
        variable.get("label")
        or variable.get("over")
        or f"{as_text(variable['metric'])} {as_text(variable.get('of', ''))}".strip()
    )


def as_text(names) -> str:
    """A name, or several as one."""
    return names if isinstance(names, str) else ", ".join(map(as_text, names))


def _figure(raw, where: str, swept: Mapping) -> dict:
    """The figure, with values of swept parameters as a table of runs holds them."""
    _mapping(raw, where, optional=("title", "arms", "x", "over", "panels", "thresholds", "diagram"))
    _text(raw, "title", where, "")
    arms = _mapping(raw.get("arms", {}), f"arms of {where}")
    for name in arms:
        _text(arms, name, f"arms of {where}")
    if "x" in raw:
        _variable(raw["x"], f"x of {where}", swept, also=("label",), text=True)
    if "over" in raw and str(raw["over"]) not in swept:
        raise unknown(f"swept parameter in over of {where}", raw["over"], swept)
    panels = [_panel(panel, raw, f"a panel of {where}", swept) for panel in _list(raw, "panels", where)]
    _differ([panel["title"] for panel in panels], f"panels of {where}")
    for asked in _list(raw, "thresholds", where):
        place = f"thresholds of {where}"
        _mapping(asked, place, required=("metric", "share"), optional=("of", "x"))
        _variable(asked, place, swept, also=("share", "x"))
        _variable(x_of(asked, raw, place), f"x of {place}", swept, also=("label",))
        if not _is_number(asked["share"]) or not 0 < asked["share"] < 1:
            raise InputError(f"share of {place} must lie between 0 and 1, not be {asked['share']!r}")
    if "diagram" in raw:
        _diagram(raw["diagram"], f"diagram of {where}", swept)
    return raw | ({"panels": panels} if "panels" in raw else {}) | ({"arms": _by_name(arms)} if arms else {})


def _panel(raw, figure: Mapping, where: str, swept: Mapping) -> dict:
    kind = raw.get("kind", "levels") if isinstance(raw, dict) else "levels"
    if str(kind) not in PANELS:
        raise unknown(f"kind of {where}", kind, PANELS)
    required = ("title", "curves", *(("over", "levels") if kind == "forest" else ()))
    _mapping(raw, where, required=required, optional=("kind", "x", "where", *PANELS[kind]))
    _text(raw, "title", where)
    where = f"panel {raw['title']!r} of {where.split(' of ', 1)[1]}"
    meant = {"where": _where(raw, where, swept)} if "where" in raw else {}
    if kind in ("course", "forest"):
        _text(_mapping(raw.get("x", {}), f"x of {where}", optional=("label",)), "label", f"x of {where}", "")
        meant |= _course(raw, where) if kind == "course" else _forest(raw, where, swept)
    else:
        _variable(x_of(raw, figure, where), f"x of {where}", swept, also=("label",), text=kind == "cases")
    published = ("published",) if kind == "cases" else ()
    of = () if kind == "course" else ("of",)
    curves = _list(raw, "curves", where)
    for curve in [*curves, *([raw["ideal"]] if "ideal" in raw else [])]:
        _mapping(curve, f"a curve of {where}", required=("metric",), optional=(*of, "label", *published))
        _variable(curve, f"a curve of {where}", swept, also=("label", *published))
        for name, value in _mapping(curve.get("published", {}), f"published of {where}").items():
            if str(name) not in (names := list(map(str, swept.get(x_of(raw, figure, where).get("over"), ())))):
                raise unknown(f"case in published of {where}", name, dict.fromkeys(names))
            if not _is_number(value) or not isfinite(value):
                raise InputError(f"published of {where} must be numbers, not {value!r}")
    _differ([curve.get("label", "") for curve in curves], f"curves of {where}")
    if "colour" in raw:
        _variable(raw["colour"], f"colour of {where}", swept, text=True)
    if not isinstance(raw.get("fits", True), bool):
        raise InputError(f"fits of {where} must be true or false, not {raw['fits']!r}")
    curves = [
        curve | {"published": _by_name(curve["published"])} if "published" in curve else curve for curve in curves
    ]
    return raw | meant | {"curves": curves}


def _by_name(raw: Mapping) -> dict:
    return {str(name): value for name, value in raw.items()}


def _course(raw: Mapping, where: str) -> dict:
    for curve in _list(raw, "curves", where):
        metric = curve.get("metric", "_at") if isinstance(curve, dict) else "_at"
        if not str(metric).endswith("_at"):
            raise InputError(f"a curve of {where} is of {metric}, which has no course; those that have end in _at")
    for share, text in _mapping(raw.get("marks", {}), f"marks of {where}").items():
        if not _is_number(share) or not 0 <= share <= 1 or not isinstance(text, str):
            raise InputError(
                f"marks of {where} must be texts at shares of training from 0 to 1, not {{{share!r}: {text!r}}}"
            )
    return {}


def _forest(raw: Mapping, where: str, swept: Mapping) -> dict:
    if (over := str(raw["over"])) not in swept:
        raise unknown(f"swept parameter in over of {where}", over, swept)
    levels = raw["levels"]
    if not isinstance(levels, list) or len(levels) < 2:
        raise InputError(f"levels of {where} must be a list of two or more values of {over}")
    levels = [_value(level, over, f"value of {over} in levels of {where}", swept) for level in levels]
    _differ(list(map(str, levels)), f"levels of {where}")
    if "matters" in raw:
        _number(raw, "matters", where)
    return {"levels": levels}


def _diagram(raw, where: str, swept: Mapping) -> None:
    _mapping(raw, where, required=("tiers",), optional=("title",))
    _text(raw, "title", where, "")
    tiers = _list(raw, "tiers", where)
    if len(tiers) < 2 or not all(isinstance(tier, list) and tier for tier in tiers):
        raise InputError(f"tiers of {where} must be two or more lists of variables, causes first")
    nodes = [node for tier in tiers for node in tier]
    for node in nodes:
        _variable(node, f"a node of {where}", swept, also=("label",))
    _differ([told(node) for node in nodes], f"nodes of {where}")


def x_of(panel: Mapping, figure: Mapping, where: str = "") -> Mapping:
    """What a panel (or a threshold) has along x: its own, its figure's, or else the cases by their names.

    A course and a forest have no variable there, only what they are by nature, under a label.
    """
    if panel.get("kind") == "course":
        return {"label": "share of training"} | panel.get("x", {})
    if panel.get("kind") == "forest":
        over = "" if panel["over"] == CASE else f"{panel['over']} "
        return {"label": f"change from {over}{panel['levels'][0]} to {panel['levels'][-1]}"} | panel.get("x", {})
    if panel.get("x") or figure.get("x"):
        return panel.get("x") or figure["x"]
    if panel.get("kind") == "cases":
        return {"over": CASE, "label": ""}
    raise InputError(f"{where} has no x, nor has its figure")


def _list(raw: Mapping, key: str, where: str) -> list:
    if not isinstance(raw.get(key, []), list):
        raise InputError(f"{key} of {where} must be a list")
    return raw.get(key, [])


def _differ(names: Sequence[str], where: str) -> None:
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{where}: {twice!r} is there twice, and one could not tell them apart")


def _can_be_drawn(raw, path: Path) -> None:
    """Raises InputError for a text that a figure could not show: what stands between two $ is a formula there."""
    if isinstance(raw, Mapping):
        raw = [*raw, *raw.values()]
    if isinstance(raw, list | tuple):
        for part in raw:
            _can_be_drawn(part, path)
    elif isinstance(raw, str) and "$" in raw:
        from matplotlib.cbook import is_math_text  # a second that most studies need not wait for
        from matplotlib.mathtext import MathTextParser

        lines = {line for width in WIDTHS for line in (fill(raw, width) if width else raw).splitlines()}
        for line in filter(is_math_text, sorted(lines)):
            try:
                MathTextParser("path").parse(line)
            except Exception as error:  # whatever the parser raises, it is the text that is at fault
                what = f"{path}: a figure cannot show {line!r} as a formula"
                raise InputError(f"{what}; write \\$ for a dollar, and put formulas between two $") from error


def _grid(raw, where: str) -> dict:
    """The grid, its values of their options' types."""
    found = {}
    for key, values in _mapping(raw, where).items():
        if not isinstance(values, list) or not values:
            raise InputError(f"{where}: {key} needs a list of one or more values, like [{values if values else 0}]")
        config.check_option(str(key), f" in {where}")
        found[key] = [config.typed(key, value, f" in {where}") for value in values]
    return found


def _set(raw, where: str) -> dict:
    """What is set, of its options' types."""
    for key in _mapping(raw, where):
        config.check_option(str(key), f" in {where}")
    return {key: config.typed(key, value, f" in {where}") for key, value in raw.items()}


def _cases(raw, where: str) -> list[dict]:
    """A list of cases; of a mapping name → case (or several that share the name), each with its name."""
    if isinstance(raw, dict):
        found = [
            (str(name), case) for name, some in raw.items() for case in (some if isinstance(some, list) else [some])
        ]
        return [{CASE: name} | _set(case, f"case {name!r} in {where}") for name, case in found]
    if not isinstance(raw or [], list):
        raise InputError(
            f"{where} must be a list of mappings, an arm of the comparison each, or name them: name: mapping"
        )
    return [_set(case, where) for case in raw or []]


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
    constant = [config.written(key, value) for key, value in changes.get("set", {}).items()]

    for dropped in (o.removeprefix("~") for o in overrides if o.startswith("~")):
        if grid.pop(dropped, None) is None:
            raise unknown("swept parameter to drop", dropped, grid)
    plain = [o for o in overrides if not o.startswith(("preset=", "~"))]
    groups = [o for o in plain if o.partition("=")[0] in config.GROUPS]  # they decide which other keys there are
    of_some = {key: value for o in plain for key, value in _of_some_cells(o, groups, [grid, *cases]).items()}
    plain = [o for o in plain if o.partition("=")[0] not in of_some]
    for override in config.parse(plain) if plain else ():
        key = override.key_or_group
        if override.is_sweep_override():
            grid[key] = config.values(override)
        elif key in grid or any(key in case for case in cases):
            grid[key] = [override.value()]
        else:
            constant.append(override.input_line)
    if any(key in grid for case in cases for key in case):  # then their names would lie
        cases = [{key: value for key, value in case.items() if key not in (*grid, CASE)} for case in cases]
    number = len(cases) * prod(map(len, grid.values()))
    if number > config.MOST_RUNS:
        raise InputError(f"{study.name} would be {number:,} runs, more than {config.MOST_RUNS:,}; give fewer values")
    swept = list(dict.fromkeys([*grid, *(key for case in cases for key in case)]))
    cells = [{**case, **dict(zip(grid, values, strict=True))} for case in cases for values in product(*grid.values())]
    for cell in cells:
        for key, value in of_some.items():
            group = key.partition(".")[0]
            if group in cell and key in config.keys({group: cell[group]}):
                cell[key] = value
    unique = {tuple(sorted((k, str(_canonical(v))) for k, v in cell.items())): cell for cell in cells}
    return swept, list(unique.values()), constant


def _of_some_cells(override: str, groups: Sequence[str], cells: Sequence[Mapping]) -> dict:
    """{key: value} of an override that needs an option of its group which the study has in some cells only."""
    key = override.partition("=")[0]
    group = key.partition(".")[0]
    if (
        group not in config.GROUPS
        or any(o.startswith(f"{group}=") for o in groups)
        or any(key in cell for cell in cells)
    ):
        return {}
    there, default = {str(option) for cell in cells for option in _listed(cell.get(group, []))}, config.keys()
    having = [name for name in sorted(there & {*config.GROUPS[group]}) if key in config.keys({group: name})]
    if key in default or not having:
        return {}
    parsed = config.parse([f"{group}={having[0]}", override])[-1]
    if parsed.is_sweep_override():
        raise InputError(f"{key} is an option of some of the study's cases alone, so it takes one value")
    return {key: parsed.value()}


def _listed(values) -> list:
    return values if isinstance(values, list) else [values]
