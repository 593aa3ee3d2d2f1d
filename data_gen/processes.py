"""Worker processes that outlive nobody: for whoever spreads work over cores."""

import os
from threading import Thread
from time import sleep


def end_with(parent: int) -> None:
    """From now on this process ends within a second of its parent (its process id): nobody would gather what it makes.

    The id is the parent's own word: asked here, one that died while this process started would be the system's.
    """
    Thread(target=_watch, args=(parent,), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        sleep(0.5)
    os._exit(1)
