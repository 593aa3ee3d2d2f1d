"""Embeddings from files, checked: a matrix, a row an item.

A place is a path, or `file:name` for one array (npz, safetensors, pt) or column (parquet) of several. Nothing is allocated
before what a header promises is held against the file's size.
"""

import pickle
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import chain
from math import prod
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pyarrow.compute import list_value_length
from safetensors import safe_open
from torch import Tensor

from data_gen import InputError
from data_gen.errors import one_line, unknown

BLOCK = 8192  # rows read at once
TORCH = (".pt", ".pth")
MATRICES = (".npy", ".npz", ".safetensors", ".parquet", *TORCH)
CONTAINERS = MATRICES[1:]
HDF5 = b"\x89HDF\r\n\x1a\n"
#: a compressed file may hold so many times its size, and so many bytes in any case: more is a fault or a zip bomb
PACKED, ALWAYS = 200, 2**26
COUNTED = 10  # rows from which on a column that counts them is no coincidence
#: endings of files that people have and that are not read, and what to do about it
MENDS = dict.fromkeys((".h5", ".hdf5"), "np.save('x.npy', h5py.File('x.h5')['name'][:])") | dict.fromkeys(
    (".pkl", ".pickle"), "np.save('x.npy', np.asarray(x))"
)
Read = tuple[Iterable, tuple[int, ...]]  # blocks of rows, and the shape of all of them


def read(place: str) -> Tensor:
    """The matrix at `place`, float32 [N, D], N and D ≥ 1: a row an item, finite throughout.

    .npy; .npz, .safetensors, .pt and .pth: the only two-dimensional array, or the one named; .parquet: the only column of
    lists, all of one length, or the one named, or without lists all columns, which are numbers of one type. Whole numbers
    and floats of any width are read. Raises InputError for what cannot be read, is not such a matrix, holds nan or
    infinities, or has a column that is no dimension but a number of the row.
    """
    return _checked(place, *_loaded(place, 2))


def read_both(place: str) -> tuple[Tensor, Tensor]:
    """Both matrices of the array [2, N, D] at `place`, each as `read` gives one."""
    found, blocks = _loaded(place, 3)
    x, y = _checked(place, found, blocks).reshape(*found)
    return x, y


def stem(place: str) -> str:
    """What a place is called: the name in its container, or the file's without its ending."""
    path, name = split(place, CONTAINERS)
    return name or path.stem


# --- what readers of labels need too -----------------------------------------------------------------------------


def split(place: str, containers: Iterable[str]) -> tuple[Path, str | None]:
    """The path and the name of a place; no name unless the file's ending is a container's."""
    file, _, name = place.rpartition(":")
    if name and Path(file).suffix in containers and not Path(place).exists():
        return Path(file), name
    return Path(place), None


def there(path: Path, endings: Iterable[str]) -> None:
    """Raises InputError unless `path` is a file of one of these endings that may hold what the ending says."""
    if path.suffix in MENDS:
        raise InputError(
            f"{path}: {path.suffix} files are not read; save it otherwise, as by {MENDS[path.suffix]}"
            f" (read are {', '.join(endings)})"
        )
    if path.suffix not in endings:
        raise unknown(f"ending of {path}:", path.suffix, endings)
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: not a file")


@contextmanager
def whole(path: Path) -> Iterator[None]:
    """Turns what readers raise at a damaged file, which is anything from zlib.error to tokenize.TokenError, into a line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with path.open("rb") as file:
                if file.read(len(HDF5)) == HDF5:
                    raise InputError(f"{path} is an HDF5 file, which is not read; save it by {MENDS['.h5']}")
            yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{path}: may not be read") from error
    except Exception as error:
        why = one_line(str(error)) or type(error).__name__
        raise InputError(f"{path} is damaged, or no {path.suffix} file: {why[:200]}") from error


def npy(path: Path) -> np.ndarray:
    """The array in a .npy file, mapped; its header must promise just what the file holds."""
    size = path.stat().st_size
    with path.open("rb") as file:
        shape, dtype = _npy_header(file, str(path))
        _as_promised(shape, dtype, size - file.tell())
    return np.load(path, mmap_mode="r", allow_pickle=False)


def roomy(path: Path, needed: int) -> None:
    """Raises InputError if a compressed file promises so much more than its size that it cannot be right."""
    size = path.stat().st_size
    if needed > max(ALWAYS, PACKED * size):
        raise InputError(
            f"{path} has {size:,} bytes and promises {needed:,}: more than {PACKED} times as many are not read; "
            "save it without compression"
        )


def some(names: Iterable[object], most: int = 8) -> str:
    """Names for a line of text: the first of them, and how many there are if that is not all."""
    names = [one_line(str(name))[:100] for name in names]
    return ", ".join(names[:most]) + (f", … ({len(names):,} in all)" if len(names) > most else "")


def rows(n: int) -> str:
    return f"{n:,} row{'s' * (n != 1)}"


# --- one matrix --------------------------------------------------------------------------------------------------


def _loaded(place: str, dimensions: int) -> tuple[tuple[int, ...], Tensor]:
    """The shape of the array at a place, and its rows as one matrix, float32 [all rows, D]."""
    path, name = split(place, CONTAINERS)
    there(path, MATRICES)
    with whole(path):
        blocks, shape = READERS[path.suffix](path, name, dimensions)
        _of_shape(place, shape, dimensions)
        matrix, at = torch.empty(prod(shape[:-1]), shape[-1]), 0
        for block in blocks:
            block = _tensor(block, place).reshape(-1, shape[-1])
            matrix[at : at + len(block)] = block  # what float32 cannot hold becomes infinite, and is told
            at += len(block)
        if at != len(matrix):
            raise ValueError(f"it promises {rows(len(matrix))} and holds {at:,}")
    return shape, matrix


def _of_shape(place: str, shape: tuple[int, ...], dimensions: int) -> None:
    if dimensions == 3 and not (len(shape) == 3 and shape[0] == 2 and all(shape)):
        raise InputError(
            f"{place} is {list(shape)}: say where Y is too, or give one array [2, items, dimensions] of both"
        )
    if dimensions == 2 and len(shape) == 3 and shape[0] == 2:
        raise InputError(f"{place} is {list(shape)}, both matrices in one array: leave Y out")
    if len(shape) != dimensions or not all(shape):
        raise InputError(f"{place}: a matrix [items, dimensions] is needed, this is {list(shape)}")


def _checked(place: str, shape: tuple[int, ...], matrix: Tensor) -> Tensor:
    finite = torch.cat([part.isfinite().all(1) for part in matrix.split(BLOCK)])
    bad = torch.nonzero(~finite).flatten().tolist()
    if bad:
        raise InputError(
            f"{place}: nan or infinite values in {rows(len(bad))}, the first of them row {bad[0]} (from 0)"
        )
    for part in matrix.split(shape[-2]):
        _only_dimensions(place, part)
    return matrix


def _only_dimensions(place: str, x: Tensor) -> None:
    """A column that counts the rows is an index, and one of whole numbers beside fractions an id: neither is a dimension."""
    if len(x) < COUNTED:
        return
    first, n = x[:64], len(x)
    whole_numbers = (first == first.round()).all(0)
    suspects = torch.nonzero(whole_numbers & (first.abs().amax(0) > 1)).flatten().tolist()
    fractions = not bool(whole_numbers.all())
    for column in suspects:
        values = x[:, column]
        counts = any(torch.equal(values, torch.arange(start, start + n).float()) for start in (0, 1))
        if counts or (fractions and bool((values == values.round()).all())):
            what = "counts the rows" if counts else "holds whole numbers, the others fractions"
            raise InputError(f"{place}: column {column} (from 0) {what}: it is no dimension, so leave it out")


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
    """Parts of a matrix, or of the matrices of an array of three dimensions, one after the other."""
    if array.ndim > 2:
        return chain.from_iterable(_blocks(part) for part in array)
    return (array[i : i + BLOCK] for i in range(0, len(array), BLOCK))


def _chosen(path: Path, name: str | None, shapes: Mapping[str, tuple[int, ...]], what: str, dimensions: int = 2) -> str:
    """The name asked for, or else the only one of so many dimensions."""
    if name is not None:
        if name not in shapes:
            raise unknown(f"{what} in {path}:", name, list(shapes)[:100])
        return name
    fit = [key for key, shape in shapes.items() if len(shape) == dimensions]
    if len(fit) == 1:
        return fit[0]
    if not fit:
        held = some(f"{key} {list(shape)}" for key, shape in shapes.items()) or "nothing"
        number = {2: "two", 3: "three"}[dimensions]
        raise InputError(f"{path}: no {what} of {number} dimensions; it holds {held}")
    raise InputError(f"{path} holds several: {some(fit)}; choose one, as in {path}:{fit[0]}")


# --- formats -----------------------------------------------------------------------------------------------------


def _npy(path: Path, name: None, dimensions: int) -> Read:
    array = npy(path)
    return _blocks(array), array.shape


def _npy_header(file, place: str) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of an array that can be read; the file is then where the numbers begin."""
    shape, dtype = _header(file)
    if dtype.kind == "O":
        raise InputError(f"{place} holds Python objects, which are not read; save it as an array of numbers or strings")
    if dtype.kind == "V" and not dtype.names:
        raise InputError(
            f"{place} holds {dtype.str}, bytes without a type, as numpy saves bfloat16; save x.astype(np.float32)"
        )
    return shape, dtype


def _header(file) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    return shape, dtype


def _as_promised(shape: tuple[int, ...], dtype: np.dtype, held: int) -> None:
    promised = prod(shape) * dtype.itemsize
    if promised != held or min(shape, default=0) < 0:
        more = "; several arrays in one file?" if 0 <= promised < held else ""
        raise ValueError(f"{list(shape)} of {dtype} takes {promised:,} bytes, and it holds {held:,}{more}")


def _npz(path: Path, name: str | None, dimensions: int) -> Read:
    with zipfile.ZipFile(path) as archive:
        members = {i.filename.removesuffix(".npy"): i for i in archive.infolist() if i.filename.endswith(".npy")}
        asked = [name] if name in members else members
        key = _chosen(path, name, {key: _npz_shape(archive, members[key]) for key in asked}, "array", dimensions)
        with archive.open(members[key]) as file:
            shape, dtype = _npy_header(file, f"{path}:{key}")
            _as_promised(shape, dtype, members[key].file_size - file.tell())
        roomy(path, members[key].file_size)
        with archive.open(members[key]) as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
    return _blocks(array), array.shape


def _npz_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> tuple[int, ...]:
    """From the header alone: neither the other arrays' size nor what they hold matters."""
    with archive.open(member) as file:
        return _header(file)[0]


def _safetensors(path: Path, name: str | None, dimensions: int) -> Read:
    with safe_open(path, framework="pt") as file:  # which holds its header against the file's size
        shapes = {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
        tensor = file.get_tensor(_chosen(path, name, shapes, "array", dimensions))
    return _blocks(tensor), tuple(tensor.shape)


def _torch(path: Path, name: str | None, dimensions: int) -> Read:
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{path} is damaged, or no {path.suffix} file of torch 1.6 or later; load it, and save it by torch.save(x, path)"
        )
    with zipfile.ZipFile(path) as archive:  # torch never compresses, so that nothing can be larger than the file
        if any(member.compress_type != zipfile.ZIP_STORED for member in archive.infolist()):
            raise ValueError("it is compressed")
    try:
        held = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise InputError(
            f"{path} holds more than tensors, which may run code when it is loaded; save only the tensors, by torch.save"
        ) from error
    if isinstance(held, Tensor):
        if name is not None:
            raise InputError(f"{path} holds one tensor without a name; leave out :{name}")
        return _strided(path, held)
    if not isinstance(held, dict):
        raise InputError(f"{path} holds a {type(held).__name__}; a tensor or a dict of tensors is needed")
    tensors = {str(key): value for key, value in held.items() if isinstance(value, Tensor)}
    shapes = {key: tuple(tensor.shape) for key, tensor in tensors.items()}
    return _strided(path, tensors[_chosen(path, name, shapes, "tensor", dimensions)])


def _strided(path: Path, tensor: Tensor) -> Read:
    """A view of few numbers may claim to be a matrix of any size, so its own size counts."""
    if tensor.layout != torch.strided or tensor.device.type != "cpu" or tensor.is_quantized:
        raise InputError(f"{path} holds a sparse, quantized or empty tensor; save x.to_dense().float()")
    if tensor.numel() * tensor.element_size() > path.stat().st_size:
        raise ValueError(f"{list(tensor.shape)} is more than it holds; save x.contiguous()")
    return _blocks(tensor.detach()), tuple(tensor.shape)


def _parquet(path: Path, name: str | None, dimensions: int) -> Read:
    if dimensions == 3:
        raise InputError(f"{path}: say where Y is too; one array of both is read from {some(MATRICES[:3] + TORCH)}")
    file = pq.ParquetFile(path)
    fields = [field for field in file.schema_arrow if not field.name.startswith("__index_level_")]
    columns = {field.name: field.type for field in fields}
    if len(columns) < len(fields):
        raise InputError(f"{path}: several columns of one name; each needs its own")
    lists = {key: (0, 0) for key, kind in columns.items() if _is_list(kind)}
    n = file.metadata.num_rows
    if name is not None or lists:
        if name in columns and name not in lists:
            raise InputError(f"{path}:{name}: {columns[name]} is no column of lists of numbers")
        column = _chosen(path, name, lists, "column of lists")
        if not _is_number(columns[column].value_type):
            raise InputError(f"{path}:{column}: {columns[column]} is no column of lists of numbers")
        blocks = (_rows_of_lists(path, batch.column(0)) for batch in file.iter_batches(BLOCK, columns=[column]))
    else:
        _of_one_type(path, columns)
        roomy(path, n * len(columns) * 4)
        blocks = (_rows_of_columns(path, batch) for batch in file.iter_batches(BLOCK, columns=list(columns)))
    first = next(blocks, np.empty((0, 0)))
    roomy(path, n * first.shape[1] * 4)
    return _equally_wide(path, chain([first], blocks), first.shape[1]), (n, first.shape[1])


def _of_one_type(path: Path, columns: dict[str, pa.DataType]) -> None:
    """Dimensions are of one type: a column of another beside them is an id or a score."""
    wrong = [key for key, kind in columns.items() if not _is_number(kind)]
    if wrong:
        raise InputError(f"{path}: no column of lists, and {some(wrong)} not of numbers; leave such columns out")
    kinds: dict[pa.DataType, list[str]] = {}
    for key, kind in columns.items():
        kinds.setdefault(kind, []).append(key)
    if len(kinds) > 1:
        told = "; ".join(f"{some(names, 3)}: {kind}" for kind, names in kinds.items())
        raise InputError(
            f"{path}: columns of several types ({told}), so they are not all dimensions; leave the others out of the file"
        )


def _is_list(kind: pa.DataType) -> bool:
    return pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)


def _is_number(kind: pa.DataType) -> bool:
    return pa.types.is_integer(kind) or pa.types.is_floating(kind)


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
        raise InputError(f"{path}: empty entries in {some(empty)}; every row needs all its numbers")
    return np.stack([column.to_numpy(zero_copy_only=False) for column in batch.columns], axis=1)


def _equally_wide(path: Path, blocks: Iterable[np.ndarray], width: int) -> Iterator[np.ndarray]:
    for block in blocks:
        if block.shape[1] != width:
            raise InputError(f"{path}: lists of {width} and of {block.shape[1]} numbers; all must be as long")
        yield block


READERS = {
    ".npy": _npy,
    ".npz": _npz,
    ".safetensors": _safetensors,
    ".parquet": _parquet,
    **dict.fromkeys(TORCH, _torch),
}
