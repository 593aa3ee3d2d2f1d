"""MNIST and its relatives as they are handed out: four IDX files, plain or gzipped (LeCun, Cortes, Burges 1998)."""

import gzip
import hashlib
import zlib
from math import prod
from pathlib import Path
from typing import Literal

import numpy as np

from data_gen import contents
from data_gen.errors import InputError, unknown

SIDE = 28
CLASSES = 10

_NAMES = {  # of images, labels
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_SPLITS = ("train", "validation", "test")
_GZIP = b"\x1f\x8b"
#: How large a gzip file's content may be, in bytes, before it is unpacked: digits shrink to a sixth, labels even to a
#: thousandth, and a file made to fill the memory too.
_ROOM, _SHRINKS = 2**26, 100
_FAINT = 16  # steps of 255: with less between the brightest and the darkest pixel of a file, nothing was written in it
#: The share of a split's images that may be in training too. Published sets have some: Fashion-MNIST 10 of 10,000.
_IN_BOTH = 1 / 500
#: An image is dark on bright if so much of its frame is bright, and a file is if so many of its images are.
_BRIGHT_FRAME, _INVERTED = 0.75, 0.1


def read(
    root: str | Path, split: Literal["train", "validation", "test"], validation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 [N,28,28] with 0 for paper and 255 for ink, and labels, int64 [N] from 0 to 9, of one split.

    root: the folder of the four files, or one that holds it as torchvision leaves it (root/MNIST/raw).
    validation: the share of the training file's images, its last, that are the validation split and not in `train`.
    Raises InputError, naming the file, for what is missing, damaged or not such digits: images that are blank, dark on
    bright, or in training too.
    """
    if split not in _SPLITS:
        raise unknown("split", split, _SPLITS)
    (train_file, images, labels), test = _digits(root, "train"), _digits(root, "test")
    first = len(images) - round(validation * len(images))  # of the validation split
    if split == "validation" and first == len(images):
        raise InputError(
            f"{train_file} has no image for the validation split: a share of {validation:g} of {len(images)}"
        )
    _differ(images, train_file, test[1], test[0], "test")
    _differ(images[:first], train_file, images[first:], train_file, "validation", first)
    if split == "test":
        return test[1:]
    part = slice(first) if split == "train" else slice(first, None)
    return images[part], labels[part]


def files(root: str | Path) -> list[Path]:
    """The four files: images and labels of train, then of test. Raises InputError if one is missing."""
    return [_find(root, name) for names in _NAMES.values() for name in names]


def fingerprint(root: str | Path) -> str:
    """What the data is, wherever it lies and however it is packed: SHA-256, in hex, of the four files unzipped."""
    digest = hashlib.sha256()
    for path, axes in zip(files(root), (3, 1, 3, 1), strict=True):
        digest.update(_content(path, axes)[0])
    return digest.hexdigest()


def _digits(root: str | Path, part: str) -> tuple[Path, np.ndarray, np.ndarray]:
    """The file of images, its images and their labels."""
    image_file, label_file = (_find(root, name) for name in _NAMES[part])
    images, labels = _array(image_file, 3), _array(label_file, 1).astype(np.int64)
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise InputError(f"{image_file} holds images of {height}x{width} pixels; digits of {SIDE}x{SIDE} are needed")
    if len(images) != len(labels):
        raise InputError(f"{image_file} holds {len(images)} images but {label_file} {len(labels)} labels; need as many")
    if labels.max(initial=0) >= CLASSES:
        raise InputError(f"{label_file} holds the label {labels.max()}; digits go from 0 to {CLASSES - 1}")
    _check_ink(images, image_file)
    return image_file, images, labels


def _check_ink(images: np.ndarray, path: Path) -> None:
    """Whether images are bright on dark, each with something on it. As they are cut midway between their own darkest and
    brightest pixel, dim ones are none the worse."""
    bright, dark = images.max((1, 2), initial=0), images.min((1, 2), initial=255)
    if len(images) and int(bright.max()) - int(dark.min()) < _FAINT:
        raise InputError(
            f"{path} holds pixels from {dark.min()} to {bright.max()} only; they go from 0, paper, to 255, ink "
            "(values from 0 to 1 are to be multiplied by 255 before they are written as bytes)"
        )
    blank = np.flatnonzero(bright == dark)
    if len(blank):
        raise InputError(f"{path} holds {len(blank)} blank images of {len(images)}, the first at index {blank[0]}")
    edges = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    middle = (bright.astype(int) + dark) / 2
    inverted = np.flatnonzero((np.concatenate(edges, axis=1) > middle[:, None]).mean(1) > _BRIGHT_FRAME)
    if len(inverted) > _INVERTED * len(images):
        raise InputError(
            f"{path} holds {len(inverted)} images of {len(images)} that are dark on bright, the first at index "
            f"{inverted[0]}; ink is bright on dark paper, as MNIST's: write 255 minus each pixel"
        )


def _differ(train: np.ndarray, train_file: Path, others: np.ndarray, file: Path, split: str, first: int = 0) -> None:
    """Whether a split's images, which begin at index `first` of their file, are others than those to train on."""
    wanted = {image.tobytes() for image in others}
    known = {key: i for i, key in enumerate(image.tobytes() for image in train) if key in wanted}
    both = [(i, known[key]) for i, key in enumerate(image.tobytes() for image in others) if key in known]
    if len(both) > _IN_BOTH * len(others):
        raise InputError(
            f"{len(both)} of {len(others)} {split} images are training images too: the one at index "
            f"{first + both[0][0]} of {file} is that at {both[0][1]} of {train_file}; they must be others"
        )


def _folder(root: str | Path) -> Path:
    """Where the files lie: in `root`, or, as torchvision leaves them, in root/raw or root/MNIST/raw."""
    root = Path(root)
    try:
        if not root.is_dir():
            raise InputError(
                f"{root} is not a folder; it should hold {_NAMES['train'][0]} (or .gz) and its three siblings"
            )
        inside = [folder for folder in (root, root / "raw", *sorted(root.glob("*/raw"))) if _there(folder)]
    except OSError as error:
        raise contents.unreadable(root, error) from None
    if len(inside) > 1 and root not in inside:
        raise InputError(f"{root} holds several sets of IDX files; give one of {', '.join(map(str, inside))}")
    return inside[0] if inside else root


def _there(folder: Path) -> list[Path]:
    """All files of the right names in a folder, in the order in which they are preferred."""
    names = [spelling for names in _NAMES.values() for name in names for spelling in _spellings(name)]
    return [path for path in (folder / name for name in names) if path.is_file()]


def _spellings(name: str) -> list[str]:
    return [name + ending for name in (name, name.replace("-idx", ".idx")) for ending in ("", ".gz")]


def _find(root: str | Path, name: str) -> Path:
    folder, names = _folder(root), _spellings(name)
    for path in _there(folder):
        if path.name in names:
            return path
    raise InputError(f"{folder} holds no {names[0]} or {names[2]}, plain or as .gz")


def _content(path: Path, axes: int) -> tuple[bytes, list[int]]:
    """An IDX file unzipped, and its array's shape. Nothing larger is read than its header says and its size allows."""
    zipped = path.suffix == ".gz"
    try:
        with path.open("rb") as file:
            start, size = file.read(64), path.stat().st_size
            file.seek(0)
            _check_kind(path, start, zipped)
            stream = gzip.GzipFile(fileobj=file) if zipped else file
            header = stream.read(4 + 4 * axes)
            shape = _shape(path, header, axes)
            expected = len(header) + prod(shape)
            if zipped and expected > _ROOM + _SHRINKS * size:
                raise InputError(
                    f"{path} promises {expected} bytes for {_told(shape)}: no gzip file of {size} holds so many"
                )
            if not zipped and expected > size:
                raise _cut_off(path, size, expected, shape)
            content = header + stream.read(expected - len(header))
            if len(content) < expected:
                raise _cut_off(path, len(content), expected, shape)
            if stream.read(1):
                raise InputError(f"{path} goes on too long: it should have {expected} bytes for {_told(shape)}")
            return content, shape
    except EOFError:
        raise InputError(f"{path} is cut off: its gzip stream has no end; copy the whole file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is no sound gzip file ({error}); copy it again") from None
    except OSError as error:
        raise contents.unreadable(path, error) from None


def _check_kind(path: Path, start: bytes, zipped: bool) -> None:
    """Whether a file that begins with `start` is gzipped as its name says, or else could be an IDX file."""
    if start.startswith(_GZIP):
        if not zipped:
            raise InputError(f"{path} is a gzip file; add .gz to its name, or unzip it")
    elif found := contents.kind(start):
        raise InputError(f"{path} is {found}; it should be an IDX file{', gzipped' if zipped else ''}")
    elif zipped:
        raise InputError(f"{path} is no sound gzip file (it starts with {start[:4].hex()}); drop .gz if it is plain")


def _shape(path: Path, header: bytes, axes: int) -> list[int]:
    """An IDX header is two zero bytes, a type code, the number of axes and each axis' length. The values follow."""
    if len(header) < 4 + 4 * axes:
        raise InputError(f"{path} is cut off: {len(header)} bytes, but the header alone has {4 + 4 * axes}")
    if header[:2] != b"\0\0" or header[3] != axes:
        right = f"000008{axes:02x}"
        raise InputError(f"{path} is no IDX file of {axes} axes: it starts with {header[:4].hex()}, should be {right}")
    if header[2] != 0x08:
        raise InputError(f"{path} has IDX type code 0x{header[2]:02x}; should be 0x08, unsigned bytes")
    return np.frombuffer(header, ">u4", axes, offset=4).tolist()


def _cut_off(path: Path, size: int, expected: int, shape: list[int]) -> InputError:
    return InputError(f"{path} is cut off: {size} bytes, should be {expected} for {_told(shape)}")


def _told(shape: list[int]) -> str:
    return " x ".join(map(str, shape))


def _array(path: Path, axes: int) -> np.ndarray:
    content, shape = _content(path, axes)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()  # writable, as torch wants it
