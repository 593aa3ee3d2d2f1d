"""What a sweep came to: table, verdicts and figure on disk, and the same told on the terminal."""

import os
from collections.abc import Mapping
from pathlib import Path

import pandas as pd
from rich.console import Console
from rich.table import Table

from data_gen import InputError
from synthgap import runs, studies, summary
from synthgap.runs import Plan
from synthgap.studies import Claim, Study

COLOURS = {"supported": "green", "contradicted": "red", "undecided": "yellow"}
WIDTH = 118  # of a log without a terminal, where rich would wrap at 80


def conclude(plan: Plan, did: int, redraw: bool = False) -> int:
    """Write and tell the table, the verdicts and the figure of what is done; returns 1 if a run is missing, else 0."""
    console, failed = _console(), runs.failures(plan)
    done = sum(plan.done(task) for task in plan.tasks)
    if not done:
        _tell_missing(console, plan, failed)
        return 1
    table = runs.collect(plan)
    judged, dots = summary.verdicts(table, plan.study), summary.dots(table, plan.study)
    points = summary.levels(dots)
    results, verdicts = (plan.folder / f"{name}.parquet" for name in ("results", "verdicts"))
    levels, figure = plan.folder / "levels.csv", plan.folder / f"{plan.study.name}.png"
    stale = redraw or not (verdicts.exists() and levels.exists() and figure.exists()) or not _same(results, table)
    if stale:
        _write(judged, verdicts)
        _write(points, levels)
        _write_more(plan, table)
        if len(points):
            from synthgap import figures  # matplotlib takes a second that a sweep with nothing to do need not wait for

            figures.draw(points, dots, plan.study.figure, figure, _footer(table))
        _write(table, results)  # last: while it differs from the runs, the others are known to be stale

    if points.size and (shown := _levels_table(plan.study, points)):
        console.print(shown)
    if judged.size:
        console.print(_verdicts_table(judged))
    for row in summary.thresholds(table, plan.study).itertuples():
        console.print(_threshold(row), highlight=False)
    for claim in plan.study.claims:
        if why := summary.unjudged(table, claim):
            console.print(f"not judged, as {why}: {claim.claim}", highlight=False)
    seconds = table[table.metric == "seconds"].groupby("of").value.mean()
    parts = ", ".join(f"{part} {seconds[part]:.1f} s" for part in ("data", "training", "evaluation"))
    console.print(f"one run takes {seconds['']:.1f} s on one core: {parts}")
    what = (
        f"{did} of {len(plan.tasks)} runs were missing and are done"
        if did
        else f"all {done} runs were done: nothing to do"
    )
    if done == len(plan.tasks):
        console.print(what if not redraw else f"{done} runs, redrawn")
    more = ("paths", plan.folder / f"{plan.study.name}-paths.png"), ("falls", plan.folder / "thresholds.csv")
    for what, path in (("figure", figure), *more, ("table", results), ("curves", levels), ("verdicts", verdicts)):
        if path.exists():
            console.print(f"{what:9}{path}", soft_wrap=True)
    _tell_missing(console, plan, failed)
    return 0 if done == len(plan.tasks) else 1


def _write_more(plan: Plan, table: pd.DataFrame) -> None:
    """What only some studies' figures ask for: thresholds, and a causal diagram with its coefficients."""
    spec = plan.study.figure
    if "thresholds" in spec:
        _write(summary.thresholds(table, plan.study), plan.folder / "thresholds.csv")
    if "diagram" in spec:
        from synthgap import figures

        paths = summary.paths(table, plan.study)
        _write(paths, plan.folder / "paths.csv")
        footer = f"path coefficients on ranks, {_footer(table)}; pale: the interval holds 0"
        place = plan.folder / f"{plan.study.name}-paths.png"
        figures.diagram(
            paths, spec["diagram"]["tiers"], place, spec["diagram"].get("title", plan.study.question), footer
        )


def _threshold(row) -> str:
    where = _variable({"metric": row.metric, "of": row.of}) + (f" ({row.arm})" if row.arm else "")
    if not row.seeds_falling:
        return f"{where}: never under {row.share:.0%} of its best"
    among = f"{row.seeds_falling} of {row.seeds} seeds"
    return f"{where}: under {row.share:.0%} of its best from {row.x:.2f} [{row.low:.2f}, {row.high:.2f}] on ({among})"


def introduce(study: Study, out: Path) -> None:
    """Tell a study's question, its claims and how many of its runs are on disk."""
    console = _console()
    console.print(f"[bold]{study.name}[/]  {study.question}  [dim]({study.source})[/]")
    for claim in study.claims:
        console.print(f"  claim: {claim.claim} [dim]({_tested(claim)})[/]")
    for preset in study.presets:
        try:
            plan = runs.plan(study, [f"preset={preset}", f"out={out}"])
        except InputError as error:  # an extra that is not installed, say: no reason to hide the other studies
            console.print(f"  preset={preset}: cannot be run here: {error}", soft_wrap=True, markup=False)
            continue
        done = sum(plan.done(task) for task in plan.tasks)
        console.print(f"  preset={preset}: {done} of {len(plan.tasks)} runs done in {plan.folder}", soft_wrap=True)


def _tested(claim: Claim) -> str:
    what = _variable({"metric": claim.metric, "of": claim.of})
    if not claim.explained_by:
        return f"{what} {claim.direction} over {claim.over} = {', '.join(map(str, claim.levels))}"
    beside = [_variable(v) for v in claim.given] or [_variable(claim.matched)] if claim.matched or claim.given else []
    how = "among pairs alike in" if claim.matched else "given"
    return f"{what} {claim.direction} with {_variable(claim.explained_by)}" + (
        f", {how} {', '.join(beside)}" if beside else ""
    )


def _variable(variable: str | Mapping) -> str:
    if isinstance(variable, str):
        return variable
    of = variable.get("of", "")
    return f"{variable['metric']} {of if isinstance(of, str) else ', '.join(of)}".strip()


def all_verdicts(out: Path) -> None:
    """Tell the verdicts of every study under `out` in one table."""
    found = [_read(path).assign(study=path.parent.name) for path in sorted(out.glob("*/verdicts.parquet"))]
    if not found:
        known = ", ".join(studies.available())
        raise InputError(f"no verdicts in {out} yet; `synthgap run STUDY` makes them (studies: {known})")
    _console().print(_verdicts_table(pd.concat(found, ignore_index=True), with_study=True))


def _levels_table(study: Study, points: pd.DataFrame) -> Table | None:
    """What panels of levels and of cases show; clouds of runs are for looking."""
    kinds = {panel["title"]: panel.get("kind", "levels") for panel in study.figure["panels"]}
    points = points[points.panel.map(kinds).isin(("levels", "cases"))]
    if points.empty:
        return None
    shown = Table(box=None, title_justify="left", title=study.question, header_style="bold")
    x = study.figure.get("x", {}).get("metric", "")
    named = "cases" in kinds.values()
    shown.add_column("" if named else "bits left out" if x == "imbalance_bits" else x, justify="right")
    curves = list(dict.fromkeys(zip(points.panel, points.curve, strict=True)))
    metric = {panel["title"]: panel["curves"][0]["metric"] for panel in study.figure["panels"]}
    for panel, curve in curves:
        shown.add_column(f"{metric[panel]} {curve}".strip(), justify="right", max_width=14, overflow="fold")
    for arm, part in points.groupby("arm", sort=False):
        if arm:
            shown.add_row(f"[dim]{arm}[/]")
        values = part.set_index(["x", "panel", "curve"])["mean"].to_dict()
        labels = dict(zip(part.x, part.label, strict=True))
        for level in sorted(set(part.x)):
            cells = (values.get((level, *curve), float("nan")) for curve in curves)
            shown.add_row(labels[level] or f"{level:.2f}", *(f"{cell:.3f}" for cell in cells))
    return shown


def _verdicts_table(judged: pd.DataFrame, with_study: bool = False) -> Table:
    shown = Table(box=None, header_style="bold")
    for name in (["study"] if with_study else []) + ["claim", "verdict", "effect [95 %]", "p (floor)", "seeds"]:
        shown.add_column(name, overflow="fold")
    for row in judged.itertuples():
        verdict = f"[{COLOURS[row.verdict]}]{row.verdict}[/]"
        if row.verdict == "undecided" and pd.notna(row.seeds_needed):
            verdict += f"\n(about {row.seeds_needed:.0f} seeds would tell)"
        effect = f"{row.effect:+.3f} [{row.low:+.3f}, {row.high:+.3f}]".replace("[", r"\[")
        cells = [row.claim, verdict, effect, f"{row.p:.1e} ({row.p_floor:.0e})", str(row.seeds)]
        shown.add_row(*([row.study] if with_study else []), *cells)
    return shown


def _tell_missing(console: Console, plan: Plan, failed: dict[str, dict]) -> None:
    missing = [task for task in plan.tasks if not plan.done(task)]
    if missing:
        console.print(
            f"[red]{len(missing)} of {len(plan.tasks)} runs are missing[/]; the same command tries them again"
        )
    for task in missing:
        reason = (
            failed[task.run_id]["reason"]
            if task.run_id in failed
            else "not finished: its worker died, or was never started"
        )
        where = ", ".join(f"{key}={value}" for key, value in task.swept.items())
        console.print(f"  {task.run_id} ({where}): {reason}", soft_wrap=True, highlight=False, markup=False)


def _footer(table: pd.DataFrame) -> str:
    return f"{table.run_id.nunique()} runs, {table.seed.nunique()} seeds (dots); bands: 95 % within-seed t intervals"


def _same(path: Path, table: pd.DataFrame) -> bool:
    try:
        return _read(path).equals(table)
    except InputError:
        return False


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged; `synthgap show {path.parent.name}` writes it anew") from error


def _write(table: pd.DataFrame, path: Path) -> None:
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    table.to_csv(beside, index=False) if path.suffix == ".csv" else table.to_parquet(beside)
    beside.replace(path)


def _console() -> Console:
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)
