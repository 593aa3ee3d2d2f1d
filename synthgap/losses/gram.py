"""GRAM's loss (Cicchetti et al. 2025): modalities belong together if the parallelotope they span has no volume."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, normalize

from synthgap.catalogue import Method, Option
from synthgap.losses.pairs import anchors

LOSS = Method(
    paper="Cicchetti et al. 2025",
    options={
        "smoothing": Option(0.0, "of the targets: 0.1 in the published code, none in the paper", low=0, below=1),
    },
)

FLAT = 1e-7  # squared sine below which float32 sees noise, and the root's slope has no bound


def gram(
    embeddings: dict[str, Tensor], scale: Tensor | float, *, anchor: str | None = None, smoothing: float = 0.0
) -> Tensor:
    """Mean of the two cross-entropies of −scale · volume against its diagonal, in nats, ≥ 0; a scalar.

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple; logits are of the anchor's rows against the
    others' tuples, and back. No anchor: the mean over each as the anchor (all the same for two modalities). smoothing: of
    the targets; the published code has 0.1, the paper's formula none. A volume cannot tell x from −x: two modalities may
    end on opposite sides of the sphere.
    """
    values = [_against(embeddings, name, scale, smoothing) for name in anchors(embeddings, anchor)]
    return sum(values) / len(values)


def _against(embeddings: dict[str, Tensor], anchor: str, scale: Tensor | float, smoothing: float) -> Tensor:
    logits = -scale * volumes(embeddings[anchor], [z for name, z in embeddings.items() if name != anchor])
    target = torch.arange(len(logits), device=logits.device)
    both = (cross_entropy(direction, target, label_smoothing=smoothing) for direction in (logits, logits.T))
    return sum(both) / 2


def volumes(anchor: Tensor, others: list[Tensor]) -> Tensor:
    """√det of the Gram matrix of (anchor_i, others_j), [B, B] in [0, 1]; all unit-norm [B, D].

    That is the volume of the others times the anchor's distance from their span. By Gram–Schmidt it costs a matrix product
    for each modality, where B² small determinants cost far more.
    """
    base, basis = 1.0, []
    for z in others:
        for q in basis:
            z = z - (z * q).sum(1, keepdim=True) * q
        base = base * z.norm(dim=1)
        basis.append(normalize(z, dim=1))
    within = sum((anchor @ q.T).square() for q in basis)
    return base * (1 - within).clamp(min=FLAT).sqrt()
