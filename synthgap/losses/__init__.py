"""Contrastive losses, one paper a file: of two modalities, or of all at once.

In `LOSSES` each takes ({modality: unit-norm [B, D]}, inverse temperature, its settings by name) → a scalar, and `anchor`
among its settings: the modality whose pairs count. They are pure, so numbers that are learnt and weights that change in
the course of training are settings like any other, which training gives anew at each step.
"""

from functools import partial

from synthgap.losses.clip import clip
from synthgap.losses.gram import gram
from synthgap.losses.modgap import align_true_pairs, centroid_uniformity, modgap
from synthgap.losses.pairs import pairs, pairwise
from synthgap.losses.siglip import siglip

#: name in `loss=…` → the loss of all modalities
LOSSES = {"clip": partial(pairwise, clip), "siglip": partial(pairwise, siglip), "modgap": modgap, "gram": gram}
#: settings that only say where a number starts that is learnt with the weights → how many times faster than the log scale:
#: as a step of the log scale moves a logit by about the scale times as much, that of a bias is an order larger
LEARNT = {"bias": 10.0}

__all__ = [
    "LEARNT",
    "LOSSES",
    "align_true_pairs",
    "centroid_uniformity",
    "clip",
    "gram",
    "modgap",
    "pairs",
    "pairwise",
    "siglip",
]
