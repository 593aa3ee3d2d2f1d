"""A model: an encoder a modality, built, shared, drawn, set apart, and held in subspaces."""

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from math import cos, radians

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.dropout import _DropoutNd

from data_gen import InputError, user_file
from synthgap import catalogue
from synthgap.encoders.layers import LowRank


class Encoder(nn.Module):
    """Inputs [B, …] → [B, embedding], not yet of unit norm: projection(features), features = trunk(adapter(inputs))."""

    def __init__(self, adapter: nn.Module, trunk: nn.Module, projection: nn.Linear | LowRank):
        super().__init__()
        self.adapter, self.trunk, self.projection = adapter, trunk, projection

    def features(self, inputs: Tensor) -> Tensor:
        """What the projection reads, [B, features]."""
        return self.trunk(self.adapter(inputs))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.projection(self.features(inputs))


class Encoders(nn.Module):
    """One encoder a modality: {modality: inputs} → {modality: unit-norm [B, D]}, in float32 under any autocast."""

    def __init__(self, encoders: dict[str, Encoder]):
        super().__init__()
        self.by_modality = nn.ModuleDict(encoders)

    def forward(self, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: normalize(self.by_modality[name](x).float(), dim=1) for name, x in inputs.items()}


def build(
    config: Mapping, inputs: dict[str, Tensor], kinds: Mapping[str, str], *, vocabulary: int, longest: int
) -> Encoders:
    """The encoders that a run's config chooses for inputs {modality: [N, …]}. Raises InputError for one that gives no features.

    kinds: what each modality is, {modality: one of `data_gen.inputs.KINDS`}. vocabulary: words there are. longest: words of the
    longest caption.
    """
    options, encoders = config["encoder"], {}
    for modality, (chosen, method) in catalogue.encoders_of(config, {name: kinds[name] for name in inputs}).items():
        some, kind = inputs[modality][:2].cpu(), kinds[modality]
        most = max(longest, some.shape[1]) if kind == "tokens" else longest
        known = {"kind": kind, "vocabulary": vocabulary, "longest": most, "width": options["width"]}
        given = {name: options[name] for name in method.options} | {name: known[name] for name in method.needs}
        tried = (some, some[:, :1]) if modality == "text" else (some,)  # a text of one word is a prompt
        where = f"{method.function}() for inputs {list(some.shape)}"
        with user_file.blamed(method.path, chosen, where) if method.own else nullcontext():
            made = catalogue.load(method)(tuple(some.shape[1:]), **given)
            adapter, trunk = made if isinstance(made, tuple) else (made, nn.Identity())
            features = _features(adapter, trunk, tried, f"{chosen}: {method.function}()")
        rank = options.get("rank", 0)  # older runs' configs have none
        sizes = features, options["embedding"]
        encoders[modality] = Encoder(adapter, trunk, LowRank(*sizes, rank) if rank else nn.Linear(*sizes))
    return Encoders(shared(encoders, options["share"]))


def _features(adapter: nn.Module, trunk: nn.Module, tried: Iterable[Tensor], what: str) -> int:
    """How many features they give of a sample. tried: inputs, a batch each. Raises InputError for what training cannot use."""
    if not isinstance(adapter, nn.Module) or not isinstance(trunk, nn.Module):
        raise InputError(f"{what} must give a torch.nn.Module, or an adapter and a trunk that are, not {adapter!r:.80}")
    for module in (*adapter.modules(), *trunk.modules()):
        if isinstance(module, _BatchNorm) or (isinstance(module, _DropoutNd) and module.p > 0):
            name = type(module).__name__
            raise InputError(
                f"{what} has a {name}, which gives other numbers in training than afterwards; leave it out"
            )
    sizes = []
    for inputs in tried:
        with torch.no_grad():
            found = trunk(adapter(inputs))
        shape = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(inputs):
            raise InputError(f"{what} must give features [B, F]; of inputs {list(inputs.shape)} it gives {shape}")
        sizes.append(found.shape[1])
    if len({*sizes}) > 1:
        raise InputError(
            f"{what} must give as many features of texts of any length, not {' or '.join(map(str, sizes))}"
        )
    return sizes[0]


def shared(encoders: dict[str, Encoder], degree: str) -> dict[str, Encoder]:
    """The same encoders, all with the first one's projection, or its trunk and projection: the very same weights.

    degree: none, projection, or trunk, which shares the projection too. Their trunks must be alike, which the config sees to.
    """
    first = next(iter(encoders.values()))
    for encoder in encoders.values():
        if degree != "none":
            encoder.projection = first.projection
        if degree == "trunk":
            encoder.trunk = first.trunk
    return encoders


def start_together(model: Encoders, inputs: dict[str, Tensor], start: str) -> Encoders:
    """Bring the other modalities' encoders to the first one's before training; inputs: {modality: [N, …]}, rows that belong
    together.

    start: usual leaves them as they are. procrustes rotates each one's embeddings onto the first one's: the orthogonal map
    that brings their unit-norm rows closest (Schönemann 1966), as Liang et al. 2022 start. same copies the first one's
    weights. Raises InputError where their weights have other shapes.
    """
    first, *others = inputs
    target = model.by_modality[first]
    with torch.no_grad():
        for name in others if start != "usual" else ():
            encoder = model.by_modality[name]
            if start == "same":
                shapes = [{key: tuple(x.shape) for key, x in e.state_dict().items()} for e in (target, encoder)]
                if shapes[0] != shapes[1]:
                    raise InputError(
                        f"encoder.start=same needs encoders alike, and those of {first} and {name} are not"
                    )
                encoder.load_state_dict(target.state_dict())
                continue
            x, y = (normalize(e(inputs[m]).float(), dim=1) for m, e in ((first, target), (name, encoder)))
            u, _, vh = torch.linalg.svd(x.T @ y)
            last = encoder.projection.outer if isinstance(encoder.projection, LowRank) else encoder.projection
            for weight in last.parameters():
                weight.copy_(u @ vh @ weight)
    return model


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


def at_an_angle(model: Encoders, degrees: float, generator: torch.Generator) -> Encoders:
    """Give each modality a subspace of its own and keep it: the r dimensions that its `LowRank` projection leads to are drawn,
    and not learnt.

    All r principal angles between the subspaces of any two modalities are `degrees`, in [0, 90]; 0: all have the same one. For
    M modalities the space has M·r dimensions or more.
    """
    outer = [encoder.projection.outer for encoder in model.by_modality.values()]
    (dimensions, rank), cosine = outer[0].weight.shape, cos(radians(degrees))
    values, axes = torch.linalg.eigh(torch.full((len(outer),) * 2, cosine).fill_diagonal_(1.0))
    root = axes * values.clamp(min=0).sqrt() @ axes.T  # rows of length 1, any two of them at the angle
    normal = torch.randn(dimensions, len(outer) * rank, generator=generator)
    blocks = torch.linalg.qr(normal).Q.view(dimensions, len(outer), rank)
    for layer, row in zip(outer, root, strict=True):
        layer.weight.requires_grad_(False).copy_(torch.einsum("m,dmr->dr", row, blocks))
    return model


def initialise(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """Draw every weight anew from the generator alone: matrices N(0, 1/fan-in), word vectors and positions N(0, 1), scales of
    norms 1, other vectors 0. A module with a method `initialise(generator)` draws its own, but not those of modules in it.
    """
    with torch.no_grad():
        for module in model.modules():
            if hasattr(module, "initialise"):
                module.initialise(generator)
                continue
            norm = "Norm" in type(module).__name__
            for name, weight in module.named_parameters(recurse=False):
                if weight.ndim < 2:
                    weight.fill_(1.0 if norm and name == "weight" else 0.0)
                else:
                    words = isinstance(module, nn.Embedding)
                    weight.normal_(0, 1 if words else weight[0].numel() ** -0.5, generator=generator)
    return model
