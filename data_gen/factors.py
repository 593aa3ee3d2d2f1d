"""Factor spaces: the one source of truth from which images, captions, labels and bits are derived."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from data_gen.errors import InputError, unknown


@dataclass(frozen=True)
class Factor:
    """One thing that can vary: its values, the caption word of each, and how often each occurs.

    values: at least one distinct name; the first is the default. words: one a value, the values themselves unless
    given. probabilities: one a value, summing to 1; uniform unless given.
    """

    name: str
    values: tuple[str, ...]
    words: tuple[str, ...] | None = None
    probabilities: tuple[float, ...] | None = None

    def __post_init__(self):
        values = tuple(str(value) for value in self.values)
        words = values if self.words is None else tuple(self.words)
        p = (
            (1 / len(values),) * len(values)
            if self.probabilities is None and values
            else tuple(self.probabilities or ())
        )
        for field, value in (("values", values), ("words", words), ("probabilities", p)):
            object.__setattr__(self, field, value)
        if not values or len(set(values)) < len(values):
            raise InputError(f"factor {self.name!r} needs one or more distinct values, got {list(values)}")
        if not len(words) == len(values) == len(p):
            raise InputError(
                f"factor {self.name!r} has {len(values)} values, {len(words)} words and {len(p)} probabilities; "
                "they must be as many"
            )
        if min(p) < 0 or abs(sum(p) - 1) > 1e-9:
            raise InputError(
                f"the probabilities of factor {self.name!r} must be at least 0 and sum to 1, got {list(p)}"
            )

    def __len__(self) -> int:
        return len(self.values)

    @property
    def bits(self) -> float:
        """Entropy in bits."""
        return -sum(p * float(np.log2(p)) for p in self.probabilities if p > 0)


@dataclass(frozen=True)
class FactorSpace:
    """Independent factors in a fixed order. Row i of `codes` [N, F] holds the value index of each factor of sample i.

    No word may belong to two values: a caption then says exactly which values it names.
    """

    factors: tuple[Factor, ...]

    def __post_init__(self):
        object.__setattr__(self, "factors", tuple(self.factors))
        words = [word for factor in self.factors for word in factor.words]
        twice = sorted({word for word in words if words.count(word) > 1})
        if not self.factors or len(set(self.names)) < len(self.names):
            raise InputError(f"a factor space needs one or more factors with distinct names, got {list(self.names)}")
        if twice:
            raise InputError(f"caption words must be distinct across a space, but {twice} stand for several values")

    @cached_property
    def names(self) -> tuple[str, ...]:
        return tuple(factor.name for factor in self.factors)

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        return tuple(len(factor) for factor in self.factors)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All caption words, factor by factor: word `offsets[f] + value` names that value of factor f."""
        return tuple(word for factor in self.factors for word in factor.words)

    @cached_property
    def offsets(self) -> np.ndarray:
        """Where each factor's words start in `words`, [F]."""
        return np.concatenate([[0], np.cumsum(self.sizes)[:-1]])

    @cached_property
    def bits(self) -> np.ndarray:
        """Entropy of each factor in bits, [F]; as they are independent, any set of them holds the sum."""
        return np.array([factor.bits for factor in self.factors])

    def __len__(self) -> int:
        return len(self.factors)

    def __getitem__(self, name: str) -> Factor:
        return self.factors[self.index(name)]

    def index(self, name: str) -> int:
        """The column of a factor. Raises InputError with the nearest name if there is none."""
        if name not in self.names:
            raise unknown("factor", name, self.names)
        return self.names.index(name)

    def sample(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n independent samples as codes, int64 [n, F]; the first m rows do not depend on n."""
        u = generator.random((n, len(self)))
        edges = [np.cumsum(factor.probabilities)[:-1] for factor in self.factors]
        return np.stack([np.searchsorted(edge, u[:, f], side="right") for f, edge in enumerate(edges)], axis=1)

    def enumerate(self) -> np.ndarray:
        """Every combination once, int64 [product of sizes, F]; the last factor varies fastest."""
        return np.indices(self.sizes).reshape(len(self), -1).T

    def log2_probability(self, codes: np.ndarray) -> np.ndarray:
        """log2 of each value's probability, [N, F]; a row's sum over any set of factors is that set's joint."""
        with np.errstate(divide="ignore"):
            return np.stack([np.log2(f.probabilities)[codes[:, i]] for i, f in enumerate(self.factors)], axis=1)

    def table(self, codes: np.ndarray) -> pd.DataFrame:
        """Codes [N, F] as a table of value names, one categorical column a factor."""
        return pd.DataFrame(
            {f.name: pd.Categorical.from_codes(codes[:, i], list(f.values)) for i, f in enumerate(self.factors)}
        )

    def codes(self, table: pd.DataFrame | Mapping[str, Iterable] | np.ndarray) -> np.ndarray:
        """Codes int64 [N, F] from a table or mapping with a column a factor (value names or indices), or from codes."""
        if not (isinstance(table, Mapping | pd.DataFrame)):
            codes = np.asarray(table)
            if codes.ndim != 2 or codes.shape[1] != len(self):
                raise InputError(
                    f"factor codes must be [N, {len(self)}] (one column a factor), got {list(codes.shape)}"
                )
        else:
            for name in self.names:
                if name not in table:
                    raise InputError(f"the factor table has no column {name!r} (it needs {', '.join(self.names)})")
            codes = np.stack([_column(factor, table[factor.name]) for factor in self.factors], axis=1)
        codes = codes.astype(np.int64)
        if codes.size and ((codes < 0) | (codes >= np.array(self.sizes))).any():
            raise InputError(
                f"factor codes must lie in 0 … size − 1, sizes {dict(zip(self.names, self.sizes, strict=True))}"
            )
        return codes


def _column(factor: Factor, column: Iterable) -> np.ndarray:
    values = np.asarray(column)
    if np.issubdtype(values.dtype, np.integer):
        return values
    lookup = {value: code for code, value in enumerate(factor.values)}
    for value in set(values.tolist()) - set(lookup):
        raise unknown(f"value of factor {factor.name!r}", value, factor.values)
    return np.array([lookup[value] for value in values.tolist()], dtype=np.int64)


#: Multimodal Attributes and Digits (Schrodi et al., ICLR 2025): six factors, 26 words, 1,680 combinations, 10.71 bits.
MAD = FactorSpace(
    (
        Factor("digit", tuple("0123456789")),
        Factor("thickness", ("no thickthinning", "thickening", "thinning")),
        Factor("swelling", ("no swelling", "swelling")),
        Factor("fracture", ("no fracture", "fracture")),
        Factor("size", ("large", "small")),
        Factor("colour", ("gray", "red", "green", "blue", "cyan", "magenta", "yellow")),
    )
)
