"""The claims of a study file."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field, TypeAdapter, ValidationInfo

from data_gen import InputError
from data_gen.errors import unknown
from synthgap.forms import form
from synthgap.judging.kind import fitting, load
from synthgap.parts import Amount, Levels, Names, Where, listed, own_file, swept, variable
from synthgap.statistics import DIRECTIONS, FEWEST_SEEDS, TRENDS
from synthgap.study import METRIC, OF, Claim, as_text, spelt_out

#: what people say → the direction that it is
SAID = {
    **dict.fromkeys(("increase", "increases", "increasing", "up", "grow", "grows", "higher", "more"), "rises"),
    **dict.fromkeys(
        ("decrease", "decreases", "decreasing", "down", "drop", "drops", "shrinks", "lower", "less"), "falls"
    ),
    **dict.fromkeys(("same", "equal", "constant", "flat", "unchanged"), "stays"),
}


def _test(name: Any, info: ValidationInfo) -> str:
    name = own_file(name, info)
    load(name)
    return name


def _held(held: list, info: ValidationInfo) -> list:
    itself = spelt_out(info.data.get("explained_by", "")).get("over")
    others = [key for key in info.context["swept"] if key not in ("seed", itself)]
    for key in held:
        if key not in others:
            raise unknown("swept parameter", key, others)
    return held


#: keys of all claims → their types: those that are needed, and more
STATED = {"claim": str, "metric": Names, "direction": Any}
MORE = {
    "source": str,
    "of": Any,
    "matters": Amount,
    "where": Where,
    "test": Annotated[Any, AfterValidator(_test)],
    "seeds": Annotated[int, Field(ge=FEWEST_SEEDS)],
}
VARIABLE = TypeAdapter(variable())
CHANGE = form({"over": swept(), "levels": Levels})
COMPARISON = TypeAdapter(form({**STATED, "over": swept(METRIC, OF), "levels": Levels}, {**MORE, "change": CHANGE}))
EXPLANATION = TypeAdapter(
    form(
        {**STATED, "metric": str, "explained_by": variable()},
        {
            **MORE,
            "of": Names,
            "given": list[variable()],
            "matched": variable(needed={"within": Amount}),
            "held": Annotated[list, AfterValidator(_held)],
        },
    )
)


def _claim(raw: dict, info: ValidationInfo) -> Claim:
    beside = [key for key in ("given", "matched", "held") if key in raw]
    explains = bool(beside) or "explained_by" in raw
    if explains and ("over" in raw or "levels" in raw):
        raise InputError("it has both levels and an explanation; make two claims of it")
    if len(beside) > 1:
        raise InputError(f"it has both {beside[0]!r} and {beside[1]!r}; an explanation is tested by one of them")
    if not explains and (over := raw.get("over")) in (METRIC, OF):
        if over in raw:
            what = "the metrics" if over == METRIC else f"what {METRIC} is of"
            raise InputError(f"it is over {over}, so its levels are {what}; leave out {over!r}")
        raw = raw | {over: raw.get("levels")}
    form = EXPLANATION if explains else COMPARISON
    said = {"of": "", "matters": 0.0, "source": info.context["source"]} | raw
    said = form.validate_python(said, strict=True, context=info.context)
    said |= {key: tuple(said[key]) for key in ("levels", "given", "held") if key in said}
    if (way := said["direction"]) not in (allowed := TRENDS if explains else DIRECTIONS):
        raise unknown("direction", way, allowed, SAID.get(str(way).lower()))
    if way == "stays" and not said["matters"]:
        what = f"it says that {as_text(said[METRIC])} stays"
        raise InputError(f"{what}: give matters, the largest change that does not matter")
    for key in (METRIC, OF) if isinstance(said[METRIC], list) and said.get("over") != METRIC else ():
        given, number = len(listed(said[key])), len(said["levels"])
        if not isinstance(said[key], str) and given != number:
            raise InputError(f"it has {given} of {key!r} for {number} levels; give one, or one a level")
    found = Claim(**said)
    if found.change and found.change["over"] == found.over:
        raise InputError(f"its change is over {found.over}, as the claim is; name another swept parameter")
    for one in found.variables():
        VARIABLE.validate_python(one, context=info.context)
    fits = fitting(found)
    if not found.test:
        return replace(found, test=fits[0])
    test = load(found.test)
    if not test.fits(found):
        about = " or ".join(f"{name} (of {load(name).about})" for name in fits)
        raise InputError(f"it cannot be tested by {Path(found.test).name} (of {test.about}), but by {about}")
    return found


#: one of a study's claims
CLAIM = Annotated[dict, AfterValidator(_claim)]
