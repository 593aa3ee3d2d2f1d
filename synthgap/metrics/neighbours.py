"""Do two modalities rank the other classes alike? (Schrodi et al. 2025, Tab. 2.)

x, y: one prototype a class and modality, [C, D], row c of both the same class, unit-norm; C ≥ 3. Only the order of inner
products counts. The published code takes the mean cosine of all images of two classes: unnormalised class means give that.
"""

from collections.abc import Callable
from math import nan

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from data_gen.seeds import generator
from synthgap.metric_names import Metric
from synthgap.metrics.embedded import Embedded

THREE = "images show fewer than three of the values, or a value has no one-word caption with a vector (images=free)"

METRICS = (
    Metric(
        "neighbour_distance", "object or words", "do values have the same neighbours in image and text? 0 if so", THREE,
        low=0, paper="Schrodi et al. 2025", by=lambda seen, of: _of_prototypes(seen, of, neighbour_distance),
    ),
    Metric(
        "neighbour_distance_random", "object or words", "the same with texts shuffled", THREE, low=0,
        by=lambda seen, of: _of_prototypes(seen, of, random_neighbour_distance),
    ),
    Metric(
        "neighbour_distance_published", "object or words", "the same as the published code counts", THREE, low=0,
        by=lambda seen, of: _of_prototypes(seen, of, published_neighbour_distance),
    ),
)  # fmt: skip


def neighbour_distance(x: Tensor, y: Tensor) -> float:
    """Normalised Kendall distance of two modalities' rankings of the *other* classes, mean over classes, in [0, 1].

    It is the share of pairs of other classes of which one modality finds the first nearer and the other the second; a
    pair that either finds equally near counts one half. 0: alike, 1: reversed, 0.5: as unlike as chance
    (`random_neighbour_distance`). O(C³) time, O(C²) memory. Raises InputError for classes that differ or are fewer than 3.
    """
    a, b = _similarities(x, y)
    others = ~torch.eye(len(a), dtype=torch.bool, device=a.device)
    return _mean_distance([(a[c, others[c]], b[c, others[c]]) for c in range(len(a))])


def published_neighbour_distance(x: Tensor, y: Tensor) -> float:
    """The same number as the published code computes it, in [0, 1]; for comparison with published numbers only.

    It hands rank vectors to a distance of orderings, and so compares the inverses of the two rankings: two classes that
    swap neighbouring ranks count by how far apart their *numbers* are, and renumbering classes changes the result. Each
    class is its own neighbour, too, and ties go by class number. Raises InputError as `neighbour_distance` does.
    """
    a, b = (s.argsort(dim=1, stable=True).double() for s in _similarities(x, y))
    return _mean_distance(list(zip(a, b, strict=True)))


def random_neighbour_distance(x: Tensor, y: Tensor, seed: int = 0) -> float:
    """`neighbour_distance` with the classes of y shuffled, near 0.5: what rankings of no common order would score."""
    _check(x, y)
    return neighbour_distance(x, y[torch.from_numpy(generator(seed, "neighbours").permutation(len(y))).to(y.device)])


def _check(x: Tensor, y: Tensor) -> None:
    if len(x) != len(y) or len(x) < 3:
        raise InputError(f"rankings of neighbours need the same 3 or more classes twice, got {len(x)} and {len(y)}")


def _similarities(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    _check(x, y)
    return x.double() @ x.double().T, y.double() @ y.double().T


def _mean_distance(scores: list[tuple[Tensor, Tensor]]) -> float:
    """Mean Kendall distance of pairs of score vectors [n]; ties count one half."""
    return sum(_kendall(a, b) for a, b in scores) / len(scores)


def _kendall(a: Tensor, b: Tensor) -> float:
    # discordant + tied/2 = (all − (concordant − discordant))/2, and a pair's product of signs is 1, −1 or, tied, 0
    n = len(a)
    agreement = ((a[:, None] - a).sign() * (b[:, None] - b).sign()).sum()
    return float(1 - agreement / (n * (n - 1))) / 2


def _of_prototypes(seen: Embedded, of: str, distance: Callable[[Tensor, Tensor], float]) -> float:
    """Between images and captions, of the values of one factor or, of `words`, of all that images are about."""
    x, y = seen.once(_prototypes, of)
    return distance(x, y) if len(x) > 2 and y.isfinite().all() else nan


def _prototypes(seen: Embedded, of: str) -> tuple[Tensor, Tensor]:
    """Of the values that images show: the means of these images, and the one-word captions."""
    factors = seen.about("image")[1].names if of == "words" else [of]
    x = torch.cat([_means(seen, factor) for factor in factors])
    y = torch.cat([seen.prompts[seen.words_of(factor)] for factor in factors])
    there = x.isfinite().all(1)
    return x[there], y[there]


def _means(seen: Embedded, factor: str) -> Tensor:
    """Unit-norm mean of the images of each value, [values, D]; nan where there are none."""
    x, values = seen.z["image"], len(seen.world.space[factor])
    codes = torch.from_numpy(seen.values(factor)).to(x.device)
    sums = x.new_zeros(values, x.shape[1]).index_add_(0, codes, x)
    return torch.where(torch.bincount(codes, minlength=values)[:, None] > 0, normalize(sums, dim=1), torch.nan)
