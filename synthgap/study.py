"""A study: a question, a grid of runs, claims (what is compared, which way it goes, by how much it matters), and a figure."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from hashlib import sha256
from importlib.resources import files
from pathlib import Path

from data_gen.files import checksum
from synthgap.statistics import FEWEST_SEEDS
from synthgap.tables import CASE

METRIC, OF = "metric", "of"  # what a claim ranges over that compares metrics of the same runs, or what one metric is of


@dataclass(frozen=True)
class Claim:
    """`metric` of `of` falls, rises or stays over the `levels` of the swept parameter `over` (or of `case`), by `matters`.

    of: one, or several whose mean is taken. A list of metrics has one for each level, and `of` may then, too. Over
    `metric`, the levels are metrics of the same runs, and all are of the same; over `of`, they are what the metric is of.

    where: swept parameters and the value, or values, that each must have; other runs do not count.

    change: {over, levels} of another swept parameter. What is compared is then not the metric, but what it changes by, from the
    first of these levels to the last: whether an effect is the same, or which way it goes.

    A claim of explanation has no levels: over all runs of a seed, `metric` falls or rises with `explained_by`, in partial
    rank correlation given the variables `given`, or among pairs of runs that are `matched` in one. A variable is {metric,
    of} of the same run, or a swept parameter by its name. With the test `kendall`: over all cells of the grid, or those
    pairs of cells that have the same of the swept parameters `held`.

    test: the name of a test in `judging/kinds`, or a Python file; if none, the usual one that fits. seeds: fewer decide
    nothing.
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
    change: Mapping | None = None
    explained_by: str | Mapping = ""
    given: tuple = ()
    matched: Mapping | None = None
    held: tuple = ()
    test: str = ""
    seeds: int = FEWEST_SEEDS

    @property
    def ranges(self) -> list[tuple[str, Sequence]]:
        """The swept parameters that it compares levels of, with these: its own, and that of a change."""
        own = [(self.over, self.levels)] if self.over not in ("", METRIC, OF) else []
        return own + ([(self.change["over"], self.change["levels"])] if self.change else [])

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
    """8 hex digits of all that decides what is tested: another wording, threshold or test is another claim.

    Neither its source nor the way it is written down counts: the order of keys, 1 or 1.0, a default that is spelt out.
    """
    said = {f.name: getattr(claim, f.name) for f in fields(claim) if f.name != "source"}
    said |= {key: spelt_out(said[key]) for key in ("explained_by", "matched") if said[key]}
    said |= {"given": [spelt_out(variable) for variable in claim.given]}
    if claim.test.endswith(".py"):  # wherever it lies, it is what it holds
        said |= {"test": f"{Path(claim.test).name} {checksum(claim.test)}"}
    said = {key: canonical(value) for key, value in said.items() if value not in ("", None, (), [], {})}
    return sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()[:8]


def spelt_out(variable: str | Mapping) -> Mapping:
    variable = {"over": variable} if isinstance(variable, str) else variable
    return {"of": ""} | variable if METRIC in variable else variable


def canonical(value):
    if isinstance(value, Mapping):
        return {str(key): canonical(x) for key, x in value.items()}
    if isinstance(value, list | tuple):
        return [canonical(x) for x in value]
    return float(value) if is_number(value) else value


def seeds(claim: Claim, runs: Iterable[Mapping]) -> int:
    """How many seeds there are among the runs, swept parameter → value, that count for a claim."""
    where = {key: values if isinstance(values, list) else [values] for key, values in claim.where.items()}
    counted = (run for run in runs if all(as_held(run.get(key)) in values for key, values in where.items()))
    return len({str(run.get("seed", 0)) for run in counted})


def as_held(value):
    """A swept value as a table of runs holds it."""
    return str(value) if isinstance(value, list | dict) else value


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


def is_number(value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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
