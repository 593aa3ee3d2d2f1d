"""Retrieval: where among the candidates is a right one? Ties count as their expectation under random order."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor


class Ranks(NamedTuple):
    """How each query finds its nearest right candidate, whole numbers, each [queries]: how many candidates are nearer than
    it, how many are as near (itself too), and how many of these are right."""

    nearer: Tensor
    tied: Tensor
    right: Tensor


def recall_at_k(x: Tensor, y: Tensor, k: int = 1, groups: Tensor | None = None, pairs: Tensor | None = None) -> float:
    """Share of queries x_i with a right candidate among their k nearest y, in [0, 1]: `recall` of their `ranks`."""
    return recall(ranks(x, y, groups, pairs), k)


def ranks(x: Tensor, y: Tensor, groups: Tensor | None = None, pairs: Tensor | None = None) -> Ranks:
    """Where queries x find their right candidates among all y. x: unit-norm [N, D]; y: unit-norm [M, D].

    Neither groups nor pairs: M = N, and only row i of y is right for query i (instance level). groups: [N], M = N;
    candidate j is right for query i if their groups agree (equal captions, or a class). pairs: [P, 2], a row of x and a
    row of y that is right for it; queries that are in no pair are left out. Row blocks keep the memory at 512·M.
    """
    is_right, asked = _among(pairs, len(x), len(y)) if pairs is not None else (_of_groups(groups, x), None)
    found = []
    for start in range(0, len(x), 512):
        similarity = x[start : start + 512] @ y.T
        right = is_right(start, start + len(similarity))
        best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
        tied = similarity == best
        found.append(torch.stack([(similarity > best).sum(1), tied.sum(1), (tied & right).sum(1)]))
    every = torch.cat(found, dim=1)
    return Ranks(*(every if asked is None else every[:, asked]))


def recall(found: Ranks, k: int = 1) -> float:
    """Share of queries with a right candidate among their k nearest, in [0, 1].

    If m places are left for e equally near candidates of which c are right, the chance is 1 − C(e−c, m)/C(e, m).
    """
    hits = 0.0
    for nearer, tied, right in zip(*(part.split(512) for part in found), strict=True):
        hits += float(_chance(k - nearer, tied, right).sum())
    return hits / len(found.nearer)


def median_rank(found: Ranks) -> float:
    """Median over queries of the rank of the nearest right candidate, from 1; of an even number, the mean of the middle two."""
    # the first of c in a random order of e is expected at (e + 1)/(c + 1)
    expected = found.nearer + (found.tied + 1).double() / (found.right + 1)
    middle = expected.sort().values[(len(expected) - 1) // 2 : len(expected) // 2 + 1]
    return float(middle.mean())


def _of_groups(groups: Tensor | None, x: Tensor) -> Callable[[int, int], Tensor]:
    groups = torch.arange(len(x), device=x.device) if groups is None else torch.as_tensor(groups, device=x.device)
    return lambda start, end: groups[start:end, None] == groups


def _among(pairs: Tensor, queries: int, candidates: int) -> tuple[Callable[[int, int], Tensor], Tensor]:
    """Which candidates are right for the queries from one to another, and which queries are asked at all."""
    pairs = pairs[pairs[:, 0].argsort(stable=True)]
    firsts = pairs[:, 0].contiguous()

    def is_right(start: int, end: int) -> Tensor:
        block = slice(*torch.searchsorted(firsts, torch.tensor([start, end], device=firsts.device)).tolist())
        right = torch.zeros(end - start, candidates, dtype=torch.bool, device=firsts.device)
        right[firsts[block] - start, pairs[block, 1]] = True
        return right

    return is_right, torch.bincount(firsts, minlength=queries) > 0


def _chance(places: Tensor, tied: Tensor, right: Tensor) -> Tensor:
    """Chance that at least one of `right` among `tied` falls into the first `places` of a random order, each [N]."""
    places = torch.minimum(places.clamp(min=0), tied).double()
    tied, wrong = tied.double(), (tied - right).double()
    log_choose = lambda n: torch.lgamma(n + 1) - torch.lgamma((n - places).clamp(min=0) + 1)  # noqa: E731  (· 1/places!)
    miss = (log_choose(wrong) - log_choose(tied)).exp()
    return 1 - torch.where(places > wrong, 0.0, miss)
