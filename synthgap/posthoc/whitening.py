"""Whitening: each modality's own mean taken off and its directions brought to one variance, so that none rules the cosines."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps

POSTHOC = Method(
    options={
        "shrinkage": Option(0.1, "of each modality's covariance towards a multiple of the identity", low=0, high=1),
    },
)


def whitening(embeddings: dict[str, Tensor], *, shrinkage: float = 0.1) -> Maps:
    """Each modality whitened by itself (`whiten`), then brought to length 1. embeddings: {modality: unit-norm [N, D]}.

    Raises InputError for a shrinkage outside [0, 1]. What lies on the mean, if nothing varies, stays zero.
    """
    return {name: _to_the_sphere(whiten(x, shrinkage)) for name, x in embeddings.items()}


def whiten(x: Tensor, shrinkage: float = 0.1) -> Callable[[Tensor], Tensor]:
    """ZCA fitted on features x [N, D] of any length: a map [M, D] → (features − mean) · cov^(−1/2), [M, D].

    The covariance (over N) is shrunk towards its mean variance: (1 − s)·cov + s·(tr cov / D)·I. shrinkage: s in [0, 1]; 1
    only centres and scales, and 0 drops the directions in which x does not vary. Of all whitenings ZCA moves x the least
    (Kessy, Lewin & Strimmer 2018). Raises InputError for another s.
    """
    if not 0 <= shrinkage <= 1:
        raise InputError(f"shrinkage={shrinkage}: it must lie in [0, 1]")
    mean, variances, axes = principal_axes(x)
    shrunk = (1 - shrinkage) * variances + shrinkage * variances.mean()
    inverse_root = axes * torch.where(shrunk > 0, shrunk.rsqrt(), 0) @ axes.T
    return lambda rows: ((rows.double() - mean) @ inverse_root).to(rows.dtype)


def principal_axes(x: Tensor, centred: bool = True) -> tuple[Tensor, Tensor, Tensor]:
    """Mean [D], variances [D], falling, and their axes as columns [D, D] of x [N, D]; all in float64.

    centred: about the mean; else about 0, which is then given as the mean. A spread below the rounding of x counts as none
    and is exactly 0: equal captions, embedded in several batches, may differ in the last digit, and whitening would blow
    that up.
    """
    rounding = x.shape[1] * torch.finfo(x.dtype).eps
    x = x.double()
    mean = x.mean(0) if centred else torch.zeros_like(x[0])
    variances, axes = torch.linalg.eigh((x - mean).T @ (x - mean) / len(x))
    nothing = rounding**2 * x.square().sum(1).mean()
    return mean, torch.where(variances > nothing, variances, 0).flip(0), axes.flip(1)


def leading(sizes: Tensor, share: float) -> int:
    """How many of the sizes, falling and ≥ 0, hold the share of their sum, in [0, 1]; sizes of 0 never count."""
    reached = sizes.cumsum(0) / sizes.sum().clamp(min=torch.finfo(sizes.dtype).tiny)
    fewest = int((reached < share - len(sizes) * torch.finfo(sizes.dtype).eps).sum()) + 1 if share > 0 else 0
    return min(fewest, int((sizes > 0).sum()))


def _to_the_sphere(change: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    return lambda x: normalize(change(x), dim=1)
