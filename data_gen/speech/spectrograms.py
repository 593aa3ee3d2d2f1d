"""What an encoder hears: clips under a stated noise, as log-mel spectrograms of 112 bands × 112 frames."""

import sys
from collections.abc import Iterable
from functools import cache
from types import ModuleType

import numpy as np

from data_gen.errors import InputError
from data_gen.speech import RATE, SAMPLES, extra

BANDS = FRAMES = 112
HOP = SAMPLES // (FRAMES - 1)  # 9 ms
WINDOW = 256  # Hann, 32 ms: harmonics of a low voice just part
BINS = 512  # of the transform, so that even the lowest of 112 mel bands holds one
LEAST_DB = -100  # of speech over noise: by far nothing is heard, and numbers are not yet too large
RANGE_DB = 80  # below a clip's loudest point nothing is told apart


def noisy(clips: np.ndarray, snr_db: float, generators: Iterable[np.random.Generator]) -> np.ndarray:
    """Clips [N, SAMPLES] in white noise, float32; the i-th is drawn from the i-th generator, and from nothing else.

    snr_db: power of the speech, from its first sample to its last that is not zero, over that of the noise, in decibels;
    infinite for none. Raises InputError if it cannot be, or there are not as many generators as clips.
    """
    check(snr_db)
    generators = list(generators)
    if len(generators) != len(clips):
        raise InputError(f"{len(generators)} generators for {len(clips)} clips; need one each")
    return np.stack(
        [
            clip + _speech_level(clip) * 10 ** (-snr_db / 20) * generator.standard_normal(len(clip), np.float32)
            for clip, generator in zip(clips, generators, strict=True)
        ]
    ).astype(np.float32)


def check(snr_db: float) -> None:
    """Whether speech can be at such a level over noise. Raises InputError."""
    if not snr_db >= LEAST_DB:
        raise InputError(f"audio.snr_db={snr_db}: it must be {LEAST_DB} dB or more, or inf for no noise")


def _speech_level(clip: np.ndarray) -> float:
    spoken = np.trim_zeros(clip)
    return float(np.sqrt(np.square(spoken, dtype=np.float64).mean())) if len(spoken) else 0.0


def spectrograms(clips: np.ndarray) -> np.ndarray:
    """Log-mel spectrograms uint8 [N, BANDS, FRAMES] of clips [N, SAMPLES]; low bands first.

    255 is the loudest point of each clip, and a step is 80/255 dB, so that 0 is 80 dB below it or less. Mel bands (HTK's)
    from 0 to 4 kHz of the power spectrum; frames are centred every HOP samples. A clip's bytes are its own: they do not
    depend on the clips beside it. Raises InputError if clips are of another length, or torchaudio is missing.
    """
    import torch

    if np.ndim(clips) != 2 or np.shape(clips)[1] != SAMPLES:
        raise InputError(f"clips must be [N, {SAMPLES}], got {list(np.shape(clips))}")
    mel, threads = _mel(), torch.get_num_threads()
    out = np.empty((len(clips), BANDS, FRAMES), dtype=np.uint8)
    torch.set_num_threads(1)  # a clip is too small to share, and a sum's last bit would tell how many shared it
    try:
        for row, clip in zip(out, clips, strict=True):  # one by one: faster than a batch, which leaves the cache
            power = mel(torch.from_numpy(np.ascontiguousarray(clip, dtype=np.float32))).numpy()
            loudest = max(power.max(), np.finfo(np.float32).tiny)
            level = 10 * np.log10(np.maximum(power / loudest, 10 ** (-RANGE_DB / 10)))
            row[:] = np.rint(255 * (1 + level / RANGE_DB)) if power.any() else 0
    finally:
        torch.set_num_threads(threads)
    return out


@cache
def _mel():
    return _transforms().MelSpectrogram(
        RATE, n_fft=BINS, win_length=WINDOW, hop_length=HOP, n_mels=BANDS, f_min=0, f_max=RATE / 2, power=2.0
    )


def _transforms() -> ModuleType:
    """torchaudio.transforms, beside any torch.

    torchaudio's extension is linked against CUDA, and beside a torch for CPUs its import fails on it. Transforms need
    none of it, so a stand-in then says that it is not there, as torchaudio itself says where it was built without.
    """
    try:
        return extra("torchaudio.transforms", "a spectrogram")
    except (OSError, ImportError):
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchaudio"]:
            del sys.modules[name]  # half imported
        absent = ModuleType("torchaudio._extension")
        absent._IS_TORCHAUDIO_EXT_AVAILABLE = absent._IS_ALIGN_AVAILABLE = False
        absent.fail_if_no_align = lambda function: function
        sys.modules[absent.__name__] = absent
        return extra("torchaudio.transforms", "a spectrogram")
