"""The one way to write a file or a folder: beside its place, then renamed, so that it is whole or not there at all.

What is written beside has a new name of its own, so that no other process and no planted link is in the way, and the mode
that the umask gives. A killed command leaves it behind; whoever next holds the lock of the place sweeps it up.
"""

import errno
import os
import re
import shutil
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from hashlib import file_digest
from pathlib import Path
from secrets import token_hex
from time import sleep
from typing import TYPE_CHECKING, BinaryIO

from filelock import FileLock, Timeout

from data_gen.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

_LEFT = re.compile(r"\.(?P<name>.+)\.[0-9a-f]{8}\.partial(\.[^.]+)?")  # what `_beside` names
#: what a file system says that has no locks, or whose locks do not work
_NO_LOCKS = {getattr(errno, name) for name in ("ENOLCK", "EOPNOTSUPP", "ENOTSUP", "ENOSYS") if hasattr(errno, name)}
_FORBIDDEN = {
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
}  # what is said of a place that others own, or that may not be written
SIGN = 60.0  # seconds between the signs of life that the holder of a claim gives
STALE = 900.0  # seconds without one after which others take a claim over


@contextmanager
def whole(path: str | Path) -> Iterator[Path]:
    """A path beside `path`, of an empty file with its ending, to write to; in its place once the block ends, else gone."""
    path = Path(path)
    beside = _beside(path, path.suffix)
    try:
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        mode = stat.S_IMODE(beside.stat().st_mode)
        yield beside
        if stat.S_IMODE(beside.stat().st_mode) != mode:  # some writers make a new file, readable by its owner alone
            beside.chmod(mode)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: str | Path) -> Iterator[Path]:
    """An empty folder beside `path` to fill; in its place once the block ends, else gone. Nothing, or an empty folder, may be
    in that place."""
    beside = _beside(Path(path))
    try:
        beside.mkdir()  # within, as a signal may be heard the moment that it is made
        yield beside
        os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)


@contextmanager
def locked(path: str | Path, wait: bool = True) -> Iterator[None]:
    """Holds the lock file at `path`, which other commands and machines respect; its folder is made if need be.

    Whoever may write its folder may lock it. Raises filelock.Timeout if another holds it and `wait` is false, and InputError
    on a file system without locks, or where you may not write.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # A soft lock, which filelock else takes where there is no flock, would outlive a holder that is killed.
        lock = FileLock(path, mode=path.parent.stat().st_mode & 0o666 | 0o600, fallback_to_soft=False)
        lock.acquire(timeout=-1 if wait else 0)
    except OSError as error:
        if error.errno in _FORBIDDEN:
            raise InputError(
                f"{path} may not be written by you ({error.strerror}), so you cannot lock it; ask its owner"
            ) from error
        if error.errno not in _NO_LOCKS:
            raise
        raise InputError(
            f"{path} cannot be locked: this file system has no file locks ({error}); use a folder on another, by out=DIR"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def claimed(path: str | Path, wait: bool = True) -> Iterator[None]:
    """As `locked`, for what takes long: its holder gives a sign of life each minute, and a claim that has had none for
    `STALE` seconds is taken over: over NFS, the lock of a machine that died, or that lost its network, may stay. A holder that
    was only slow finds its work done; both have the same numbers.
    """
    path, ended = Path(path), threading.Event()
    with ExitStack() as stack:
        while True:
            try:
                stack.enter_context(locked(path, wait=False))
                break
            except Timeout:
                if _stale(path):
                    _take_over(path)
                elif wait:
                    sleep(0.5)
                else:
                    raise

        def give_signs() -> None:
            while not ended.is_set():
                with suppress(OSError):  # taken over
                    os.utime(path)
                ended.wait(SIGN)

        thread = threading.Thread(target=give_signs, daemon=True)
        thread.start()
        stack.callback(thread.join)
        stack.callback(ended.set)
        yield


def _stale(path: Path) -> bool:
    """Whether the last sign of life is too old, by the clock of the file system: those of machines may differ."""
    probe = _beside(path)
    try:
        probe.touch()
        return probe.stat().st_mtime - path.stat().st_mtime > STALE
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.unlink()


def _take_over(path: Path) -> None:
    """The lock file goes, and with it the dead one's lock; the next to ask makes another. One at a time, as the second would
    delete the first one's."""
    with locked(path.with_name(f"{path.name}.taken"), wait=True):
        if _stale(path):
            path.unlink(missing_ok=True)


def sweep_up(folder: str | Path, name: str | None = None) -> None:
    """Removes what killed commands left in `folder` beside the place `name`, or beside any.

    Call it only while you hold the lock under which these places are written: what is there then has no owner.
    """
    for path in left_in(folder):
        if name in (None, place_of(path)):
            _delete(path)


def left_in(folder: str | Path) -> list[Path]:
    """What commands have left in `folder` beside places, or write there now."""
    return sorted(path for path in Path(folder).glob(".*.partial*") if _LEFT.fullmatch(path.name))


def place_of(left: Path) -> str:
    """The name, without its ending, of the place that `left`, of `left_in`, was written for."""
    return _LEFT.fullmatch(left.name)["name"]


def remove(path: str | Path) -> None:
    """Deletes a file or a folder: it is renamed first, so that it is whole or gone at any time. Hold the lock of the place."""
    beside = _beside(Path(path))
    os.replace(path, beside)
    _delete(beside)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def held(path: str | Path) -> bool:
    """Whether another process that lives holds the lock file at `path`; False where you may not lock it, as it is unknown."""
    if not Path(path).exists():
        return False
    try:
        with locked(path, wait=False):
            return False
    except Timeout:
        return not _stale(Path(path))
    except InputError:
        return False


def forbidden(folder: str | Path) -> str | None:
    """Why you may not write into a folder, which is made if need be, in the system's words; None if you may.

    It is tried, as modes do not say it of every file system.
    """
    beside = _beside(Path(folder) / "probe")
    try:
        beside.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        if error.errno in _FORBIDDEN:
            return os.strerror(error.errno)
        raise
    finally:
        with suppress(OSError):  # it may be gone: swept up, or never made
            beside.unlink()
    return None


def not_yours(error: PermissionError) -> InputError:
    """What to say of a file that is there, and that you may not read: it is no damage."""
    return InputError(f"{error.filename} may not be read by you; ask its owner")


def read_parquet(source: str | Path | BinaryIO) -> "pd.DataFrame":
    """A table as pandas reads it, but by this thread alone: where memory is too short to start another, pyarrow would wait for
    that forever."""
    import pandas as pd

    return pd.read_parquet(source, use_threads=False, pre_buffer=False)


def checksum(path: str | Path) -> str:
    """SHA-256 of a file, in hex."""
    with Path(path).open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _beside(path: Path, ending: str = "") -> Path:
    return path.with_name(f".{path.name.removesuffix(ending)}.{token_hex(4)}.partial{ending}")
