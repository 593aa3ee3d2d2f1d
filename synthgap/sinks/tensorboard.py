"""TensorBoard: a folder of events a run; `tensorboard --logdir runs/tensorboard` shows them."""

from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from synthgap.sinks import Run


def write(place: Path, run: Run) -> None:
    """Curves of training, each metric at its last step, and the config as a text."""
    with SummaryWriter(str(place / run.study / run.run_id)) as writer:
        steps = [int(step) for step in run.course.pop("step")]
        for name, values in run.course.items():
            for step, value in zip(steps, values, strict=True):
                writer.add_scalar(f"training/{name}", value, step)
        for name, value in run.metrics.items():
            writer.add_scalar(name, value, max(steps, default=0))
        writer.add_text("config", "    " + run.written.replace("\n", "\n    "))  # indented, so that Markdown keeps it
