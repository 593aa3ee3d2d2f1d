"""The verdicts of studies in one table, corrected for one another: for the terminal, and as Markdown."""

import re
import sys
from collections.abc import Sequence
from math import inf, isinf, nan
from pathlib import Path
from textwrap import fill

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import tables
from synthgap.statistics import ALPHA, MOST_SEEDS, holm, holm_bars, seeds_to_stand
from synthgap.study import available

COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow"}
_NUMBERS = ("effect", "low", "high", "p", "p_floor", "seeds", "seeds_needed")
#: characters that LaTeX would read otherwise → how they are written; the backslash first, as others bring some
LATEX = {
    "\\": r"\textbackslash ",
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "~": r"\textasciitilde ",
    "^": r"\textasciicircum ",
}
LATEX |= {
    "τ": r"$\tau$",
    "→": r"$\to$",
    "×": r"$\times$",
    "≤": r"$\le$",
    "–": "--",
    "²": r"$^2$",
    "−": "$-$",
    "|": r"\textbar ",
}
LATEX |= {"\n": r" \newline "}
FEW = 6  # arms of a claim that Markdown tells one by one


def of_all(names: Sequence[str], out: Path) -> pd.DataFrame:
    """The verdicts of the studies named, or of every one under `out`, a row each. Raises InputError.

    p_holm_study, p_holm: p after Holm's correction for all claims of its study, and for all that are returned.
    seeds_study, seeds_all: about how many seeds would let a supported claim stand in either, where it does not; nan
    elsewhere, inf if more than 1,000 would be needed, or if it is not seeds that are few.
    """
    places = {path.parent.name: path for path in sorted(out.glob("*/verdicts.parquet"))}
    if not places:
        known = ", ".join(available())
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
    judged["p_holm_study"], judged["p_holm"] = judged.groupby("study").p.transform(holm), holm(judged.p)
    bars = judged.groupby("study").p.transform(holm_bars), holm_bars(judged.p)
    judged["seeds_study"], judged["seeds_all"] = (
        [_seeds_to_stand(row, bar) for row, bar in zip(judged.itertuples(), some, strict=True)] for some in bars
    )
    return judged


def _seeds_to_stand(row, bar: float) -> float:
    if row.verdict != "supported" or not row.p >= bar:
        return nan
    if getattr(row, "test", "") == "kendall":
        return inf  # its floor is one of cells
    return seeds_to_stand(row.p, row.p_floor, row.seeds, bar)


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
        return f"{tables.minutes(tables.read(path, ('metric', 'of', 'value'))):.0f}"
    except tables.DamagedError:  # what it says beside verdicts; whoever reads the table is told
        return "?"


def counted(n: int, what: str) -> str:
    """So many of something, which is one or several."""
    return f"{n} {what}{'s' * (n != 1)}"


def shown(judged: pd.DataFrame) -> Table:
    """A row a verdict; of `of_all`, with the study, and with p corrected within it and for all."""
    of_all = "p_holm" in judged
    table = Table(box=None, header_style="bold", pad_edge=not of_all)  # of all, it just fits a log
    if of_all:
        table.add_column("study", no_wrap=True)
    table.add_column("claim", overflow="fold", min_width=20)
    corrected = ["p (Holm,\nstudy)", "p (Holm,\nall)"] if of_all else []
    for name in ["test", "verdict", r"effect \[95 %]", "p (floor)", *corrected, "seeds"]:
        table.add_column(name, no_wrap=True)
    before = ""
    for row in judged.itertuples():
        effect = "\n".join(filter(None, [f"{row.effect:+.3f}", escape(_interval(row))]))
        p = _p(row.p) + (f"\n({row.p_floor:.0e})" if row.p_floor > 0 else "")  # t tests have no floor
        test = getattr(row, "test", "")
        cells = ["\n".join(_claim(row)), test if pd.notna(test) else "", "\n".join(_verdict(row)), effect, p]
        if of_all:
            cells = [fill(row.study, 12) if row.study != before else "", *cells]
            for p, seeds in ((row.p_holm_study, row.seeds_study), (row.p_holm, row.seeds_all)):
                cells.append("\n".join([_p(p), *_to_stand(row, seeds).split()]))
        table.add_row(*cells, str(row.seeds))
        before = row.study
    return table


def tell(console: Console, judged: pd.DataFrame) -> None:
    """Tell verdicts in a table, or, where the terminal is too narrow for it, a paragraph a claim; nothing is cut."""
    table = shown(judged)
    if Measurement.get(console, console.options.update(max_width=1000), table).minimum <= console.width:
        console.print(table)
        return
    before = ""
    for row in judged.itertuples():
        if "p_holm" in judged and row.study != before:
            console.print(f"[bold]{escape(row.study)}[/]")
        before = row.study
        told = [" ".join(_verdict(row)), f"effect {row.effect:+.3f} {escape(_interval(row))}".rstrip()]
        told += [f"p {_p(row.p)}" + (f" (floor {row.p_floor:.0e})" if row.p_floor > 0 else "")]
        if "p_holm" in judged:
            told += [f"p (Holm, study) {_p(row.p_holm_study)} {_to_stand(row, row.seeds_study)}".rstrip()]
            told += [f"p (Holm, all) {_p(row.p_holm)} {_to_stand(row, row.seeds_all)}".rstrip()]
        test = getattr(row, "test", "")
        told += [f"test {test}"] * bool(pd.notna(test) and test) + [counted(row.seeds, "seed")]
        claim = " ".join(_claim(row))
        console.print(Padding(claim, (0, 0, 0, 1)), Padding("; ".join(told), (0, 0, 0, 4)), highlight=False)


def _claim(row) -> list[str]:
    """A row's claim with its hash, and what `_beside` it has to be known."""
    claim = escape(row.claim) + (f" [dim]{row.hash}[/]" if pd.notna(getattr(row, "hash", None)) else "")
    return [claim, *(f"[yellow]{escape(each)}[/]" for each in _beside(row))]


def _beside(row) -> list[str]:
    """What is changed of the study, in a variation of it, and after how many runs a claim was stated; older tables have
    neither."""
    changed, after = getattr(row, "changed", ""), getattr(row, "stated_after", 0)
    told = [f"(with {changed})"] if changed and isinstance(changed, str) else []
    return told + ([f"(stated after {counted(round(after), 'run')})"] if after > 0 else [])


def _interval(row) -> str:
    """One seed has none."""
    return "" if pd.isna(row.low) else f"[{row.low:+.3f}, {row.high:+.3f}]"


def _p(p: float) -> str:
    return "–" if pd.isna(p) else f"{p:.1e}"


def _verdict(row) -> list[str]:
    """A row's verdict, and how many seeds would tell where it is undecided."""
    verdict = f"[{COLOURS[row.verdict]}]{row.verdict}[/]"
    if row.verdict != "undecided" or pd.isna(row.seeds_needed):
        return [verdict]
    return [verdict, f"({seeds_in_words(row.seeds_needed)}", "seeds would", "tell)"]


def seeds_in_words(needed: float) -> str:
    return f"over {MOST_SEEDS}" if isinf(needed) else f"about {needed:.0f}"


def _to_stand(row, seeds: float) -> str:
    """What would let a supported claim stand after a correction; nothing where it does."""
    if pd.isna(seeds):
        return ""
    if getattr(row, "test", "") == "kendall":
        return "(more cells)"
    return f"(over {MOST_SEEDS})" if isinf(seeds) else f"({seeds:.0f} seeds)"


def standing(judged: pd.DataFrame) -> str:
    """How many verdicts of `of_all` there are of each kind, and how many of the supported stand after correction."""
    count = judged.verdict.value_counts()
    said = ", ".join(f"{count.get(verdict, 0)} {verdict}" for verdict in COLOURS)
    supported = judged[judged.verdict == "supported"]
    within, among = (supported[name].lt(ALPHA).sum() for name in ("p_holm_study", "p_holm"))
    return (
        f"{counted(len(judged), 'claim')}: {said}. Of the {len(supported)} supported, {within} stand after Holm's correction "
        f"for all claims of their study, {among} after that for all that are shown"
    )


def summed_up(judged: pd.DataFrame) -> str:
    floor = "p cannot be below its floor (1/256 for two levels at 8 seeds), so more claims need more seeds."
    return f"{standing(judged)}; in brackets: how many seeds are needed. {floor}"


def without_arm(row) -> str:
    """A row's claim as its study states it."""
    return row.claim.removesuffix(f" ({row.arm})") if row.arm else row.claim


def for_a_paper(judged: pd.DataFrame, out: Path) -> list[list[str]]:
    """`of_all` as cells, heads first, a row a claim: its arms share the cells, and where they are many, only those that differ
    from most are named. With the minutes of the studies' runs, whose tables are in `out`.

    Raises InputError for verdicts that were written before claims had hashes.
    """
    for study, arms in judged.groupby("study", sort=False):
        if "hash" not in arms or arms.hash.isna().any():
            raise InputError(f"the verdicts of {study} do not tell their claims apart; `synthgap show {study}` does")
    minutes = {study: _minutes(out / study / tables.FILE) for study in judged.study.unique()}
    heads = ["Claim", "study and source", "verdict, effect [95 %]", "p (floor)", "p (Holm, study)", "p (Holm, all)"]
    heads += ["seeds", "minutes"]
    rows = [heads]
    for (study, _), arms in judged.groupby(["study", "hash"], sort=False):
        first = arms.iloc[0]
        claim = " ".join([without_arm(first), *_beside(first)])
        seeds = " to ".join(dict.fromkeys(str(n) for n in (arms.seeds.min(), arms.seeds.max())))
        floor = f" ({first.p_floor:.0e})" if first.p_floor > 0 else ""
        p, *corrected = (from_to(arms[name].dropna(), ".0e") for name in ("p", "p_holm_study", "p_holm"))
        corrected = [
            f"{text} {_to_stand(first, arms[name].max())}".strip()
            for text, name in zip(corrected, ("seeds_study", "seeds_all"), strict=True)
        ]
        told = _arms(arms) if len(arms) > FEW else "\n".join(map(_arm, arms.itertuples()))
        cells = [claim, f"{study}\n{first.source}", told, p + floor, *corrected, seeds, minutes[study]]
        rows.append(cells)
    return rows


def markdown(judged: pd.DataFrame, out: Path) -> str:
    """`for_a_paper` as a Markdown table."""
    heads, *rows = ([cell.replace("\n", "<br>") for cell in row] for row in for_a_paper(judged, out))
    return grid(heads, rows)


def grid(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(row)} |" for row in (heads, ["---"] * len(heads), *rows))


def latex(judged: pd.DataFrame, out: Path) -> str:
    """`for_a_paper` as a LaTeX table that goes on over pages (longtable, booktabs, array)."""
    heads, *rows = ([_in_latex(cell) for cell in row] for row in for_a_paper(judged, out))
    columns = r">{\raggedright}p{.26\linewidth}>{\raggedright}p{.16\linewidth}>{\raggedright}p{.22\linewidth}lllll"
    body = [" & ".join(row) + r" \\" for row in rows]
    begin = [rf"\begin{{longtable}}{{{columns}}}", r"\toprule", " & ".join(heads) + r" \\", r"\midrule", r"\endhead"]
    return "\n".join([*begin, *body, r"\bottomrule", r"\end{longtable}"])


def _in_latex(cell: str) -> str:
    for character, written in LATEX.items():
        cell = cell.replace(character, written)
    return re.sub(r"\*\*(.+?)\*\*", r"\\textbf{\1}", cell)


def _arm(row) -> str:
    named = f"{row.arm}: " if row.arm else ""
    return f"{named}**{row.verdict}** {row.effect:+.3f} {_interval(row)}".rstrip()


def _arms(arms: pd.DataFrame) -> str:
    most = arms[arms.verdict == arms.verdict.mode()[0]]
    effects = from_to(most.effect, "+.3f")
    rest = [_arm(row) for row in arms[~arms.index.isin(most.index)].itertuples()]
    return "\n".join([f"**{most.verdict.iloc[0]}** in {len(most)} of {len(arms)} arms, {effects}", *rest])


def from_to(values: pd.Series, form: str) -> str:
    """What the values are, or from what to what they go."""
    ends = [f"{x:{form}}" for x in (values.min(), values.max())] if len(values) else ["–"]
    return " to ".join(dict.fromkeys(ends))
