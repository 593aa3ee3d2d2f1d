"""Worker processes that end with their parent: for work that is spread over cores."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from time import sleep

#: what a terminal sends to all processes of a command, though only the command itself is to answer
_OF_THE_TERMINAL = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def left_to_the_parent() -> Iterator[None]:
    """Processes that are started within ignore Ctrl-C and a closed terminal: their parent hears them, and ends its workers.

    Signals that come meanwhile are heard afterwards, so that none finds a worker half started. For the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    resource_tracker.ensure_running()  # it would let signals through, were it started within
    waiting: list[int] = []
    ended = signal.signal(signal.SIGTERM, lambda number, _: waiting.append(number))
    signal.pthread_sigmask(signal.SIG_BLOCK, _OF_THE_TERMINAL)
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _OF_THE_TERMINAL}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGTERM, ended)
        for number in waiting:
            signal.raise_signal(number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _OF_THE_TERMINAL)


def end_with(parent: int) -> None:
    """From now on this process ends within a second of its parent (its process id): what it makes would be lost.

    The id is the parent's own word: asked here, one that died while this process started would be the system's.
    """
    threading.Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(1)
