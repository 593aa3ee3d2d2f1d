"""AdamW by PyTorch's own function, without the class around it.

`torch.optim.AdamW` loads PyTorch's compiler, only to mark its methods as not to be compiled: 1.7 s in every process.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.optim.adam import adam


@dataclass
class Group:
    """Parameters that share a peak learning rate and a weight decay, with the moments that AdamW keeps of them."""

    parameters: list[Tensor]
    lr: float
    weight_decay: float
    moments: dict[Tensor, tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)  # first, second, steps


def zero_grad(groups: Iterable[Group]) -> None:
    """Forget all gradients."""
    for group in groups:
        for p in group.parameters:
            p.grad = None


def adamw(groups: Iterable[Group], share: float, betas: tuple[float, float] = (0.9, 0.98)) -> None:
    """One step of AdamW (Loshchilov and Hutter 2019) in place, at `share` of each group's peak rate; what has no gradient
    stays as it is. To the bit `torch.optim.AdamW`'s."""
    for group in groups:
        moved = [p for p in group.parameters if p.grad is not None]
        if not moved:
            continue
        for p in moved:
            if p not in group.moments:
                group.moments[p] = (torch.zeros_like(p), torch.zeros_like(p), torch.tensor(0.0))
        first, second, steps = map(list, zip(*(group.moments[p] for p in moved), strict=True))
        with torch.no_grad():
            adam(
                moved,
                [p.grad for p in moved],
                first,
                second,
                [],
                steps,
                amsgrad=False,
                beta1=betas[0],
                beta2=betas[1],
                lr=group.lr * share,
                weight_decay=group.weight_decay,
                eps=1e-8,
                maximize=False,
                decoupled_weight_decay=True,
            )
