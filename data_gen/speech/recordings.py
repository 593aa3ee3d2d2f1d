"""Digits spoken by people: a folder of WAV files named as FSDD's are, `{digit}_{speaker}_{index}.wav` (Jackson 2016).

They lie in one folder, or in a folder a speaker as AudioMNIST's do (Becker et al. 2024).
"""

import hashlib
import re
import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_gen import contents
from data_gen.errors import InputError, unknown
from data_gen.speech import RATE, clip, extra, resampled

SPLITS = ("train", "validation", "test")
VALIDATION = 10  # one training recording in so many; FSDD keeps as many of its own for a test, those of index 0 to 4
_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav", re.IGNORECASE)
#: Samples a second that are understood. Below, there is no speech; and odd rates above cost more than a recording is worth.
RATES = (4000, 384_000)
#: Of full scale: a sound whose loudest sample is below it is rounded to ten steps of 16 bits or fewer; above, it is no sound.
LEVELS = (10 / 2**15, 2.0**32)
#: Channels that are out of phase cancel in their mean: below this share of the power that they would have were they unlike,
#: the loudest of them is heard alone.
_CANCELS = 0.1
_LEFT = 0.01  # of a sound's loudest sample, when our rate has taken what it cannot hold: with less, it was no speech
_UNKNOWN = 0x7FFF_F000  # bytes: from here on, a size is that of a writer that did not know it
#: Formats of a WAV file whose frames are channels times width: whole numbers, floats, either with more said; A-law, µ-law.
_PLAIN, _OF_8_BITS = (1, 3, 0xFFFE), (6, 7)
#: The most samples that a byte of a file may hold: compressed forms have tens.
_SAMPLES_A_BYTE = 64


class Recordings(NamedTuple):
    """clips float32 [N, SAMPLES]; digits int64 [N]; speakers: their names [N]; files: those of the recordings [N]."""

    clips: np.ndarray
    digits: np.ndarray
    speakers: np.ndarray
    files: np.ndarray


class _File(NamedTuple):
    speaker: str
    digit: int
    index: int
    path: Path


def read(root: str | Path, split: str, held_out: Sequence[str] = ()) -> Recordings:
    """The recordings of one split, by speaker, digit and index: mono, at our rate, a clip each.

    held_out: the speakers who are heard in the test only; unless given, the last fifth by name (one at the least).
    Validation hears the others, in recordings that training does not: of each digit the first tenth by index, one at the
    least. People are few, and one of them tells more of that person than of a model.
    Channels are averaged; where they would cancel, the loudest is heard alone.
    Raises InputError, naming the file, for what is missing, damaged or no such recording: silent ones, and a recording
    that is in two splits.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    found = _found(root)
    names = sorted({file.speaker for file in found})
    for name in held_out:
        if name not in names:
            raise unknown("speaker to hold out", name, names)
    others = set(held_out) or set(names[-max(1, len(names) // 5) :])
    if not set(names) - others:
        raise InputError(f"{root} leaves no speaker for training: all are held out ({', '.join(names)})")
    parts = {"test": [file for file in found if file.speaker in others]}
    rest = [file for file in found if file.speaker not in others]
    kept_out = _first_tenth(rest)
    parts |= {"validation": [file for file in rest if file in kept_out]}
    parts |= {"train": [file for file in rest if file not in kept_out]}
    chosen = parts[split]
    who = ", ".join(sorted({file.speaker for file in (chosen if split == "test" else rest)}))
    digits = np.array([file.digit for file in chosen], dtype=np.int64)
    if absent := sorted(set(range(10)) - set(digits.tolist())):
        rest = "" if split == "test" else ", and validation one in ten of training's, one of each at the least"
        raise InputError(
            f"{root} holds too few recordings of {absent} by {who}: the {split} split needs all ten digits{rest}"
        )
    clips, heard = [], {}  # the first recording of each sound, and its split
    for part, files in sorted(parts.items(), key=lambda named: named[0] != split):  # the one asked for first
        for file in files:
            wave, rate = _wave(file.path)
            if part == split:
                clips.append(_clip(file.path, wave, rate))
            first, where = heard.setdefault(hashlib.sha256(wave.tobytes()).digest(), (file.path, part))
            if where != part:
                raise InputError(
                    f"{file.path}, in the {part} split, is the same recording as {first}, in the {where} split; "
                    "remove one of them"
                )
    speakers, names = np.array([file.speaker for file in chosen]), np.array([file.path.name for file in chosen])
    return Recordings(np.stack(clips), digits, speakers, names)


def _first_tenth(files: list[_File]) -> set[_File]:
    kept_out = set()
    for digit in range(10):
        mine = sorted((f for f in files if f.digit == digit), key=lambda f: (f.index, f.speaker, f.path))
        kept_out.update(mine[: max(1, len(mine) // VALIDATION)])
    return kept_out


def fingerprint(root: str | Path) -> str:
    """What the recordings are, wherever they lie: SHA-256, in hex, of their names and bytes."""
    digest = hashlib.sha256()
    for file in _found(root):
        content = _bytes(file.path)
        digest.update(f"{file.path.name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def _found(root: str | Path) -> list[_File]:
    """The files by speaker, digit and index. `root` is their folder, one of a folder a speaker, or one that holds such a
    folder as FSDD's (`recordings`) or AudioMNIST's (`data`) does."""
    folder = Path(root)
    try:
        if (folder / "recordings").is_dir():
            folder = folder / "recordings"
        elif not _sounds(folder) and (folder / "data").is_dir():
            folder = folder / "data"
        if not folder.is_dir():
            raise InputError(
                f"{root} is not a folder; it should hold recordings named {{digit}}_{{speaker}}_{{index}}.wav"
            )
        paths = _sounds(folder) or [path for inside in sorted(folder.iterdir()) for path in _sounds(inside)]
    except OSError as error:
        raise contents.unreadable(error.filename or folder, error) from None
    if not paths:
        raise InputError(
            f"{folder} holds no WAV file, nor does a folder in it; recordings are named {{digit}}_{{speaker}}_{{index}}.wav"
        )
    files = []
    for path in paths:
        name = _NAME.fullmatch(path.name)
        if name is None:
            raise InputError(f"{path} should be named {{digit}}_{{speaker}}_{{index}}.wav, as 7_theo_12.wav is")
        if path.parent != folder and path.parent.name != name[2]:
            raise InputError(
                f"{path} is by {name[2]} after its name, and by {path.parent.name} after its folder; folders, if any, are of "
                "one speaker each, named as the speaker"
            )
        files.append(_File(name[2], int(name[1]), int(name[3]), path))
    return sorted(files)


def _sounds(folder: Path) -> list[Path]:
    """The WAV files of a folder but hidden ones, such as macOS' `._7_theo_12.wav`, which hold no sound."""
    if not folder.is_dir():
        return []
    return [path for path in sorted(folder.iterdir()) if path.suffix.lower() == ".wav" and path.name[0] != "."]


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise contents.unreadable(path, error) from None


def _wave(path: Path) -> tuple[np.ndarray, int]:
    """What a file holds as one channel, float64 [n], and its rate."""
    soundfile = extra("soundfile", "speech=recordings")
    content = _bytes(path)
    if found := contents.kind(content[:64]):
        raise InputError(f"{path} is {found}; it should be a WAV file")
    _check_riff(path, content)
    try:
        with soundfile.SoundFile(BytesIO(content)) as file:
            rate, frames, channels = file.samplerate, file.frames, file.channels
            if frames * channels > _SAMPLES_A_BYTE * len(content):
                raise InputError(
                    f"{path} promises {frames} samples of {channels} channels, more than its {len(content)} bytes can hold"
                )
            waves = file.read(always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} is no sound WAV file ({error.error_string}); copy it again") from None
    if not RATES[0] <= rate <= RATES[1]:
        raise InputError(f"{path} has {rate} samples a second; it should have from {RATES[0]} to {RATES[1]}")
    if not np.isfinite(waves).all():
        raise InputError(f"{path} holds no sound: some of its {len(waves)} samples are no numbers")
    _check_level(path, waves)
    return _mono(waves), rate


def _check_riff(path: Path, content: bytes) -> None:
    """Whether a RIFF file has the bytes that its header and its chunks promise, and its header agrees with itself: a bit of
    it that is damaged would give another pitch or length, and no error."""
    if content[:4] != b"RIFF":
        return
    promised, start = 8 + int.from_bytes(content[4:8], "little"), 12
    known = 8 < promised < _UNKNOWN
    end, heard = promised if known else len(content), False
    if end > len(content):
        raise _cut_off(path, content, end)
    while start + 8 <= end:
        name, stop = content[start : start + 4], start + 8 + int.from_bytes(content[start + 4 : start + 8], "little")
        if stop > end and name == b"data" and not known and stop >= _UNKNOWN:
            return
        if stop > len(content) and not heard:
            raise _cut_off(path, content, stop)
        heard |= name == b"data"
        if name == b"fmt ":
            _check_format(path, content[start + 8 : stop])
        start = stop + stop % 2
    if start not in (end, end + 1, len(content), len(content) + 1):  # some writers count too little
        raise InputError(
            f"{path} is damaged: its parts do not end where its header says, at {end} bytes; copy it again"
        )


def _cut_off(path: Path, content: bytes, expected: int) -> InputError:
    return InputError(f"{path} is cut off: {len(content)} bytes, should be {expected}; copy it again")


def _check_format(path: Path, chunk: bytes) -> None:
    """Whether bytes a second are rate times bytes a frame, and those are channels times width. Compressed forms differ."""
    if len(chunk) < 16:
        return
    tag, channels, rate, a_second, frame, bits = struct.unpack_from("<HHIIHH", chunk)
    agrees = a_second == rate * frame and frame == channels * -(-bits // 8) and (tag not in _OF_8_BITS or bits == 8)
    if tag in (*_PLAIN, *_OF_8_BITS) and not agrees:
        raise InputError(
            f"{path} has a header that contradicts itself: {channels} channels of {bits} bits, {rate} times a second, are not "
            f"{frame} bytes a frame and {a_second} a second; copy it again"
        )


def _mono(waves: np.ndarray) -> np.ndarray:
    """The mean of waves [n, channels]; where they cancel in it, the loudest alone. Uncorrelated waves would have in their
    mean the mean of their powers over their number."""
    power, mean = waves.var(axis=0), waves.mean(axis=1)
    cancelled = mean.var() < _CANCELS * power.mean() / len(power)
    return waves[:, power.argmax()] if cancelled else mean


def _clip(path: Path, wave: np.ndarray, rate: int) -> np.ndarray:
    made = clip(resampled(wave, rate))
    if _loudness(made) < max(LEVELS[0], _LEFT * _loudness(wave)):
        raise InputError(f"{path} holds no speech: at {RATE} samples a second, next to nothing of its sound is left")
    return made


def _check_level(path: Path, waves: np.ndarray) -> None:
    """Whether there is a sound in waves [n, channels]. A constant is none."""
    if (top := np.abs(waves).max(initial=0)) > LEVELS[1]:
        raise InputError(f"{path} is no sound: a sample of it is {top:.1e} times full scale")
    if not (loudness := _loudness(waves)):
        raise InputError(f"{path} holds no sound: its {len(waves)} samples are silent")
    if loudness < LEVELS[0]:
        raise InputError(
            f"{path} is almost silent: its loudest sample is {loudness:.1e} of full scale, should be {LEVELS[0]:.1e} or more"
        )


def _loudness(waves: np.ndarray) -> float:
    return np.abs(waves - waves.mean(axis=0)).max() if len(waves) else 0.0
