"""How sure a model is of its matches."""

import torch
from torch import Tensor


def logit_entropy(x: Tensor, y: Tensor, scale: float) -> float:
    """Mean Shannon entropy, in nats and in [0, ln N], of softmax(scale · x_i · Yᵀ) over all N candidates in y.

    x: queries, unit-norm [M, D]; y: candidates, unit-norm [N, D]. Row blocks keep the memory at 512·N. (Schrodi et al.
    2025, fig. 8.)
    """
    total = 0.0
    for rows in x.split(512):
        log_p = torch.log_softmax(scale * rows @ y.T, dim=1)
        total -= float((log_p.exp() * log_p).double().sum())
    return total / len(x)
