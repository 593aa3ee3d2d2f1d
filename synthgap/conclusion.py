"""What a sweep came to, on disk: table, verdicts, levels and figure, written where they are missing or stale."""

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import fill

import pandas as pd

from data_gen import InputError, files
from data_gen.errors import unknown
from synthgap import judging, metric_names, options, panels, runs, tables
from synthgap.judging import claims
from synthgap.judging.overview import counted
from synthgap.metric_names import METRICS, Metric
from synthgap.panels import kind_of, left_open
from synthgap.panels.diagram import draw as draw_diagram
from synthgap.panels.style import FORMATS
from synthgap.runs import Plan, variations
from synthgap.runs.variations import Made
from synthgap.studies import Study
from synthgap.variables import estimated


@dataclass(frozen=True)
class Figures:
    """How figures are asked for: in which formats, and the title of a panel that is also to be drawn alone."""

    formats: tuple[str, ...] = FORMATS[:1]
    panel: str = ""


ONE_PNG = Figures()


@dataclass
class Conclusion:
    """table: of the runs; judged: a verdict a row; points: what the figure shows; fallen: thresholds; places: what lies
    where; notes: lines that say what was not written, was damaged or was moved."""

    study: Study
    made: Made
    table: pd.DataFrame
    folder: Path
    judged: pd.DataFrame = field(default_factory=pd.DataFrame)
    points: pd.DataFrame = field(default_factory=pd.DataFrame)
    fallen: pd.DataFrame = field(default_factory=pd.DataFrame)
    places: dict[str, Path] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def of_plan(plan: Plan, redraw: bool = False, figures: Figures = ONE_PNG) -> Conclusion | None:
    """Write the table, the verdicts and the figure of what is done of a plan; None if nothing is.

    They go to where `variations.place` says. A table there that has finished runs which this one lacks stays as it is.
    """
    done = sum(plan.done(task) for task in plan.tasks)
    if not done:
        return None
    made = variations.of(plan)
    if made.changed:
        claims.stated_after(plan.study, plan.folder)  # of the study as written: they were stated no later
    table = variations.marked(runs.collect(plan), made)
    moved = None
    if not files.forbidden(plan.folder):
        moved = variations.make_room(plan, [path.name for path in places(plan.study, plan.folder).values()])
    folder = variations.place(plan)
    found, kept = Conclusion(plan.study, made, table, folder), folder / tables.FILE
    cut = done < len(plan.tasks) and not variations.runs_in(folder) <= set(table.run_id)
    with _writing(found) as writes:
        same = cut or _same(kept, table, found.notes)
        _conclude(found, redraw or not same, writes and not cut, figures)
        if writes and not same:
            tables.write(table, kept)  # last: while it differs from the runs, the others are known to be stale
    if moved:
        found.notes.append(f"the result of a variation that was in {plan.folder} is now in {moved}")
    if folder != plan.folder and not plan.name:
        found.notes.append(f"{plan.folder} holds another result, which stays as it is: this one goes to {folder}")
    if cut:
        found.notes.append(f"{kept} has runs that are not done here, and stays as it is: nothing is written")
        found.places = {}
    else:
        found.places = {"table": kept} | found.places
    passed_on = [name for task in plan.tasks[:1] for name in task.config["sinks"]]
    found.places |= {name: plan.folder.parent / name for name in passed_on}
    return found


def of_table(study: Study, path: Path, folder: Path, figures: Figures = ONE_PNG) -> Conclusion:
    """Write into `folder` the verdicts and the figure of a study on the table in `path`, its own or another's, whatever
    became of the runs. Raises InputError."""
    table = tables.read(path)
    if study.table and (folder / tables.FILE).exists():
        raise InputError(
            f"{folder} holds a sweep, whose verdicts would be overwritten; call the YAML file something else"
        )
    found = Conclusion(study, variations.made_with(table) or Made(), table, folder)
    with _writing(found) as writes:
        if runs.running(folder):
            found.notes.append("a sweep is running in this folder; what follows is the last table that was written")
        _conclude(found, redraw=True, writes=writes, figures=figures)
    found.places = {"table": path} | found.places
    return found


def places(study: Study, folder: Path, figures: Figures = ONE_PNG) -> dict[str, Path]:
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
    named = drawn | {"curves": "levels.csv", "verdicts": "verdicts.parquet"}
    named |= {"thresholds": "thresholds.csv"} if "thresholds" in spec else {}
    named |= {"paths": "paths.csv"} if "diagram" in spec else {}
    named |= {"ideal": left_open.FILE} if (folder / left_open.FILE).exists() else {}
    return {what: folder / file for what, file in named.items()}


def titled(title: str, made: Made) -> str:
    """A title that says what is changed of the study."""
    return "\n".join(filter(None, [title, *(fill(f"({line})", 100) for line in _with(made))]))


def count_of(table: pd.DataFrame) -> str:
    """How many runs and seeds a table has."""
    return f"{counted(table.run_id.nunique(), 'run')}, {counted(table.seed.nunique(), 'seed')}"


@contextmanager
def _writing(found: Conclusion) -> Iterator[bool]:
    """Holds the lock of what a study comes to, and sweeps up what killed commands left of it; yields whether any of it can be
    written, and notes if not."""
    folder = found.folder
    if why := files.forbidden(folder):
        found.notes.append(f"nothing is written: {folder} may not be written by you ({why})")
        yield False
        return
    with files.locked(folder / ".locks" / "conclude"):
        for name in ("probe", *(Path(path).stem for path in (tables.FILE, *places(found.study, folder).values()))):
            files.sweep_up(folder, name)
        yield True


def _conclude(found: Conclusion, redraw: bool, writes: bool, figures: Figures) -> None:
    """Judge a table; draw it and write both where they are missing or to be redrawn, if you may write."""
    study, table, folder, made = found.study, found.table, found.folder, found.made
    found.places = where = places(study, folder, figures)
    found.judged = judged = judging.verdicts(table, study)
    dots = panels.dots(table, study)
    home = claims.home(study, folder, made.changed)
    stated = claims.stated_after(study, home, table.run_id.nunique(), made.changed)
    judged["hash"] = [claims.hash_of(known, made.changed) for known in judged.hash]
    judged["changed"] = made.text
    if len(judged):
        judged["stated_after"] = judged.hash.map(stated).astype(float)  # nan: not recorded
    found.points, found.fallen = points, fallen = panels.levels(dots), panels.thresholds(table, study)
    same = _same(where["verdicts"], judged, found.notes)
    if same and not redraw and not _same(where["curves"], points, found.notes):
        found.notes.append(f"{where['curves']} is not what the runs give; it is made anew")
        same = False
    if not writes:
        return
    if same and not redraw and all(path.exists() and not _is_damaged(path, found.notes) for path in where.values()):
        return
    tables.write(judged, where["verdicts"])
    tables.write(points, where["curves"])
    if "thresholds" in where:
        tables.write(fallen, where["thresholds"])
    if len(points):
        for what, path in where.items():
            if what.startswith(("figure", "panel")):
                draw_figure(found, dots, path, figures.panel if what.startswith("panel") else "")
    if "diagram" in where:
        paths = panels.paths(table, study)
        tables.write(paths, where["paths"])
        if len(paths):
            for path in (path for what, path in where.items() if what.startswith("diagram")):
                draw_paths(found, paths, path)


def draw_figure(found: Conclusion, dots: pd.DataFrame, path: Path, panel: str = "") -> None:
    """Draw a study's figure into `path`, in the format of its ending. dots: `panels.dots`. panel: the title of one to draw
    alone."""
    from synthgap.panels import drawing  # matplotlib takes a second: not for a sweep with nothing to do

    study, made = found.study, found.made
    spec = study.figure | {"title": titled(study.figure.get("title", ""), made)}
    if panel:
        spec |= {"panels": [one for one in study.figure["panels"] if one["title"] == panel]}
    ideal = left_open.read(found.folder, found.table, study)
    drawing.draw(found.points, dots, spec, path, _footer(found.table, study, made), _known(study, made), ideal)


def draw_paths(found: Conclusion, paths: pd.DataFrame, path: Path) -> None:
    """Draw a study's diagram into `path`. paths: `panels.paths`."""
    spec, counts = found.study.figure["diagram"], "; ".join([count_of(found.table), *_with(found.made)])
    footer = f"standardised coefficients on ranks, {counts}; blue rises, orange falls, pale: interval holds 0"
    draw_diagram(paths, spec["tiers"], path, titled(spec.get("title", found.study.question), found.made), footer)


def _with(made: Made) -> list[str]:
    return [f"with {made.text}"] if made.text else []


def _known(study: Study, made: Made) -> dict[str, Metric]:
    """The declarations of all metrics, also of the user's files, if these are there still."""
    fixed = study.presets.get(made.preset, {}).get("set", {})
    with suppress(InputError):
        return METRICS | metric_names.own(options.files_of_metrics(made.roots) or fixed.get("metrics", []))
    return METRICS


def _footer(table: pd.DataFrame, study: Study, made: Made) -> str:
    kinds = [kind_of(panel) for panel in study.figure["panels"]]
    lines = ["lines: least squares through cells"] * any(panel.get("fits") for panel in study.figure["panels"])
    parts = "; ".join(filter(None, (kind.interval for kind in kinds))).split("; ")
    lines += ["bits and floors of captions as written are estimates"] * bool(estimated(table))
    return "; ".join(filter(None, [f"{count_of(table)} (dots)", *_with(made), *dict.fromkeys(parts), *lines]))


def _is_damaged(path: Path, notes: list[str]) -> bool:
    """Whether a picture's own checksums, which a PNG has, do not agree with it. Notes it."""
    if path.suffix != ".png":
        return False
    from PIL import Image  # which a sweep with a new figure does without

    try:
        with Image.open(path) as picture:
            picture.verify()
        return False
    except (OSError, SyntaxError, ValueError) as error:  # Pillow's, of a broken PNG
        notes.append(f"{path} is damaged ({error}); it is drawn anew")
        return True


def _same(path: Path, table: pd.DataFrame, notes: list[str]) -> bool:
    """Whether a file holds this table. Notes a damaged one, which is made anew."""
    try:
        return path.exists() and tables.holds(path, table)
    except tables.DamagedError as error:
        notes.append(f"{error}; it is made anew")
        return False
