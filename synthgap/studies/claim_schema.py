"""The claims of a study file."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.judging.kind import TESTS, fitting, load
from synthgap.parts import a_mapping, a_number, a_text, a_variable, meant_value, must_differ, read_where
from synthgap.statistics import DIRECTIONS, FEWEST_SEEDS, TRENDS
from synthgap.study import METRIC, OF, Claim, as_text, spelt_out
from synthgap.tables import CASE

#: what people say → the direction that it is
SAID = {
    **dict.fromkeys(("increase", "increases", "increasing", "up", "grow", "grows", "higher", "more"), "rises"),
    **dict.fromkeys(
        ("decrease", "decreases", "decreasing", "down", "drop", "drops", "shrinks", "lower", "less"), "falls"
    ),
    **dict.fromkeys(("same", "equal", "constant", "flat", "unchanged"), "stays"),
}


def read_claim(raw, path: Path, source: str, swept: Mapping) -> Claim:
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
    raw = {"of": "", "matters": 0.0, "source": source} | a_mapping(raw, where, required=required, optional=optional)
    for key in ("claim", "source"):
        a_text(raw, key, where)
    raw |= {"where": read_where(raw, where, swept)}
    if not isinstance(raw[METRIC], str | list):
        raise InputError(f"metric of {where} must be a name, not {raw[METRIC]!r}")
    if (said := raw["direction"]) not in (allowed := TRENDS if explains else DIRECTIONS):
        meant = SAID.get(str(said).lower())
        raise unknown(f"direction in {where}" + " of explanation" * explains, said, allowed, meant)
    a_number(raw, "matters", where)
    if raw["direction"] == "stays" and raw["matters"] == 0:
        raise InputError(
            f"{where} says that {as_text(raw['metric'])} stays: give matters, the largest change that does not matter"
        )
    _evidence(raw, where, path.parent)
    claim = (_explanation if explains else _comparison)(raw, where, swept)
    fits = fitting(claim)
    if not claim.test:
        return replace(claim, test=fits[0])
    test = load(claim.test)
    if not test.fits(claim):
        about = " or ".join(f"{name} (of {load(name).about})" for name in fits)
        raise InputError(f"{where} cannot be tested by {Path(claim.test).name} (of {test.about}), but by {about}")
    return claim


def _evidence(raw: dict, where: str, beside: Path) -> None:
    """The test, of one's own beside the study's file or in the working directory, and the seeds."""
    name = raw.get("test", "")
    if isinstance(name, str) and name.endswith(".py"):
        raw["test"] = next((str(path) for path in (beside / name, Path(name)) if path.is_file()), name)
    elif "test" in raw and name not in TESTS:
        raise unknown(f"test in {where}", name, (*TESTS, "a Python file"))
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
        levels = [meant_value(level, over, of, swept) for level in levels]
    must_differ(levels, f"levels of {where}")
    for key in ("metric", "of") if isinstance(raw["metric"], list) else ():
        if isinstance(raw[key], list) and len(raw[key]) != len(levels) and raw["over"] != METRIC:
            raise InputError(
                f"{where} has {len(raw[key])} of {key!r} for {len(levels)} levels; give one, or one a level"
            )
    claim = Claim(**raw | {"levels": tuple(levels)})
    for variable in claim.variables():
        a_variable(variable, f"metric of {where}", swept)
    return claim


def _explanation(raw: dict, where: str, swept: Mapping) -> Claim:
    a_variable({"metric": raw["metric"], "of": raw["of"]}, f"metric of {where}", swept)
    a_variable(raw["explained_by"], f"explained_by of {where}", swept)
    beside = [key for key in ("given", "matched", "held") if key in raw]
    if len(beside) > 1:
        raise InputError(f"{where} has both {beside[0]!r} and {beside[1]!r}; an explanation is tested by one of them")
    given, matched, held = raw.get("given", []), raw.get("matched"), raw.get("held", [])
    if not isinstance(held, list):
        raise InputError(f"held of {where} must be a list of swept parameters")
    others = [key for key in swept if key not in ("seed", spelt_out(raw["explained_by"]).get("over"))]
    for key in held:
        if key not in others:
            raise unknown(f"swept parameter in held of {where}", key, others)
    if not isinstance(given, list):
        raise InputError(f"given of {where} must be a list of variables")
    for variable in given:
        a_variable(variable, f"given of {where}", swept)
    if "matched" in raw:
        a_variable(matched, f"matched of {where}", swept, also=("within",))
        if "within" not in matched:
            raise InputError(f"matched of {where} has no 'within': the largest difference of runs that count as alike")
        a_number(matched, "within", f"matched of {where}")
    return Claim(**raw | {"given": tuple(given), "held": tuple(held)})
