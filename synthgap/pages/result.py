"""What is there of a study's result, for its page: read from its folder, checked, nothing written there."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import pandas as pd
import yaml

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import judging, options, packs, studies, tables
from synthgap.judging import claims, overview
from synthgap.runs import variations
from synthgap.runs.plan import resolved_cell
from synthgap.runs.variations import Made
from synthgap.studies import Claim, Study
from synthgap.variables import runs_of

#: of a README beside a published table: the study and the overrides that made it
_PUBLISHED = re.compile(r"<!-- study (\S+)([^\n]*?) -->")


@dataclass(frozen=True)
class Result:
    """name: of its folder. file: how the command is told of its study. made: what its table was made with. asked: the overrides
    of the sweep; None if nothing tells.

    judged: `overview.of_all` of this study alone. claims: hash → claim. stated: hash → what `claims.json` has of it. configs:
    of its first run, and of the last that has the same seed; none where they are not known.
    """

    name: str
    file: str
    study: Study
    made: Made
    asked: Sequence[str] | None
    table: pd.DataFrame
    judged: pd.DataFrame
    claims: dict[str, Claim]
    stated: dict[str, dict]
    configs: list[dict]

    @cached_property
    def unjudged(self) -> dict[str, str]:
        """Claim → why this table cannot speak to it."""
        missing = [
            claim for name, claim in self.claims.items() if not len(self.judged) or name not in {*self.judged.hash}
        ]
        return {claim.claim: judging.unjudged(self.table, self.study, claim) for claim in missing}

    @property
    def world(self) -> str:
        """The world, how it is shown and where its digits are from, of all runs."""
        kept = [_values(self, key) for key in ("world", "images", "digits")]
        return " · ".join(", ".join(map(str, values)) for values in kept if values) or "not known"

    @property
    def differs(self) -> str:
        """What is changed of the study as written; tables from before they said so are believed what is published of them."""
        told = [each for each in self.asked or () if not each.startswith("preset=")]
        return self.made.text or "; ".join(each for each in told if each.partition("=")[0] not in options.PLACES)

    @property
    def command(self) -> str:
        """What makes this result; empty if nothing tells of it."""
        if pooled := self.table.attrs.get("pooled"):
            return shlex.join(["synthgap", "pool", *pooled])
        if self.asked is None and not self.study.table:
            return ""
        name = self.name.partition("+")[2]
        return shlex.join(["synthgap", "run", self.file, *(self.asked or ()), *([f"name={name}"] if name else [])])


def _values(result: Result, key: str) -> list:
    if key in result.table:
        return result.table[key].dropna().unique().tolist()
    return [options.get(config, key) for config in result.configs[:1]]


def read(out: Path, name: str, given: str = "") -> Result:
    """The result in `<out>/<name>`. given: its study's name or file, if it was said. Raises InputError where there is none, it
    is damaged, or its verdicts are not those of the claims that its study has now."""
    folder, mend = out / name, f"`synthgap show {name}` makes them anew"
    kept = folder / "verdicts.parquet"
    if not kept.exists():
        there = [path.parent.name for path in sorted(out.glob("*/verdicts.parquet"))]
        if (of := name.partition("+")[0]) not in studies.available() and not given.endswith((".yaml", ".yml")):
            raise unknown(f"study, or result in {out},", name, [*studies.available(), *there])
        raise InputError(f"{name} has no result in {out} yet; `synthgap run {given or of}` makes one")
    judged, path = overview.read(kept), folder / tables.FILE
    table = tables.read(path) if path.exists() else pd.DataFrame()
    made, last, (of, published) = variations.made_with(table), variations.asked(folder)[0], _published(folder)
    of = given if given.endswith((".yaml", ".yml")) else of or _of(judged) or name.partition("+")[0]
    if of not in studies.available() and Path(f"{of}.yaml").exists():
        of = f"{of}.yaml"
    if not given and of not in studies.available() and not Path(of).exists():
        raise InputError(
            f"{folder} is of {of!r}, no study of synthgap's; if it is a file of yours, put {of}.yaml here or give its path"
        )
    study = studies.load(of, out, options.files_of_metrics((made or last or Made()).roots))
    table = table if len(table) else tables.read(study.table or path)
    asked = made.overrides if made else last.overrides if last and published is None else published
    made = made or Made()
    known = {claims.hash_of(studies.claim_hash(claim), made.changed): claim for claim in study.claims}
    if len(judged):
        if "hash" not in judged:
            raise InputError(
                f"the verdicts in {folder} are from an older synthgap and do not tell claims apart; {mend}"
            )
        if edited := [row.claim for row in judged.itertuples() if row.hash not in known]:
            raise InputError(f"the claim {edited[0]!r} of {of} was edited after its verdict in {folder}; {mend}")
        judged = overview.of_all([name], out)
    stated = claims.read(folder / "claims.json") or claims.read(out / study.name / "claims.json")
    found = Result(name, of, study, made, asked, table, judged, known, stated, [])
    if new := [claim for claim, why in found.unjudged.items() if not why]:
        raise InputError(f"the claim {new[0]!r} of {of} has no verdict in {folder}; {mend}")
    return replace(found, configs=[] if study.table else _configs(out / study.name, study, table, asked))


def _of(judged: pd.DataFrame) -> str:
    return str(judged.study.iloc[0]) if len(judged) and "study" in judged else ""


def _published(folder: Path) -> tuple[str, list[str] | None]:
    """The study and the overrides that the README beside a published table says it was made with."""
    path = folder / "README.md"
    found = _PUBLISHED.search(path.read_text(encoding="utf-8", errors="replace")) if path.is_file() else None
    return (found[1], found[2].split()) if found else ("", None)


def _configs(folder: Path, study: Study, table: pd.DataFrame, asked: Sequence[str] | None) -> list[dict]:
    """As they are kept beside the runs, or as the study has them, where it was not edited since."""
    runs = runs_of(table)
    ends = runs[runs.seed == runs.seed.iloc[0]].iloc[[0, -1]]
    kept = [folder / run for run in ends.index]
    try:
        if all(packs.place(run) != run or (run / "config.yaml").is_file() for run in kept):
            return [yaml.safe_load(packs.read(run, "config.yaml")) for run in kept]
        if asked is None:
            return []
        swept, cells, constant = studies.expand(study, asked)
        seeds = [cell for cell in cells if cell.get("seed") == cells[0].get("seed")]
        known = len(cells) >= len(runs) and {*swept} - {"seed"} <= {*table}
        return [resolved_cell(constant, cell) for cell in (seeds[0], seeds[-1])] if known else []
    except (InputError, yaml.YAMLError):
        return []
