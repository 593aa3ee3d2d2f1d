"""A table of runs on disk: found, read, and the design of the sweep that made it."""

from pathlib import Path

import pandas as pd

from data_gen import InputError
from data_gen.errors import unknown

FILE = "results.parquet"
CASE = "case"  # the swept parameter that holds the names of cases
COLUMNS = ("run_id", "seed", "metric", "of", "value")  # all others are swept


def find(name: str, beside: Path, out: Path) -> Path:
    """The table that a study names: a file, a folder that holds one, or a study that has run.

    It is looked for in the folder `beside`, in the working directory, and in `out`. Raises InputError.
    """
    for place in (beside / name, Path(name), out / name):
        for path in (place, place / FILE):
            if path.is_file():
                return path
    there = [path.parent.name for path in sorted(out.glob(f"*/{FILE}"))]
    if not there:
        raise InputError(f"no table {name!r}: no such file, and no study has a table in {out} yet")
    raise unknown(f"table (no such file, nor a study that has one in {out})", name, there)


def read(path: Path) -> pd.DataFrame:
    """run_id, seed, the swept parameters, metric, of, value; a row a number. Raises InputError if it is not that."""
    try:
        table = pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is damaged, or no Parquet file: {_first_line(error)}") from error
    if lacking := [column for column in COLUMNS if column not in table]:
        raise InputError(f"{path} is no table of runs: it has no column {', '.join(lacking)}")
    if table.empty:
        raise InputError(f"{path} holds no runs")
    if not pd.api.types.is_numeric_dtype(table.value):
        raise InputError(f"{path} is no table of runs: its values are no numbers")
    return table


def design(table: pd.DataFrame) -> tuple[dict[str, list], list[dict]]:
    """The sweep that a table came from, as a study has it: (grid, cases).

    What was set by named cases differs from case to case in the values that it has; all else was combined with them.
    """
    runs = table.drop_duplicates("run_id")
    swept, set_by, cases = [column for column in table if column not in (*COLUMNS, CASE)], [], []
    if CASE in runs:
        of_case = runs.groupby(CASE, sort=False)
        set_by = [key for key in swept if of_case[key].agg(lambda values: frozenset(values.dropna())).nunique() > 1]
        rows = runs[[CASE, *set_by]].drop_duplicates().to_dict("records")
        cases = [{key: value for key, value in row.items() if pd.notna(value)} for row in rows]
    return {key: runs[key].dropna().unique().tolist() for key in ("seed", *swept) if key not in set_by}, cases


def names(table: pd.DataFrame) -> dict[str, list[str]]:
    """metric → what the table has it of."""
    return {metric: list(of.unique()) for metric, of in table.groupby("metric").of}


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
