"""Spectral embedding of the graph that joins images with texts by their cosines (Role et al. 2025).

The samples are the nodes. Two of different modalities are joined by a weight, and two of the same are not, so that the
adjacency of images and texts is A = [[0, W], [Wᵀ, 0]]. The coordinates of a node are its entries in the eigenvectors of
I − D⁻¹A with the lowest eigenvalues but the constant one, D being the degrees.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps

POSTHOC = Method(
    paper="Role et al. 2025",
    options={
        "components": Option(16, "eigenvectors that become the dimensions"),
        "offset": Option(1.0, "added to each cosine, so that no weight is negative; 0: as published", low=0, high=1000),
    },
)


def spectral(embeddings: dict[str, Tensor], *, components: int = 16, offset: float = 1.0) -> Maps:
    """The embeddings of all modalities as nodes of one graph, in its first eigenvectors; brought to length 1.

    embeddings: {modality: unit-norm [N, D]}, two or more. components: the dimensions of the new space, at most as many as
    there are eigenvalues above 0 (D for two modalities). offset: c in the weights cos(x, y) + c. With 0, as published, cosines
    below 0 are weights below 0, which the theory of graphs does not have, and a degree may be 0 or less; with 1 no weight is
    below 0. A larger one makes degrees more alike, and the method an SVD of the cross-covariance. Eigenvectors have length 1
    in the norm that weighs nodes by their degrees, as those of D^(−1/2) A D^(−1/2) have.

    The method has no map of its own for points that were not there. Here one joins the graph without changing it: D⁻¹A f = λ f
    says what its entry is, f(x) = Σ_y w(x, y) f(y) / (λ d(x)), over the nodes y of other modalities (Nyström's extension, as of
    Bengio et al. 2004). For the embeddings given that is the eigenvector itself. A has rank (D + 1) × modalities at most, so
    the problem is solved in that size.

    Raises InputError for one modality alone, a degree of 0 or less, and where no eigenvalue but the constant vector's is
    above 0: the modalities have nothing in common.
    """
    if len(embeddings) < 2:
        raise InputError(f"spectral joins modalities, got {', '.join(embeddings)} alone")
    nodes = {name: _extended(x, offset) for name, x in embeddings.items()}
    sums = {name: x.sum(0) for name, x in nodes.items()}
    others = {name: sum(s for other, s in sums.items() if other != name) for name in nodes}
    degrees = {name: x @ others[name] for name, x in nodes.items()}
    for name, degree in degrees.items():
        if n := int((degree <= 0).sum()):
            raise InputError(
                f"spectral: {n} of {len(degree)} {name} embeddings have a degree of 0 or less with posthoc.offset="
                f"{offset:g}: raise it (no degree is negative from 1 on)"
            )
    # D^(−1/2) A D^(−1/2) = F J Fᵀ, where F has a block of columns a modality and J joins different ones. F = Q R.
    q, r = zip(*(torch.linalg.qr(x / degrees[name].sqrt()[:, None]) for name, x in nodes.items()), strict=True)
    joined = torch.cat([torch.cat([(a is not b) * a @ b.T for b in r], dim=1) for a in r])
    constant = torch.cat([basis.T @ degrees[name].sqrt() for name, basis in zip(nodes, q, strict=True)])
    constant /= constant.norm()
    values, vectors = torch.linalg.eigh(joined - constant[:, None] * constant)
    most = min(components, int((values > 1e-6).sum()))
    if not most:
        raise InputError(f"spectral: {' and '.join(embeddings)} have nothing in common that varies")
    values, vectors = values.flip(0)[:most], vectors.flip(1)[:, :most]
    parts = vectors.split([basis.shape[1] for basis in q])
    of_nodes = {
        name: (basis @ part) / degrees[name].sqrt()[:, None]
        for (name, basis, part) in zip(nodes, q, parts, strict=True)
    }
    sent = {name: x.T @ of_nodes[name] / values for name, x in nodes.items()}
    return {
        name: _joining(sum(s for other, s in sent.items() if other != name), others[name], offset) for name in nodes
    }


def _extended(x: Tensor, offset: float) -> Tensor:
    """With one more dimension, the same for all, so that the dot products are the weights: float64 [N, D + 1]."""
    return torch.cat([x.double(), x.new_full((len(x), 1), offset**0.5, dtype=torch.float64)], dim=1)


def _joining(sent: Tensor, sums: Tensor, offset: float) -> Callable[[Tensor], Tensor]:
    def place(rows: Tensor) -> Tensor:
        x = _extended(rows, offset)
        return normalize((x @ sent) / (x @ sums)[:, None], dim=1).to(rows.dtype)

    return place
