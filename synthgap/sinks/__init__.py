"""Where finished runs are written beside their folder, for other tools: off unless asked for, and no number depends on it.

A sink is a module of this folder with a function `write(place, run)`. It is asked for by its name, as in
`sinks=[tensorboard]`, and writes into the folder of that name beside the studies.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from math import isfinite
from pathlib import Path

import pandas as pd
import yaml

from data_gen import InputError, files
from synthgap.metric_names import METRICS, SHARE

#: the sinks there are, each an extra of the same name → the packages that it imports
PACKAGES = {
    "tensorboard": ("tensorboard",),
    "mlflow": ("mlflow", "sqlalchemy", "alembic"),
    "wandb": ("wandb",),
}
#: read by these packages when they are imported: they are not to report to their makers
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


@dataclass(frozen=True)
class Run:
    """A finished run. config: option → value. metrics: what was measured, "rmg/image-text" → a finite number. course: a row a
    point of training, of columns step, loss, …; empty where the run took another's model. written: its config as YAML."""

    study: str
    run_id: str
    config: Mapping[str, object]
    metrics: Mapping[str, float]
    course: pd.DataFrame
    written: str


def check(names: Iterable[str]) -> None:
    """Raises InputError, with the extra to install, for a sink whose packages are not there."""
    for name in names:
        missing = [package for package in PACKAGES[name] if find_spec(package) is None]
        if missing:
            raise InputError(
                f'sinks=[{name}] needs {" and ".join(missing)}; install it by pip install "synthgap[{name}]"'
            )


def write(out: Path, names: Iterable[str], folder: Path) -> None:
    """Write the finished run in a folder `<out>/<study>/<run_id>` into these sinks, unless it is there already."""
    for key, value in QUIET.items():
        os.environ.setdefault(key, value)
    for name in names:
        place = out / name
        mark = place / ".runs" / f"{folder.parent.name}-{folder.name}"
        if mark.exists():
            continue
        with files.locked(place / ".lock"):
            if not mark.exists():
                import_module(f"synthgap.sinks.{name}").write(place, read(folder))
                mark.parent.mkdir(exist_ok=True)
                mark.touch()


def read(folder: Path) -> Run:
    """A finished run, from its folder. The course of training is not among the metrics."""
    written = (folder / "config.yaml").read_text()
    rows = files.read_parquet(folder / "metrics.parquet")
    courses = [name for name, metric in METRICS.items() if metric.of == SHARE]
    rows = rows[~rows.metric.isin(courses) & rows.value.map(isfinite)]
    names = rows.metric + ("/" + rows.of).where(rows.of != "", "")
    course = folder / "trajectory.parquet"
    return Run(
        folder.parent.name,
        folder.name,
        dict(_flat(yaml.safe_load(written))),
        dict(zip(names, rows.value.astype(float), strict=True)),
        files.read_parquet(course) if course.exists() else pd.DataFrame({"step": []}),
        written,
    )


def _flat(config: Mapping, before: str = "") -> Iterator[tuple[str, object]]:
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{before}{key}.")
        else:
            yield before + key, value
