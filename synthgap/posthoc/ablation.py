"""Embeddings without some dimensions: those that hold the modality gap, or random ones (Schrodi et al. 2025, fig. 4c)."""

from itertools import combinations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from data_gen.errors import unknown
from data_gen.seeds import generator
from synthgap.catalogue import Method, Option
from synthgap.metrics.dimensions import falling
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
ORDERS = POSTHOC.options["order"].choices


def ablation(embeddings: dict[str, Tensor], *, dimensions: int, order: str = "gap", seed: int = 0) -> Maps:
    """Some dimensions set to 0, then lengths brought back to 1 (fig. 4c). embeddings: {modality: unit-norm [N, D]}.

    dimensions: how many. order: "gap" takes those in which the modalities' means differ most, by the mean |difference|
    over pairs of modalities in these untouched embeddings; "random" is the placebo, and takes the first of an order that
    `seed` draws. Either way fewer dimensions are a subset of more. A row with nothing elsewhere becomes 0, not nan.
    Raises InputError for an unknown order, or unless dimensions is in 0 … D − 1.
    """
    ranked = in_order(embeddings, order, seed)
    if not 0 <= dimensions < len(ranked):
        raise InputError(
            f"ablation: dimensions={dimensions} must be in 0 … {len(ranked) - 1} to leave one of {len(ranked)}"
        )
    return {name: lambda x: without(x, ranked[:dimensions]) for name in embeddings}


def in_order(embeddings: dict[str, Tensor], order: str, seed: int = 0) -> list[int]:
    """All dimensions as they are taken away, the first first: see `ablation`."""
    if order not in ORDERS:
        raise unknown("order of ablation", order, ORDERS)
    if order == "gap":
        means = [x.mean(0) for x in embeddings.values()]
        return falling(torch.stack([(x - y).abs() for x, y in combinations(means, 2)]).mean(0))
    return generator(seed, "ablation").permutation(next(iter(embeddings.values())).shape[1]).tolist()


def without(x: Tensor, dimensions: list[int]) -> Tensor:
    """x with these dimensions set to 0, rows brought back to length 1; a row with nothing elsewhere becomes 0."""
    kept = torch.ones(x.shape[1])
    kept[dimensions] = 0
    return normalize(x * kept.to(x), dim=1)
