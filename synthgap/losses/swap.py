"""CLIP's loss with modality swapping (Yaras et al. 2025): in some steps, entries of true pairs are exchanged or mixed."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthgap.catalogue import Method, Option
from synthgap.losses.clip import clip
from synthgap.losses.pairs import pairwise

LOSS = Method(
    paper="Yaras et al. 2025",
    needs=("chance",),
    options={
        "share": Option(
            0.001, "of the steps in which entries are swapped; published: 0.001, and 0.05 where soft", low=0, high=1
        ),
        "soft": Option(False, "mix the two entries in a random proportion, or exchange them by the toss of a coin"),
    },
)


def swap(
    embeddings: dict[str, Tensor],
    scale: Tensor | float,
    *,
    anchor: str | None = None,
    chance: torch.Generator | None = None,
    share: float = 0.001,
    soft: bool = False,
) -> Tensor:
    """CLIP's loss over the pairs of modalities with the anchor (or all), of embeddings that are `swapped` with chance `share`.

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. chance: what is drawn from, on the CPU; None, as in the
    test: nothing is swapped. Each pair of modalities draws on its own.
    """
    if chance is None or float(torch.rand((), generator=chance)) >= share:
        return pairwise(clip, embeddings, scale, anchor=anchor)
    return pairwise(lambda x, y: clip(*swapped(x, y, chance, soft), scale), embeddings, anchor=anchor)


def swapped(x: Tensor, y: Tensor, chance: torch.Generator, soft: bool) -> tuple[Tensor, Tensor]:
    """λ·x + (1 − λ)·y and λ·y + (1 − λ)·x, both brought back to length 1, with a λ for each entry; x, y: unit-norm [B, D].

    λ is 0 or 1 with equal chance, or, if soft, from U[0, 1]. The paper does not say whether the swap comes before or after
    normalising, nor what the second becomes if soft: here it is after, both are normalised again, and the second mirrors
    the first.
    """
    drawn = torch.rand(x.shape, generator=chance)
    keep = (drawn if soft else (drawn < 0.5)).to(x)
    return normalize(keep * x + (1 - keep) * y, dim=1), normalize(keep * y + (1 - keep) * x, dim=1)
