"""Embeddings as a picture."""

import torch
from torch import Tensor


def pca(embeddings: dict[str, Tensor], dimensions: int = 2) -> tuple[dict[str, Tensor], Tensor]:
    """The principal components of all modalities' rows pooled: {modality: [N, dimensions]}, and each one's share of the
    variance, [dimensions], falling. embeddings: {modality: [N, D]}. A component's largest weight is positive, so that
    pictures of the same embeddings look the same."""
    stacked = torch.cat(list(embeddings.values())).double()
    middle = stacked.mean(0)
    _, spread, axes = torch.linalg.svd(stacked - middle, full_matrices=False)
    axes = axes[:dimensions]
    axes = axes * axes.gather(1, axes.abs().argmax(1, keepdim=True)).sign()
    shown = {name: ((x.double() - middle) @ axes.T).to(x.dtype) for name, x in embeddings.items()}
    return shown, (spread.square() / spread.square().sum())[:dimensions]
