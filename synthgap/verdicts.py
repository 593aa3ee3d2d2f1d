"""The verdicts of studies in one table, corrected for one another: for the terminal, and as Markdown."""

import sys
from collections.abc import Sequence
from math import isinf
from pathlib import Path
from textwrap import fill

import pandas as pd
from rich.markup import escape
from rich.table import Table

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import studies, tables
from synthgap.statistics import MOST_SEEDS, holm, seeds_below

ALPHA = 0.05  # as of each verdict, so of all together
COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow"}
_NUMBERS = ("effect", "low", "high", "p", "p_floor", "seeds", "seeds_needed")
FEW = 6  # arms of a claim that Markdown tells one by one


def of_all(names: Sequence[str], out: Path) -> pd.DataFrame:
    """The verdicts of the studies named, or of every one under `out`, a row each; `p_holm`: p after Holm's correction for
    all of them. Raises InputError."""
    places = {path.parent.name: path for path in sorted(out.glob("*/verdicts.parquet"))}
    if not places:
        known = ", ".join(studies.available())
        raise InputError(f"no verdicts in {out} yet; `synthgap run STUDY` makes them (studies: {known})")
    for name in names:
        if name not in places:
            raise unknown(f"study with verdicts in {out}", name, places)
    found, damaged = [], []
    for name in dict.fromkeys(names or places):
        try:
            found.append(read(places[name]).assign(study=name))
        except tables.DamagedError as error:
            damaged.append(str(error))
    found = [judged for judged in found if len(judged)]
    if not found:
        raise InputError("; ".join(damaged) or f"no claim of {', '.join(names or places)} in {out} is judged")
    for line in damaged:
        print(f"synthgap: left out, and not counted: {line}", file=sys.stderr)
    judged = pd.concat(found, ignore_index=True)
    judged["p_holm"] = holm(judged.p)
    return judged


def read(path: Path) -> pd.DataFrame:
    """The verdicts that a study wrote, a row each; none where no claim is judged. Raises tables.DamagedError."""
    mend = f"`synthgap show {path.parent.name}` writes it anew"
    try:
        judged = tables.load(path)
    except tables.DamagedError as error:
        raise tables.DamagedError(f"{path} is damaged; {mend}") from error
    if judged.empty:
        return judged
    if lacking := [name for name in ("claim", "verdict", *_NUMBERS) if name not in judged]:
        raise tables.DamagedError(f"{path} holds no verdicts: it has no column {', '.join(lacking)}; {mend}")
    numbers = all(pd.api.types.is_numeric_dtype(judged[name]) for name in _NUMBERS)
    text = all(pd.api.types.is_string_dtype(judged[name]) for name in ("claim", "verdict"))
    if not (numbers and text and judged.verdict.isin(COLOURS).all()):
        raise tables.DamagedError(f"{path} holds no verdicts: its columns hold something else; {mend}")
    return judged


def _minutes(path: Path) -> str:
    """What all runs of a table took on one core; a claim on another's table trained nothing."""
    if not path.exists():
        return "–"
    try:
        table = tables.read(path, ("metric", "of", "value"))
    except tables.DamagedError:  # what it says beside verdicts; whoever reads the table is told
        return "?"
    return f"{table[(table.metric == 'seconds') & (table['of'] == '')].value.sum() / 60:.0f}"


def shown(judged: pd.DataFrame) -> Table:
    """A row a verdict; of several studies, where p is corrected for all, with study and corrected p (`p_holm`)."""
    of_all = "p_holm" in judged
    table = Table(box=None, header_style="bold")
    if of_all:
        table.add_column("study", no_wrap=True)
    table.add_column("claim", overflow="fold", min_width=20)
    for name in ["test", "verdict", r"effect \[95 %]", "p (floor)"] + (["p (Holm)"] if of_all else []) + ["seeds"]:
        table.add_column(name, no_wrap=True)
    before, tested = "", judged.p.notna().sum()
    for row in judged.itertuples():
        claim = escape(row.claim) + (f" [dim]{row.hash}[/]" if pd.notna(getattr(row, "hash", None)) else "")
        if getattr(row, "stated_after", 0) > 0:
            claim += f"\n[yellow](stated after {row.stated_after:.0f} runs)[/]"
        verdict = f"[{COLOURS[row.verdict]}]{row.verdict}[/]"
        verdict += "".join(f"\n({note})" for note in (_needed(row), _corrected(row, tested) if of_all else "") if note)
        effect = f"{row.effect:+.3f}\n\\[{row.low:+.3f}, {row.high:+.3f}]"
        p = _p(row.p) + (f"\n({row.p_floor:.0e})" if row.p_floor > 0 else "")  # t tests have no floor
        test = getattr(row, "test", "")
        cells = [claim, test if pd.notna(test) else "", verdict, effect, p, *([_p(row.p_holm)] if of_all else [])]
        table.add_row(*([fill(row.study, 14) if row.study != before else ""] if of_all else []), *cells, str(row.seeds))
        before = row.study
    return table


def _p(p: float) -> str:
    return "–" if pd.isna(p) else f"{p:.1e}"


def _needed(row) -> str:
    if row.verdict != "undecided" or pd.isna(row.seeds_needed):
        return ""
    seeds = f"over {MOST_SEEDS}" if isinf(row.seeds_needed) else f"about {row.seeds_needed:.0f}"
    return f"{seeds} seeds\nwould tell"


def _corrected(row, counted: int) -> str:
    """What keeps a supported claim from standing among so many: its p, or that there are too few seeds for a smaller one."""
    if row.verdict != "supported" or row.p_holm < ALPHA:
        return ""
    if row.p_floor * counted < ALPHA or getattr(row, "test", "") == "kendall":  # the floor of which is one of cells
        return "not after Holm"
    return f"{seeds_below(ALPHA / counted, row.seeds, row.p_floor)} seeds\nfor Holm"


def counted(judged: pd.DataFrame) -> str:
    count = judged.verdict.value_counts()
    said = ", ".join(f"{count.get(verdict, 0)} {verdict}" for verdict in COLOURS)
    stand = ((judged.verdict == "supported") & (judged.p_holm < ALPHA)).sum()
    return (
        f"{len(judged)} claims: {said}; {stand} of the {count.get('supported', 0)} supported stand after Holm's correction "
        "for all that are shown. No p is under its floor (of two levels at 8 seeds, 1/256), so where many claims are shown, "
        "only more seeds can tell."
    )


def markdown(judged: pd.DataFrame, out: Path) -> str:
    """`of_all` as a Markdown table, a row a claim: its arms share the cells, and where they are many, only those that differ
    from most are named. With the minutes of the studies' runs, whose tables are in `out`.

    Raises InputError for verdicts that were written before claims had hashes.
    """
    for study, arms in judged.groupby("study", sort=False):
        if "hash" not in arms or arms.hash.isna().any():
            raise InputError(f"the verdicts of {study} do not tell their claims apart; `synthgap show {study}` does")
    minutes = {study: _minutes(out / study / tables.FILE) for study in judged.study.unique()}
    rows = ["| Claim | study and source | verdict, effect [95 %] | p (floor) | p after Holm | seeds | minutes |"]
    rows += ["| --- | --- | --- | --- | --- | --- | --- |"]
    for (study, _), arms in judged.groupby(["study", "hash"], sort=False):
        first = arms.iloc[0]
        claim = first.claim.removesuffix(f" ({first.arm})") if first.arm else first.claim
        after = getattr(first, "stated_after", 0)
        claim += f" (stated after {after:.0f} runs)" if after > 0 else ""
        seeds = " to ".join(dict.fromkeys(str(n) for n in (arms.seeds.min(), arms.seeds.max())))
        floor = f" ({first.p_floor:.0e})" if first.p_floor > 0 else ""
        p, corrected = (_range(arms[name].dropna(), ".0e") for name in ("p", "p_holm"))
        told = _arms(arms) if len(arms) > FEW else "<br>".join(map(_arm, arms.itertuples()))
        cells = [claim, f"{study}<br>{first.source}", told, p + floor, corrected, seeds, minutes[study]]
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _arm(row) -> str:
    named = f"{row.arm}: " if row.arm else ""
    return f"{named}**{row.verdict}** {row.effect:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"


def _arms(arms: pd.DataFrame) -> str:
    most = arms[arms.verdict == arms.verdict.mode()[0]]
    effects = _range(most.effect, "+.3f")
    rest = [_arm(row) for row in arms[~arms.index.isin(most.index)].itertuples()]
    return "<br>".join([f"**{most.verdict.iloc[0]}** in {len(most)} of {len(arms)} arms, {effects}", *rest])


def _range(values: pd.Series, form: str) -> str:
    ends = [f"{x:{form}}" for x in (values.min(), values.max())] if len(values) else ["–"]
    return " to ".join(dict.fromkeys(ends))
