"""Retrieval: is a right candidate among the k nearest?"""

import torch
from torch import Tensor


def recall_at_k(x: Tensor, y: Tensor, k: int = 1, groups: Tensor | None = None) -> float:
    """Share of queries x_i with a right candidate among their k nearest y, in [0, 1]; row i of both belongs together.

    x, y: unit-norm [N, D]. groups: [N]; candidate j is right for query i if their groups agree (equal captions, or a
    class). None: only the pair's own partner is right (instance level). Ties count as their expectation under random
    order: if m places are left for e equally near candidates of which c are right, the chance is 1 − C(e−c, m)/C(e, m).
    """
    groups = torch.arange(len(x), device=x.device) if groups is None else torch.as_tensor(groups, device=x.device)
    hits = 0.0
    for start in range(0, len(x), 512):
        similarity = x[start : start + 512] @ y.T
        right = groups[start : start + 512, None] == groups
        best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
        nearer = (similarity > best).sum(1)
        tied = similarity == best
        hits += float(_chance(k - nearer, tied.sum(1), (tied & right).sum(1)).sum())
    return hits / len(x)


def _chance(places: Tensor, tied: Tensor, right: Tensor) -> Tensor:
    """Chance that at least one of `right` among `tied` falls into the first `places` of a random order, each [N]."""
    places = torch.minimum(places.clamp(min=0), tied).double()
    tied, wrong = tied.double(), (tied - right).double()
    log_choose = lambda n: torch.lgamma(n + 1) - torch.lgamma((n - places).clamp(min=0) + 1)  # noqa: E731  (· 1/places!)
    miss = (log_choose(wrong) - log_choose(tied)).exp()
    return 1 - torch.where(places > wrong, 0.0, miss)
