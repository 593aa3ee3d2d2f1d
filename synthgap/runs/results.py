"""What finished and failed runs left: verified, and gathered into one tidy table."""

import json
from io import BytesIO
from itertools import groupby
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from data_gen import InputError, files
from synthgap import packs, progress
from synthgap.runs.plan import MODEL, Plan, Task


def verify(folder: Path, run_id: str | None = None) -> dict:
    """What done.json says of a finished run.

    Raises InputError if its folder does not hold what was written: that all of it is listed, with checksums that agree, and
    that it is the run `run_id`, if given."""
    try:
        try:
            about = json.loads(packs.read(folder, "done.json"))
            sums = dict(about["checksums"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError("done.json is no list of checksums") from error
        needed = (
            "config.yaml",
            "metrics.parquet",
            *(() if "model" in about or about.get("keep") == "tables" else (MODEL,)),
        )
        if lacking := [name for name in needed if name not in sums]:
            raise ValueError(f"done.json lists no {', '.join(lacking)}")
        if run_id and about.get("run_id", run_id) != run_id:  # none: written before it was recorded
            raise ValueError(f"it holds the run {about['run_id']}")
        for name, expected in sums.items():
            if packs.checksum(folder, name) != expected:
                raise ValueError(f"{name} does not match its checksum")
        return about
    except PermissionError as error:
        raise files.not_yours(error) from error
    except (OSError, ValueError) as error:
        if (part := packs.place(folder)) != folder:
            mend = f"delete {part}, and its runs are run again"
            raise InputError(f"the packed run {folder.name} is damaged ({error}); {mend}") from error
        raise InputError(f"the run in {folder} is damaged ({error}); delete that folder and it is run again") from error


def forget_model(folder: Path) -> None:
    """Delete the model of a finished run, and record that it was not kept. Hold the run's lock."""
    about = json.loads((folder / "done.json").read_text())
    about["checksums"].pop(MODEL, None)
    with files.whole(folder / "done.json") as beside:  # first, as a model that is not listed is no damage
        beside.write_text(json.dumps(about | {"keep": "tables"}, indent=1))
    files.remove(folder / MODEL)


def verify_all(p: Plan) -> None:
    """Verifies the runs that are done. Raises InputError for the first that is damaged."""
    with progress.bar("checking runs", len(p.tasks), after=progress.SOON) as advance_to:
        for i, task in enumerate(p.tasks):
            if p.done(task):
                verify(p.folder / task.run_id, task.run_id)
            advance_to(i + 1)


def record_failure(p: Plan, task: Task, reason: str, trace: str = "") -> None:
    """Keep why a run failed, beside where its folder would be."""
    record = {"reason": reason, "swept": task.swept, "config": task.config, "traceback": trace}
    with files.whole(p.failure(task)) as beside:
        beside.write_text(json.dumps(record, indent=1))


def collect(p: Plan) -> pd.DataFrame:
    """The tidy table of the plan's finished runs: run_id, seed, the swept parameters, metric, of, value; in plan
    order. Its attributes, which Parquet keeps, tell the versions of what the runs were done with."""
    runs, tables, versions = [], [], {}
    with progress.bar("collecting", len(p.tasks), after=progress.SOON) as advance_to:
        for i, task in enumerate(p.tasks):
            if p.done(task):
                folder = p.folder / task.run_id
                for package, version in verify(folder, task.run_id).get("versions", {}).items():
                    versions.setdefault(package, {})[version] = None
                with pq.ParquetFile(BytesIO(packs.read(folder, "metrics.parquet"))) as rows:
                    tables.append(rows.read(use_threads=False))
                runs.append({"run_id": task.run_id, "seed": task.config["seed"]} | task.swept)
            advance_to(i + 1)
    table = pd.DataFrame()
    if runs:
        # of values whose types differ, pandas finds the common one
        alike = groupby(runs, lambda run: tuple(map(type, run.values())))
        known = pd.concat([pd.DataFrame(list(some)) for _, some in alike], ignore_index=True)
        known = known.loc[known.index.repeat([len(rows) for rows in tables])].reset_index(drop=True)
        table = known.join(pa.concat_tables(tables).to_pandas(use_threads=False))
    for column in set(table) - {"value"}:  # a weight may be a number here and a course there: one column has one type
        kinds = {type(value) for value in table[column].dropna().unique()}
        if str in kinds and len(kinds) > 1:
            table[column] = table[column].map(str, na_action="ignore")
    table.attrs["versions"] = {package: list(some) for package, some in versions.items()}
    return table


def failures(p: Plan) -> dict[str, dict]:
    """run_id → {reason, swept, …} of the runs that failed."""
    return {task.run_id: failure_in(p.failure(task)) for task in p.tasks if p.failure(task).exists()}


def failure_in(path: Path) -> dict:
    """The record of a run that failed: its reason, at least."""
    try:
        return {"reason": "unknown"} | json.loads(path.read_text())
    except (OSError, ValueError, TypeError):
        return {"reason": f"unknown, as {path} cannot be read"}
