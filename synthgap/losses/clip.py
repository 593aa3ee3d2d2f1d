"""CLIP's loss (Radford et al. 2021): symmetric InfoNCE over a batch."""

from torch import Tensor, arange
from torch.nn.functional import cross_entropy

from synthgap.catalogue import Method

LOSS = Method(paper="Radford et al. 2021", form="pairs")


def clip(x: Tensor, y: Tensor, scale: Tensor | float) -> Tensor:
    """Mean of the two cross-entropies of scale · x·yᵀ against its diagonal, in nats, ≥ 0; a scalar.

    x, y: unit-norm [B, D], row i of both a true pair. scale: the inverse temperature. ln B at chance.
    """
    logits = scale * x @ y.T
    target = arange(len(x), device=x.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2
