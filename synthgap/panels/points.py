"""What a figure's panels show: every value, and its mean and interval by level."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from synthgap.statistics import paired_interval, within_seed_interval
from synthgap.studies import Study, x_of
from synthgap.tables import CASE
from synthgap.variables import arms, combinations, missing, of_runs, runs_of, where_holds

IDEAL = "ideal critic"
FIT, FIT_ALL = "least squares", "least squares, all"  # labels of what is no cell, but a line through some
DOTS = ["panel", "kind", "curve", "arm", "label", "seed", "x", "value"]
LEVELS = ["panel", "curve", "arm", "label", "x", "seeds", "mean", "low", "high"]


def dots(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every value that the figure shows, a row a run: panel, kind, curve, arm, label, seed, x, value.

    A panel's `kind` says what is drawn. *levels* (if none is named): values over the levels of x, joined; only seeds that
    have every level. *cases*: values of each case (or other text) by its name, the label; x is its place. *path*: values
    over another metric of the same run, joined cell by cell in the plan's order; label is the cell. *scatter*: the same,
    not joined; with `fits`, and least-squares lines (kind *fits* here). *course*: values of a metric that is followed
    through training, over the share of the steps done, a row a run and share; only runs that have every share; `marks`
    are texts at shares. *forest*: of each seed the change from the first of the panel's `levels` of `over` to the last,
    a row an arm, the label, and seed; x is its place; only seeds that have every level; changes up to `matters` lie in a
    band.

    A panel's `colour` (of a scatter or a course) names the parameter whose values are its arms, its `where` the runs that
    it shows. Arms leave out what x ranges over, or the figure's `over`: else what the first claim ranges over (not cases),
    or the first swept parameter. A course leaves nothing out, a forest its own `over`.
    """
    rows = []
    for panel in study.figure.get("panels", ()):
        kind, shown = panel.get("kind", "levels"), where_holds(table, panel.get("where", {}))
        if shown.empty:
            continue
        for found in {"course": _course, "forest": _changes}.get(kind, _over_x)(shown, study, panel):
            found = found.assign(panel=panel["title"], kind="fits" if panel.get("fits") else kind)
            rows += [_of_whole_seeds(part, kind) for _, part in found.groupby("arm", sort=False)]
    return pd.concat(rows, ignore_index=True)[DOTS] if rows else pd.DataFrame(columns=DOTS)


def _over_x(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over the panel's x."""
    kind, x, runs = panel.get("kind", "levels"), x_of(panel, study.figure), runs_of(table)
    if missing(table, x):
        return
    place = of_runs(table, x)
    arm = _coloured(runs, study, panel, x.get("over") or ranges_over(study))
    shown = pd.DataFrame({"label": "", "seed": runs.seed, "arm": arm}, index=runs.index)
    if kind == "levels":
        shown["x"] = place.astype(float).round(9)  # sums of logarithms may differ in the last bit
    elif kind == "cases":
        shown["label"], shown["x"] = place.astype(str), pd.Series(pd.factorize(place)[0], place.index, dtype=float)
    else:
        shown["label"], shown["x"] = combinations(runs), place.astype(float)
    for curve in [*panel["curves"], *([panel["ideal"] | {"label": IDEAL}] if "ideal" in panel else [])]:
        if not missing(table, curve):
            found = shown.assign(curve=curve.get("label", ""), value=of_runs(table, curve))
            yield found.dropna(subset=["x", "value"])


def _course(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over the share of training that is done: what the metric is `of`."""
    runs = runs_of(table)
    arm = _coloured(runs, study, panel, "seed")
    shown = pd.DataFrame({"label": combinations(runs), "seed": runs.seed, "arm": arm}, index=runs.index)
    for curve in panel["curves"]:
        rows = table[table.metric == curve["metric"]].set_index("run_id").dropna(subset=["value"])
        known = {"curve": curve.get("label", ""), "x": rows["of"].astype(float).to_numpy()}
        yield shown.loc[rows.index].assign(value=rows.value.to_numpy(), **known)


def _changes(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, the change of each arm and seed from the first level to the last. An arm has one place in all."""
    runs, over = runs_of(table), panel["over"]
    if over not in runs:
        return
    levels = list(map(str, panel["levels"])) if over == CASE else panel["levels"]
    shown = pd.DataFrame({"label": arms(runs, study, over), "seed": runs.seed, "level": runs[over]})
    found = []
    for curve in panel["curves"]:
        if not missing(table, curve):
            values = shown.assign(value=of_runs(table, curve))
            wide = values.pivot_table(index=["label", "seed"], columns="level", values="value")
            whole = wide.reindex(columns=levels).dropna()
            change = whole[levels[-1]] - whole[levels[0]]
            found.append(change.rename("value").reset_index().assign(curve=curve.get("label", ""), arm=""))
    there = {label for changes in found for label in changes.label}
    place = {label: float(i) for i, label in enumerate(label for label in dict.fromkeys(shown.label) if label in there)}
    for changes in found:
        yield changes.assign(x=changes.label.map(place)).sort_values(["x", "seed"])


def _coloured(runs: pd.DataFrame, study: Study, panel: Mapping, over: str) -> pd.Series:
    """The arm of each run: the value of what the panel is coloured by, if this table varies it; else as of `arms`."""
    if panel.get("colour") in runs:
        return combinations(runs, set(runs) - {panel["colour"]}).replace(study.figure.get("arms", {}))
    return arms(runs, study, over)


def ranges_over(study: Study) -> str:
    ranged = [claim.over for claim in study.claims if claim.over not in ("", CASE)]
    return study.figure.get("over") or next(iter([*ranged, *study.grid]))


def _of_whole_seeds(dots: pd.DataFrame, kind: str) -> pd.DataFrame:
    """What is compared is compared within seeds: those that have every level. Cases may share none."""
    if kind in ("scatter", "forest"):
        return dots
    key = "label" if kind == "path" else "x"
    one = ["seed", "label"] if kind == "course" else "seed"
    whole = dots.groupby(one)[key].transform("nunique") == dots[key].nunique()
    return dots if kind == "cases" and not whole.any() else dots[whole]


def levels(dots: pd.DataFrame) -> pd.DataFrame:
    """`dots` over the seeds: panel, curve, arm, label, x, seeds, mean, low, high, a row a level, case, cell or arm.

    Intervals are 95 % t intervals: within-seed ones of levels, of cases that share their seeds, and of the course of each
    cell, as these are compared; of cells, whose x is a mean as well, and of changes plain ones.

    Of kind *fits*, also the two ends of the least-squares line through each arm's cells, labelled `FIT`, and through those
    of all arms, labelled `FIT_ALL`; a line has no interval.
    """
    points, fits = [], []
    cell = dots.label.where(dots.kind == "course", "")
    for (panel, kind, curve, arm, _), part in dots.groupby(["panel", "kind", "curve", "arm", cell], sort=False):
        values = part.pivot_table(index="seed", columns="x", values="value")
        if kind in ("levels", "cases", "course") and values.notna().all(axis=None):
            mean, low, high = within_seed_interval(values.to_numpy())
            names = part.drop_duplicates("x").set_index("x").label[values.columns].to_numpy()
            point = {"label": names, "x": values.columns, "seeds": len(values), "mean": mean, "low": low, "high": high}
        else:
            cells = part.groupby("label", sort=False)
            low, high = zip(*(paired_interval(values) for _, values in cells.value), strict=True)
            x, mean = cells[["x", "value"]].mean().to_numpy().T
            seeds = cells.size()
            point = {"label": seeds.index, "x": x, "seeds": seeds.to_numpy(), "mean": mean, "low": low, "high": high}
        points.append(pd.DataFrame(point).assign(panel=panel, curve=curve, arm=arm))
        fits += [points[-1]] if kind == "fits" else []
    for _, cells in pd.concat(fits).groupby(["panel", "curve"], sort=False) if fits else ():
        points += [_line(part, FIT) for _, part in cells.groupby("arm", sort=False)]
        points += [_line(cells.assign(arm=""), FIT_ALL)] if cells.arm.nunique() > 1 else []
    return pd.concat(points, ignore_index=True)[LEVELS] if points else pd.DataFrame(columns=LEVELS)


def _line(cells: pd.DataFrame, label: str) -> pd.DataFrame:
    """The ends of the least-squares line through cells; no rows where all have the same x."""
    if cells.x.round(9).nunique() < 2:
        return cells[:0]
    x, ends = cells.x - cells.x.mean(), np.array([cells.x.min(), cells.x.max()])
    mean = cells["mean"].mean() + (x @ cells["mean"]) / (x @ x) * (ends - cells.x.mean())
    return cells[:2].assign(label=label, x=ends, seeds=cells.seeds.max(), mean=mean, low=np.nan, high=np.nan)
