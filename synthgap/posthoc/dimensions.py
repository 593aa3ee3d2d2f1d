"""Which dimensions hold the modality gap, and what is left without them (Schrodi et al. 2025, fig. 4).

In trained models a few dimensions hold most of ‖mean x − mean y‖², and two are enough to tell the modalities apart.
x, y: unit-norm rows [N, D], row i of both a pair.
"""

from itertools import combinations

import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from data_gen.seeds import generator
from synthgap.catalogue import Method, Option
from synthgap.posthoc.translation import Maps

POSTHOC = Method(
    name="ablation",
    paper="Schrodi et al. 2025",
    options={
        "dimensions": Option(1, "how many are set to 0"),
        "order": Option(
            "gap", "those with the largest difference of means first, or random", choices=("gap", "random")
        ),
        "seed": Option(0, "of the random order", low=0, high=2**63 - 1),
    },
)


def mean_difference(x: Tensor, y: Tensor) -> Tensor:
    """mean x − mean y, signed, [D], each entry in [−2, 2] (fig. 4a shows its absolute values, sorted)."""
    return x.mean(0) - y.mean(0)


def gap_share(x: Tensor, y: Tensor, k: int = 1) -> float:
    """Share of ‖mean x − mean y‖² in the k dimensions that hold most of it, in [k/D, 1]; nan without any gap.

    k/D if all dimensions hold as much. Raises InputError unless k is in 1 … D.
    """
    if not 1 <= k <= x.shape[1]:
        raise InputError(f"gap_share: k={k} must be in 1 … {x.shape[1]}, the number of dimensions")
    held = mean_difference(x, y).double().square().sort(descending=True).values
    return float(held[:k].sum() / held.sum())


def largest_means(x: Tensor, y: Tensor) -> tuple[int, int]:
    """The dimension of the largest mean in x, and that in y, signed as in the published code (fig. 4b); D ≥ 2.

    If they are one, it is y's next largest, where the published code shows the same dimension twice.
    """
    of_x, of_y = (_falling(z.mean(0)) for z in (x, y))
    return of_x[0], of_y[0] if of_y[0] != of_x[0] else of_y[1]


def largest_differences(x: Tensor, y: Tensor) -> tuple[int, int]:
    """The two dimensions in which the means differ most, the larger first (fig. 12). D ≥ 2."""
    first, second, *_ = _falling(mean_difference(x, y).abs())
    return first, second


def separability(x: Tensor, y: Tensor, dimensions: tuple[int, int]) -> float:
    """How well a line in the plane of two dimensions tells x from y: accuracy in [0, 1], 0.5 is chance. N ≥ 2.

    The line is that of a logistic regression, fitted on the even rows of both, asked of the odd ones. Dimensions are
    scaled to unit variance, so that the penalty (C = 1000) is faint whatever the length of the entries.
    """
    even, odd = (torch.cat([z[start::2][:, list(dimensions)] for z in (x, y)]).cpu().numpy() for start in (0, 1))
    is_y = [torch.arange(2).repeat_interleave(len(rows) // 2).numpy() for rows in (even, odd)]
    line = make_pipeline(StandardScaler(), LogisticRegression(C=1000, max_iter=1000)).fit(even, is_y[0])
    return float(line.score(odd, is_y[1]))


def ablation(embeddings: dict[str, Tensor], *, dimensions: int, order: str = "gap", seed: int = 0) -> Maps:
    """Some dimensions set to 0, then lengths brought back to 1 (fig. 4c). embeddings: {modality: unit-norm [N, D]}.

    dimensions: how many. order: "gap" takes those in which the modalities' means differ most, by the mean |difference|
    over pairs of modalities in these untouched embeddings; "random" is the placebo, and takes the first of an order that
    `seed` draws. Either way fewer dimensions are a subset of more. A row with nothing elsewhere becomes 0, not nan.
    Raises InputError unless dimensions is in 0 … D − 1.
    """
    width = next(iter(embeddings.values())).shape[1]
    if not 0 <= dimensions < width:
        raise InputError(f"ablation: dimensions={dimensions} must be in 0 … {width - 1} to leave one of {width}")
    if order == "gap":
        means = [x.mean(0) for x in embeddings.values()]
        ranked = _falling(torch.stack([(x - y).abs() for x, y in combinations(means, 2)]).mean(0))
    else:
        ranked = generator(seed, "ablation").permutation(width).tolist()
    kept = torch.ones(width)
    kept[ranked[:dimensions]] = 0
    return {name: lambda x: normalize(x * kept.to(x), dim=1) for name in embeddings}


def spectrum(x: Tensor) -> Tensor:
    """Singular values of x − mean x, falling, float64 [D]; over √N they are standard deviations along principal axes.

    x: [N, D]. Through the D × D covariance: O(N·D²), with row blocks for memory. What rounding alone would give counts as 0.
    """
    middle = sum(rows.double().sum(0) for rows in x.split(4096)) / len(x)
    scatter = sum(_gram(rows.double() - middle) for rows in x.split(4096))
    squares = torch.linalg.eigvalsh(scatter).flip(0).clamp(min=0)
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


def _falling(values: Tensor) -> list[int]:
    """The order of values, the largest first; equal ones as they stand."""
    return values.sort(descending=True, stable=True).indices.tolist()


def _gram(rows: Tensor) -> Tensor:
    return rows.T @ rows
