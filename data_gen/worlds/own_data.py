"""A world from a user's own data: a table of images, captions and factors, as dataset hubs and contrastive training have it.

Samples are drawn from the table: a combination of factors as often as it occurs in the split, then one of its images. So the
factors' joint distribution is that of the table's rows, and bits that follow from it estimate those of the population that
the images were taken from; too high by chance where rows are few for so many combinations.
"""

import io
from collections.abc import Sequence
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from data_gen import contents, files, written
from data_gen.errors import InputError, one_line, unknown
from data_gen.factors import MOST_COMBINATIONS, Factor, FactorSpace
from data_gen.seeds import generator
from data_gen.worlds import World

SPLITS = ("train", "test")
IMAGES = ("image", "filepath", "file_name", "path")
CAPTIONS = ("caption", "captions", "title", "text")
SOURCE = "source_row"  # of a dataset's table: which image of the split each sample is
MOST_VALUES = 50  # of a column that is taken for a factor unasked
FEWEST = 10  # images in a split
TESTED = 0.2  # of the images, where the table has no splits
ENDINGS = (".csv", ".tsv", ".parquet")


class Data(NamedTuple):
    """One split: images uint8 [N, H, W, 3], their codes [N, F] in `space`, and a checksum of all of these that was read.

    captions: of each image, what stands in the table, and in which row; empty where it has no captions.
    """

    space: FactorSpace
    images: np.ndarray
    codes: np.ndarray
    checksum: str
    captions: list[list[tuple[object, str]]]


def is_data(name: str) -> bool:
    """Whether a world's name is that of a table, or of a folder of one."""
    return name.endswith(ENDINGS) or Path(name).is_dir()


def world(path: str, split: str, *, size: int = 28, gray: bool = False, factors: Sequence[str] = ()) -> World:
    """The world of a table (.csv, .tsv or .parquet), of a folder with a table, or of one with a folder a split.

    size: images are brought to size × size pixels. gray: their brightness alone. factors: the columns that are factors;
    none: every column of texts or whole numbers with 2 to 50 distinct ones. The same image may be in several rows, once with
    each caption. A column `split` says which are train and test; without one, a fifth of the images is the test. Raises
    InputError, with the row, for what is missing, unreadable, contradictory or in both splits.
    """
    data = _read(*_tables(path), size, gray, tuple(factors))[split]
    alike = written.alike(data.codes)

    def render(codes: np.ndarray, generator: np.random.Generator):
        chosen = written.image_of(alike, codes, generator.random(len(codes)), f"world={path}, {split}: ")
        return data.images[chosen], {SOURCE: chosen.astype(np.int32)}

    identity = {"world": "data", "checksum": data.checksum, "size": size, "gray": gray}
    return World(data.space, render, identity, kinds={"image": "pixels"})


def texts(path: str, split: str, *, size: int = 28, gray: bool = False, factors: Sequence[str] = ()) -> written.Texts:
    """The captions of the same table, as they are written there. Raises InputError, with the row, for one that is empty or no
    text, and where there is no column of captions."""
    return _texts(*_tables(path), size, gray, tuple(factors))[split]


@lru_cache(maxsize=4)
def _texts(tables: tuple, size: int, gray: bool, factors: tuple[str, ...]) -> dict[str, written.Texts]:
    data = _read(tables, size, gray, factors)
    told = {split: [[_text(*each) for each in some] for some in part.captions] for split, part in data.items()}
    if not all(some for of in told.values() for some in of):
        raise InputError(f"{tables[0][1]} has no column of captions ({', '.join(CAPTIONS)}), as captions=written needs")
    return written.read(data["train"].space, told, {split: part.codes for split, part in data.items()})


def _text(caption: object, where: str) -> str:
    if not isinstance(caption, str) or not written.WORD.search(caption):
        raise InputError(f"{where}: its caption has no word, but is {caption!r}")
    return caption


def _tables(path: str) -> tuple[tuple[str, str, float], ...]:
    """(split or nothing, file, time of its last change) of each table."""
    place = Path(path)
    if not place.is_dir():
        found = {"": place}
    else:
        found = {split: _table_in(place / split) for split in SPLITS if (place / split).is_dir()} or {
            "": _table_in(place)
        }
        if len(found) == 1 and "" not in found:
            raise InputError(f"world={path} has a folder {next(iter(found))} and no other; it needs train and test")
    for file in found.values():
        if not file.is_file():
            raise InputError(f"world={file}: no such file")
    return (tuple((split, str(file), file.stat().st_mtime) for split, file in found.items()),)


def _table_in(folder: Path) -> Path:
    there = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    preferred = [path for path in there if path.stem == "metadata"] or there
    if len(preferred) != 1:
        what = f"holds {len(there)} tables ({', '.join(path.name for path in there)})" if there else "holds no table"
        raise InputError(f"world={folder} {what}; it needs one of images and factors, best called metadata.csv")
    return preferred[0]


@lru_cache(maxsize=4)
def _read(tables: tuple, size: int, gray: bool, factors: tuple[str, ...]) -> dict[str, Data]:
    parts, images, sums, told = [], [], [], []
    for split, file, _ in tables:
        table, some, of_files, of_images = _with_images(Path(file), size, gray, factors)
        parts.append(table.assign(split=split) if split else table)
        images.append(some)
        sums += of_files
        told += of_images
    table, pictures, where = pd.concat(parts, ignore_index=True), np.concatenate(images), tables[0][1]
    names = _factors(table, factors, where)
    in_split = _splits(table, sums, where)
    space_of, codes = _spaces(table, names, where)
    digest = sha256(repr((names, sums, codes.tolist(), in_split.tolist())).encode()).hexdigest()
    found = {}
    for split in SPLITS:
        rows = np.flatnonzero(in_split == split)
        if len(rows) < FEWEST:
            raise InputError(f"world={where}: {len(rows)} images are of the {split} split; {FEWEST} or more are needed")
        found[split] = Data(space_of(codes[rows]), pictures[rows], codes[rows], digest, [told[i] for i in rows])
    return found


def _with_images(
    path: Path, size: int, gray: bool, factors: tuple[str, ...]
) -> tuple[pd.DataFrame, np.ndarray, list[str], list[list[tuple[object, str]]]]:
    """A row an image: the table, the images [N, size, size, 3], the checksums of their files, and their captions."""
    table = _table(path)
    column = next((name for name in IMAGES if name in table), None)
    if column is None:
        raise InputError(f"{path} has no column of images ({', '.join(IMAGES)}); it has {', '.join(map(str, table))}")
    if not any(name in table for name in CAPTIONS) and not factors:
        raise InputError(
            f"{path} has no column of captions ({', '.join(CAPTIONS)}); it has {', '.join(map(str, table))}; name the factors "
            "that captions are made of, as data.factors=[…]"
        )
    given = table[column]
    keys = [
        sha256(cell["bytes"]).hexdigest() if isinstance(cell, dict) and cell.get("bytes") else _name(cell)
        for cell in given
    ]
    if None in keys:
        raise InputError(f"{path}, row {keys.index(None) + 1}: {column} is empty")
    first = dict(zip(reversed(keys), reversed(range(len(keys))), strict=True))
    rest = [name for name in table if name not in (column, *CAPTIONS)]
    _agree(table[[name for name in rest if name in factors or not factors]], keys, first, path)
    rows = sorted(first.values())
    pictures, sums = [], []
    for i in rows:
        content = _content(given[i], path, i, column)
        sums.append(sha256(content).hexdigest())
        pictures.append(_picture(content, size, gray, f"{path}, row {i + 1}: {keys[i]}"))
    return table.loc[rows, rest].reset_index(drop=True), np.stack(pictures), sums, _captions(table, keys, rows, path)


def _captions(table: pd.DataFrame, keys: list[str], rows: list[int], path: Path) -> list[list[tuple[object, str]]]:
    """The captions of the images that are first in `rows`, and where each stands; a cell may hold several."""
    found: dict[str, list] = {keys[i]: [] for i in rows}
    column = next((name for name in CAPTIONS if name in table), None)
    for i, cell in enumerate(table[column] if column else ()):
        several = list(cell) if isinstance(cell, list | tuple | np.ndarray) else [cell]
        found[keys[i]] += [(caption, f"{path}, row {i + 1}") for caption in several]
    return list(found.values())


def _agree(table: pd.DataFrame, keys: list[str], first: dict[str, int], path: Path) -> None:
    """Raises InputError where two rows of one image differ in what could be a factor."""
    for name in (name for name in table if _is_discrete(table[name]) and table[name].nunique() <= MOST_VALUES):
        column = table[name].tolist()
        for i, key in enumerate(keys):
            if column[i] != column[first[key]]:
                other = f"{column[first[key]]!r} in row {first[key] + 1}"
                raise InputError(
                    f"{path}, row {i + 1}: {name} of {key} is {column[i]!r}, but {other}; factors are the image's: name those "
                    "that are, as data.factors=[…]"
                )


def _table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            table = files.read_parquet(path)
        else:
            with path.open(encoding="utf-8-sig") as file:
                header = file.readline()
            separator = "\t" if header.count("\t") > header.count(",") else ","  # open_clip's tables have tabs
            table = pd.read_csv(path, sep=separator, encoding="utf-8-sig", skipinitialspace=True)
    except OSError as error:
        raise contents.unreadable(path, error) from None
    except Exception as error:  # a parser may raise anything
        raise InputError(f"{path} is no table that can be read: {one_line(str(error))}") from error
    if table.empty:
        raise InputError(f"{path} has no rows")
    return table


def _name(cell) -> str | None:
    cell = cell.get("path") if isinstance(cell, dict) else cell
    return cell if isinstance(cell, str) and cell.strip() else None


def _content(cell, path: Path, i: int, column: str) -> bytes:
    if isinstance(cell, dict) and cell.get("bytes"):
        return cell["bytes"]
    file = path.parent / _name(cell)
    try:
        return file.read_bytes()
    except OSError as error:
        raise InputError(f"{path}, row {i + 1}: {column} {file} cannot be read ({error.strerror})") from None


def _picture(content: bytes, size: int, gray: bool, where: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(content)) as opened:
            image = opened.convert("L").convert("RGB") if gray else opened.convert("RGB")
    except Exception as error:  # a decoder may raise anything
        raise InputError(f"{where} is no image that can be read ({type(error).__name__})") from error
    if image.size != (size, size):
        image = image.resize((size, size), Image.Resampling.BILINEAR)
    return np.asarray(image)


def _factors(table: pd.DataFrame, named: tuple[str, ...], where: str) -> list[str]:
    columns = [name for name in table if name != "split"]
    for name in named:
        if name not in columns:
            raise unknown(f"column in data.factors of {where}", name, columns)
    distinct = {name: table[name].nunique() for name in named or columns if _is_discrete(table[name])}
    for name in named:
        if distinct.get(name, 0) < 2:
            what = (
                f"has one value only, {table[name].iloc[0]!r}"
                if name in distinct
                else "has fractions, or nothing in a row"
            )
            raise InputError(f"{where}: {name} {what}; a factor needs two or more, texts or whole numbers")
    found = [name for name, n in distinct.items() if named or 2 <= n <= MOST_VALUES]
    if not found:
        raise InputError(
            f"{where} has no column with 2 to {MOST_VALUES} distinct texts or whole numbers, to be a factor; it has "
            f"{', '.join(columns) or 'no other columns'}"
        )
    return found


def _is_discrete(column: pd.Series) -> bool:
    whole = pd.api.types.is_integer_dtype(column) or pd.api.types.is_bool_dtype(column)
    return not column.isna().any() and (whole or all(isinstance(value, str) for value in column))


def _splits(table: pd.DataFrame, sums: list[str], where: str) -> np.ndarray:
    """The split of each image: as the table says, or drawn; the same file is never in two."""
    if "split" in table:
        split = table["split"].astype(str).to_numpy()
        if not {*SPLITS} <= {*split}:
            raise InputError(f"{where}: its column split has {', '.join(sorted({*split}))}; it needs train and test")
        train = {name: i for i, name in enumerate(sums) if split[i] == "train"}
        both = [(i, train[name]) for i, name in enumerate(sums) if split[i] == "test" and name in train]
        if both:
            raise InputError(
                f"{where}: {len(both)} test images are training images too, the first is image {both[0][0] + 1}, the same "
                f"as image {both[0][1] + 1}; they must be others"
            )
        return split
    files = sorted({*sums})
    tested = {files[i] for i in generator(0, "split").permutation(len(files))[: round(TESTED * len(files))]}
    return np.array(["test" if name in tested else "train" for name in sums])


def _spaces(table: pd.DataFrame, names: list[str], where: str):
    """What gives a space with the joint frequencies of some codes; and the codes of all images [N, F]."""
    values = {name: [str(value) for value in sorted(table[name].unique())] for name in names}
    shared = [value for some in values.values() for value in some]
    words = {
        name: [value if shared.count(value) == 1 else f"{name} {value}" for value in some]
        for name, some in values.items()
    }
    sizes = [len(some) for some in values.values()]
    if np.prod(sizes, dtype=float) > MOST_COMBINATIONS:
        raise InputError(
            f"{where}: {', '.join(names)} have {np.prod(sizes, dtype=float):,.0f} combinations, more than "
            f"{MOST_COMBINATIONS:,}; name fewer, as data.factors=[…]"
        )
    index = [pd.Categorical(table[name].astype(str), categories=values[name]).codes for name in names]
    codes = np.stack(index, axis=1).astype(np.int64)

    def space(some: np.ndarray) -> FactorSpace:
        joint = np.zeros(sizes)
        np.add.at(joint, tuple(some.T), 1 / len(some))
        return FactorSpace([Factor(name, values[name], words[name]) for name in names], joint / joint.sum())

    return space, codes
