"""Digits spoken by people: a folder of WAV files named as FSDD's are, `{digit}_{speaker}_{index}.wav` (Jackson 2016)."""

import hashlib
import re
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np

from data_gen.errors import InputError, unknown
from data_gen.speech import clip, extra, resampled

SPLITS = ("train", "validation", "test")
VALIDATION = 10  # one training recording in so many; FSDD keeps as many of its own for a test, those of index 0 to 4
_NAME = re.compile(r"(\d)_(.+)_(\d+)\.wav", re.IGNORECASE)


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
    Raises InputError, naming the file, for whatever is missing, damaged or no such recordings.
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
        raise InputError(f"{root} would have nobody to train on: its speakers are {', '.join(names)}, all held out")
    chosen = [file for file in found if (file.speaker in others) == (split == "test")]
    who = ", ".join(sorted({file.speaker for file in chosen}))
    if split != "test":
        kept_out = _first_tenth(chosen)
        chosen = [file for file in chosen if (file in kept_out) == (split == "validation")]
    digits = np.array([file.digit for file in chosen], dtype=np.int64)
    if absent := sorted(set(range(10)) - set(digits.tolist())):
        rest = "" if split == "test" else ", and validation one in ten of training's, one of each at the least"
        raise InputError(
            f"{root} holds too few recordings of {absent} by {who}: the {split} split needs all ten digits{rest}"
        )
    speakers, names = np.array([file.speaker for file in chosen]), np.array([file.path.name for file in chosen])
    return Recordings(np.stack([_clip(file.path) for file in chosen]), digits, speakers, names)


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
    """The files by speaker, digit and index; `root` is their folder, or one that holds it as FSDD's does."""
    folder = Path(root)
    folder = folder / "recordings" if (folder / "recordings").is_dir() else folder
    if not folder.is_dir():
        raise InputError(f"{root} is not a folder; it should hold recordings named {{digit}}_{{speaker}}_{{index}}.wav")
    files = []
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() == ".wav":
            name = _NAME.fullmatch(path.name)
            if name is None:
                raise InputError(f"{path} should be named {{digit}}_{{speaker}}_{{index}}.wav, as 7_theo_12.wav is")
            files.append(_File(name[2], int(name[1]), int(name[3]), path))
    if not files:
        raise InputError(f"{folder} holds no WAV file; recordings are named {{digit}}_{{speaker}}_{{index}}.wav")
    return sorted(files)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}); it should be a readable file") from None


def _clip(path: Path) -> np.ndarray:
    soundfile = extra("soundfile", "speech=recordings")
    content = _bytes(path)
    size = 8 + int.from_bytes(content[4:8], "little")
    if content[:4] == b"RIFF" and len(content) < size < 2**32:  # more: a writer that did not know
        raise InputError(f"{path} is cut off: {len(content)} bytes, should be {size}; copy it again")
    try:
        channels, rate = soundfile.read(BytesIO(content), always_2d=True)
    except soundfile.LibsndfileError as error:
        raise InputError(f"{path} is no sound WAV file ({error.error_string}); copy it again") from None
    wave = channels.mean(axis=1)
    if not wave.any() or not np.isfinite(wave).all():
        raise InputError(f"{path} holds no sound: its {len(wave)} samples are silent, or some are no numbers")
    return clip(resampled(wave, rate))
