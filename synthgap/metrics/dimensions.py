"""Which dimensions hold the modality gap, and how many a modality fills (Schrodi et al. 2025, fig. 4).

In trained models a few dimensions hold most of ‖mean x − mean y‖², and two are enough to tell the modalities apart.
x, y: unit-norm rows [N, D], row i of both a pair.
"""

from collections.abc import Callable
from math import nan

import torch
from torch import Tensor

from data_gen import InputError
from synthgap.metric_names import Metric
from synthgap.metrics.embedded import Embedded
from synthgap.metrics.moments import Moments, moments, moments_of

METRICS = (
    Metric(
        "effective_rank", "modality", "how many dimensions a modality fills, 1 to the embedding's size",
        "all embeddings are the same", low=1, paper="Roy & Vetterli 2007",
        by=lambda seen, modality: rank_of(spectrum_of(seen.once(moments_of, modality))),
    ),
    Metric(
        "gap_share@1", "pair", "share of l2m² in the dimension that holds most of it", "there is no gap", low=0, high=1,
        paper="Schrodi et al. 2025", by=lambda seen, a, b: gap_share(seen.z[a], seen.z[b], 1),
    ),
    Metric(
        "gap_share@4", "pair", "share of l2m² in the four dimensions that hold most of it",
        "there is no gap, or there are fewer than four dimensions", low=0, high=1,
        by=lambda seen, a, b: gap_share(seen.z[a], seen.z[b], 4) if seen.z[a].shape[1] >= 4 else nan,
    ),
    Metric(
        "separability_means", "pair", "how well the dimensions of largest mean tell the modalities apart; 0.5 = chance",
        "there is one dimension", low=0, high=1, paper="Schrodi et al. 2025",
        by=lambda seen, a, b: _separability(seen, a, b, largest_means),
    ),
    Metric(
        "separability_differences", "pair", "the same of the two dimensions in which the means differ most",
        "there is one dimension", low=0, high=1, by=lambda seen, a, b: _separability(seen, a, b, largest_differences),
    ),
)  # fmt: skip


def mean_difference(x: Tensor, y: Tensor) -> Tensor:
    """mean x − mean y, signed, [D], each entry in [−2, 2] (fig. 4a shows its absolute values, sorted)."""
    return x.mean(0) - y.mean(0)


def gap_share(x: Tensor, y: Tensor, k: int = 1) -> float:
    """Share of ‖mean x − mean y‖² in the k dimensions that hold most of it, in [k/D, 1]; nan without any gap.

    k/D if all dimensions hold as much. Raises InputError unless k is in 1 … D.
    """
    if not 1 <= k <= x.shape[1]:
        raise InputError(f"gap_share: k={k} must be in 1 … {x.shape[1]}, the number of dimensions")
    return gap_shares(x, y, [k])[0]


def gap_shares(x: Tensor, y: Tensor, numbers: list[int]) -> list[float]:
    """`gap_share` of each of these numbers of dimensions, from one pass."""
    held = mean_difference(x, y).double().square().sort(descending=True).values
    return [float(held[:k].sum() / held.sum()) for k in numbers]


def largest_means(x: Tensor, y: Tensor) -> tuple[int, int]:
    """The dimension of the largest mean in x, and that in y, signed as in the published code (fig. 4b); D ≥ 2.

    If they are one, it is y's next largest, where the published code shows the same dimension twice.
    """
    of_x, of_y = (falling(z.mean(0)) for z in (x, y))
    return of_x[0], of_y[0] if of_y[0] != of_x[0] else of_y[1]


def largest_differences(x: Tensor, y: Tensor) -> tuple[int, int]:
    """The two dimensions in which the means differ most, the larger first (fig. 12). D ≥ 2."""
    first, second, *_ = falling(mean_difference(x, y).abs())
    return first, second


def separability(x: Tensor, y: Tensor, dimensions: tuple[int, int]) -> float:
    """How well a line in the plane of two dimensions tells x from y: accuracy in [0, 1], 0.5 is chance. N ≥ 2.

    The line is that of a logistic regression, fitted on the even rows of both, asked of the odd ones. Dimensions are
    scaled to unit variance, so that the penalty (C = 1000) is faint for entries of any length.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    even, odd = (torch.cat([z[start::2][:, list(dimensions)] for z in (x, y)]).cpu().numpy() for start in (0, 1))
    is_y = [torch.arange(2).repeat_interleave(len(rows) // 2).numpy() for rows in (even, odd)]
    line = make_pipeline(StandardScaler(), LogisticRegression(C=1000, max_iter=1000)).fit(even, is_y[0])
    return float(line.score(odd, is_y[1]))


def spectrum(x: Tensor) -> Tensor:
    """Singular values of x − mean x, falling, float64 [D]; over √N they are standard deviations along principal axes.

    x: [N, D]. Through the D × D covariance: O(N·D²). What rounding alone would give counts as 0.
    """
    return spectrum_of(moments(x))


def spectrum_of(x: Moments) -> Tensor:
    """`spectrum` from what a modality's moments are."""
    squares = torch.linalg.eigvalsh(x.scatter).flip(0).clamp(min=0)
    floor = squares[0] * len(squares) * torch.finfo(squares.dtype).eps
    return squares.where(squares > floor, 0).sqrt()


def effective_rank(x: Tensor) -> float:
    """How many dimensions x [N, D] fills, in [1, D]: `rank_of` its spectrum."""
    return rank_of(spectrum(x))


def rank_of(values: Tensor) -> float:
    """e to the Shannon entropy of singular values brought to sum 1 (Roy & Vetterli 2007).

    values: those of centred rows, [D], as `spectrum` gives them. In [1, D]: k if the variance is the same in k directions
    and 0 elsewhere; nan if all rows are the same.
    """
    return float(torch.special.entr(values / values.sum()).sum().exp())


def falling(values: Tensor) -> list[int]:
    """The order of values, the largest first; equal ones as they stand."""
    return values.sort(descending=True, stable=True).indices.tolist()


def _separability(seen: Embedded, a: str, b: str, dimensions: Callable[[Tensor, Tensor], tuple[int, int]]) -> float:
    x, y = seen.z[a], seen.z[b]
    return separability(x, y, dimensions(x, y)) if x.shape[1] > 1 else nan
