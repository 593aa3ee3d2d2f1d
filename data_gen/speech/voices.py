"""Digits spoken by eSpeak NG, in synthesised voices: accents × speakers, at many pitches and speeds.

The library's oscillators, flutter and noise run on from one utterance to the next, and its own reset does not stop them:
what it says depends on what it said before. So each utterance has a library that was just loaded, and then its bytes are
those of (digit, accent, speaker, pitch, speed) in any order and any process.
"""

import _ctypes
import atexit
import ctypes
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from threading import Lock

import numpy as np

from data_gen.errors import InputError, unknown
from data_gen.speech import clip, extra, resampled

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")

#: Each says all digits in its own way (New York's, say, would say seven of them as `american` does).
ACCENTS = {
    "american": "en-us",
    "british": "en",
    "received": "en-gb-x-rp",
    "scottish": "en-gb-scotland",
    "lancastrian": "en-gb-x-gbclan",
    "midlands": "en-gb-x-gbcwmd",
    "caribbean": "en-029",
}

#: Timbres, by split: each split is spoken by other people. With the accents, 84, 28 and 56 voices.
SPEAKERS = {
    "train": {
        "woman": ("f1", "f2", "f4", "Annie", "Andrea", "grandma"),
        "man": ("m1", "m2", "m5", "m6", "m8", "Alex"),
    },
    "validation": {"woman": ("f5", "belinda"), "man": ("m4", "m7")},
    "test": {"woman": ("f3", "Alicia", "anika", "steph"), "man": ("m3", "Denis", "Mario", "boris")},
}

PITCH = {"low": range(15, 36), "high": range(65, 86)}  # eSpeak's, 0 to 99; at 50 a speaker talks as high as is natural
PACE = {"slow": range(120, 141), "fast": range(190, 241)}  # words a minute; slower, some need more than a clip


def draw(codes: np.ndarray, generator: np.random.Generator, split: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Clips float32 [n, SAMPLES] of codes [n, 5], the digit and then `SPOKEN`; and who spoke, how high and how fast.

    These three are left to chance: one of the split's speakers, and numbers from `PITCH` and `PACE`. The first m clips do
    not depend on n. Raises InputError for an unknown split, or if eSpeak NG is missing.
    """
    if split not in SPEAKERS:
        raise unknown("split", split, SPEAKERS)
    accents, people, pitches, paces = list(ACCENTS), *(list(t.values()) for t in (SPEAKERS[split], PITCH, PACE))
    clips, who, heights, speeds = [], [], [], []
    for (digit, accent, voice, pitch, pace), (u, v, w) in zip(codes, generator.random((len(codes), 3)), strict=True):
        who.append(_at(u, people[voice]))
        heights.append(_at(v, pitches[pitch]))
        speeds.append(_at(w, paces[pace]))
        clips.append(clip(say(int(digit), accents[accent], who[-1], heights[-1], speeds[-1])))
    latents = {"speaker": who, "pitch_value": heights, "words_per_minute": speeds}
    return np.stack(clips), {name: np.array(latent) for name, latent in latents.items()}


def _at(share: float, options: Sequence):
    return options[int(share * len(options))]


def say(digit: int, accent: str, speaker: str, pitch: int = 50, speed: int = 160) -> np.ndarray:
    """One digit as a wave float32 [samples at RATE], without silence before or after.

    accent: of `ACCENTS`. speaker: of `SPEAKERS`, or another of eSpeak NG's variants. pitch: 0 to 99. speed: words a
    minute, 80 to 450. Raises InputError for what is none of these, or if eSpeak NG is missing.
    """
    if accent not in ACCENTS:
        raise unknown("accent", accent, ACCENTS)
    for what, number, low, high in (("digit", digit, 0, 9), ("pitch", pitch, 0, 99), ("speed", speed, 80, 450)):
        if not low <= number <= high:
            raise InputError(f"{what}={number} of a voice must lie in {low} … {high}")
    if not (_files()[1] / "voices" / "!v" / speaker).is_file():
        raise unknown("speaker", speaker, sorted(path.name for path in (_files()[1] / "voices" / "!v").iterdir()))
    parts = []

    def gather(samples, number, _events):
        if samples and number:
            parts.append(np.ctypeslib.as_array(samples, (number,)).copy())
        return 0  # go on

    text = WORDS[digit].encode()
    with _fresh() as (library, rate):
        gather = _GATHER(gather)  # kept alive while the library may call it
        library.espeak_SetSynthCallback(gather)
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))  # of breath and hiss; otherwise the clock's
        failed = library.espeak_SetVoiceByName(f"{ACCENTS[accent]}+{speaker}".encode())
        library.espeak_SetParameter(_SPEED, speed, 0)
        library.espeak_SetParameter(_PITCH, pitch, 0)
        failed = failed or library.espeak_Synth(text, ctypes.c_size_t(len(text) + 1), 0, 1, 0, _UTF8, None, None)
    wave = np.trim_zeros(np.concatenate([np.zeros(0, np.int16), *parts]))
    if failed or not len(wave):
        raise InputError(f"eSpeak NG cannot say {WORDS[digit]!r} as {accent} {speaker}")
    return resampled(wave / 2**15, rate)


@cache
def version() -> str:
    """eSpeak NG's, which decides the bytes. Raises InputError if it is missing."""
    with _fresh() as (library, _):
        library.espeak_Info.restype = ctypes.c_char_p
        return library.espeak_Info(None).decode()


_GATHER = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
_SYNCHRONOUS, _NO_EXIT, _UTF8, _SPEED, _PITCH = 2, 0x8000, 1, 1, 3  # espeak-ng/speak_lib.h
_one_at_a_time = Lock()  # two threads would share one library


@cache
def _files() -> tuple[Path, Path]:
    """The library, and a folder of what it needs here: less than a megabyte, for as long as this process lives.

    It finds a voice at once by the name of a file in lower case, and otherwise reads all of its hundreds, which takes
    thrice as long as to speak; so the accents get such names. The bytes spoken are the same.
    """
    loader = extra("espeakng_loader", "speech=voices")
    whole, needed = Path(loader.get_data_path()), Path(mkdtemp(prefix="synthgap-voices-"))
    atexit.register(shutil.rmtree, needed, ignore_errors=True)
    for name in ("phontab", "phonindex", "phondata", "intonations", "en_dict"):
        shutil.copy(whole / name, needed)
    shutil.copytree(whole / "voices", needed / "voices")
    (needed / "lang").mkdir()
    for path in (whole / "lang" / "gmw").iterdir():
        if path.name.lower() in ACCENTS.values():
            shutil.copy(path, needed / "lang" / path.name.lower())
    return Path(loader.get_library_path()), needed


@contextmanager
def _fresh() -> Iterator[tuple[ctypes.CDLL, int]]:
    """A library that has not said anything yet, and its rate; unloaded at the end."""
    path, voices = _files()
    with _one_at_a_time:
        if _loaded(path):
            raise InputError(f"{path} is held open by another part of this process, whose speech would change ours")
        try:
            library = ctypes.CDLL(str(path))
        except OSError as error:
            raise InputError(f"eSpeak NG does not load: {error}") from error
        try:
            rate = library.espeak_Initialize(_SYNCHRONOUS, 0, str(voices).encode(), _NO_EXIT)
            if rate <= 0:
                raise InputError(f"eSpeak NG cannot read its voices in {voices}; install espeakng-loader again")
            yield library, rate
            library.espeak_Terminate()
        finally:
            _unload(library._handle)


_unload = _ctypes.dlclose if hasattr(_ctypes, "dlclose") else _ctypes.FreeLibrary


def _loaded(path: Path) -> bool:
    if not hasattr(os, "RTLD_NOLOAD"):
        return False
    try:
        _unload(ctypes.CDLL(str(path), mode=os.RTLD_NOLOAD)._handle)
    except OSError:
        return False
    return True
