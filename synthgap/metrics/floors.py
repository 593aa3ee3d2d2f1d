"""What one modality could tell of another, in bits, and what the best possible critic would reach."""

from itertools import combinations

import numpy as np

from data_gen import World, captions
from data_gen.captions import Policy
from data_gen.information import critic_on, ideal_critic, information
from data_gen.seeds import generator
from data_gen.written import Written
from synthgap.metric_names import TEXT, Metric

METRICS = (
    Metric(
        "imbalance_bits", "direction, not text's",
        "bits of the first that the second does not tell: information imbalance", low=0, paper="Schrodi et al. 2025",
    ),
    Metric("shared_bits", "pair", "bits that both tell", low=0),
    Metric(
        "bits_error", "pair with text",
        "standard error of the bits where they, and the floors, are estimates: of captions as written", low=0,
        paper="Barber & Agakov 2003",
    ),
    Metric("text_only_bits", "pair with text", "bits that captions tell and the other does not show", low=0),
    Metric("unshared_bits", "pair", "bits that one of the two does not tell of the other, both ways", low=0),
    Metric("floor_entropy", "direction", "the ideal critic's entropy, in nats", low=0),
    Metric("floor_recall@1", "pair with text", "the ideal critic's recall@1", low=0, high=1),
    Metric("floor_loss", "", "the ideal critic's loss, in nats", low=0),
)  # fmt: skip


def floors(
    world: World,
    tested: World,
    policy: Policy | Written,
    codes: np.ndarray,
    tokens: np.ndarray,
    batch: int,
    anchor: str | None,
) -> list[tuple[str, str, float]]:
    """What one modality could tell of another: bits, and the ideal critic's loss at the training batch size, both of the
    world that training shows; and its entropy and R@1 on the very samples (codes [N, F], their captions tokens [N, L]) of
    the tested world.

    A modality that is not text tells of another as a caption would that names all it shows. The loss of all is the mean
    over the pairs with the anchor (or over all pairs), as InfoNCE's is. Of captions as written, all of this is an estimate, and
    the loss is that of the tested samples.
    """
    rows, losses = [], []
    for a, b in combinations((*world.modalities, TEXT), 2):
        told, there = (policy, tokens) if b == TEXT else _full(world, b, codes)
        seen = world.shown_by(a)
        bits = information(world.space, told, seen)
        here = critic_on(tested.space, codes, there, tested.shown_by(a), told)
        rows += [
            ("imbalance_bits", f"{a}-{b}", bits.imbalance),
            ("shared_bits", f"{a}-{b}", bits.shared),
            ("unshared_bits", f"{a}-{b}", bits.imbalance + bits.text_only),
            ("floor_entropy", f"{a}-{b}", here.entropy),
            ("floor_entropy", f"{b}-{a}", here.entropy_text),
        ]
        if b == TEXT:
            rows += [("text_only_bits", f"{a}-{b}", bits.text_only), ("floor_recall@1", f"{a}-{b}", here.recall)]
            rows += [("bits_error", f"{a}-{b}", bits.error)] if bits.error is not None else []
        else:  # what a caption says beyond the image is, of a sound, what the image leaves out of it
            rows.append(("imbalance_bits", f"{b}-{a}", bits.text_only))
        if isinstance(told, Written):
            parts = [slice(start, start + batch) for start in range(0, max(1, len(codes) // batch) * batch, batch)]
            some = [critic_on(tested.space, codes[p], tokens[p], tested.shown_by(a), told).loss for p in parts]
            losses.append(float(np.mean(some)))
        elif anchor is None or anchor in (a, b):
            chance = generator(0, "ideal critic")
            losses.append(ideal_critic(world.space, told, batch, chance, visible=seen).loss)
    return [*rows, ("floor_loss", "", float(np.mean(losses)))]


def _full(world: World, modality: str, codes: np.ndarray) -> tuple[Policy, np.ndarray]:
    """The captions that name all that a modality shows, and those of codes [N, F]."""
    shown = world.shown_by(modality)
    names = [name for name, is_shown in zip(world.space.names, shown, strict=True) if is_shown]
    return captions.fixed(world.space, names, shuffled=False), (1 + world.space.offsets + codes)[:, shown]
