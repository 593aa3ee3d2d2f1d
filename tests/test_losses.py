"""Losses on vectors at known angles, against explicit loops, an independent implementation, and finite differences."""

from math import exp, log

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from torch.nn.functional import normalize

from synthgap.losses import LOSSES, clip


def pairs(n: int = 7, d: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    g = torch.Generator().manual_seed(0)
    return tuple(normalize(torch.randn(n, d, generator=g, dtype=torch.float64), dim=1) for _ in range(2))


def test_clip_at_known_angles():
    x = torch.eye(2)
    assert float(clip(x, x, 1.0)) == pytest.approx(log(1 + exp(-1)))
    assert float(clip(x, -x, 1.0)) == pytest.approx(log(1 + exp(1)))
    same = torch.tensor([[1.0, 0.0]]).repeat(8, 1)
    assert float(clip(same, same, 100.0)) == pytest.approx(log(8))  # nothing to tell them apart by: chance


def test_clip_is_its_double_sum():
    x, y = pairs()
    logits = 3 * (x @ y.T).numpy()
    rows = [logsumexp(logits[i]) - logits[i, i] for i in range(7)]
    columns = [logsumexp(logits[:, i]) - logits[i, i] for i in range(7)]
    assert float(clip(x, y, 3.0)) == pytest.approx((np.mean(rows) + np.mean(columns)) / 2)
    assert float(clip(x, y, 3.0)) == pytest.approx(float(clip(y, x, 3.0)))


@pytest.mark.parametrize("name", LOSSES)
def test_gradients_are_finite_differences(name):
    x, y = (z.requires_grad_() for z in pairs())
    scale = torch.tensor(3.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LOSSES[name], (x, y, scale))
