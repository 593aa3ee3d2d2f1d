"""How far apart two modalities lie. x, y: unit-norm rows [N, D], row i of both a pair.

Where `pairs` is given, [P, 2], a row of x and the row of y that goes with it, x and y may be of any number of rows: what is
of pairs is then taken over these, and what is of a modality over all its rows, each once.
"""

from collections.abc import Iterator

from torch import Tensor

from synthgap.metric_names import Metric
from synthgap.metrics.moments import pieces

METRICS = (
    Metric(
        "rmg", "pair", "relative modality gap: distance of true pairs against that within modalities; 0 to 1", low=0,
        high=1, paper="Schrodi et al. 2025", by=lambda seen, a, b: rmg(seen.z[a], seen.z[b]),
    ),
    Metric(
        "l2m", "pair", "distance between the two means, 0 to 2", low=0, high=2, paper="Liang et al. 2022",
        by=lambda seen, a, b: l2m(seen.z[a], seen.z[b]),
    ),
    Metric(
        "l2i", "pair", "mean distance of the true pairs, 0 to 2", low=0, high=2, paper="Schrodi et al. 2025",
        by=lambda seen, a, b: l2i(seen.z[a], seen.z[b]),
    ),
    Metric(
        "alignment", "pair", "mean cosine of the true pairs, -1 to 1", low=-1, high=1,
        by=lambda seen, a, b: alignment(seen.z[a], seen.z[b]),
    ),
)  # fmt: skip


def l2m(x: Tensor, y: Tensor) -> float:
    """‖mean x − mean y‖, in [0, 2]: the modality gap of Liang et al. (2022)."""
    return float((x.mean(0) - y.mean(0)).norm())


def l2i(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """Mean ‖x_i − y_j‖ of the true pairs, in [0, 2] (Schrodi et al. 2025)."""
    if pairs is None:
        return float((x - y).norm(dim=1).mean())
    return sum(float((a - b).norm(dim=1).double().sum()) for a, b in _paired(x, y, pairs)) / len(pairs)


def alignment(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """Mean cosine of the true pairs, in [−1, 1]; elsewhere called CosTP."""
    if pairs is None:
        return float((x * y).sum(1).mean())
    return sum(float((a * b).sum(1).double().sum()) for a, b in _paired(x, y, pairs)) / len(pairs)


def rmg(x: Tensor, y: Tensor, pairs: Tensor | None = None) -> float:
    """Relative modality gap M / (M + (I + T)/2), in [0, 1] (Schrodi et al. 2025, eq. 3); 0.5 when M = I = T.

    With d = (1 − cos)/2, M is the mean d of the true pairs, I and T are those of the distinct pairs within each modality.
    M ≤ 0 counts as 1e-3. Within a modality Σ_{i≠j} cos = ‖Σ x_i‖² − Σ ‖x_i‖², so the whole costs O(N·D). N ≥ 2.
    """
    matching = (1 - alignment(x, y, pairs)) / 2
    matching = matching if matching > 0 else 1e-3
    return matching / (matching + (_distance_within(x) + _distance_within(y)) / 2)


def _paired(x: Tensor, y: Tensor, pairs: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    return ((x[block[:, 0]], y[block[:, 1]]) for block in pairs.split(2**14))


def _distance_within(x: Tensor) -> float:
    n, total, itself = len(x), 0.0, 0.0
    for rows in map(Tensor.double, pieces(x)):
        total, itself = total + rows.sum(0), itself + rows.square().sum()
    return float(1 - (total.square().sum() - itself) / (n * (n - 1))) / 2
