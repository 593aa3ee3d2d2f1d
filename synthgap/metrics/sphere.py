"""How one modality's embeddings lie on the sphere: how evenly, and whether objects are kept apart more than attributes.

The latter is object bias (MOAD, Schrodi et al. 2025, sec. 4).

A factor's *separation* is the mean cosine of the distinct pairs that share its value minus that of the pairs that do not.
All of it follows from the sums of the embeddings of each value: with S_v = Σ_{i: f_i = v} x_i, the pairs that share a
value sum to Σ_v ‖S_v‖² − N and all pairs to ‖Σ_v S_v‖² − N. So it costs O(N·D) and never needs the N × N matrix.
"""

from math import exp, log

import numpy as np
import torch
from torch import Tensor

from data_gen import FactorSpace, InputError
from synthgap.metric_names import Metric
from synthgap.metrics import tiles
from synthgap.metrics.embedded import Embedded

BIAS = "a factor has one value among the samples, or no two samples share one"

METRICS = (
    Metric(
        "uniformity", "modality", "how evenly a modality fills the sphere, -8 to 0, lower is more even",
        "an embedding is zero", low=-8, high=0, paper="Wang & Isola 2020",
        by=lambda seen, modality: uniformity(seen.some.z[modality]),
    ),
    Metric(
        "mean_within_cosine", "modality", "mean cosine of a modality's embeddings: how narrow a cone they fill, -1 to 1",
        low=-1, high=1, paper="Liang et al. 2022", by=lambda seen, modality: mean_within_cosine(seen.z[modality]),
    ),
    Metric(
        "moad", "biased modality", "object bias: how much further apart the object's values are kept than attributes'",
        BIAS, paper="Schrodi et al. 2025", by=lambda seen, modality: seen.once(_towards, modality)[seen.object],
    ),
    Metric(
        "moad_pooled", "biased modality", "the same with attributes pooled, as in published numbers", BIAS,
        by=lambda seen, modality: _pooled(seen, modality),
    ),
    Metric(
        "moad_towards", "biased modality and factor", "the object bias if that factor were the object", BIAS,
        by=lambda seen, modality, factor: seen.once(_towards, modality)[factor],
    ),
)  # fmt: skip


def uniformity(x: Tensor) -> float:
    """log mean exp(−2‖x_i − x_j‖²) over distinct pairs, in [−8, 0]; lower is more uniform (Wang & Isola 2020). O(N²·D).

    nan for fewer than two rows, and where a row is zero: it has no place on the sphere.
    """
    n = len(x)
    if n < 2 or not x.any(1).all():
        return float("nan")
    # ‖a − b‖² = 2 − 2·cos; what is above the diagonal counts twice. 2^x is several times as quick as e^x.
    total, room, four, x = 0.0, tiles.room(x), tiles.padded(4 / log(2) * x), tiles.padded(x)
    for block in tiles.blocks(n):
        for within in tiles.columns(n, block.start):
            near = tiles.products(four, x, block, within, room).exp2_()[:, max(block.start - within.start, 0) :]
            if within.start <= block.start:  # it begins with the square on the diagonal, which has both halves
                square = near[:, : len(near)]
                square.diagonal().zero_()
                total -= float(square.sum(1).double().sum())
            total += 2 * float(near.sum(1).double().sum())
    return float(torch.tensor(total / (n * (n - 1)) * exp(-4)).log())


def mean_within_cosine(x: Tensor) -> float:
    """Mean cosine of distinct pairs of rows, in [−1/(N − 1), 1]; 1: all in one point. N ≥ 2; O(N·D). (Liang et al. 2022.)"""
    _, _, every, pairs = _sums(x, torch.zeros(len(x), dtype=torch.int64))
    return every / pairs


def separation(x: Tensor, codes: np.ndarray | Tensor) -> float:
    """Mean cosine of pairs with equal codes − mean cosine of pairs with different codes, in [−2, 2]; nan if either is empty.

    x: unit-norm [N, D]; codes: one value index a row, [N].
    """
    same, same_pairs, every, every_pairs = _sums(x, codes)
    return _difference(same, same_pairs, every - same, every_pairs - same_pairs)


def moad(x: Tensor, factors, space: FactorSpace, object: str) -> float:
    """Separation of the object minus the mean separation of the other factors; positive = biased towards the object.

    x: unit-norm [N, D] of one modality. factors: anything `space.codes` reads, a table or codes [N, F]. The per-factor
    form, in which each attribute counts alike; `moad_pooled` is the published one. Raises InputError for an unknown object, or
    where there is no other factor.
    """
    at = _object(space, object)
    return moads(x, factors, space)[at]


def moads(x: Tensor, factors, space: FactorSpace) -> list[float]:
    """`moad` towards each of two or more factors in turn, as if that one were the object. They sum to 0."""
    codes = space.codes(factors)
    separations = [separation(x, codes[:, f]) for f in range(len(space))]
    return [own - float(np.mean(separations[:f] + separations[f + 1 :])) for f, own in enumerate(separations)]


def moad_pooled(x: Tensor, factors, space: FactorSpace, object: str) -> float:
    """MOAD as the published code computes it: the separation of the object's values minus that of all attributes' values,
    taken as the labels of one multi-label grouping, with the published choice of pairs.

    x: unit-norm [N, D] of one modality. Every label has a group of rows, in their order. Positive pairs are the distinct
    ones within a group. Negative pairs are of two groups, of *different factors* too: the p-th row of one and the q-th of the
    other, p < q alone, as the code takes the upper triangle of each block of cosines, which is no square. So a row is among
    its own negatives, and the number depends a little on the order of rows. Embeddings that hold nothing but MAD's colour are
    separated by 0.067 instead of 1.0. Kept for comparison with published numbers; `moad` is the corrected form. nan where
    there is no positive or no negative pair. Raises InputError as `moad` does.
    """
    at, codes = _object(space, object), torch.as_tensor(space.codes(factors), device=x.device)
    attributes = [f for f in range(len(space)) if f != at]
    return _published_separation(x, codes[:, [at]]) - _published_separation(x, codes[:, attributes])


def _published_separation(x: Tensor, codes: Tensor) -> float:
    """Of the groups of all values of the factors [N, F].

    With R_p the sum of the p-th rows of all groups, Σ_{p<q} R_p·R_q runs over all pairs of groups, a group with itself too,
    which are the positive pairs. So it costs O(N·F·D).
    """
    positive = positives = 0.0
    ranked = x.new_zeros(int(max(torch.bincount(column).max() for column in codes.T)), x.shape[1], dtype=torch.float64)
    holders = torch.zeros(len(ranked), dtype=torch.float64, device=x.device)
    for column in codes.T:
        same, same_pairs, _, _ = _sums(x, column)
        positive, positives = positive + same / 2, positives + same_pairs / 2
        rank = _ranks(column)
        holders += torch.bincount(rank, minlength=len(ranked))
        for rows, places in zip(x.split(2**14), rank.split(2**14), strict=True):
            ranked.index_add_(0, places, rows.double())
    negative = _pairs(ranked) - positive
    negatives = _pairs(holders[:, None]) - positives
    return _difference(positive, positives, negative, negatives)


def _ranks(codes: Tensor) -> Tensor:
    """[N] how many rows before have the same code."""
    order = codes.argsort(stable=True)
    counts = torch.bincount(codes)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.empty_like(order).index_copy_(0, order, torch.arange(len(codes), device=codes.device) - first)


def _pairs(x: Tensor) -> float:
    """Σ_{p<q} x_p·x_q of rows [N, D]."""
    return float(x.sum(0).square().sum() - x.square().sum()) / 2


def _object(space: FactorSpace, name: str) -> int:
    if len(space) == 1:
        raise InputError(
            f"a space of one factor ({space.names[0]}) has no attributes that an object could be preferred to"
        )
    return space.index(name)


def _sums(x: Tensor, codes: np.ndarray | Tensor) -> tuple[float, float, float, float]:
    """Sum of cosines and number of the ordered distinct pairs: those with equal codes, then all."""
    codes, n, itself = torch.as_tensor(codes, device=x.device), len(x), 0.0
    by_value = x.new_zeros(int(codes.max()) + 1, x.shape[1], dtype=torch.float64)
    for rows, values in zip(x.split(2**14), codes.split(2**14), strict=True):  # a copy in float64 of few rows is small
        rows = rows.double()
        by_value.index_add_(0, values, rows)
        itself += float(rows.square().sum())
    counts = torch.bincount(codes).double()
    same = float(by_value.square().sum()) - itself
    every = float(by_value.sum(0).square().sum()) - itself
    return same, float(counts.square().sum()) - n, every, float(n * (n - 1))


def _difference(same: float, same_pairs: float, other: float, other_pairs: float) -> float:
    return same / same_pairs - other / other_pairs if same_pairs and other_pairs else float("nan")


def _towards(seen: Embedded, modality: str) -> dict[str, float]:
    columns, space = seen.about(modality)
    return dict(zip(space.names, moads(seen.z[modality], seen.codes[:, columns], space), strict=True))


def _pooled(seen: Embedded, modality: str) -> float:
    columns, space = seen.about(modality)
    return moad_pooled(seen.z[modality], seen.codes[:, columns], space, seen.object)
