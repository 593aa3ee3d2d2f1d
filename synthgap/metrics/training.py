"""What training came to, its course, and how long a run took."""

import numpy as np
import torch

from synthgap.metric_names import SHARE, Metric
from synthgap.metrics.embedded import Embedded

METRICS = (
    Metric("logit_scale", "", "1/τ at the end of training", low=0, by=lambda seen: seen.scale),
    Metric(
        "loss", "", "contrastive loss on held-out samples, in nats, at the training batch size",
        by=lambda seen: held_out_loss(seen),
    ),
    Metric("logit_bias", "", "the learnt bias at the end of training (loss=siglip)"),
    Metric("rmg_at", SHARE, "rmg in the course of training", low=0, high=1),
    Metric("l2m_at", SHARE, "l2m in the course of training", low=0, high=2),
    Metric("loss_at", SHARE, "the training loss in its course"),
    Metric("entropy_at", SHARE, "entropy in the course of training", low=0),
    Metric("logit_scale_at", SHARE, "1/τ in the course of training", low=0),
    Metric("seconds", "part", "how long a run took, in seconds", low=0),
)  # fmt: skip


def held_out_loss(seen: Embedded) -> float:
    """The mean over whole batches of the training size, or over the one there is: InfoNCE grows with the batch."""
    starts = range(0, max(1, len(seen.codes) // seen.batch) * seen.batch, seen.batch)
    parts = (slice(start, start + seen.batch) for start in starts)
    losses = [
        float(seen.loss(_rows(seen.z, part), torch.tensor(seen.scale), known=_rows(seen.known, part))) for part in parts
    ]
    return float(np.mean(losses))


def _rows(of: dict[str, torch.Tensor], part: slice) -> dict[str, torch.Tensor]:
    return {name: x[part] for name, x in of.items()}
