"""Metrics of a user's own files, with their functions: these are run here, where torch is there anyway."""

from collections.abc import Sequence
from pathlib import Path

from data_gen import InputError, user_file
from synthgap.metric_names import Metric


def load(paths: Sequence[str]) -> list[Metric]:
    """All metrics that the files declare. Their errors, and results that are no numbers, are reported with file and line."""
    found = []
    for path in paths:
        what = f"metrics={path}"
        for metric in user_file.run(Path(path), user_file.read(Path(path), what), what).METRICS:
            if metric.by is None:
                raise InputError(f"{what}: {metric.name} has no function; give it by=…")
            found.append(metric._replace(by=user_file.named(_number(metric), Path(path), what, metric.name)))
    return found


def _number(metric: Metric):
    def number(*given) -> float:
        try:
            return float(metric.by(*given))
        except TypeError as error:
            raise TypeError(f"{metric.name}: {error}") from error

    return number
