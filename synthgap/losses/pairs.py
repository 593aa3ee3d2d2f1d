"""How a loss of two modalities becomes one of any number."""

from collections.abc import Callable
from itertools import combinations

from torch import Tensor

from data_gen.errors import unknown


def anchors(embeddings: dict[str, Tensor], anchor: str | None) -> list[str]:
    """The anchor, or all modalities where none is given. Raises InputError for one that is not there."""
    if anchor is not None and anchor not in embeddings:
        raise unknown("modality in loss.anchor", anchor, embeddings)
    return list(embeddings) if anchor is None else [anchor]


def pairs(embeddings: dict[str, Tensor], anchor: str | None = None) -> list[tuple[str, str]]:
    """The names of the pairs of modalities, in their order: all, or those with the anchor."""
    chosen = anchors(embeddings, anchor)
    return [(a, b) for a, b in combinations(embeddings, 2) if a in chosen or b in chosen]


def pairwise(
    loss: Callable[..., Tensor], embeddings: dict[str, Tensor], *arguments, anchor: str | None = None, **settings
) -> Tensor:
    """Mean of a two-modality loss over all pairs of modalities, or over those with the anchor; a scalar."""
    values = [loss(embeddings[a], embeddings[b], *arguments, **settings) for a, b in pairs(embeddings, anchor)]
    return sum(values) / len(values)
