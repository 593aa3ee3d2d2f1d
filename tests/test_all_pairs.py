"""Sums over all pairs in tiles, against matrices of all pairs."""

import pytest
import torch
from torch.nn.functional import softplus

from synthgap import all_pairs

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
