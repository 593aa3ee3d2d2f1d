"""Sums over all pairs against matrices of all pairs, and L-BFGS where the lowest point is known."""

import pytest
import torch
from torch.nn.functional import softplus

from synthgap import all_pairs
from synthgap.lbfgs import descend

SIZES = (5, 11)  # of which tiles of 4 and 7 do not make a whole


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(all_pairs, "ROWS", 4)
    monkeypatch.setattr(all_pairs, "COLUMNS", 7)


def rows(n, seed=0):
    """[n, 3] with a gradient, and n probabilities."""
    chance = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 3, generator=chance, dtype=torch.float64)
    return x.requires_grad_(), torch.rand(n, generator=chance, dtype=torch.float64) + 0.1


def check(sum_, dense, *given):
    """A sum, its gradient, and that of something that is not linear in it, against autograd of the whole matrix."""
    for end in (sum, lambda values: sum(value.square().sum() for value in values)):
        found, expected = ((x if isinstance(x, tuple) else (x,)) for x in (sum_(*given), dense(*given)))
        for x, y in zip(found, expected, strict=True):
            torch.testing.assert_close(x, y)
        if found[0].ndim == 0 or end is not sum:
            free = [x for x in given if torch.is_tensor(x) and x.requires_grad]
            for x, y in zip(*(torch.autograd.grad(end(z), free) for z in (found, expected)), strict=True):
                torch.testing.assert_close(x, y)


@pytest.mark.parametrize("far", [1.0, 30.0])
def test_logarithms_of_means_do_not_overflow(far):
    (a, p), (b, q) = rows(SIZES[0]), rows(SIZES[1], 1)

    def dense(a, b, p, q):
        logits = far * a @ b.T
        return (logits + q.log()).logsumexp(1), (logits + p.log()[:, None]).logsumexp(0)

    check(lambda a, b, p, q: all_pairs.log_means(far * a, b, p, q), dense, a, b, p, q)


def test_a_mean_of_softplus():
    (a, p), (b, q) = rows(SIZES[1]), rows(SIZES[0], 1)
    check(all_pairs.mean_softplus, lambda a, b, p, q: p @ softplus(a @ b.T) @ q, a, b, p, q)


@pytest.mark.parametrize("n", [1, 4, 7, 11, 30])
def test_a_mean_of_gaussians_computes_each_pair_once(n):
    x, p = rows(n)

    def dense(x, p, sharpness):
        return p @ (-sharpness * (x[:, None] - x).square().sum(2)).exp() @ p

    check(all_pairs.mean_gaussian, dense, x, p, 0.7)


def test_a_bowl_of_n_dimensions_takes_few_steps():
    x = torch.zeros(6, dtype=torch.float64, requires_grad=True)
    curvature, target = torch.logspace(-2, 2, 6).double(), torch.arange(6).double()
    lowest = descend(lambda: (curvature * (x - target).square()).sum() + 5, [x], steps=60)
    assert lowest == pytest.approx(5) and x.detach().numpy() == pytest.approx(target.numpy(), abs=1e-4)


def test_a_bent_valley_is_followed_to_its_end():
    """Rosenbrock's function, of two tensors; a third that it does not use stays."""
    x, y = (torch.tensor([v], dtype=torch.float64, requires_grad=True) for v in (-1.2, 1.0))
    idle, asked = torch.ones(2, 2, dtype=torch.float64, requires_grad=True), []

    def loss():
        asked.append(1)
        return ((1 - x) ** 2 + 100 * (y - x**2) ** 2).sum()

    assert descend(loss, [x, y, idle], steps=100) < 1e-10
    assert (x.item(), y.item()) == pytest.approx((1, 1), abs=1e-5) and (idle == 1).all()
    assert len(asked) < 70, "scipy needs 45"


def test_it_stops_where_steps_gain_little_or_nothing_and_at_the_last_step():
    def steps_taken(tolerance, steps):
        x, seen = torch.ones(2, dtype=torch.float64, requires_grad=True), []

        def loss():
            seen.append(x.detach().clone())
            return (torch.tensor([1.0, 50.0]) * x.square()).square().sum()

        reached = descend(loss, [x], steps=steps, tolerance=tolerance)
        assert float(loss().detach()) == reached, "the tensors are left where the loss was lowest"
        return len(seen)

    assert steps_taken(0.0, 2) < steps_taken(1e-2, 50) < steps_taken(1e-12, 50) < 100
    x = torch.zeros(2, requires_grad=True)
    assert descend(lambda: x.square().sum(), [x], steps=9) == 0 and (x == 0).all(), "at the lowest point"
