"""Ideal words: a caption's embedding as a centre and one vector a word (Trager et al. 2023, "Linear spaces of meanings").

Tokens are int64 [N, L], 0 = padding; a word is named by a row if it stands anywhere in it. A gap is closed by moving the
prototypes that follow (Schrodi et al. 2025, Tab. 5), and then it matters whether they are brought back to length 1.
"""

import torch
from torch import Tensor
from torch.nn.functional import normalize

from data_gen import InputError


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
    """The same moved by a gap, [D], and left at whatever length they have: [M, D], as the published code does.

    ⟨z, p + gap⟩ − ⟨z, p⟩ is one number for all prototypes p, so that the one that suits z best stays best: "closing the
    gap leaves the accuracy unchanged" is then no finding but certain beforehand. Kept for comparison with published
    numbers; `prototypes` is the form that can say otherwise.
    """
    return _composed(centre, words, tokens) + gap


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
