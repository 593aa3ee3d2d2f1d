"""The ideal space: what embeddings are best for a loss, where each image and each caption may have any vector at all.

There is no encoder and no sample here. Every combination of factors that images can show has a vector on the sphere, and so
has every caption (equal captions are one), as many as a factor space and a caption policy make. Their joint distribution is
known, so that the loss is that of the whole population, exactly:

    clip     L = −E_{z,c} s·u_z·w_c + ½ E_z log E_{c'} e^{s·u_z·w_c'} + ½ E_c log E_{z'} e^{s·u_z'·w_c}
             with z' and c' drawn from their marginals: InfoNCE less log B, as the batch B grows without limit
    siglip   L = E_{z,c} softplus(−s·u_z·w_c − b) + (B − 1) E_z E_{c'} softplus(s·u_z·w_c' + b)
             the mean of the loss in batches of B, whose wrong pairs are independent
    modgap   L = contrast·clip + align·E_{z,c} ‖u_z − w_c‖² + uniform·log E_{z,c} E_{z',c'} e^{−2‖μ_zc − μ_z'c'‖²}
             with μ_zc = (u_z + w_c)/2, and (z', c') another pair: the batch's loss less (contrast + uniform) log B, as B grows
             without limit

The best of all critics reaches −I(image; caption) with clip. With siglip its logits are log p(z,c)/(p(z)p(c)(B − 1)) (Poole et
al. 2019). What vectors on a sphere of D dimensions with one scale s lose against it is their *regret*. With modgap the regret
is over the sum of what each term can reach alone: 0 for align, and for uniform its value for centroids that are spread evenly
over the sphere (Wang & Isola 2020). No space may reach all of them. What the loss *leaves open* is how far a measure can be
pulled at a price of so many nats: spaces that the loss hardly tells apart.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from math import ceil, inf, log

import numpy as np
import torch
from scipy.special import hyp0f1
from torch import Generator, Tensor
from torch.nn.functional import normalize, softplus

from data_gen import FactorSpace, InputError
from data_gen.captions import Policy
from data_gen.errors import unknown
from synthgap.all_pairs import log_means, mean_gaussian, mean_softplus

Measure = Callable[[Tensor, Tensor], Tensor]
MOST_PAIRS = 2**24  # combinations × captions, of which all logits are computed
MOST_CENTROIDS = 2**15  # pairs of an image and a caption of it, of which modgap compares every two
COLDEST = 100.0  # the scale that a learnable temperature is clamped at, as CLIP's
TOLERANCE = 2e-6  # nats that a step has to gain
EXPLORED = 0.1  # of the steps: after so many, all starts but the best are left
PULLS = 3  # of a measure, each fitted to the price of the one before
HELD = 10.0  # how hard the loss is held at the price


@dataclass(frozen=True)
class Population:
    """All images and captions of a world, and how probable they are together.

    shown: what each image shows, value indices [Z, F], 0 where a factor is hidden. said: what each caption says, [C, F], 1 +
    the value where it names a factor, else 0. joint: p(z, c), sparse float64 [Z, C]; image [Z] and caption [C]: its marginals,
    float64. values: {factor: (p(value, image) [V, Z], p(value, caption) [V, C])}, float32.
    """

    shown: np.ndarray
    said: np.ndarray
    joint: Tensor
    image: Tensor
    caption: Tensor
    values: Mapping[str, tuple[Tensor, Tensor]]

    @cached_property
    def single(self) -> tuple[Tensor, Tensor, Tensor]:
        """joint, image and caption in float32, in which losses are computed."""
        return self.joint.float(), self.image.float(), self.caption.float()


@dataclass(frozen=True)
class Ideal:
    """image: unit-norm [Z, D]; text: [C, D]; float32. scale: 1/τ. bias: siglip's. loss: its name, and settings: as of `ideal`.

    value: of the loss, and regret, both in nats. starts: the regret of each start after the steps that all are given.
    """

    image: Tensor
    text: Tensor
    scale: float
    bias: float
    loss: str
    settings: Mapping[str, float]
    value: float
    regret: float
    starts: tuple[float, ...]


def population(space: FactorSpace, policy: Policy, visible=None) -> Population:
    """The population of a factor space and a caption policy. visible: the factors that images show (all), names or a mask.

    The order of words does not count. Raises InputError if there are more than 2^24 pairs of an image and a caption.
    """
    seen, distribution = space.mask(space.names if visible is None else visible), space.distribution.ravel()
    codes, p = space.enumerate()[distribution > 0], distribution[distribution > 0]
    _check_size(len(codes), len(policy.sets), "sets of named factors")
    shown, image = np.unique(codes * seen, axis=0, return_inverse=True)
    said = np.concatenate([np.where(named, 1 + codes, 0) for named in policy.sets])
    said, caption = np.unique(said, axis=0, return_inverse=True)
    _check_size(len(shown), len(said), "captions")
    weight = torch.from_numpy(np.outer(policy.probabilities, p).ravel())
    of = [torch.from_numpy(np.tile(image.reshape(-1), len(policy.sets))), torch.from_numpy(caption.reshape(-1))]
    sizes = len(shown), len(said)
    values = {}
    for f, factor in enumerate(space.factors):
        value = torch.from_numpy(np.tile(codes[:, f], len(policy.sets)))
        values[factor.name] = tuple(
            torch.bincount(value * n + rows, weight, minlength=len(factor) * n).view(-1, n).float()
            for rows, n in zip(of, sizes, strict=True)
        )
    joint = torch.sparse_coo_tensor(torch.stack(of), weight, sizes, check_invariants=True).coalesce()
    marginals = (torch.bincount(rows, weight, minlength=n) for rows, n in zip(of, sizes, strict=True))
    return Population(shown, said, joint, *marginals, values)


def ideal(
    population: Population,
    *,
    loss: str = "clip",
    temperature: float | None = 0.07,
    begin: float = 0.07,
    dimensions: int = 64,
    starts: int = 3,
    steps: int = 100,
    seed: int = 0,
    **settings: float,
) -> Ideal:
    """The space of the lowest loss that is found from several random starts, by L-BFGS.

    loss: clip, siglip, whose bias is learnt, or modgap. temperature: τ, at least 0.01; None: it is learnt, from `begin` on.
    steps: at most; all starts take a tenth of them, then the best goes on. seed: no two seeds have a start in common. settings:
    of the loss, as in `DEFAULTS`: siglip's batch; modgap's weights and whether centroids are normalised, as of
    `synthgap.losses.modgap`. Raises InputError for what is out of range, and for modgap with more than 2^15 possible pairs.
    """
    _check(loss=loss, temperature=temperature, dimensions=dimensions, starts=starts, steps=steps)
    settings = settings_of(loss, settings, population)
    value, first = partial(_LOSSES[loss], population, **settings), ceil(EXPLORED * steps)
    floor = _FLOORS[loss](population, dimensions, **settings)
    found = []
    for start in range(starts):
        chance = Generator().manual_seed(seed * starts + start)
        free = _start(population, dimensions, loss, temperature, begin, settings, chance)
        found.append((_descend(partial(value, free), free, first), free))
    best, free = min(found, key=lambda one: one[0])
    if steps > first:
        best = _descend(partial(value, free), free, steps - first)
    with torch.no_grad():
        image, text = free.vectors(population)
        scale, bias = float(free.scale()), float(free.bias)
    return Ideal(image, text, scale, bias, loss, settings, best, best - floor, tuple(one - floor for one, _ in found))


def left_open(
    population: Population, found: Ideal, measure: Measure, within: float, steps: int = 100
) -> tuple[float, float]:
    """The least and the largest value of a measure that is found among spaces within so many nats of the ideal one.

    found: of `ideal`; its scale and bias are kept. measure: (image [Z, D], text [C, D]) → scalar, as `measures` has them. Each
    end is a space that was found, so the true range is at least as wide. L-BFGS starts from the ideal space. It descends the
    loss less a multiple of the measure, which is fitted to the price; then the measure alone, with the loss held at the
    price. steps: at most, for an end. Raises InputError unless within > 0.
    """
    _check(within=within, steps=steps)
    return _end(population, found, measure, within, -1, steps), _end(population, found, measure, within, 1, steps)


def _end(population: Population, found: Ideal, measure: Measure, within: float, sign: int, steps: int) -> float:
    """The end of the range on the side of sign."""
    free = _Free(torch.cat([found.image, found.text]), torch.tensor(found.scale).log(), torch.tensor(found.bias))
    free.points.mul_(_masses(population).sqrt()[:, None]).requires_grad_()
    reached, paid, pull = [float(measure(found.image, found.text))], [0.0], 2.0

    def terms() -> tuple[Tensor, Tensor]:
        price = (_LOSSES[found.loss](population, free, **found.settings) - found.value) / within
        value = measure(*free.vectors(population))
        paid.append(float(price.detach()))
        if paid[-1] <= 1:
            reached.append(float(value.detach()))
        return price, value

    def against_a_pull() -> Tensor:
        price, value = terms()
        return price - pull * sign * value

    def held_at_the_price() -> Tensor:
        price, value = terms()
        return HELD * (price - 0.98).clamp(min=0).square() - sign * value

    for _ in range(PULLS):
        _descend(against_a_pull, free, ceil(steps / 5), tolerance=0.0)
        pull *= min(max(0.9 / max(paid[-1], 1e-3), 0.04), 25) ** 0.5  # a price rises about as the square of the pull
    _descend(held_at_the_price, free, ceil(2 * steps / 5), tolerance=0.0)
    return sign * max(sign * value for value in reached)


def measures(population: Population, object: str = "") -> dict[str, Measure]:
    """name → (image [Z, D], text [C, D]) → its value in the population, a scalar with a gradient.

    l2m, rmg, spread and mean_cosine as in `synthgap.metrics`, in the limit of many samples; moad_image and moad_text too, if
    the object is given and there is another factor.
    """
    joint, p, q = population.single

    def spread(u: Tensor, w: Tensor) -> Tensor:
        return 1 - ((p @ u).square().sum() + (q @ w).square().sum()) / 2

    def rmg(u: Tensor, w: Tensor) -> Tensor:
        matching = 1 - _mean_cosine(joint, u, w)
        return matching / (matching + spread(u, w))

    found = {
        "l2m": lambda u, w: (p @ u - q @ w).norm(),
        "rmg": rmg,
        "spread": spread,
        "mean_cosine": lambda u, w: torch.cosine_similarity(p @ u, q @ w, dim=0),
    }
    if object and len(population.values) > 1:
        at = list(population.values).index(object)
        found["moad_image"] = lambda u, w: _moad([of[0] for of in population.values.values()], u, at)
        found["moad_text"] = lambda u, w: _moad([of[1] for of in population.values.values()], w, at)
    return found


def _moad(values: list[Tensor], x: Tensor, object: int) -> Tensor:
    """`synthgap.metrics.moad`, of pairs of independent samples. values: of each factor, p(value, row of x) [V, N]."""
    separations = []
    for joint in values:
        sums, same_pairs = joint @ x, joint.sum(1).square().sum()
        same, every = sums.square().sum(), sums.sum(0).square().sum()
        separations.append(same / same_pairs - (every - same) / (1 - same_pairs))
    others = [one for f, one in enumerate(separations) if f != object]
    return separations[object] - torch.stack(others).mean()


# --- what is free, and how it descends -----------------------------------------------------------------------------


@dataclass
class _Free:
    """points: [Z + C, D], the directions of which are the vectors. What has a gradient is free."""

    points: Tensor
    log_scale: Tensor
    bias: Tensor

    def vectors(self, population: Population) -> tuple[Tensor, Tensor]:
        return normalize(self.points, dim=1).split([len(population.image), len(population.caption)])

    def scale(self) -> Tensor:
        return self.log_scale.exp().clamp(max=COLDEST)

    def learnt(self) -> list[Tensor]:
        return [x for x in (self.points, self.log_scale, self.bias) if x.requires_grad]


def _start(
    population: Population,
    dimensions: int,
    loss: str,
    temperature: float | None,
    begin: float,
    settings: Mapping[str, float],
    chance: Generator,
) -> _Free:
    """Random directions. A point is as long as the root of its probability: then all of them turn at one rate."""
    masses = _masses(population)
    points = normalize(torch.randn(len(masses), dimensions, generator=chance), dim=1) * masses.sqrt()[:, None]
    log_scale = torch.tensor(-log(temperature or begin), requires_grad=temperature is None)
    siglip = loss == "siglip"
    bias = torch.tensor(-log(settings["batch"] - 1) if siglip else 0.0, requires_grad=siglip)
    return _Free(points.requires_grad_(), log_scale, bias)


def _masses(population: Population) -> Tensor:
    return torch.cat(population.single[1:])


def _descend(loss: Callable[[], Tensor], free: _Free, steps: int, tolerance: float = TOLERANCE) -> float:
    """So many steps of L-BFGS at most, in place, until one gains less than the tolerance; the loss that is reached."""
    optimiser = torch.optim.LBFGS(
        free.learnt(), max_iter=steps, max_eval=2 * steps, line_search_fn="strong_wolfe", history_size=20,
        tolerance_grad=0, tolerance_change=tolerance,
    )  # fmt: skip

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss()
        value.backward()
        return value

    optimiser.step(closure)
    with torch.no_grad():
        return float(loss())


# --- losses of the population --------------------------------------------------------------------------------------


def _clip(population: Population, free: _Free) -> Tensor:
    (joint, p, q), (u, w), scale = population.single, free.vectors(population), free.scale()
    among_captions, among_images = log_means(scale * u, w, p, q)
    return (p @ among_captions + q @ among_images) / 2 - scale * _mean_cosine(joint, u, w)


def _siglip(population: Population, free: _Free, *, batch: int) -> Tensor:
    (joint, p, q), (u, w), scale = population.single, free.vectors(population), free.scale()
    z, c = joint.indices()
    true = scale * (u.index_select(0, z) * w.index_select(0, c)).sum(1) + free.bias
    with_bias = torch.cat([scale * u, free.bias.expand(len(u), 1)], dim=1)
    wrong = mean_softplus(with_bias, torch.cat([w, torch.ones_like(w[:, :1])], dim=1), p, q)
    return joint.values() @ softplus(-true) + (batch - 1) * wrong


def _modgap(
    population: Population, free: _Free, *, contrast: float, align: float, uniform: float, normalised: bool
) -> Tensor:
    joint, (u, w) = population.single[0], free.vectors(population)
    loss = align * (2 - 2 * _mean_cosine(joint, u, w))
    if contrast:
        loss = loss + contrast * _clip(population, free)
    if uniform:
        z, c = joint.indices()
        centroid = (u.index_select(0, z) + w.index_select(0, c)) / 2
        centroid = normalize(centroid, dim=1) if normalised else centroid
        loss = loss + uniform * mean_gaussian(centroid, joint.values(), 2.0).log()
    return loss


def _mean_cosine(joint: Tensor, u: Tensor, w: Tensor) -> Tensor:
    return (u * torch.sparse.mm(joint, w)).sum()


def _clip_floor(population: Population, dimensions: int) -> float:
    return -float(population.joint.values() @ _pointwise(population))


def _siglip_floor(population: Population, dimensions: int, *, batch: int) -> float:
    logits, (z, c) = _pointwise(population) - log(batch - 1), population.joint.indices()
    wrong = (population.image[z] * population.caption[c]) @ softplus(logits)
    return float(population.joint.values() @ softplus(-logits) + (batch - 1) * wrong)


def _modgap_floor(
    population: Population, dimensions: int, *, contrast: float, align: float, uniform: float, normalised: bool
) -> float:
    # E e^{−2‖μ − μ'‖²} of points that are spread evenly over the sphere: e^{−4} ₀F₁(; D/2; 4). In a ball of 1 or 2 dimensions
    # points inside are better than that; no better than in 3.
    spread = log(hyp0f1((dimensions if normalised else max(dimensions, 3)) / 2, 4)) - 4
    return contrast * _clip_floor(population, dimensions) + uniform * spread


def _pointwise(population: Population) -> Tensor:
    """log p(z,c)/(p(z)p(c)) of each possible pair, in nats, in the order of the joint's values."""
    z, c = population.joint.indices()
    return (population.joint.values() / (population.image[z] * population.caption[c])).log()


_LOSSES = {"clip": _clip, "siglip": _siglip, "modgap": _modgap}
_FLOORS = {"clip": _clip_floor, "siglip": _siglip_floor, "modgap": _modgap_floor}
#: Settings of each loss, and what they are unless given.
DEFAULTS: dict[str, dict[str, float]] = {
    "clip": {},
    "siglip": {"batch": 512},
    "modgap": {"contrast": 1.0, "align": 1.0, "uniform": 1.0, "normalised": False},
}


def settings_of(loss: str, given: Mapping[str, float], population: Population) -> dict[str, float]:
    """All settings of a loss, with those that are given. Raises InputError for what is out of range, and for a population that
    is too large for the loss."""
    for name, value in given.items():
        if name not in DEFAULTS[loss]:
            raise unknown(f"setting of the ideal space's loss {loss}", name, DEFAULTS[loss])
        least = 2 if name == "batch" else 0
        if not least <= value < inf:
            raise InputError(f"{name}={value}: an ideal space needs at least {least}")
    settings = DEFAULTS[loss] | dict(given)
    if loss == "modgap":
        if not any(settings[name] for name in ("contrast", "align", "uniform")):
            raise InputError("loss=modgap with all its weights 0: there is nothing to descend")
        if settings["uniform"] and (n := len(population.joint.values())) > MOST_CENTROIDS:
            raise InputError(
                f"modgap's uniformity compares every two pairs of an image and its caption, at most {MOST_CENTROIDS:,} pairs; "
                f"here are {n:,}"
            )
    return settings


def _check_size(images: int, captions: int, what: str) -> None:
    if images * captions > MOST_PAIRS:
        pairs = f"{images:,} combinations × {captions:,} {what}"
        raise InputError(f"an ideal space computes every pair, at most {MOST_PAIRS:,}; here are {pairs}")


def _check(**given) -> None:
    if given.get("loss", "clip") not in _LOSSES:
        raise unknown("loss of an ideal space", given["loss"], _LOSSES)
    for name in ("dimensions", "starts", "steps"):
        if given.get(name, 1) < 1:
            raise InputError(f"{name}={given[name]}: an ideal space needs at least 1")
    temperature, within = given.get("temperature"), given.get("within", 1.0)
    if temperature is not None and not 1 / COLDEST <= temperature < inf:
        raise InputError(f"temperature={temperature}: that of an ideal space must be at least {1 / COLDEST}")
    if not 0 < within < inf:
        raise InputError(f"within={within}: it must be above 0 nats")
