"""What can be done to the embeddings of a trained model, one method a file.

A method takes ({modality: unit-norm [N, D]}, its settings by name) → {modality: map}, fitted on those embeddings without
labels; a map takes unit-norm [M, D] of its modality, of other samples too, to unit-norm [M, E], with one E for all. One that is
declared with needs=("heads",) is also given the `heads` of the model. One with form="search" only searches within a modality,
and needs its encoder (`search`).
"""

from synthgap.posthoc.ablation import ablation
from synthgap.posthoc.gap_projection import gap_projection
from synthgap.posthoc.isoclip import isoclip
from synthgap.posthoc.realign import realign
from synthgap.posthoc.rotation import rotation
from synthgap.posthoc.search import heads
from synthgap.posthoc.spectral import spectral
from synthgap.posthoc.ssp import ssp
from synthgap.posthoc.standardise import standardise
from synthgap.posthoc.text_components import text_components
from synthgap.posthoc.translation import Maps, centring, translation
from synthgap.posthoc.whitening import whitening

__all__ = [
    "Maps",
    "ablation",
    "centring",
    "gap_projection",
    "heads",
    "isoclip",
    "realign",
    "rotation",
    "spectral",
    "ssp",
    "standardise",
    "text_components",
    "translation",
    "whitening",
]
