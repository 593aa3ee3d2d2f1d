"""Metrics of a user's own files, with their functions: these are run here, where torch is there anyway."""

from collections.abc import Sequence

from data_gen import InputError, python_file
from synthgap.metric_names import Metric


def load(paths: Sequence[str]) -> list[Metric]:
    """All metrics that the files declare. Their errors, and results that are no numbers, are told with file and line."""
    found = []
    for path in paths:
        source = python_file.read(path, "metrics", "METRICS = [Metric(…), …]")
        for metric in python_file.run(path, source, "metrics").METRICS:
            if metric.by is None:
                raise InputError(f"metrics={path}: {metric.name} has no function; give it by=…")
            found.append(metric._replace(by=python_file.told(_number(metric), path, "metrics")))
    return found


def _number(metric: Metric):
    def number(*given) -> float:
        try:
            return float(metric.by(*given))
        except TypeError as error:
            raise TypeError(f"{metric.name}: {error}") from error

    number.__name__ = metric.name
    return number
