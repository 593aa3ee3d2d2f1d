"""MAD, Multimodal Attributes and Digits (Schrodi et al., ICLR 2025): digits perturbed, scaled and coloured."""

from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np

from data_gen.digits import idx, strokes
from data_gen.errors import InputError, unknown
from data_gen.factors import MAD, Factor, FactorSpace
from data_gen.morphology import OFFSET, PUBLISHED, STRONG, perturb
from data_gen.worlds import Render, World

DIGITS = ("strokes", "idx")
VARIANTS = ("corrected", "published")
STRENGTHS = {"published": PUBLISHED, "strong": STRONG}
FAULTS = 2  # version of what is drawn as published: raise it when other pixels come of the same options

#: One row a colour, in MAD's order. A colour scales a fixed hue, so that it never changes with the stroke's brightness.
HUES = np.array(
    [(1, 1, 1), (1, 0, 0), (0, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0)], dtype=np.uint8
)  # gray, red, green, blue, cyan, magenta, yellow

#: Styles of handwriting that can be factors: each value an equal part of the style's own distribution, in rising order.
STYLE = {
    "slant": ("upright", "slanted"),
    "pen": ("fine", "bold"),
    "aspect": ("narrow", "wide"),
    "rotation": ("tilted left", "tilted right"),
    "blur": ("crisp", "soft"),
}


def space(style: Sequence[str] = ()) -> FactorSpace:
    """MAD's factors, and behind them one with two values for each named style of `STYLE`."""
    for name in style:
        if name not in STYLE:
            raise unknown("style in mad.style", name, STYLE)
    return FactorSpace((*MAD.factors, *(Factor(name, STYLE[name]) for name in style))) if style else MAD


def world(
    digits: str = "strokes",
    root: str = "",
    split: str = "train",
    *,
    variant: str = "corrected",
    strength: str = "published",
    style: Sequence[str] = (),
    given: Mapping[str, float] | None = None,
    validation: float = 0.0,
) -> World:
    """MAD on generated strokes, or on the IDX files in `root` (their train or t10k part, by `split`).

    variant: `published` keeps the faults of the published code: yellow, cyan and magenta leave the third channel as bright
        as the ink, so that bright strokes turn white; cuts lie beside the stroke; grey levels are truncated, twice if a digit
        is small; and colours (as captions) are drawn anew at every access.
    strength: `published`, or `strong`: operations that can be seen (data_gen.morphology.STRONG).
    style: strokes only: styles of handwriting that are factors, so that captions may name them (`STYLE`).
    given: strokes only: latents of the handwriting set to a number (data_gen.digits.strokes.LATENTS).
    validation: IDX files only: the share of the training file, its last images, that `split="validation"` is and `train`
        is without (strokes' validation split has writers of its own).
    Raises InputError for a name that is none of these, or files that are none; what is wrong in the files is told when
    the world is first drawn from.
    """
    for what, name, allowed in (("mad.variant", variant, VARIANTS), ("mad.strength", strength, STRENGTHS)):
        if name not in allowed:
            raise unknown(f"value of {what}", name, allowed)
    identity: dict = {"world": "mad", "digits": digits, "variant": variant, "strength": strength}
    if digits == "strokes":
        given = dict(given or {})
        strokes.checked(given, {}, 1)

        def draw(codes: np.ndarray, generator: np.random.Generator):
            halves = {name: (codes[:, 6 + i] / 2, (codes[:, 6 + i] + 1) / 2) for i, name in enumerate(style)}
            images, latents = strokes.draw(codes[:, 0], generator, split=split, given=given, between=halves)
            return images, {f"latent_{name}" if name in style else name: latent for name, latent in latents.items()}

        identity |= {"style": list(style), "given": given}
    elif digits == "idx":
        if style or given:
            raise InputError("style can be a factor or be given only where digits=strokes draws it")
        draw = _picker(root, split, validation)
        identity |= {"files": idx.fingerprint(root)}
    else:
        raise unknown("digit source", digits, DIGITS)
    published = variant == "published"
    if published:
        identity |= {"faults": FAULTS}
    return World(
        space(style),
        _renderer(draw, published, STRENGTHS[strength]),
        identity,
        look=_recoloured if published else None,
        kinds={"image": "pixels"},
    )


def _renderer(draw, published: bool, strength: Mapping[str, float]) -> Render:
    faults = {"offset": OFFSET, "truncated": True} if published else {}
    paint = _paint_as_published if published else _paint

    def render(codes: np.ndarray, generator: np.random.Generator):
        _, thickness, swelling, fracture, size, colour = codes[:, :6].T
        gray, style = draw(codes, generator)
        gray = perturb(gray, thickness, swelling, fracture, size, generator, **strength, **faults)
        return paint(gray, colour), style

    return render


def _paint(gray: np.ndarray, colour: np.ndarray) -> np.ndarray:
    return np.stack([gray * lit[:, None, None] for lit in HUES[colour].T], axis=-1)


def _paint_as_published(gray: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Two lit channels are full wherever there is ink, and the third keeps the gray that the corrected hue leaves out."""
    lit = HUES[colour][:, None, None, :] == 1
    full = np.where(lit, np.uint8(255) * (gray > 0)[..., None], gray[..., None])
    return np.where(HUES[colour].sum(axis=1)[:, None, None, None] == 2, full, _paint(gray, colour))


#: the channel in which each published colour keeps the gray
_KEEPS_GRAY = np.array([0, 0, 1, 2, 0, 1, 2])


def _recoloured(images: np.ndarray, codes: np.ndarray, generator: np.random.Generator):
    colour = MAD.index("colour")
    gray = np.take_along_axis(images, _KEEPS_GRAY[codes[:, colour]][:, None, None, None], axis=3)[..., 0]
    codes = codes.copy()
    codes[:, colour] = MAD.sample(len(codes), generator)[:, colour]
    return _paint_as_published(gray, codes[:, colour]), codes


def _picker(root: str, split: str, validation: float):
    @cache  # read when first drawn from: a world may be asked for its name alone
    def found():
        images, labels = idx.read(root, split, validation)
        by_digit = [np.flatnonzero(labels == digit) for digit in range(10)]
        if absent := [digit for digit, found in enumerate(by_digit) if not len(found)]:
            where = f"{split} split of the IDX files in {root}"
            raise InputError(f"the {where} holds no image of {absent}; MAD needs all ten digits")
        counts = np.array([len(found) for found in by_digit])
        return images, np.concatenate(by_digit), np.cumsum(counts) - counts, counts

    def draw(codes: np.ndarray, generator: np.random.Generator):
        (images, by_digit, starts, counts), digit = found(), codes[:, 0]
        chosen = by_digit[starts[digit] + (generator.random(len(digit)) * counts[digit]).astype(int)]
        return images[chosen], {"source_index": chosen.astype(np.int32)}

    return draw
