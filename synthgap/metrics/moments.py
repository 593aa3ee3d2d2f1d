"""First and second moments of a modality, in double precision, from copies of few rows: what several metrics share."""

from typing import NamedTuple

import torch
from torch import Tensor

from synthgap.metrics.embedded import Embedded

ROWS = 4096  # that are copied at once
NUMBERS = 2**20  # of a piece: 8 MB of float64, which stay in a cache


class Moments(NamedTuple):
    """Of N rows: how many, their mean [D], and Σ (x − mean)(x − mean)ᵀ [D, D]; float64."""

    n: int
    mean: Tensor
    scatter: Tensor

    @property
    def covariance(self) -> Tensor:
        """Over N, not N − 1."""
        return self.scatter / self.n

    @property
    def uncentred(self) -> Tensor:
        """E x xᵀ."""
        return self.covariance + torch.outer(self.mean, self.mean)


def moments(x: Tensor) -> Moments:
    """Those of x [N, D], in O(N·D²)."""
    mean = sum(rows.double().sum(0) for rows in x.split(ROWS)) / len(x)
    return Moments(len(x), mean, sum((y := rows.double() - mean).T @ y for rows in x.split(ROWS)))


def moments_of(seen: Embedded, modality: str) -> Moments:
    """Those of a modality, for `seen.once`."""
    return moments(seen.z[modality])


def pieces(x: Tensor) -> tuple[Tensor, ...]:
    """x [N, D] in few rows each, of which copies in float64 are small."""
    return x.split(few_rows(x))


def few_rows(x: Tensor) -> int:
    """How many rows a piece has."""
    return max(1, NUMBERS // x.shape[1])
