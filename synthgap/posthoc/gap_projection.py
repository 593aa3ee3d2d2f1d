"""One modality moved across the gap, but not along what it varies in: order within it stays (Chowers et al. 2026)."""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen.errors import unknown
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps
from synthgap.posthoc.whitening import leading, principal_axes

POSTHOC = Method(
    paper="Chowers et al. 2026",
    options={
        "moved": Option("text", "the modality that moves towards the others: the one that is retrieved", modality=True),
        "alpha": Option(1.0, "how far it moves, in lengths of the projected gap", low=0, high=10),
        "energy": Option(
            0.99, "share of its variance that the principal axes hold along which it does not move", low=0, high=1
        ),
    },
)


def gap_projection(
    embeddings: dict[str, Tensor], *, moved: str = "text", alpha: float = 1.0, energy: float = 0.99
) -> Maps:
    """y + α g' with g' = g − V Vᵀ g, then brought back to length 1; the other modalities stay.

    embeddings: {modality: unit-norm [N, D]}. moved: the modality of y. g: from its mean to the mean of the others' means. V:
    the fewest principal axes of y (about its mean) that hold the share `energy` of its variance; 0: none, so that α = 1
    brings the mean of y onto the others'; 1: all in which y varies at all. Where V holds all variance, g'·y is the same for
    all y: the order in which they are retrieved stays as it was, also after lengths are brought back.

    In the paper what moves is what is retrieved. A map here serves both directions of retrieval: with moved="text", image →
    text is the paper's, and in text → image it is the query that moves. Raises InputError for an unknown modality.
    """
    if moved not in embeddings:
        raise unknown("modality in posthoc.moved", moved, embeddings)
    mean, variances, axes = principal_axes(embeddings[moved])
    others = [x.double().mean(0) for name, x in embeddings.items() if name != moved]
    gap = torch.stack(others or [mean]).mean(0) - mean
    v = axes[:, : leading(variances, energy)]
    step = alpha * (gap - v @ (v.T @ gap))
    return {
        name: (lambda y: normalize(y + step.to(y), dim=1)) if name == moved else (lambda x: x) for name in embeddings
    }
