"""Does a query keep its nearest candidate under noise? (Chowers et al. 2026)

Noise is Gaussian and independent for each row. On candidates it changes a margin the more the farther these are from the
query, so that a gap makes it worse. On the query it is the same for all candidates, as would be one noise added to all of
them: then only distances among candidates count, and closing a gap is of no use.
"""

import numpy as np
import torch
from torch import Tensor

from data_gen.seeds import generator
from synthgap.metric_names import NOISE, Metric
from synthgap.metrics import tiles
from synthgap.metrics.embedded import Embedded
from synthgap.metrics.moments import pieces

LENGTH = 0.2  # of the noise, where rows have length 1: much is lost by then, and not all
ASKED = 500  # queries, the first ones, among all candidates

METRICS = (
    Metric(
        "robustness", "direction and noise", "share of queries whose nearest candidate stays under noise", low=0, high=1,
        paper="Chowers et al. 2026", by=lambda seen, query, there, noise: seen.once(_found, query, there)[noise],
    ),
)  # fmt: skip


def robustness(queries: Tensor, candidates: Tensor, length: float = LENGTH) -> dict[str, float]:
    """Share of queries [M, D] that keep their nearest of the candidates [N, D] (Euclidean): with noise on the query, on the
    candidates, and on both, each in [0, 1]. Both unit-norm; noisy rows are left as long as they are.

    Noise has length² · D⁻¹ of variance in each of D dimensions, so that it is about `length` long. Where several candidates are
    nearest, equal ones say, each of them will do.
    """
    noise = generator(0, "robustness")
    still = [tiles.padded(rows) for rows in (queries, candidates)]
    on = [tiles.padded(_moved(rows, length, noise)) for rows in (queries, candidates)]
    asked = {"query": (on[0], still[1]), "candidates": (still[0], on[1]), "both": tuple(on)}
    halves = {name: there.square().sum(1) / 2 for name, (_, there) in asked.items()}
    kept, room, other = dict.fromkeys(NOISE, 0), tiles.room(queries), tiles.room(queries)
    for block in tiles.blocks(len(queries)):
        nearest = queries.new_full((block.stop - block.start,), -torch.inf)
        best, found = ({name: nearest.clone() for name in NOISE} for _ in range(2))
        for within in tiles.columns(len(candidates)):
            similarity = tiles.products(*still, block, within, room)
            nearest = torch.maximum(nearest, similarity.amax(1))
            for name, (query, there) in asked.items():
                score = tiles.products(query, there, block, within, other).sub_(halves[name][within])
                top = score.amax(1)
                rows = (top > best[name]).nonzero()[:, 0]
                best[name][rows] = top[rows]
                found[name][rows] = similarity[rows, score[rows].argmax(1)]
        for name in NOISE:  # what rounding alone parts is equally near
            kept[name] += int((found[name] >= nearest - 1e-6).sum())
    return {name: n / len(queries) for name, n in kept.items()}


def _moved(rows: Tensor, length: float, noise: np.random.Generator) -> Tensor:
    step = length / rows.shape[1] ** 0.5
    return torch.cat([x + step * torch.from_numpy(noise.standard_normal(tuple(x.shape))).to(x) for x in pieces(rows)])


def _found(seen: Embedded, query: str, there: str) -> dict[str, float]:
    return robustness(seen.z[query][:ASKED], seen.z[there])
