"""Coefficients of a study's causal diagram."""

import numpy as np
import pandas as pd

from synthgap.statistics import paired_interval, path_coefficients
from synthgap.studies import Study, told
from synthgap.variables import missing, of_runs, runs_of

PATH_COLUMNS = ["source", "target", "mean", "low", "high", "seeds"]


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
            parts = [part for _, part in values.groupby(runs_of(table).seed)]
            found = np.array([path_coefficients(part[effect], part[causes].to_numpy().T) for part in parts])
            found = found[np.isfinite(found).all(axis=1)]
            for cause, seeds in zip(causes, found.T, strict=True) if len(found) else ():
                rows.append((cause, effect, seeds.mean(), *paired_interval(seeds), len(seeds)))
        causes += tier
    return pd.DataFrame(rows, columns=PATH_COLUMNS)
