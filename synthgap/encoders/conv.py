"""A conv net whose positions all go straight into the space, or by way of a bag's MLP."""

from torch import nn

from data_gen import InputError
from synthgap.catalogue import Method, Option
from synthgap.encoders.layers import Pixels, mlp_trunk

ENCODER = [
    Method(
        name="conv",
        reads=("pixels", "spectrogram"),
        needs=("kind",),
        options={"channels": Option(16, "of the first convolution; then twice and four times as many", low=1)},
    ),
    Method(
        name="conv-mlp",
        form="mlp",
        reads=("pixels", "spectrogram"),
        needs=("kind", "width"),
        options={"channels": Option(16, "of the first convolution; then twice and four times as many", low=1)},
    ),
]


def conv(shape: tuple[int, ...], *, kind: str, channels: int) -> nn.Module:
    """A conv net whose positions all go straight into the space by one linear map.

    That map sees positions, not their mean: a fracture is a few pixels at one place, and pooling would dilute it.
    """
    return _positions(shape, kind, channels)[0]


def conv_mlp(shape: tuple[int, ...], *, kind: str, channels: int, width: int) -> tuple[nn.Module, nn.Module]:
    """A conv net whose positions go through a bag's MLP, which it can share with texts; a linear map leads there."""
    adapter, features = _positions(shape, kind, channels)
    return adapter.append(nn.Linear(features, width)), mlp_trunk(width)


def _positions(shape: tuple[int, ...], kind: str, channels: int) -> tuple[Pixels, int]:
    """uint8 [B, *shape] → all positions of a conv net, [B, features], and how many they are.

    Of images, three stride-2 convolutions. GroupNorm with one group is the cheapest norm that does without running
    statistics. Of spectrograms, patches of 8 × 8 and one stride-2 convolution: 112 × 112 is sixteen times an image's pixels
    with little more to say. Patches cost half of what a stride-4 convolution does, and read digits and accents as well. Raises
    InputError for a spectrogram of fewer than 8 bands or frames.
    """
    height, width = shape[:2]
    if kind == "pixels":
        layers, c_in = [], 3
        for c_out in (channels, 2 * channels, 4 * channels):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.GroupNorm(1, c_out), nn.ReLU()]
            c_in, height, width = c_out, -(-height // 2), -(-width // 2)
        return Pixels(*layers, nn.Flatten()), c_in * height * width
    if min(height, width) < 8:
        raise InputError(f"a conv net reads spectrograms of 8 × 8 or more, not of {height} × {width}")
    c_patch, c_out, height, width = 2 * channels, 4 * channels, height // 8, width // 8
    layers = [nn.Conv2d(1, c_patch, 8, stride=8), nn.GroupNorm(1, c_patch), nn.ReLU()]
    layers += [nn.Conv2d(c_patch, c_out, 3, stride=2, padding=1), nn.GroupNorm(1, c_out), nn.ReLU()]
    return Pixels(*layers, nn.Flatten()), c_out * -(-height // 2) * -(-width // 2)
