"""What else than its embeddings can be searched within a modality, and what can ask.

Each takes a model, {modality: inputs [N, …]}, how many of the first samples ask, and its settings by name → the
gallery, {modality: unit-norm [N, D]}, and what asks, {modality: unit-norm [queries, D]}.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import normalize

from synthgap.catalogue import Method, Option
from synthgap.encoders import Encoder, Encoders
from synthgap.metric_names import TEXT
from synthgap.posthoc.inversion import invert
from synthgap.posthoc.isoclip import band, head_matrix, linearised, linearised_as_published
from synthgap.posthoc.whitening import whiten
from synthgap.training import embed, in_blocks

POSTHOC = [
    Method(
        name="isoclip_mlp",
        form="search",
        paper="Magistri, Goswami et al. 2026",
        options={
            "top": Option(1, "singular directions of the inter-modal operator that are dropped, strongest first"),
            "bottom": Option(0, "and weakest first"),
            "published": Option(
                False, "the same; and linearise at 0, GELU as half its input, in place of the head, as the code does"
            ),
        },
    ),
    Method(
        name="features",
        form="search",
        options={"whitened": Option(False, "whiten what the projection reads, or leave it as it is")},
    ),
    Method(
        name="inversion",
        form="search",
        paper="Mistretta et al. 2025",
        options={
            "steps": Option(150, "of AdamW, where images and sounds ask (OTI; as published)", low=1, high=10**6),
            "text_steps": Option(
                150,
                "where texts ask (OVI; 1,000 in the published code, at seven times the cost)",
                low=1,
                high=10**6,
            ),
            "lr": Option(0.02, "AdamW's, of the word vector, or of the image's values in [-1, 1]", above=0),
        },
    ),
]

Found = tuple[dict[str, Tensor], dict[str, Tensor]]


def heads(model: Encoders) -> dict[str, Tensor]:
    """The projection of each modality as a matrix, its bias the last column: {modality: [D, features + 1]}."""
    return {name: head_matrix(encoder.projection) for name, encoder in model.by_modality.items()}


def features(model: Encoders, inputs: dict[str, Tensor], *, queries: int, whitened: bool) -> Found:
    """What the projections read, whitened or as it is, brought to length 1: what a modality knew before it met others."""
    found = {name: in_blocks(model.by_modality[name].features, x) for name, x in inputs.items()}
    found = {name: normalize(whiten(x)(x) if whitened else x, dim=1) for name, x in found.items()}
    return found, {name: x[:queries] for name, x in found.items()}


def isoclip_mlp(
    model: Encoders, inputs: dict[str, Tensor], *, queries: int, top: int, bottom: int, published: bool = False
) -> Found:
    """IsoCLIP of heads that are not linear: of trunk and projection together, to first order at the mean of what they read.

    z loses what the dropped directions give to first order, W f − Ŵ f, and keeps what is not linear; for a linear head that
    is Ŵ f. published: W is `linearised_as_published`, the band's r as of `band`, and Ŵ f takes the place of the head. Needs
    trunks that read vectors: an MLP's, or none.
    """
    read, given, at = {}, {}, {}
    for name, x in inputs.items():
        encoder = model.by_modality[name]
        read[name] = in_blocks(encoder.adapter, x)
        given[name] = in_blocks(encoder, x)
        if published:
            at[name] = linearised_as_published(encoder.trunk, encoder.projection).double()
        else:
            at[name] = linearised(_head(encoder), read[name].mean(0)).double()
    others = [name for name in inputs if name != TEXT]
    kept = {name: band(at[name], at[TEXT], top, bottom, published)[0] for name in others}
    kept[TEXT] = band(at[others[0]], at[TEXT], top, bottom, published)[1]
    found = {}
    for name, f in read.items():
        f = torch.cat([f, f.new_ones(len(f), 1)], dim=1).double()
        z = f @ kept[name].T if published else given[name] - f @ (at[name] - kept[name]).T
        found[name] = normalize(z, dim=1).float()
    return found, {name: x[:queries] for name, x in found.items()}


def _head(encoder: Encoder) -> Callable[[Tensor], Tensor]:
    return lambda f: encoder.projection(encoder.trunk(f[None]))[0]


def inversion(
    model: Encoders, inputs: dict[str, Tensor], *, queries: int, steps: int, lr: float, text_steps: int | None = None
) -> Found:
    """The embeddings are the gallery; an image (or sound) asks as the word that the text encoder would need to reach it
    (OTI, in so many steps), a text as the image that the image encoder would need (OVI, in `text_steps`; as many)."""
    found, asked = embed(model, inputs), {}
    for name, z in found.items():
        by = "image" if name == TEXT else TEXT
        encode, start = free_input(model.by_modality[by], inputs[by])
        n = text_steps if name == TEXT and text_steps is not None else steps
        asked[name] = torch.cat([invert(encode, start, some, steps=n, lr=lr) for some in z[:queries].split(500)])
    return found, asked


def free_input(encoder: Encoder, inputs: Tensor) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """An encoder as a function of one word vector a row, or of one picture with values in [−1, 1]; and the mean of those
    there are, to start from."""
    if not hasattr(encoder.adapter, "of_word"):
        picture = torch.stack([rows.float().mean(0) for rows in inputs.split(500)]).mean(0, keepdim=True)
        return lambda v: normalize(encoder((v + 1) * 127.5), dim=1), picture / 127.5 - 1
    word = encoder.adapter.words.weight[1:].detach().mean(0)
    return lambda v: normalize(encoder.projection(encoder.trunk(encoder.adapter.of_word(v))), dim=1), word
