"""CLIP's loss told which captions are equal, or which objects (UniCL, Yang et al. 2022): what is alike is no negative.

Where equal captions are embedded alike, as by any encoder that sees the same words in the same order (or, a bag, in any),
counting them as positives changes nothing: their logits are equal, so the mean over positives is the true pair's own
value, and, text to image, the sum over a caption's images is the same. To ignore them does change the loss.
"""

from functools import partial

import torch
from torch import Tensor

from synthgap.catalogue import Method, Option
from synthgap.losses.pairs import pairwise

LOSS = Method(
    paper="Yang et al. 2022",
    needs=("known",),
    options={
        "labels": Option(
            "caption",
            "what makes rows alike: caption (equal ones), or object (the same value)",
            choices=("caption", "object"),
        ),
        "alike": Option(
            "positive",
            "rows that are alike are positive, all of them, or ignored: no negatives",
            choices=("positive", "ignored"),
        ),
    },
)


def unicl(
    embeddings: dict[str, Tensor],
    scale: Tensor | float,
    *,
    known: dict[str, Tensor],
    anchor: str | None = None,
    labels: str = "caption",
    alike: str = "positive",
) -> Tensor:
    """`labelled` over the pairs of modalities with the anchor (or all); a scalar.

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. known: {caption: int64 [B], equal where captions
    are, object: [B]}; labels says which of them counts.
    """
    return pairwise(partial(labelled, scale=scale, labels=known[labels], alike=alike), embeddings, anchor=anchor)


def labelled(x: Tensor, y: Tensor, *, scale: Tensor | float, labels: Tensor, alike: str = "positive") -> Tensor:
    """Mean of both directions of −(1/|P_i|) Σ_{p∈P_i} log softmax_j(scale · x_i·y_j)_p, in nats, ≥ 0; a scalar.

    x, y: unit-norm [B, D], row i of both a true pair. labels: [B]. alike: rows with equal labels are all positives, P_i, as
    in UniCL; or *ignored*: P_i is the true pair alone, and the others are in no denominator. Where all labels differ, either
    is CLIP's loss.
    """
    logits, equal = scale * x @ y.T, labels[:, None] == labels
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    if alike == "ignored":
        logits, equal = logits.masked_fill(equal & ~itself, -torch.inf), itself
    target = equal.to(logits.dtype) / equal.sum(1, keepdim=True)
    return (_soft(logits, target) + _soft(logits.T, target)) / 2


def _soft(logits: Tensor, target: Tensor) -> Tensor:
    return -torch.where(target > 0, target * logits.log_softmax(1), 0.0).sum(1).mean()
