"""All metrics of one trained model, as tidy rows (metric, of, value)."""

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
from synthgap.training import Loss, embed

Row = tuple[str, str, float]
PROMPTED = "text"


def evaluate(
    model: Encoders,
    inputs: dict[str, Tensor],
    codes: np.ndarray,
    space: FactorSpace,
    *,
    object: str,
    loss: Loss,
    scale: float,
    batch: int,
) -> list[Row]:
    """Rows of everything that is measured on embeddings. inputs: {modality: [N, …]}, image and text among them; codes:
    [N, F]. Pairs are named in the order of the inputs.

    loss: (embeddings, scale) → scalar. The held-out loss is taken on batches of the training size, as InfoNCE grows with
    the batch.
    """
    z = embed(model, inputs)
    x, pairs = z["image"], list(combinations(z, 2))
    blocks = zip(*(embedding.split(batch) for embedding in z.values()), strict=True)
    batches = [dict(zip(z, block, strict=True)) for block in blocks][: max(1, len(x) // batch)]
    same_caption = torch.from_numpy(captions.equal(inputs["text"].cpu().numpy())).to(x.device)
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
        rows += [
            ("uniformity", name, metrics.uniformity(embedding)),
            ("moad", name, metrics.moad(embedding, codes, space, object)),
            ("moad_pooled", name, metrics.moad_pooled(embedding, codes, space, object)),
        ]
    classes = torch.from_numpy(codes[:, space.index(object)]).to(x.device)
    for query, candidate in [direction for a, b in pairs for direction in ((a, b), (b, a))]:
        of, asked, there = f"{query}-{candidate}", z[query], z[candidate]
        rows += [
            ("entropy", of, metrics.logit_entropy(asked, there, scale)),
            ("recall@1", of, metrics.recall_at_k(asked, there, 1, same_caption)),
            ("recall@1_instance", of, metrics.recall_at_k(asked, there, 1)),
            ("recall@1_class", of, metrics.recall_at_k(asked, there, 1, classes)),
        ]
    words = torch.arange(1, len(space.words) + 1, device=x.device)[:, None]
    prompts = embed(model, {PROMPTED: words})[PROMPTED]
    for f, factor in enumerate(space.factors):
        of_factor = slice(space.offsets[f], space.offsets[f] + len(factor))
        rows.append(("zero_shot", factor.name, metrics.zero_shot(x, prompts[of_factor], codes[:, f])))
        rows.append(("probe", factor.name, metrics.linear_probe(x, codes[:, f], len(x) // 2)))
    return rows + grouping(z, codes[:, space.index(object)], object, len(space[object]))


def grouping(z: dict[str, Tensor], classes: np.ndarray, of: str, k: int) -> list[Row]:
    """Rows of how well all modalities' embeddings group by a factor of k values, before and after centring each."""
    found = metrics.clusters(z, k)
    return [
        ("v_measure", of, metrics.v_measure(found, classes)),
        ("v_measure_centred", of, metrics.v_measure(metrics.clusters(metrics.centred(z), k), classes)),
        ("nmi", of, metrics.nmi(found, classes)),
        ("single_modality_clusters", of, metrics.single_modality_clusters(found)),
        ("knn", of, metrics.knn(z, classes)),
    ]


def floors(world: World, tested: World, policy: Policy, codes: np.ndarray, tokens: np.ndarray, batch: int) -> list[Row]:
    """What the captions could tell: bits, and the ideal critic's loss at the training batch size, both of the world that
    training shows; and its entropy and R@1 on the very pairs (codes [N, F], tokens [N, L]) of the tested world."""
    bits = information(world.space, policy, world.visible)
    on_batches = ideal_critic(world.space, policy, batch, generator(0, "ideal critic"), visible=world.visible)
    here = critic_on(tested.space, codes, tokens, tested.visible)
    return [
        ("imbalance_bits", "image-text", bits.imbalance),
        ("text_only_bits", "image-text", bits.text_only),
        ("shared_bits", "image-text", bits.shared),
        ("floor_loss", "", on_batches.loss),
        ("floor_entropy", "image-text", here.entropy),
        ("floor_entropy", "text-image", here.entropy_text),
        ("floor_recall@1", "image-text", here.recall),
    ]
