"""From the tidy table of runs to what is judged and drawn: values by seed and level, their intervals, the verdicts."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict

import numpy as np
import pandas as pd

from data_gen.errors import InputError, unknown
from synthgap.metric_names import METRICS
from synthgap.statistics import (
    FEWEST_LEVELS,
    Verdict,
    falls_under,
    judge,
    judge_order,
    kendall,
    matched_concordance,
    paired_interval,
    partial_spearman,
    path_coefficients,
    within_seed_interval,
)
from synthgap.studies import METRIC, OF, Claim, Study, as_text, claim_hash, told, x_of
from synthgap.tables import CASE, COLUMNS

IDEAL = "ideal critic"
FIT, FIT_ALL = "least squares", "least squares, all"  # labels of what is no cell, but a line through some
DOTS = ["panel", "kind", "curve", "arm", "label", "seed", "x", "value"]
LEVELS = ["panel", "curve", "arm", "label", "x", "seeds", "mean", "low", "high"]
VERDICT_COLUMNS = (
    "study",
    "claim",
    "arm",
    "source",
    "test",
    "verdict",
    "effect",
    "low",
    "high",
    "p",
    "p_floor",
    "seeds",
    "hash",
)
THRESHOLD_COLUMNS = ["metric", "of", "share", "along", "arm", "x", "low", "high", "seeds_falling", "seeds"]
PATH_COLUMNS = ["source", "target", "mean", "low", "high", "seeds"]


def arms(table: pd.DataFrame, study: Study, over: str) -> pd.Series:
    """The arm of the comparison that each row belongs to, as a person would say it; empty where there is only one.

    Arms are the combinations of whatever was swept beside the seed and the parameter `over` that a claim or a figure
    ranges over; a named case stands for all that it sets. The study's figure may give them shorter names (`arms`).
    """
    of_cases = study.of_cases - {CASE} if CASE in table else set()
    return _combinations(table, {over, *of_cases}).replace(study.figure.get("arms", {}))


def _combinations(table: pd.DataFrame, but: Iterable[str] = ()) -> pd.Series:
    """Of each row, the swept values by which rows differ, but for some parameters: "mode fixed, init 0.3".

    What a run's own loss (or other group) has no option for is not said of it.
    """
    differing = [c for c in table.columns if c not in {*COLUMNS, *but} and table[c].nunique() > 1]
    if not differing:
        return pd.Series("", index=table.index)
    called = ["" if c == CASE else c.split(".")[-1] + " " for c in differing]
    groups = table.groupby(differing, sort=False, dropna=False).ngroup()
    first = table.loc[~groups.duplicated().to_numpy(), differing].itertuples(index=False)
    names = [", ".join(c + str(v) for c, v in zip(called, row, strict=True) if pd.notna(v)) for row in first]
    return groups.map(dict(enumerate(names)))


def _runs(table: pd.DataFrame) -> pd.DataFrame:
    """A row a run, in the plan's order: its seed and what was swept."""
    return table.drop_duplicates("run_id").set_index("run_id")


def of_runs(table: pd.DataFrame, variable: str | Mapping) -> pd.Series:
    """One value a run, by run_id: of a swept parameter, or of {metric, of}; where `of` is a list, the mean, and nan if any
    of them is. Raises InputError if the table has no such thing.
    """
    variable = {"over": variable} if isinstance(variable, str) else variable
    if "over" in variable:
        if variable["over"] not in table:
            raise unknown("swept parameter", variable["over"], [c for c in table.columns if c not in COLUMNS])
        return _runs(table)[variable["over"]]
    metric, of = variable["metric"], variable.get("of", "")
    rows, names = table[table.metric == metric], [of] if isinstance(of, str) else of
    if rows.empty:
        raise unknown("metric", metric, sorted(set(table.metric)))
    for name in names:
        if name not in set(rows["of"]):
            raise unknown(f"`of` of {metric}", name, sorted(set(rows["of"])))
    values = rows[rows["of"].isin(names)].groupby("run_id", sort=False).value
    return values.mean().where(values.count() == values.size())


def missing(table: pd.DataFrame, variable: str | Mapping) -> str:
    """Why no run has this variable, as worlds differ in factors, and samples may leave a metric undefined; empty where runs
    have it."""
    try:
        values = of_runs(table, variable)
    except InputError as error:
        return str(error)
    if isinstance(variable, Mapping) and "metric" in variable and values.isna().all():
        return f"{told(variable)} is undefined in all runs{because(variable['metric'])}"
    return ""


def because(metric: str) -> str:
    """Where a metric is undefined, in brackets, if that is known."""
    known = metric in METRICS and METRICS[metric].undefined
    return f" (as it is where {known})" if known else ""


def undefined(table: pd.DataFrame) -> dict[str, tuple[str, int]]:
    """Metrics that samples left undefined in some run, with what they are of → where that is so, and in how many runs."""
    rows = table[table.value.isna()]
    return {
        f"{metric} {of}".strip(): (because(metric), part.run_id.nunique())
        for (metric, of), part in rows.groupby(["metric", "of"], sort=False)
    }


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
        kind, shown = panel.get("kind", "levels"), _where(table, panel.get("where", {}))
        if shown.empty:
            continue
        for found in {"course": _course, "forest": _changes}.get(kind, _over_x)(shown, study, panel):
            found = found.assign(panel=panel["title"], kind="fits" if panel.get("fits") else kind)
            rows += [_of_whole_seeds(part, kind) for _, part in found.groupby("arm", sort=False)]
    return pd.concat(rows, ignore_index=True)[DOTS] if rows else pd.DataFrame(columns=DOTS)


def _over_x(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over the panel's x."""
    kind, x, runs = panel.get("kind", "levels"), x_of(panel, study.figure), _runs(table)
    if missing(table, x):
        return
    place = of_runs(table, x)
    arm = _coloured(runs, study, panel, x.get("over") or _ranges_over(study))
    shown = pd.DataFrame({"label": "", "seed": runs.seed, "arm": arm}, index=runs.index)
    if kind == "levels":
        shown["x"] = place.astype(float).round(9)  # sums of logarithms may differ in the last bit
    elif kind == "cases":
        shown["label"], shown["x"] = place.astype(str), pd.Series(pd.factorize(place)[0], place.index, dtype=float)
    else:
        shown["label"], shown["x"] = _combinations(runs), place.astype(float)
    for curve in [*panel["curves"], *([panel["ideal"] | {"label": IDEAL}] if "ideal" in panel else [])]:
        if not missing(table, curve):
            found = shown.assign(curve=curve.get("label", ""), value=of_runs(table, curve))
            yield found.dropna(subset=["x", "value"])


def _course(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, its values over the share of training that is done: what the metric is `of`."""
    runs = _runs(table)
    arm = _coloured(runs, study, panel, "seed")
    shown = pd.DataFrame({"label": _combinations(runs), "seed": runs.seed, "arm": arm}, index=runs.index)
    for curve in panel["curves"]:
        rows = table[table.metric == curve["metric"]].set_index("run_id").dropna(subset=["value"])
        known = {"curve": curve.get("label", ""), "x": rows["of"].astype(float).to_numpy()}
        yield shown.loc[rows.index].assign(value=rows.value.to_numpy(), **known)


def _changes(table: pd.DataFrame, study: Study, panel: Mapping) -> Iterator[pd.DataFrame]:
    """Of each curve, the change of each arm and seed from the first level to the last. An arm has one place in all."""
    runs, over = _runs(table), panel["over"]
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
        return _combinations(runs, set(runs) - {panel["colour"]}).replace(study.figure.get("arms", {}))
    return arms(runs, study, over)


def _ranges_over(study: Study) -> str:
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


def verdicts(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row a claim, and a claim an arm: what became of it, with everything it rests on."""
    rows = []
    for claim in study.claims:
        for arm, values in compared(table, study, claim).items():
            text = f"{claim.claim} ({arm})" if arm else claim.claim
            known = {"study": study.name, "claim": text, "arm": arm, "source": claim.source}
            known |= {"metric": as_text(claim.metric), "of": as_text(claim.of), "hash": claim_hash(claim)}
            known |= {"test": claim.test, "fewest_seeds": claim.seeds}
            rows.append(known | asdict(_judged(values, table, study, claim)))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def _judged(values: np.ndarray, table: pd.DataFrame, study: Study, claim: Claim) -> Verdict:
    asked = {"direction": claim.direction, "matters": claim.matters, "fewest_seeds": claim.seeds}
    if claim.test == "kendall":
        y, x, strata = _cells(_where(table, claim.where), study, claim)
        return judge_order(y, x, strata=strata, **asked)
    return judge(values, fewest_levels=min(FEWEST_LEVELS, len(claim.levels) or 2), **asked)


def compared(table: pd.DataFrame, study: Study, claim: Claim) -> dict[str, np.ndarray]:
    """What a claim compares, in each arm: values [seeds, levels], in the claim's order and of whole seeds.

    A partial sweep has fewer levels; arms with fewer than two are left out, and so is what the table does not vary. The two
    levels of an explanation are 0 and what its seeds tell; all runs (or cells) count, whatever their arm.
    """
    if unjudged(table, claim):
        return {}
    table = _where(table, claim.where)
    if claim.explained_by:
        seeds = kendall(*_cells(table, study, claim)) if claim.test == "kendall" else _explained(table, claim)
        seeds = seeds[np.isfinite(seeds)]
        return {"": np.stack([0 * seeds, seeds], axis=1)} if len(seeds) else {}
    found = {}
    for arm, part in table.groupby(arms(table, study, claim.over), sort=False):
        if claim.over in (METRIC, OF):
            there = dict.fromkeys(claim.levels, part)
        else:
            there = {level: rows for level, rows in part.groupby(claim.over) if level in claim.levels}
        values = [
            of_runs(there[level], variable).groupby(_runs(there[level]).seed).mean()
            for level, variable in zip(claim.levels, claim.variables(), strict=True)
            if level in there
        ]
        if len(values) > 1:
            found[arm] = pd.concat(values, axis=1).dropna().to_numpy()
    return found


def unjudged(table: pd.DataFrame, claim: Claim) -> str:
    """Why this table cannot speak to a claim; empty where it can, in some arm at least."""
    table = _where(table, claim.where)
    if table.empty:
        return f"this sweep has no runs of {', '.join(f'{key}={value}' for key, value in claim.where.items())}"
    if claim.explained_by:
        lacking = next(filter(None, (missing(table, variable) for variable in _explaining(claim))), "")
        if lacking or claim.test == "kendall" or len(_explained(table, claim)):
            return lacking
        return f"no seed has, for {told(claim.explained_by)}, runs enough that differ"
    if claim.over in (METRIC, OF):
        return next(filter(None, (missing(table, variable) for variable in claim.variables())), "")
    if claim.over not in table:
        return f"this sweep does not vary {claim.over}" + ": overrides set what cases do" * (claim.over == CASE)
    if len(set(table[claim.over]) & set(claim.levels)) < 2:
        return f"this sweep has fewer than two of {claim.over} = {', '.join(map(str, claim.levels))}"
    return next(filter(None, (missing(table, variable) for variable in claim.variables())), "")


def _where(table: pd.DataFrame, where: Mapping) -> pd.DataFrame:
    """The rows of the runs that count for a claim or a panel."""
    for key, values in where.items():
        values = values if isinstance(values, list) else [values]
        table = table[table[key].isin(values)] if key in table else table[:0]
    return table


def _explaining(claim: Claim) -> list[str | Mapping]:
    beside = [claim.matched] if claim.matched else claim.given
    return [{"metric": claim.metric, "of": claim.of}, claim.explained_by, *beside]


def _explained(table: pd.DataFrame, claim: Claim) -> np.ndarray:
    """Of each seed that can tell, over its runs, how far `metric` goes with what is to explain it, in [−1, 1]."""
    values = pd.concat([of_runs(table, variable) for variable in _explaining(claim)], axis=1).astype(float).dropna()
    found = []
    for _, part in values.groupby(_runs(table).seed):
        y, x, *rest = part.to_numpy().T
        within = claim.matched and claim.matched["within"]
        found.append(matched_concordance(y, x, *rest, within) if claim.matched else partial_spearman(y, x, rest))
    return np.array([value for value in found if np.isfinite(value)])


def _cells(table: pd.DataFrame, study: Study, claim: Claim) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """`metric` and what is to explain it [seeds, cells], and each cell's stratum [cells] by what is `held`.

    A cell is what was swept but for the seed; a named case is one cell, whatever it sets. Seeds that lack a cell that
    others have do not count, as cells change places in all seeds at once.
    """
    runs, of_cases = _runs(table), study.of_cases - {CASE, *claim.held} if CASE in table else set()
    told_apart = [column for column in runs if column not in {*COLUMNS, *of_cases}]
    cell = runs.groupby([pd.Series(0, runs.index), *told_apart], dropna=False, sort=False).ngroup()
    y, x = (
        of_runs(table, variable).astype(float).groupby([runs.seed, cell]).mean().unstack()
        for variable in _explaining(claim)[:2]
    )
    there = y.columns[y.notna().any() & x.notna().any()]
    y, x = y[there], x[there]
    whole = y.notna().all(axis=1) & x.notna().all(axis=1)
    held = [column for column in claim.held if column in runs]  # what this sweep does not vary is
    strata = runs.groupby([pd.Series(0, runs.index), *held], dropna=False).ngroup().groupby(cell).first()
    return y[whole].to_numpy(), x[whole].to_numpy(), strata[there].to_numpy()


def thresholds(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Where a metric falls under a share of its best, as the figure's `thresholds` ask: a row an arm, with the mean over
    seeds of the x at which it does (`falls_under`), its 95 % t interval, and how many of the seeds ever fall."""
    runs, rows = _runs(table), []
    for asked in study.figure.get("thresholds", ()):
        x = x_of(asked, study.figure)
        if missing(table, x) or missing(table, asked):
            continue
        arm = arms(runs, study, x.get("over") or _ranges_over(study))
        values = pd.DataFrame(
            {"x": of_runs(table, x), "y": of_runs(table, asked), "seed": runs.seed, "arm": arm}
        ).dropna()
        for name, part in values.groupby("arm", sort=False):
            seeds = [falls_under(seed.x, seed.y, asked["share"]) for _, seed in part.groupby("seed")]
            falls = np.array(seeds)[np.isfinite(seeds)]
            mean, interval = falls.mean() if len(falls) else np.nan, paired_interval(falls)
            known = (asked["metric"], as_text(asked.get("of", "")), asked["share"], told(x | {"label": ""}), name)
            rows.append((*known, mean, *interval, len(falls), len(seeds)))
    return pd.DataFrame(rows, columns=THRESHOLD_COLUMNS)


def paths(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Coefficients of the study's causal `diagram`: source, target, mean, low, high (95 % t interval over seeds), seeds.

    Nodes stand in tiers. Of each seed, over all its runs, every node is regressed on all nodes of earlier tiers
    (`path_coefficients`); what does not vary in this table is left out. That is causal only so far as the order of tiers is
    right and nothing that moves two nodes is missing.
    """
    tiers = study.figure["diagram"]["tiers"]
    tiers = [{told(node): of_runs(table, node) for node in tier if not missing(table, node)} for tier in tiers]
    tiers = [{name: values for name, values in tier.items() if values.nunique() > 1} for tier in tiers]
    values = pd.DataFrame({name: column for tier in tiers for name, column in tier.items()}).astype(float).dropna()
    rows, causes = [], []
    for tier in tiers:
        for effect in tier if causes else ():
            parts = [part for _, part in values.groupby(_runs(table).seed)]
            found = np.array([path_coefficients(part[effect], part[causes].to_numpy().T) for part in parts])
            found = found[np.isfinite(found).all(axis=1)]
            for cause, seeds in zip(causes, found.T, strict=True) if len(found) else ():
                rows.append((cause, effect, seeds.mean(), *paired_interval(seeds), len(seeds)))
        causes += tier
    return pd.DataFrame(rows, columns=PATH_COLUMNS)
