"""Where a metric falls under a share of its best: what a study file may ask, and the answer."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from data_gen import InputError
from synthgap.panels.panel import x_of
from synthgap.panels.rows import ranges_over
from synthgap.parts import a_mapping, a_variable
from synthgap.statistics import falls_under, paired_interval
from synthgap.study import Study, as_text, is_number, told
from synthgap.variables import arms, missing, of_runs, runs_of

THRESHOLD_COLUMNS = ["metric", "of", "share", "along", "arm", "x", "low", "high", "seeds_falling", "seeds"]


def read(asked, figure: Mapping, where: str, swept: Mapping) -> None:
    """Raises InputError unless one of a figure's `thresholds` names a metric, a share of its best, and has an x."""
    a_mapping(asked, where, required=("metric", "share"), optional=("of", "x"))
    a_variable(asked, where, swept, also=("share", "x"))
    a_variable(x_of(asked, figure, where), f"x of {where}", swept, also=("label",))
    if not is_number(asked["share"]) or not 0 < asked["share"] < 1:
        raise InputError(f"share of {where} must lie between 0 and 1, not be {asked['share']!r}")


def thresholds(table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Where a metric falls under a share of its best, as the figure's `thresholds` ask: a row an arm, with the mean over
    seeds of the x at which it does (`falls_under`), its 95 % t interval, and how many of the seeds ever fall."""
    runs, rows = runs_of(table), []
    for asked in study.figure.get("thresholds", ()):
        x = x_of(asked, study.figure)
        if missing(table, x) or missing(table, asked):
            continue
        arm = arms(runs, study, x.get("over") or ranges_over(study))
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
