"""Retrieval: where among the candidates is a right one, and how sure is the choice?

Ties count as their expectation under random order.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from synthgap.metric_names import Metric
from synthgap.metrics.embedded import Embedded

METRICS = (
    Metric(
        "entropy", "direction", "how unsure the softmax over all candidates is, in nats", low=0,
        paper="Schrodi et al. 2025",
        by=lambda seen, query, there: logit_entropy(seen.z[query], seen.z[there], seen.scale),
    ),
    Metric(
        "recall@1", "direction", "share of queries whose nearest candidate has the same caption", low=0, high=1,
        by=lambda seen, query, there: recall(seen.once(_found, query, there)["caption"]),
    ),
    Metric(
        "recall@1_instance", "direction", "share of queries whose nearest candidate is their own partner", low=0,
        high=1, by=lambda seen, query, there: recall(seen.once(_found, query, there)["instance"]),
    ),
    Metric(
        "recall@1_class", "direction", "share of queries whose nearest candidate has the same object", low=0, high=1,
        by=lambda seen, query, there: recall(seen.once(_found, query, there)["object"]),
    ),
)  # fmt: skip


def logit_entropy(x: Tensor, y: Tensor, scale: float) -> float:
    """Mean Shannon entropy, in nats and in [0, ln N], of softmax(scale · x_i · Yᵀ) over all N candidates in y.

    x: queries, unit-norm [M, D]; y: candidates, unit-norm [N, D]. Row blocks keep the memory at 512·N. (Schrodi et al.
    2025, fig. 8.)
    """
    total = 0.0
    for rows in x.split(512):
        log_p = torch.log_softmax(scale * rows @ y.T, dim=1)
        total -= float((log_p.exp() * log_p).double().sum())
    return total / len(x)


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
    if pairs is None:
        return ranks_by(x, y, [groups])[0]
    is_right, asked = _among(pairs, len(x), len(y))
    return Ranks(*_ranked(x, y, [is_right])[0][:, asked])


def ranks_by(x: Tensor, y: Tensor, groupings: Sequence[Tensor | None]) -> list[Ranks]:
    """`ranks` by each of several groupings, [N] or None, from similarities that are computed once."""
    return [Ranks(*every) for every in _ranked(x, y, [_of_groups(groups, x) for groups in groupings])]


def _ranked(x: Tensor, y: Tensor, rights: Sequence[Callable[[int, int], Tensor]]) -> list[Tensor]:
    """Ranks, [3, N], for each of the ways to say which candidates are right for the queries from one to another."""
    found = [[] for _ in rights]
    for start in range(0, len(x), 512):
        similarity = x[start : start + 512] @ y.T
        for of_right, is_right in zip(found, rights, strict=True):
            right = is_right(start, start + len(similarity))
            best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
            tied = similarity == best
            of_right.append(torch.stack([(similarity > best).sum(1), tied.sum(1), (tied & right).sum(1)]))
    return [torch.cat(of_right, dim=1) for of_right in found]


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


def _found(seen: Embedded, query: str, there: str) -> dict[str, Ranks]:
    groupings = {"caption": seen.known["caption"], "instance": None, "object": seen.known["object"]}
    return dict(zip(groupings, ranks_by(seen.z[query], seen.z[there], list(groupings.values())), strict=True))
