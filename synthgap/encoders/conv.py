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
    Method(
        name="patch-conv",
        reads=("pixels", "spectrogram"),
        needs=("kind",),
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


def patch_conv(shape: tuple[int, ...], *, kind: str, channels: int) -> nn.Module:
    """As `conv`, but images are read in patches of 4 × 4, then by one convolution, which is less work than three.

    These spend much of their time moving maps of 14 × 14 positions through memory, which patches never make.
    """
    return _patched(shape, 4, channels)[0] if kind == "pixels" else conv(shape, kind=kind, channels=channels)


def _positions(shape: tuple[int, ...], kind: str, channels: int) -> tuple[Pixels, int]:
    """uint8 [B, *shape] → all positions of a conv net, [B, features], and how many they are.

    Of images, three stride-2 convolutions. GroupNorm with one group is the cheapest norm that does without running
    statistics. Of spectrograms, patches of 8 × 8 and one stride-2 convolution: 112 × 112 is sixteen times an image's pixels
    with little more to say. Patches cost half of what a stride-4 convolution does, and read digits and accents as well. Raises
    InputError for a spectrogram of fewer than 8 bands or frames.
    """
    if kind != "pixels":
        return _patched(shape, 8, channels)
    layers, c_in, (height, width) = [], 3, shape[:2]
    for c_out in (channels, 2 * channels, 4 * channels):
        layers += _convolution(nn.Conv2d(c_in, c_out, 3, stride=2, padding=1))
        c_in, height, width = c_out, -(-height // 2), -(-width // 2)
    return _flattened(layers), c_in * height * width


def _patched(shape: tuple[int, ...], side: int, channels: int) -> tuple[Pixels, int]:
    """The same of patches, `side` pixels wide, then one stride-2 convolution; what is left of a patch is not read."""
    if min(shape[:2]) < side:
        what = "spectrograms" if len(shape) == 2 else "images in patches"
        raise InputError(f"a conv net reads {what} of {side} × {side} or more, not of {shape[0]} × {shape[1]}")
    height, width = (-(-(length // side) // 2) for length in shape[:2])
    layers = _convolution(nn.Conv2d(3 if len(shape) == 3 else 1, 2 * channels, side, stride=side))
    layers += _convolution(nn.Conv2d(2 * channels, 4 * channels, 3, stride=2, padding=1))
    return _flattened(layers), 4 * channels * height * width


def _flattened(layers: list[nn.Module]) -> Pixels:
    """The last ReLU comes after positions are one vector: the same numbers, but its gradient need not change their order, which
    takes as long as a convolution."""
    return Pixels(*layers[:-1], nn.Flatten(), layers[-1])


def _convolution(convolution: nn.Conv2d) -> list[nn.Module]:
    return [convolution, nn.GroupNorm(1, convolution.out_channels), nn.ReLU(inplace=True)]
