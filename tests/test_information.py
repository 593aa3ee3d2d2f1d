"""Information accounting against brute force over the whole joint distribution, and the ideal critic against its softmax."""

from collections import defaultdict
from dataclasses import astuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, xlogy
from test_factors import entropy_of, joint_spaces, probability_of_each, spaces

from data_gen import MAD, Factor, FactorSpace, InputError, captions
from data_gen.information import Floor, _distinct, critic_on, ideal_critic, information, pointwise_information
from data_gen.seeds import generator


@pytest.mark.parametrize(("k", "bits"), list(enumerate((3.32, 4.80, 6.28, 7.76, 9.24, 10.71))))
def test_mad_captions_tell_the_published_bits(k, bits):
    told = information(MAD, captions.attributes(MAD, "digit", k))
    assert told.shared == pytest.approx(bits, abs=0.005)
    assert told.image == pytest.approx(np.log2(1680))
    assert told.imbalance == told.image - told.shared
    assert told.text_only == 0


def joint_of(space: FactorSpace, policy, visible) -> dict:
    """p(x, t) of what every image shows and every caption says, with no use of independence."""
    p = defaultdict(float)
    for x, p_x in probability_of_each(space).items():
        for named, p_named in zip(policy.sets, policy.probabilities, strict=True):
            shown = tuple(x[f] for f in np.flatnonzero(visible))
            p[shown, tuple((f, x[f]) for f in np.flatnonzero(named).tolist())] += p_x * p_named
    return {pair: p_pair for pair, p_pair in p.items() if p_pair > 0}


def marginals_of(joint: dict) -> tuple[dict, dict]:
    p_x, p_t = defaultdict(float), defaultdict(float)
    for (x, t), p in joint.items():
        p_x[x] += p
        p_t[t] += p
    return p_x, p_t


def some_policy(space: FactorSpace, data):
    kind = data.draw(st.sampled_from(["attributes", "contiguous", "window", "independent"]))
    if kind == "attributes":
        k = data.draw(st.integers(0, len(space) - 1))
        return captions.attributes(space, data.draw(st.sampled_from(space.names)), k)
    if kind == "independent":
        chances = data.draw(st.lists(st.sampled_from([0.1, 0.5, 1.0]), min_size=len(space), max_size=len(space)))
        return captions.independent(space, dict(zip(space.names, chances, strict=True)))
    return captions.contiguous(space, data.draw(st.floats(0.05, 1)), shuffled=kind == "contiguous")


def some_visible(space: FactorSpace, data) -> np.ndarray:
    shown = st.lists(st.booleans(), min_size=len(space), max_size=len(space)).filter(any)
    return np.array(data.draw(st.just([True] * len(space)) | shown))


@settings(max_examples=80, deadline=None)
@given(spaces(most_factors=3) | joint_spaces(), st.data())
def test_information_is_exact_for_any_space_policy_and_hidden_factors(space, data):
    policy, visible = some_policy(space, data), some_visible(space, data)
    assert policy.probabilities.sum() == pytest.approx(1)
    told = information(space, policy, visible)
    joint = joint_of(space, policy, visible)
    p_x, p_t = marginals_of(joint)
    shared = sum(p * np.log2(p / (p_x[x] * p_t[t])) for (x, t), p in joint.items())
    assert told.image == pytest.approx(entropy_of(p_x), abs=1e-9)
    assert told.shared == pytest.approx(shared, abs=1e-9)
    # H(t) = I(x; t) + H(t | x), and of that a part is which factors are named: H(S)
    which = entropy_of(dict(enumerate(policy.probabilities)))
    assert told.shared + told.text_only + which == pytest.approx(entropy_of(p_t), abs=1e-9)
    assert told.imbalance == pytest.approx(entropy_of(joint) - entropy_of(p_t), abs=1e-9)  # H(x | t)
    if visible.all():
        assert told == information(space, policy)
        assert told.text_only == pytest.approx(0, abs=1e-9)


def test_a_hidden_factor_is_told_by_the_captions_alone_unless_another_gives_it_away():
    policy = captions.fixed(MAD, ["digit", "colour"])
    apart = information(MAD, policy, ["digit", "size"])
    assert apart.image == pytest.approx(np.log2(20))
    assert apart.shared == pytest.approx(np.log2(10))
    assert apart.text_only == pytest.approx(np.log2(7))
    shared, text_only = [], []
    for rho in (0, 0.3, 0.6, 1):
        told = information(MAD.correlated("digit", "colour", rho), policy, ["digit", "size"])
        assert told.shared == pytest.approx(np.log2(10))  # the digit, and nothing more: a colour only repeats it
        text_only.append(told.text_only)
        colour = information(MAD.correlated("digit", "colour", rho), captions.fixed(MAD, ["colour"]), ["digit"])
        assert colour.shared + colour.text_only == pytest.approx(np.log2(7))
        shared.append(colour.shared)
    assert (np.diff(text_only) < 0).all() and (np.diff(shared) > 0).all()


def by_softmax(logits: np.ndarray, tokens: np.ndarray) -> Floor:
    """What the ideal critic's marks mean, from its logits [N, N]."""
    to_text = logits - logsumexp(logits, axis=1, keepdims=True)
    to_image = logits - logsumexp(logits, axis=0, keepdims=True)
    p, q = np.exp(to_text), np.exp(to_image)
    groups, right = captions.equal(tokens), []
    for row, group in zip(logits, groups, strict=True):
        top = np.flatnonzero(row > row.max() - 1e-9)
        right.append((groups[top] == group).mean())
    return Floor(
        loss=-(np.diag(to_text).mean() + np.diag(to_image).mean()) / 2,
        entropy=-xlogy(p, p).sum(axis=1).mean(),
        entropy_text=-xlogy(q, q).sum(axis=0).mean(),
        recall=float(np.mean(right)),
    )


SHOWN = ["digit", "thickness", "size"]  # by images that hide the other three


@pytest.mark.parametrize("visible", [None, SHOWN])
@pytest.mark.parametrize("rho", [0, 0.6])
@pytest.mark.parametrize("k", range(6))
def test_the_ideal_critic_s_closed_form_is_the_softmax_of_its_logits(k, rho, visible):
    space = MAD.correlated("digit", "colour", rho)
    codes = space.sample(700, generator(0, "factors"))
    tokens = captions.write(space, captions.attributes(space, "digit", k), codes, generator(0, "captions"))
    floor = critic_on(space, codes, tokens, visible)
    assert astuple(floor) == pytest.approx(
        astuple(by_softmax(pointwise_information(space, codes, tokens, visible), tokens))
    )


@settings(max_examples=80, deadline=None)
@given(spaces(most_factors=3) | joint_spaces(), st.data(), st.integers(1, 12))
def test_the_ideal_critic_is_the_density_ratio_for_any_space_policy_and_hidden_factors(space, data, n):
    policy, visible = some_policy(space, data), some_visible(space, data)
    codes = space.sample(n, generator(0, "factors"))
    tokens = captions.write(space, policy, codes, generator(0, "captions"))
    joint = joint_of(space, policy, visible)
    p_x, p_t = marginals_of(joint)
    shown = [tuple(x[visible].tolist()) for x in codes]
    named, values = captions.read(space, tokens)
    said = [tuple((f, v[f]) for f in np.flatnonzero(s).tolist()) for s, v in zip(named, values, strict=True)]
    logits = np.array(
        [[np.log(joint[x, t] / (p_x[x] * p_t[t])) if (x, t) in joint else -np.inf for t in said] for x in shown]
    )
    np.testing.assert_allclose(pointwise_information(space, codes, tokens, visible), logits, atol=1e-9)
    floor = critic_on(space, codes, tokens, [name for name, seen in zip(space.names, visible, strict=True) if seen])
    assert astuple(floor) == pytest.approx(astuple(by_softmax(logits, tokens)), abs=1e-9)


def test_the_ideal_critic_of_a_space_is_the_same_however_its_distribution_is_written():
    listed = FactorSpace(MAD.factors, MAD.distribution)
    policy = captions.attributes(MAD, "digit", 3)
    codes = MAD.sample(300, generator(0, "factors"))
    tokens = captions.write(MAD, policy, codes, generator(0, "captions"))
    for visible in (None, SHOWN):
        marks = [astuple(critic_on(space, codes, tokens, visible)) for space in (MAD, listed)]
        assert marks[0] == pytest.approx(marks[1])
        bits = [astuple(information(space, policy, visible)) for space in (MAD, listed)]
        assert bits[0] == pytest.approx(bits[1], abs=1e-9)


def test_pointwise_information_averages_to_the_mutual_information():
    policy = captions.attributes(MAD, "digit", 2)
    codes = MAD.sample(20_000, generator(0, "factors"))
    tokens = captions.write(MAD, policy, codes, generator(0, "captions"))
    own = [
        pointwise_information(MAD, codes[i : i + 500], tokens[i : i + 500]).diagonal() for i in range(0, 20_000, 500)
    ]
    assert np.mean(own) / np.log(2) == pytest.approx(information(MAD, policy).shared, abs=0.02)


@pytest.mark.parametrize(("rho", "visible"), [(0, None), (0.7, None), (0.7, ["a"])])
def test_no_critic_beats_the_ideal_one(rho, visible):
    """Any rescaling or shift of the ideal logits by caption raises the image → text loss: it is a minimum."""
    space = FactorSpace((Factor("a", ("a0", "a1", "a2"), probabilities=(0.6, 0.3, 0.1)), Factor("b", ("b0", "b1"))))
    space = space.correlated("a", "b", rho)
    policy = captions.independent(space, {"a": 0.7, "b": 0.7})
    codes = space.sample(64 * 200, generator(0, "factors"))
    tokens = captions.write(space, policy, codes, generator(0, "captions"))
    noise = generator(0, "noise").normal(0, 0.5, len(space.words) + 1)

    batches = [slice(i, i + 64) for i in range(0, len(codes), 64)]

    def critic(known: FactorSpace) -> list[np.ndarray]:
        return [pointwise_information(known, codes[batch], tokens[batch], visible) for batch in batches]

    def loss(logits: list[np.ndarray]) -> float:
        return -np.mean([(np.diag(x) - logsumexp(x, axis=1)).mean() for x in logits])

    logits = critic(space)
    ideal = loss(logits)
    assert ideal < loss([0.7 * x for x in logits])
    assert ideal < loss([1.5 * x for x in logits])
    assert ideal < loss([x + noise[tokens[batch]].sum(axis=1) for x, batch in zip(logits, batches, strict=True)])
    if rho:  # nor does one that sees as much, but does not know that the factors go together
        assert ideal < loss(critic(FactorSpace(space.factors)))


def test_floors_fall_as_captions_tell_more_and_rise_with_the_batch():
    floors = [ideal_critic(MAD, captions.attributes(MAD, "digit", k), 256, generator(0, "f")) for k in range(6)]
    assert np.all(np.diff([floor.loss for floor in floors]) < 0)
    assert np.all(np.diff([floor.entropy for floor in floors]) < 0)
    assert floors[0].loss == pytest.approx(np.log(25.6), abs=0.05)  # ten captions: a tenth of the batch looks alike
    assert floors[5].recall == 1.0
    assert ideal_critic(MAD, captions.attributes(MAD, "digit", 5), 1024, generator(0, "f")).loss > floors[5].loss


PLAIN, RED_THREE = np.array([[0, 0, 0, 0, 0, 0]]), np.array([[3, 0, 0, 0, 0, 1]])


def ask_without_red_threes(image, told, policy):
    tokens = captions.write(MAD, policy, told, generator(0))
    return pointwise_information(MAD.without({"digit": "3", "colour": "red"}), image, tokens)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda policy: information(MAD, policy, []), "at least one factor, but all are hidden: digit"),
        (lambda policy: information(MAD, policy, np.zeros(6, dtype=bool)), "all are hidden"),
        (lambda policy: ideal_critic(MAD, policy, 4, generator(0), visible=["color"]), "did you mean 'colour'"),
        (lambda policy: ideal_critic(MAD, policy, 4, generator(0), visible=np.ones(5, dtype=bool)), r"must be \[6\]"),
        (lambda policy: ask_without_red_threes(PLAIN, RED_THREE, policy), "a caption says what cannot occur"),
        (lambda policy: ask_without_red_threes(RED_THREE, PLAIN, policy), "an image shows what cannot occur"),
    ],
)
def test_mistakes_are_told_in_one_line(make, said):
    with pytest.raises(InputError, match=said) as error:
        make(captions.fixed(MAD, ["digit", "colour"]))
    assert "\n" not in str(error.value)


@given(st.integers(1, 40), st.integers(1, 4), st.integers(0, 99))
def test_distinct_rows_are_numpy_s(n, columns, seed):
    rows = generator(seed, "rows").integers(0, 3, (n, columns))
    distinct, which, count = np.unique(rows, axis=0, return_inverse=True, return_counts=True)
    found = _distinct(rows)
    assert [x.tolist() for x in found] == [distinct.tolist(), which.reshape(-1).tolist(), count.tolist()]
