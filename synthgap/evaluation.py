"""All metrics of one trained model, as tidy rows (metric, of, value)."""

import numpy as np
import torch
from torch import Tensor

from data_gen import FactorSpace, World, captions
from data_gen.captions import Policy
from data_gen.information import critic_on, ideal_critic, information
from data_gen.seeds import generator
from synthgap import metrics
from synthgap.encoders import Encoders
from synthgap.training import PairLoss, embed

Row = tuple[str, str, float]
PROMPTED = "text"


def evaluate(
    model: Encoders,
    inputs: dict[str, Tensor],
    codes: np.ndarray,
    space: FactorSpace,
    *,
    object: str,
    loss: PairLoss,
    scale: float,
    batch: int,
) -> list[Row]:
    """Rows of everything that is measured on embeddings. inputs: {image, text}, [N, …]; codes: [N, F].

    The held-out loss is taken on batches of the training size, as InfoNCE grows with the batch.
    """
    z = embed(model, inputs)
    x, y = z["image"], z["text"]
    batches = list(zip(x.split(batch), y.split(batch), strict=True))[: max(1, len(x) // batch)]
    same_caption = torch.from_numpy(captions.equal(inputs["text"].cpu().numpy())).to(x.device)
    rows = [
        ("rmg", "image-text", metrics.rmg(x, y)),
        ("l2m", "image-text", metrics.l2m(x, y)),
        ("l2i", "image-text", metrics.l2i(x, y)),
        ("alignment", "image-text", metrics.alignment(x, y)),
        ("logit_scale", "", scale),
        ("loss", "", float(np.mean([float(loss(a, b, torch.tensor(scale))) for a, b in batches]))),
    ]
    for name, embedding in z.items():
        rows += [
            ("uniformity", name, metrics.uniformity(embedding)),
            ("moad", name, metrics.moad(embedding, codes, space, object)),
            ("moad_pooled", name, metrics.moad_pooled(embedding, codes, space, object)),
        ]
    classes = torch.from_numpy(codes[:, space.index(object)]).to(x.device)
    for of, query, candidates in (("image-text", x, y), ("text-image", y, x)):
        rows += [
            ("entropy", of, metrics.logit_entropy(query, candidates, scale)),
            ("recall@1", of, metrics.recall_at_k(query, candidates, 1, same_caption)),
            ("recall@1_instance", of, metrics.recall_at_k(query, candidates, 1)),
            ("recall@1_class", of, metrics.recall_at_k(query, candidates, 1, classes)),
        ]
    words = torch.arange(1, len(space.words) + 1, device=x.device)[:, None]
    prompts = embed(model, {PROMPTED: words})[PROMPTED]
    for f, factor in enumerate(space.factors):
        of_factor = slice(space.offsets[f], space.offsets[f] + len(factor))
        rows.append(("zero_shot", factor.name, metrics.zero_shot(x, prompts[of_factor], codes[:, f])))
        rows.append(("probe", factor.name, metrics.linear_probe(x, codes[:, f], len(x) // 2)))
    return rows


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
