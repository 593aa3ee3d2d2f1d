"""Inversion: the input that one encoder would need to reach an embedding of another (OTI and OVI; Mistretta et al. 2025,
"Cross the gap").

An image is searched for, say, with the text embedding that comes nearest to its own, so that what contrastive training
aligned, text with image, stands in for what it never did, image with image.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from data_gen import InputError
from synthgap.optimiser import Group, adamw


def invert(
    encode: Callable[[Tensor], Tensor],
    start: Tensor,
    targets: Tensor,
    *,
    steps: int = 150,
    lr: float = 2e-2,
    weight_decay: float = 0.01,
) -> Tensor:
    """What `encode` makes of the inputs that AdamW brings nearest to the targets: unit-norm [N, D], without gradient.

    encode: differentiable, free inputs [N, W] (a word vector a row; or images [N, …]) → unit-norm [N, D]; targets:
    unit-norm [N, D]; start: the inputs' start, [W] or [1, …] for all rows alike, or [N, …]. Row i's loss is
    1 − cos(encode(v)_i, target_i). No parameter of the encoder is changed, nor its gradient. Raises InputError for a start
    of another number of rows.
    """
    start = start[None] if start.ndim == 1 else start
    if len(start) not in (1, len(targets)):
        raise InputError(f"an inversion starts from 1 row or one a target, {len(targets)}, not from {len(start)}")
    v = start.detach().expand(len(targets), *start.shape[1:]).clone().requires_grad_()
    group = Group([v], lr, weight_decay)
    for _ in range(steps):
        with torch.enable_grad():
            # a sum, not a mean: AdamW goes entry by entry, so each row moves as it would alone
            loss = (1 - (encode(v) * targets).sum(1)).sum()
            v.grad = torch.autograd.grad(loss, v)[0]
        adamw([group], 1.0, betas=(0.9, 0.999))
    with torch.no_grad():
        return encode(v)
