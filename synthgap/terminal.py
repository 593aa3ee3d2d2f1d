"""What the terminal shows of studies: what they ask, and what they came to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import fill

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from data_gen import InputError
from synthgap import catalogue, judging, metric_names, options, runs, studies, variables
from synthgap.conclusion import Conclusion, count_of, titled
from synthgap.judging import overview
from synthgap.judging.overview import counted
from synthgap.packs import Packed
from synthgap.panels import x_of
from synthgap.progress import terminal
from synthgap.runs import Plan, Task, variations
from synthgap.runs.estimate import Estimate, size
from synthgap.runs.leftovers import Leftover
from synthgap.runs.variations import Made
from synthgap.studies import Claim, Study, told

UNFINISHED = 10  # runs of those missing that are named, if none failed


def tell(found: Conclusion | None, plan: Plan | None = None, did: int = 0, redraw: bool = False) -> int:
    """Tell what a plan, or a table, came to; 1 if a run is missing, else 0. did: how many of its runs are new."""
    if found is None:
        _tell_missing(terminal(), plan, runs.failures(plan))
        return 1
    console = terminal()
    _tell_result(console, found)
    missing = plan is not None and _tell_runs(console, found.table, plan, did, redraw)
    for line in found.notes:
        say(line)
    if plan is None:
        console.print(f"{count_of(found.table)}, read from an existing table; nothing was trained")
    _tell_places(found.places)
    if missing:
        _tell_missing(console, plan, runs.failures(plan))
    return int(missing)


def tell_students(students: pd.DataFrame, judged: Mapping[str, pd.DataFrame]) -> None:
    """Tell what each student brings to a pooled table, and what their own runs came to. judged: student → verdicts."""
    shown = Table(box=None, header_style="bold", title="What is pooled", title_justify="left")
    for name in ("student", "seeds", "runs", "new seeds", "same runs as", "verdicts alone"):
        shown.add_column(name, justify="right" if name in ("runs", "new seeds") else "left")
    for who, part in students.groupby("student", sort=False):
        count = judged[who].verdict.value_counts() if len(judged[who]) else {}
        alone = ", ".join(f"{count[verdict]} {verdict}" for verdict in overview.COLOURS if verdict in count)
        new, same = part[part.same_as == ""], [name for name in part.same_as.unique() if name]
        cells = [who, ", ".join(map(str, part.seed)), str(part.runs.sum()), str(len(new)), ", ".join(same), alone]
        shown.add_row(*map(escape, cells))
    terminal().print(shown, highlight=False)


def _tell_result(console: Console, found: Conclusion) -> None:
    """Levels, verdicts, thresholds, and which claims could not be judged."""
    study = found.study
    estimated = variables.estimated(found.table)
    for shown in _levels_tables(study, found.points, found.made, console.width, bool(estimated)):
        console.print(shown)
    if found.judged.size:
        overview.tell(console, found.judged)
    for row in found.fallen.itertuples():
        console.print(_threshold(row), highlight=False, markup=False)
    if estimated:
        error = found.table[found.table.metric == "bits_error"].value.max()
        say(
            f"bits and floors are estimates in {estimated} of {found.table.run_id.nunique()} runs, of captions as written: "
            f"what a log-linear model reads of their words; standard error up to {error:.2f} bits"
        )
    for claim in study.claims:
        if why := judging.unjudged(found.table, study, claim):
            console.print(f"not judged, as {why}: {claim.claim}", highlight=False, markup=False)


def _tell_runs(console: Console, table: pd.DataFrame, plan: Plan, did: int, redraw: bool) -> bool:
    """Tell how long runs take and how many are done; returns whether any is missing."""
    done = sum(plan.done(task) for task in plan.tasks)
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
    _tell_undefined(table)
    measured = [task.config for task in plan.tasks if task.config["metrics"]]
    searching = [c["posthoc"]["name"] for c in measured if catalogue.of_config(c, "posthoc").form == "search"]
    if searching:
        names = ", ".join(f"posthoc={name}" for name in dict.fromkeys(searching))
        say(f"metrics of your own are not measured in {counted(len(searching), 'run')}: {names} only searches")
    return done < len(plan.tasks)


def _tell_undefined(table: pd.DataFrame) -> None:
    """Tell which metrics the samples left undefined, a line a reason."""
    lines: dict[tuple[str, int], list[str]] = {}
    for name, reason in variables.undefined(table).items():
        lines.setdefault(reason, []).append(name)
    for (why, runs_of), names in lines.items():
        say(f"undefined in {runs_of} of {table.run_id.nunique()} runs, and nan{why}: {', '.join(names)}")


def say(line: str) -> None:
    """Print a line as it is, however long."""
    terminal().print(line, soft_wrap=True, highlight=False, markup=False)


def _tell_places(places: dict[str, Path]) -> None:
    for what, path in places.items():
        if path.exists():
            terminal().print(f"{what:10} {path}", soft_wrap=True)


def forewarn(plan: Plan) -> None:
    """Tell, before a sweep, which claims its seeds are too few to support, and which models are to be trained again."""
    sweep = [task.swept | {"seed": task.config["seed"]} for task in plan.tasks]
    short = [
        f"{claim.claim} ({counted(has, 'seed')}, {needed} are needed)"
        for claim in plan.study.claims
        if 0 < (has := studies.seeds(claim, sweep)) < (needed := judging.seeds_needed(claim))
    ]
    if short:
        of = counted(len(plan.study.claims), "claim")
        say(f"too few seeds to support {len(short)} of {of}: {'; '.join(short)}")
    if again := runs.to_train_again(plan):
        say(
            f"{counted(len(again), 'model')} that other runs take, and that keep=tables did not keep, to train again first"
        )


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


def list_studies(some: Sequence[Study], out: Path) -> None:
    """Tell of each study what it asks, how many claims it has, and how many runs of its first preset, and of any other that
    was begun, are on disk."""
    shown = Table(box=None, header_style="bold")
    shown.add_column("study", no_wrap=True)
    shown.add_column("question")
    shown.add_column("claims", justify="right")
    shown.add_column("runs done", no_wrap=True)
    for study in some:
        done = {}
        for preset in study.presets if (out / study.name).exists() else list(study.presets)[:1]:
            try:
                number, wanted, _ = _done(study, preset, out)
            except InputError:
                done[preset] = "cannot run here"  # `synthgap studies STUDY` says why
            else:
                if number or not done:
                    done[preset] = f"{number} of {wanted}"
        told = "\n".join(f"{preset} {text}" for preset, text in done.items())
        shown.add_row(study.name, escape(study.question), str(len(study.claims)), told)
    terminal().print(shown, highlight=False)
    say("`synthgap studies STUDY` tells its claims, and all its presets")


def introduce(study: Study, out: Path) -> None:
    """Tell a study's question, its claims and how many of its runs are on disk."""
    console = terminal()
    console.print(f"[bold]{study.name}[/]  {study.question}  [dim]({study.source})[/]")
    for claim in study.claims:
        console.print(f"  claim: {escape(claim.claim)} [dim]({escape(_tested(claim))})[/]")
    for preset in study.presets:
        try:
            done, wanted, folder = _done(study, preset, out)
        except InputError as error:  # an extra that is not installed, say: no reason to hide the other presets
            console.print(f"  preset={preset}: cannot be run here: {error}", soft_wrap=True, markup=False)
            continue
        console.print(f"  preset={preset}: {done} of {wanted} runs done in {folder}", soft_wrap=True)


def _done(study: Study, preset: str, out: Path) -> tuple[int, int, Path]:
    """How many runs of a preset are done, of how many, and where. Raises InputError if it cannot be run here."""
    asked, new = [f"preset={preset}", options.written("out", str(out))], not (out / study.name).exists()
    plan = runs.plan(study, asked, most=1 if new else None)  # where nothing is, one tells whether it can be run
    done = sum(plan.done(task) for task in plan.tasks)
    return done, len(studies.expand(study, asked)[1]) if new else len(plan.tasks), plan.folder


def _tested(claim: Claim) -> str:
    return f"{_compared(claim)}; test: {Path(claim.test).name}, {claim.seeds} seeds or more"


def _compared(claim: Claim) -> str:
    what = told({"metric": claim.metric, "of": claim.of})
    where = "".join(f", {key}={value}" for key, value in claim.where.items())
    if not claim.explained_by:
        if claim.change:
            what = f"the change of {what} over {_levels(claim.change['over'], claim.change['levels'])}"
        return f"{what} {claim.direction} over {_levels(claim.over, claim.levels)}{where}"
    text = f"{what} {claim.direction} with {told(claim.explained_by)}"
    if claim.held:
        return f"{text}, {', '.join(claim.held)} held{where}"
    if claim.matched:
        return f"{text}, among pairs alike in {told(claim.matched)} within {claim.matched['within']}{where}"
    return text + (f", given {', '.join(map(told, claim.given))}" if claim.given else "") + where


def _levels(over: str, levels: Iterable) -> str:
    return f"{over} = {' → '.join(map(str, levels))}"


def _levels_tables(study: Study, points: pd.DataFrame, made: Made, width: int, estimated: bool) -> Iterator[Table]:
    """The panels that share their x with the first of them, of levels or of cases, in as many tables as a terminal's width asks
    for; clouds and paths are for looking. estimated: whether bits are, in some run."""
    panels = [p for p in study.figure.get("panels", ()) if p.get("kind", "levels") in ("levels", "cases")]
    panels = [p for p in panels if p["title"] in set(points.panel)]
    if not panels:
        return
    x = x_of(panels[0], study.figure)
    metric = {p["title"]: p["curves"][0]["metric"] for p in panels if x_of(p, study.figure) == x}
    points = points[points.panel.isin(metric)]
    name, title = x.get("metric", x.get("over")), escape(titled(study.question, made))
    name = "bits left out" if name == "imbalance_bits" else name
    name += " (estimated)" if estimated and x.get("metric", "").endswith("_bits") else ""
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
    _tell_reasons([task for task in missing if task.run_id in failed] or missing[:UNFINISHED], failed)


def _tell_reasons(tasks: Sequence[Task], failed: dict[str, dict]) -> None:
    """Tell of each run why it is missing."""
    for task in tasks:
        reason = (
            failed[task.run_id]["reason"]
            if task.run_id in failed
            else "not finished: its worker died, or was never started"
        )
        where = ", ".join(f"{key}={value}" for key, value in task.swept.items())
        say(f"  {task.run_id} ({where}): {reason}")


def tell_plan(plan: Plan, workers: int) -> None:
    """Tell how many runs a plan has, how many are done, and what the others will take."""
    found = runs.estimate(plan)
    seeds = len({task.config["seed"] for task in plan.tasks})
    say(f"{counted(len(plan.tasks), 'run')} of {plan.study.name}, over {counted(seeds, 'seed')}: {found.done} done")
    more = len(found.left) - (len(plan.tasks) - found.done)
    if more:
        say(f"{counted(more, 'more run')} to train first, as others take their models")
    say(f"{counted(found.datasets, 'dataset')} to draw")
    say(_duration(found, workers))
    if found.left:
        say(f"disk: about {_bytes(found.bytes)} more")
    say(f"{'runs':11}{plan.folder}")
    say(f"{'result':11}{variations.place(plan)}")


def tell_status(plan: Plan, workers: int) -> None:
    """Tell which runs of a plan are done, running and failed, and what is left."""
    failed, held, at_work = runs.failures(plan), runs.held(plan), runs.workers_in(plan.folder)
    found, made = runs.estimate(plan), variations.of(plan)
    asked = "; ".join(filter(None, [f"preset={made.preset}", made.text]))
    say(f"{plan.study.name} ({asked}): {found.done} of {counted(len(plan.tasks), 'run')} done")
    say(f"{len(held)} running, by {counted(at_work, 'worker')}" if at_work else "nothing is running")
    if failed:
        say(f"{len(failed)} failed:")
        _tell_reasons([task for task in plan.tasks if task.run_id in failed], failed)
    say(_duration(found, at_work or workers))
    folders = [plan.folder, *plan.folder.parent.glob(f"{plan.study.name}+*")]
    say(
        f"disk: {_bytes(size(folders))} of runs and results, {_bytes(size([plan.datasets]))} of datasets of all studies"
    )
    _tell_places({"runs": plan.folder, "result": variations.place(plan)})


def tell_leftovers(found: Sequence[Leftover], out: Path) -> str:
    """List what can go, with sizes; returns the size of all."""
    if not found:
        say(f"nothing to delete in {out}: every run is in a table or belongs to the last sweep")
        return _bytes(0)
    sizes = [size([left.path]) for left in found]
    for left, number in zip(found, sizes, strict=True):
        say(f"{_bytes(number):>9}  {left.why:31}  {left.path}")
    total = _bytes(sum(sizes))
    say(f"{total:>9}  in all, in {out}")
    return total


def tell_packed(done: Packed, folder: Path) -> None:
    """What `synthgap pack` did."""
    if done.runs:
        parts, size = counted(len(done.parts), "file"), sum(part.stat().st_size for part in done.parts)
        before = f"{counted(done.files, 'file')}, {_bytes(done.bytes)}"
        say(f"packed {counted(done.runs, 'run')}: {parts}, {_bytes(size)}, in place of {before}")
    else:
        say(f"nothing to pack in {folder}")
    if done.with_model:
        say(f"{counted(done.with_model, 'run')} with a model: not packed (keep=tables keeps no models)")
    for part in done.parts:
        say(f"part       {part}")


def _duration(found: Estimate, workers: int) -> str:
    """How long what is left takes, and on what that rests."""
    if not found.left:
        return "nothing left to run"
    minutes = found.seconds / min(workers, len(found.left)) / 60
    rests = f"from {counted(found.timed, 'finished run')}" if found.timed else "an estimate from typical runs"
    time = f"{minutes:.0f} minutes" if minutes >= 2 else f"{60 * minutes:.0f} seconds"
    return f"{counted(len(found.left), 'run')} left: about {time} with {counted(workers, 'worker')} ({rests})"


def _bytes(number: int) -> str:
    for unit, one in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= one:
            return f"{number / one:.1f} {unit}"
    return f"{number} bytes"
