"""What Ctrl-C, SIGTERM and a closed terminal do to the command: one line, and an exit code that says which it was.

Quick to import, as it comes before all else that takes time.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

KEPT = "what is done is kept, and the same command goes on from there"
SOON = 0.01  # seconds after which a signal that was lost is sent again
#: signals that end the command → how that is told
TOLD = {
    getattr(signal, name): told
    for name, told in {
        "SIGINT": "interrupted",
        "SIGTERM": "ended by SIGTERM",
        "SIGHUP": "ended by SIGHUP, as its terminal was closed",
    }.items()
    if hasattr(signal, name)
}


def exit_code(number: int) -> int:
    """130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP, as shells have it."""
    return 128 + number


def line(number: int, kept: str = KEPT) -> str:
    """The line about a command that a signal ended."""
    return f"{TOLD[number]}; {kept}"


def leave_at_once() -> None:
    """From now on a signal ends the process, with its line: for while modules load.

    There is nothing to clean up then, and an exception from the midst of a module that loads may be swallowed there, or come
    out as another.
    """
    _answer(_leave)


def ignore() -> None:
    """From now on signals do nothing: for while Python shuts down, when all is done and told."""
    for number in TOLD:
        signal.signal(number, signal.SIG_IGN)


class Interrupted(KeyboardInterrupt):
    """A signal, of the number that is its argument.

    Python ends itself by SIGINT, whatever code it is to end with, if the interrupt comes while it executes text, as
    `dataclass` does; but only of a KeyboardInterrupt itself.
    """


@contextmanager
def raised(heard: list[int], once: bool = False) -> Iterator[None]:
    """Within, a signal is an `Interrupted`, so that what is under way is cleaned up, and is appended to `heard`.

    Args:
        once: signals after the first do nothing; else each interrupts, also the cleaning up.

    Only the main thread of a process can ask for that; in others nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lost: list[threading.Event] = []  # of signals that are sent again until they are heard

    def interrupt(number: int, _) -> None:
        if once and heard and not lost:
            return
        while lost:
            lost.pop().set()
        heard.append(number)
        raise Interrupted(number)

    def unraisable(told) -> None:
        """Python prints and forgets what is raised while it calls back, as a weak reference does that ends."""
        if isinstance(told.exc_value, Interrupted):
            lost.append(threading.Event())
            threading.Thread(target=_send, args=(*told.exc_value.args, lost[-1]), daemon=True).start()
        else:
            hook(told)

    before, hook = {number: signal.getsignal(number) for number in TOLD}, sys.unraisablehook
    try:
        sys.unraisablehook = unraisable
        _answer(interrupt)
        yield
    finally:
        while lost:
            lost.pop().set()
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _send(number: int, heard: threading.Event) -> None:
    """The signal to the main thread, until it is heard: one that comes just before that thread waits would not wake it."""
    while not heard.wait(SOON):
        if hasattr(signal, "pthread_kill"):
            signal.pthread_kill(threading.main_thread().ident, number)
        else:
            signal.raise_signal(number)


def _answer(handler: Callable[[int, object], None]) -> None:
    for number in TOLD:
        if signal.getsignal(number) is not signal.SIG_IGN:  # as nohup leaves SIGHUP, and a shell's & SIGINT
            signal.signal(number, handler)


def _leave(number: int, _) -> None:
    with suppress(Exception):
        sys.stdout.flush()
    with suppress(OSError):  # the terminal is gone
        os.write(2, f"{line(number)}\n".encode())
    os._exit(exit_code(number))
