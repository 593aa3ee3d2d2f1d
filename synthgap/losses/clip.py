"""CLIP's loss (Radford et al. 2021): symmetric InfoNCE over a batch, or one direction of it alone."""

from torch import Tensor, arange
from torch.nn.functional import cross_entropy

from synthgap.catalogue import Method, Option
from synthgap.losses.pairs import pairwise

LOSS = Method(
    paper="Radford et al. 2021",
    function="clip_of_all",
    options={
        "query": Option(
            None,
            "the modality that alone asks, all others (loss.anchor then does not count); null: both directions of each pair",
            type=str | None,
            modality=True,
        )
    },
)


def clip_of_all(
    embeddings: dict[str, Tensor], scale: Tensor | float, *, anchor: str | None = None, query: str | None = None
) -> Tensor:
    """Mean of `clip` over the pairs of modalities with the anchor (or all); or of `one_way` from `query` to each other one.

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. query: null, or one of them, which asks all others,
    whatever the anchor, so that every modality learns. Cai et al. 2026: both directions together drive the modalities'
    distributions apart, where one alone need not.
    """
    if query is None:
        return pairwise(clip, embeddings, scale, anchor=anchor)
    values = [one_way(embeddings[query], z, scale) for name, z in embeddings.items() if name != query]
    return sum(values) / len(values)


def clip(x: Tensor, y: Tensor, scale: Tensor | float) -> Tensor:
    """Mean of the two cross-entropies of scale · x·yᵀ against its diagonal, in nats, ≥ 0; a scalar.

    x, y: unit-norm [B, D], row i of both a true pair. scale: the inverse temperature. ln B at chance.
    """
    logits = scale * x @ y.T
    target = arange(len(x), device=x.device)
    return (cross_entropy(logits, target) + cross_entropy(logits.T, target)) / 2


def one_way(query: Tensor, gallery: Tensor, scale: Tensor | float) -> Tensor:
    """Cross-entropy of scale · query·galleryᵀ against its diagonal, in nats, ≥ 0: only the query's rows ask; a scalar.

    Both unit-norm [B, D], row i of both a true pair. `clip` is the mean of this and of the same with the two exchanged.
    """
    return cross_entropy(scale * query @ gallery.T, arange(len(query), device=query.device))
