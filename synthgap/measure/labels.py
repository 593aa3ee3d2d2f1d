"""What belongs to the rows of embeddings, from files, checked: labels, and which rows of both matrices are pairs.

Rows are never aligned by a guess. A CSV begins with a line of names, unless told otherwise, and its separator is the one
of `SEPARATORS` that gives every line the same number of fields. What could be meant in two ways is refused.
"""

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from torch import Tensor

from data_gen import Factor, FactorSpace, InputError
from data_gen.errors import unknown
from synthgap.measure import matrices
from synthgap.measure.matrices import rows, some

LABELS = (".csv", ".tsv", ".parquet", ".npy")
SEPARATORS = {",": "','", ";": "';'", "\t": "tabs"}
#: texts that say of a value that there is none, in lower case
MISSING = {"", "nan", "none", "null", "na", "n/a", "<na>", "nat"}
INDEX = ("", "Unnamed: 0")  # what pandas calls the first column where it has written the index into a CSV
LEVEL = "__index_level_0__"  # and in Parquet
MOST_PAIRS = 10**7
STRINGS = (pa.types.is_string, pa.types.is_large_string)


class Column(NamedTuple):
    """Which of some values each row has: codes [rows], 0 to values − 1; values in order, strings or whole numbers."""

    codes: np.ndarray
    values: list


class Table(NamedTuple):
    columns: dict[str, Column]
    told: str  # how it was read
    head: str | None = None  # the first line of a CSV
    header: bool = True  # whether that was read as names

    @property
    def n(self) -> int:
        return len(next(iter(self.columns.values())).codes)


def read_labels(place: str, n: int, header: bool = True) -> tuple[FactorSpace, np.ndarray, str]:
    """The factor space whose values are the labels at `place`, a column a factor; the n rows' codes, [n, F]; what was read.

    .csv or .tsv, which begins with a line of names unless header is false; .parquet; .npy [n] or [n, F]; of these the only
    column that FILE:COLUMN names. Whole numbers or strings. Without names a single column is the factor `label`, several
    are label1, label2, … Raises InputError for what cannot be read, another number of rows, a missing label, numbers that
    are not whole, a factor with a single value, or one with another value in every row.
    """
    table = _table(place, header, n)
    factors = []
    for f, (name, column) in enumerate(table.columns.items()):
        words = [str(value) for value in column.values]
        if len(words) < 2:
            raise InputError(f"{place}: column {name!r} has one value only ({words[0]!r}); a factor needs two or more")
        if len(words) == n > 2:
            raise InputError(
                f"{place}: column {name!r} has another value in every row: an id, not a factor; leave it out, or choose "
                f"a column, as in {place}:NAME"
            )
        factors.append(Factor(name, words, [f"{f}={word}" for word in words]))
    kinds = some(f"{factor.name} ({len(factor)} values)" for factor in factors)
    told = f"{place}: {rows(n)} of {kinds}{table.told}"
    return FactorSpace(factors), np.stack([column.codes for column in table.columns.values()], axis=1), told


def read_pairs(place: str, sizes: tuple[int, int], header: bool = True) -> tuple[Tensor, str]:
    """The pairs at `place`, [P, 2], and what was read: two columns, a row of X (from 0) and the row of Y that goes with it.

    sizes: rows of X and Y. The same formats as labels. Raises InputError for what cannot be read, is not two columns of
    whole numbers, a row that is not there, or a pair that is listed twice.
    """
    table = _table(place, header)
    if len(table.columns) != 2:
        raise InputError(f"{place}: two columns are needed, of rows of X and of Y; it has {some(table.columns)}")
    sides = []
    for (name, column), size, side in zip(table.columns.items(), sizes, "XY", strict=True):
        wrong = next((v for v in column.values if not str(v).isascii() or not str(v).isdecimal()), None)
        if wrong is not None:
            raise InputError(f"{place}: column {name!r} has {wrong!r}; the rows of {side} are numbers from 0")
        digits = [str(v).lstrip("0") or "0" for v in column.values]
        outside = next((v for v in digits if len(v) > 18 or int(v) >= size), None)
        if outside:
            raise InputError(
                f"{place}: column {name!r} has {outside[:30]}, but {side} has {rows(size)}, which count from 0 to {size - 1}"
            )
        numbers = [int(v) for v in digits]
        sides.append(np.array(numbers)[column.codes])
    pairs = np.stack(sides, axis=1)
    order = np.lexsort(pairs.T[::-1])
    twice = np.flatnonzero((pairs[order[1:]] == pairs[order[:-1]]).all(1))
    if len(twice):
        raise InputError(f"{place}: the pair {pairs[order[twice[0]]].tolist()} is listed twice")
    return torch.from_numpy(pairs), f"{place}: {_told(pairs, sizes)}{table.told}"


def read_groups(places: Sequence[str], sizes: tuple[int, int], header: bool = True) -> tuple[Tensor, str]:
    """All pairs of a row of X and a row of Y with the same id, [P, 2], and what was read. places: the ids of X, and of Y.

    A column an id, in the same formats as labels. Raises InputError for what cannot be read, several columns, another
    number of rows, ids without any in common, or more than `MOST_PAIRS`.
    """
    ids, how = [], []
    for place, size in zip(places, sizes, strict=True):
        table = _table(place, header, size)
        if len(table.columns) > 1:
            raise InputError(f"{place} has several columns; choose one, as in {place}:{next(iter(table.columns))}")
        (column,) = table.columns.values()
        how.append(f"{place}{table.told}")
        ids.append(np.array([str(value) for value in column.values], dtype=object)[column.codes])
    where: dict[str, list[int]] = {}
    for j, group in enumerate(ids[1]):
        where.setdefault(group, []).append(j)
    counts = np.array([len(where.get(group, ())) for group in ids[0]])
    told = " and ".join(places)
    if not 0 < counts.sum() <= MOST_PAIRS:
        many = f"{counts.sum():,} pairs, more than {MOST_PAIRS:,}" if counts.sum() else "no id in common"
        raise InputError(f"{told}: {many}; rows of X and Y with the same id are taken for pairs")
    partners = np.concatenate([where.get(group, ()) for group in ids[0]]).astype(np.int64)
    pairs = np.stack([np.repeat(np.arange(sizes[0]), counts), partners], axis=1)
    return torch.from_numpy(pairs), f"{_told(pairs, sizes)} by ids ({' and '.join(how)})"


def _told(pairs: np.ndarray, sizes: tuple[int, int]) -> str:
    x, y = (len(np.unique(side)) for side in pairs.T)
    return f"{len(pairs):,} pairs of {x:,} of {rows(sizes[0])} of X and {y:,} of {sizes[1]:,} of Y"


# --- tables ------------------------------------------------------------------------------------------------------


def _table(place: str, header: bool, n: int | None = None) -> Table:
    """The columns at a place, checked but for what they are for; n: how many rows there must be."""
    path, name = matrices.split(place, LABELS)
    matrices.there(path, LABELS)
    with matrices.whole(path):
        table = READERS[path.suffix](path, header, n)
    if not table.columns:
        raise InputError(f"{path}: no column of labels")
    if n is not None and table.n != n:
        raise _other_rows(path, table, n)
    table = _without_index(path, table)
    if name is not None:
        if name not in table.columns:
            raise unknown(f"column in {path}:", name, list(table.columns)[:100])
        table = table._replace(columns={name: table.columns[name]})
    for title, column in table.columns.items():
        _no_doubt(path, title, column)
    return table


def _other_rows(path: Path, table: Table, n: int) -> InputError:
    what = f"{path}: labels of {rows(table.n)}, but the matrices have {n:,}"
    if table.head is not None and table.header and table.n == n - 1:
        what += f"; its first line ({table.head}) was read as names: if it is a row too, say --no-header"
    if table.head is not None and not table.header and table.n == n + 1:
        what += f"; its first line ({table.head}) was read as a row: if it is names, leave out --no-header"
    return InputError(what)


def _without_index(path: Path, table: Table) -> Table:
    """Without pandas' index, which is a first column without a name that counts the rows; any other is in doubt."""
    first = next(iter(table.columns))
    unnamed = first in (*INDEX, LEVEL)
    if unnamed and len(table.columns) > 1:
        column = table.columns[first]
        counted = [str(column.values[code]) for code in column.codes] == [str(i) for i in range(table.n)]
        if not counted:
            raise InputError(
                f"{path}: its first column has no name and does not count the rows from 0, so they may be in another order "
                "than the matrices'; give it a name, or leave it out if the order is the same"
            )
        columns = {name: column for name, column in table.columns.items() if name != first}
        return table._replace(columns=columns, told=f"{table.told}; without the index in its first column")
    return table


def _no_doubt(path: Path, name: str, column: Column) -> None:
    if not name.strip() or not name.isprintable():
        raise InputError(f"{path}: a column is named {name!r}; a name that can be read is needed")
    texts = [str(value) for value in column.values]
    missing = next((code for code, text in enumerate(texts) if text.strip().lower() in MISSING), None)
    if missing is not None:
        at = np.flatnonzero(column.codes == missing)
        says = f" ({texts[missing]!r}: call it otherwise if it is one)" if texts[missing].strip() else ""
        raise InputError(f"{path}: column {name!r} has no label in {rows(len(at))}, the first row {at[0]}{says}")
    if any("\0" in text for text in texts):
        raise InputError(f"{path}: column {name!r} has NUL bytes in its labels; write them as text in UTF-8")
    seen: dict[str, str] = {}
    for text in texts:
        other = seen.setdefault(text.strip(), text)
        if other != text:
            raise InputError(f"{path}: column {name!r} has {other!r} and {text!r}, which differ by spaces only")


def _column(values: Sequence[str] | np.ndarray) -> Column:
    if isinstance(values, np.ndarray):
        known, codes = np.unique(values, return_inverse=True)
        return Column(codes, known.tolist())
    known = sorted(set(values))
    code = {value: i for i, value in enumerate(known)}
    return Column(np.fromiter(map(code.__getitem__, values), dtype=np.int64, count=len(values)), known)


def _unnamed(n: int) -> list[str]:
    return ["label"] if n == 1 else [f"label{i + 1}" for i in range(n)]


# --- formats -----------------------------------------------------------------------------------------------------


def _npy(path: Path, header: bool, n: int | None) -> Table:
    array = matrices.npy(path)
    if array.ndim not in (1, 2):
        raise InputError(f"{path}: labels are [items] or [items, factors], these are {list(array.shape)}")
    if array.dtype.kind not in "iubUS":
        raise InputError(f"{path}: it holds {array.dtype}; labels are whole numbers or strings")
    if array.dtype.kind == "U" and array.dtype.itemsize:  # numpy asks nothing of them, and Python breaks on some
        points = np.ascontiguousarray(array).view(np.dtype("u4").newbyteorder(array.dtype.byteorder))
        if ((points > 0x10FFFF) | ((points >= 0xD800) & (points <= 0xDFFF))).any():
            raise ValueError("its strings hold what is no character")
    array = np.array(array.astype(str) if array.dtype.kind == "S" else array).reshape(len(array), -1)
    return Table(dict(zip(_unnamed(array.shape[1]), map(_column, array.T), strict=True)), "")


def _parquet(path: Path, header: bool, n: int | None) -> Table:
    file = pq.ParquetFile(path)
    for field in file.schema_arrow:
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if not any(fits(kind) for fits in (pa.types.is_integer, pa.types.is_boolean, *STRINGS)):
            raise InputError(f"{path}: column {field.name!r} holds {kind}; labels are whole numbers or strings")
    names = file.schema_arrow.names
    _distinct(path, names)
    matrices.roomy(path, file.metadata.num_rows * len(names))
    table, columns = file.read(), {}
    for name, column in zip(names, table.columns, strict=True):
        column.validate(full=True)
        if column.null_count:
            raise InputError(f"{path}: column {name!r} has no label in {rows(column.null_count)}")
        columns[name] = _of_arrow(column)
    ordered = sorted(columns, key=lambda name: name != LEVEL)  # pandas writes the index last
    return Table({name: columns[name] for name in ordered}, "")


def _of_arrow(column: pa.ChunkedArray) -> Column:
    if pa.types.is_dictionary(column.type):  # values in the order of the categories
        categorical = column.to_pandas()
        used, codes = np.unique(categorical.cat.codes, return_inverse=True)
        return Column(codes, categorical.cat.categories[used].tolist())
    return _column(column.to_pylist() if any(fits(column.type) for fits in STRINGS) else column.to_numpy())


def _csv(path: Path, header: bool, n: int | None) -> Table:
    records, how = _records(path, _text(path))
    head, names = some(map(repr, records[0])), _unnamed(len(records[0]))
    if header:
        names = list(records.pop(0))
        _names(path, names, records)
    if not records:
        raise InputError(f"{path}: a line of names, and no labels below it; say --no-header if it is a row")
    columns = dict(zip(names, map(_column, zip(*records, strict=True)), strict=True))
    return Table(columns, f"; {'its first line is names' if header else 'no line of names'}{how}", head, header)


def _names(path: Path, names: list[str], records: list[list[str]]) -> None:
    """Raises InputError where the first line may be a row, or where names are not one each."""
    clear = "if the first line is a row, say --no-header; else give the column another name"
    for name in names:
        if _is_number(name):
            raise InputError(f"{path}: the first line has the number {name} where a name is expected; {clear}")
    again = [bool(name.strip()) and any(record[i] == name for record in records) for i, name in enumerate(names)]
    # a factor may be named as one of its values, as swelling is (even, swelling); a row would have most of its values again
    if 2 * sum(again) >= len(names):
        first = names[again.index(True)]
        raise InputError(f"{path}: {first!r} is in the first line and below it in the same column; {clear}")
    _distinct(path, names)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower() not in MISSING


def _distinct(path: Path, names: Sequence[str]) -> None:
    twice = next((name for i, name in enumerate(names) if name in names[:i]), None)
    if twice is not None:
        raise InputError(f"{path}: several columns are named {twice!r}; each needs its own name")


def _text(path: Path) -> str:
    content = path.read_bytes()
    if b"\0" in content:
        raise InputError(f"{path} has NUL bytes, as UTF-16 has (or it is no text); save it as UTF-8")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}: line {line} is not UTF-8; save it as UTF-8") from error


def _records(path: Path, text: str) -> tuple[list[list[str]], str]:
    """The fields of every line, and how they are separated: by what gives all lines the same number of fields."""
    read, failed = {}, None
    for separator in SEPARATORS:
        try:
            read[separator] = _parsed(path, text, separator)
        except (csv.Error, InputError) as error:
            failed = error
    if not read:
        raise failed
    widths = {separator: {len(fields) for _, fields in lines} for separator, lines in read.items()}
    several = [separator for separator, found in widths.items() if found != {1}]
    fit = [separator for separator in several if len(widths[separator]) == 1]
    if len(fit) > 1:
        told = " or ".join(SEPARATORS[separator] for separator in fit)
        raise InputError(f"{path}: fields may be separated by {told}; put quotes around values that hold one of them")
    if fit or (not several and not failed):
        chosen = fit[0] if fit else ","
        how = f", fields are separated by {SEPARATORS[chosen]}" if fit else ""
        return [fields for _, fields in read[chosen]], how
    if not several:
        raise failed
    separator = max(several, key=lambda separator: len(read[separator][0][1]))
    (_, first), *others = read[separator]
    line, fields = next(other for other in others if len(other[1]) != len(first))
    raise InputError(
        f"{path}: separated by {SEPARATORS[separator]}, line {line} has {len(fields)} fields and the first line {len(first)}; "
        "put quotes around values that hold a separator, and as many fields into each line"
    )


def _parsed(path: Path, text: str, separator: str) -> list[tuple[int, list[str]]]:
    """The fields of every line with the number it ends at; blank lines at the end count for nothing."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    lines = [(reader.line_num, fields) for fields in reader]
    while lines and not lines[-1][1]:
        lines.pop()
    blank = next((line for line, fields in lines if not fields), None)
    if blank:
        raise InputError(f"{path}: line {blank} is blank: take it out, or write the label that it lacks")
    if not lines:
        raise InputError(f"{path} is empty")
    return lines


READERS = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".npy": _npy}
