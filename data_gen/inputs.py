"""What the array of a modality is, by which encoders are told apart: its kind.

A world declares it, `World(…, kinds={"touch": "vector"})`. Where it says nothing, images are pixels, and the kind of another
modality is told from its array: uint8 [n, H, W, 3] is pixels, uint8 [n, H, W] a spectrogram, floats [n, D] a vector. Anything
else could be several things, and its world has to say which.
"""

from collections.abc import Mapping

import numpy as np

from data_gen.errors import InputError, unknown

#: kind → the arrays that it allows
KINDS = {
    "pixels": "uint8 [n, H, W, 3]",
    "spectrogram": "uint8 [n, H, W]",
    "tokens": "whole numbers [n, L], 0 for no word, or 1 to the number of words of the space",
    "vector": "finite numbers [n, D]",
}


def check(kinds: Mapping[str, str], modalities: tuple[str, ...]) -> None:
    """Raises InputError for a world's kinds {modality: kind} that are none, or of no modality; for images that are no pixels;
    and for a modality that is called as captions are."""
    for modality, kind in kinds.items():
        if modality not in modalities:
            raise unknown("modality in World.kinds", modality, modalities)
        if kind not in KINDS:
            raise unknown(f"kind of {modality} in World.kinds", kind, KINDS)
    if "text" in modalities:
        raise InputError("World.shows names 'text', as captions are called; give the modality another name")
    if kinds.get("image", "pixels") != "pixels":
        raise InputError(f"World.kinds: image must be pixels, not {kinds['image']}; call the modality something else")


def told(modality: str, values: np.ndarray) -> str:
    """The kind of a modality of which its world says nothing, from n samples. Raises InputError where it could be several."""
    shape = values.shape[1:]
    if values.dtype == np.uint8 and len(shape) == 3 and shape[2] == 3:
        return "pixels"
    if values.dtype == np.uint8 and len(shape) == 2:
        return "spectrogram"
    if values.dtype.kind == "f" and len(shape) == 1:
        return "vector"
    raise InputError(
        f"render gives {modality} as {_shown(values)}, which could be several things; say which in the world, as "
        f"World(…, kinds={{{modality!r}: 'vector'}}), one of {', '.join(KINDS)}"
    )


def stored(modality: str, values: np.ndarray, kind: str, words: int) -> np.ndarray:
    """The array as it is stored: uint8, tokens int64, vectors float32. words: of the space. Raises InputError where it is not
    of its kind."""
    if kind == "tokens":
        fits = values.ndim == 2 and values.dtype.kind in "iu" and ((values >= 0) & (values <= words)).all()
        values = values.astype(np.int64) if fits else values
    elif kind == "vector":
        fits = values.ndim == 2 and values.dtype.kind in "biuf"
        if fits:
            with np.errstate(over="ignore"):  # what float32 cannot hold is infinite then
                values = values.astype(np.float32)
            fits = np.isfinite(values).all()
    else:
        fits = values.dtype == np.uint8 and values.ndim == 3 + (kind == "pixels")
        fits = fits and (kind == "spectrogram" or values.shape[3] == 3)
    if not fits:
        raise InputError(f"render must give {modality} as {kind}: {KINDS[kind]}; got {_shown(values)}")
    return values


def _shown(values: np.ndarray) -> str:
    return f"{values.dtype} {list(values.shape)}"
