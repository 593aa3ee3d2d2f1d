"""MLflow on SQLite: an experiment a study. `mlflow ui --backend-store-uri sqlite:///runs/mlflow/mlflow.db` shows it."""

import logging
from pathlib import Path

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient

from synthgap.sinks import Run

AT_ONCE = 100  # params that MLflow takes at once; of metrics it takes 1,000


def write(place: Path, run: Run) -> None:
    """The config as params, the course of training and all metrics as metrics, with "_at_" for "@"."""
    for name in ("alembic", "mlflow"):  # which tell that they make tables
        logging.getLogger(name).setLevel(logging.WARNING)
    place.mkdir(parents=True, exist_ok=True)
    client = MlflowClient(f"sqlite:///{place.absolute() / 'mlflow.db'}")
    known = client.get_experiment_by_name(run.study)
    kept = (place / "artifacts").absolute().as_uri()
    experiment = known.experiment_id if known else client.create_experiment(run.study, artifact_location=kept)
    begun = client.create_run(experiment, run_name=run.run_id)
    params = [Param(key, str(value)) for key, value in run.config.items()]
    for start in range(0, len(params), AT_ONCE):
        client.log_batch(begun.info.run_id, params=params[start : start + AT_ONCE])
    now, steps = begun.info.start_time, [int(step) for step in run.course.pop("step")]
    course = [
        Metric(f"training/{name}", float(value), now, step)
        for name, values in run.course.items()
        for step, value in zip(steps, values, strict=True)
    ]
    last = max(steps, default=0)
    measured = [Metric(name.replace("@", "_at_"), value, now, last) for name, value in run.metrics.items()]
    for start in range(0, len(course + measured), 10 * AT_ONCE):
        client.log_batch(begun.info.run_id, metrics=(course + measured)[start : start + 10 * AT_ONCE])
    client.set_terminated(begun.info.run_id)
