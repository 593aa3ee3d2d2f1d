"""A Python file of the user's: run as it was read, and its mistakes told in a line, with the file and the line."""

import sys
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import TypeVar

from data_gen.errors import InputError

Function = TypeVar("Function", bound=Callable)


def read(path: str | Path, option: str, defining: str) -> bytes:
    """What the file says. It is read once: what runs is what is hashed, whatever a __pycache__ holds.

    option: what names it. defining: what it is to define. Raises InputError.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{option}={path}: no such file (it needs a Python file that defines `{defining}`)")
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{option}={path} cannot be read: {error.strerror}") from error


def run(path: str | Path, source: bytes, option: str) -> ModuleType:
    """The module that the source makes. Raises InputError where it does not run."""
    module = ModuleType(f"synthgap_{option}_{Path(path).stem}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for themselves
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise InputError(f"{option}={path} does not run: {type(error).__name__}: {error}") from error
    return module


def told(function: Function, path: str | Path, option: str) -> Function:
    """The same function, whose errors are told as the user's: the file and the line."""

    def asked(*given):
        try:
            return function(*given)
        except Exception as error:
            lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
            where = f"line {lines[-1]}" if lines else getattr(function, "__name__", "its function")
            raise InputError(f"{option}={path}, {where}: {type(error).__name__}: {error}") from error

    return asked
