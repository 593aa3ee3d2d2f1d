"""Small encoders into one space. None has BatchNorm or dropout: a training step stays a pure function of its inputs,
so one model a CPU core and a stacked population on a GPU can be the same code.

Each is an adapter that reads its modality, a trunk, and a projection, a linear map into the space. Adapters are always a
modality's own; modalities whose trunks are alike can share them (SharedCLIP, Eslami & de Melo 2025).
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, pad

SHARED = ("none", "projection", "trunk")  # degrees; who shares the trunk shares the projection too


class Encoder(nn.Module):
    """Inputs [B, …] → [B, embedding], not yet of unit norm: projection(features), features = trunk(adapter(inputs))."""

    adapter: nn.Module
    trunk: nn.Module
    projection: nn.Linear

    def features(self, inputs: Tensor) -> Tensor:
        """What the projection reads, [B, features]."""
        return self.trunk(self.adapter(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.projection(self.features(inputs))


class ConvImage(Encoder):
    """uint8 images [B, H, W, 3] → [B, embedding]: three stride-2 convolutions, then one linear map of all positions.

    The last map sees positions, not their mean: a fracture is a few pixels at one place, and pooling would dilute it.
    GroupNorm with one group is the cheapest norm that does without running statistics. trunk: where given, that map goes
    to so many features, and a bag's trunk and projection follow, which the two can share.
    """

    def __init__(self, *, height: int, width: int, channels: int, embedding: int, trunk: int | None = None):
        super().__init__()
        layers, c_in = [], 3
        for c_out in (channels, 2 * channels, 4 * channels):
            layers += [nn.Conv2d(c_in, c_out, 3, stride=2, padding=1), nn.GroupNorm(1, c_out), nn.ReLU()]
            c_in, height, width = c_out, -(-height // 2), -(-width // 2)
        self.adapter = Pixels(*layers, nn.Flatten())
        _end(self, c_in * height * width, trunk, embedding)


class ConvAudio(Encoder):
    """uint8 spectrograms [B, bands, frames] → [B, embedding]: patches of 8 × 8, one stride-2 convolution, one linear map.

    A spectrogram of 112 × 112 has sixteen times an image's pixels and little more to say. Patches cost half of what a
    stride-4 convolution does, and read digits and accents as well. The last map sees positions: what was heard when.
    trunk: as of `ConvImage`.
    """

    def __init__(self, *, bands: int, frames: int, channels: int, embedding: int, trunk: int | None = None):
        super().__init__()
        c_patch, c_out, bands, frames = 2 * channels, 4 * channels, bands // 8, frames // 8
        self.adapter = Pixels(
            nn.Conv2d(1, c_patch, 8, stride=8),
            nn.GroupNorm(1, c_patch),
            nn.ReLU(),
            nn.Conv2d(c_patch, c_out, 3, stride=2, padding=1),
            nn.GroupNorm(1, c_out),
            nn.ReLU(),
            nn.Flatten(),
        )
        _end(self, c_out * -(-bands // 2) * -(-frames // 2), trunk, embedding)


class Bag(Encoder):
    """Tokens [B, L] (0 = padding) → [B, embedding]: summed word vectors through an MLP. Blind to word order.

    Reads captions, and, for the *symbolic* image encoder, the factor values themselves.
    """

    def __init__(self, *, vocabulary: int, width: int, embedding: int):
        super().__init__()
        self.adapter = WordSum(vocabulary, width)
        self.trunk, self.projection = _mlp(width), nn.Linear(2 * width, embedding)


class Transformer(Encoder):
    """Tokens [B, L] (0 = padding), or uint8 images [B, H, W, 3] or spectrograms [B, H, W] → [B, embedding].

    Words, or patches in a square of `patches` a side, with learned positions; a pre-norm transformer; the mean over them.
    """

    def __init__(self, adapter: nn.Module, *, width: int, depth: int, embedding: int):
        super().__init__()
        self.adapter, self.trunk = adapter, Blocks(width, depth)
        self.projection = nn.Linear(width, embedding)


class Pixels(nn.Sequential):
    """uint8 images [B, H, W, 3] or spectrograms [B, H, W] in [0, 255] → [B, C, H, W] in [−1, 1], through the layers."""

    def forward(self, x: Tensor) -> Tensor:
        # channels last in memory, as stored: CPUs convolve it 10 to 25 % faster
        x = x[:, None] if x.ndim == 3 else x.permute(0, 3, 1, 2)
        return super().forward(x.to(dtype=next(self.parameters()).dtype) / 127.5 - 1)


class WordSum(nn.Module):
    def __init__(self, vocabulary: int, width: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary + 1, width)

    def forward(self, tokens: Tensor) -> Tensor:
        return (self.words(tokens) * (tokens > 0)[..., None]).sum(1)


class Words(nn.Module):
    """Tokens [B, L] → word vectors with their positions, [B, L, width], and which are no padding, [B, L]."""

    def __init__(self, *, vocabulary: int, longest: int, width: int):
        super().__init__()
        self.words = nn.Embedding(vocabulary + 1, width)
        self.positions = nn.Parameter(torch.empty(longest, width))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        return self.words(tokens) + self.positions[: tokens.shape[1]], tokens > 0


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


def _mlp(width: int) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU())


def _end(encoder: Encoder, features: int, trunk: int | None, embedding: int) -> None:
    """Trunk and projection after the positions of a conv net: none and a linear map, or those of a bag of that width."""
    if trunk is None:
        encoder.trunk, encoder.projection = nn.Identity(), nn.Linear(features, embedding)
    else:
        encoder.adapter.append(nn.Linear(features, trunk))
        encoder.trunk, encoder.projection = _mlp(trunk), nn.Linear(2 * trunk, embedding)


class Encoders(nn.Module):
    """One encoder a modality: {modality: inputs} → {modality: unit-norm [B, D]}, in float32 under any autocast."""

    def __init__(self, encoders: dict[str, Encoder]):
        super().__init__()
        self.by_modality = nn.ModuleDict(encoders)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: normalize(self.by_modality[name](x).float(), dim=1) for name, x in inputs.items()}


def build(inputs: dict[str, Tensor], options: dict, *, vocabulary: int, longest: int) -> Encoders:
    """An encoder a modality for inputs {modality: [N, …]}: captions, tokens of a symbolic modality, pixels or spectrograms.

    options: the config's section `encoder`, in which `share` says what those modalities have in common. vocabulary: words
    there are. longest: words of the longest caption.
    """
    embedding, channels, width = options["embedding"], options["channels"], options["width"]
    trunk = width if options["image"] == "conv-mlp" else None

    def encoder(modality: str, x: Tensor) -> Encoder:
        words = x.dtype == torch.int64
        if options["text" if modality == "text" else "image"] == "transformer":
            if words:
                adapter = Words(vocabulary=vocabulary, longest=longest, width=width)
            else:
                size = dict(height=x.shape[1], width=x.shape[2], channels=3 if x.ndim == 4 else 1)
                adapter = Patches(**size, patches=options["patches"], features=width)
            return Transformer(adapter, width=width, depth=options["depth"], embedding=embedding)
        if words:
            return Bag(vocabulary=vocabulary, width=width, embedding=embedding)
        if x.ndim == 3:
            return ConvAudio(bands=x.shape[1], frames=x.shape[2], channels=channels, embedding=embedding, trunk=trunk)
        return ConvImage(height=x.shape[1], width=x.shape[2], channels=channels, embedding=embedding, trunk=trunk)

    return Encoders(shared({modality: encoder(modality, x) for modality, x in inputs.items()}, options["share"]))


def shared(encoders: dict[str, Encoder], degree: str) -> dict[str, Encoder]:
    """The same encoders, all with the first one's projection, or its trunk and projection: the very same weights.

    degree: one of `SHARED`. Their trunks must be alike, which the config sees to.
    """
    first = next(iter(encoders.values()))
    for encoder in encoders.values():
        if degree != "none":
            encoder.projection = first.projection
        if degree == "trunk":
            encoder.trunk = first.trunk
    return encoders


def set_apart(model: Encoders, inputs: dict[str, Tensor], lengths: float, generator: torch.Generator) -> Encoders:
    """Shift every modality's embeddings by `lengths` times their root mean square length on `inputs`, before they are
    normalised, by the biases of the projections: two modalities in opposite directions, more as far apart as can be.

    The space has as many dimensions as there are modalities, or more.
    """
    encoders = [model.by_modality[name] for name in inputs]
    normal = torch.randn(encoders[0].projection.out_features, len(encoders), generator=generator)
    directions = torch.linalg.qr(normal).Q.T  # orthogonal; their differences from the mean are a regular simplex
    directions = normalize(directions - directions.mean(0), dim=1)
    with torch.no_grad():
        for encoder, x, direction in zip(encoders, inputs.values(), directions, strict=True):
            length = encoder(x).float().square().sum(1).mean().sqrt()
            encoder.projection.bias += lengths * length * direction.to(length.device)
    return model


def initialise(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw every weight anew from the generator alone: matrices N(0, 1/fan-in), word vectors and positions N(0, 1)."""
    for module in model.modules():
        for name, weight in module.named_parameters(recurse=False):
            with torch.no_grad():
                if isinstance(module, nn.LayerNorm | nn.GroupNorm):
                    weight.fill_(1.0 if name == "weight" else 0.0)
                elif weight.ndim < 2:
                    weight.zero_()
                else:
                    words = isinstance(module, nn.Embedding | Words | Patches)
                    weight.normal_(0, 1 if words else weight[0].numel() ** -0.5, generator=generator)
    return model
