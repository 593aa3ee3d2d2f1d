"""Object bias: does an embedding keep objects apart more than attributes? (MOAD, Schrodi et al. 2025, sec. 4.)

A factor's *separation* is the mean cosine of the distinct pairs that share its value minus that of the pairs that do not.
All of it follows from the sums of the embeddings of each value: with S_v = Σ_{i: f_i = v} x_i, the pairs that share a
value sum to Σ_v ‖S_v‖² − N and all pairs to ‖Σ_v S_v‖² − N. So it costs O(N·D) and never needs the N × N matrix.
"""

import numpy as np
import torch
from torch import Tensor

from data_gen import FactorSpace, InputError


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
    """MOAD as the published code computes it: all attribute values pooled into one multi-label grouping.

    Two images are then a positive pair once for each value they share, and a negative pair once for every two different
    values that they hold, of *different factors* too. Embeddings that hold nothing but MAD's colour are separated by 0.067
    instead of 1.0. Kept for comparison with published numbers.
    """
    at, codes = _object(space, object), space.codes(factors)
    attributes = [f for f in range(len(space)) if f != at]
    positive = positives = 0.0
    for f in attributes:
        same, same_pairs, every, every_pairs = _sums(x, codes[:, f])
        positive, positives = positive + same, positives + same_pairs
    crossings = len(attributes) ** 2
    pooled = _difference(positive, positives, crossings * every - positive, crossings * every_pairs - positives)
    return separation(x, codes[:, at]) - pooled


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
