"""What captions tell about images, in exact bits, and what the best possible critic makes of it.

An image x shows its visible factors V: all, unless some are hidden. A caption t names a set S of factors, chosen without
looking at the values, and their values, hidden ones too. So I(x; t) = Σ_S p(S) · I(x_V; x_S), and the pointwise information
of an image and a caption is log p(t|x)/p(t) = log p(x_S = v | x_V)/p(x_S = v), which is −∞ where they contradict. If the
factors are independent it is −log p(x_{S∩V} = v) elsewhere. That density ratio is the critic that minimises InfoNCE (van
den Oord et al. 2018; Poole et al. 2019), so its loss, entropy and recall are the marks that no trained model passes except
by chance.

Of captions as somebody wrote them, all of this is estimated instead (`data_gen.estimate`).

`visible`, everywhere: names of factors or a mask (bool [F]); None: all of them.
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass

import numpy as np

from data_gen import captions, estimate
from data_gen.captions import Policy
from data_gen.errors import InputError
from data_gen.factors import FactorSpace, by_set
from data_gen.written import Written

Visible = Iterable[str] | np.ndarray | None


@dataclass(frozen=True)
class Information:
    """In bits: `image` = H(visible factors), `shared` = I(visible factors; caption), `imbalance` = image − shared: what the
    captions leave out. `text_only` = Σ_S p(S) · H(x_S | x_V): what they say of factors that the image does not show; which
    factors they name and in what order is text-only too, and not counted.

    error: the standard error of `shared` where it is an estimate; None where all is exact."""

    image: float
    shared: float
    text_only: float = 0.0
    error: float | None = None

    @property
    def imbalance(self) -> float:
        return self.image - self.shared


def information(space: FactorSpace, policy: Policy | Written, visible: Visible = None) -> Information:
    """Exact, by enumerating the sets that the policy names. MAD, k = 0 … 5: 3.32, 4.80, 6.28, 7.76, 9.24, 10.71 shared.

    Of captions as written, an estimate, with its standard error. Raises InputError if nothing is visible.
    """
    seen = _seen(space, visible)
    if isinstance(policy, Written):
        return Information(*estimate.bits(space, policy, seen))
    image = space.entropy(seen)
    text_only = space.entropy(policy.sets | seen) - image  # H(x_S | x_V) of each set
    shared = space.entropy(policy.sets) - text_only
    return Information(float(image), float(policy.probabilities @ shared), float(policy.probabilities @ text_only))


def pointwise_information(
    space: FactorSpace, codes: np.ndarray, tokens: np.ndarray, visible: Visible = None
) -> np.ndarray:
    """log p(t_j|x_i)/p(t_j) in nats, [N images, M captions]: the ideal critic's logits; −∞ where they contradict.

    codes: [N, F], of hidden factors too, which have no influence. Raises InputError for what cannot occur in the space.
    """
    seen = _seen(space, visible)
    images, image, _ = _distinct(codes * seen)
    said, caption, _ = _said(space, tokens)
    return _logits(space, seen, images, said)[np.ix_(image, caption)]


def _seen(space: FactorSpace, visible: Visible) -> np.ndarray:
    """bool [F]"""
    seen = space.mask(space.names if visible is None else visible)
    if not seen.any():
        raise InputError(f"an image must show at least one factor, but all are hidden: {', '.join(space.names)}")
    return seen


def _distinct(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct rows [U, F], which of them each row is [N], and how often each occurs [U]."""
    order = np.lexsort(rows.T[::-1])  # column by column, a quarter of the time that np.unique takes for whole rows
    new = np.append(True, (rows[order[1:]] != rows[order[:-1]]).any(axis=1))
    which = np.empty(len(rows), dtype=np.int64)
    which[order] = new.cumsum() - 1
    return rows[order[new]], which, np.bincount(which).astype(float)


def _said(space: FactorSpace, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `_distinct`, of what captions say, order aside: 1 + the value where a factor is named, 0 where not."""
    named, values = captions.read(space, tokens)
    return _distinct(np.where(named, 1 + values, 0))


def _logits(space: FactorSpace, seen: np.ndarray, codes: np.ndarray, said: np.ndarray) -> np.ndarray:
    """log p(x_S = v | x_V)/p(x_S = v) in nats, [N, M], of images [N, F] and captions as in `_said` [M, F]."""
    named, values = said > 0, np.maximum(said - 1, 0)
    shown, told = _one_hot(space, codes, seen), _one_hot(space, values, named & seen)
    agree = shown @ told.T == told.sum(axis=1)  # in all that captions name and images show
    log2_said = space.log2_marginal(named, values)
    if not np.isfinite(log2_said).all():
        raise InputError("a caption says what cannot occur in this factor space")
    if space.joint is None:
        return np.where(agree, -space.log2_marginal(named & seen, values) * np.log(2), -np.inf)
    log2_shown = space.log2_marginal(np.tile(seen, (len(codes), 1)), codes)
    if not np.isfinite(log2_shown).all():
        raise InputError("an image shows what cannot occur in this factor space")
    logits = np.empty(agree.shape)
    for chosen, at in by_set(named):
        p = space.marginal(chosen | seen)
        both = [values[None, at, f] if chosen[f] else codes[:, None, f] * seen[f] for f in range(len(space))]
        with np.errstate(divide="ignore"):
            logits[:, at] = np.log2(p)[tuple(both)]
    return np.where(agree, (logits - log2_shown[:, None] - log2_said) * np.log(2), -np.inf)


def _one_hot(space: FactorSpace, values: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Which word of each factor that is there stands for its value [N, F], 0 or 1, float32 [N, words]."""
    row, factor = np.nonzero(np.broadcast_to(there, values.shape))
    words = np.zeros((len(values), len(space.words)), dtype=np.float32)
    words[row, space.offsets[factor] + values[row, factor]] = 1
    return words


@dataclass(frozen=True)
class Floor:
    """The ideal critic on batches of one size: `loss` (symmetric InfoNCE) and `entropy` (image → text) in nats,
    `entropy_text` (text → image), and `recall`: R@1 image → text by caption equality, ties broken at random."""

    loss: float
    entropy: float
    entropy_text: float
    recall: float


def ideal_critic(
    space: FactorSpace,
    policy: Policy | Written,
    size: int,
    generator: np.random.Generator,
    draws: int = 20,
    visible: Visible = None,
) -> Floor:
    """The mean over `draws` fresh batches of `size` pairs; its standard error falls as 1/√(draws · size).

    Raises InputError for captions as written: the estimated critic has seen those that could be drawn (`critic_on` others).
    """
    if isinstance(policy, Written):
        raise InputError(
            "of captions as written there is no ideal critic; critic_on estimates it on captions of the test"
        )
    rows = []
    for _ in range(draws):
        codes = space.sample(size, generator)
        tokens = captions.write(space, policy, codes, generator)
        rows.append(astuple(critic_on(space, codes, tokens, visible)))
    return Floor(*np.mean(rows, axis=0).tolist())


def critic_on(
    space: FactorSpace,
    codes: np.ndarray,
    tokens: np.ndarray,
    visible: Visible = None,
    policy: Policy | Written | None = None,
) -> Floor:
    """The ideal critic on one given set of pairs: codes [N, F], tokens [N, L], row i of both a pair.

    policy: needed where captions are as written: the critic is then the estimated one, fitted on the policy's captions, and
    what it reaches is no bound.

    Images that show the same and captions that say the same have the same logits, so the softmax is taken over the
    U ≤ N different images and M ≤ N different captions, each weighed by how often it occurs: O(U·M·F).
    """
    seen = _seen(space, visible)
    images, image, repeats = _distinct(codes * seen)
    as_written = isinstance(policy, Written)
    said, caption, copies = _distinct(np.sort(tokens, axis=1)) if as_written else _said(space, tokens)
    by_image = np.argsort(image, kind="stable")
    image, caption, n = image[by_image], caption[by_image], len(codes)
    z_text, e_text, loss, entropy, hits = np.zeros(len(said)), np.zeros(len(said)), 0.0, 0.0, 0.0
    for start in range(0, len(images), 256):
        rows = slice(start, start + 256)
        if as_written:
            logits = estimate.logits(space, policy, seen, images[rows], said)
        else:
            logits = _logits(space, seen, images[rows], said)
        w = np.exp(logits, out=np.zeros_like(logits), where=logits > -np.inf)  # few agree
        energy = w * np.where(w > 0, logits, 0)
        z_text += repeats[rows] @ w
        e_text += repeats[rows] @ energy
        z = w @ copies
        entropy += repeats[rows] @ (np.log(z) - energy @ copies / z)
        loss += repeats[rows] @ np.log(z)
        top = logits >= logits.max(axis=1, keepdims=True) - 1e-9  # ties, but for rounding
        pairs = slice(*np.searchsorted(image, [start, start + 256]))
        own = image[pairs] - start, caption[pairs]
        loss -= 2 * logits[own].sum()
        hits += (top[own] * copies[own[1]] / (top @ copies)[own[0]]).sum()
    loss += copies @ np.log(z_text)
    entropy_text = copies @ (np.log(z_text) - e_text / z_text)
    return Floor(float(loss) / (2 * n), float(entropy) / n, float(entropy_text) / n, float(hits) / n)
