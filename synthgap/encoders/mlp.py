"""Vectors of numbers, or pixels as they lie, through a bag's MLP, which they can share with texts."""

from math import prod

from torch import Tensor, nn

from synthgap.catalogue import Method
from synthgap.encoders.layers import Pixels, mlp_trunk

ENCODER = [
    Method(name="mlp", form="mlp", reads=("vector",), needs=("width",)),
    Method(name="pixel-mlp", form="mlp", reads=("pixels", "spectrogram"), needs=("width",)),
]


def mlp(shape: tuple[int], *, width: int) -> tuple[nn.Module, nn.Module]:
    """A linear map of a vector, then a bag's MLP, which it can share with texts. Numbers should be of the order of 1."""
    return Numbers(shape[0], width), mlp_trunk(width)


def pixel_mlp(shape: tuple[int, ...], *, width: int) -> tuple[nn.Module, nn.Module]:
    """All pixels through one hidden layer, then a bag's MLP: the least work of all, as no maps are moved through memory.

    It is not told which pixels are neighbours, so it may need more images than a conv net to read as well.
    """
    hidden = 4 * width
    layers = nn.Linear(prod(shape), hidden), nn.LayerNorm(hidden), nn.ReLU(inplace=True), nn.Linear(hidden, width)
    return Pixels(nn.Flatten(), *layers), mlp_trunk(width)


class Numbers(nn.Linear):
    """Numbers [B, D] → [B, width]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))
