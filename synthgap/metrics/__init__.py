"""Numbers from embeddings: unit-norm tensors in, floats out; closed forms in O(N·D) where one exists.

A metric that the data leave undefined is nan, as where all samples have one class; its docstring says when. Rows that are
not finite are the caller's mistake.
"""

from synthgap.metrics.clustering import centred, clusters, knn, nmi, single_modality_clusters, v_measure
from synthgap.metrics.decomposition import (
    centroid_share,
    distribution_gap,
    distribution_gap_normalised,
    effective_scale,
    mean_cosine,
    spread,
)
from synthgap.metrics.gap import alignment, l2i, l2m, rmg
from synthgap.metrics.intramodal import mean_average_precision, nearest_class_mean
from synthgap.metrics.moments import moments
from synthgap.metrics.overlap import frechet, frechet_of, modality_auc, principal_angles, principal_angles_of
from synthgap.metrics.probes import linear_probe, zero_shot
from synthgap.metrics.projection import pca
from synthgap.metrics.retrieval import (
    logit_entropy,
    median_rank,
    ranks,
    ranks_by_parts,
    recall,
    recall_at_1,
    recall_at_k,
)
from synthgap.metrics.robustness import robustness
from synthgap.metrics.sphere import mean_within_cosine, moad, moad_pooled, moads, separation, uniformity

__all__ = [
    "alignment",
    "centred",
    "centroid_share",
    "clusters",
    "distribution_gap",
    "distribution_gap_normalised",
    "effective_scale",
    "frechet",
    "frechet_of",
    "knn",
    "l2i",
    "l2m",
    "linear_probe",
    "logit_entropy",
    "mean_average_precision",
    "mean_cosine",
    "mean_within_cosine",
    "median_rank",
    "moad",
    "moad_pooled",
    "moads",
    "modality_auc",
    "moments",
    "nearest_class_mean",
    "nmi",
    "pca",
    "principal_angles",
    "principal_angles_of",
    "ranks",
    "ranks_by_parts",
    "recall",
    "recall_at_1",
    "recall_at_k",
    "rmg",
    "robustness",
    "separation",
    "single_modality_clusters",
    "spread",
    "uniformity",
    "v_measure",
    "zero_shot",
]
