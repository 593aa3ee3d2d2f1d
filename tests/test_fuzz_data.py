"""Generated data files, valid and damaged: read as they were written, or refused in one line, and left as they are.

SYNTHGAP_FUZZ sets the number of cases of all `test_fuzz_*.py`, a quarter of them here; `make fuzz` runs ten times as many.
"""

import gzip
import os
import struct
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from conftest import told
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data_gen.digits import idx
from data_gen.speech import RATE, clip, recordings, resampled

CASES = int(os.environ.get("SYNTHGAP_FUZZ", 2000)) // 4
fuzzed = settings(
    max_examples=CASES // 2,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)

shares = st.integers(0, 1000).map(lambda n: n / 1000)
#: what may happen to a file's bytes, and where: an index, or a share of the length
damages = st.one_of(
    st.tuples(st.just("flip"), st.integers(0, 70), st.integers(0, 7)),  # in the header, that is
    st.tuples(st.just("flip"), shares, st.integers(0, 7)),
    st.tuples(st.just("set"), st.integers(0, 48), st.sampled_from([b"\0", b"\1", b"\xff", b"\xff\xff\xff\xff", bytes(4)])),
    st.tuples(st.sampled_from(["cut", "swap"]), shares, st.just(0)),
    st.tuples(st.just("lose"), shares, st.integers(1, 40)),
    st.tuples(st.just("add"), st.just(0), st.binary(min_size=1, max_size=40)),
    st.tuples(
        st.just("other"),
        st.just(0),
        st.sampled_from([b"", b"\0", b"<!DOCTYPE html>", b"PK\3\4", b"\x1f\x8b", b"RIFF", b"\0\0\x08\x03", b"fLaC\0\0\0\x22"])
        | st.binary(max_size=60),
    ),
)  # fmt: skip


def damaged(content: bytes, damage) -> bytes:
    kind, at, what = damage
    place = min(at if isinstance(at, int) else int(at * len(content)), len(content) - 1)
    match kind:
        case "flip":
            return content[:place] + bytes([content[place] ^ 1 << what]) + content[place + 1 :]
        case "set":
            return content[:place] + what + content[place + len(what) :]
        case "cut":
            return content[:place]
        case "lose":
            return content[:place] + content[place + what :]
        case "add":
            return content + what
        case "swap":
            return content[place:] + content[:place]
    return what


def kept(root: Path) -> dict:
    return {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


# ---- IDX

FILES = [("train-images", 3), ("train-labels", 1), ("t10k-images", 3), ("t10k-labels", 1)]
#: images of a file → whether they may be read
LOOKS = {
    "noise": True,
    "written": True,
    "dim": True,
    "one dark on bright": None,  # of many it may be
    "dark on bright": False,
    "one blank": False,
    "faint": False,
    "from 0 to 1": False,
}


def images_of(look: str, count: int, rng: np.random.Generator) -> np.ndarray:
    noise = rng.integers(0, 256, (count, 28, 28), np.uint8)
    ink = np.zeros_like(noise)
    ink[:, 4:24, 8:20] = noise[:, 4:24, 8:20] | 0x40
    match look:
        case "written":
            return ink
        case "dim":
            return ink // 8
        case "one dark on bright":
            ink[:1] = 255 - ink[:1]
            return ink
        case "dark on bright":
            return 255 - ink
        case "one blank":
            noise[-1:] = noise[-1:, :1, :1]
        case "faint":
            return 100 + noise % 16 // 2
        case "from 0 to 1":
            return noise % 2
    return noise


def pack_idx(values: np.ndarray) -> bytes:
    return struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape) + values.astype(np.uint8).tobytes()


def unpack_idx(content: bytes, axes: int) -> np.ndarray | None:
    """What a file says, read anew and strictly: None if it says nothing sound."""
    if len(content) < 4 + 4 * axes or content[:4] != bytes([0, 0, 8, axes]):
        return None
    shape = struct.unpack_from(f">{axes}I", content, 4)
    size = 1
    for n in shape:
        size *= n
    if len(content) != 4 + 4 * axes + size:
        return None
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


@fuzzed
@given(
    counts=st.tuples(st.integers(0, 14), st.integers(0, 6)),
    looks=st.tuples(*[st.sampled_from(["noise", "written"]) | st.sampled_from(list(LOOKS))] * 2),
    seed=st.integers(0, 2**32),
    shared=st.sampled_from([0, 0, 0, 1, 3]),
    missing=st.sampled_from([0, 0, 0, 0, 1]),
    label=st.sampled_from([9, 9, 9, 10, 255]),
    zipped=st.tuples(*[st.booleans()] * 4),
    dotted=st.booleans(),
    place=st.sampled_from(["", "", "raw", "MNIST/raw"]),
    swapped=st.sampled_from([(0, 1, 2, 3)] * 8 + [(1, 0, 2, 3), (2, 1, 0, 3), (0, 3, 2, 1), (2, 3, 0, 1)]),
    inside=st.none() | st.tuples(st.integers(0, 3), damages),
    outside=st.none() | st.none() | st.tuples(st.integers(0, 3), damages),
    split=st.sampled_from(idx._SPLITS),
    validation=st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0]),
)
def test_idx_files_are_read_as_written_or_refused_in_one_line(
    counts, looks, seed, shared, missing, label, zipped, dotted, place, swapped, inside, outside, split, validation
):
    rng = np.random.default_rng(seed)
    arrays, sound = [], inside is None and outside is None and swapped in ((0, 1, 2, 3), (2, 3, 0, 1))
    for count, look in zip(counts, looks, strict=True):
        labels = rng.integers(0, 10, max(0, count - missing), np.uint8)
        labels[:1] = label
        arrays += [images_of(look, count, rng), labels]
        few = LOOKS[look] is None and count <= 10
        sound &= not (missing and count) and not (count and (LOOKS[look] is False or label > 9 or few))
    both = min(shared, *counts)
    arrays[2][:both] = arrays[0][len(arrays[0]) - both :]
    sound &= not both
    contents = [pack_idx(arrays[i]) for i in swapped]
    if inside:
        contents[inside[0]] = damaged(contents[inside[0]], inside[1])
    packed = [gzip.compress(c, 1) if z else c for c, z in zip(contents, zipped, strict=True)]
    if outside:
        packed[outside[0]] = damaged(packed[outside[0]] or b"\0", outside[1])
    with TemporaryDirectory() as folder:
        root = Path(folder) / place
        root.mkdir(parents=True, exist_ok=True)
        for (name, axes), content, z in zip(FILES, packed, zipped, strict=True):
            (root / f"{name}{'.' if dotted else '-'}idx{axes}-ubyte{'.gz' * z}").write_bytes(content)
        before = kept(Path(folder))
        found, why = told(lambda: idx.read(folder, split, validation))
        assert kept(Path(folder)) == before
    first = counts[swapped[0] == 2] - round(validation * counts[swapped[0] == 2])
    if sound and not (split == "validation" and not round(validation * counts[swapped[0] == 2])):
        assert not why
    if found is None:
        return
    said = []
    for (_, axes), content, z in zip(FILES, packed, zipped, strict=True):
        said.append(unpack_idx(gzip.decompress(content) if z else content, axes))
    images, labels = said[2:] if split == "test" else said[:2]
    part = {"train": slice(first), "validation": slice(first, None), "test": slice(None)}[split]
    np.testing.assert_array_equal(found[0], images[part])
    np.testing.assert_array_equal(found[1], labels[part])
    assert found[0].shape == (len(found[1]), 28, 28) and found[1].max(initial=0) < 10
    in_training = {image.tobytes() for image in said[0]}
    assert not any(image.tobytes() in in_training for image in said[2])
    assert all(image.min() < image.max() for image in found[0])


# ---- WAV

WIDTHS = {"u8": (1, 8), "i16": (1, 16), "i24": (1, 24), "i32": (1, 32), "f32": (3, 32), "f64": (3, 64)}  # tag, bits


def pack_wav(waves: np.ndarray, rate: int, width: str, extensible: bool = False, after: bytes = b"") -> bytes:
    """A WAV file of waves [n, channels] in [-1, 1]."""
    tag, bits = WIDTHS[width]
    channels = waves.shape[1]
    frame = channels * bits // 8
    head = struct.pack("<HHIIHH", 0xFFFE if extensible else tag, channels, rate, rate * frame % 2**32, frame, bits)
    if extensible:
        head += struct.pack("<HHIH", 22, bits, 0, tag) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    values = samples_of(waves, width).tobytes()
    body = b"WAVEfmt " + struct.pack("<I", len(head)) + head + b"data" + struct.pack("<I", len(values)) + values
    body += b"\0" * (len(values) % 2) + after
    return b"RIFF" + struct.pack("<I", len(body)) + body


def samples_of(waves: np.ndarray, width: str) -> np.ndarray:
    if width[0] == "f":
        return waves.astype("<f4" if width == "f32" else "<f8")
    bits = WIDTHS[width][1]
    top = 2 ** (bits - 1)
    whole = np.clip(np.rint(waves * top), -top, top - 1).astype(np.int64)
    if width == "u8":
        return (whole + 128).astype(np.uint8)
    if width == "i24":
        return np.frombuffer(whole.astype("<i4").tobytes(), np.uint8).reshape(-1, 4)[:, :3]
    return whole.astype(f"<i{bits // 8}")


def unpack_wav(content: bytes) -> tuple[np.ndarray, int] | None:
    """What a file says, read anew and strictly: waves [n, channels] and the rate. None if it is not plain or not sound."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        return None
    promised = struct.unpack_from("<I", content, 4)[0] + 8
    at, end = 12, len(content) if promised == 8 or promised > 2**31 - 2**12 else promised  # else it was not known
    head = values = None
    if end > len(content):
        return None
    while at + 8 <= end:
        name, size = content[at : at + 4], struct.unpack_from("<I", content, at + 4)[0]
        chunk = content[at + 8 : at + 8 + size]
        if len(chunk) < size:
            return None
        if name == b"fmt " and size >= 16 and not head:
            head = struct.unpack_from("<HHIIHH", chunk)
            tag = struct.unpack_from("<H", chunk, 24)[0] if head[0] == 0xFFFE and size >= 40 else head[0]
        if name == b"data" and values is None:
            values = chunk
        at += 8 + size + size % 2
    if at < end or values is None:
        return None
    chunk = values
    width = head and next((w for w, known in WIDTHS.items() if known == (tag, (head[5] + 7) // 8 * 8)), None)
    if not width or not head[1] or head[4] != head[1] * WIDTHS[width][1] // 8 or head[3] != head[2] * head[4]:
        return None
    chunk = chunk[: len(chunk) // head[4] * head[4]]
    if width[0] == "f":
        values = np.frombuffer(chunk, "<f4" if width == "f32" else "<f8").astype(float)
    elif width == "u8":
        values = np.frombuffer(chunk, np.uint8) / 128 - 1
    elif width == "i24":
        four = np.zeros((len(chunk) // 3, 4), np.uint8)
        four[:, 1:] = np.frombuffer(chunk, np.uint8).reshape(-1, 3)
        values = four.reshape(-1).view("<i4") / 2.0**31
    else:
        values = np.frombuffer(chunk, f"<i{WIDTHS[width][1] // 8}") / 2.0 ** (WIDTHS[width][1] - 1)
    return values.reshape(-1, head[1]), head[2]


def sound_of(index: int, seconds: float, rate: int, level: float) -> np.ndarray:
    """A tone with an envelope, of a pitch for each recording."""
    time = np.arange(round(seconds * rate)) / rate
    return level * np.sin(2 * np.pi * (300 + 17 * index) * time) * np.hanning(len(time) + 2)[1:-1]


#: two people, of whom the second is heard in the test; of the first, one recording a digit is kept for validation
SPLITS = {
    part: [f"{digit}_{who}_{index}.wav" for digit in range(10)]
    for part, who, index in (("validation", "ann", 0), ("train", "ann", 1), ("test", "zoe", 0))
}
NAMES = [name for names in SPLITS.values() for name in names]
PLAIN = {name: pack_wav(sound_of(n, 0.05, RATE, 0.5)[:, None], RATE, "i16") for n, name in enumerate(NAMES)}
#: rates that are refused
ODD = [0, 1, 3999, 384_001, 2**31]
#: what a recording may be made of, and whether it is to be read then
MADE = {
    "mono": True,
    "stereo": True,
    "one channel silent": True,
    "channels that cancel": True,
    "eight channels": True,
    "with a chunk after it": True,
    "long": True,
    "silence": False,
    "constant": False,
    "almost silent": False,
    "no samples": False,
    "one sample": None,
    "not a number": False,
    "beyond numbers": False,
}


def made(what: str, rate: int, width: str, extensible: bool) -> bytes:
    wave = sound_of(99, 1.7 if what == "long" else 0.1, min(max(rate, RATE), 50_000), 0.6)[:, None]
    waves = {
        "stereo": wave * (1, 0.5),
        "one channel silent": wave * (0, 1),
        "channels that cancel": wave * (1, -1),
        "eight channels": wave * np.linspace(0.3, 1, 8),
        "silence": 0 * wave,
        "constant": 0 * wave + 0.25,
        "almost silent": wave / 4000,
        "no samples": wave[:0],
        "one sample": wave[40:41],
        "not a number": np.where(np.arange(len(wave)) == 30, np.nan, wave[:, 0])[:, None],
        "beyond numbers": 1e30 * wave,
    }.get(what, wave)
    if what in ("not a number", "beyond numbers"):
        width = "f64"
    after = b"LIST\x04\0\0\0INFO" if what == "with a chunk after it" else b""
    return pack_wav(waves, rate, width, extensible, after)


@fuzzed
@given(
    split=st.sampled_from(list(SPLITS)),
    digit=st.integers(0, 9),
    what=st.sampled_from(["mono", "stereo"]) | st.sampled_from(list(MADE)),
    rate=st.sampled_from([8000, 11025, 16000, 44100]) | st.integers(160, 2000).map(lambda n: 25 * n) | st.sampled_from(ODD),
    width=st.sampled_from(list(WIDTHS)),
    extensible=st.booleans(),
    copied=st.sampled_from([None] * 4 + [3, 17, 25]),
    damage=st.none() | damages,
)  # fmt: skip
def test_recordings_are_read_as_written_or_refused_in_one_line(
    split, digit, what, rate, width, extensible, copied, damage
):
    pytest.importorskip("soundfile")
    name = SPLITS[split][digit]
    contents = PLAIN | {name: made(what, rate, width, extensible)}
    right = MADE[what] if rate not in ODD else False
    if copied is not None and NAMES[copied] not in SPLITS[split]:
        contents[name], right = contents[NAMES[copied]], False
    if damage:
        contents[name], right = damaged(contents[name], damage), None
    with TemporaryDirectory() as folder:
        for path, content in contents.items():
            (Path(folder) / path).write_bytes(content)
        before = kept(Path(folder))
        found, why = told(lambda: recordings.read(folder, split))
        assert kept(Path(folder)) == before
    assert right is None or (why == "" if right else name in why)
    if found is None:
        return
    assert list(found.files) == SPLITS[split] and found.digits.tolist() == list(range(10))
    said = {path: unpack_wav(contents[path]) for path in SPLITS[split]}
    assert said[name] is not None, "its header is not sound, and was believed"
    for path, got in zip(found.files, found.clips, strict=True):
        np.testing.assert_allclose(got, clip(resampled(*heard(*said[path]))), atol=1e-6)


def heard(waves: np.ndarray, rate: int) -> tuple[np.ndarray, int]:
    """The mean of the channels, or the loudest where they cancel."""
    power, mean = waves.var(axis=0), waves.mean(axis=1)
    return (waves[:, power.argmax()] if mean.var() < 0.1 * power.mean() / len(power) else mean), rate
