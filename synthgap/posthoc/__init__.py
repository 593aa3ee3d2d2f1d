"""What can be done to the embeddings of a trained model, one method a file.

In `POSTHOC` each takes ({modality: unit-norm [N, D]}, its settings by name) → {modality: map}, fitted on those embeddings
without labels; a map takes unit-norm [M, D] of its modality, of other samples too, to unit-norm [M, D].
"""

from synthgap.posthoc.translation import Maps, centring, translation

#: name in `posthoc=…` → what fits it; `none` is left out: there is nothing to do
POSTHOC = {"centring": centring, "translation": translation}

__all__ = ["POSTHOC", "Maps", "centring", "translation"]
