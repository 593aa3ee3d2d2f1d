"""What can be done to the embeddings of a trained model, one method a file.

In `POSTHOC` each takes ({modality: unit-norm [N, D]}, its settings by name) → {modality: map}, fitted on those embeddings
without labels; a map takes unit-norm [M, D] of its modality, of other samples too, to unit-norm [M, D]. In `SEARCHES` are
those that only search within a modality, and need its encoder (`search`).
"""

from synthgap.posthoc.ablation import ablation
from synthgap.posthoc.isoclip import isoclip
from synthgap.posthoc.rotation import rotation
from synthgap.posthoc.search import SEARCHES, heads
from synthgap.posthoc.text_components import text_components
from synthgap.posthoc.translation import Maps, centring, translation
from synthgap.posthoc.whitening import whitening

#: name in `posthoc=…` → what fits it; `none` is left out: there is nothing to do
POSTHOC = {
    "centring": centring,
    "translation": translation,
    "whitening": whitening,
    "rotation": rotation,
    "ablation": ablation,
    "text_components": text_components,
    "isoclip": isoclip,
}
#: those that also need the `heads` of the model
HEADS = ("isoclip",)

__all__ = [
    "HEADS",
    "POSTHOC",
    "SEARCHES",
    "Maps",
    "ablation",
    "centring",
    "heads",
    "isoclip",
    "rotation",
    "text_components",
    "translation",
    "whitening",
]
