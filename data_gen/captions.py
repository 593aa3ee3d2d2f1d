"""Caption policies: which factors get a word, how often, and the captions that follow from (policy, factors, seed).

Every policy is a distribution over *sets of named factors*, chosen without looking at the values. That one form is
enough to draw captions, to enumerate them and to count in exact bits what they tell (`data_gen.information`). Captions as
somebody wrote them are another matter (`data_gen.written`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from math import floor

import numpy as np

from data_gen import written as as_written
from data_gen.errors import InputError, unknown
from data_gen.factors import FactorSpace
from data_gen.written import Texts, Written

MOST_SETS = 2**20  # beyond this, "exact by enumeration" would take too long


@dataclass(frozen=True)
class Policy:
    """A distribution over sets of named factors: `sets` bool [M, F], none empty, and their `probabilities` [M].

    shuffled: whether the words stand in random order or in the space's order.
    """

    sets: np.ndarray
    probabilities: np.ndarray
    shuffled: bool = True


def attributes(space: FactorSpace, object: str, attributes: int, shuffled: bool = True) -> Policy:
    """The object's word plus those of so many of the other factors, drawn without replacement (MAD; Schrodi et al. 2025)."""
    at, most = space.index(object), len(space) - 1
    if not 0 <= attributes <= most:
        raise InputError(
            f"captions.attributes={attributes}: a caption can name 0 to {most} attributes beside the {object!r} object"
        )
    others = [f for f in range(len(space)) if f != at]
    return _uniform(space, [(at, *chosen) for chosen in combinations(others, attributes)], shuffled)


def fixed(space: FactorSpace, factors: Sequence[str], shuffled: bool = True) -> Policy:
    """Always the same factors."""
    if not factors:
        raise InputError(f"captions.factors is empty: name at least one of {', '.join(space.names)}")
    return _uniform(space, [[space.index(name) for name in factors]], shuffled)


def contiguous(space: FactorSpace, fraction: float, shuffled: bool = True) -> Policy:
    """A contiguous part of the full caption, at a random place and never empty: half and quarter captions.

    The part has max(1, ⌊fraction · F⌋) words. A window of a shuffled caption is a uniform random set of that many
    factors; unshuffled, it is a window of neighbours in the space's order.
    """
    if not 0 < fraction <= 1:
        raise InputError(f"captions.fraction={fraction}: it must lie in (0, 1]")
    length = max(1, floor(fraction * len(space)))
    windows = [range(start, start + length) for start in range(len(space) - length + 1)]
    return _uniform(space, combinations(range(len(space)), length) if shuffled else windows, shuffled)


def independent(space: FactorSpace, probability: Mapping[str, float], shuffled: bool = True) -> Policy:
    """Each factor is named with its own probability (0 where none is given); empty captions are drawn again."""
    for name, p in probability.items():
        if name not in space.names:
            raise unknown("factor in captions.probability", name, space.names)
        if not 0 <= p <= 1:
            raise InputError(f"captions.probability.{name}={p}: it must lie in [0, 1]")
    p = np.array([probability.get(name, 0.0) for name in space.names])
    maybe = np.flatnonzero((p > 0) & (p < 1))
    if 2 ** len(maybe) > MOST_SETS or not p.any():
        raise InputError(
            "captions.probability must name a factor, and at most 20 of them with a chance between 0 and 1"
        )
    sets = np.tile(p == 1, (2 ** len(maybe), 1))
    sets[:, maybe] = list(product([False, True], repeat=len(maybe)))
    weights = np.where(sets, p, 1 - p).prod(axis=1) * sets.any(axis=1)
    return Policy(sets[weights > 0], weights[weights > 0] / weights.sum(), shuffled)


def written(space: FactorSpace, texts: Texts, shuffled: bool = False) -> Written:
    """As they are written in a table of images of your own; of several captions of an image, one is drawn for each sample."""
    return Written(texts, shuffled)


def _uniform(space: FactorSpace, chosen, shuffled: bool) -> Policy:
    chosen = list(chosen)
    sets = np.zeros((len(chosen), len(space)), dtype=bool)
    for row, factors in zip(sets, chosen, strict=True):
        row[list(factors)] = True
    return Policy(sets, np.full(len(sets), 1 / len(sets)), shuffled)


def write(
    space: FactorSpace,
    policy: Policy | Written,
    codes: np.ndarray,
    generator: np.random.Generator,
    images: np.ndarray | None = None,
) -> np.ndarray:
    """Captions as tokens, int64 [N, L]: 1 + index into the policy's words, 0 for padding at the end; L = the longest.

    images: which image of its table each sample shows, [N], where captions are as written; without, any with its codes. Row i
    depends on the generator's seed, i and codes[i] (and images[i]) alone: the same at every access, in every process.
    """
    if isinstance(policy, Written):
        return as_written.write(policy, codes, generator, images)
    u = generator.random((len(codes), 1 + len(space)))
    named = policy.sets[np.searchsorted(np.cumsum(policy.probabilities)[:-1], u[:, 0], side="right")]
    place = u[:, 1:] if policy.shuffled else np.tile(np.arange(len(space)), (len(codes), 1))
    order = np.argsort(np.where(named, place, np.inf), axis=1, kind="stable")
    tokens = np.where(named, 1 + space.offsets + codes, 0)
    return np.take_along_axis(tokens, order, axis=1)[:, : policy.sets.sum(axis=1).max()]


def texts(space: FactorSpace, tokens: np.ndarray, policy: Policy | Written | None = None) -> list[str]:
    """Tokens [N, L] as the captions that a person reads: `1-thickening-swelling-fracture-large-blue`, or, as written, `a red
    square`."""
    words, between = (policy.texts.words, " ") if isinstance(policy, Written) else (space.words, "-")
    return [between.join(words[token - 1] for token in row if token) for row in tokens.tolist()]


def equal(tokens: np.ndarray) -> np.ndarray:
    """A group number for each caption, int64 [N]: two captions share it if they hold the same words in any order."""
    return np.unique(np.sort(tokens, axis=1), axis=0, return_inverse=True)[1].reshape(-1)


def read(space: FactorSpace, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What captions [N, L] say: which factors each names, bool [N, F], and their values, int64 [N, F] (0 where unnamed)."""
    row, column = np.nonzero(tokens)
    word = tokens[row, column] - 1
    factor = np.searchsorted(space.offsets, word, side="right") - 1
    named, values = np.zeros((len(tokens), len(space)), dtype=bool), np.zeros((len(tokens), len(space)), dtype=np.int64)
    named[row, factor] = True
    values[row, factor] = word - space.offsets[factor]
    return named, values
