"""A Python file of a user's own: read once, run as a module, and its errors reported with the file and the line."""

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from traceback import walk_tb
from types import ModuleType
from typing import TypeVar

from data_gen.errors import InputError

Part = TypeVar("Part")


def read(path: Path, what: str) -> bytes:
    """The file's source, once: what runs is what is hashed. Raises InputError. what: how the user named it."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{what} cannot be read: {error.strerror}") from error


def fingerprint(source: bytes) -> str:
    """The hash that stands for a source in what decides the numbers."""
    return sha256(source).hexdigest()


@lru_cache
def run(path: Path, source: bytes, what: str) -> ModuleType:
    """The module that the source makes. Raises InputError, with the line, if it does not run."""
    module = ModuleType(f"synthgap_own_{path.stem}_{fingerprint(source)[:12]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # where dataclasses look for themselves
    try:
        exec(compile(source, str(path), "exec"), module.__dict__)
    except (Exception, SystemExit) as error:
        raise InputError(f"{what}{line_in(path, error)} does not run: {type(error).__name__}: {error}") from error
    return module


def defined(path: Path, what: str, name: str, kind: type[Part], example: str) -> Part:
    """The object `name`, a `kind`, that the file defines, as in `example`. Raises InputError where there is none."""
    if not path.is_file():
        raise InputError(f"{what}: no such file (it needs a Python file that defines `{example}`)")
    found = getattr(run(path, read(path, what), what), name, None)
    if not isinstance(found, kind):
        raise InputError(f"{what} must define `{example}`, found {type(found).__name__}")
    return found


@contextmanager
def located(files: Mapping[str, str]) -> Iterator[None]:
    """Tells an error that passes through one of the files {path: how the user named it} as that file's, with the line."""
    try:
        yield
    except Exception as error:
        for path, what in files.items():
            if line := line_in(path, error):
                raise InputError(f"{what}{line}: {type(error).__name__}: {error}") from error
        raise


@contextmanager
def blamed(path: Path, what: str, doing: str) -> Iterator[None]:
    """Errors of a user's function are reported as the user's: the file and the line, or what it was doing."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        where = line_in(path, error) or f", {doing}"
        raise InputError(f"{what}{where}: {type(error).__name__}: {error}") from error


def named(function: Callable, path: Path, what: str, doing: str) -> Callable:
    """The same function, whose errors are `blamed` on the file."""

    def told(*given, **more):
        with blamed(path, what, doing):
            return function(*given, **more)

    return told


def all_named(part: Part, path: Path, what: str, functions: Iterable[str]) -> Part:
    """A dataclass of the file's with these of its functions `named`."""
    return replace(part, **{name: named(getattr(part, name), path, what, name) for name in functions})


def line_in(path: str | Path, error: BaseException) -> str:
    """The last line of the file that an error passed through, as ", line 3"; empty where it passed through none."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f", line {error.lineno}"
    lines = [line for frame, line in walk_tb(error.__traceback__) if frame.f_code.co_filename == str(path)]
    return f", line {lines[-1]}" if lines else ""
