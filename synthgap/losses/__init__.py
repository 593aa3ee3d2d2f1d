"""Contrastive losses, one paper a file: of two modalities, or of all at once.

A loss takes ({modality: unit-norm [B, D]}, inverse temperature, its settings by name) → a scalar, and `anchor` among its
settings: the modality whose pairs count. One that is declared with form="pairs" takes two modalities instead, unit-norm
[B, D] each, and is averaged over the pairs. Losses are pure, so numbers that are learnt and weights that change in the
course of training are settings like any other, which training gives anew at each step. So is what a loss `needs`:
`known`, what is known of the batch beside what is seen, {factors: value indices [B, F], object: [B], caption: [B], equal
where captions are}; and `chance`, a torch.Generator on the CPU in training, and None where the loss is measured.
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor

from data_gen import InputError
from synthgap.catalogue import Method, load
from synthgap.losses.alignclip import alignclip
from synthgap.losses.clip import clip, one_way
from synthgap.losses.cua import cua
from synthgap.losses.gram import gram
from synthgap.losses.modgap import align_true_pairs, centroid_uniformity, modgap
from synthgap.losses.pairs import pairs, pairwise
from synthgap.losses.siglip import siglip
from synthgap.losses.swap import swap
from synthgap.losses.unicl import unicl


def of_all(method: Method) -> Callable[..., Tensor]:
    """The loss of all modalities that a method declares, which takes `known` and `chance` whether it needs them or not."""
    loss = partial(_scalar, method, load(method))
    if method.form == "pairs":
        loss = partial(pairwise, loss)

    def needed(embeddings: dict[str, Tensor], scale: Tensor | float, *, known=None, chance=None, **settings) -> Tensor:
        given = {"known": known, "chance": chance}
        return loss(embeddings, scale, **settings, **{name: given[name] for name in method.needs})

    return needed


def _scalar(method: Method, loss: Callable[..., Tensor], *given, **settings) -> Tensor:
    value = loss(*given, **settings)
    if not isinstance(value, Tensor) or value.numel() != 1:
        found = f"a tensor {list(value.shape)}" if isinstance(value, Tensor) else repr(value)[:80]
        raise InputError(f"{method.key}: {method.function}() must give a scalar tensor, not {found}")
    return value


__all__ = [
    "align_true_pairs",
    "alignclip",
    "centroid_uniformity",
    "clip",
    "cua",
    "gram",
    "modgap",
    "of_all",
    "one_way",
    "pairs",
    "siglip",
    "swap",
    "unicl",
]
