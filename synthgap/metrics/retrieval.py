"""Retrieval: where among the candidates is a right one, and how sure is the choice?

Ties count as their expectation under random order.
"""

from collections.abc import Callable, Sequence
from math import log, nan
from typing import NamedTuple

import torch
from torch import Tensor

from synthgap.metric_names import Metric
from synthgap.metrics import tiles
from synthgap.metrics.embedded import Embedded

METRICS = (
    Metric(
        "entropy", "direction", "how unsure the softmax over all candidates is, in nats", low=0,
        paper="Schrodi et al. 2025",
        by=lambda seen, query, there: seen.once(_found, query, there)["entropy"],
    ),
    Metric(
        "recall@1", "direction", "share of queries whose nearest candidate has the same caption", low=0, high=1,
        by=lambda seen, query, there: seen.once(_found, query, there)["caption"],
    ),
    Metric(
        "recall@1_instance", "direction", "share of queries whose nearest candidate is their own partner", low=0,
        high=1, by=lambda seen, query, there: seen.once(_found, query, there)["instance"],
    ),
    Metric(
        "recall@1_class", "direction", "share of queries whose nearest candidate has the same object", low=0, high=1,
        by=lambda seen, query, there: seen.once(_found, query, there)["object"],
    ),
)  # fmt: skip


def logit_entropy(x: Tensor, y: Tensor, scale: float) -> float:
    """Mean Shannon entropy, in nats and in [0, ln N], of softmax(scale · x_i · Yᵀ) over all N candidates in y.

    x: queries, unit-norm [M, D]; y: candidates, unit-norm [N, D]. (Schrodi et al. 2025, fig. 8.)
    """
    return entropy_and_recall(x, y, scale, [])[0]


def recall_at_1(x: Tensor, y: Tensor, groupings: Sequence[Tensor | None]) -> list[float]:
    """`recall_at_k(x, y, 1, groups)` of several groupings, to the bit, from one pass: who is nearest is the same for all.

    x: queries, unit-norm [N, D]; y: candidates, unit-norm [M, D], M ≥ N. groupings: each as `groups` of `ranks`.
    """
    return entropy_and_recall(x, y, None, groupings)[1]


def entropy_and_recall(
    x: Tensor, y: Tensor, scale: float | None, groupings: Sequence[Tensor | None]
) -> tuple[float, list[float]]:
    """`logit_entropy` and `recall_at_1`, both to the bit, from one pass: similarities are what takes the time, in both.

    scale: None if the entropy is not asked for, which is then nan.
    """
    own = torch.arange(len(y), device=x.device)
    codes = [own if groups is None else torch.as_tensor(groups, device=x.device) for groups in groupings]
    codes = torch.stack(codes) if codes else own.new_empty(0, len(y))
    queries, candidates, room, other = tiles.padded(x), tiles.padded(y), tiles.room(x), tiles.room(x)
    total, tied, right = 0.0, own.new_zeros(len(x)), own.new_zeros(len(codes), len(x))
    for block in tiles.blocks(len(x)):
        best = x.new_full((block.stop - block.start, 1), -torch.inf)
        nothing = torch.zeros_like(best, dtype=torch.float64)
        softmax = Softmax(nothing + torch.finfo(x.dtype).min / 2, nothing, nothing)
        for within in tiles.columns(len(y)):
            similarity = tiles.products(queries, candidates, block, within, room)
            top = similarity.amax(1, keepdim=True)
            best, before = torch.maximum(best, top), best
            if len(codes):
                tied[block, None][top > before] = 0
                right[:, block, None][:, top > before] = 0
                at, column = _where(similarity, best, top)
                tied[block].index_add_(0, at, torch.ones_like(at))
                agree = codes[:, block.start + at] == codes[:, within.start + column]
                right[:, block].index_add_(1, at, agree.long())
            if scale is not None:
                softmax = _with(softmax, similarity, best, scale / log(2), other)
        total += float((softmax.mass.log2() - softmax.moment / softmax.mass).sum())
    entropy = nan if scale is None else total * log(2) / len(x)
    return entropy, [recall(Ranks((found == 0).long(), tied, found)) for found in right]


def _where(similarity: Tensor, best: Tensor, top: Tensor) -> tuple[Tensor, Tensor]:
    """Query and column of all candidates in a tile that are as near as the best, [found] each. top: the tile's nearest."""
    rows = (top == best).nonzero()[:, 0]
    some = similarity if len(rows) == len(best) else similarity[rows]  # few, but in a query's first tiles
    equal = torch.eq(some, best[rows], out=torch.empty_like(some))  # as numbers, which is quicker than as booleans
    columns = torch.arange(some.shape[1], dtype=some.dtype, device=some.device)
    number, total = equal.sum(1), equal @ columns
    one, several = (number == 1), (number > 1).nonzero()[:, 0]
    at, column = equal[several].nonzero(as_tuple=True)
    return torch.cat([rows[one], rows[several[at]]]), torch.cat([total[one].long(), column])


class Softmax(NamedTuple):
    """A softmax over the candidates so far, float64 [queries, 1] each: Σ 2^u and Σ u·2^u, where u is an exponent, a logit over
    ln 2, less the base, which is close to the largest."""

    base: Tensor
    mass: Tensor
    moment: Tensor


def _with(so_far: Softmax, similarity: Tensor, best: Tensor, scale: float, room: Tensor) -> Softmax:
    """The same with a tile's candidates, whose similarities are lost. best: the largest similarity yet; scale: of exponents."""
    base = best * scale
    sunk = so_far.base - base.double()
    # u rounds once; below -115, powers are what processors are ten times as slow with, and too small to count
    u = torch.add(-base, similarity, alpha=scale, out=similarity).clamp_(min=-115)
    weights = torch.exp2(u, out=room[: u.numel()].view(u.shape))  # several times as quick as e^u
    mass = so_far.mass * sunk.exp2() + weights.sum(1, keepdim=True)
    moment = (so_far.moment + sunk * so_far.mass) * sunk.exp2() + weights.mul_(u).sum(1, keepdim=True)
    return Softmax(base.double(), mass, moment)


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

    Neither groups nor pairs: M ≥ N, and only row i of y is right for query i (instance level). groups: [M], M ≥ N;
    candidate j is right for query i if their groups agree (equal captions, or a class). pairs: [P, 2], a row of x and a
    row of y that is right for it; queries that are in no pair are left out.
    """
    if pairs is None:
        groups = torch.arange(len(y), device=x.device) if groups is None else torch.as_tensor(groups, device=x.device)
        return Ranks(*_in_groups(x, y, groups))
    return Ranks(*_in_pairs(x, y, pairs))


def _in_groups(x: Tensor, y: Tensor, groups: Tensor) -> Tensor:
    """Ranks, [3, queries], where candidates of the query's group are right. groups: [M]; those of the queries are its first.

    Queries and candidates are brought into the order of their groups, so that what is right stands together: most tiles
    hold nothing that is, and are only counted.
    """
    ascending, to = (groups[: len(x)].argsort(stable=True), groups.argsort(stable=True))
    queries, candidates, asking, groups = tiles.padded(x[ascending]), tiles.padded(y[to]), groups[ascending], groups[to]
    first, last = torch.searchsorted(groups, asking), torch.searchsorted(groups, asking, right=True)
    found, room, other = x.new_zeros(3, len(x), dtype=torch.int64), tiles.room(x), tiles.room(x)
    for block in tiles.blocks(len(x)):
        low, high = int(first[block.start]), int(last[block.stop - 1])
        best = x.new_full((block.stop - block.start, 1), -torch.inf)
        for within in tiles.columns(len(y), low, high):
            part = _cut(tiles.products(queries, candidates, block, within, room), within, low, high)
            right = asking[block, None] == groups[max(low, within.start) : min(high, within.stop)]
            best = torch.maximum(best, part.masked_fill(~right, -torch.inf).amax(1, keepdim=True))
        for within in tiles.columns(len(y)):
            similarity = tiles.products(queries, candidates, block, within, room)
            counts = other[: similarity.numel()].view(similarity.shape)
            nearer = torch.gt(similarity, best, out=counts).sum(1).long()
            found[0, block] += nearer
            found[1, block] += torch.ge(similarity, best, out=counts).sum(1).long() - nearer
            if low < within.stop and within.start < high:
                right = asking[block, None] == groups[max(low, within.start) : min(high, within.stop)]
                found[2, block] += ((_cut(similarity, within, low, high) == best) & right).sum(1)
    return torch.empty_like(found).index_copy_(1, ascending, found)


def _cut(tile: Tensor, within: slice, low: int, high: int) -> Tensor:
    """The columns of a tile that are from `low` up to `high`."""
    return tile[:, max(low, within.start) - within.start : min(high, within.stop) - within.start]


def _in_pairs(x: Tensor, y: Tensor, pairs: Tensor) -> Tensor:
    """The same where pairs say which candidates are right: of the queries that are in any, [3, those]."""
    is_right, asked = _among(pairs, len(x), len(y))
    found = []
    for block in tiles.blocks(len(x), tiles.FEW):
        similarity, right = x[block] @ y.T, is_right(block.start, block.stop)
        best = similarity.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
        tied = similarity == best
        found.append(torch.stack([(similarity > best).sum(1), tied.sum(1), (tied & right).sum(1)]))
    return torch.cat(found, dim=1)[:, asked]


def ranks_by_parts(x: Tensor, y: Tensor, parts: list[list[int]], pairs: Tensor | None = None) -> list[Ranks]:
    """`ranks` of instances where rows have only the dimensions of the first part, of the first two, and so on, brought back to
    length 1 each time. x: [N, D]; y: [M, D], M ≥ N; pairs as in `ranks`. A row of 0 in all of them is as near as any.

    Similarities add up from part to part, so that all together cost as much as one pass over all dimensions. Nothing is ever
    taken off, which would leave rounding in place of what is small.
    """
    queries, candidates = ([tiles.padded(z[:, part]) for part in parts] for z in (x, y))
    squares = torch.stack([y[:, part].square().sum(1) for part in parts]).cumsum(0)
    closer = squares.sqrt().clamp(min=torch.finfo(y.dtype).tiny).reciprocal()  # what brings candidates back to length 1
    is_right, asked = (None, slice(None)) if pairs is None else _among(pairs, len(x), len(y))
    found = torch.empty(len(parts), 3, len(x), dtype=torch.int64, device=x.device)
    for block in tiles.blocks(len(x), tiles.FEW):
        rows = torch.arange(block.start, block.stop, device=x.device)[:, None]
        right = is_right and is_right(block.start, block.stop)
        whole = slice(block.start, block.stop + -(block.stop - block.start) % tiles.STEP)
        similarity = x.new_zeros(whole.stop - whole.start, len(candidates[0]))
        scaled, other = x.new_empty(2, len(rows), len(y))
        for part, into in enumerate(found):
            similarity.addmm_(queries[part][whole], candidates[part].T)
            torch.mul(similarity[: len(rows), : len(y)], closer[part], out=scaled)
            best = (
                scaled.gather(1, rows)
                if pairs is None
                else scaled.masked_fill(~right, -torch.inf).amax(1, keepdim=True)
            )
            nearer = torch.gt(scaled, best, out=other).sum(1)
            into[0, block] = nearer.long()
            into[1, block] = (torch.ge(scaled, best, out=other).sum(1) - nearer).long()
            into[2, block] = 1 if pairs is None else ((scaled == best) & right).sum(1)
    return [Ranks(*each[:, asked]) for each in found]


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


def _found(seen: Embedded, query: str, there: str) -> dict[str, float]:
    groupings = {"caption": seen.known["caption"], "instance": None, "object": seen.known["object"]}
    entropy, found = entropy_and_recall(seen.some.z[query], seen.z[there], seen.scale, [*groupings.values()])
    return {"entropy": entropy} | dict(zip(groupings, found, strict=True))
