"""Vectors of numbers, or pixels as they lie, through an MLP."""

from math import prod

from torch import Tensor, nn

from synthgap.catalogue import Method, Option
from synthgap.encoders.layers import Pixels, mlp_trunk

ENCODER = [
    Method(name="mlp", form="mlp", reads=("vector",), needs=("width",)),
    Method(
        name="pixel-mlp",
        reads=("pixels", "spectrogram"),
        options={"hidden": Option(256, "units of each of the two layers", low=1)},
    ),
]


def mlp(shape: tuple[int], *, width: int) -> tuple[nn.Module, nn.Module]:
    """A linear map of a vector, then a bag's MLP, which it can share with texts. Numbers should be of the order of 1."""
    return Numbers(shape[0], width), mlp_trunk(width)


def pixel_mlp(shape: tuple[int, ...], *, hidden: int) -> nn.Module:
    """All pixels through an MLP of two layers: the least work of all, as no map of positions is moved through memory.

    It is not told which pixels are neighbours, so it needs more images than a conv net to read as well.
    """
    first, second = nn.Linear(prod(shape), hidden), nn.Linear(hidden, hidden)
    return Pixels(nn.Flatten(), first, nn.LayerNorm(hidden), nn.ReLU(inplace=True), second, nn.ReLU(inplace=True))


class Numbers(nn.Linear):
    """Numbers [B, D] → [B, width]."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype))
