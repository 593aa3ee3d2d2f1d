"""Moving modalities as wholes: along the gap until it has a chosen size, or onto one centre (Liang et al. 2022, sec. 4)."""

from collections.abc import Callable
from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthgap.catalogue import Method, Option

POSTHOC = [
    Method(name="centring", paper="Liang et al. 2022"),
    Method(
        name="translation",
        paper="Liang et al. 2022",
        options={
            "gap": Option(
                0.0, "the mean distance between modalities' means that is forced; 0 closes the gap", low=0, high=10
            ),
        },
    ),
]

Maps = dict[str, Callable[[Tensor], Tensor]]


def translation(embeddings: dict[str, Tensor], *, gap: float) -> Maps:
    """Each modality moved along the line from the centre of all to its own mean, then brought back to length 1.

    embeddings: {modality: unit-norm [N, D]}. gap: the mean distance between modalities' means before lengths are brought
    back, ≥ 0; 0 closes the gap, its own size changes nothing. Modalities without any gap stay where they are.
    """
    means = {name: x.mean(0) for name, x in embeddings.items()}
    centre = torch.stack(list(means.values())).mean(0)
    now = torch.stack([(x - y).norm() for x, y in combinations(means.values(), 2)]).mean()
    further = gap / now - 1 if now > 0 else torch.zeros(())
    return {name: _moved_by(further * (mean - centre)) for name, mean in means.items()}


def centring(embeddings: dict[str, Tensor]) -> Maps:
    """Each modality's mean taken off, then brought back to length 1. embeddings: {modality: unit-norm [N, D]}."""
    return {name: _moved_by(-x.mean(0)) for name, x in embeddings.items()}


def _moved_by(shift: Tensor) -> Callable[[Tensor], Tensor]:
    return lambda x: normalize(x + shift, dim=1)
