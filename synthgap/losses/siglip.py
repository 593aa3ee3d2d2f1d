"""SigLIP's loss (Zhai et al. 2023): is this a true pair? asked of each pair of a batch by itself."""

from torch import Tensor
from torch.nn.functional import softplus

from synthgap.catalogue import Method, Option

LOSS = Method(
    paper="Zhai et al. 2023",
    form="pairs",
    options={"bias": Option(-10.0, "of the logits at the start; it is learnt, at ten times temperature.lr")},
    # a step of the log scale moves a logit by about the scale times as much: that of a bias is an order larger
    learnt={"bias": 10.0},
)


def siglip(x: Tensor, y: Tensor, scale: Tensor | float, bias: Tensor | float) -> Tensor:
    """−Σ_ij log σ(± (scale · x_i·y_j + bias)) / B with + for true pairs, in nats, ≥ 0; a scalar.

    x, y: unit-norm [B, D], row i of both a true pair. scale: the inverse temperature. bias: learnt too, and low at the
    start, as a batch holds B − 1 times more wrong pairs than true ones.
    """
    logits = scale * x @ y.T + bias
    # −log σ(−l) = softplus(l) for all, and −log σ(l) = softplus(l) − l for the true ones
    return (softplus(logits).sum() - logits.diagonal().sum()) / len(x)
