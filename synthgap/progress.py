"""Progress with time left: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

LOG_EVERY = 15.0  # seconds between lines where there is no terminal
WIDTH = 118  # of a log without a terminal, where rich would wrap at 80
SOON = 3.0  # seconds until what is usually quick is worth a bar


def terminal() -> Console:
    """Where results are told."""
    console = Console()
    return console if console.is_terminal else Console(width=WIDTH)


@contextmanager
def bar(what: str, total: int, unit: str = "", after: float = 0.0) -> Iterator[Callable[[int], None]]:
    """Shows how far `what` is, and how many a second where a unit is given; yields a function that takes the number done.

    after: seconds before which nothing is shown, of what is usually quick.
    """
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log(what, total, unit, quick=after > 0)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        *([_Rate(unit)] if unit else []),
        TimeElapsedColumn(),
        TextColumn("left"),
    )
    shown = Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True)
    task, begun = shown.add_task(what, total=total), monotonic()
    with ExitStack() as stack:

        def tell(done: int) -> None:
            if not shown.live.is_started and monotonic() - begun >= after:
                stack.enter_context(shown)
            shown.update(task, completed=done)

        tell(0)
        yield tell


class _Rate(ProgressColumn):
    def __init__(self, unit: str):
        super().__init__()
        self.unit = unit

    def render(self, task: Task) -> Text:
        return Text(f"{task.speed or 0:,.0f} {self.unit}/s")


def _log(what: str, total: int, unit: str, quick: bool) -> Callable[[int], None]:
    started = told = monotonic()
    first: int | None = None

    def tell(done: int) -> None:
        nonlocal told, first
        first = done if first is None else first
        now = monotonic()
        if (now - told < LOG_EVERY and (done < total or quick)) or done == first:
            return
        told = now
        left = (now - started) * (total - done) / (done - first)
        rate = f", {(done - first) / (now - started):,.0f} {unit}/s" if unit else ""
        line = f"{what}: {done} of {total}{rate}, {now - started:.0f} s, about {left:.0f} s left"
        print(line, file=sys.stderr, flush=True)

    return tell
