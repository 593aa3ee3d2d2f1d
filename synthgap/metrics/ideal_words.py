"""Ideal words: a caption's embedding as a centre and one vector a word (Trager et al. 2023, "Linear spaces of meanings").

Tokens are int64 [N, L], 0 = padding; a word is named by a row if it stands anywhere in it. A gap is closed by moving the
prototypes that follow (Schrodi et al. 2025, Tab. 5), and then it matters whether they are brought back to length 1.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError
from synthgap.metric_names import Metric
from synthgap.metrics import tiles
from synthgap.metrics.embedded import Embedded
from synthgap.metrics.gap import alignment
from synthgap.metrics.probes import zero_shot

METRICS = (
    Metric(
        "alignment_ideal", "image-text", "alignment of images and captions composed of ideal words", low=-1, high=1,
        paper="Trager et al. 2023", by=lambda seen: alignment(seen.z["image"], seen.once(_captions)),
    ),
    Metric(
        "recall@1_ideal", "image-text", "recall@1 of captions composed of ideal words", low=0, high=1,
        by=lambda seen: recall_of_copies(seen.some.z["image"], seen.once(_captions), seen.known["caption"]),
    ),
    Metric(
        "zero_shot_ideal", "image's factor", "zero_shot by ideal words", low=0, high=1,
        by=lambda seen, factor: _zero_shot(seen, factor, seen.once(_words)),
    ),
    Metric(
        "zero_shot_ideal_published", "image's factor", "the same moved by the gap, not normalised, as published", low=0,
        high=1, paper="Schrodi et al. 2025",
        by=lambda seen, factor: _zero_shot(seen, factor, seen.once(_published_words)),
    ),
)  # fmt: skip


def ideal_words(x: Tensor, tokens: Tensor, groups: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of all captions, [D], and of each word what it adds, [vocabulary + 1, D].

    x: caption embeddings [N, D], unit-norm; tokens: their words [N, L]; groups: the factor of each word, int64
    [vocabulary + 1], −1 for padding. A word adds the mean of the captions that name it − the mean of those that name any
    word of its factor; one that is never named adds nothing, and so does padding. Where every combination of values is
    captioned equally often this is Trager et al.'s decomposition, and embeddings that are sums over words are its sums
    exactly. Raises InputError for shapes that do not fit, or a token beyond the groups.
    """
    if len(x) != len(tokens):
        raise InputError(f"ideal words need a row of tokens for each embedding, got {len(tokens)} for {len(x)}")
    groups = groups.to(x.device)
    rows, naming = x.double(), _named(tokens.to(x.device), len(groups))
    factors = groups[:, None] == groups.unique()  # [vocabulary + 1, factors]
    any_of_factor = (naming @ factors.double() > 0).double()
    words = _means(naming, rows) - (factors.double() @ _means(any_of_factor, rows))
    words[naming.sum(0) == 0] = 0
    return rows.mean(0).to(x.dtype), words.to(x.dtype)


def prototypes(centre: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
    """Captions composed of ideal words, brought to length 1: [M, D].

    centre: [D]; words: [vocabulary + 1, D]; tokens: [M, L]. To move them by a gap, move the centre: their lengths then
    change unequally, and with them, once they are back at 1, which of them is nearest.
    """
    return normalize(_composed(centre, words, tokens), dim=1)


def published_prototypes(centre: Tensor, words: Tensor, tokens: Tensor, gap: Tensor) -> Tensor:
    """The same moved by a gap, [D], and not normalised: [M, D], as the published code does.

    ⟨z, p + gap⟩ − ⟨z, p⟩ is one number for all prototypes p, so that the one that suits z best stays best: "closing the
    gap leaves the accuracy unchanged" is then no finding but certain beforehand. Kept for comparison with published
    numbers; `prototypes` is the form that can say otherwise.
    """
    return _composed(centre, words, tokens) + gap


def recall_of_copies(x: Tensor, y: Tensor, groups: Tensor) -> float:
    """`recall_at_1(x, y, [groups])` of candidates that are equal where their groups are, as composed captions are.

    Each is looked at once, and counts as often as it is there, so that it costs O(N·groups·D).
    """
    wanted = {"return_index": True, "return_inverse": True, "return_counts": True}
    _, first, group, copies = np.unique(groups.cpu().numpy(), **wanted)
    candidates, group, copies = (
        tiles.padded(y[first]),
        torch.from_numpy(group).to(x.device),
        torch.from_numpy(copies).to(x),
    )
    hits = 0.0
    for block in tiles.blocks(len(x), tiles.FEW):
        similarity = (x[block] @ candidates.T)[:, : len(copies)]
        nearest = torch.eq(similarity, similarity.amax(1, keepdim=True), out=torch.empty_like(similarity))
        right = nearest.gather(1, group[block, None])[:, 0] * copies[group[block]]
        hits += float((right / (nearest @ copies)).double().sum())
    return hits / len(x)


def _composed(centre: Tensor, words: Tensor, tokens: Tensor) -> Tensor:
    return centre + _named(tokens.to(words.device), len(words)).to(words.dtype) @ words


def _named(tokens: Tensor, words: int) -> Tensor:
    """Which words each row names, 0 or 1, float64 [N, words]; padding is named by none."""
    if len(tokens) and not 0 <= int(tokens.min()) <= int(tokens.max()) < words:
        raise InputError(f"tokens must lie in 0 to {words - 1}, got {int(tokens.min())} to {int(tokens.max())}")
    named = torch.zeros(len(tokens), words, dtype=torch.float64, device=tokens.device).scatter_(1, tokens, 1.0)
    named[:, 0] = 0
    return named


def _means(among: Tensor, x: Tensor) -> Tensor:
    """Means of the rows of x [N, D] over each column's set, [sets, D]; of an empty set 0. among: 0 or 1, [N, sets]."""
    return among.T @ x / among.sum(0).clamp(min=1)[:, None]


def _ideal(seen: Embedded) -> tuple[Tensor, Tensor]:
    sizes = seen.world.space.sizes
    groups = np.repeat(np.arange(-1, len(sizes)), [1, *sizes])  # the first is the padding's
    return ideal_words(seen.z["text"], seen.once(_of_factors), torch.from_numpy(groups))


def _of_factors(seen: Embedded) -> Tensor:
    """The captions without words that are no factor's, as captions as written have."""
    return torch.where(seen.tokens <= len(seen.world.space.words), seen.tokens, 0)


def _captions(seen: Embedded) -> Tensor:
    return prototypes(*seen.once(_ideal), seen.once(_of_factors))


def _words(seen: Embedded) -> Tensor:
    return prototypes(*seen.once(_ideal), _alone(seen))


def _published_words(seen: Embedded) -> Tensor:
    return published_prototypes(*seen.once(_ideal), _alone(seen), seen.z["image"].mean(0) - seen.z["text"].mean(0))


def _alone(seen: Embedded) -> Tensor:
    """Captions of one word, of all words."""
    return torch.arange(1, len(seen.world.space.words) + 1, device=seen.tokens.device)[:, None]


def _zero_shot(seen: Embedded, factor: str, words: Tensor) -> float:
    return zero_shot(seen.z["image"], words[seen.words_of(factor)], seen.values(factor))
