"""AlignCLIP's loss (Eslami & de Melo 2025): CLIP's, and a rescaled separation within each modality (IMSep)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from synthgap.catalogue import CONTRAST, Method, Option
from synthgap.losses.clip import clip
from synthgap.losses.pairs import pairs

LOSS = Method(
    paper="Eslami & de Melo 2025",
    needs=("known",),
    options={
        "contrast": CONTRAST,
        "weight": Option(0.5, "of the separation within modalities (IMSep)", low=0),
        "distance": Option(
            "factors",
            "how far apart two are to be: by factors, object, ones (all alike), shuffled (placebo)",
            choices=("factors", "object", "ones", "shuffled"),
        ),
        "side": Option(
            None, "the modality that alone is spread, e.g. image (both of a pair)", type=str | None, modality=True
        ),
        "positive": Option(True, "the true pair is among the denominator's terms: in the code it is, in the paper not"),
    },
)


def alignclip(
    embeddings: dict[str, Tensor],
    scale: Tensor | float,
    *,
    known: dict[str, Tensor],
    anchor: str | None = None,
    contrast: float = 1.0,
    weight: float = 0.5,
    distance: str = "factors",
    side: str | None = None,
    positive: bool = True,
) -> Tensor:
    """contrast · CLIP's loss + weight · the mean of both sides' `separation`, over the pairs with the anchor (or all).

    embeddings: {modality: unit-norm [B, D]}, row i of all a true tuple. known: {factors: int64 [B, F], object: [B]}. side:
    the modality that alone is spread, and then counts as it does among both. The paper has the sum of CLIP's two
    directions + ½ · the sum of both sides: with weight ½, twice this. Its text has images alone, and the positive left
    out; its code both, and kept.
    """
    d, values = distances(known, distance), []
    for pair in pairs(embeddings, anchor):
        values.append(contrast * clip(*(embeddings[name] for name in pair), scale))
        for name, other in (pair, pair[::-1]):
            if side in (None, name):
                spread = separation(embeddings[name], embeddings[other], d, scale, positive=positive)
                values[-1] = values[-1] + weight / 2 * spread
    return sum(values) / len(values)


def separation(x: Tensor, y: Tensor, d: Tensor, scale: Tensor | float, *, positive: bool = True) -> Tensor:
    """Mean over i of −log(e_ii / Σ_j e_ij), e_ii = exp(scale · x_i·y_i), e_ij = exp(scale · D_ij · x_i·x_j), in nats; a scalar.

    x, y: unit-norm [B, D], row i of both a true pair; x is what is spread. d: [B, B] in [0, 1]; what is alike (D = 0) is a
    negative of constant weight, and not driven apart. positive: e_ii is in the sum over j, else only j ≠ i are, and the
    value may be negative.
    """
    truth = scale * (x * y).sum(1)
    itself = torch.eye(len(x), dtype=torch.bool, device=x.device)
    others = scale * d.to(x) * (x @ x.T)
    if positive:
        logits = torch.where(itself, truth[:, None], others)
        return cross_entropy(logits, torch.arange(len(x), device=x.device))
    return (others.masked_fill(itself, -torch.inf).logsumexp(1) - truth).mean()


def distances(known: dict[str, Tensor], distance: str) -> Tensor:
    """D [B, B] in [0, 1] of samples whose factors [B, F] and object [B] are known; by `distance`: the share of factors in
    which they differ (factors), whether their objects differ (object), 1 for all (ones: no rescaling), or the share of
    factors of other samples (shuffled: the placebo).

    The paper has 1 − the cosine of frozen sentence embeddings of the captions, which is only as good as what captions say;
    here the factors are known themselves. *shuffled* gives each sample its neighbour's factors: as batches come in random
    order, the same distances between the wrong samples.
    """
    if distance == "object":
        return (known["object"][:, None] != known["object"]).float()
    factors = known["factors"].roll(1, 0) if distance == "shuffled" else known["factors"]
    if distance == "ones":
        return torch.ones(len(factors), len(factors), device=factors.device)
    differ = [codes[:, None] != codes for codes in factors.T]
    return sum(one.float() for one in differ) / len(differ)
