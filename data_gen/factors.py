"""Factor spaces: the one source of truth from which images, captions, labels and bits are derived."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from hashlib import sha256
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from data_gen.errors import InputError, unknown

if TYPE_CHECKING:  # it takes half a second to load, which the command's help and its errors can do without
    import pandas as pd

MOST_COMBINATIONS = 10**6  # a joint distribution lists them all


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
        for attribute, value in (("values", values), ("words", words), ("probabilities", p)):
            object.__setattr__(self, attribute, value)
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
    """Factors in a fixed order. Row i of `codes` [N, F] holds the value index of each factor of sample i.

    No word may belong to two values: a caption then says exactly which values it names.
    joint: the probability of every combination, in the order of `enumerate` or as an array [size of each factor], summing
    to 1; without it the factors are independent. The factors' own probabilities are always its marginals.
    """

    factors: tuple[Factor, ...]
    joint: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        object.__setattr__(self, "factors", tuple(self.factors))
        words = [word for factor in self.factors for word in factor.words]
        twice = sorted({word for word in words if words.count(word) > 1})
        if not self.factors or len(set(self.names)) < len(self.names):
            raise InputError(f"a factor space needs one or more factors with distinct names, got {list(self.names)}")
        if twice:
            raise InputError(f"caption words must be distinct across a space, but {twice} stand for several values")
        if self.joint is None:
            return
        joint = np.array(self.joint, dtype=float)
        if joint.size != prod(self.sizes) or joint.shape not in (self.sizes, (joint.size,)):
            raise InputError(f"a joint distribution must be {list(self.sizes)}, got {list(joint.shape)}")
        if not (joint.min() >= 0 and abs(joint.sum() - 1) < 1e-9):
            raise InputError(f"a joint distribution must be at least 0 and sum to 1, got a sum of {joint.sum():.6g}")
        joint = joint.reshape(self.sizes)
        joint.setflags(write=False)
        object.__setattr__(self, "joint", joint)
        object.__setattr__(self, "factors", tuple(self._with_marginal(f) for f in range(len(self))))

    def _with_marginal(self, f: int) -> Factor:
        p = self.marginal(np.arange(len(self)) == f).ravel()
        same = np.allclose(p, self.factors[f].probabilities, rtol=0, atol=1e-9)  # then rounding may not change it
        return self.factors[f] if same else replace(self.factors[f], probabilities=tuple((p / p.sum()).tolist()))

    def __eq__(self, other) -> bool:
        if not isinstance(other, FactorSpace):
            return NotImplemented
        return self.factors == other.factors and np.array_equal(self.joint, other.joint)

    def __hash__(self) -> int:
        return hash(self.factors)

    def identity(self) -> list:
        """All that makes this space what it is, fit for JSON: a row a factor, then the checksum of `joint` if it has one."""
        rows = [[f.name, f.values, f.words, f.probabilities] for f in self.factors]
        if self.joint is not None:
            rows.append({"joint": sha256(self.joint.astype("<f8").tobytes()).hexdigest()})
        return rows

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
        """Entropy of each factor by itself in bits, [F]; of sets of factors: `entropy`."""
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

    def mask(self, factors: str | Iterable[str] | np.ndarray) -> np.ndarray:
        """A set of factors, bool [F], from their names or from such a mask. Raises InputError for what is neither."""
        given = np.asarray([factors] if isinstance(factors, str) else list(factors))
        if given.dtype == bool:
            if given.shape != (len(self),):
                raise InputError(f"a mask of factors must be [{len(self)}], got {list(given.shape)}")
            return given
        mask = np.zeros(len(self), dtype=bool)
        mask[[self.index(str(name)) for name in given.tolist()]] = True
        return mask

    def sample(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """n independent samples as codes, int64 [n, F]; the first m rows do not depend on n."""
        if self.joint is None:
            u = generator.random((n, len(self)))
            edges = [np.cumsum(factor.probabilities)[:-1] for factor in self.factors]
            return np.stack([np.searchsorted(edge, u[:, f], side="right") for f, edge in enumerate(edges)], axis=1)
        possible = np.flatnonzero(self.joint)  # so that rounding never draws what cannot be
        edge = np.cumsum(self.joint.ravel()[possible])[:-1]
        drawn = possible[np.searchsorted(edge, generator.random(n), side="right")]
        return np.stack(np.unravel_index(drawn, self.sizes), axis=1)

    def enumerate(self) -> np.ndarray:
        """Every combination once, int64 [product of sizes, F]; the last factor varies fastest."""
        return np.indices(self.sizes).reshape(len(self), -1).T

    @cached_property
    def distribution(self) -> np.ndarray:
        """The probability of every combination, [size of each factor]. Raises InputError if there are too many."""
        if prod(self.sizes) > MOST_COMBINATIONS:
            raise InputError(
                f"a joint distribution lists every combination, at most {MOST_COMBINATIONS:,}; "
                f"this space has {prod(self.sizes):,}"
            )
        if self.joint is not None:
            return self.joint
        return reduce(np.multiply.outer, [np.array(factor.probabilities) for factor in self.factors])

    def marginal(self, named: np.ndarray) -> np.ndarray:
        """p(x_S) of the factors S that `named` (bool [F]) marks: `distribution` with the others summed out, their size 1."""
        return self.distribution.sum(axis=tuple(np.flatnonzero(~named)), keepdims=True)

    def entropy(self, named: np.ndarray) -> np.ndarray:
        """H(x_S) in bits, exactly, of the set of factors that `named` (bool [F]) marks, or of many sets: [M, F] → [M]."""
        named = np.asarray(named, dtype=bool)
        if self.joint is None:
            return np.where(named, self.bits, 0).sum(axis=-1)
        rows = named.reshape(-1, len(self))
        bits = np.empty(len(rows))
        for chosen, at in by_set(rows):
            p = self.marginal(chosen)
            bits[at] = -(p[p > 0] * np.log2(p[p > 0])).sum()
        return bits.reshape(named.shape[:-1])[()]

    def log2_marginal(self, named: np.ndarray, values: np.ndarray) -> np.ndarray:
        """log2 p(x_S = v), [M], of rows that name the factors `named` (bool [M, F]) and their values (int64 [M, F])."""
        with np.errstate(divide="ignore"):
            if self.joint is None:
                log2_p = [np.log2(f.probabilities)[values[:, i]] for i, f in enumerate(self.factors)]
                return np.where(named, np.stack(log2_p, axis=1), 0).sum(axis=1)
            out = np.empty(len(named))
            for chosen, at in by_set(named):
                out[at] = np.log2(self.marginal(chosen))[tuple(np.where(chosen, values[at], 0).T)]
            return out

    def correlated(self, a: str, b: str, rho: float) -> "FactorSpace":
        """The same, but with probability rho the value of b goes with that of a; rho = 0 is this space, 1 the closest tie.

        Which values go together is read off the quantiles: lay the values of a, as listed, along [0, 1], each as long as
        it is probable, and those of b below; a value of a goes with what lies under it (the comonotone coupling: the
        Fréchet–Hoeffding upper bound). So every factor keeps its marginal for every rho, and where a value of a lies over
        several of b it goes with each in proportion; with as many values, equally probable, they go one with one. All
        factors but b keep their joint distribution. Hold combinations out afterwards: this one brings them back.
        Raises InputError unless 0 ≤ rho ≤ 1 and a and b are two factors.
        """
        i, j = self.index(a), self.index(b)
        if i == j or not 0 <= rho <= 1:
            raise InputError(f"correlated({a!r}, {b!r}, rho={rho}): it takes two factors and a rho in [0, 1]")
        if rho == 0:
            return self
        p, q = self.factors[i].probabilities, self.factors[j].probabilities
        tie = _quantile_coupling(p, q)
        tie /= np.where(tie.any(axis=1, keepdims=True), tie.sum(axis=1, keepdims=True), 1)
        tie = np.expand_dims(tie if i < j else tie.T, [f for f in range(len(self)) if f not in (i, j)])
        tied = self.distribution.sum(axis=j, keepdims=True) * tie
        return FactorSpace(self.factors, rho * tied + (1 - rho) * self.distribution)

    def without(self, *combinations: Mapping[str, str]) -> "FactorSpace":
        """The same without some combinations, e.g. `MAD.without({"digit": "3", "colour": "red"})`: no red threes.

        The others keep their proportions. Raises InputError for unknown names and values, or if nothing is left.
        """
        shape, codes = self.distribution.shape, self.enumerate()
        gone = np.zeros(len(codes), dtype=bool)
        for combination in combinations:
            columns = [self.index(name) for name in combination]
            values = [_column(self[name], [str(value)])[0] for name, value in combination.items()]
            gone |= (codes[:, columns] == values).all(axis=1)
        return self._given(~gone.reshape(shape))

    def hold_out(
        self, share: float, generator: np.random.Generator, of: str | Iterable[str] | None = None
    ) -> tuple["FactorSpace", "FactorSpace"]:
        """(seen, unseen): two spaces that part the possible value combinations of the factors `of` (all by default).

        round(share · their number) combinations are unseen, each at the same odds if all are possible. Every value of every
        factor stays seen: a smallest set of combinations that holds them all is drawn first and never held out, then the
        unseen ones from the rest. Both spaces keep the proportions of this one. Raises InputError unless
        0 < share < 1 and so many can be held out.
        """
        if not 0 < share < 1:
            raise InputError(f"hold_out: share={share} must lie in (0, 1)")
        within = self.mask(self.names if of is None else of)
        rows = np.argwhere(self.distribution > 0)
        cells, cell = np.unique(rows[:, within], axis=0, return_inverse=True)
        cell = cell.reshape(-1)
        shows = np.zeros((len(cells), len(self.words)), dtype=bool)  # which values occur in a combination
        shows[cell[:, None], self.offsets + rows] = True
        order = generator.permutation(len(cells))
        kept, missing = [], shows.any(axis=0)
        while missing.any():
            kept.append(order[shows[order][:, missing].sum(axis=1).argmax()])
            missing &= ~shows[kept[-1]]
        free, held = order[~np.isin(order, kept)], round(share * len(cells))
        if not 1 <= held <= len(free):
            names = ", ".join(name for name, inside in zip(self.names, within, strict=True) if inside)
            raise InputError(
                f"hold_out: share={share} is {held} of the {len(cells)} combinations of {names}; "
                f"it must be 1 or more, and no more than {len(free)} so that every value is still seen"
            )
        unseen = np.zeros(self.sizes, dtype=bool)
        unseen[tuple(rows[np.isin(cell, free[:held])].T)] = True
        return self._given(~unseen), self._given(unseen)

    def _given(self, where: np.ndarray) -> "FactorSpace":
        """This space, conditioned on a bool array [size of each factor]."""
        joint = np.where(where, self.distribution, 0)
        if not joint.any():
            raise InputError("no combination of factors is left")
        return FactorSpace(self.factors, joint / joint.sum())

    def table(self, codes: np.ndarray) -> "pd.DataFrame":
        """Codes [N, F] as a table of value names, one categorical column a factor."""
        import pandas as pd

        return pd.DataFrame(
            {
                name: pd.Categorical.from_codes(codes[:, i], dtype=values)
                for i, (name, values) in enumerate(self._categories.items())
            }
        )

    @cached_property
    def _categories(self) -> "dict[str, pd.CategoricalDtype]":
        """Each factor's value names as pandas holds them, which takes longer than a block's codes."""
        import pandas as pd

        return {f.name: pd.CategoricalDtype(list(f.values)) for f in self.factors}

    def codes(self, table: "pd.DataFrame | Mapping[str, Iterable] | np.ndarray") -> np.ndarray:
        """Codes int64 [N, F] from a table or mapping with a column a factor (value names or indices), or from codes."""
        if not isinstance(table, Mapping) and not hasattr(table, "columns"):
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


def by_set(named: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each distinct set of factors among the rows of bool [M, F], with the rows' numbers."""
    sets, which = np.unique(named, axis=0, return_inverse=True)
    for i, chosen in enumerate(sets):
        yield chosen, np.flatnonzero(which.reshape(-1) == i)


def _quantile_coupling(p: tuple[float, ...], q: tuple[float, ...]) -> np.ndarray:
    """How far the i-th interval of a partition of [0, 1] by p overlaps the j-th of one by q, [len(p), len(q)]."""
    a, b = np.cumsum([0, *p]), np.cumsum([0, *q])
    overlap = np.minimum.outer(a[1:], b[1:]) - np.maximum.outer(a[:-1], b[:-1])
    return np.where(overlap > 1e-12, overlap, 0)  # less is rounding: edges that should meet


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

#: What is heard of a voice beside what it says (data_gen.speech.voices).
SPOKEN = (
    Factor("accent", ("american", "british", "received", "scottish", "lancastrian", "midlands", "caribbean")),
    Factor("voice", ("woman", "man")),
    Factor("pitch", ("low", "high")),
    Factor("pace", ("slow", "fast")),
)

#: AV-MNIST, generated: the digit is seen and heard, MAD's other factors but the colour are seen, the voice's are heard;
#: 13,440 combinations, 13.71 bits.
AVMNIST = FactorSpace((*MAD.factors[:5], *SPOKEN))
