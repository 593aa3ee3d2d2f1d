"""Numbers from embeddings: unit-norm tensors in, floats out; closed forms in O(N·D) where one exists."""

from synthgap.metrics.bias import moad, moad_pooled, separation
from synthgap.metrics.entropy import logit_entropy
from synthgap.metrics.gap import alignment, l2i, l2m, rmg, uniformity
from synthgap.metrics.probes import linear_probe, zero_shot
from synthgap.metrics.retrieval import recall_at_k

__all__ = [
    "alignment",
    "l2i",
    "l2m",
    "linear_probe",
    "logit_entropy",
    "moad",
    "moad_pooled",
    "recall_at_k",
    "rmg",
    "separation",
    "uniformity",
    "zero_shot",
]
