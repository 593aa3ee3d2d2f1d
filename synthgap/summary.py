"""From the tidy table of runs to what is judged and drawn: values by seed and level, their intervals, the verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from data_gen.errors import unknown
from synthgap.statistics import FEWEST_LEVELS, judge, within_seed_interval
from synthgap.studies import Claim, Study

IDEAL = "ideal critic"
DOTS = ["seed", "x", "value", "panel", "curve", "arm"]
VERDICT_COLUMNS = ("study", "claim", "source", "verdict", "effect", "low", "high", "p", "p_floor", "seeds")


def arms(table: pd.DataFrame, study: Study, over: str) -> pd.Series:
    """The arm of the comparison that each row belongs to, as a person would say it; empty where there is only one.

    Arms are the combinations of whatever was swept beside the seed and the parameter `over` that a claim or a figure
    ranges over. The study's figure may give them shorter names (`arms`).
    """
    known = {"run_id", "seed", "metric", "of", "value", over}
    differing = [c for c in table.columns if c not in known and table[c].nunique() > 1]
    if not differing:
        return pd.Series("", index=table.index)
    parts = [column.split(".")[-1] + " " + table[column].astype(str) for column in differing]
    return parts[0].str.cat(parts[1:], sep=", ").replace(study.figure.get("arms", {}))


def by_seed(table: pd.DataFrame, metric: str, of: str | Sequence[str], over: str | Mapping) -> pd.DataFrame:
    """Values [seeds, levels] of one metric in one arm; only seeds that have every level.

    of: one, or several whose mean is taken. over: a swept parameter, or {metric, of}: another metric of the same run.
    """
    of = [of] if isinstance(of, str) else list(of)
    chosen = table[(table.metric == metric) & table["of"].isin(of)]
    columns = ["run_id", "seed"] + ([over] if isinstance(over, str) else [])
    values = chosen.groupby(columns, sort=False).value.mean().reset_index()
    if not isinstance(over, str):
        places = table[(table.metric == over["metric"]) & (table["of"] == over["of"])].set_index("run_id").value
        values["level"] = values.run_id.map(places).round(9)  # sums of logarithms may differ in the last bit
        over = "level"
    return values.pivot_table(index="seed", columns=over, values="value").dropna()


def dots(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Every value that the figure shows, a row a run: panel, curve, arm, seed, x, value.

    The figure ranges over what the study's first claim does, or its first swept parameter.
    """
    over = study.claims[0].over if study.claims else next(iter(study.grid))
    rows, arm = [], arms(table, study, over)
    for panel in study.figure.get("panels", ()):
        for curve in [*panel["curves"], *([panel["ideal"] | {"label": IDEAL}] if "ideal" in panel else [])]:
            for name, part in table.groupby(arm, sort=False):
                values = by_seed(part, curve["metric"], curve["of"], study.figure["x"])
                if not values.empty:
                    known = {"panel": panel["title"], "curve": curve.get("label", ""), "arm": name}
                    rows.append(values.melt(ignore_index=False, var_name="x").reset_index().assign(**known))
    return pd.concat(rows, ignore_index=True).astype({"x": float}) if rows else pd.DataFrame(columns=DOTS)


def levels(dots: pd.DataFrame) -> pd.DataFrame:
    """`dots` over the seeds: panel, curve, arm, x, mean, low, high (within-seed 95 % t interval), seeds."""
    points = []
    for (panel, curve, arm), part in dots.groupby(["panel", "curve", "arm"], sort=False):
        values = part.pivot(index="seed", columns="x", values="value")
        mean, low, high = within_seed_interval(values.to_numpy())
        known = {"panel": panel, "curve": curve, "arm": arm, "x": values.columns, "seeds": len(values)}
        points.append(pd.DataFrame(known | {"mean": mean, "low": low, "high": high}))
    return pd.concat(points, ignore_index=True) if points else pd.DataFrame(columns=["panel", "curve", "arm", "x"])


def verdicts(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """One row a claim, and a claim an arm: what became of it, with everything it rests on."""
    rows = []
    for claim in applicable(table, study):
        fewest = min(FEWEST_LEVELS, len(claim.levels))
        for name, part in table.groupby(arms(table, study, claim.over), sort=False):
            values = _of_claim(part, claim)
            text = f"{claim.claim} ({name})" if name else claim.claim
            known = {"study": study.name, "claim": text, "source": claim.source, "metric": claim.metric, "of": claim.of}
            rows.append(known | asdict(judge(values, claim.direction, claim.matters, fewest_levels=fewest)))
    return pd.DataFrame(rows) if rows else pd.DataFrame(columns=list(VERDICT_COLUMNS))


def applicable(table: pd.DataFrame, study: Study) -> list[Claim]:
    """The claims that this table can speak to: those whose parameter it varies."""
    return [claim for claim in study.claims if claim.over in table]


def _of_claim(table: pd.DataFrame, claim: Claim) -> np.ndarray:
    if claim.metric not in set(table.metric):
        raise unknown(f"metric of claim {claim.claim!r}", claim.metric, sorted(set(table.metric)))
    known = sorted(set(table[table.metric == claim.metric]["of"]))
    if claim.of not in known:
        raise unknown(f"`of` of claim {claim.claim!r} ({claim.metric})", claim.of, known)
    there = table[table[claim.over].isin(claim.levels)]
    return by_seed(there, claim.metric, claim.of, claim.over).reindex(columns=_present(there, claim)).to_numpy()


def _present(table: pd.DataFrame, claim: Claim) -> list:
    """The claim's levels that were run, in the claim's order: a partial sweep is judged on what it has."""
    there = set(table[claim.over])
    return [level for level in claim.levels if level in there]
