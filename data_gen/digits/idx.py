"""MNIST and its relatives as they are handed out: four IDX files, plain or gzipped (LeCun, Cortes, Burges 1998)."""

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from data_gen.errors import InputError, unknown

SIDE = 28
CLASSES = 10

_NAMES = {  # of images, labels
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_NAMES["validation"] = _NAMES["train"]


def read(
    root: str | Path, split: Literal["train", "validation", "test"], validation: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Images, uint8 [N,28,28] with 0 for paper and 255 for ink, and labels, int64 [N] from 0 to 9, of one split.

    validation: the share of the training file's images, its last, that are the validation split and not in `train`.
    Raises InputError, naming the file, for whatever is missing, damaged or not such digits.
    """
    if split not in _NAMES:
        raise unknown("split", split, _NAMES)
    image_file, label_file = (_find(root, name) for name in _NAMES[split])
    images, labels = _array(image_file, 3), _array(label_file, 1).astype(np.int64)
    if images.shape[1:] != (SIDE, SIDE):
        height, width = images.shape[1:]
        raise InputError(f"{image_file} holds images of {height}x{width} pixels; digits of {SIDE}x{SIDE} are needed")
    if len(images) != len(labels):
        raise InputError(f"{image_file} holds {len(images)} images but {label_file} {len(labels)} labels; need as many")
    if labels.max(initial=0) >= CLASSES:
        raise InputError(f"{label_file} holds the label {labels.max()}; digits go from 0 to {CLASSES - 1}")
    last = round(validation * len(images))
    part = {"train": slice(len(images) - last), "validation": slice(len(images) - last, None)}.get(split, slice(None))
    if split == "validation" and not last:
        raise InputError(
            f"{image_file} has no image for the validation split: a share of {validation:g} of {len(images)}"
        )
    return images[part], labels[part]


def files(root: str | Path) -> list[Path]:
    """The four files: images and labels of train, then of test. Raises InputError if one is missing."""
    return [_find(root, name) for split in ("train", "test") for name in _NAMES[split]]


def fingerprint(root: str | Path) -> str:
    """What the data is, wherever it lies and however it is packed: SHA-256, in hex, of the four files unzipped."""
    digest = hashlib.sha256()
    for path in files(root):
        digest.update(_content(path))
    return digest.hexdigest()


def _find(root: str | Path, name: str) -> Path:
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root} is not a folder; it should hold {name} (or {name}.gz) and its three siblings")
    spellings = [name, name.replace("-idx", ".idx")]
    for path in (root / (spelling + ending) for spelling in spellings for ending in ("", ".gz")):
        if path.is_file():
            return path
    raise InputError(f"{root} holds no {' or '.join(spellings)}, plain or as .gz")


def _content(path: Path) -> bytes:
    try:
        packed = path.read_bytes()
        return gzip.decompress(packed) if path.suffix == ".gz" else packed
    except EOFError:
        raise InputError(f"{path} is cut off: its gzip stream has no end; copy the whole file again") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is no sound gzip file ({error}); copy it again or drop .gz if it is plain") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); it should be a readable file") from None


def _array(path: Path, axes: int) -> np.ndarray:
    """The array in an IDX file: two zero bytes, a type code, the number of axes, each axis' length, then the values."""
    content = _content(path)
    start = 4 + 4 * axes
    if len(content) < start:
        raise InputError(f"{path} is cut off: {len(content)} bytes, but the header alone has {start}")
    if content[:2] != b"\0\0" or content[3] != axes:
        right = f"000008{axes:02x}"
        raise InputError(f"{path} is no IDX file of {axes} axes: it starts with {content[:4].hex()}, should be {right}")
    if content[2] != 0x08:
        raise InputError(f"{path} has IDX type code 0x{content[2]:02x}; should be 0x08, unsigned bytes")
    shape = np.frombuffer(content, ">u4", axes, offset=4).tolist()
    expected = start + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        fault = "is cut off" if len(content) < expected else "goes on too long"
        raise InputError(
            f"{path} {fault}: {len(content)} bytes, should be {expected} for {' x '.join(map(str, shape))}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy()  # writable, as torch wants it
