"""What captions tell about images, in exact bits, and what the best possible critic makes of it.

A caption t names a set S of factors, chosen independently of the image x, and their values. So
I(x; t) = Σ_S p(S) · H(x_S), and the pointwise information of an image and a caption is
log p(t|x)/p(t) = −log p(x_S = v) if x has the values v that t names, and −∞ otherwise. That density ratio is the critic
that minimises InfoNCE (van den Oord et al. 2018; Poole et al. 2019), so its loss, entropy and recall are the marks that
no trained model passes except by chance.
"""

from dataclasses import astuple, dataclass

import numpy as np

from data_gen import captions
from data_gen.captions import Policy
from data_gen.factors import FactorSpace


@dataclass(frozen=True)
class Information:
    """In bits: `image` = H(image factors), `shared` = I(image factors; caption), `imbalance` = image − shared."""

    image: float
    shared: float

    @property
    def imbalance(self) -> float:
        return self.image - self.shared


def information(space: FactorSpace, policy: Policy) -> Information:
    """Exact, by enumerating the sets that the policy names. MAD, k = 0 … 5: 3.32, 4.80, 6.28, 7.76, 9.24, 10.71 shared."""
    return Information(float(space.bits.sum()), float(policy.probabilities @ (policy.sets @ space.bits)))


def pointwise_information(space: FactorSpace, codes: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """log p(t_j|x_i)/p(t_j) in nats, [N images, M captions]: the ideal critic's logits; −∞ where they contradict."""
    named, values = captions.read(space, tokens)
    return np.where(_agree(codes, named, values), _surprise(space, named, values), -np.inf)


def _surprise(space: FactorSpace, named: np.ndarray, values: np.ndarray) -> np.ndarray:
    """−log p(x_S = v) in nats, [M]."""
    return -np.where(named, space.log2_probability(values), 0).sum(axis=1) * np.log(2)


def _agree(codes: np.ndarray, named: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Whether image i has all that caption j names, bool [N, M]."""
    agree = np.ones((len(codes), len(named)), dtype=bool)
    for f in range(codes.shape[1]):
        agree &= ~named[:, f] | (codes[:, None, f] == values[None, :, f])
    return agree


@dataclass(frozen=True)
class Floor:
    """The ideal critic on batches of one size: `loss` (symmetric InfoNCE) and `entropy` (image → text) in nats,
    `entropy_text` (text → image), and `recall`: R@1 image → text by caption equality, ties broken at random."""

    loss: float
    entropy: float
    entropy_text: float
    recall: float


def ideal_critic(
    space: FactorSpace, policy: Policy, size: int, generator: np.random.Generator, draws: int = 20
) -> Floor:
    """The mean over `draws` fresh batches of `size` pairs; its standard error falls as 1/√(draws · size)."""
    rows = []
    for _ in range(draws):
        codes = space.sample(size, generator)
        tokens = captions.write(space, policy, codes, generator)
        rows.append(astuple(critic_on(space, codes, tokens)))
    return Floor(*np.mean(rows, axis=0).tolist())


def critic_on(space: FactorSpace, codes: np.ndarray, tokens: np.ndarray) -> Floor:
    """The ideal critic on one given set of pairs: codes [N, F], tokens [N, L], row i of both a pair. O(N²·F).

    Softmax over its logits has a closed form: an image spreads w_j = 1/p(x_S = v) over the captions that it agrees with, and
    a caption spreads evenly over the images that agree with it.
    """
    named, values = captions.read(space, tokens)
    surprise, groups = _surprise(space, named, values), captions.equal(tokens)
    w, images, entropy, loss, hits = np.exp(surprise), np.zeros(len(codes)), 0.0, 0.0, 0.0
    for start in range(0, len(codes), 512):
        rows = slice(start, start + 512)
        agree = _agree(codes[rows], named, values)
        spread = agree * w
        total = spread.sum(axis=1)
        images += agree.sum(axis=0)
        entropy += (np.log(total) - spread @ surprise / total).sum()
        loss += (np.log(total) - surprise[rows]).sum()
        top = spread == spread.max(axis=1, keepdims=True)
        hits += ((top & (groups[rows, None] == groups)).sum(axis=1) / top.sum(axis=1)).sum()
    n, text = len(codes), float(np.log(images).mean())
    return Floor(float(loss / n + text) / 2, float(entropy / n), text, float(hits / n))
