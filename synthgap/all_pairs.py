"""Sums over all pairs of a row of one matrix and a row of another, with their gradients.

The dot products are computed in tiles that stay in a core's cache: beside the products themselves, most of the time goes into
moving matrices of all pairs through memory, again and again, as autograd's own steps do.
"""

from collections.abc import Iterator

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable
from torch.nn.functional import softplus

ROWS, COLUMNS = 96, 2560  # of a tile: about 1 MB of float32
LARGEST = 80.0  # a logit whose exponential a float32 holds, and that of its negative


def log_means(a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
    """log Σ_j q_j e^{a_i·b_j}, [N], and log Σ_i p_i e^{a_i·b_j}, [M]. a: [N, D]; b: [M, D]; p [N], q [M]: > 0, no gradient.

    Exponentials are shifted by the longest rows' product, so that none overflows; all N × M are held.
    """
    return _LogMeans.apply(a, b, p, q)


def mean_softplus(a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> Tensor:
    """Σ_ij p_i q_j softplus(a_i·b_j), a scalar. a: [N, D]; b: [M, D]; p [N], q [M]: no gradient. Only a tile is held."""
    return _MeanSoftplus.apply(a, b, p, q)


def mean_gaussian(x: Tensor, p: Tensor, sharpness: float) -> Tensor:
    """Σ_ij p_i p_j exp(−sharpness ‖x_i − x_j‖²), a scalar. x: [N, D]; p: [N], no gradient. Only a tile is held, and each pair
    is computed once."""
    return _MeanGaussian.apply(x, p, sharpness)


class _LogMeans(Function):
    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> tuple[Tensor, Tensor]:
        shift = (a.norm(dim=1).max() * b.norm(dim=1).max() - LARGEST).clamp(min=0)
        ratio = a.new_empty(len(a), len(b))
        for tile in _tiles(len(a), ROWS):
            torch.mm(a[tile], b.T, out=ratio[tile])
            if shift > 0:
                ratio[tile].sub_(shift)
            ratio[tile].exp_()
        rows, columns = ratio @ q, p @ ratio
        ctx.save_for_backward(a, b, p, q, ratio, rows, columns)
        return rows.log() + shift, columns.log() + shift

    @staticmethod
    @once_differentiable
    def backward(ctx, of_rows: Tensor, of_columns: Tensor) -> tuple[Tensor | None, ...]:
        a, b, p, q, ratio, rows, columns = ctx.saved_tensors
        # the gradient of the loss by a_i·b_j is p_i q_j ratio_ij (of_rows_i / (p_i rows_i) + of_columns_j / (q_j columns_j))
        by_row, by_column = (of_rows / (p * rows))[:, None], of_columns / (q * columns)
        weighted_a, weighted_b = p[:, None] * a, q[:, None] * b
        to_a, to_b = torch.empty_like(a), torch.zeros_like(b)
        for tile in _tiles(len(a), ROWS):
            pull = (by_row[tile] + by_column).mul_(ratio[tile])
            torch.mm(pull, weighted_b, out=to_a[tile])
            to_b.addmm_(pull.T, weighted_a[tile])
        return p[:, None] * to_a, q[:, None] * to_b, None, None


class _MeanSoftplus(Function):
    @staticmethod
    def forward(ctx, a: Tensor, b: Tensor, p: Tensor, q: Tensor) -> Tensor:
        """The gradient needs nothing that is known later, so it is computed in the same tiles."""
        total, to_a, to_b = a.new_zeros(()), torch.empty_like(a), torch.zeros_like(b)
        weighted_a, weighted_b = p[:, None] * a, q[:, None] * b
        for tile in _tiles(len(a), ROWS):
            logits = a[tile] @ b.T
            total += p[tile] @ (softplus(logits) @ q)
            slope = logits.sigmoid_()
            torch.mm(slope, weighted_b, out=to_a[tile])
            to_b.addmm_(slope.T, weighted_a[tile])
        ctx.save_for_backward(p[:, None] * to_a, q[:, None] * to_b)
        return total

    @staticmethod
    @once_differentiable
    def backward(ctx, of_total: Tensor) -> tuple[Tensor | None, ...]:
        to_a, to_b = ctx.saved_tensors
        return of_total * to_a, of_total * to_b, None, None


class _MeanGaussian(Function):
    @staticmethod
    def forward(ctx, x: Tensor, p: Tensor, sharpness: float) -> Tensor:
        length, one = sharpness * x.square().sum(1, keepdim=True), torch.ones_like(x[:, :1])
        left = torch.cat([2 * sharpness * x, -length, one], dim=1)  # left_i · right_j is the exponent
        right = torch.cat([x, one, -length], dim=1)
        sent = torch.cat([p[:, None] * x, p[:, None]], dim=1)
        heard = torch.zeros_like(sent)  # Σ_j k_ij (p_j x_j, p_j)
        for rows in _tiles(len(x), ROWS):
            for columns in _tiles(len(x), COLUMNS, rows.start):
                kernel = (left[rows] @ right[columns].T).exp_()
                heard[rows].addmm_(kernel, sent[columns])
                beyond = max(columns.start, rows.stop)  # below the diagonal, by symmetry
                heard[beyond : columns.stop].addmm_(kernel[:, beyond - columns.start :].T, sent[rows])
        near = heard[:, -1:]
        ctx.save_for_backward(4 * sharpness * p[:, None] * (heard[:, :-1] - near * x))
        return p @ near[:, 0]

    @staticmethod
    @once_differentiable
    def backward(ctx, of_mean: Tensor) -> tuple[Tensor | None, ...]:
        return of_mean * ctx.saved_tensors[0], None, None


def _tiles(size: int, step: int, first: int = 0) -> Iterator[slice]:
    return (slice(i, min(i + step, size)) for i in range(first, size, step))
