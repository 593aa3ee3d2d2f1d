"""Rankings of the other classes: against counting pairs, scipy, and the published code's own steps."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kendalltau
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.metrics.neighbours import neighbour_distance, published_neighbour_distance, random_neighbour_distance


def sphere(n: int, d: int = 8, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double(), dim=1)


def at(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees).double() * torch.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def near(x: torch.Tensor, noise: float, seed: int = 1) -> torch.Tensor:
    return normalize(x + noise * sphere(*x.shape, seed=seed), dim=1)


def test_distances_of_known_rankings():
    # from 0°, 10°, 30°, 70° every class ranks the others by angle
    x = at(0, 10, 30, 70)
    assert neighbour_distance(x, x) == 0
    assert neighbour_distance(x, at(100, 90, 70, 30)) == 0  # turned round and moved: the same angles
    # from x0: 1, 2, 3 against 3, 2, 1 (all 3 pairs); x1: 0, 2, 3 and 2, 3, 0 (2); x2: 1, 0, 3 and 3, 1, 0 (2);
    # x3: 2, 1, 0 and 2, 1, 0 (0)
    assert neighbour_distance(x, at(0, 100, 75, 65)) == pytest.approx((3 + 2 + 2 + 0) / 3 / 4)


def test_reversed_rankings_are_one_apart():
    similar = torch.eye(5).double() + 0.1 * sphere(5, 5) @ sphere(5, 5).T
    against = torch.eye(5).double() * 2 - similar
    x, y = (torch.linalg.cholesky(s) for s in (similar, against))
    assert neighbour_distance(x, y) == 1


def test_pairs_equally_near_count_one_half():
    x = torch.eye(4).double()  # every other class is equally near
    assert neighbour_distance(x, at(0, 10, 30, 70)) == neighbour_distance(x, x) == 0.5


@settings(deadline=None, max_examples=30)
@given(st.integers(3, 7), st.integers(0, 999))
def test_neighbour_distance_is_its_definition(c, seed):
    """Prototypes of small whole numbers, so that products are exact and many are tied."""
    x, y = torch.from_numpy(np.random.default_rng(seed).integers(-1, 2, (2, c, 3))).double()
    shares = []
    for i in range(c):
        a, b = x @ x[i], y @ y[i]
        pairs = list(combinations([j for j in range(c) if j != i], 2))
        signs = [float((a[j] - a[k]) * (b[j] - b[k])) for j, k in pairs]
        shares.append(sum(1.0 if s < 0 else 0.5 if s == 0 else 0.0 for s in signs) / len(pairs))
    assert neighbour_distance(x, y) == pytest.approx(np.mean(shares), abs=1e-12)


@pytest.mark.parametrize("noise", [0.1, 1.0, 10.0])
def test_without_ties_it_is_scipy_s(noise):
    x = sphere(30)
    y = near(x, noise)
    a, b = (x @ x.T).numpy(), (y @ y.T).numpy()
    taus = [kendalltau(np.delete(a[i], i), np.delete(b[i], i)).statistic for i in range(30)]
    assert neighbour_distance(x, y) == pytest.approx((1 - np.mean(taus)) / 2, abs=1e-12)


def published(x: torch.Tensor, y: torch.Tensor) -> float:
    """The published steps: ranks of all classes, ascending; then a distance that looks each *rank up as if it were a
    class in an ordering*."""
    found = []
    for i in range(len(x)):
        ranks = []
        for z in (x, y):
            order = sorted(range(len(z)), key=lambda j, z=z, i=i: float(z[i] @ z[j]))
            ranks.append([order.index(j) + 1 for j in range(len(z))])
        a, b = ranks
        pairs = list(combinations(range(1, len(x) + 1), 2))
        discordant = [(a.index(j) - a.index(k)) * (b.index(j) - b.index(k)) < 0 for j, k in pairs]
        found.append(np.mean(discordant))
    return float(np.mean(found))


@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_the_published_distance_is_its_steps(noise):
    x = sphere(20)
    y = near(x, noise)
    assert published_neighbour_distance(x, y) == pytest.approx(published(x, y), abs=1e-12)


def test_nearly_the_same_rankings_are_published_as_far_apart():
    x = sphere(100, 64)
    y = near(x, 0.03)
    true, as_published = neighbour_distance(x, y), published_neighbour_distance(x, y)
    assert true == pytest.approx(0.01, abs=0.005) and as_published > 10 * true
    order = torch.randperm(100, generator=torch.Generator().manual_seed(0))
    assert neighbour_distance(x[order], y[order]) == pytest.approx(true, abs=1e-12)  # numbers of classes mean nothing
    assert abs(published_neighbour_distance(x[order], y[order]) - as_published) > 1e-4


def test_by_chance_rankings_are_one_half_apart():
    x = sphere(60)
    y = near(x, 0.1)
    chance = [random_neighbour_distance(x, y, seed) for seed in range(5)]
    assert neighbour_distance(x, y) < 0.1 < 0.45 < min(chance) < max(chance) < 0.55
    assert len(set(chance)) == 5 and random_neighbour_distance(x, y, 0) == chance[0]
    assert neighbour_distance(x, sphere(60, seed=5)) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    "distance", [neighbour_distance, published_neighbour_distance, random_neighbour_distance], ids=lambda f: f.__name__
)
def test_rankings_need_the_same_three_classes(distance):
    for c_x, c_y in ((2, 2), (5, 4)):
        with pytest.raises(InputError, match=f"got {c_x} and {c_y}"):
            distance(sphere(c_x), sphere(c_y))
