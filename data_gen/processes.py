"""Worker processes that outlive nobody: for whoever spreads work over cores."""

import os
from threading import Thread
from time import sleep


def end_with_parent() -> None:
    """From now on this process ends within a second of its parent: nobody would gather what it makes."""
    Thread(target=_watch, args=(os.getppid(),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(1)
