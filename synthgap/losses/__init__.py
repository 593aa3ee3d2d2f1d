"""Contrastive losses, one paper a file: of two modalities, or of all at once.

In `LOSSES` each takes ({modality: unit-norm [B, D]}, inverse temperature, its settings by name) → a scalar, and `anchor`
among its settings: the modality whose pairs count. They are pure, so numbers that are learnt and weights that change in
the course of training are settings like any other, which training gives anew at each step; and so is `known`, what is known
of the batch beside what is seen: {factors: value indices [B, F], object: [B], caption: [B], equal where captions are}.
"""

from collections.abc import Callable

from torch import Tensor

from synthgap.losses.alignclip import alignclip
from synthgap.losses.clip import clip
from synthgap.losses.gram import gram
from synthgap.losses.modgap import align_true_pairs, centroid_uniformity, modgap
from synthgap.losses.pairs import pairs, pairwise
from synthgap.losses.siglip import siglip
from synthgap.losses.unicl import unicl


def _from_pairs_alone(loss: Callable[..., Tensor], *first) -> Callable[..., Tensor]:
    return lambda embeddings, scale, *, known=None, **settings: loss(*first, embeddings, scale, **settings)


#: name in `loss=…` → the loss of all modalities
LOSSES = {
    "clip": _from_pairs_alone(pairwise, clip),
    "unicl": unicl,
    "siglip": _from_pairs_alone(pairwise, siglip),
    "modgap": _from_pairs_alone(modgap),
    "gram": _from_pairs_alone(gram),
    "alignclip": alignclip,
}
#: settings that only say where a number starts that is learnt with the weights → how many times faster than the log scale:
#: as a step of the log scale moves a logit by about the scale times as much, that of a bias is an order larger
LEARNT = {"bias": 10.0}

__all__ = [
    "LEARNT",
    "LOSSES",
    "align_true_pairs",
    "alignclip",
    "centroid_uniformity",
    "clip",
    "gram",
    "modgap",
    "pairs",
    "pairwise",
    "siglip",
    "unicl",
]
