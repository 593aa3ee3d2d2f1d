"""The modality gap taken apart: how wide each modality is spread, where the two means lie, and how pairs differ beyond that.

x, y: unit-norm rows [N, D], row i of both a pair; with `pairs`, [P, 2], as in `synthgap.metrics.gap`. With means m_x, m_y
and d = x_i − y_i, spread v and c = cos(m_x, m_y) (Schrodi et al. 2025's RMG and Liang et al. 2022's L2M in these terms):

    E‖d‖² = ‖m_x − m_y‖² + E‖d − E d‖²            the numerator of RMG is E‖d‖²/4, and ‖m_x − m_y‖ is l2m
    l2m² = 2(1 − v)(1 − c)                        where both means are equally long
    v = (1 − alignment)(1 − rmg)/rmg              but for N/(N − 1), as rmg leaves out pairs of a row and itself

What is common to all of a modality moves all logits of a row alike, so that a loss with a softmax sees v/τ and hardly c.
"""

from collections.abc import Iterator
from math import nan

import torch
from torch import Tensor

from synthgap.metric_names import Metric
from synthgap.metrics.moments import few_rows, pieces

ROUNDING = 1e-6  # a vector that is shorter is 0, but for the rounding of float32 rows of length 1

METRICS = (
    Metric(
        "spread", "pair", "variance within modalities, the mean of both, 0 to 1; 0: each is one point", low=0, high=1,
        by=lambda seen, a, b: spread(seen.z[a], seen.z[b]),
    ),
    Metric(
        "mean_cosine", "pair", "cosine of the two means, -1 to 1", "a modality's mean is 0", low=-1, high=1,
        by=lambda seen, a, b: mean_cosine(seen.z[a], seen.z[b]),
    ),
    Metric(
        "effective_scale", "pair", "spread/τ: the scale of the logits that is left within modalities", low=0,
        by=lambda seen, a, b: effective_scale(seen.z[a], seen.z[b], seen.scale),
    ),
    Metric(
        "centroid_share", "pair", "share of rmg's numerator that is the distance of the means, 0 to 1",
        "all pairs coincide", low=0, high=1, by=lambda seen, a, b: centroid_share(seen.z[a], seen.z[b]),
    ),
    Metric(
        "distribution_gap", "pair", "mean distance of true pairs, each modality's mean taken off, 0 to 4", low=0, high=4,
        by=lambda seen, a, b: distribution_gap(seen.z[a], seen.z[b]),
    ),
    Metric(
        "distribution_gap_normalised", "pair", "the same, and rows brought back to length 1, 0 to 2",
        "an embedding is its modality's mean", low=0, high=2,
        by=lambda seen, a, b: distribution_gap_normalised(seen.z[a], seen.z[b]),
    ),
)  # fmt: skip


def spread(x: Tensor, y: Tensor) -> float:
    """v = 1 − (‖m_x‖² + ‖m_y‖²)/2, in [0, 1]: the variance within each modality, summed over dimensions, mean of both.

    0: each modality is one point. 1: both means are 0. Row i need not be a pair, nor need there be as many.
    """
    return float(1 - (_mean(x).square().sum() + _mean(y).square().sum()) / 2)


def mean_cosine(x: Tensor, y: Tensor) -> float:
    """cos(m_x, m_y), in [−1, 1]; nan where a mean is 0 and has no direction. Rows need not be pairs."""
    a, b = _mean(x), _mean(y)
    lengths = a.norm(), b.norm()
    return float((a @ b / (lengths[0] * lengths[1])).clamp(-1, 1)) if min(lengths) > ROUNDING else nan


def effective_scale(x: Tensor, y: Tensor, scale: float) -> float:
    """`spread` · scale, at least 0, where scale is 1/τ: how cold the softmax is for what varies within modalities."""
    return spread(x, y) * scale


def centroid_share(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """(l2m²/4)/M, in [0, 1], M the numerator of RMG: ‖E d‖²/E‖d‖² of d = x_i − y_i; nan where all pairs coincide.

    1: all pairs differ by the same vector. With `pairs`, the means are those over pairs, so that the parts sum to the whole.
    """
    middle, square = _moments(x, y, pairs)
    return float(middle.square().sum() / square) if square > ROUNDING**2 else nan


def distribution_gap(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """Mean ‖x̃_i − ỹ_i‖ with each modality's mean taken off, in [0, 4]; what is left of `l2i` without the distance of means.

    The G_D of arXiv 2604.00279 in our reading: we could not find its formula. With `pairs`, the means are those over pairs.
    """
    middle, _ = _moments(x, y, pairs)
    return _mean_length(d - middle for d in _differences(x, y, pairs))


def distribution_gap_normalised(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """The same, and centred rows brought back to length 1, in [0, 2]; nan where a row is its modality's mean.

    The means are those over all rows: what is compared is what `posthoc=centring` makes of the embeddings.
    """
    means = _mean(x), _mean(y)
    lengths = _lengths(x, means[0]), _lengths(y, means[1])
    if min(length.min() for length in lengths) < ROUNDING:
        return nan

    def unit(z: Tensor, i: int, rows: slice | Tensor) -> Tensor:
        return (z[rows].double() - means[i]) / lengths[i][rows]

    return _mean_length(unit(x, 0, rows) - unit(y, 1, others) for rows, others in _blocks(x, pairs))


def _lengths(x: Tensor, middle: Tensor) -> Tensor:
    """‖x_i − middle‖, [N, 1], float64."""
    return torch.cat([(rows.double() - middle).norm(dim=1, keepdim=True) for rows in pieces(x)])


def _mean(x: Tensor) -> Tensor:
    """[D], float64, from copies of few rows."""
    return sum(rows.double().sum(0) for rows in pieces(x)) / len(x)


def _moments(x: Tensor, y: Tensor, pairs: Tensor | None) -> tuple[Tensor, Tensor]:
    """E d [D] and E‖d‖², float64."""
    n, total, square = 0, 0.0, 0.0
    for d in _differences(x, y, pairs):
        n, total, square = n + len(d), total + d.sum(0), square + d.square().sum()
    return total / n, square / n


def _differences(x: Tensor, y: Tensor, pairs: Tensor | None) -> Iterator[Tensor]:
    """d of the pairs in blocks [few, D], float64."""
    return (x[rows].double() - y[others].double() for rows, others in _blocks(x, pairs))


def _blocks(x: Tensor, pairs: Tensor | None) -> Iterator[tuple[slice | Tensor, slice | Tensor]]:
    """Which rows of x, and which of y, are pairs, few at once."""
    for start in range(0, len(x if pairs is None else pairs), few_rows(x)):
        block = slice(start, start + few_rows(x))
        yield (block, block) if pairs is None else (pairs[block, 0], pairs[block, 1])


def _mean_length(blocks: Iterator[Tensor]) -> float:
    return float(torch.cat([d.norm(dim=1) for d in blocks]).mean())
