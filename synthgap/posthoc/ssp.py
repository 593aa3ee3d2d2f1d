"""Shared space projection: only those directions are kept that the modalities' subspaces have in common (Yi et al. 2025)."""

from functools import reduce

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps
from synthgap.posthoc.whitening import leading, principal_axes

POSTHOC = Method(
    paper="Yi et al. 2025",
    options={
        "energy": Option(0.99, "share of a modality's squared singular values that its subspace holds", low=0, high=1),
        "tolerance": Option(
            1e-3, "directions are shared whose cosine with the other subspace is above 1 less this", low=0, high=1
        ),
        "kept": Option(None, "of the shared directions, those of most variance; null: all", type=int | None, low=1),
        "centred": Option(False, "subspaces of embeddings less their mean, or of embeddings as they are"),
    },
)

ROUNDING = 1e-6  # length, of a unit vector's part in the space, below which it is rounding


def ssp(
    embeddings: dict[str, Tensor],
    *,
    energy: float = 0.99,
    tolerance: float = 1e-3,
    kept: int | None = None,
    centred: bool = False,
) -> Maps:
    """All modalities projected on the directions that they share (`shared_space`), then brought back to length 1.

    embeddings: {modality: unit-norm [N, D]}. kept: at most so many of the shared directions: the principal axes, within the
    shared space, of the modalities' mean covariance. (The paper keeps the 10 of most variance; how it takes that variance
    we do not know.) The projection keeps D dimensions, so that cosines and distances are those within the shared space. A
    row with no part in it becomes 0, to within `ROUNDING`. Raises InputError if no direction is shared.
    """
    shared = shared_space(embeddings, energy, tolerance, centred)
    if kept is not None:
        within = torch.stack([torch.cov((x.double() @ shared).T, correction=0) for x in embeddings.values()]).mean(0)
        shared = shared @ torch.linalg.eigh(within.view(shared.shape[1], -1))[1].flip(1)[:, :kept]
    onto = shared @ shared.T
    return {name: lambda x: normalize((x.double() @ onto).to(x.dtype), dim=1, eps=ROUNDING) for name in embeddings}


def shared_space(embeddings: dict[str, Tensor], energy: float, tolerance: float, centred: bool = False) -> Tensor:
    """An orthonormal basis of what all modalities' subspaces share, float64 [D, R], R ≥ 1.

    A modality's subspace has as its basis B the fewest right singular vectors of its embeddings [N, D] that hold the share
    `energy` of the squared singular values. With B_xᵀB_y = U Σ Vᵀ, of which the singular values are the cosines of the
    principal angles, the shared space is spanned by the columns of B_x U whose cosine is above 1 − tolerance; x is the first
    modality. A third one is compared with what the first two share. centred: each modality's mean is taken off before its
    SVD; the paper does not mention it. Raises InputError if nothing is shared.
    """
    spans = []
    for x in embeddings.values():
        _, sizes, axes = principal_axes(x, centred)
        spans.append(axes[:, : leading(sizes, energy)])

    def meet(one: Tensor, other: Tensor) -> Tensor:
        if not one.shape[1] or not other.shape[1]:
            return one[:, :0]
        u, cosines, _ = torch.linalg.svd(one.T @ other, full_matrices=False)
        closest.append(float(cosines[0]))
        return one @ u[:, cosines > 1 - tolerance]

    closest: list[float] = []
    shared = reduce(meet, spans)
    if not shared.shape[1]:
        best = f"; the largest cosine of two subspaces is {closest[-1]:.4f}" if closest else ""
        raise InputError(
            f"ssp: {' and '.join(embeddings)} share no direction at posthoc.energy={energy:g} and posthoc.tolerance="
            f"{tolerance:g}{best}: raise one of them"
        )
    return shared
