"""The loss that closes the modality gap (Grassucci, Cicchetti et al. 2026): InfoNCE + align true pairs + spread centroids."""

from math import log

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthgap.catalogue import CONTRAST, COURSE, Method, Option
from synthgap.losses.clip import clip
from synthgap.losses.pairs import pairwise

LOSS = Method(
    paper="Grassucci, Cicchetti et al. 2026",
    options={
        "contrast": CONTRAST,
        "align": Option(
            1.0, "weight of align-true-pairs, or its course [[share done,weight],…]; code: [[0.5,1],[1,2]]", type=COURSE
        ),
        "uniform": Option(
            1.0, "weight of centroid uniformity, or its course; the published code has [[0.2,1],[0.7,0]]", type=COURSE
        ),
        "normalised": Option(False, "bring centroids to length 1: in the published code, not in the paper"),
    },
)


def modgap(
    embeddings: dict[str, Tensor],
    scale: Tensor | float,
    *,
    anchor: str | None = None,
    contrast: float = 1.0,
    align: float = 1.0,
    uniform: float = 1.0,
    normalised: bool = False,
) -> Tensor:
    """InfoNCE and `align_true_pairs` of the pairs with the anchor (or of all), and `centroid_uniformity`; a scalar.

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. contrast, align, uniform: the three weights, 1 in
    the paper; the published code raises align from 1 to 2 and lowers uniform from 1 to 0 in the course of training.
    """
    info_nce = pairwise(clip, embeddings, scale, anchor=anchor)
    aligned, spread = align_true_pairs(embeddings, anchor), centroid_uniformity(embeddings, normalised)
    return contrast * info_nce + align * aligned + uniform * spread


def align_true_pairs(embeddings: dict[str, Tensor], anchor: str | None = None) -> Tensor:
    """Mean ‖x_i − y_i‖² of the true pairs, over the pairs of modalities with the anchor (or all), in [0, 4]; a scalar."""
    return pairwise(lambda x, y: (x - y).square().sum(1).mean(), embeddings, anchor=anchor)


def centroid_uniformity(embeddings: dict[str, Tensor], normalised: bool = False) -> Tensor:
    """log (1/B) Σ_i Σ_{j≠i} exp(−2‖μ_i − μ_j‖²), μ_i the mean of row i over the modalities; in [log(B−1) − 8, log(B−1)].

    That is the paper's formula, which also rewards alignment, as apart modalities have short centroids. normalised: μ is
    brought to length 1, as the published code does (and averages over pairs: log(B−1) less than this).
    """
    centroid = torch.stack(list(embeddings.values())).mean(0)
    if normalised:
        centroid = normalize(centroid, dim=1)
    length = centroid.square().sum(1)
    return log_potential(length[:, None] + length - 2 * centroid @ centroid.T) - log(len(centroid))


def log_potential(squared: Tensor) -> Tensor:
    """log Σ_i Σ_{j≠i} exp(−2 d²_ij) of squared distances [B, B], B ≥ 2 (Wang & Isola 2020); a scalar."""
    itself = torch.eye(len(squared), dtype=torch.bool, device=squared.device)
    return (-2 * squared).masked_fill(itself, -torch.inf).logsumexp((0, 1))
