"""Tables on disk: written and read whole; those of runs found, checked, and the design of the sweep that made them.

A Parquet table is sealed: its metadata hold the SHA-256 of the file, taken with zeros in that place. So whatever bit of it
changes afterwards, what is read is what was written, or it is told. One without a seal was written before there were any,
or by another tool.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_gen import InputError, files
from data_gen.errors import first_line, unknown

FILE = "results.parquet"
CASE = "case"  # the swept parameter that holds the names of cases
COLUMNS = ("run_id", "seed", "metric", "of", "value")  # all others are swept
_SEAL = re.compile(rb"synthgap-sha256=([0-9a-f]{64})")
_UNSEALED = b"synthgap-sha256=" + b"0" * 64


class DamagedError(InputError):
    """A file that holds no such table as it should."""


def write(table: pd.DataFrame, path: Path) -> None:
    """Write a table whole, without its index, as its ending says: .csv or .parquet, which is sealed."""
    if path.suffix == ".csv":
        content = table.to_csv(index=False).encode()
    else:
        arrow, buffer = pa.Table.from_pandas(table), BytesIO()
        pq.write_table(arrow.replace_schema_metadata({**arrow.schema.metadata, b"seal": _UNSEALED}), buffer)
        content = buffer.getvalue()
        content = content.replace(_UNSEALED, b"synthgap-sha256=" + sha256(content).hexdigest().encode())
    with files.whole(path) as beside:
        beside.write_bytes(content)


def load(path: Path) -> pd.DataFrame:
    """A Parquet table, as it was written. Raises DamagedError if it is not that, and InputError if it cannot be read."""
    try:
        content = path.read_bytes()
    except PermissionError as error:
        raise files.not_yours(error) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    for seal in _SEAL.findall(content):
        if sha256(_SEAL.sub(_UNSEALED, content)).hexdigest().encode() != seal:
            raise DamagedError(f"{path} is damaged: it does not match its checksum")
    try:
        return files.read_parquet(BytesIO(content))
    except Exception as error:  # the bytes may be anything, and so may the parser's error
        raise DamagedError(f"{path} is damaged, or no Parquet file: {first_line(error)}") from error


def holds(path: Path, table: pd.DataFrame) -> bool:
    """Whether a file holds this table, as `write` writes it. Raises DamagedError if it holds none."""
    if path.suffix == ".csv":
        return path.read_bytes() == table.to_csv(index=False).encode()
    return load(path).equals(table)


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


def read(path: Path, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """run_id, seed, the swept parameters, metric, of, value; a row a number. Raises DamagedError if it lacks any of these
    `columns`, or holds something else in them."""
    table = load(path)
    if lacking := [column for column in columns if column not in table]:
        raise DamagedError(f"{path} is no table of runs: it has no column {', '.join(lacking)}")
    if table.empty:
        raise DamagedError(f"{path} holds no runs")
    for column in columns:
        number = column in ("seed", "value")
        fits = pd.api.types.is_numeric_dtype if number else pd.api.types.is_string_dtype
        if not fits(table[column]):
            raise DamagedError(
                f"{path} is no table of runs: its column {column} holds no {'numbers' if number else 'text'}"
            )
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


def minutes(table: pd.DataFrame) -> float:
    """What all runs of a table took on one core."""
    return table[(table.metric == "seconds") & (table["of"] == "")].value.sum() / 60


def names(table: pd.DataFrame) -> dict[str, list[str]]:
    """metric → what the table has it of."""
    return {metric: list(of.unique()) for metric, of in table.groupby("metric").of}
