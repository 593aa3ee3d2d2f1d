"""From the tidy table of runs to what is judged and drawn: values by seed and level, their intervals, the verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from data_gen.errors import InputError, unknown
from synthgap.statistics import (
    FEWEST_LEVELS,
    judge,
    matched_concordance,
    paired_interval,
    partial_spearman,
    within_seed_interval,
)
from synthgap.studies import CASE, Claim, Study

IDEAL = "ideal critic"
DOTS = ["seed", "x", "value", "panel", "curve", "arm", "cell", "label"]
VERDICT_COLUMNS = ("study", "claim", "source", "verdict", "effect", "low", "high", "p", "p_floor", "seeds")
OF_RUN = ["run_id", "seed", "metric", "of", "value"]  # all other columns of a table are swept


def arms(table: pd.DataFrame, study: Study, over: str) -> pd.Series:
    """The arm of the comparison that each row belongs to, as a person would say it; empty where there is only one.

    Arms are the combinations of whatever was swept beside the seed and the parameter `over` that a claim or a figure
    ranges over; a named case stands for all that it sets. The study's figure may give them shorter names (`arms`).
    """
    known = {*OF_RUN, over} | (study.of_cases - {CASE} if CASE in table else set())
    differing = [c for c in table.columns if c not in known and table[c].nunique() > 1]
    if not differing:
        return pd.Series("", index=table.index)
    told = {c: "" if c == CASE else c.split(".")[-1] + " " for c in differing}
    parts = [told[column] + table[column].astype(str) for column in differing]
    return parts[0].str.cat(parts[1:], sep=", ").replace(study.figure.get("arms", {}))


def of_runs(table: pd.DataFrame, variable: str | Mapping) -> pd.Series:
    """One value a run, by run_id: of a swept parameter, or of {metric, of}; where `of` is a list, the mean."""
    if isinstance(variable, str):
        if variable not in table:
            raise unknown("swept parameter", variable, [c for c in table.columns if c not in OF_RUN])
        return table.drop_duplicates("run_id").set_index("run_id")[variable]
    of = variable.get("of", "")
    rows = _rows(table, variable["metric"], _names(of))
    return rows.groupby("run_id", sort=False).value.mean()


def _names(of: str | Sequence[str]) -> list[str]:
    return [of] if isinstance(of, str) else list(of)


def _rows(table: pd.DataFrame, metric: str, of: Sequence[str]) -> pd.DataFrame:
    if metric not in set(table.metric):
        raise unknown("metric", metric, sorted(set(table.metric)))
    rows = table[table.metric == metric]
    for name in of:
        if name not in set(rows["of"]):
            raise unknown(f"`of` of {metric}", name, sorted(set(rows["of"])))
    return rows[rows["of"].isin(of)]


def by_seed(table: pd.DataFrame, metric: str, of: str | Sequence[str], over: str | Mapping) -> pd.DataFrame:
    """Values [seeds, levels] of one metric in one arm; only seeds that have every level.

    of: one, or several whose mean is taken. over: a swept parameter, or {metric, of}: another metric of the same run.
    """
    chosen = table[(table.metric == metric) & table["of"].isin(_names(of))]
    columns = ["run_id", "seed"] + ([over] if isinstance(over, str) else [])
    values = chosen.groupby(columns, sort=False).value.mean().reset_index()
    if not isinstance(over, str):
        places = table[(table.metric == over["metric"]) & (table["of"] == over["of"])].set_index("run_id").value
        values["level"] = values.run_id.map(places).round(9)  # sums of logarithms may differ in the last bit
        over = "level"
    return values.pivot_table(index="seed", columns=over, values="value").dropna()


def dots(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every value that the figure shows, a row a run: panel, curve, arm, seed, x, value, cell, label.

    A panel's `kind` says what x is. *levels*, unless another is named: values of what the first claim ranges over, or of
    the first swept parameter. *cases*: the place of the run's case, whose name is the label. *path* and *scatter*: another
    metric of the same run; arms are those of the study, or the values of the panel's `colour`. cell: which combination of
    swept values, seeds aside.
    """
    rows, over = [], _over(study)
    for panel in study.figure.get("panels", ()):
        rows += (_of_levels if panel.get("kind", "levels") == "levels" else _of_runs)(table, study, panel, over)
    found = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=DOTS)
    return found.reindex(columns=DOTS).astype({"x": float, "cell": int})


def _over(study: Study) -> str:
    """What the figure ranges over, so no arm of it: that of the first claim, or the first swept parameter."""
    return study.claims[0].over if study.claims and study.claims[0].over else next(iter(study.grid), "seed")


def _of_levels(table: pd.DataFrame, study: Study, panel: Mapping, over: str) -> list[pd.DataFrame]:
    rows, arm = [], arms(table, study, over)
    for curve in [*panel["curves"], *([panel["ideal"] | {"label": IDEAL}] if "ideal" in panel else [])]:
        for name, part in table.groupby(arm, sort=False):
            values = by_seed(part, curve["metric"], curve["of"], panel.get("x", study.figure["x"]))
            if not values.empty:
                known = {"panel": panel["title"], "curve": curve.get("label", ""), "arm": name, "cell": 0, "label": ""}
                rows.append(values.melt(ignore_index=False, var_name="x").reset_index().assign(**known))
    return rows


def _of_runs(table: pd.DataFrame, study: Study, panel: Mapping, over: str) -> list[pd.DataFrame]:
    if panel["kind"] == "cases" and CASE not in table:
        return []
    runs = table.drop_duplicates("run_id").set_index("run_id")
    swept = [c for c in runs.columns if c not in OF_RUN]
    shown = pd.DataFrame({"seed": runs.seed, "panel": panel["title"], "arm": "", "label": ""})
    shown["cell"] = runs.groupby(swept, sort=False, dropna=False).ngroup()
    if panel["kind"] == "cases":
        shown["x"], shown["label"] = pd.factorize(runs[CASE])[0], runs[CASE]
    else:
        shown["x"] = np.nan if missing(table, panel["x"]) else of_runs(table, panel["x"])
        colour = panel.get("colour")
        shown["arm"] = (
            arms(runs, study, over) if colour not in runs else colour.split(".")[-1] + " " + runs[colour].astype(str)
        )
    return [
        shown.assign(curve=curve.get("label", ""), value=of_runs(table, curve))
        .dropna(subset=["x", "value"])
        .reset_index()
        for curve in panel["curves"]
        if not missing(table, curve) and not (panel["kind"] != "cases" and missing(table, panel["x"]))
    ]


def levels(dots: pd.DataFrame) -> pd.DataFrame:
    """`dots` over the seeds: panel, curve, arm, label, x, mean, low, high, seeds.

    Intervals are within-seed 95 % t intervals where seeds share their x, and those of the mean along a path, whose x is a
    mean too.
    """
    points = []
    for (panel, curve, arm), part in dots.groupby(["panel", "curve", "arm"], sort=False):
        known = {"panel": panel, "curve": curve, "arm": arm}
        values = part.pivot_table(index="seed", columns="x", values="value")
        values = values.dropna()
        if len(values) and (part.groupby("cell").x.nunique().max() == 1 or part.cell.nunique() == 1):
            mean, low, high = within_seed_interval(values.to_numpy())
            labels = part.drop_duplicates("x").set_index("x").label.reindex(values.columns).to_numpy()
            known |= {"label": labels, "x": values.columns, "seeds": len(values)}
            points.append(pd.DataFrame(known | {"mean": mean, "low": low, "high": high}))
        else:
            for _, cell in part.groupby("cell", sort=False):
                low, high = paired_interval(cell.value)
                y = {"mean": cell.value.mean(), "low": low, "high": high}
                points.append(
                    pd.DataFrame([known | {"label": cell.label.iloc[0], "x": cell.x.mean(), "seeds": len(cell)} | y])
                )
    return pd.concat(points, ignore_index=True) if points else pd.DataFrame(columns=["panel", "curve", "arm", "x"])


def thresholds(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Where a metric falls under a share of its best, as the study's figure asks (`thresholds`): a row an arm, with the
    mean over seeds of the x at which it does, the 95 % t interval, and how many of the seeds ever fall.

    Of each seed, cells are ordered by x; from the best on, x is interpolated to where the share is first undercut.
    """
    rows = []
    for asked in study.figure.get("thresholds", ()):
        runs = table.drop_duplicates("run_id").set_index("run_id")
        runs = runs.assign(x=of_runs(table, asked["x"]), y=of_runs(table, asked), arm=arms(runs, study, _over(study)))
        for name, arm in runs.groupby("arm", sort=False):
            fallen = np.array([_fall(seed.x, seed.y, asked["share"]) for _, seed in arm.groupby("seed")])
            known = {key: asked[key] for key in ("metric", "of", "share")} | {"arm": name, "seeds": len(fallen)}
            fallen = fallen[np.isfinite(fallen)]
            low, high = paired_interval(fallen)
            x = float(fallen.mean()) if len(fallen) else np.nan
            rows.append(known | {"seeds_falling": len(fallen), "x": x, "low": low, "high": high})
    return pd.DataFrame(rows)


def _fall(x: pd.Series, y: pd.Series, share: float) -> float:
    order = np.argsort(x.to_numpy(), kind="stable")
    x, y = x.to_numpy()[order], y.to_numpy()[order]
    best = int(y.argmax())
    under = np.flatnonzero(y[best:] < share * y[best])
    if not len(under):
        return np.nan
    i = best + under[0]
    return float(np.interp(-share * y[best], [-y[i - 1], -y[i]], [x[i - 1], x[i]]))


def paths(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Path coefficients of the study's causal `diagram`: source, target, mean, low, high (95 % t interval), seeds.

    Nodes stand in tiers, each a list of variables with a label. Of each seed, over all its runs, the ranks of a node are
    regressed on those of all nodes in earlier tiers, all standardised (Wright 1934). That is cause only so far as the tiers
    are in the right order and nothing is left out of them.
    """
    rows, tiers = [], study.figure["diagram"]["tiers"]
    tiers = [[node for node in tier if node.get("over", "seed") in table] for tier in tiers]  # what was swept, of it
    labels = {node["label"]: node.get("over", node) for tier in tiers for node in tier}
    values = pd.DataFrame({label: of_runs(table, variable) for label, variable in labels.items()}).dropna()
    seeds = table.drop_duplicates("run_id").set_index("run_id").seed
    for t, tier in enumerate(tiers[1:], 1):
        before = [node["label"] for earlier in tiers[:t] for node in earlier]
        for target in (node["label"] for node in tier):
            found = np.array([_coefficients(part, before, target) for _, part in values.groupby(seeds)])
            for source, coefficients in zip(before, found.T, strict=True):
                low, high = paired_interval(coefficients)
                known = {"source": source, "target": target, "seeds": len(coefficients)}
                rows.append(known | {"mean": coefficients.mean(), "low": low, "high": high})
    return pd.DataFrame(rows)


def _coefficients(values: pd.DataFrame, before: Sequence[str], target: str) -> np.ndarray:
    ranks = values[[*before, target]].rank()
    z = ((ranks - ranks.mean()) / ranks.std(ddof=0).replace(0, 1)).to_numpy()
    return np.linalg.lstsq(z[:, :-1], z[:, -1], rcond=None)[0]


def verdicts(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row a claim, and a claim an arm: what became of it, with everything it rests on."""
    rows = []
    for claim in applicable(table, study):
        of = ", ".join(_names(claim.of))
        known = {"study": study.name, "source": claim.source, "metric": claim.metric, "of": of}
        if claim.explained_by:
            explained = _explained(table, claim)
            judged = judge(
                np.stack([0 * explained, explained], axis=1), claim.direction, claim.matters, fewest_levels=2
            )
            rows.append(known | {"claim": claim.claim} | asdict(judged))
            continue
        fewest = min(FEWEST_LEVELS, len(claim.levels))
        for name, part in table.groupby(arms(table, study, claim.over), sort=False):
            if len(_present(part, claim)) > 1:
                text = f"{claim.claim} ({name})" if name else claim.claim
                judged = judge(_of_claim(part, claim), claim.direction, claim.matters, fewest_levels=fewest)
                rows.append(known | {"claim": text} | asdict(judged))
    return pd.DataFrame(rows).reindex(columns=_order(rows)) if rows else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def _order(rows: list[dict]) -> list[str]:
    first = ["study", "claim", "source"]
    return first + [column for column in rows[0] if column not in first]


def applicable(table: pd.DataFrame, study: Study) -> list[Claim]:
    """The claims that this table can speak to."""
    return [claim for claim in study.claims if not unjudged(table, claim)]


def unjudged(table: pd.DataFrame, claim: Claim) -> str:
    """Why this table cannot speak to a claim; empty where it can."""
    if claim.explained_by:
        variables = [vars(claim), claim.explained_by, *claim.given, *([claim.matched] if claim.matched else [])]
    else:
        variables = [vars(claim)]
        if claim.over not in table:
            return f"this sweep does not vary {claim.over}"
        if len(_present(table, claim)) < 2:
            return f"this sweep has fewer than two of {claim.over} = {', '.join(map(str, claim.levels))}"
    lacking = [missing(table, variable) for variable in variables]
    return next(filter(None, lacking), "")


def missing(table: pd.DataFrame, variable: str | Mapping) -> str:
    """Why no run has this variable, as worlds differ in factors; empty where runs have it."""
    try:
        of_runs(table, variable)
    except InputError as error:
        return str(error)
    return ""


def _explained(table: pd.DataFrame, claim: Claim) -> np.ndarray:
    """Of each seed, over its runs, how far `metric` goes with what is to explain it, in [−1, 1]."""
    asked = [{"metric": claim.metric, "of": claim.of}, claim.explained_by, *claim.given]
    if claim.matched:
        asked.append(claim.matched)
    values = pd.concat([of_runs(table, variable) for variable in asked], axis=1).dropna()
    seeds = table.drop_duplicates("run_id").set_index("run_id").seed.reindex(values.index)
    found = []
    for _, part in values.groupby(seeds):
        y, x, *rest = part.to_numpy(dtype=float).T
        if claim.matched:
            found.append(matched_concordance(y, x, *rest, claim.matched["within"]))
        else:
            found.append(partial_spearman(y, x, rest))
    return np.array(found)


def _of_claim(table: pd.DataFrame, claim: Claim) -> np.ndarray:
    there = table[table[claim.over].isin(claim.levels)]
    return by_seed(there, claim.metric, claim.of, claim.over).reindex(columns=_present(there, claim)).to_numpy()


def _present(table: pd.DataFrame, claim: Claim) -> list:
    """The claim's levels that were run, in the claim's order: a partial sweep is judged on what it has."""
    there = set(table[claim.over])
    return [level for level in claim.levels if level in there]
