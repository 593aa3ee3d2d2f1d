"""From results to the text of their pages."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from urllib.parse import quote

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from data_gen import InputError
from synthgap import conclusion, options, panels
from synthgap.catalogue import REQUIRED
from synthgap.judging import overview
from synthgap.metric_names import METRICS
from synthgap.pages import samples
from synthgap.pages.result import Result
from synthgap.pages.sentences import sentence
from synthgap.runs.plan import swept_value
from synthgap.study import as_text
from synthgap.tables import minutes
from synthgap.variables import runs_of

#: of a source, the paper: up to its year, and a name in brackets; what follows says where in it
_PAPER = re.compile(r"[^;]*?\b\d{4}\b( \([^)]*\))?|[^;]*")


class Link(NamedTuple):
    text: str
    href: str


@dataclass(frozen=True)
class Table:
    """caption: what it is of. rows: cells, each a text, a number or a `Link`. chosen: heads of columns that can be filtered by
    their values."""

    id: str
    caption: str
    heads: Sequence[str]
    rows: Sequence[Sequence]
    chosen: Sequence[str] = ()


def of_study(result: Result, site: bool) -> str:
    """The page of a result. site: whether there is an index beside it."""
    figures, points, fallen = _figures(result)
    tables = [_verdicts("verdicts", "Verdicts", result.judged)] if len(result.judged) else []
    if len(points):
        points = points.replace("", pd.NA).dropna(axis="columns", how="all")
        chosen = [name for name in ("panel", "curve", "arm") if name in points and points[name].nunique() > 1]
        tables.append(_frame("levels", "What the figure shows, with 95 % intervals", points, chosen))
    if len(fallen):
        tables.append(_frame("thresholds", "Where a metric falls under a share of its best", fallen, []))
    seconds = result.table[result.table.metric == "seconds"].pivot_table("value", "run_id", "of")
    runs = runs_of(result.table).drop(columns=["metric", "of", "value"])
    runs = runs.join(seconds.get("", pd.Series(dtype=float)).rename("seconds")).reset_index(names="run")
    tables.append(_frame("runs", "Runs, and what was varied", runs, [c for c in runs if 1 < runs[c].nunique() <= 12]))
    told = {
        hash: [(row.arm, row.verdict, sentence(row, result.claims[hash])) for row in rows.itertuples()]
        for hash, rows in (result.judged.groupby("hash", sort=False) if len(result.judged) else ())
    }
    shown, why_not = _samples(result)
    return rendered(
        "study.html",
        r=result,
        site=site,
        told=told,
        count=_count(result.judged),
        metrics={name: METRICS[name].meaning for name in _metrics(result) if name in METRICS},
        figures=figures,
        tables=tables,
        config=_config(result),
        samples=shown,
        why_not=why_not,
        seconds=seconds.sum().to_dict(),
        seeds=sorted(result.table.seed.unique().tolist()),
        versions=result.table.attrs.get("versions", {}),
    )


def of_all(results: Sequence[Result], judged: pd.DataFrame | None) -> str:
    """The index. judged: `overview.of_all` of the results that have verdicts."""
    rows = []
    for result in results:
        count = result.judged.verdict.value_counts() if len(result.judged) else {}
        told = [_link(result), result.study.question, paper(result.study.source), result.world]
        told += [int(count.get(verdict, 0)) for verdict in overview.COLOURS]
        rows.append([*told, result.table.run_id.nunique(), result.table.seed.nunique(), round(minutes(result.table))])
    heads = ["study", "question", "paper", "world", *overview.COLOURS, "runs", "seeds", "minutes"]
    tables = [Table("studies", "Studies", heads, rows, ["paper", "world"])]
    standing = "No claim is judged"
    if judged is not None:
        tables.append(_verdicts("verdicts", "Verdicts", judged, {result.name: result for result in results}))
        standing = overview.standing(judged)
    return rendered("index.html", tables=tables, standing=standing)


def paper(source: str) -> str:
    """The paper that a claim's source is, without the part of it."""
    return _PAPER.match(source)[0]


def _link(result: Result) -> Link:
    return Link(result.name, quote(f"{result.name}.html"))


def _count(judged: pd.DataFrame) -> str:
    if not len(judged):
        return "No claim of this study is judged by these runs."
    count = judged.verdict.value_counts()
    verdicts = ", ".join(f"{count.get(verdict, 0)} {verdict}" for verdict in overview.COLOURS)
    claims = overview.counted(judged.hash.nunique(), "claim")
    each = " (each arm of the comparison has its own)" if judged.hash.duplicated().any() else ""
    return f"{claims}, {overview.counted(len(judged), 'verdict')}{each}: {verdicts}."


def _metrics(result: Result) -> list[str]:
    """The metrics that claims are about, and those that are to explain them."""
    said = [
        v for claim in result.claims.values() for v in (claim.metric, claim.explained_by, *claim.given, claim.matched)
    ]
    names = [v.get("metric", "") if isinstance(v, Mapping) else as_text(v or "") for v in said]
    return list(dict.fromkeys(name for some in names for name in some.split(", ")))


def _verdicts(id: str, caption: str, judged: pd.DataFrame, results: Mapping[str, Result] | None = None) -> Table:
    """results: of an index, which tells them apart."""
    heads, rows = ["claim", "arm", "test", "verdict", "effect", "low", "high", "p", "p (Holm, study)", "seeds"], []
    for row in judged.itertuples():
        numbers = [row.effect, row.low, row.high, row.p, row.p_holm_study, row.seeds]
        cells = [overview.without_arm(row), row.arm, row.test, row.verdict, *numbers]
        if results:
            result = results[row.study]
            cells = [_link(result), *cells, row.p_holm, paper(row.source), result.world]
        rows.append(cells)
    if results:
        heads = ["study", *heads, "p (Holm, all)", "paper", "world"]
    return Table(id, caption, heads, rows, ["paper", "verdict", "world"] if results else ["verdict"])


def _frame(id: str, caption: str, frame: pd.DataFrame, chosen: Sequence[str]) -> Table:
    rows = frame.astype(object).where(frame.notna(), "").values.tolist()
    return Table(
        id, caption, [name.replace("_", " ") for name in frame], rows, [name.replace("_", " ") for name in chosen]
    )


def _figures(result: Result) -> tuple[list[tuple[str, str, str]], pd.DataFrame, pd.DataFrame]:
    """(name, title, SVG) of each figure; what the first shows; and thresholds."""
    study, table, made = result.study, result.table, result.made
    dots, title = panels.dots(table, study), conclusion.titled(study.figure.get("title", study.question), made)
    points, fallen = panels.levels(dots), panels.thresholds(table, study)
    found, drawn = conclusion.Conclusion(study, made, table, Path(), points=points), []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "figure.svg"
        if len(points):
            conclusion.draw_figure(found, dots, path)
            drawn.append(("figure", title, _inline(path.read_text(encoding="utf-8"), "figure")))
        if "diagram" in study.figure and len(paths := panels.paths(table, study)):
            conclusion.draw_paths(found, paths, path)
            title = study.figure["diagram"].get("title", title)
            drawn.append(("diagram", title, _inline(path.read_text(encoding="utf-8"), "diagram")))
    return drawn, points, fallen


def _inline(svg: str, name: str) -> str:
    """An SVG file's element, with ids that no other has, and nothing about who made it."""
    svg = re.sub(r"<metadata>.*?</metadata>\s*", "", svg[svg.index("<svg ") :], flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    return svg.replace("<svg ", f'<svg role="img" aria-labelledby="{name}-title" ', 1)


def _samples(result: Result) -> tuple[list[tuple[str, samples.Samples]], str]:
    """(of which runs, samples) where what is shown differs, and why there are none."""
    found: list[tuple[str, samples.Samples]] = []
    swept = [key for key in result.table if key in options.types() or key in options.GROUPS]
    try:
        for config in result.configs:
            shown = samples.samples(config)
            if all(shown != other for _, other in found):
                there = {key: swept_value(config, key) for key in swept if key != "seed"}
                found.append((", ".join(f"{key}={value}" for key, value in there.items() if value is not None), shown))
    except (InputError, OSError) as error:
        return [], f"{error}"
    return found, "" if found else "the configs of its runs are not known"


def _config(result: Result) -> Table | None:
    """Every option of the runs: its value, or values, the default, and where the value is from."""
    if not result.configs:
        return None
    config, rows = result.configs[0], []
    changed = {override.partition("=")[0] for override in result.differs.split("; ")}
    groups = {group: list(some) for group, some in options.GROUPS.items()}
    every = [
        (group, some[0], f"one of {', '.join(some)}", swept_value(config, group)) for group, some in groups.items()
    ]
    every += [(key, one.default, one.why, value) for key, one, value in options.declared_in(config)]
    for key, default, why, value in every:
        swept = key in result.table
        text = ", ".join(map(plain, dict.fromkeys(result.table[key].dropna()))) if swept else plain(value)
        same = str(default).startswith("${") or plain(default) == text
        how = "an override" if key in changed else "varied" if swept else "default" if same else "set by the study"
        rows.append([key, text, "the seed" if str(default).startswith("${") else plain(default), how, why])
    order = ("an override", "varied", "set by the study", "default")
    heads = ["option", "value", "default", "from", "meaning"]
    return Table("config", "Options", heads, sorted(rows, key=lambda row: order.index(row[3])), ["from"])


def plain(value) -> str:
    if value is None or value == REQUIRED:
        return "none" if value is None else "needed"
    return f"{value:g}" if isinstance(value, float) else f"{value}"


def _shown(value: float) -> str:
    if pd.isna(value):
        return "–"
    if not isinstance(value, float):
        return f"{value}"
    return f"{value:.1e}" if 0 < abs(value) < 1e-4 else f"{value:.4g}".replace("-", "−")


@cache
def _environment() -> Environment:
    """All that a template is given is escaped, but the figures."""
    folder = FileSystemLoader(Path(__file__).parent / "templates")
    made = Environment(loader=folder, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters |= {"shown": _shown}
    return made


def rendered(template: str, **known) -> str:
    return _environment().get_template(template).render(version=version("synthgap"), **known)
