"""Factor spaces: sampling, coding, and the entropy that everything else rests on."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen import MAD, Factor, FactorSpace, InputError
from data_gen.seeds import generator


@st.composite
def spaces(draw, most_factors: int = 4) -> FactorSpace:
    sizes = draw(st.lists(st.integers(1, 4), min_size=1, max_size=most_factors))
    factors = []
    for f, size in enumerate(sizes):
        weights = np.array(draw(st.lists(st.integers(1, 5), min_size=size, max_size=size)), dtype=float)
        values = tuple(f"{f}{v}" for v in range(size))
        factors.append(Factor(f"factor{f}", values, probabilities=tuple(weights / weights.sum())))
    return FactorSpace(tuple(factors))


def test_mad_is_as_published():
    assert MAD.names == ("digit", "thickness", "swelling", "fracture", "size", "colour")
    assert len(MAD.words) == 26
    assert len(MAD.enumerate()) == 1680
    assert MAD.bits.sum() == pytest.approx(np.log2(1680))
    assert [factor.values[0] for factor in MAD.factors[1:]] == [
        "no thickthinning", "no swelling", "no fracture", "large", "gray",
    ]  # fmt: skip


def test_samples_follow_the_probabilities():
    space = FactorSpace((Factor("coin", ("heads", "tails"), probabilities=(0.8, 0.2)), Factor("die", tuple("abcdef"))))
    codes = space.sample(60_000, generator(0, "test"))
    assert np.bincount(codes[:, 0]) / 60_000 == pytest.approx([0.8, 0.2], abs=0.01)
    assert np.bincount(codes[:, 1]) / 60_000 == pytest.approx(np.full(6, 1 / 6), abs=0.01)
    assert abs(np.corrcoef(codes.T)[0, 1]) < 0.02


@given(spaces(), st.integers(0, 50), st.integers(0, 50))
def test_a_small_sample_is_the_beginning_of_a_larger_one(space, n, more):
    small, large = (space.sample(k, generator(7, "test")) for k in (n, n + more))
    np.testing.assert_array_equal(small, large[:n])


@given(spaces(), st.integers(1, 30))
def test_codes_survive_the_way_through_a_table(space, n):
    codes = space.sample(n, generator(1, "test"))
    table = space.table(codes)
    np.testing.assert_array_equal(space.codes(table), codes)
    np.testing.assert_array_equal(space.codes({name: codes[:, f] for f, name in enumerate(space.names)}), codes)
    np.testing.assert_array_equal(space.codes(codes), codes)


@given(spaces())
def test_probabilities_of_all_combinations_sum_to_one_and_give_the_entropy(space):
    log2_p = space.log2_probability(space.enumerate()).sum(axis=1)
    assert np.exp2(log2_p).sum() == pytest.approx(1)
    assert -(np.exp2(log2_p) * log2_p).sum() == pytest.approx(space.bits.sum())


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Factor("a", ()), "distinct values"),
        (lambda: Factor("a", ("x", "x")), "distinct values"),
        (lambda: Factor("a", ("x", "y"), probabilities=(0.5, 0.6)), "sum to 1"),
        (lambda: Factor("a", ("x", "y"), words=("one",)), "as many"),
        (lambda: FactorSpace((Factor("a", ("x",)), Factor("b", ("x",)))), "words must be distinct"),
        (lambda: FactorSpace((Factor("a", ("x",)), Factor("a", ("y",)))), "distinct names"),
        (lambda: MAD.index("color"), "did you mean 'colour'"),
        (lambda: MAD.codes(np.full((3, 6), 11)), "sizes"),
        (lambda: MAD.codes(np.zeros((3, 5))), r"\[N, 6\]"),
        (lambda: MAD.codes(pd.DataFrame({"digit": [1]})), "no column 'thickness'"),
    ],
)
def test_mistakes_are_told_in_one_line(make, said):
    with pytest.raises(InputError, match=said) as error:
        make()
    assert "\n" not in str(error.value)
