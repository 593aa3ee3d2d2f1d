"""Finished runs of a study in few files: a part holds the files of thousands of runs, as they were, in place of a folder each.

`OUT/STUDY/packed/part-….parquet` has a row a run: its id, and a column a file. Runs whose models were kept stay as they are.
A packed run is as done as any other. What reads a run's files asks here, and need not know where they lie.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import pyarrow as pa
import pyarrow.parquet as pq
from filelock import Timeout

from data_gen import InputError, files

FOLDER = "packed"
MOST = 10_000  # runs of a part
DONE, MODEL = "done.json", "model.safetensors"


@dataclass(frozen=True)
class Packed:
    """What packing did. runs, files, bytes: that are in `parts` now, and of how many files and bytes they were. with_model:
    runs that stay as they are."""

    runs: int
    files: int
    bytes: int
    parts: tuple[Path, ...]
    with_model: int


def there(run: Path) -> bool:
    """Whether the run `<out>/<study>/<run_id>` is finished, packed or not."""
    return (run / DONE).exists() or run.name in known(run.parent)


def read(run: Path, name: str) -> bytes:
    """A file of a run, packed or not. Raises OSError where there is none, and InputError where its part is damaged."""
    if (part := place(run)) == run:
        return (run / name).read_bytes()
    try:
        return _load(part)[run.name][name]
    except KeyError:
        raise FileNotFoundError(f"{part} has no {name} of the run {run.name}") from None


def place(run: Path) -> Path:
    """Where a run lies: its folder, or the part that holds it."""
    return run if run.is_dir() else known(run.parent).get(run.name, run)


def checksum(run: Path, name: str) -> str:
    """SHA-256 of a file of a run, in hex. Raises as `read`."""
    return files.checksum(run / name) if place(run) == run else sha256(read(run, name)).hexdigest()


def known(folder: Path) -> dict[str, Path]:
    """run_id → part of the packed runs of a study's folder."""
    try:
        names = sorted(name for name in os.listdir(folder / FOLDER) if name.startswith("part-"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    return _known(folder / FOLDER, tuple(names))


@lru_cache(maxsize=4)
def _known(folder: Path, names: tuple[str, ...]) -> dict[str, Path]:
    return {run: folder / name for name in names for run in _table(folder / name, ["run_id"])["run_id"].to_pylist()}


@lru_cache(maxsize=2)  # runs are asked for about in the order in which they were packed; no part is written twice
def _load(part: Path) -> dict[str, dict[str, bytes]]:
    rows = _table(part).to_pylist()
    return {row.pop("run_id"): {name: held for name, held in row.items() if held is not None} for row in rows}


def _table(part: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        with pq.ParquetFile(part) as rows:
            return rows.read(columns, use_threads=False)
    except PermissionError as error:
        raise files.not_yours(error) from error
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{part} is damaged ({error}); delete it, and its runs are run again") from error


def pack(folder: Path, verify: Callable[[Path], object], report: Callable[[int, int], None]) -> Packed:
    """Put the finished runs of a study's folder, those without a model, into parts, and delete their folders.

    verify: raises InputError for a run that is damaged. `report(done, of)` is called now and then. A run that another
    command holds is left as it is. Nothing is deleted before its part is written whole. One at a time packs a folder.
    """
    with files.locked(folder / ".locks" / "pack"):
        files.sweep_up(folder / FOLDER)
        return _pack(folder, verify, report)


def _pack(folder: Path, verify: Callable[[Path], object], report: Callable[[int, int], None]) -> Packed:
    found = sorted(folder.glob(f"[!.]*/{DONE}"), key=lambda path: path.stat().st_mtime)
    runs = [path.parent for path in found if not (path.parent / MODEL).exists()]
    parts, number, size = [], 0, 0
    for start in range(0, len(runs), MOST):
        some, rows = runs[start : start + MOST], []
        for run in some:
            verify(run)
            rows.append({"run_id": run.name} | contents(run))
            report(start + len(rows), 2 * len(runs))
        names = sorted({name for row in rows for name in row} - {"run_id"})
        (folder / FOLDER).mkdir(exist_ok=True)
        part = folder / FOLDER / f"part-{token_hex(4)}.parquet"
        schema = pa.schema([("run_id", pa.string()), *((name, pa.binary()) for name in names)])
        with files.whole(part) as beside:
            pq.write_table(pa.Table.from_pylist(rows, schema), beside, compression="zstd")
        parts.append(part)
        number += sum(len(row) - 1 for row in rows)
        size += sum(len(held) for row in rows for name, held in row.items() if name != "run_id")
    for i, run in enumerate(runs):
        _forget(run)
        report(len(runs) + i + 1, 2 * len(runs))
    return Packed(len(runs), number, size, tuple(parts), len(found) - len(runs))


def _forget(run: Path) -> None:
    """Delete the folder of a packed run, and its lock."""
    lock = run.parent / ".locks" / run.name
    try:
        with files.locked(lock, wait=False):
            files.remove(run)
            with suppress(OSError):  # Windows keeps what is open
                lock.unlink()
    except Timeout:  # its folder stays, and counts
        return


def restore(run: Path) -> None:
    """Write the folder of a packed run as it was. Hold the run's lock."""
    with files.whole_folder(run) as beside:
        write(_load(known(run.parent)[run.name])[run.name], beside)


def contents(folder: Path) -> dict[str, bytes]:
    """What the files of a run's folder hold, by their names."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def write(held: Mapping[str, bytes], folder: Path) -> None:
    """The files of `contents` into a folder, which is made if need be."""
    folder.mkdir(exist_ok=True)
    for name, content in held.items():
        (folder / name).write_bytes(content)
