"""A user's own Python file, run for the one object that it defines; mistakes in it are told in a line, with the line in it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from traceback import walk_tb
from types import ModuleType

from data_gen.errors import InputError


def source(path: Path, what: str) -> bytes:
    """What the file holds, read once: what runs is what is hashed. what: how it was asked for, as "world=my.py"."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}") from error


@lru_cache
def run(path: Path, source: bytes, what: str) -> ModuleType:
    """The module of such a file. Raises InputError if it does not run."""
    module = ModuleType(f"synthgap_own_{path.stem}_{sha256(source).hexdigest()[:8]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for themselves
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise InputError(f"{what} does not run: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def blamed(path: Path, what: str, doing: str) -> Iterator[None]:
    """Errors of a user's function are told as the user's: the file and the line, or what it was doing."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
        where = f"line {lines[-1]}" if lines else doing
        raise InputError(f"{what}, {where}: {type(error).__name__}: {error}") from error


def named(function: Callable, path: Path, what: str, doing: str) -> Callable:
    """The same function, whose errors are `blamed` on the file."""

    def told(*given, **more):
        with blamed(path, what, doing):
            return function(*given, **more)

    return told
