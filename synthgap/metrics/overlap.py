"""Two modalities as two clouds: can they be told apart, how far apart are they, and in which subspaces do they lie?

x, y: unit-norm rows [N, D] and [M, D]; which of them are pairs does not matter, except for the split of `modality_auc`.
"""

import numpy as np
import torch
from torch import Tensor

from synthgap.metric_names import Metric
from synthgap.metrics.embedded import Embedded
from synthgap.metrics.moments import Moments, moments, moments_of
from synthgap.metrics.probes import logistic, scaled

METRICS = (
    Metric(
        "modality_auc", "pair", "how well a linear probe tells the modality of held-out rows (AUC); 0.5 = chance",
        low=0, high=1, paper="Fahim et al. 2024", by=lambda seen, a, b: modality_auc(seen.z[a], seen.z[b]),
    ),
    Metric(
        "frechet", "pair", "squared Fréchet distance of the two as Gaussians, 0 to 4", low=0, high=4,
        paper="Heusel et al. 2017", by=lambda seen, a, b: frechet_of(*_moments(seen, a, b)),
    ),
    Metric(
        "principal_angle", "pair", "smallest angle, in degrees, of the subspaces that hold 99 % of each", low=0, high=90,
        paper="Yi et al. 2026", by=lambda seen, a, b: float(principal_angles_of(*_moments(seen, a, b))[0]),
    ),
)  # fmt: skip


def modality_auc(x: Tensor, y: Tensor) -> float:
    """Chance that a probe finds a held-out row of y more like y than a held-out row of x, in [0, 1]; 0.5: it cannot tell.

    The probe is that of `linear_probe`, fitted on the even rows of both, asked of the odd ones; N, M ≥ 2. It saturates: Fahim
    et al. 2024 find an accuracy of 1.0 at l2m = 0.06.
    """
    from sklearn.metrics import roc_auc_score

    probe = logistic(*_both(x[0::2], y[0::2]))
    asked, of_asked = _both(x[1::2], y[1::2])
    return float(roc_auc_score(of_asked, probe.decision_function(asked)))


def frechet(x: Tensor, y: Tensor) -> float:
    """‖m_x − m_y‖² + tr(Σ_x + Σ_y − 2(Σ_x Σ_y)^½) of means and covariances, in [0, 4] (the FID of Heusel et al. 2017).

    Covariances are those of the rows at hand, over N. tr (Σ_x Σ_y)^½ is the sum of the singular values of Σ_x^½ Σ_y^½, so
    the whole costs O(N·D² + D³).
    """
    return frechet_of(moments(x), moments(y))


def frechet_of(x: Moments, y: Moments) -> float:
    """`frechet` from what both modalities' moments are."""
    cov, other = x.covariance, y.covariance
    common = torch.linalg.svdvals(_root(cov) @ _root(other)).sum()
    return max(0.0, float((x.mean - y.mean).square().sum() + cov.trace() + other.trace() - 2 * common))


def principal_angles(x: Tensor, y: Tensor, share: float = 0.99) -> Tensor:
    """Angles between two subspaces in degrees, rising, float64 [smaller dimension], each in [0, 90].

    A modality's subspace is spanned by as many right singular vectors as hold a share of its squared length; rows are not
    centred, so that its mean counts (Yi et al. 2026, who do not say). 0 means that a direction lies in both; subspaces of
    more than D dimensions together always share one.
    """
    return principal_angles_of(moments(x), moments(y), share)


def principal_angles_of(x: Moments, y: Moments, share: float = 0.99) -> Tensor:
    """`principal_angles` from what both modalities' moments are."""
    cosines = torch.linalg.svdvals(_subspace(x, share).T @ _subspace(y, share))
    return cosines.clamp(0, 1).acos().rad2deg()


def _both(x: Tensor, y: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Features of both, and which are of y."""
    return scaled(x, y), np.repeat([0, 1], [len(x), len(y)])


def _root(covariance: Tensor) -> Tensor:
    values, axes = torch.linalg.eigh(covariance)
    return axes * values.clamp(min=0).sqrt() @ axes.T


def _subspace(x: Moments, share: float) -> Tensor:
    """Orthonormal [D, dimensions]: the fewest right singular vectors that hold the share."""
    values, axes = torch.linalg.eigh(x.uncentred)
    held = values.flip(0).clamp(min=0).cumsum(0)
    return axes.flip(1)[:, : int((held < share * held[-1]).sum()) + 1]


def _moments(seen: Embedded, a: str, b: str) -> tuple[Moments, Moments]:
    return seen.once(moments_of, a), seen.once(moments_of, b)
