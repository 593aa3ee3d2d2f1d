"""Embeddings and labels from files, checked: a matrix, and the factors of its rows.

A place is a path, or `file:name` for one array (npz, safetensors) or column (parquet) of several.
"""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pyarrow.compute import list_value_length
from safetensors import safe_open
from torch import Tensor

from data_gen import Factor, FactorSpace, InputError
from data_gen.errors import unknown

BLOCK = 8192  # rows read at once
MATRICES, LABELS = (".npy", ".npz", ".safetensors", ".parquet"), (".csv", ".parquet", ".npy")
CONTAINERS = MATRICES[1:]
STRINGS = (pa.types.is_string, pa.types.is_large_string)


def read(place: str) -> Tensor:
    """The matrix at `place`, float32 [N, D], N and D ≥ 1: a row an item, finite throughout.

    .npy; .npz and .safetensors: the only two-dimensional array, or the one named; .parquet: the only column of lists, all
    of one length, or the one named, or without lists all columns, which are numbers. Whole numbers and floats of any width
    are read. Raises InputError for what cannot be read, is not such a matrix, or holds nan or infinities.
    """
    path, name = _split(place)
    _there(path, MATRICES)
    with _whole(path):
        blocks, shape = {".npy": _npy, ".npz": _npz, ".safetensors": _safetensors, ".parquet": _parquet}[path.suffix](
            path, name
        )
        if len(shape) != 2 or not all(shape):
            raise InputError(f"{place}: a matrix [items, dimensions] is needed, this is {list(shape)}")
        matrix, at, bad = torch.empty(shape), 0, []
        for block in blocks:
            rows = matrix[at : at + len(block)]
            rows.copy_(_tensor(block, place))  # what float32 cannot hold becomes infinite, and is told
            bad += [at + i for i in torch.nonzero(~rows.isfinite().all(1)).flatten().tolist()]
            at += len(block)
    if bad:
        raise InputError(
            f"{place}: nan or infinite values in {_rows(len(bad))}, the first of them row {bad[0]} (from 0)"
        )
    return matrix


def stem(place: str) -> str:
    """What a place is called: the name in its container, or the file's without its ending."""
    path, name = _split(place)
    return name or path.stem


def read_labels(path: str, n: int) -> tuple[FactorSpace, np.ndarray]:
    """The factor space whose values are the labels in a file, one column a factor, and the n rows' codes in it, [n, F].

    .csv with or without a line of names (n + 1 lines or n), .parquet, .npy [n] or [n, F]; whole numbers or strings. Without
    names a single column is the factor `label`, several are label1, label2, … Raises InputError for what cannot be read,
    another number of rows, a missing label, numbers that are not whole, or a factor with a single value.
    """
    file = Path(path)
    _there(file, LABELS)
    with _whole(file):
        table = {".csv": _csv_table, ".parquet": _parquet_table, ".npy": _npy_table}[file.suffix](file, n)
    if len(table) != n:
        raise InputError(f"{path}: labels of {_rows(len(table))}, but the matrices have {n:,}")
    factors, codes = [], []
    for name, column in table.items():
        code, values = pd.factorize(column, sort=True)
        words = [str(value) for value in values]
        if "" in words:
            missing = np.flatnonzero(code == words.index(""))
            raise InputError(
                f"{path}: column {name!r} has no label in {_rows(len(missing))}, the first row {missing[0]}"
            )
        if len(words) < 2:
            raise InputError(f"{path}: column {name!r} has one value only ({words[0]!r}); a factor needs two or more")
        factors.append(Factor(str(name), words, [f"{name}={word}" for word in words]))
        codes.append(code)
    if not factors:
        raise InputError(f"{path}: no column of labels")
    return FactorSpace(factors), np.stack(codes, axis=1)


def _split(place: str) -> tuple[Path, str | None]:
    file, _, name = place.rpartition(":")
    if name and Path(file).suffix in CONTAINERS and not Path(place).exists():
        return Path(file), name
    return Path(place), None


def _there(path: Path, endings: Iterable[str]) -> None:
    if path.suffix not in endings:
        raise unknown(f"ending of {path}:", path.suffix, endings)
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")


@contextmanager
def _whole(path: Path) -> Iterator[None]:
    """Turns what readers raise at a damaged file, which is anything from zlib.error to tokenize.TokenError, into a line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: may not be read") from error
    except Exception as error:
        raise InputError(f"{path} is damaged, or no {path.suffix} file: {error}") from error


def _tensor(block: np.ndarray | Tensor, place: str) -> Tensor:
    if isinstance(block, np.ndarray):
        if block.dtype.kind not in "fiu":
            raise InputError(f"{place}: {block.dtype} is no type of embeddings; whole numbers or floats are needed")
        with np.errstate(over="ignore"):
            return torch.from_numpy(np.array(block, dtype=np.float32, order="C"))
    if block.dtype.is_complex or block.dtype == torch.bool:
        raise InputError(f"{place}: {block.dtype} is no type of embeddings; whole numbers or floats are needed")
    return block.float()


def _blocks(array) -> Iterator:
    return (array[i : i + BLOCK] for i in range(0, len(array), BLOCK))


def _chosen(path: Path, name: str | None, shapes: dict[str, tuple[int, ...]], what: str) -> str:
    """The name asked for, or else the only one of two dimensions."""
    if name is not None:
        if name not in shapes:
            raise unknown(f"{what} in {path}:", name, shapes)
        return name
    fit = [key for key, shape in shapes.items() if len(shape) == 2]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        held = ", ".join(f"{key} {list(shape)}" for key, shape in shapes.items()) or "nothing"
        raise InputError(f"{path}: no {what} of two dimensions; it holds {held}")
    raise InputError(f"{path} holds several: {', '.join(fit)}; choose one, as in {path}:{fit[0]}")


def _npy(path: Path, name: None) -> tuple[Iterable, tuple[int, ...]]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return _blocks(array), array.shape


def _npz(path: Path, name: str | None) -> tuple[Iterable, tuple[int, ...]]:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        array = archive[_chosen(path, name, {key: _npz_shape(archive, key) for key in archive.files}, "array")]
    return _blocks(array), array.shape


def _npz_shape(archive, key: str) -> tuple[int, ...]:
    """From the header alone: neither the other arrays' size nor what they hold matters."""
    with archive.zip.open(f"{key}.npy") as file:
        version = np.lib.format.read_magic(file)
        header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        return header(file)[0]


def _safetensors(path: Path, name: str | None) -> tuple[Iterable, tuple[int, ...]]:
    with safe_open(path, framework="pt") as file:
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        tensor = file.get_tensor(_chosen(path, name, shapes, "array"))
    return _blocks(tensor), tuple(tensor.shape)


def _parquet(path: Path, name: str | None) -> tuple[Iterable, tuple[int, ...]]:
    file = pq.ParquetFile(path)
    columns = {field.name: field.type for field in file.schema_arrow if not field.name.startswith("__index_level_")}
    lists = {key: (0, 0) for key, kind in columns.items() if _is_list(kind)}
    n = file.metadata.num_rows
    if name is not None or lists:
        if name in columns and name not in lists:
            raise InputError(f"{path}:{name}: {columns[name]} is no column of lists of numbers")
        column = _chosen(path, name, lists, "column of lists")
        blocks = (_rows_of_lists(path, batch.column(0)) for batch in file.iter_batches(BLOCK, columns=[column]))
    else:
        wrong = [key for key, kind in columns.items() if not (pa.types.is_integer(kind) or pa.types.is_floating(kind))]
        if wrong:
            raise InputError(
                f"{path}: no column of lists, and {', '.join(wrong)} not of numbers; leave such columns out"
            )
        blocks = (_rows_of_columns(path, batch) for batch in file.iter_batches(BLOCK, columns=list(columns)))
    first = next(blocks, np.empty((0, 0)))
    return _equally_wide(path, chain([first], blocks), first.shape[1]), (n, first.shape[1])


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _rows_of_lists(path: Path, column: pa.Array) -> np.ndarray:
    numbers = column.flatten()
    if column.null_count or numbers.null_count:
        raise InputError(f"{path}: empty entries among the lists; every row needs all its numbers")
    lengths = np.unique(list_value_length(column).to_numpy(zero_copy_only=False))
    if len(lengths) > 1:
        raise InputError(f"{path}: lists of {lengths[0]} to {lengths[-1]} numbers; all must be as long")
    return numbers.to_numpy(zero_copy_only=False).reshape(len(column), -1)


def _rows_of_columns(path: Path, batch: pa.RecordBatch) -> np.ndarray:
    empty = [key for key, column in zip(batch.schema.names, batch.columns, strict=True) if column.null_count]
    if empty:
        raise InputError(f"{path}: empty entries in {', '.join(empty)}; every row needs all its numbers")
    return np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], axis=1)


def _equally_wide(path: Path, blocks: Iterable[np.ndarray], width: int) -> Iterator[np.ndarray]:
    for block in blocks:
        if block.shape[1] != width:
            raise InputError(f"{path}: lists of {width} and of {block.shape[1]} numbers; all must be as long")
        yield block


def _npy_table(path: Path, n: int) -> pd.DataFrame:
    array = np.load(path, allow_pickle=False)
    if array.ndim not in (1, 2):
        raise InputError(f"{path}: labels are [items] or [items, factors], these are {list(array.shape)}")
    if array.dtype.kind not in "iubUS":
        raise InputError(f"{path}: it holds {array.dtype}; labels are whole numbers or strings")
    return _named(pd.DataFrame(array.astype(str) if array.dtype.kind == "S" else array))


def _csv_table(path: Path, n: int) -> pd.DataFrame:
    table = pd.read_csv(path, header=None, dtype=str, keep_default_na=False)
    if len(table) == n + 1:
        return table[1:].set_axis(table.iloc[0].tolist(), axis=1)
    return _named(table)


def _parquet_table(path: Path, n: int) -> pd.DataFrame:
    table = pq.read_table(path)
    for field, column in zip(table.schema, table.columns, strict=True):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(fits(kind) for fits in (pa.types.is_integer, pa.types.is_boolean, *STRINGS)):
            raise InputError(f"{path}: column {field.name!r} holds {kind}; labels are whole numbers or strings")
        if column.null_count:
            raise InputError(f"{path}: column {field.name!r} has no label in {_rows(column.null_count)}")
    return table.to_pandas()


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.set_axis(
        ["label"] if table.shape[1] == 1 else [f"label{i + 1}" for i in range(table.shape[1])], axis=1
    )


def _rows(n: int) -> str:
    return f"{n:,} row{'s' * (n > 1)}"
