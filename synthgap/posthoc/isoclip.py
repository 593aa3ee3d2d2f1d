"""IsoCLIP: the directions of the projection heads that two modalities do not share are left out (Magistri, Goswami et al.
2026).

A head is an affine map from features to embeddings, z = W f + b. The bias is the column of a feature that is always 1, so
that a head is a matrix [D, d + 1], or [D, d] without bias. Contrastive training sees two heads only through the
inter-modal operator Ψ = W_xᵀ W_y = U Σ Vᵀ. The top of its spectrum is shared by all pairs and the bottom by none: cosines
*within* a modality are said to be better without both. For tasks within a modality alone.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps

POSTHOC = Method(
    paper="Magistri, Goswami et al. 2026",
    needs=("heads",),
    options={
        "top": Option(1, "singular directions of the inter-modal operator that are dropped, strongest first"),
        "bottom": Option(0, "and weakest first"),
        "published": Option(False, "count directions from the features' dimensions, not the space's, as the code does"),
    },
)


def isoclip(
    embeddings: dict[str, Tensor], *, heads: dict[str, Tensor], top: int, bottom: int, published: bool = False
) -> Maps:
    """Each modality's embeddings as heads with the middle band of Ψ only would give them, brought to length 1.

    embeddings: {modality: unit-norm [N, D]}, "text" among them; heads: {modality: [D, d]} of full rank (`head_matrix`,
    `linearised`). top, bottom: how many singular directions go, ≥ 0; published: as of `band`. Each modality is paired with
    the text, and the text with the first other one. Raises InputError without texts or a second modality, for a missing
    head, and if no direction is left.
    """
    others = [name for name in embeddings if name != "text"]
    if not others or len(others) == len(embeddings):
        raise InputError(f"isoclip pairs the modality 'text' with others, got {', '.join(embeddings)}")
    if missing := [name for name in embeddings if name not in heads]:
        raise InputError(f"isoclip needs the head of every modality; missing: {', '.join(missing)}")
    heads = {name: head.double() for name, head in heads.items()}
    kept = {name: band(heads[name], heads["text"], top, bottom, published)[0] for name in others}
    kept["text"] = band(heads[others[0]], heads["text"], top, bottom, published)[1]
    return {name: _through(kept[name] @ torch.linalg.pinv(heads[name])) for name in embeddings}


def _through(a: Tensor) -> Callable[[Tensor], Tensor]:
    # Ŵ = W P, where P projects on directions within W's row space, so P W⁺W = P and Ŵ f = W P W⁺W f = (Ŵ W⁺) z:
    # a linear map of z itself. The length of W f, lost in z, is lost again after it.
    return lambda z: normalize(z @ a.T.to(z), dim=1)


def band(w_x: Tensor, w_y: Tensor, top: int, bottom: int, published: bool = False) -> tuple[Tensor, Tensor]:
    """Both heads projected on the singular directions B = [top, r − bottom) of Ψ: W_x U_B U_Bᵀ and W_y V_B V_Bᵀ.

    w_x: [D, d_x]; w_y: [D, d_y]; so is what comes out. r = min(D, d_x, d_y), the rank of Ψ. The published code counts from
    r = min(d_x, d_y): where the space has fewer dimensions than the features, its bottom begins with directions in which Ψ is
    0, and the first min(d_x, d_y) − D of them change nothing. top, bottom: ≥ 0, their sum < r and top below the rank, or
    InputError.
    """
    u, sigma, v = _singular(w_x, w_y)
    r = len(sigma)
    empty = min(w_x.shape[1], w_y.shape[1]) - r if published else 0
    if top < 0 or bottom < 0 or top + max(0, bottom - empty) >= r:
        raise InputError(
            f"top={top}, bottom={bottom}: each must be ≥ 0 and their sum below the rank {r} of the heads"
            + (f" and {empty} empty directions" if empty else "")
        )
    bottom = max(0, bottom - empty)
    u, v = u[:, top : r - bottom], v[:, top : r - bottom]
    return w_x @ u @ u.T, w_y @ v @ v.T


def spectrum(w_x: Tensor, w_y: Tensor) -> Tensor:
    """Singular values of Ψ, falling, [min(D, d_x, d_y)], without forming Ψ. w_x: [D, d_x]; w_y: [D, d_y]."""
    return _singular(w_x, w_y)[1]


def head_matrix(linear: nn.Linear) -> Tensor:
    """The matrix of a linear head, its bias, if any, as the last column: [D, d + 1] or [D, d], without gradient."""
    parts = [linear.weight] if linear.bias is None else [linear.weight, linear.bias[:, None]]
    return torch.cat(parts, dim=1).detach()


def linearised(head: Callable[[Tensor], Tensor], mean: Tensor) -> Tensor:
    """A head to first order around a feature: z ≈ J f + (head(mean) − J mean), as one matrix [D, d + 1].

    head: differentiable, one feature vector [d] → [D]; mean: [d], the mean feature. Exact for an affine head.
    """
    with torch.no_grad():  # of the parameters' gradients; J's own are taken all the same
        jacobian = torch.func.jacrev(head)(mean)
        return torch.cat([jacobian, (head(mean) - jacobian @ mean)[:, None]], dim=1)


def linearised_as_published(trunk: nn.Module, projection: nn.Linear) -> Tensor:
    """An MLP head to first order as the published code takes it, at 0 and not at the mean: [D, d + 1].

    GELU counts as half its input, and LayerNorm as its scale and shift alone. trunk: of LayerNorm, Linear and GELU, or the
    identity, whose head is `head_matrix`. (The published code also transposes the weights, for a square head; not here.)
    """
    if isinstance(trunk, nn.Identity):
        return head_matrix(projection)
    norm, linear, _ = trunk
    with torch.no_grad():
        half = projection.weight @ linear.weight / 2
        bias = half @ norm.bias + projection.weight @ linear.bias / 2 + projection.bias
        return torch.cat([half * norm.weight, bias[:, None]], dim=1)


def _singular(w_x: Tensor, w_y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """U [d_x, r], singular values [r] and V [d_y, r] of Ψ: with W_xᵀ = Q_x R_x, Ψ = Q_x (R_x R_yᵀ) Q_yᵀ."""
    if len(w_x) != len(w_y):
        raise InputError(f"heads must lead into one space, got embeddings of {len(w_x)} and {len(w_y)}")
    (q_x, r_x), (q_y, r_y) = torch.linalg.qr(w_x.T), torch.linalg.qr(w_y.T)
    u, sigma, v = torch.linalg.svd(r_x @ r_y.T, full_matrices=False)
    return q_x @ u, sigma, q_y @ v.T
