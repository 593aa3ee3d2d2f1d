"""Factor spaces: sampling, coding, the entropy that everything else rests on, and factors that depend on one another."""

import json
from collections import defaultdict
from itertools import product

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


@st.composite
def joint_spaces(draw, most_factors: int = 3) -> FactorSpace:
    """Any joint distribution at all, impossible combinations included."""
    space = draw(spaces(most_factors))
    n = len(space.enumerate())
    weights = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n).filter(any)), dtype=float)
    return FactorSpace(space.factors, weights / weights.sum())


def probability_of_each(space: FactorSpace) -> dict[tuple[int, ...], float]:
    """p(x) of every combination, told one by one."""
    combinations = product(*map(range, space.sizes))
    if space.joint is None:
        return {
            x: float(np.prod([factor.probabilities[v] for factor, v in zip(space.factors, x, strict=True)]))
            for x in combinations
        }
    return {x: float(space.joint[x]) for x in combinations}


def summed_out(space: FactorSpace, named) -> dict[tuple[int, ...], float]:
    """p(x_S) of every value of the factors S at the positions `named`."""
    p = defaultdict(float)
    for x, p_x in probability_of_each(space).items():
        p[tuple(x[f] for f in named)] += p_x
    return p


def entropy_of(p: dict) -> float:
    return -sum(q * np.log2(q) for q in p.values() if q > 0)


def coins(n: int) -> FactorSpace:
    return FactorSpace(tuple(Factor(f"coin{i}", (f"head{i}", f"tail{i}")) for i in range(n)))


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


def test_independent_samples_are_the_ones_they_always_were():
    codes = MAD.sample(3, generator(0, "factors"))
    assert codes.tolist() == [[0, 2, 0, 0, 0, 1], [3, 0, 0, 0, 1, 2], [6, 1, 1, 0, 1, 2]]


def test_joint_samples_follow_the_joint_distribution_and_never_leave_it():
    joint = np.array([[0.5, 0.0, 0.1], [0.0, 0.4, 0.0]])
    space = FactorSpace((Factor("a", ("a0", "a1")), Factor("b", ("b0", "b1", "b2"))), joint)
    codes = space.sample(60_000, generator(0, "test"))
    drawn = np.bincount(np.ravel_multi_index(codes.T, (2, 3)), minlength=6).reshape(2, 3) / 60_000
    assert drawn == pytest.approx(joint, abs=0.01)
    assert (drawn[joint == 0] == 0).all()


def test_rounding_never_draws_the_impossible():
    class Highest:
        def random(self, n):
            return np.full(n, 1 - 2**-53)  # the largest there is, and ten tenths sum to no more

    space = FactorSpace((Factor("a", tuple("abcdefghijk")),), [0.1] * 10 + [0])
    assert space.sample(1, Highest()).tolist() == [[9]]


@given(spaces() | joint_spaces(), st.integers(0, 50), st.integers(0, 50))
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


@given(spaces() | joint_spaces(), st.data())
def test_entropies_and_probabilities_of_any_set_of_factors_are_sums_over_all_combinations(space, data):
    sets = np.array(list(product([False, True], repeat=len(space))))
    np.testing.assert_allclose(
        space.entropy(sets), [entropy_of(summed_out(space, np.flatnonzero(named))) for named in sets], atol=1e-9
    )
    assert space.entropy(sets[-1]) == pytest.approx(entropy_of(probability_of_each(space)))
    assert space.bits == pytest.approx(space.entropy(np.eye(len(space), dtype=bool)))
    x = np.array(data.draw(st.sampled_from([x for x, p in probability_of_each(space).items() if p > 0])))
    told = [summed_out(space, np.flatnonzero(named))[tuple(x[named])] for named in sets]
    assert np.exp2(space.log2_marginal(sets, np.tile(x, (len(sets), 1)))) == pytest.approx(told)


@given(spaces() | joint_spaces())
def test_a_factor_s_probabilities_are_the_marginals(space):
    for f, factor in enumerate(space.factors):
        p = summed_out(space, [f])
        assert factor.probabilities == pytest.approx([p[v,] for v in range(len(factor))])
    assert space.distribution.sum() == pytest.approx(1)


pairs = spaces().filter(lambda space: len(space) > 1)


@given(pairs, st.data(), st.floats(0, 1))
def test_correlation_keeps_every_marginal_and_all_other_dependence(space, data, rho):
    a, b, c, d = (data.draw(st.sampled_from(space.names)) for _ in "abcd")
    if a == b:
        return
    tied = space.correlated(a, b, rho)
    assert tied.factors == space.factors  # their probabilities, too
    for f in range(len(space)):
        assert summed_out(tied, [f]) == pytest.approx(summed_out(space, [f]))
    if c != d:  # a second tie leaves the first as it is, but for what it says of its own second factor
        twice = tied.correlated(c, d, 0.5)
        others = [f for f, name in enumerate(space.names) if name != d]
        assert summed_out(twice, others) == pytest.approx(summed_out(tied, others))


@given(pairs)
def test_correlation_at_strength_one_follows_the_quantiles(space):
    """One number u decides both values: each is where u falls among the cumulative probabilities of its own factor."""
    a, b = space.factors[1], space.factors[0]
    u = (np.arange(20_000) + 0.5) / 20_000
    va, vb = (np.searchsorted(np.cumsum(f.probabilities)[:-1], u, side="right") for f in (a, b))
    expected = np.zeros((len(b), len(a)))
    np.add.at(expected, (vb, va), 1 / 20_000)
    tied = space.correlated(a.name, b.name, 1)
    p = summed_out(tied, [0, 1])
    np.testing.assert_allclose([[p[v, w] for w in range(len(a))] for v in range(len(b))], expected, atol=1e-3)
    half, far = space.correlated(a.name, b.name, 0.5).distribution, space.distribution
    np.testing.assert_allclose(half, 0.5 * tied.distribution + 0.5 * far, atol=1e-12)


def test_correlation_in_mad():
    assert MAD.correlated("digit", "colour", 0) is MAD  # independent to the byte
    assert list(MAD.correlated("swelling", "size", 1).without({"swelling": "swelling"})["size"].probabilities) == [1, 0]

    def shared(rho):
        space = MAD.correlated("digit", "colour", rho)
        digit, colour, both = (space.entropy(space.mask(names)) for names in ("digit", "colour", ["digit", "colour"]))
        return digit + colour - both

    bits = [shared(rho) for rho in (0, 0.25, 0.5, 0.75, 1)]
    assert bits[0] == pytest.approx(0)
    assert (np.diff(bits) > 0).all()
    assert bits[-1] == pytest.approx(2.319, abs=0.001)  # of colour's 2.807: some digits lie over two colours


@given(spaces(), st.data(), st.integers(0, 9))
def test_held_out_combinations_are_new_but_nothing_in_them_is(space, data, seed):
    of = data.draw(st.lists(st.sampled_from(space.names), min_size=1, unique=True))
    named = [space.index(name) for name in of]
    combinations = len(summed_out(space, named))
    most = combinations - max(space.sizes[f] for f in named)  # a diagonal shows every value
    if not most:
        return
    held = data.draw(st.integers(1, most))
    seen, unseen = space.hold_out(held / combinations, generator(seed, "hold out"), of)
    assert [seen, unseen] == list(space.hold_out(held / combinations, generator(seed, "hold out"), of))
    before, p, q = (summed_out(each, named) for each in (space, seen, unseen))
    assert sum(q[x] > 0 for x in before) == held
    assert all((p[x] > 0) != (q[x] > 0) for x in before)  # each on one side, none on both
    rest = sum(before[x] for x in before if p[x] > 0)
    everything, kept, new = (probability_of_each(each) for each in (space, seen, unseen))
    assert all(rest * kept[x] + (1 - rest) * new[x] == pytest.approx(everything[x]) for x in everything)
    assert all(min(factor.probabilities) > 0 for factor in seen.factors)


@given(joint_spaces(), st.integers(0, 9))
def test_holding_out_of_any_joint_distribution_loses_no_value_or_is_refused(space, seed):
    try:
        seen, unseen = space.hold_out(0.3, generator(seed, "hold out"), space.names[:1])
    except InputError:
        return
    assert not ((seen.distribution > 0) & (unseen.distribution > 0)).any()
    for factor, before in zip(seen.factors, space.factors, strict=True):
        assert (np.array(factor.probabilities) > 0).tolist() == (np.array(before.probabilities) > 0).tolist()


def test_every_combination_is_held_out_as_often():
    held = sum(
        MAD.hold_out(0.5, generator(seed, "hold out"), ["size", "colour"])[1].distribution.sum(axis=(0, 1, 2, 3)) > 0
        for seed in range(400)
    )
    assert held / 400 == pytest.approx(np.full((2, 7), 0.5), abs=0.09)


def test_without_takes_out_what_is_named_and_nothing_else():
    space = MAD.without({"digit": "3", "colour": "red"}, {"size": "small", "swelling": "swelling"})
    codes = MAD.enumerate()
    gone = ((codes[:, 0] == 3) & (codes[:, 5] == 1)) | ((codes[:, 2] == 1) & (codes[:, 4] == 1))
    np.testing.assert_allclose(space.distribution.ravel(), ~gone / (~gone).sum())


def test_spaces_are_told_apart_by_their_joint_distribution():
    tied, again, other = (MAD.correlated("digit", "colour", rho) for rho in (0.5, 0.5, 0.6))
    assert tied == again and hash(tied) == hash(again)
    assert tied != other and tied != MAD and FactorSpace(MAD.factors) == MAD
    assert MAD.identity() == [[f.name, f.values, f.words, f.probabilities] for f in MAD.factors]
    written = [json.dumps(space.identity()) for space in (MAD, tied, again, other)]
    assert written[1] == written[2] and len(set(written)) == 3
    with pytest.raises(ValueError, match="read-only"):
        tied.joint[0] = 1


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
        (lambda: FactorSpace(MAD.factors, np.ones(3) / 3), r"must be \[10, 3, 2, 2, 2, 7\], got \[3\]"),
        (lambda: FactorSpace(MAD.factors, np.ones(1680)), "a sum of 1680"),
        (lambda: FactorSpace(MAD.factors, np.full(1680, np.nan)), "sum to 1"),
        (lambda: MAD.correlated("digit", "color", 0.5), "did you mean 'colour'"),
        (lambda: MAD.correlated("digit", "colour", 1.5), r"rho=1.5.* \[0, 1\]"),
        (lambda: MAD.correlated("digit", "digit", 0.5), "two factors"),
        (lambda: MAD.without({"digit": "3", "colour": "rad"}), "did you mean 'red'"),
        (lambda: MAD.without({"size": "small"}, {"size": "large"}), "no combination"),
        (lambda: MAD.hold_out(0, generator(0)), r"share=0 must lie in \(0, 1\)"),
        (lambda: MAD.hold_out(1, generator(0)), r"share=1 must lie in \(0, 1\)"),
        (lambda: MAD.hold_out(0.5, generator(0), "color"), "did you mean 'colour'"),
        (lambda: MAD.hold_out(0.5, generator(0), "digit"), "5 of the 10 combinations of digit; .* no more than 0 "),
        (lambda: MAD.hold_out(0.9, generator(0), ["digit", "size"]), "18 of the 20 .* no more than 10 "),
        (lambda: MAD.hold_out(0.01, generator(0), ["digit", "size"]), "0 of the 20 .* 1 or more"),
        (lambda: MAD.mask(np.ones(5, dtype=bool)), r"must be \[6\], got \[5\]"),
        (lambda: coins(20).correlated("coin0", "coin1", 0.5), "at most 1,000,000; this space has 1,048,576"),
    ],
)
def test_mistakes_are_told_in_one_line(make, said):
    with pytest.raises(InputError, match=said) as error:
        make()
    assert "\n" not in str(error.value)
