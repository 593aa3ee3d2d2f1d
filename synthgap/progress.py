"""Progress with time left: a bar on a terminal, a line now and then in a log."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LOG_EVERY = 15.0  # seconds between lines where there is no terminal


@contextmanager
def bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Shows how far `what` is; yields a function that takes the number done so far."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _log(what, total)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
    )
    with Progress(*columns, TimeRemainingColumn(compact=True), console=console, transient=True) as shown:
        task = shown.add_task(what, total=total)
        yield lambda done: shown.update(task, completed=done)


def _log(what: str, total: int) -> Callable[[int], None]:
    started = told = monotonic()
    first: int | None = None

    def tell(done: int) -> None:
        nonlocal told, first
        first = done if first is None else first
        now = monotonic()
        if (now - told < LOG_EVERY and done < total) or done == first:
            return
        told = now
        left = (now - started) * (total - done) / (done - first)
        print(f"{what}: {done} of {total}, {now - started:.0f} s, about {left:.0f} s left", file=sys.stderr, flush=True)

    return tell
