"""MAD, Multimodal Attributes and Digits (Schrodi et al., ICLR 2025): digits perturbed, scaled and coloured."""

import numpy as np

from data_gen.digits import idx, strokes
from data_gen.errors import InputError, unknown
from data_gen.factors import MAD
from data_gen.morphology import perturb
from data_gen.worlds import Render, World

DIGITS = ("strokes", "idx")

#: One row a colour, in MAD's order. A colour scales a fixed hue, so that it never changes with the stroke's brightness;
#: the published code left a gray third channel in yellow, cyan and magenta, which turned thick strokes white.
HUES = np.array(
    [(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)], dtype=np.uint8
)  # gray, red, green, blue, cyan, magenta, yellow


def world(digits: str = "strokes", root: str = "", split: str = "train") -> World:
    """MAD on generated strokes, or on the IDX files in `root` (their train or t10k part, by `split`)."""
    if digits == "strokes":
        return World(MAD, _renderer(strokes.draw), {"world": "mad", "digits": "strokes"})
    if digits == "idx":
        draw = _picker(*idx.read(root, split))
        return World(MAD, _renderer(draw), {"world": "mad", "digits": "idx", "files": idx.fingerprint(root)})
    raise unknown("digit source", digits, DIGITS)


def _renderer(draw) -> Render:
    def render(codes: np.ndarray, generator: np.random.Generator):
        digit, thickness, swelling, fracture, size, colour = codes.T
        gray, style = draw(digit, generator)
        gray = perturb(gray, thickness, swelling, fracture, size, generator)
        return gray[..., None] * HUES[colour][:, None, None, :], style

    return render


def _picker(images: np.ndarray, labels: np.ndarray):
    by_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
    if absent := [digit for digit, found in enumerate(by_digit) if not len(found)]:
        raise InputError(f"the IDX files hold no image of {absent}; MAD needs all ten digits")

    def draw(digit: np.ndarray, generator: np.random.Generator):
        u = generator.random(len(digit))
        chosen = np.array(
            [by_digit[d][int(u_i * len(by_digit[d]))] for d, u_i in zip(digit, u, strict=True)], dtype=int
        )
        return images[chosen], {"source_index": chosen.astype(np.int32)}

    return draw
