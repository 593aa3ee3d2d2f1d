"""What captions as somebody wrote them tell of factors: an estimate, by what a log-linear model reads of their words.

The model is log q(v | t) = log p(v) + Σ_{w in t} Σ_f θ[w, v_f] − log Z(t), of combinations v of factors and captions t, with p
the space's. Whatever q is, H(v) + E log q(v | t) is at most the mutual information I(v; t) (Barber & Agakov 2003), if q has
not seen those t: here five models each leave out a fifth of the images, and are asked about these. So the estimate is from
below, but for chance. It counts what words tell one by one (V-information, Xu et al. 2020); what only their order
tells is not counted.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from data_gen.errors import InputError
from data_gen.factors import FactorSpace
from data_gen.seeds import generator
from data_gen.written import Texts, Written

FOLDS = 5
PENALTIES = (1.0, 0.1, 0.01)  # of θ's squares, against the sum over images; the best on the first fifth is taken
MOST = 1000  # captions that are fitted, so that it takes seconds


@dataclass(frozen=True, eq=False)
class Fitted:
    """models: θ of each fold's model, and last of one that has seen all; [words + 1, values of all factors]. image, fold: of
    the captions `tokens` [C, L] that were fitted, [C]; weight: how often each occurs, [C], summing to 1."""

    models: tuple[np.ndarray, ...]
    tokens: np.ndarray
    image: np.ndarray
    fold: np.ndarray
    weight: np.ndarray


def bits(space: FactorSpace, policy: Written, seen: np.ndarray) -> tuple[float, float, float, float]:
    """In bits: H of the visible factors, what captions tell of it, what they tell of hidden factors beyond, and the standard
    error of the second. seen: which factors are visible, bool [F]."""
    fitted = _fit(space, policy.texts)
    codes = policy.texts.codes[fitted.image]
    of_seen, of_all = (_surprise(space, fitted, codes, part) for part in (seen, np.ones(len(space), dtype=bool)))
    image, whole = float(space.entropy(seen)), float(space.entropy(np.ones(len(space), dtype=bool)))
    told, of_both = (max(0.0, h - float(fitted.weight @ x)) for h, x in ((image, of_seen), (whole, of_all)))
    by_image = np.bincount(fitted.image, fitted.weight * (of_seen - fitted.weight @ of_seen))
    return image, told, max(0.0, of_both - told), float(np.sqrt((by_image**2).sum()))


def _surprise(space: FactorSpace, fitted: Fitted, codes: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """−log2 q(v | t) of each fitted caption, by the model that has not seen its image, [C]."""
    found = np.empty(len(codes))
    for fold, theta in enumerate(fitted.models[:-1]):
        rows = fitted.fold == fold
        found[rows] = _missed(space, theta, fitted.tokens[rows], codes[rows], seen)
    return found


def _missed(
    space: FactorSpace, theta: np.ndarray, tokens: np.ndarray, codes: np.ndarray, seen: np.ndarray
) -> np.ndarray:
    """−log2 q(v | t) of pairs, codes [C, F] and tokens [C, L]: [C]."""
    distinct, which = np.unique(codes * seen, axis=0, return_inverse=True)
    log_q, _ = _log_q(space, theta, tokens, seen, distinct)
    return -log_q[np.arange(len(codes)), which.reshape(-1)] / np.log(2)


def logits(space: FactorSpace, policy: Written, seen: np.ndarray, images: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """log q(v | t)/p(v) in nats, [N images, M captions], by the model that has seen all of the policy's captions.

    images: codes [N, F]. tokens: [M, L]. Raises InputError for images that cannot occur in the space.
    """
    log_q, log_p = _log_q(space, _fit(space, policy.texts).models[-1], tokens, seen, images * seen)
    if not np.isfinite(log_p).all():
        raise InputError("an image shows what cannot occur in this factor space")
    return (log_q - log_p).T


def _log_q(
    space: FactorSpace, theta: np.ndarray, tokens: np.ndarray, seen: np.ndarray, asked: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """log q of the visible parts `asked` [U, F] of combinations, given captions [M, L]: [M, U]; and log p of them, [U]."""
    possible, log_p, of_values = _combinations(space)
    q = _softmax(_words(tokens, len(theta)) @ theta @ of_values.T + log_p)
    member = (possible[:, None] * seen == asked[None] * seen).all(2).astype(float)  # [K, U]
    with np.errstate(divide="ignore"):
        found = np.log(np.exp(log_p) @ member)
    return np.log(np.maximum(q @ member, 1e-300)), found


def _softmax(logits: np.ndarray) -> np.ndarray:
    odds = np.exp(logits - logits.max(axis=1, keepdims=True))
    return odds / odds.sum(axis=1, keepdims=True)


@lru_cache(maxsize=8)
def _combinations(space: FactorSpace) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Combinations that can occur, [K, F], log p of each, [K], and which values each has, 0 or 1, [K, values]."""
    possible = np.argwhere(space.distribution > 0)
    of_values = np.zeros((len(possible), len(space.words)))
    np.put_along_axis(of_values, space.offsets + possible, 1.0, axis=1)
    return possible, np.log(space.distribution[tuple(possible.T)]), of_values


def _words(tokens: np.ndarray, size: int):
    """Which words captions [M, L] have, 0 or 1, sparse [M, size]; the first column is 0, of padding."""
    from scipy.sparse import csr_matrix

    row, column = np.nonzero(tokens)
    found = csr_matrix((np.ones(len(row)), (row, tokens[row, column])), shape=(len(tokens), size))
    found.data[:] = 1.0  # a word that stands twice is there once
    return found


@lru_cache(maxsize=8)
def _fit(space: FactorSpace, texts: Texts) -> Fitted:
    """Raises InputError where no image of the table can occur in the space."""
    p = space.distribution[tuple(texts.codes.T)]
    here = np.flatnonzero(p > 0)
    if len(here) < FOLDS:
        raise InputError(
            f"{len(here)} images with captions have factors that can occur here; {FOLDS} or more are needed"
        )
    chance = generator(0, "estimate")
    order = chance.permutation(here)
    kept = order[np.cumsum(texts.count[order]) <= MOST] if texts.count[order].sum() > MOST else order
    captions = np.flatnonzero(np.isin(texts.of, kept))
    image, tokens = texts.of[captions], texts.tokens[captions]
    shared_by = np.array([len(texts.alike[tuple(code)]) for code in texts.codes[image]])
    weight = p[image] / shared_by / texts.count[image]
    weight /= weight.sum()
    fold_of = np.empty(len(texts.codes), dtype=np.int64)
    fold_of[kept] = np.arange(len(kept)) % FOLDS
    fold, size = fold_of[image], 1 + len(texts.words)
    possible, log_p, of_values = _combinations(space)
    numbers = {tuple(code): k for k, code in enumerate(possible.tolist())}
    target = np.array([numbers[tuple(code)] for code in texts.codes[image].tolist()])
    words, scale = _words(tokens, size), weight * len(kept)

    def model(rows: np.ndarray, penalty: float, start: np.ndarray) -> np.ndarray:
        return _theta(words[rows], of_values, target[rows], scale[rows], log_p, penalty, start)

    first, found = fold == 0, []
    theta = np.zeros((size, len(space.words)))
    for penalty in PENALTIES:
        theta = model(~first, penalty, theta)
        every = np.ones(len(space), dtype=bool)
        missed = weight[first] @ _missed(space, theta, tokens[first], texts.codes[image[first]], every)
        found.append((missed, penalty, theta))
    _, penalty, theta = min(found, key=lambda each: each[0])
    others = [model(fold != i, penalty, theta) for i in range(1, FOLDS)]
    last = model(np.ones(len(fold), dtype=bool), penalty, theta)
    return Fitted((theta, *others, last), tokens, image, fold, weight)


def _theta(words, of_values, target, weight, log_p, penalty: float, start: np.ndarray) -> np.ndarray:
    """The θ that makes the captions' combinations most likely: −Σ weight · log q(target | words) + penalty/2 · Σ θ²."""
    from scipy.optimize import minimize

    rows = np.arange(len(target))

    def cost(flat: np.ndarray) -> tuple[float, np.ndarray]:
        theta = flat.reshape(start.shape)
        wrong = _softmax((words @ theta) @ of_values.T + log_p)
        missed = -weight @ np.log(np.maximum(wrong[rows, target], 1e-300))
        wrong *= weight[:, None]
        wrong[rows, target] -= weight
        slope = words.T @ (wrong @ of_values) + penalty * theta
        return float(missed + penalty / 2 * (theta**2).sum()), slope.ravel()

    enough = {"maxiter": 60, "ftol": 1e-7}
    return minimize(cost, start.ravel(), jac=True, method="L-BFGS-B", options=enough).x.reshape(start.shape)
