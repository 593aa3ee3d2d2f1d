"""What metrics read of a trained model: its embeddings of the test samples, and all that is known of these."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from torch import Tensor

from data_gen import FactorSpace, World

QUERIES = 1000  # that search within a modality: the first samples, among all
MOST = 10_000  # that ask across modalities, or are compared with one another: the first samples, where there are more


@dataclass
class Embedded:
    """z: {modality: unit-norm [N, D]}. codes: the samples' factors, value indices [N, F] in `world.space`.

    object: the factor that is the object. tokens: captions [N, L], 0 = padding. known: what a loss is told, {factors [N, F],
    object [N], caption [N], equal where captions are}. prompts: embedded one-word captions of all words, [words, D].
    scale: 1/τ. loss: (embeddings, scale, known=…) → scalar, of batches of `batch` samples. asked: {modality: [queries, D]},
    other representations of the first samples, where those search within a modality.
    """

    z: dict[str, Tensor]
    codes: np.ndarray
    world: World
    object: str = ""
    tokens: Tensor | None = None
    known: dict[str, Tensor] = field(default_factory=dict)
    prompts: Tensor | None = None
    scale: float = 1.0
    loss: Callable[..., Tensor] | None = None
    batch: int = 1
    asked: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self):
        self._kept = {}

    def once(self, function: Callable, *arguments) -> Any:
        """function(self, *arguments), computed when it is first asked for: what several metrics read is computed once."""
        if (function, arguments) not in self._kept:
            self._kept[function, arguments] = function(self, *arguments)
        return self._kept[function, arguments]

    @cached_property
    def some(self) -> "Embedded":
        """The same of the first `MOST` samples: what takes the square of their number, or iterates, is told of these."""
        if len(self.codes) <= MOST:
            return self
        z, known = ({name: x[:MOST] for name, x in all_.items()} for all_ in (self.z, self.known))
        return replace(self, z=z, known=known, codes=self.codes[:MOST])

    def values(self, factor: str) -> np.ndarray:
        """The value index of each sample, [N]."""
        return self.codes[:, self.world.space.index(factor)]

    def about(self, modality: str) -> tuple[list[int], FactorSpace]:
        """The factors that a modality is about, hidden ones too: their columns in `codes`, and their space."""
        space = self.world.space
        columns = np.flatnonzero(space.mask(self.world.shows.get(modality, space.names))).tolist()
        return columns, FactorSpace([space.factors[f] for f in columns])

    def words_of(self, factor: str) -> slice:
        """Where the words of a factor's values stand among all words, as in `prompts`."""
        f = self.world.space.index(factor)
        return slice(self.world.space.offsets[f], self.world.space.offsets[f] + len(self.world.space.factors[f]))
