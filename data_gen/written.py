"""Captions as somebody wrote them, in a table of images: tokenised, and one drawn for each sample.

Which factors such a caption tells of is not known beforehand: its information is estimated (`data_gen.estimate`).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np

from data_gen.errors import InputError
from data_gen.factors import FactorSpace

LONGEST = 77  # words of a caption that are read, as of CLIP's
UNKNOWN = "?"  # the caption of which training knows no word
WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")


@dataclass(frozen=True, eq=False)
class Texts:
    """All captions of a split. N images, C captions of up to L words.

    words: the vocabulary: the words of the factors' values (as in `FactorSpace.words`), then all others, then `UNKNOWN`.
    tokens: int64 [C, L], 1 + index into `words`, 0 for padding at the end. of: the image of each caption, int64 [C],
    ascending. codes: the images' factors, int64 [N, F]. checksum: of all that is written, in every split.
    """

    words: tuple[str, ...]
    tokens: np.ndarray
    of: np.ndarray
    codes: np.ndarray
    checksum: str

    @cached_property
    def count(self) -> np.ndarray:
        """How many captions each image has, [N]."""
        return np.bincount(self.of, minlength=len(self.codes))

    @cached_property
    def alike(self) -> dict[tuple, np.ndarray]:
        return alike(self.codes)


@dataclass(frozen=True)
class Written:
    """The policy of captions as they are written. shuffled: whether their words stand in random order."""

    texts: Texts
    shuffled: bool = False


def read(space: FactorSpace, told: Mapping[str, Sequence[Sequence[str]]], codes: Mapping[str, np.ndarray]) -> dict:
    """{split: Texts} of the captions of each image of each split, and the images' codes; train is one of the splits.

    Words are runs of letters and digits, in lower case; a factor's word that consists of several is one word. Words that
    no training caption has are left out of others.
    """
    parts = {tuple(_split(word)): word for word in reversed(space.words)}
    longest = max(map(len, parts))
    cut = {
        split: [[_merged(_split(text), parts, longest) for text in some] for some in of] for split, of in told.items()
    }
    others = {word for some in cut["train"] for text in some for word in text} - {*space.words}
    words = (*space.words, *sorted(others), UNKNOWN)
    index = {word: 1 + i for i, word in enumerate(words)}
    known = {
        split: [[[index[w] for w in text if w in index] or [len(words)] for text in some] for some in of]
        for split, of in cut.items()
    }
    length = max(len(text) for of in known.values() for some in of for text in some)
    checksum = sha256(repr({split: [list(some) for some in of] for split, of in told.items()}).encode()).hexdigest()
    found = {}
    for split, of in known.items():
        rows = [text for some in of for text in some]
        tokens = np.array([text + [0] * (length - len(text)) for text in rows], dtype=np.int64)
        image = np.repeat(np.arange(len(of)), [len(some) for some in of])
        found[split] = Texts(words, tokens, image, codes[split], checksum)
    return found


def _split(text: str) -> list[str]:
    return WORD.findall(text.casefold())


def _merged(words: list[str], parts: Mapping[tuple, str], longest: int) -> list[str]:
    """The words, with those that together are a factor's word as that one, the longest first; at most `LONGEST`."""
    found, at = [], 0
    while at < len(words) and len(found) < LONGEST:
        length = next((n for n in range(longest, 0, -1) if tuple(words[at : at + n]) in parts), 0)
        found.append(parts[tuple(words[at : at + length])] if length else words[at])
        at += length or 1
    return found


def write(
    policy: Written, codes: np.ndarray, generator: np.random.Generator, images: np.ndarray | None = None
) -> np.ndarray:
    """One of its captions for each sample, int64 [N, L]. images: which image each sample is, [N]; without, any with the
    sample's codes [N, F]. Row i depends on the generator's seed, i, and the sample alone."""
    texts = policy.texts
    u = generator.random((len(codes), 2 + texts.tokens.shape[1]))
    images = image_of(texts.alike, codes, u[:, 0]) if images is None else np.asarray(images)
    first = np.cumsum(texts.count) - texts.count
    tokens = texts.tokens[first[images] + (u[:, 1] * texts.count[images]).astype(np.int64)]
    if not policy.shuffled:
        return tokens
    order = np.argsort(np.where(tokens > 0, u[:, 2:], np.inf), axis=1, kind="stable")
    return np.take_along_axis(tokens, order, axis=1)


def alike(codes: np.ndarray) -> dict[tuple, np.ndarray]:
    """Combination of factors → the images that have it, from the codes of all images [N, F]."""
    return {tuple(code): np.flatnonzero((codes == code).all(1)) for code in np.unique(codes, axis=0)}


def image_of(alike: Mapping[tuple, np.ndarray], codes: np.ndarray, u: np.ndarray, where: str = "") -> np.ndarray:
    """An image for each row of codes [N, F], int64 [N], chosen by numbers u [N] in [0, 1). Raises InputError where there is
    none. where: how its line begins."""
    try:
        some = [alike[tuple(code)] for code in codes]
    except KeyError as error:
        raise InputError(f"{where}no image of this split shows a combination that is asked for") from error
    return np.array([rows[int(x * len(rows))] for rows, x in zip(some, u, strict=True)], dtype=np.int64)
