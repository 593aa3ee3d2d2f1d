"""Inversion: inputs found for given embeddings, of encoders whose answer is known."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.posthoc.inversion import invert


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def onto_sphere(w: torch.Tensor):
    return lambda v: normalize(v @ w.T, dim=1)


def test_a_linear_encoder_is_inverted():
    targets = normalize(random(20, 6, seed=1), dim=1)
    encode, start = onto_sphere(random(6, 12, seed=2)), 0.1 * random(12, seed=3)
    found = invert(encode, start, targets)
    before = (encode(start.expand(20, 12)) * targets).sum(1)
    assert before.mean() < 0.5 < 0.99 < (found * targets).sum(1).min()
    torch.testing.assert_close(found.norm(dim=1), torch.ones(20).double())


def test_what_cannot_be_reached_is_approached():
    """The encoder reaches the plane of its first two axes only: the best it can is the target's part in it."""
    targets = normalize(random(10, 3, seed=1), dim=1)
    plane = torch.eye(3, 2, dtype=torch.float64)
    found = invert(onto_sphere(plane), random(2, seed=2), targets, steps=600, weight_decay=0.0)
    best = normalize(targets * torch.tensor([1.0, 1, 0]).double(), dim=1)
    assert ((found * best).sum(1) > 0.99).double().mean() >= 0.9


def test_rows_alone_and_together_are_the_same():
    inner, outer = random(5, 16, seed=3), random(16, 4, seed=4)
    to = lambda v: normalize((v @ inner).tanh() @ outer, dim=1)  # noqa: E731
    targets, start = normalize(random(7, 4, seed=1), dim=1), random(7, 5, seed=2)
    together = invert(to, start, targets, steps=40)
    alone = torch.cat([invert(to, start[i : i + 1], targets[i : i + 1], steps=40) for i in range(7)])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("weight_decay", [0.0, 0.01, 0.5])
def test_against_an_explicit_loop_of_adamw(weight_decay):
    w, start = random(3, 4, seed=1).numpy(), random(2, 4, seed=2)
    targets = normalize(random(2, 3, seed=3), dim=1)
    v, m, s, lr = start.numpy().copy(), np.zeros((2, 4)), np.zeros((2, 4)), 0.05
    for step in range(1, 7):
        for i in range(2):
            z, t = w @ v[i], targets[i].numpy()
            length = np.linalg.norm(z)
            gradient = -w.T @ (t / length - z * (z @ t) / length**3)
            m[i], s[i] = 0.9 * m[i] + 0.1 * gradient, 0.999 * s[i] + 0.001 * gradient**2
            v[i] -= lr * weight_decay * v[i]
            v[i] -= lr * (m[i] / (1 - 0.9**step)) / (np.sqrt(s[i] / (1 - 0.999**step)) + 1e-8)
    expected = v @ w.T
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    encode = onto_sphere(torch.from_numpy(w))
    found = invert(encode, start, targets, steps=6, lr=lr, weight_decay=weight_decay)
    assert found.numpy() == pytest.approx(expected, abs=1e-9)


def test_the_model_and_the_start_are_left_alone():
    model, weight, start = nn.Linear(5, 4).double(), random(4, 5, seed=2), random(5, seed=1).requires_grad_()
    model.weight.data = weight.clone()
    model.bias.grad = torch.ones(4).double()
    with torch.no_grad():  # as in an evaluation
        found = invert(lambda v: normalize(model(v), dim=1), start, normalize(random(3, 4), dim=1), steps=5)
    assert not found.requires_grad and torch.equal(model.weight, weight)
    assert model.weight.grad is None and (model.bias.grad == 1).all() and start.grad is None


def test_a_start_is_for_all_rows_or_one_for_each():
    encode = lambda v: normalize(v.flatten(1) @ random(12, 4, seed=1), dim=1)  # noqa: E731  (images of 2 × 2 × 3)
    targets, image = normalize(random(5, 4, seed=2), dim=1), random(1, 2, 2, 3, seed=3)
    one, each = (invert(encode, start, targets, steps=5) for start in (image, image.repeat(5, 1, 1, 1)))
    torch.testing.assert_close(one, each)
    assert torch.equal(invert(encode, image, targets, steps=0), encode(image.expand(5, 2, 2, 3)))
    with pytest.raises(InputError, match="1 row or one a target, 5, not from 3"):
        invert(encode, image.repeat(3, 1, 1, 1), targets)
