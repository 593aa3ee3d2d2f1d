"""Captions: what a policy names, how often, and that the same index always gets the same words."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data_gen import MAD, InputError, captions
from data_gen.seeds import generator


def drawn(policy, n=4000, seed=0):
    codes = MAD.sample(n, generator(seed, "factors"))
    return codes, captions.write(MAD, policy, codes, generator(seed, "captions"))


@pytest.mark.parametrize("object", MAD.names)
@pytest.mark.parametrize("k", range(6))
def test_k_attributes_beside_the_object_each_as_often(object, k):
    codes, tokens = drawn(captions.attributes(MAD, object, k))
    named, values = captions.read(MAD, tokens)
    assert (named.sum(axis=1) == k + 1).all()
    assert named[:, MAD.index(object)].all()
    np.testing.assert_array_equal(np.where(named, codes, 0), values)  # and what they say is true
    share = np.delete(named.mean(axis=0), MAD.index(object))
    assert share == pytest.approx(np.full(5, k / 5), abs=0.04)


def test_the_number_of_distinct_captions_is_the_published_one():
    """10, 160, 930, 2540, 3320, 1680 unordered captions with digit as the object: all values of all sets it may name."""
    sizes = np.array(MAD.sizes)
    for k, expected in enumerate((10, 160, 930, 2540, 3320, 1680)):
        policy = captions.attributes(MAD, "digit", k)
        assert sum(sizes[named].prod() for named in policy.sets) == expected


@given(st.integers(0, 40), st.integers(1, 40), st.integers(0, 5), st.booleans())
def test_a_caption_depends_on_seed_index_and_factors_alone(n, more, k, shuffled):
    policy = captions.attributes(MAD, "digit", k, shuffled)
    _, few = drawn(policy, n)
    _, many = drawn(policy, n + more)
    np.testing.assert_array_equal(few, many[:n])


def test_order_is_random_or_the_space_s():
    _, shuffled = drawn(captions.attributes(MAD, "digit", 5))
    first = np.searchsorted(MAD.offsets, shuffled[:, 0] - 1, side="right") - 1
    assert np.bincount(first) / 4000 == pytest.approx(np.full(6, 1 / 6), abs=0.03)
    _, ordered = drawn(captions.attributes(MAD, "digit", 2, shuffled=False))
    assert (np.diff(ordered, axis=1) > 0).all()


def test_texts_read_like_the_published_ones():
    codes = np.array([[1, 1, 1, 1, 0, 4]])
    tokens = captions.write(MAD, captions.attributes(MAD, "digit", 5, shuffled=False), codes, generator(0))
    assert captions.texts(MAD, tokens) == ["1-thickening-swelling-fracture-large-cyan"]


def test_equal_ignores_the_order_of_words():
    groups = captions.equal(np.array([[3, 1, 0], [1, 3, 0], [1, 2, 3], [3, 0, 0]]))
    assert groups[0] == groups[1]
    assert len(set(groups.tolist())) == 3


@pytest.mark.parametrize(("fraction", "words"), [(1.0, 6), (0.5, 3), (0.25, 1), (0.01, 1)])
@pytest.mark.parametrize("shuffled", [True, False])
def test_parts_of_captions_are_contiguous_and_never_empty(fraction, words, shuffled):
    _, tokens = drawn(captions.contiguous(MAD, fraction, shuffled))
    named, _ = captions.read(MAD, tokens)
    assert (named.sum(axis=1) == words).all()
    if not shuffled:  # a window of neighbours: one rise and one fall along the row at most
        assert (np.abs(np.diff(named.astype(int), axis=1)).sum(axis=1) <= 2).all()


def test_independent_probabilities_hold_given_that_something_is_said():
    policy = captions.independent(MAD, {"digit": 0.5, "colour": 0.2})
    named, _ = captions.read(MAD, drawn(policy, 40_000)[1])
    assert named.any(axis=1).all()
    spoken = 1 - 0.5 * 0.8
    assert named.mean(axis=0) == pytest.approx([0.5 / spoken, 0, 0, 0, 0, 0.2 / spoken], abs=0.01)


def test_fixed_names_always_the_same():
    named, _ = captions.read(MAD, drawn(captions.fixed(MAD, ["colour", "digit"]))[1])
    np.testing.assert_array_equal(named, np.tile([True, False, False, False, False, True], (4000, 1)))


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: captions.attributes(MAD, "digit", 9), "captions.attributes=9.* 0 to 5"),
        (lambda: captions.attributes(MAD, "digits", 1), "did you mean 'digit'"),
        (lambda: captions.contiguous(MAD, 0), r"\(0, 1\]"),
        (lambda: captions.independent(MAD, {"digit": 1.5}), r"\[0, 1\]"),
        (lambda: captions.independent(MAD, {"color": 1}), "did you mean 'colour'"),
        (lambda: captions.independent(MAD, {}), "must name a factor"),
        (lambda: captions.fixed(MAD, []), "name at least one"),
    ],
)
def test_mistakes_are_told_in_one_line(make, said):
    with pytest.raises(InputError, match=said) as error:
        make()
    assert "\n" not in str(error.value)
