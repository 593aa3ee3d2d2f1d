"""Values of a variable, a metric or a swept parameter, in the runs of a table."""

from collections.abc import Iterable, Mapping

import pandas as pd

from data_gen.errors import InputError, unknown
from synthgap.metric_names import METRICS
from synthgap.study import Study, told
from synthgap.tables import CASE, COLUMNS


def arms(table: pd.DataFrame, study: Study, *over: str) -> pd.Series:
    """The arm of the comparison that each row belongs to, as a person would say it; empty where there is only one.

    Arms are the combinations of all that was swept beside the seed and the parameters `over` that a claim or a figure
    ranges over; a named case stands for all that it sets. The study's figure may give them shorter names (`arms`).
    """
    of_cases = study.of_cases - {CASE} if CASE in table else set()
    return combinations(table, {*over, *of_cases}).replace(study.figure.get("arms", {}))


def combinations(table: pd.DataFrame, but: Iterable[str] = ()) -> pd.Series:
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


def runs_of(table: pd.DataFrame) -> pd.DataFrame:
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
        return runs_of(table)[variable["over"]]
    metric, of = variable["metric"], variable.get("of", "")
    rows, names = table[table.metric == metric], [of] if isinstance(of, str) else of
    if rows.empty:
        raise unknown("metric", metric, sorted(table.metric.unique()))
    there = rows["of"].unique()
    for name in names:
        if name not in there:
            raise unknown(f"`of` of {metric}", name, sorted(there))
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


def estimated(table: pd.DataFrame) -> int:
    """In how many runs bits and floors are estimates, as captions are as written."""
    return table[table.metric == "bits_error"].run_id.nunique()


def where_holds(table: pd.DataFrame, where: Mapping) -> pd.DataFrame:
    """The rows of the runs that count for a claim or a panel."""
    for key, values in where.items():
        values = values if isinstance(values, list) else [values]
        table = table[table[key].isin(values)] if key in table else table[:0]
    return table
