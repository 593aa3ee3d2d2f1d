"""Reading digits: a small made-up set stands for MNIST, and then every way in which its files can be wrong."""

import gzip
import hashlib
import os
import re
import shutil
import struct
import tracemalloc
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
    assert before == hashlib.sha256(b"".join((root / name).read_bytes() for name in NAMES)).hexdigest()
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


def gzip_of(change, pack=gzip.compress):
    def damage(root):
        content = (root / NAMES[0]).read_bytes()
        (root / NAMES[0]).unlink()
        (root / f"{NAMES[0]}.gz").write_bytes(pack(change(content)))

    return damage


def promising(content):
    return content[:4] + b"\xff\xff\xff\0" + content[8:]


def inverted(some):
    def change(content):
        images = np.frombuffer(content, np.uint8, offset=16).reshape(-1, 28, 28).copy()
        images[:some] = 255 - written(some, seed=0)
        return content[:16] + images.tobytes()

    return change


def written(count, seed):
    """Bright bars on black paper."""
    images = np.zeros((count, 28, 28), np.uint8)
    images[:, 4:24, 10:16] = np.random.default_rng(seed).integers(100, 256, (count, 20, 6))
    return images


IMAGES, LABELS = NAMES[:2]
TERA = "3367254159376 for 4294967040 x 28 x 28"
DAMAGES = {
    "missing file": (lambda root: (root / LABELS).unlink(), "no train-labels-idx1-ubyte or train-labels.idx1-ubyte"),
    "cut gzip": (cut_gzip, f"{IMAGES}.gz is cut off: its gzip stream has no end"),
    "broken gzip": (broken_gzip, f"{IMAGES}.gz is no sound gzip file"),
    "not gzip": (plain_called_gzip, "drop .gz if it is plain"),
    "gzip by another name": (
        rewritten(IMAGES, gzip.compress),
        f"{IMAGES} is a gzip file; add .gz to its name, or unzip",
    ),
    "empty": (rewritten(IMAGES, lambda _: b""), f"{IMAGES} is cut off: 0 bytes, but the header alone has 16"),
    "cut": (rewritten(IMAGES, lambda content: content[:-1]), f"{IMAGES} is cut off: 9423 bytes, should be 9424"),
    "too long": (rewritten(LABELS, lambda content: content + b"\0"), f"{LABELS} goes on too long: it should have 20"),
    "too long, zipped": (
        gzip_of(lambda content: content + b"\0"),
        f"{IMAGES}.gz goes on too long: it should have 9424",
    ),
    "cut, zipped": (gzip_of(lambda content: content[:-1]), f"{IMAGES}.gz is cut off: 9423 bytes, should be 9424"),
    "a promise of terabytes": (rewritten(IMAGES, promising), f"{IMAGES} is cut off: 9424 bytes, should be {TERA}"),
    "a promise of terabytes, zipped": (
        gzip_of(promising),
        "promises 3367254159376 bytes for 4294967040 x 28 x 28: no gzip",
    ),
    "other file": (rewritten(IMAGES, lambda content: b"\x89PNG" + content), "starts with 89504e47, should be 00000803"),
    "a web page": (
        rewritten(IMAGES, lambda _: b"\n<!DOCTYPE html><html>404</html>"),
        f"{IMAGES} is a web page, not the file that was to be downloaded; it should be an IDX file",
    ),
    "a zipped web page": (
        gzip_of(lambda _: b"<html>", pack=lambda content: content),
        f"{IMAGES}.gz is a web page, not the file that was to be downloaded; it should be an IDX file, gzipped",
    ),
    "a pointer": (
        rewritten(IMAGES, lambda _: b"version https://git-lfs.github.com/spec/v1"),
        f"{IMAGES} is a Git LFS pointer",
    ),
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
    "blank": (
        rewritten(IMAGES, lambda content: content[: 16 + 784 * 3] + bytes(784) * 2 + content[16 + 784 * 5 :]),
        f"{IMAGES} holds 2 blank images of 12, the first at index 3",
    ),
    "all of one gray": (rewritten(IMAGES, lambda _: packed(np.full((12, 28, 28), 7))), "holds pixels from 7 to 7 only"),
    "from 0 to 1": (
        rewritten(IMAGES, lambda content: packed(np.arange(12 * 784).reshape(12, 28, 28) % 2)),
        "holds pixels from 0 to 1 only; they go from 0, paper, to 255, ink (values from 0 to 1 are to be multiplied by 255",
    ),
    "inverted": (
        rewritten(IMAGES, inverted(12)),
        f"{IMAGES} holds 12 images of 12 that are dark on bright, the first at index 0; ink is bright on dark paper",
    ),
    "some inverted": (rewritten(IMAGES, inverted(2)), f"{IMAGES} holds 2 images of 12 that are dark on bright"),
    "other size": (rewritten(IMAGES, lambda _: packed(np.zeros((12, 32, 30)))), "images of 32x30 pixels"),
}


@pytest.mark.parametrize(("damage", "message"), DAMAGES.values(), ids=DAMAGES)
def test_damage_is_told_in_one_line(root, damage, message):
    damage(root)
    for split in ("train", "test"):  # whose images are compared
        with pytest.raises(InputError, match=re.escape(message)) as caught:
            idx.read(root, split)
        assert str(root) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("place", ["raw", "MNIST/raw", "FashionMNIST/raw"])
def test_the_folders_of_torchvision_are_read_where_they_lie(root, tmp_path_factory, place):
    expected, elsewhere = idx.fingerprint(root), tmp_path_factory.mktemp("elsewhere")
    inside = shutil.copytree(root, elsewhere / place)
    for name in NAMES:  # torchvision keeps what it downloaded beside what it unzipped
        (inside / f"{name}.gz").write_bytes(gzip.compress((inside / name).read_bytes()))
    assert idx.fingerprint(elsewhere) == idx.fingerprint(inside) == expected
    assert idx.files(elsewhere) == [inside / name for name in NAMES]
    shutil.copytree(inside, elsewhere / "KMNIST" / "raw")
    with pytest.raises(InputError, match=r"holds several sets of IDX files; give one of .*KMNIST/raw"):
        idx.files(elsewhere)
    for name in NAMES:
        shutil.copy(inside / name, elsewhere)
    assert idx.files(elsewhere) == [elsewhere / name for name in NAMES]


def test_a_test_of_training_images_is_refused_and_a_share_of_one_in_500_is_not(root):
    """Fashion-MNIST has 10 such among 10,000."""
    train, test = digits(600, seed=2)[0], digits(500, seed=3)[0]
    train[7] = train[9] = test[400]

    def write():
        for name, images in ((NAMES[0], train), (NAMES[2], test)):
            (root / name).write_bytes(packed(images))
            (root / name.replace("images-idx3", "labels-idx1")).write_bytes(packed(np.arange(len(images)) % 10))

    write()
    assert [len(idx.read(root, split)[0]) for split in ("train", "test")] == [600, 500]
    test[[3, 5]] = train[[100, 50]]
    write()
    told = f"3 of 500 test images are training images too: the one at index 3 of {root / NAMES[2]} is that at 100 of"
    for split in ("train", "test"):
        with pytest.raises(InputError, match=re.escape(told)):
            idx.read(root, split)
    test[[3, 5]] = digits(2, seed=4)[0]
    train[550] = train[20]
    write()
    assert len(idx.read(root, "train")[0]) == 600  # where there is no validation split, it is training's own
    told = (
        f"1 of 100 validation images are training images too: the one at index 550 of {root / NAMES[0]} is that at 20"
    )
    with pytest.raises(InputError, match=re.escape(told)):
        idx.read(root, "validation", 1 / 6)


def test_a_file_that_is_not_ours_to_read_is_not_called_damaged(root, monkeypatch):
    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    for method in ("open", "is_dir"):
        with monkeypatch.context() as m:
            m.setattr(Path, method, refused)
            with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
                idx.read(root, "train")


def test_what_swells_beyond_its_size_is_not_unpacked(root, monkeypatch):
    """Sixteen megabytes of paper in a file of sixteen kilobytes."""
    monkeypatch.setattr(idx, "_ROOM", 2**20)
    path = zipped(root, IMAGES)
    path.write_bytes(gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 20_000, 28, 28) + bytes(20_000 * 784)))
    tracemalloc.start()
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte.gz promises 15680016 bytes for 20000 x 28 x 28"):
        idx.read(root, "train")
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


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
