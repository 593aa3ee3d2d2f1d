"""Information accounting against brute force over the whole joint distribution, and the ideal critic against its softmax."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import logsumexp, xlogy
from test_factors import spaces

from data_gen import MAD, Factor, FactorSpace, captions
from data_gen.information import critic_on, ideal_critic, information, pointwise_information
from data_gen.seeds import generator


@pytest.mark.parametrize(("k", "bits"), list(enumerate((3.32, 4.80, 6.28, 7.76, 9.24, 10.71))))
def test_mad_captions_tell_the_published_bits(k, bits):
    told = information(MAD, captions.attributes(MAD, "digit", k))
    assert told.shared == pytest.approx(bits, abs=0.005)
    assert told.image == pytest.approx(np.log2(1680))
    assert told.imbalance == told.image - told.shared


def by_brute_force(space: FactorSpace, policy) -> float:
    """I(x; t) = Σ p(x, t) log2 p(x, t)/(p(x) p(t)) over every image and every caption, with no use of independence."""
    p_x = np.exp2(space.log2_probability(space.enumerate()).sum(axis=1))
    joint, p_t = defaultdict(float), defaultdict(float)
    for x, p in zip(space.enumerate().tolist(), p_x, strict=True):
        for named, p_named in zip(policy.sets, policy.probabilities, strict=True):
            caption = tuple((f, x[f]) for f in np.flatnonzero(named).tolist())
            joint[tuple(x), caption] += p * p_named
            p_t[caption] += p * p_named
    p_of = dict(zip(map(tuple, space.enumerate().tolist()), p_x, strict=True))
    return sum(p * np.log2(p / (p_of[x] * p_t[t])) for (x, t), p in joint.items())


@settings(max_examples=40, deadline=None)
@given(spaces(most_factors=3), st.data())
def test_information_is_exact_for_any_space_and_policy(space, data):
    kind = data.draw(st.sampled_from(["attributes", "contiguous", "window", "independent"]))
    if kind == "attributes":
        k = data.draw(st.integers(0, len(space) - 1))
        policy = captions.attributes(space, data.draw(st.sampled_from(space.names)), k)
    elif kind == "independent":
        chances = data.draw(st.lists(st.sampled_from([0.1, 0.5, 1.0]), min_size=len(space), max_size=len(space)))
        policy = captions.independent(space, dict(zip(space.names, chances, strict=True)))
    else:
        policy = captions.contiguous(space, data.draw(st.floats(0.05, 1)), shuffled=kind == "contiguous")
    assert policy.probabilities.sum() == pytest.approx(1)
    assert information(space, policy).shared == pytest.approx(by_brute_force(space, policy))


@pytest.mark.parametrize("k", range(6))
def test_the_ideal_critic_s_closed_form_is_the_softmax_of_its_logits(k):
    codes = MAD.sample(700, generator(0, "factors"))
    tokens = captions.write(MAD, captions.attributes(MAD, "digit", k), codes, generator(0, "captions"))
    logits = pointwise_information(MAD, codes, tokens)
    to_text = logits - logsumexp(logits, axis=1, keepdims=True)
    to_image = logits - logsumexp(logits, axis=0, keepdims=True)
    p, q = np.exp(to_text), np.exp(to_image)
    floor = critic_on(MAD, codes, tokens)
    assert floor.loss == pytest.approx(-(np.diag(to_text).mean() + np.diag(to_image).mean()) / 2)
    assert floor.entropy == pytest.approx(-xlogy(p, p).sum(axis=1).mean())
    assert floor.entropy_text == pytest.approx(-xlogy(q, q).sum(axis=0).mean())
    groups = captions.equal(tokens)
    right = []
    for row, group in zip(logits, groups, strict=True):
        top = np.flatnonzero(row == row.max())
        right.append((groups[top] == group).mean())
    assert floor.recall == pytest.approx(np.mean(right))


def test_pointwise_information_averages_to_the_mutual_information():
    policy = captions.attributes(MAD, "digit", 2)
    codes = MAD.sample(20_000, generator(0, "factors"))
    tokens = captions.write(MAD, policy, codes, generator(0, "captions"))
    own = [
        pointwise_information(MAD, codes[i : i + 500], tokens[i : i + 500]).diagonal() for i in range(0, 20_000, 500)
    ]
    assert np.mean(own) / np.log(2) == pytest.approx(information(MAD, policy).shared, abs=0.02)


def test_no_critic_beats_the_ideal_one():
    """Any rescaling or shift of the ideal logits by caption raises the image → text loss: it is a minimum."""
    space = FactorSpace((Factor("a", ("a0", "a1", "a2"), probabilities=(0.6, 0.3, 0.1)), Factor("b", ("b0", "b1"))))
    policy = captions.independent(space, {"a": 0.7, "b": 0.7})
    codes = space.sample(64 * 500, generator(0, "factors"))
    tokens = captions.write(space, policy, codes, generator(0, "captions"))
    noise = generator(0, "noise").normal(0, 0.5, len(space.words) + 1)

    def loss(change) -> float:
        total = 0.0
        for i in range(0, len(codes), 64):
            logits = change(pointwise_information(space, codes[i : i + 64], tokens[i : i + 64]), tokens[i : i + 64])
            total -= (np.diag(logits) - logsumexp(logits, axis=1)).mean()
        return total / 500

    ideal = loss(lambda logits, t: logits)
    assert ideal < loss(lambda logits, t: 0.7 * logits)
    assert ideal < loss(lambda logits, t: 1.5 * logits)
    assert ideal < loss(lambda logits, t: logits + noise[t].sum(axis=1))


def test_floors_fall_as_captions_tell_more_and_rise_with_the_batch():
    floors = [ideal_critic(MAD, captions.attributes(MAD, "digit", k), 256, generator(0, "f")) for k in range(6)]
    assert np.all(np.diff([floor.loss for floor in floors]) < 0)
    assert np.all(np.diff([floor.entropy for floor in floors]) < 0)
    assert floors[0].loss == pytest.approx(np.log(25.6), abs=0.05)  # ten captions: a tenth of the batch looks alike
    assert floors[5].recall == 1.0
    assert ideal_critic(MAD, captions.attributes(MAD, "digit", 5), 1024, generator(0, "f")).loss > floors[5].loss
