"""What can be done to the embeddings of a trained model, or measured of them, one method a file.

A method takes ({modality: unit-norm [N, D]}, its settings by name) → {modality: map}, fitted on those embeddings without
labels; a map takes unit-norm [M, D] of its modality, of other samples too, to unit-norm [M, D]. One that is declared with
needs=("heads",) is also given the `heads` of the model. One with form="search" only searches within a modality, and needs
its encoder (`search`).
"""

from synthgap.posthoc.dimensions import (
    ablation,
    effective_rank,
    gap_share,
    largest_differences,
    largest_means,
    mean_difference,
    separability,
    spectrum,
)
from synthgap.posthoc.ideal_words import ideal_words, prototypes, published_prototypes
from synthgap.posthoc.isoclip import isoclip
from synthgap.posthoc.neighbours import neighbour_distance, published_neighbour_distance, random_neighbour_distance
from synthgap.posthoc.rotation import rotation
from synthgap.posthoc.search import heads
from synthgap.posthoc.text_components import text_components
from synthgap.posthoc.translation import Maps, centring, translation
from synthgap.posthoc.whitening import whitening

__all__ = [
    "Maps",
    "ablation",
    "centring",
    "effective_rank",
    "gap_share",
    "heads",
    "ideal_words",
    "isoclip",
    "largest_differences",
    "largest_means",
    "mean_difference",
    "neighbour_distance",
    "prototypes",
    "published_neighbour_distance",
    "published_prototypes",
    "random_neighbour_distance",
    "rotation",
    "separability",
    "spectrum",
    "text_components",
    "translation",
    "whitening",
]
