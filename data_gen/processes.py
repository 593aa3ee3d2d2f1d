"""Worker processes that end with their parent: for work that is spread over cores."""

import atexit
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from multiprocessing import forkserver, get_context, parent_process, resource_tracker
from multiprocessing.context import BaseContext

#: what a terminal sends to all processes of a command, though only the command itself is to answer
_OF_THE_TERMINAL = [getattr(signal, name) for name in ("SIGINT", "SIGHUP") if hasattr(signal, name)]


def context(*modules: str) -> BaseContext:
    """How workers start: never as a fork of this process, whose threads they would share.

    On Linux each is a fork of a server that has loaded `modules` and has no threads, so that they load once, not once a
    worker; elsewhere each is a new Python.
    """
    if sys.platform != "linux":
        return get_context("spawn")
    server = get_context("forkserver")
    server.set_forkserver_preload(list(modules))  # of the first call: the server stays until this process ends
    return server


def start_server(*modules: str) -> None:
    """Starts the server of `context`, where there is one, so that it loads `modules` while this process does something else.

    If this process ends before, nobody waits for it.
    """
    if context(*modules).get_start_method() == "forkserver":
        with left_to_the_parent():
            forkserver.ensure_running()
        atexit.register(_dismiss_server)


def _dismiss_server() -> None:
    with suppress(OSError, AttributeError, TypeError):  # it has none, or it has ended
        os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)


@contextmanager
def inheriting(environment: Mapping[str, str]) -> Iterator[None]:
    """Processes that are started within have these variables, unless this one has others of their names."""
    new = {name: value for name, value in environment.items() if name not in os.environ}
    os.environ.update(new)
    try:
        yield
    finally:
        for name in new:
            os.environ.pop(name, None)


@contextmanager
def left_to_the_parent() -> Iterator[None]:
    """Processes that are started within ignore Ctrl-C and a closed terminal: their parent hears them, and ends its workers.

    Signals that come meanwhile are heard afterwards, so that none finds a worker half started. For the main thread.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with _tracker_started_again():
        resource_tracker.ensure_running()  # it would let signals through, were it started within
    waiting: list[int] = []
    ended = signal.signal(signal.SIGTERM, lambda number, _: waiting.append(number))
    _block("SIG_BLOCK", [*_OF_THE_TERMINAL, signal.SIGTERM])  # for good in the server, which ends with this process
    before = {number: signal.signal(number, signal.SIG_IGN) for number in _OF_THE_TERMINAL}
    try:
        with _tracker_started_again():
            yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.signal(signal.SIGTERM, ended)
        for number in waiting:
            signal.raise_signal(number)
        _block("SIG_UNBLOCK", [*_OF_THE_TERMINAL, signal.SIGTERM])


@contextmanager
def _tracker_started_again() -> Iterator[None]:
    """Python starts its resource tracker again where it died, and warns. Nothing of ours is lost, so nobody is warned."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "resource_tracker: process died unexpectedly")
        yield


def begin() -> None:
    """The first line of a worker: it hears SIGTERM from now on, and ends with the process that started it."""
    _block("SIG_UNBLOCK", [signal.SIGTERM])
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent_process().join()
    os._exit(1)  # nobody would gather what this process makes


def _block(how: str, signals: list[signal.Signals]) -> None:
    if hasattr(signal, "pthread_sigmask"):  # Windows has no masks
        signal.pthread_sigmask(getattr(signal, how), signals)
