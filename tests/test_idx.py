"""Reading digits: a small made-up set stands for MNIST, and then every way in which its files can be wrong."""

import gzip
import os
import re
import shutil
import struct
from pathlib import Path

import numpy as np
import pytest

from data_gen.digits import idx
from data_gen.errors import InputError

NAMES = ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]


def packed(values, code=0x08):
    return struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def digits(count, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (count, 28, 28), np.uint8), rng.integers(0, 10, count, np.uint8)


@pytest.fixture
def root(tmp_path):
    """Twelve training and five test digits, plain."""
    arrays = [*digits(12, seed=0), *digits(5, seed=1)]
    for name, values in zip(NAMES, arrays, strict=True):
        (tmp_path / name).write_bytes(packed(values))
    return tmp_path


def zipped(root, name):
    path = root / f"{name}.gz"
    path.write_bytes(gzip.compress((root / name).read_bytes()))
    (root / name).unlink()
    return path


def test_reads_both_splits(root):
    for split, count, seed in (("train", 12, 0), ("test", 5, 1)):
        images, labels = idx.read(root, split)
        expected_images, expected_labels = digits(count, seed)
        assert images.dtype == np.uint8 and (images == expected_images).all()
        assert labels.dtype == np.int64 and (labels == expected_labels).all()
        assert images.flags.writeable


def test_validation_is_the_last_of_the_training_file_where_it_is_asked_for(root):
    whole = idx.read(root, "train")
    train, kept_out = (idx.read(root, split, 1 / 4) for split in ("train", "validation"))
    assert len(train[0]) == len(train[1]) == 9
    for part, rest, both in zip(train, kept_out, whole, strict=True):
        np.testing.assert_array_equal(np.concatenate([part, rest]), both)
    assert len(idx.read(root, "test", 1 / 4)[0]) == 5
    for share in (0, 0.01):
        with pytest.raises(InputError, match=f"has no image for the validation split: a share of {share} of 12"):
            idx.read(root, "validation", share)


def test_gzip_and_the_dotted_spelling_are_the_same_data(root, tmp_path_factory):
    plain = idx.fingerprint(root)
    expected = idx.read(root, "train")
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in NAMES:
        shutil.copy(root / name, elsewhere / name.replace("-idx", ".idx"))
    zipped(elsewhere, "train-images.idx3-ubyte")
    zipped(elsewhere, "t10k-labels.idx1-ubyte")
    assert all((a == b).all() for a, b in zip(idx.read(str(elsewhere), "train"), expected, strict=True))
    assert idx.fingerprint(elsewhere) == plain


def test_files_come_in_a_fixed_order(root):
    path = zipped(root, NAMES[1])
    assert idx.files(root) == [root / NAMES[0], path, root / NAMES[2], root / NAMES[3]]


def test_fingerprint_is_the_datas(root):
    before = idx.fingerprint(root)
    assert re.fullmatch("[0-9a-f]{64}", before)
    _, labels = digits(5, seed=1)
    labels[0] = (labels[0] + 1) % 10
    (root / NAMES[3]).write_bytes(packed(labels))
    assert idx.fingerprint(root) != before


def cut_gzip(root):
    path = zipped(root, NAMES[0])
    path.write_bytes(path.read_bytes()[:-20])


def broken_gzip(root):
    path = zipped(root, NAMES[0])
    path.write_bytes(path.read_bytes()[:200] + bytes(200) + path.read_bytes()[400:])


def plain_called_gzip(root):
    (root / NAMES[0]).rename(root / f"{NAMES[0]}.gz")


def rewritten(name, change):
    def damage(root):
        (root / name).write_bytes(change((root / name).read_bytes()))

    return damage


IMAGES, LABELS = NAMES[:2]
DAMAGES = {
    "missing file": (lambda root: (root / LABELS).unlink(), "no train-labels-idx1-ubyte or train-labels.idx1-ubyte"),
    "cut gzip": (cut_gzip, f"{IMAGES}.gz is cut off: its gzip stream has no end"),
    "broken gzip": (broken_gzip, f"{IMAGES}.gz is no sound gzip file"),
    "not gzip": (plain_called_gzip, "drop .gz if it is plain"),
    "empty": (rewritten(IMAGES, lambda _: b""), f"{IMAGES} is cut off: 0 bytes, but the header alone has 16"),
    "cut": (rewritten(IMAGES, lambda content: content[:-1]), f"{IMAGES} is cut off: 9423 bytes, should be 9424"),
    "too long": (rewritten(LABELS, lambda content: content + b"\0"), f"{LABELS} goes on too long: 21 bytes"),
    "other file": (rewritten(IMAGES, lambda content: b"<!DOCTYPE html>" + content), "starts with 3c21444f, should be"),
    "swapped": (
        lambda root: shutil.copy(root / LABELS, root / IMAGES),
        "no IDX file of 3 axes: it starts with 00000801",
    ),
    "floats": (rewritten(IMAGES, lambda content: b"\0\0\x0d\x03" + content[4:]), "type code 0x0d; should be 0x08"),
    "other count": (lambda root: shutil.copy(root / NAMES[3], root / LABELS), "12 images but"),
    "label 10": (
        rewritten(LABELS, lambda content: content[:-1] + b"\x0a"),
        "holds the label 10; digits go from 0 to 9",
    ),
    "other size": (rewritten(IMAGES, lambda _: packed(np.zeros((12, 32, 30)))), "images of 32x30 pixels"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_in_one_line(root, damage, message):
    damage(root)
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        idx.read(root, "train")
    assert str(root) in str(caught.value) and "\n" not in str(caught.value)
    assert len(idx.read(root, "test")[0]) == 5  # the other split is none the worse


def test_a_missing_folder_says_what_it_should_hold(tmp_path):
    with pytest.raises(InputError, match="nowhere is not a folder; it should hold train-images-idx3-ubyte"):
        idx.read(tmp_path / "nowhere", "train")


def test_an_unknown_split_suggests_the_near_one(root):
    with pytest.raises(InputError, match="did you mean 'train'"):
        idx.read(root, "training")


def test_mnist():
    root = Path(os.environ.get("SYNTHGAP_MNIST", Path(__file__).parents[2] / "shared/data/mnist"))
    if not root.is_dir():
        pytest.skip("no MNIST: set SYNTHGAP_MNIST to the folder of its IDX files")
    images, labels = idx.read(root, "test")
    assert images.shape == (len(labels), 28, 28) and set(labels) == set(range(10))
    assert images.max() == 255 and images.min() == 0
