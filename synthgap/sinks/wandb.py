"""Weights & Biases, offline: a folder a run, nothing leaves the machine; `wandb sync runs/wandb/offline-run-*` sends them."""

from pathlib import Path

import wandb

from synthgap.sinks import Run


def write(place: Path, run: Run) -> None:
    """The course of training as history, all metrics as summary, and the config."""
    quiet = wandb.Settings(silent=True, console="off", disable_git=True, save_code=False, x_disable_stats=True)
    place.mkdir(parents=True, exist_ok=True)
    begun = wandb.init(
        project=run.study,
        id=run.run_id,
        name=run.run_id,
        dir=place.parent,  # in which it makes the folder wandb
        mode="offline",
        config=dict(run.config),
        settings=quiet,
    )
    for row in run.course.to_dict("records"):
        step = int(row.pop("step"))
        begun.log({f"training/{name}": value for name, value in row.items()}, step=step)
    begun.summary.update(dict(run.metrics))
    begun.finish()
