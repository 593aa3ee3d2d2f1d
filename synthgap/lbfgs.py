"""L-BFGS (Nocedal & Wright 2006, alg. 7.5), for a loss without chance. `torch.optim.LBFGS` takes two seconds to load."""

from collections import deque
from collections.abc import Callable, Sequence
from math import inf

import torch
from torch import Tensor

ENOUGH, FLATTER = (
    1e-4,
    0.9,
)  # of the slope: what a step has to gain, and how steep it may still be (weak Wolfe conditions)
TRIALS = 20  # of a step's length


def descend(
    loss: Callable[[], Tensor],
    learnt: Sequence[Tensor],
    *,
    steps: int,
    tolerance: float = 0.0,
    memory: int = 20,
) -> float:
    """Changes the tensors in place, so that the loss falls; the loss that is reached.

    loss: a scalar of the tensors as they are. learnt: with requires_grad; one that the loss does not use stays. steps: at
    most, and twice as many evaluations of the loss, but for those of the last step. It ends at a step that gains less than
    the tolerance, too, and where no step gains anything. memory: how many past steps are remembered. The first step moves by
    a tenth of the length of all tensors as one vector, or by 1 from 0.
    """
    sizes = [x.numel() for x in learnt]

    def at(place: Tensor) -> tuple[float, Tensor]:
        with torch.no_grad():
            for x, part in zip(learnt, place.split(sizes), strict=True):
                x.copy_(part.view_as(x))
        with torch.enable_grad():
            value = loss()
            gradient = torch.autograd.grad(value, learnt, materialize_grads=True)
        return float(value.detach()), torch.cat([x.reshape(-1) for x in gradient])

    place = torch.cat([x.detach().reshape(-1) for x in learnt])
    (value, gradient), asked, past = at(place), 1, deque(maxlen=memory)
    for _ in range(steps):
        way = -_newton(past, gradient)
        slope = float(way @ gradient)
        if slope >= 0 or asked > 2 * steps:
            break
        length = 1.0 if past else (0.1 * float(place.norm()) or 1.0) / float(way.norm())
        shortest, longest = 0.0, inf
        for _ in range(TRIALS):
            there = place + length * way
            (reached, steepness), asked = at(there), asked + 1
            if not reached <= value + ENOUGH * length * slope:
                longest = length
                curve = reached - value - length * slope  # the lowest point of the parabola through both
                guess = -slope * length**2 / (2 * curve) if 0 < curve < inf else 0.0
                length = min(max(guess, shortest + 0.1 * (longest - shortest)), (shortest + longest) / 2)
            elif float(steepness @ way) < FLATTER * slope:
                shortest = length
                length = 2 * length if longest == inf else (shortest + longest) / 2
            else:
                break
        if not reached < value:
            at(place)
            break
        change, turn = there - place, steepness - gradient
        if float(change @ turn) > 0:
            past.append((change, turn, float(change @ turn)))
        gained, place, value, gradient = value - reached, there, reached, steepness
        if gained < tolerance:
            break
    return value


def _newton(past: deque[tuple[Tensor, Tensor, float]], gradient: Tensor) -> Tensor:
    """The inverse of the loss's curvature, as the past steps show it, times the gradient."""
    way, shares = gradient.clone(), []
    for change, turn, product in reversed(past):
        shares.append(float(change @ way) / product)
        way.add_(turn, alpha=-shares[-1])
    if past:
        _, turn, product = past[-1]
        way *= product / float(turn @ turn)
    for (change, turn, product), share in zip(past, reversed(shares), strict=True):
        way.add_(change, alpha=share - float(turn @ way) / product)
    return way
