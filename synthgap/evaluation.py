"""All metrics of one trained model, as tidy rows (metric, of, value)."""

from collections.abc import Callable
from itertools import combinations

import numpy as np
import torch
from torch import Tensor

from data_gen import FactorSpace, World, captions
from data_gen.captions import Policy
from data_gen.information import critic_on, ideal_critic, information
from data_gen.seeds import generator
from synthgap import metrics
from synthgap.encoders import Encoders
from synthgap.posthoc import Maps
from synthgap.training import Loss, embed

Row = tuple[str, str, float]
TEXT = "text"


def evaluate(
    model: Encoders,
    inputs: dict[str, Tensor],
    codes: np.ndarray,
    world: World,
    *,
    object: str,
    loss: Loss,
    scale: float,
    batch: int,
    posthoc: Callable[[dict[str, Tensor]], Maps] | None = None,
) -> list[Row]:
    """Rows of everything that is measured on embeddings. inputs: {modality: [N, …]}, image and text among them; codes:
    [N, F]. Pairs are named in the order of the inputs.

    loss: (embeddings, scale) → scalar. The held-out loss is taken on batches of the training size, as InfoNCE grows with
    the batch. posthoc: fits what is done to the embeddings before all else, a map a modality.
    """
    space, z = world.space, embed(model, inputs)
    maps = posthoc(z) if posthoc else {}

    def mapped(embeddings: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: maps[name](x) if name in maps else x for name, x in embeddings.items()}

    z = mapped(z)
    pairs, device = list(combinations(z, 2)), z["image"].device
    blocks = zip(*(embedding.split(batch) for embedding in z.values()), strict=True)
    batches = [dict(zip(z, block, strict=True)) for block in blocks][: max(1, len(codes) // batch)]
    same_caption = torch.from_numpy(captions.equal(inputs[TEXT].cpu().numpy())).to(device)
    rows = [
        (gap.__name__, f"{a}-{b}", gap(z[a], z[b]))
        for a, b in pairs
        for gap in (metrics.rmg, metrics.l2m, metrics.l2i, metrics.alignment)
    ]
    rows += [
        ("logit_scale", "", scale),
        ("loss", "", float(np.mean([float(loss(block, torch.tensor(scale))) for block in batches]))),
    ]
    for name, embedding in z.items():
        about = _about(world, name)
        factors = FactorSpace([space.factors[f] for f in about])
        rows.append(("uniformity", name, metrics.uniformity(embedding)))
        if len(about) > 1:  # of a recording nothing is known but the digit: it has no attributes to be biased against
            rows += [
                ("moad", name, metrics.moad(embedding, codes[:, about], factors, object)),
                ("moad_pooled", name, metrics.moad_pooled(embedding, codes[:, about], factors, object)),
            ]
    classes = torch.from_numpy(codes[:, space.index(object)]).to(device)
    for query, candidate in [direction for a, b in pairs for direction in ((a, b), (b, a))]:
        of, asked, there = f"{query}-{candidate}", z[query], z[candidate]
        rows += [
            ("entropy", of, metrics.logit_entropy(asked, there, scale)),
            ("recall@1", of, metrics.recall_at_k(asked, there, 1, same_caption)),
            ("recall@1_instance", of, metrics.recall_at_k(asked, there, 1)),
            ("recall@1_class", of, metrics.recall_at_k(asked, there, 1, classes)),
        ]
    words = torch.arange(1, len(space.words) + 1, device=device)[:, None]
    prompts = mapped(embed(model, {TEXT: words}))[TEXT]
    for modality in (name for name in z if name != TEXT):
        x, of_modality = z[modality], "" if modality == "image" else f"{modality} "
        for f in _about(world, modality):
            factor, of_factor = space.factors[f], slice(space.offsets[f], space.offsets[f] + len(space.factors[f]))
            of = of_modality + factor.name
            rows.append(("zero_shot", of, metrics.zero_shot(x, prompts[of_factor], codes[:, f])))
            rows.append(("probe", of, metrics.linear_probe(x, codes[:, f], len(x) // 2)))
    return rows + grouping(z, codes, space, object)


def _about(world: World, modality: str) -> np.ndarray:
    """Indices of the factors that a modality is about: all, hidden ones too, unless the world says what each shows."""
    return np.flatnonzero(world.space.mask(world.shows.get(modality, world.space.names)))


def grouping(z: dict[str, Tensor], codes: np.ndarray, space: FactorSpace, object: str) -> list[Row]:
    """Rows of how well all modalities' embeddings group by the object; and by each of the other factors, in as many
    clusters as it has values."""
    classes, k = codes[:, space.index(object)], len(space[object])
    found = metrics.clusters(z, k)
    rows = [
        ("v_measure", object, metrics.v_measure(found, classes)),
        ("v_measure_centred", object, metrics.v_measure(metrics.clusters(metrics.centred(z), k), classes)),
        ("nmi", object, metrics.nmi(found, classes)),
        ("single_modality_clusters", object, metrics.single_modality_clusters(found)),
        ("knn", object, metrics.knn(z, classes)),
    ]
    for f, factor in enumerate(space.factors):
        if factor.name != object:
            of_factor = metrics.clusters(z, len(factor))
            rows.append(("v_measure", factor.name, metrics.v_measure(of_factor, codes[:, f])))
    return rows


def floors(
    world: World, tested: World, policy: Policy, codes: np.ndarray, tokens: np.ndarray, batch: int, anchor: str | None
) -> list[Row]:
    """What one modality could tell of another: bits, and the ideal critic's loss at the training batch size, both of the
    world that training shows; and its entropy and R@1 on the very samples (codes [N, F], their captions tokens [N, L]) of
    the tested world.

    A modality that is not text tells of another as a caption would that names all it shows. The loss of all is the mean
    over the pairs with the anchor (or over all pairs), as InfoNCE's is.
    """
    rows, losses = [], []
    for a, b in combinations((*world.modalities, TEXT), 2):
        told, there = (policy, tokens) if b == TEXT else _full(world, b, codes)
        seen = world.shown_by(a)
        bits = information(world.space, told, seen)
        here = critic_on(tested.space, codes, there, tested.shown_by(a))
        rows += [
            ("imbalance_bits", f"{a}-{b}", bits.imbalance),
            ("shared_bits", f"{a}-{b}", bits.shared),
            ("floor_entropy", f"{a}-{b}", here.entropy),
            ("floor_entropy", f"{b}-{a}", here.entropy_text),
        ]
        if b == TEXT:
            rows += [("text_only_bits", f"{a}-{b}", bits.text_only), ("floor_recall@1", f"{a}-{b}", here.recall)]
        else:  # what a caption says beyond the image is, of a sound, what the image leaves out of it
            rows.append(("imbalance_bits", f"{b}-{a}", bits.text_only))
        if anchor is None or anchor in (a, b):
            chance = generator(0, "ideal critic")
            losses.append(ideal_critic(world.space, told, batch, chance, visible=seen).loss)
    return [*rows, ("floor_loss", "", float(np.mean(losses)))]


def _full(world: World, modality: str, codes: np.ndarray) -> tuple[Policy, np.ndarray]:
    """The captions that name all that a modality shows, and those of codes [N, F]."""
    shown = world.shown_by(modality)
    names = [name for name, is_shown in zip(world.space.names, shown, strict=True) if is_shown]
    return captions.fixed(world.space, names, shuffled=False), (1 + world.space.offsets + codes)[:, shown]
