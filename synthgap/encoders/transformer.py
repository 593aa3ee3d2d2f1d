"""A transformer over words, or over patches of an image or a spectrogram."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from synthgap.catalogue import Method, Option
from synthgap.encoders.layers import Pixels

ENCODER = Method(
    form="transformer",
    reads=("pixels", "spectrogram", "tokens"),
    needs=("kind", "vocabulary", "longest", "width"),
    options={
        "depth": Option(2, "transformer blocks", low=1),
        "patches": Option(4, "along each side of an image or a spectrogram that a transformer reads", low=1),
    },
)


def transformer(
    shape: tuple[int, ...], *, kind: str, vocabulary: int, longest: int, width: int, depth: int, patches: int
) -> tuple[nn.Module, nn.Module]:
    """A pre-norm transformer over words, or patches in a square of `patches` a side, with learned positions; their mean."""
    if kind == "tokens":
        return Words(vocabulary=vocabulary, longest=longest, width=width), Blocks(width, depth)
    size = dict(height=shape[0], width=shape[1], channels=3 if kind == "pixels" else 1)
    return Patches(**size, patches=patches, features=width), Blocks(width, depth)


class Words(nn.Module):
    """Tokens [B, L] (0 = padding) → word vectors with their positions, [B, L, width], and which are no padding, [B, L]."""

    def __init__(self, *, vocabulary: int, longest: int, width: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary + 1, width)
        self.positions = nn.Parameter(torch.empty(longest, width))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.words(tokens) + self.positions[: tokens.shape[1]], tokens > 0

    def of_word(self, vectors: Tensor) -> tuple[Tensor, Tensor]:
        """What is given of texts of one word, whose vectors are [B, width]."""
        alone = (vectors + self.positions[0])[:, None]
        return alone, torch.ones(alone.shape[:2], dtype=torch.bool, device=vectors.device)

    def initialise(self, generator: torch.Generator) -> None:
        self.positions.normal_(generator=generator)


class Patches(nn.Module):
    """uint8 [B, H, W, 3] or [B, H, W] → patch vectors with their positions, [B, patches², width], all real, [B, patches²]."""

    def __init__(self, *, height: int, width: int, channels: int, patches: int, features: int):
        super().__init__()
        size = -(-height // patches), -(-width // patches)
        self.missing = 0, patches * size[1] - width, 0, patches * size[0] - height  # padded right and below
        self.patch = Pixels(nn.Conv2d(channels, features, size, stride=size))
        self.positions = nn.Parameter(torch.empty(patches**2, features))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = pad(x, (0, 0, *self.missing) if x.ndim == 4 else self.missing)
        x = self.patch(x).flatten(2).transpose(1, 2) + self.positions
        return x, torch.ones(x.shape[:2], dtype=torch.bool, device=x.device)

    def initialise(self, generator: torch.Generator) -> None:
        self.positions.normal_(generator=generator)


class Blocks(nn.Module):
    """Vectors [B, L, width] and which are real, [B, L] → [B, width]: pre-norm transformer blocks, the mean of the real."""

    def __init__(self, width: int, depth: int):
        super().__init__()
        layer = dict(dim_feedforward=4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(width, max(1, width // 32), **layer) for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, given: tuple[Tensor, Tensor]) -> Tensor:
        x, real = given
        for block in self.blocks:
            x = block(x, src_key_padding_mask=~real)
        return (self.norm(x) * real[..., None]).sum(1) / real.sum(1, keepdim=True)
