"""Spoken digits: from synthesised voices (`voices`) or from files (`recordings`), heard as `spectrograms`.

A wave is float32 at `RATE`, in [−1, 1]; a clip is a wave of `SAMPLES`, and clips of a dataset are one array [N, SAMPLES].
"""

import wave as wav
from functools import lru_cache
from importlib import import_module
from math import gcd
from pathlib import Path
from types import ModuleType

import numpy as np

from data_gen.errors import InputError

RATE = 8000  # samples a second, FSDD's
SAMPLES = 7992  # of a clip, 0.999 s: 112 frames of a spectrogram, 72 samples apart


def resampled(wave: np.ndarray, rate: int) -> np.ndarray:
    """A wave [n] of another rate at ours, float32, without what our rate cannot hold."""
    common = gcd(RATE, rate)
    up, down = RATE // common, rate // common
    if up == down:
        return wave.astype(np.float32)
    from scipy.signal import resample_poly  # a sixth of a second to load, which a run without sounds does not need

    return resample_poly(wave, up, down, window=_low_pass(max(up, down))).astype(np.float32)


@lru_cache(maxsize=8)
def _low_pass(factor: int) -> np.ndarray:
    """The filter that resample_poly would design at every call, which takes it longer than to filter a digit."""
    from scipy.signal import firwin

    return firwin(20 * factor + 1, 1 / factor, window=("kaiser", 5.0))


def clip(wave: np.ndarray) -> np.ndarray:
    """A wave [n] in the middle of a clip of silence; of one that is longer, the loudest part of a clip's length."""
    spare = SAMPLES - len(wave)
    if spare >= 0:
        return np.pad(wave, (spare // 2, spare - spare // 2))
    energy = np.cumsum(np.square(wave, dtype=np.float64))
    loudness = energy[SAMPLES - 1 :] - np.concatenate([[0], energy[:-SAMPLES]])
    start = int(loudness.argmax())
    return wave[start : start + SAMPLES]


def save(wave: np.ndarray, path: Path) -> Path:
    """Write a wave [n] as a WAV file of 16 bits at our rate, its loudest sample at full scale."""
    loudest = np.abs(wave).max(initial=0) or 1
    with wav.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.rint(wave * ((2**15 - 1) / loudest)).astype("<i2").tobytes())
    return path


def extra(module: str, purpose: str) -> ModuleType:
    """A module that only speech needs. Raises InputError, saying what to install, where it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = f'{purpose} needs {error.name}; install it by pip install "synthgap[speech]"'
        raise InputError(missing) from None
