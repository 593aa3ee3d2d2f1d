"""Vectors of numbers through an MLP."""

from torch import Tensor, nn

from synthgap.catalogue import Method
from synthgap.encoders.layers import mlp_trunk

ENCODER = Method(form="mlp", reads=("vector",), needs=("width",))


def mlp(shape: tuple[int], *, width: int) -> tuple[nn.Module, nn.Module]:
    """A linear map of a vector, then a bag's MLP, which it can share with texts. Numbers should be of the order of 1."""
    return Numbers(shape[0], width), mlp_trunk(width)


class Numbers(nn.Linear):
    """Numbers [B, D] → [B, width]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))
