"""The generated parts of the README files, made anew from the committed tables: `python -m synthgap.publish`.

A generated part stands between two comments that readers do not see. The first says what is generated:

    the gap falls to <!-- mean rmg image-text captions.attributes=5 form=.3f -->0.132<!-- / -->

It names one of `KINDS`, then its arguments, then in which rows of the table to look (column=value, or column=value|value).
`in=FOLDER` looks into another folder of figures/ than the README's own, or into several (in=A,B). A comment of that kind must
not begin a line of prose: Markdown would end the paragraph there.

A README's own folder of figures/ holds what its numbers come from, so this works in a checkout, not in an installed package.
"""

import ast
import re
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from data_gen import InputError
from data_gen.errors import unknown
from synthgap import catalogue, cli, conclusion, options, studies, tables, yaml_file
from synthgap.judging import overview
from synthgap.variables import of_runs

ROOT = Path(__file__).parents[1]
FIGURES = ROOT / "figures"
MARK = re.compile(r"<!-- (\w+)((?: [^\n]*?)?) -->((?:(?!<!--).)*?)<!-- / -->", re.S)
#: how a table tells what a quantity does
SIGNS = {"rises": "↑", "falls": "↓", "stays": "0", "open": "?"}
#: group of options → where its options are written down: a file each (or several in a file), or one file for all
HOMES = {
    "loss": "synthgap/losses",
    "posthoc": "synthgap/posthoc",
    "captions": "data_gen/captions.py",
    "digits": "data_gen/digits",
    "speech": "data_gen/speech",
}


def pages() -> list[Path]:
    """Every README of the checkout, and the page on what the gap is. Raises InputError where there is no checkout."""
    if not (FIGURES / "README.md").is_file():
        raise InputError(f"publish works in a checkout of synthgap: {FIGURES} has no README.md")
    beside = [ROOT / folder / "README.md" for folder in (".", "data_gen", "synthgap", "experiments", "figures")]
    return [*beside, FIGURES / "what-is-the-modality-gap.md", *sorted(FIGURES.glob("*/README.md"))]


def renewed(page: Path) -> str:
    """A page's text, with everything generated in it made anew. Raises InputError for a part that cannot be made."""

    def part(found: re.Match) -> str:
        kind, said = found[1], shlex.split(found[2])
        names = [word for word in said if "=" not in word]
        settings = dict(word.split("=", 1) for word in said if "=" in word)
        folders = [FIGURES / name for name in settings.pop("in").split(",")] if "in" in settings else [page.parent]
        try:
            if kind not in KINDS:
                raise unknown("generated part", kind, KINDS)
            text = KINDS[kind](folders, *names, **settings)
        except (InputError, OSError, TypeError) as error:  # a TypeError: too few arguments, or too many
            raise InputError(f"{page.relative_to(ROOT)}: {found[0].partition('-->')[0]}-->: {error}") from error
        return f"<!-- {kind}{found[2]} -->" + (f"\n{text}\n" if "\n" in text else text) + "<!-- / -->"

    return MARK.sub(part, page.read_text(encoding="utf-8"))


@cache
def _results(folder: Path) -> pd.DataFrame:
    return tables.read(folder / tables.FILE)


@cache
def _by_metric(folder: Path) -> dict[str, pd.DataFrame]:
    """The rows of each metric."""
    return dict(iter(_results(folder).groupby("metric", sort=False)))


@cache
def _judged(folder: Path) -> pd.DataFrame:
    """A study's verdicts, with p corrected within it."""
    return overview.of_all([folder.name], folder.parent)


def _rows(table: pd.DataFrame, where: Mapping[str, str]) -> pd.DataFrame:
    """The rows in which each column has the value, or one of the values a|b, that it should have."""
    for column, values in where.items():
        if column not in table:
            raise unknown("column", column, table.columns)
        text = table[column].astype(str)
        for value in values.split("|"):
            if value not in (known := text.unique()):
                raise unknown(f"value of {column}", value, known)
        table = table[text.isin(values.split("|"))]
    return table


def _shown(value: float, form: str) -> str:
    return f"{value:{form}}".replace("%", " %")


def _range(values: pd.Series, form: str) -> str:
    return overview.from_to(values, form).replace("%", " %")


def _effect(row, places: int = 3) -> str:
    interval = "" if pd.isna(row.low) else f" [{row.low:+.{places}f}, {row.high:+.{places}f}]"
    return f"{row.effect:+.{places}f}{interval}"


def _p(row) -> str:
    return f"{row.p:.0e}" + (f" ({row.p_floor:.0e})" if row.p_floor > 0 else "")  # t tests have no floor


def mean(folders: Sequence[Path], metric: str, of: str = "", form: str = ".2f", **where: str) -> str:
    """The mean over runs of a metric. of: what it is of; several (a,b), or all that there are (*), whose mean is taken."""
    known = _by_metric(folders[0])
    if metric not in known:
        raise unknown("metric", metric, known)
    table = _rows(known[metric], where)
    names = sorted(table["of"].unique()) if of == "*" else of.split(",")
    return _shown(of_runs(table, {"metric": metric, "of": names}).mean(), form)


def effect(folders: Sequence[Path], form: str = "", **where: str) -> str:
    """The effect of the one verdict that is meant, with its interval, or in a form of its own."""
    rows = _rows(_judged(folders[0]), where)
    if len(rows) != 1:
        raise InputError(f"{len(rows)} verdicts, not one: {', '.join(rows.hash + ' ' + rows.claim)}")
    (row,) = rows.itertuples()
    return _shown(row.effect, form) if form else _effect(row)


def count(folders: Sequence[Path], verdict: str = "", **where: str) -> str:
    """How many verdicts there are, or how many of them are supported, contradicted or undecided."""
    rows = pd.concat([_rows(_judged(folder), where) for folder in folders])
    return str(len(rows) if not verdict else (rows.verdict == verdict).sum())


def cell(folders: Sequence[Path], file: str, column: str, form: str = ".2f", **where: str) -> str:
    """What rows of a CSV have in a column: a number, or from what to what."""
    return _range(_rows(_csv(folders[0] / file), where)[column], form)


def _csv(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, keep_default_na=False, na_values=[""])


def csv(folders: Sequence[Path], file: str, **forms: str) -> str:
    """A CSV as a table, with a dash where it says nothing. forms: of columns that are numbers."""
    table = _csv(folders[0] / file)

    def told(column: str, x: Any) -> str:
        return "–" if pd.isna(x) else _shown(x, forms[column]) if column in forms else str(x)

    rows = [[told(column, x) for column, x in zip(table, row, strict=True)] for row in table.values]
    return overview.grid([column.replace("_", " ") for column in table], rows)


def pivot(
    folders: Sequence[Path], file: str, head: str, rows: str, columns: str, value: str, form: str = ".2f", **where: str
) -> str:
    """A CSV's values, a row and a column each value of two of its columns. rows: one column, or several (a,b)."""
    table = _rows(_csv(folders[0] / file), where)
    named = table[rows.split(",")].map(lambda x: f"{x:.3g}" if isinstance(x, float) else str(x))
    names = named.agg(", ".join, axis=1)
    across = list(dict.fromkeys(table[columns]))
    told = [
        [name, *(_range(part[part[columns] == c][value], form) for c in across)]
        for name, part in table.groupby(names, sort=False)
    ]
    return overview.grid([head, *map(str, across)], told)


def study(folders: Sequence[Path], name: str, **command: str) -> str:
    """The head of a study's page: question, source, pictures, verdicts, and the command that made them. command: its
    overrides."""
    (folder,), asked = folders, studies.load(name)
    title = asked.figure.get("title", asked.question)
    parts = [f"**{asked.question}** (Source: {asked.source}.)", f"![{title}]({name}.png)"]
    if (folder / f"{name}-paths.png").exists():
        parts.append(f"![{asked.figure['diagram']['title']}]({name}-paths.png)")
    judged, table = _judged(folder), _results(folder)
    heads = ["Claim", "arm", "test", "verdict", "effect [95 %]", "p (floor)", "p (Holm, study)", "seeds"]
    rows, before = [], ""
    for row in judged.itertuples():
        after = f", stated after {row.stated_after:.0f} runs" if getattr(row, "stated_after", 0) > 0 else ""
        told = "″" if row.hash == before else f"{overview.without_arm(row)} (`{row.hash}`{after})"
        before, p = row.hash, f"{row.p_holm_study:.0e}"
        rows.append([told, row.arm, row.test, f"**{row.verdict}**", _effect(row), _p(row), p, str(row.seeds)])
    parts.append(overview.grid(heads, rows))
    parts += list(_published(asked, table)) + list(_thresholds(folder))
    runs = f"{conclusion.count_of(table)}, {tables.minutes(table):.0f} minutes on one core:"
    run = " ".join(["synthgap run", name, *(f"{key}={value}" for key, value in command.items())])
    return "\n\n".join([*parts, f"{runs}\n\n```\n{run}\n```"])


def _published(asked: studies.Study, table: pd.DataFrame) -> Iterator[str]:
    """Means beside published numbers, where the study's figure has any: a row a case."""
    panels = [(panel, curve) for panel in asked.figure.get("panels", ()) for curve in panel["curves"]]
    shown = [(panel, curve) for panel, curve in panels if "published" in curve]
    if not shown:
        return
    rows = []
    for case, part in table.groupby(tables.CASE, sort=False):
        means = [f"{of_runs(part, curve).mean():.3f}" for _, curve in shown]
        known = [f" ({curve['published'][case]:.3f})" if case in curve["published"] else "" for _, curve in shown]
        rows.append([case, *map(str.__add__, means, known)])
    heads = [panel["title"] + (f": {curve['label']}" if "label" in curve else "") for panel, curve in shown]
    yield f"Means over the seeds, and in brackets what was published:\n\n{overview.grid(['', *heads], rows)}"


def _thresholds(folder: Path) -> Iterator[str]:
    """From where on a metric is under a share of its best, where the study's figure asks for it: a row an arm."""
    if not (folder / "thresholds.csv").exists():
        return
    found, rows = _csv(folder / "thresholds.csv"), []
    for arm, part in found.groupby("arm", sort=False):
        cells = [f"{c.x:.2f} [{c.low:.2f}, {c.high:.2f}]" for c in part.itertuples()]
        fell = [
            f"{n} of {seeds} seeds" if n else "never" for n, seeds in zip(part.seeds_falling, part.seeds, strict=True)
        ]
        whole = part.seeds_falling == part.seeds
        rows.append([arm, *(a if w else b for a, b, w in zip(cells, fell, whole, strict=True))])
    heads = [f"{c.metric} {c.of} under {c.share:g} of its best" for c in part.itertuples()]
    yield f"Where along {part.along.iloc[0]} a metric falls [95 %]:\n\n{overview.grid(['', *heads], rows)}"


def compare(folders: Sequence[Path], arm: str = "", **columns: str) -> str:
    """One arm's verdicts in several folders, a column each. columns: its head=the folder."""
    judged = [_rows(_judged(FIGURES / folder), {"arm": arm}) for folder in columns.values()]
    rows = []
    for cells in zip(*(part.itertuples() for part in judged), strict=True):
        claim, worst = overview.without_arm(cells[0]), max(cells, key=lambda row: row.p)
        rows.append([claim, *(f"**{row.verdict}** {_effect(row)}" for row in cells), _p(worst), str(cells[0].seeds)])
    return overview.grid(["Claim", *columns, "p (floor)", "seeds"], rows)


def rivals(folders: Sequence[Path], file: str) -> str:
    """What theories foretell beside what verdicts say was measured: a row a theory, a column an intervention.

    file: YAML of interventions {name: {study, claim, arm}} and theories {name: {intervention: rises, falls or stays}}. A study
    without a folder is not measured yet.
    """
    said = yaml_file.read(folders[0] / file)
    measured = {name: _measured(**asked) for name, asked in said["interventions"].items()}
    told = [f"{_effect(row, 2)} ({SIGNS[sign]})" if sign else "not measured" for row, sign in measured.values()]
    rows = [["*measured*", *told]]
    for theory, foretold in said["theories"].items():
        for name in foretold:
            if name not in measured:
                raise unknown("intervention", name, measured)
        cells = []
        for name, (_, sign) in measured.items():
            found = "" if sign in ("", "open") else " **yes**" if foretold.get(name) == sign else " **no**"
            cells.append(SIGNS[foretold[name]] + found if name in foretold else "")
        rows.append([theory, *cells])
    return overview.grid(["", *measured], rows)


def _measured(study: str, claim: str, arm: str = "") -> tuple[Any, str]:
    """A verdict's row, and what was measured: rises, falls, stays (within what the claim says does not matter) or open; nothing
    of a study that is not published."""
    if not (FIGURES / study).is_dir():
        return None, ""
    judged = _judged(FIGURES / study)
    rows = judged[(judged.arm == arm) & judged.claim.str.startswith(claim)]
    (matters,) = [one.matters for one in studies.load(study).claims if one.claim == claim]
    if len(rows) != 1:
        raise InputError(f"{study} has {len(rows)} verdicts on {claim!r} with the arm {arm!r}, not one")
    (row,) = rows.itertuples()
    if -matters < row.low and row.high < matters:
        return row, "stays"
    if abs(row.effect) < matters or row.low <= 0 <= row.high:
        return row, "open"
    return row, "rises" if row.effect > 0 else "falls"


def index(folders: Sequence[Path]) -> str:
    """The studies whose verdicts are in figures/, a row a folder."""
    rows = []
    for folder in sorted(path.parent for path in FIGURES.glob("*/verdicts.parquet")):
        judged, table = _judged(folder), _results(folder)
        found = judged.verdict.value_counts()
        told = [str(found.get(verdict, 0)) for verdict in overview.COLOURS]
        sizes = [str(table.run_id.nunique()), str(table.seed.nunique()), f"{tables.minutes(table):.0f}"]
        head = re.search(r"<!-- study (\S+)", (folder / "README.md").read_text(encoding="utf-8"))
        if not head:
            raise InputError(f"{folder / 'README.md'} has no part <!-- study NAME OVERRIDES -->")
        rows.append([f"[{folder.name}]({folder.name}/README.md)", studies.load(head[1]).question, *told, *sizes])
    return overview.grid(["Study", "question", *overview.COLOURS, "runs", "seeds", "minutes"], rows)


def every(folders: Sequence[Path]) -> str:
    """All verdicts, as `synthgap verdicts out=figures --markdown` prints them."""
    return overview.markdown(overview.of_all([], FIGURES), FIGURES)


def options_of(folders: Sequence[Path], group: str) -> str:
    """A group's options: what each does, what can be set, and the file. What it does is its docstring's first sentence."""
    if group not in options.GROUPS:
        raise unknown("group of options", group, options.GROUPS)
    rows = []
    for name in (name for name in options.GROUPS[group] if name != "none"):
        settings = [
            f"`{key}` ({_default(default)}): {why}"
            for key, (default, why) in options.keys({group: name}).items()
            if key.startswith(f"{group}.")
        ]
        path, says = _written_in(group, name)
        if group in catalogue.KINDS and (paper := catalogue.methods(group)[name].paper) not in says:
            says += f" ({paper})"
        file = f"[{path.name}](../{path.relative_to(ROOT)})" if path else ""
        rows.append([f"`{group}={name}`", says, "<br>".join(settings), file])
    heads = ["option", "what it does", "settings (default)", "file"]
    told = [i for i, column in enumerate(zip(*rows, strict=True)) if any(column)]
    return overview.grid([heads[i] for i in told], [[row[i] for i in told] for row in rows])


def encoders(folders: Sequence[Path]) -> str:
    """The encoders: what each is, the kinds of input that it reads, what can be set, and the file."""
    every, rows = catalogue.encoder_options(), []
    for name, method in catalogue.methods("encoder").items():
        names = [key for key in every if key in method.options or key in method.needs]
        settings = [f"`encoder.{key}` ({every[key].default}): {every[key].why}" for key in names]
        says = _says(method.path, method.function)
        file = f"[{method.path.name}](../{method.path.relative_to(ROOT)})"
        rows.append([f"`{name}`", says, ", ".join(method.reads), "<br>".join(settings), file])
    return overview.grid(["encoder", "what it is", "reads", "settings (default)", "file"], rows)


def _default(value) -> str:
    return "none" if value is None else "needed" if value == "???" else str(value)


def _written_in(group: str, name: str) -> tuple[Path | None, str]:
    """The file that has an option's code, and the first sentence there about it: of the function, or else of the file."""
    home = ROOT / HOMES.get(group, "")
    if group not in HOMES:
        return None, ""
    for path in sorted(home.glob("*.py")) if home.is_dir() else [home]:
        if path.stem == name or _function(path, name):
            return path, _says(path, "" if path.stem == name else name)
    return None, ""


def _function(path: Path, name: str) -> ast.FunctionDef | None:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    return next((x for x in body if isinstance(x, ast.FunctionDef) and x.name == name), None)


def _says(path: Path, name: str) -> str:
    """The first sentence of a function's docstring, or of the file's."""
    text = ast.get_docstring(_function(path, name) or ast.parse(path.read_text(encoding="utf-8"))) or ""
    return re.split(r"\.(?:\s+(?![\d(])|$)", " ".join(text.split()))[0]  # not after "et al. 2025"


#: what can be generated
KINDS = {
    "mean": mean,
    "effect": effect,
    "count": count,
    "cell": cell,
    "csv": csv,
    "pivot": pivot,
    "study": study,
    "compare": compare,
    "rivals": rivals,
    "index": index,
    "every": every,
    "options": options_of,
    "encoders": encoders,
}


def main() -> int:
    """Write every README anew whose generated parts differ from the tables."""
    for page in pages():
        text = renewed(page)
        if text != page.read_text(encoding="utf-8"):
            page.write_text(text, encoding="utf-8")
            print(page.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(cli.guarded(main))
