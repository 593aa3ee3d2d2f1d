"""Where a metric falls under a share of its best: what a study file may ask, and the answer."""

from typing import Annotated

import numpy as np
import pandas as pd
from pydantic import Field, TypeAdapter

from synthgap.forms import form
from synthgap.panels.panel import x_of
from synthgap.panels.rows import ranges_over
from synthgap.parts import LABEL, Names, variable
from synthgap.statistics import falls_under, paired_interval
from synthgap.study import Study, as_text, told
from synthgap.variables import arms, missing, of_runs, runs_of

THRESHOLD_COLUMNS = ["metric", "of", "share", "along", "arm", "x", "low", "high", "seeds_falling", "seeds"]
#: what a study file may ask: where a metric falls under this share of its best
THRESHOLD = TypeAdapter(
    form({"metric": str, "share": Annotated[float, Field(gt=0, lt=1)], "x": variable(also=LABEL)}, {"of": Names})
)


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
