"""What a sweep came to: table, verdicts and figure on disk, and the same told on the terminal."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_gen import InputError, files
from data_gen.errors import unknown
from synthgap import judging, metric_names, options, panels, runs, studies, tables, variables
from synthgap.judging import claims, overview
from synthgap.judging.overview import counted
from synthgap.panels import kind_of, x_of
from synthgap.panels.diagram import draw as draw_diagram
from synthgap.panels.style import FORMATS
from synthgap.runs import Plan, variations
from synthgap.runs.variations import Made
from synthgap.studies import Claim, Study, told


@dataclass(frozen=True)
class Figures:
    """How figures are asked for: in which formats, and the title of a panel that is also to be drawn alone."""

    formats: tuple[str, ...] = FORMATS[:1]
    panel: str = ""


ONE_PNG = Figures()

UNFINISHED = 10  # runs of those missing that are named, if none failed
WIDTH = 118  # of a log without a terminal, where rich would wrap at 80


def conclude(plan: Plan, did: int, redraw: bool = False, figures: Figures = ONE_PNG) -> int:
    """Write and tell the table, the verdicts and the figure of what is done; returns 1 if a run is missing, else 0.

    They go to where `variations.place` says. A table there that has finished runs which this one lacks stays as it is.
    """
    console, failed = terminal(), runs.failures(plan)
    done = sum(plan.done(task) for task in plan.tasks)
    if not done:
        _tell_missing(console, plan, failed)
        return 1
    made = variations.of(plan)
    if made.changed:
        claims.stated_after(plan.study, plan.folder)  # of the study as written: they were stated no later
    table = variations.marked(runs.collect(plan), made)
    moved = None
    if not files.forbidden(plan.folder):
        moved = variations.make_room(plan, [path.name for path in _places(plan.study, plan.folder).values()])
    folder = variations.place(plan)
    kept = folder / tables.FILE
    cut = done < len(plan.tasks) and not variations.runs_in(folder) <= set(table.run_id)
    with _writing(plan.study, folder) as writes:
        same = cut or _same(kept, table)
        places = _conclude(table, plan.study, folder, made, redraw or not same, writes and not cut, figures)
        if writes and not same:
            tables.write(table, kept)  # last: while it differs from the runs, the others are known to be stale
    seconds = table[table.metric == "seconds"].groupby("of").value.mean()
    parts = ", ".join(f"{part} {seconds[part]:.1f} s" for part in ("data", "training", "evaluation"))
    console.print(f"one run takes {seconds['']:.1f} s on one core: {parts}")
    if redraw:
        what = f"{counted(done, 'run')}, redrawn"
    elif did:
        what = f"finished {counted(did, 'new run')}; {len(plan.tasks)} in all"
    else:
        what = f"{counted(done, 'run')} finished before; nothing new to run"
    if done == len(plan.tasks):
        console.print(what)
    _tell_undefined(console, table)
    if moved:
        _say(f"the result of a variation that was in {plan.folder} is now in {moved}")
    if folder != plan.folder:
        _say(f"{plan.folder} holds another result, which stays as it is: this one goes to {folder}")
    if cut:
        _say(f"{kept} has runs that are not done here, and stays as it is: nothing is written")
    else:
        _tell_places({"table": kept} | places)
    _tell_missing(console, plan, failed)
    return 0 if done == len(plan.tasks) else 1


def conclude_table(study: Study, path: Path, folder: Path, figures: Figures = ONE_PNG) -> int:
    """Write into `folder` and tell the verdicts and the figure of a study on the table in `path`, its own or another's,
    whatever became of the runs; returns 0. Raises InputError."""
    table = tables.read(path)
    if study.table and (folder / tables.FILE).exists():
        raise InputError(
            f"{folder} holds a sweep, whose verdicts would be overwritten; call the YAML file something else"
        )
    with _writing(study, folder) as writes:
        if runs.running(folder):
            terminal().print("a sweep is running in this folder; what follows is the last table that was written")
        made = variations.made_with(table) or Made()
        places = _conclude(table, study, folder, made, redraw=True, writes=writes, figures=figures)
    terminal().print(f"{_counted(table)}, read from an existing table; nothing was trained")
    _tell_places({"table": path} | places)
    return 0


@contextmanager
def _writing(study: Study, folder: Path) -> Iterator[bool]:
    """Holds the lock of what a study comes to, and sweeps up what killed commands left of it; yields whether any of it can be
    written, and tells if not."""
    if why := files.forbidden(folder):
        line = f"nothing is written: {folder} may not be written by you ({why})"
        terminal().print(line, soft_wrap=True, markup=False)
        yield False
        return
    with files.locked(folder / ".locks" / "conclude"):
        for name in ("probe", *(Path(path).stem for path in (tables.FILE, *_places(study, folder).values()))):
            files.sweep_up(folder, name)
        yield True


def _conclude(
    table: pd.DataFrame, study: Study, folder: Path, made: Made, redraw: bool, writes: bool, figures: Figures
) -> dict[str, Path]:
    """Judge a table, draw it, write both where they are missing or to be redrawn, if you may write, and tell the verdicts;
    returns what lies where."""
    console, places = terminal(), _places(study, folder, figures)
    judged, dots = judging.verdicts(table, study), panels.dots(table, study)
    stated = claims.stated_after(study, folder, table.run_id.nunique(), made.changed)
    judged["hash"] = [claims.hash_of(known, made.changed) for known in judged.hash]
    judged["changed"] = made.text
    if len(judged):
        judged["stated_after"] = judged.hash.map(stated).astype(float)  # nan: nobody knows
    points, fallen = panels.levels(dots), panels.thresholds(table, study)
    same = _same(places["verdicts"], judged)
    if same and not redraw and not _same(places["curves"], points):
        console.print(f"{places['curves']} is not what the runs give; it is made anew", soft_wrap=True, markup=False)
        same = False
    if writes and (redraw or not same or not all(path.exists() for path in places.values())):
        tables.write(judged, places["verdicts"])
        tables.write(points, places["curves"])
        if "thresholds" in places:
            tables.write(fallen, places["thresholds"])
        if len(points):
            from synthgap.panels import drawing  # matplotlib takes a second

            spec = study.figure | {"title": _titled(study.figure.get("title", ""), made)}
            alone = [panel for panel in study.figure["panels"] if panel["title"] == figures.panel]
            for what, path in places.items():
                if what.startswith(("figure", "panel")):
                    shown = spec | {"panels": alone} if what.startswith("panel") else spec
                    drawing.draw(points, dots, shown, path, _footer(table, study, made))
        if "diagram" in places:
            paths, spec = panels.paths(table, study), study.figure["diagram"]
            tables.write(paths, places["paths"])
            counts = "; ".join([_counted(table), *_with(made)])
            footer = f"standardised coefficients on ranks, {counts}; blue rises, orange falls, pale: interval holds 0"
            title = _titled(spec.get("title", study.question), made)
            if len(paths):
                for path in (path for what, path in places.items() if what.startswith("diagram")):
                    draw_diagram(paths, spec["tiers"], path, title, footer)

    for shown in _levels_tables(study, points, made, console.width):
        console.print(shown)
    if judged.size:
        overview.tell(console, judged)
    for row in fallen.itertuples():
        console.print(_threshold(row), highlight=False, markup=False)
    for claim in study.claims:
        if why := judging.unjudged(table, study, claim):
            console.print(f"not judged, as {why}: {claim.claim}", highlight=False, markup=False)
    return places


def _tell_undefined(console: Console, table: pd.DataFrame) -> None:
    """Tell which metrics the samples left undefined, a line a reason."""
    lines: dict[tuple[str, int], list[str]] = {}
    for name, reason in variables.undefined(table).items():
        lines.setdefault(reason, []).append(name)
    for (why, runs_of), names in lines.items():
        line = f"undefined in {runs_of} of {table.run_id.nunique()} runs, and nan{why}: {', '.join(names)}"
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _titled(title: str, made: Made) -> str:
    """A title that says what is changed of the study."""
    return "\n".join(filter(None, [title, *(fill(line, 100) for line in _with(made))]))


def _with(made: Made) -> list[str]:
    return [f"with {made.text}"] if made.text else []


def _say(line: str) -> None:
    terminal().print(line, soft_wrap=True, highlight=False, markup=False)


def _tell_places(places: dict[str, Path]) -> None:
    for what, path in places.items():
        if path.exists():
            terminal().print(f"{what:11}{path}", soft_wrap=True)


def _places(study: Study, folder: Path, figures: Figures = ONE_PNG) -> dict[str, Path]:
    """What is written of a study beside its table, and where: figures in the formats that are asked for, and in those that are
    there, as they would be stale else."""
    spec, name, drawn = study.figure, study.name, {}
    stems = {"figure": name} | ({"diagram": f"{name}-paths"} if "diagram" in spec else {})
    if figures.panel:
        titles = [panel["title"] for panel in spec.get("panels", ())]
        if figures.panel not in titles:
            raise unknown(f"panel of {name} in figure.panel", figures.panel, titles)
        stems["panel"] = f"{name}-{re.sub(r'[^a-z0-9]+', '-', figures.panel.lower()).strip('-')}"
    for what, stem in stems.items():
        there = [kind for kind in FORMATS if (folder / f"{stem}.{kind}").exists()]
        for i, kind in enumerate(dict.fromkeys([*figures.formats, *there])):
            drawn[f"{what} {kind}" if i else what] = f"{stem}.{kind}"
    files = drawn | {"curves": "levels.csv", "verdicts": "verdicts.parquet"}
    files |= {"thresholds": "thresholds.csv"} if "thresholds" in spec else {}
    files |= {"paths": "paths.csv"} if "diagram" in spec else {}
    return {what: folder / file for what, file in files.items()}


def forewarn(plan: Plan) -> None:
    """Tell, before a sweep, which claims its seeds are too few to support, and how many are needed."""
    sweep = [task.swept | {"seed": task.config["seed"]} for task in plan.tasks]
    short = [
        f"{claim.claim} ({counted(has, 'seed')}, {needed} are needed)"
        for claim in plan.study.claims
        if 0 < (has := studies.seeds(claim, sweep)) < (needed := judging.seeds_needed(claim))
    ]
    if short:
        of = counted(len(plan.study.claims), "claim")
        _say(f"too few seeds to support {len(short)} of {of}: {'; '.join(short)}")


def metrics() -> None:
    """Tell every metric that a run writes, and what it may be of."""
    console, shown = terminal(), Table(box=None, header_style="bold")
    for name in ("metric", "of", "meaning"):
        shown.add_column(name, no_wrap=name == "metric")
    for name, metric in metric_names.METRICS.items():
        undefined = f"; undefined where {metric.undefined}" if metric.undefined else ""
        paper = f" ({metric.paper})" if metric.paper else ""
        shown.add_row(name, metric.of or "—", metric.meaning + undefined + paper)
    console.print(shown, highlight=False)
    kinds = Table(box=None, header_style="bold")
    for name in ("of", "is"):
        kinds.add_column(name, no_wrap=name == "of")
    for kind, meaning in metric_names.KINDS.items():
        kinds.add_row(kind or "—", meaning)
    console.print("", kinds, highlight=False)


def _threshold(row) -> str:
    where = f"{row.metric} {row.of}".strip() + (f" ({row.arm})" if row.arm else "")
    if not row.seeds_falling:
        return f"{where}: never under {row.share:.0%} of its best, in {counted(row.seeds, 'seed')}"
    at = f"{row.x:.3f}" + (f" [{row.low:.3f}, {row.high:.3f}]" if row.seeds_falling > 1 else "")
    falling = f"{row.seeds_falling} of {counted(row.seeds, 'seed')}"
    return f"{where}: under {row.share:.0%} of its best at {row.along} {at}, {falling}"


def introduce(study: Study, out: Path) -> None:
    """Tell a study's question, its claims and how many of its runs are on disk."""
    console = terminal()
    console.print(f"[bold]{study.name}[/]  {study.question}  [dim]({study.source})[/]")
    for claim in study.claims:
        console.print(f"  claim: {escape(claim.claim)} [dim]({escape(_tested(claim))})[/]")
    for preset in study.presets:
        asked, new = [f"preset={preset}", options.written("out", str(out))], not (out / study.name).exists()
        try:
            plan = runs.plan(study, asked, most=1 if new else None)  # where nothing is, one tells whether it can be run
        except InputError as error:  # an extra that is not installed, say: no reason to hide the other studies
            console.print(f"  preset={preset}: cannot be run here: {error}", soft_wrap=True, markup=False)
            continue
        done = sum(plan.done(task) for task in plan.tasks)
        wanted = len(studies.expand(study, asked)[1]) if new else len(plan.tasks)
        console.print(f"  preset={preset}: {done} of {wanted} runs done in {plan.folder}", soft_wrap=True)


def _tested(claim: Claim) -> str:
    return f"{_compared(claim)}; test: {Path(claim.test).name}, {claim.seeds} seeds or more"


def _compared(claim: Claim) -> str:
    what = told({"metric": claim.metric, "of": claim.of})
    where = "".join(f", {key}={value}" for key, value in claim.where.items())
    if not claim.explained_by:
        return f"{what} {claim.direction} over {claim.over} = {' → '.join(map(str, claim.levels))}{where}"
    text = f"{what} {claim.direction} with {told(claim.explained_by)}"
    if claim.held:
        return f"{text}, {', '.join(claim.held)} held{where}"
    if claim.matched:
        return f"{text}, among pairs alike in {told(claim.matched)} within {claim.matched['within']}{where}"
    return text + (f", given {', '.join(map(told, claim.given))}" if claim.given else "") + where


def _levels_tables(study: Study, points: pd.DataFrame, made: Made, width: int) -> Iterator[Table]:
    """The panels that share their x with the first of them, of levels or of cases, in as many tables as a terminal's width asks
    for; clouds and paths are for looking."""
    panels = [p for p in study.figure.get("panels", ()) if p.get("kind", "levels") in ("levels", "cases")]
    panels = [p for p in panels if p["title"] in set(points.panel)]
    if not panels:
        return
    x = x_of(panels[0], study.figure)
    metric = {p["title"]: p["curves"][0]["metric"] for p in panels if x_of(p, study.figure) == x}
    points = points[points.panel.isin(metric)]
    name, title = x.get("metric", x.get("over")), escape(_titled(study.question, made))
    name = "bits left out" if name == "imbalance_bits" else name
    curves = list(dict.fromkeys(zip(points.panel, points.curve, strict=True)))
    heads = {curve: fill(f"{metric[curve[0]]} {curve[1]}".strip(), 14, break_long_words=False) for curve in curves}
    first = max(len(text) for text in (name, *points.label, *points.arm))
    while curves:
        taken, left = 1, width - first - 4 - max(map(len, heads[curves[0]].splitlines()))
        while taken < len(curves) and (left := left - 2 - max(map(len, heads[curves[taken]].splitlines()))) >= 0:
            taken += 1
        shown = Table(box=None, title_justify="left", title=title, header_style="bold")
        shown.add_column(name, justify="right")
        for curve in curves[:taken]:
            shown.add_column(heads[curve], justify="right", no_wrap=True)
        for arm, part in points.groupby("arm", sort=False):
            if arm:
                shown.add_row(f"[dim]{arm}[/]")
            values = part.set_index(["x", "panel", "curve"])["mean"].to_dict()
            names = dict(zip(part.x, part.label, strict=True))
            for level in sorted(names):
                cells = (values.get((level, *curve), float("nan")) for curve in curves[:taken])
                shown.add_row(names[level] or f"{level:.2f}", *(f"{cell:.3f}" for cell in cells))
        yield shown
        curves, title = curves[taken:], ""


def all_verdicts(names: Sequence[str], out: Path, form: str = "") -> None:
    """Tell the verdicts of the studies named, or of every one under `out`, in one table: with p corrected for them all.

    form: markdown or latex, for a paper; empty, for the terminal.
    """
    judged = overview.of_all(names, out)
    if form:
        print({"markdown": overview.markdown, "latex": overview.latex}[form](judged, out))
        return
    console = terminal()
    overview.tell(console, judged)
    console.print(overview.summed_up(judged), highlight=False, markup=False)


def _tell_missing(console: Console, plan: Plan, failed: dict[str, dict]) -> None:
    missing = [task for task in plan.tasks if not plan.done(task)]
    if missing and runs.running(plan.folder):
        done = f"{len(plan.tasks) - len(missing)} of {len(plan.tasks)} runs done"
        console.print(f"a sweep is running in this folder: {done}", highlight=False)
        missing = [task for task in missing if task.run_id in failed]
    elif missing:
        console.print(
            f"[red]{len(missing)} of {len(plan.tasks)} runs are missing[/]; the same command tries them again"
        )
    for task in [task for task in missing if task.run_id in failed] or missing[:UNFINISHED]:
        reason = (
            failed[task.run_id]["reason"]
            if task.run_id in failed
            else "not finished: its worker died, or was never started"
        )
        where = ", ".join(f"{key}={value}" for key, value in task.swept.items())
        console.print(f"  {task.run_id} ({where}): {reason}", soft_wrap=True, highlight=False, markup=False)


def _footer(table: pd.DataFrame, study: Study, made: Made) -> str:
    kinds = [kind_of(panel) for panel in study.figure["panels"]]
    lines = ["lines: least squares through cells"] * any(panel.get("fits") for panel in study.figure["panels"])
    parts = "; ".join(filter(None, (kind.interval for kind in kinds))).split("; ")
    return "; ".join(filter(None, [f"{_counted(table)} (dots)", *_with(made), *dict.fromkeys(parts), *lines]))


def _counted(table: pd.DataFrame) -> str:
    return f"{counted(table.run_id.nunique(), 'run')}, {counted(table.seed.nunique(), 'seed')}"


def _same(path: Path, table: pd.DataFrame) -> bool:
    """Whether a file holds this table. Tells of a damaged one, which is made anew."""
    try:
        return path.exists() and tables.holds(path, table)
    except tables.DamagedError as error:
        terminal().print(f"{error}; it is made anew", soft_wrap=True, markup=False)
        return False


def terminal() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
