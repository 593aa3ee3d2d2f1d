"""Every metric on vectors at known angles, against an explicit loop, and against an independent implementation."""

from itertools import combinations
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import entropy as scipy_entropy
from sklearn.metrics import top_k_accuracy_score
from torch.nn.functional import normalize, one_hot

from data_gen import MAD, Factor, FactorSpace, InputError
from data_gen.seeds import generator
from synthgap import metrics


def sphere(n: int, d: int = 8, seed: int = 0) -> torch.Tensor:
    return normalize(torch.randn(n, d, generator=torch.Generator().manual_seed(seed)), dim=1)


def at(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees) * torch.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


# --- gap ---------------------------------------------------------------------------------------------------------


def test_gaps_at_known_angles():
    x, y = at(0, 0), at(90, 90)
    assert metrics.l2m(x, y) == pytest.approx(2**0.5)
    assert metrics.l2i(x, y) == pytest.approx(2**0.5)
    assert metrics.alignment(x, y) == pytest.approx(0, abs=1e-6)
    assert metrics.rmg(x, y) == pytest.approx(1)  # pairs apart, each modality in one point: nothing but gap
    assert metrics.alignment(at(0, 90), at(60, 30)) == pytest.approx(0.5, abs=1e-6)


def test_rmg_is_half_when_pairs_are_as_far_apart_as_anything():
    x, y = at(0, 90), at(90, 180)  # d = 0.5 for the pairs and within either modality
    assert metrics.rmg(x, y) == pytest.approx(0.5)


def test_rmg_counts_perfect_pairs_as_a_thousandth():
    x = at(0, 180)
    assert metrics.rmg(x, x) == pytest.approx(1e-3 / (1e-3 + 1))


@given(st.integers(2, 30), st.integers(0, 1000))
def test_rmg_is_its_definition(n, seed):
    x, y = sphere(n, seed=seed), sphere(n, seed=seed + 1)
    d = lambda a, b: (1 - float(a @ b)) / 2  # noqa: E731
    matching = np.mean([d(a, b) for a, b in zip(x, y, strict=True)])
    within = [np.mean([d(a, b) for a, b in combinations(z, 2)]) for z in (x, y)]
    assert metrics.rmg(x, y) == pytest.approx(matching / (matching + np.mean(within)), rel=1e-5)


def test_uniformity_is_its_definition():
    x = sphere(1100)
    assert metrics.uniformity(x) == pytest.approx(
        np.log(np.exp(-2 * pdist(x.double().numpy(), "sqeuclidean")).mean()), abs=1e-5
    )
    assert metrics.uniformity(at(0, 180)) == pytest.approx(-8)
    assert metrics.uniformity(at(30, 30)) == pytest.approx(0, abs=1e-6)


# --- bias --------------------------------------------------------------------------------------------------------


def test_separation_at_known_angles():
    assert metrics.separation(at(0, 0, 90, 90), np.array([0, 0, 1, 1])) == pytest.approx(1)
    assert metrics.separation(at(0, 0, 180, 180), np.array([0, 0, 1, 1])) == pytest.approx(2)
    assert np.isnan(metrics.separation(at(0, 90), np.array([0, 0])))


@settings(deadline=None)
@given(st.integers(4, 40), st.integers(0, 1000))
def test_separation_and_moad_are_their_definitions(n, seed):
    space = FactorSpace((Factor("a", ("a0", "a1")), Factor("b", ("b0", "b1", "b2")), Factor("c", ("c0", "c1"))))
    x, codes = sphere(n, seed=seed), space.sample(n, generator(seed))
    slow = []
    for f in range(3):
        same = [float(x[i] @ x[j]) for i, j in combinations(range(n), 2) if codes[i, f] == codes[j, f]]
        other = [float(x[i] @ x[j]) for i, j in combinations(range(n), 2) if codes[i, f] != codes[j, f]]
        slow.append(np.mean(same) - np.mean(other) if same and other else np.nan)
    assert [metrics.separation(x, codes[:, f]) for f in range(3)] == pytest.approx(slow, abs=1e-5, nan_ok=True)
    assert metrics.moad(x, codes, space, "b") == pytest.approx(slow[1] - (slow[0] + slow[2]) / 2, abs=1e-5, nan_ok=True)


@settings(deadline=None, max_examples=20)
@given(st.integers(6, 25), st.integers(0, 1000))
def test_pooled_moad_is_the_published_double_loop(n, seed):
    """All attribute values as labels of one grouping: positives share a label, negatives hold two different ones."""
    space = FactorSpace((Factor("o", ("o0", "o1")), Factor("b", ("b0", "b1", "b2")), Factor("c", ("c0", "c1"))))
    x, codes = sphere(n, seed=seed), space.sample(n, generator(seed))
    labels = [{("b", b), ("c", c)} for _, b, c in codes.tolist()]
    positive, negative = [], []
    for i, j in combinations(range(n), 2):
        for one in labels[i]:
            for other in labels[j]:
                (positive if one == other else negative).append(float(x[i] @ x[j]))
    expected = metrics.separation(x, codes[:, 0]) - (np.mean(positive) - np.mean(negative))
    assert metrics.moad_pooled(x, codes, space, "o") == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_moad_says_which_factor_rules_the_space_and_pooling_hides_it():
    codes = MAD.sample(20_000, generator(0))
    colour_only = one_hot(torch.from_numpy(codes[:, MAD.index("colour")]), 7).float()
    assert metrics.moad(colour_only, codes, MAD, "colour") == pytest.approx(1, abs=0.01)
    assert metrics.moad(colour_only, codes, MAD, "digit") == pytest.approx(-0.2, abs=0.01)
    assert metrics.moad_pooled(colour_only, codes, MAD, "digit") == pytest.approx(-0.067, abs=0.003)
    assert metrics.moad(colour_only, MAD.table(codes), MAD, "digit") == metrics.moad(colour_only, codes, MAD, "digit")
    with pytest.raises(InputError, match="did you mean 'colour'"):
        metrics.moad(colour_only, codes, MAD, "color")


# --- entropy -----------------------------------------------------------------------------------------------------


def test_entropy_of_equal_and_of_sure_matches():
    same = at(*[30] * 64)
    assert metrics.logit_entropy(same, same, 100) == pytest.approx(np.log(64), abs=1e-5)
    assert metrics.logit_entropy(at(0, 180), at(0, 180), 100) == pytest.approx(0, abs=1e-6)


def test_entropy_is_scipy_s():
    x, y = sphere(700, seed=1), sphere(600, seed=2)
    p = torch.softmax(7 * x.double() @ y.double().T, dim=1).numpy()
    assert metrics.logit_entropy(x, y, 7) == pytest.approx(scipy_entropy(p, axis=1).mean(), abs=1e-5)


# --- retrieval ---------------------------------------------------------------------------------------------------


def test_recall_counts_ties_as_their_chance():
    y = at(0, 0, 0, 90)
    x = at(0, 0, 0, 90)
    assert metrics.recall_at_k(x, y, 1) == pytest.approx((3 * (1 / 3) + 1) / 4)
    assert metrics.recall_at_k(x, y, 2) == pytest.approx((3 * (2 / 3) + 1) / 4)
    assert metrics.recall_at_k(x, y, 1, torch.tensor([0, 0, 0, 1])) == 1  # equal captions are not mistakes


@pytest.mark.parametrize("k", [1, 5, 50])
def test_recall_without_ties_is_scikit_learn_s(k):
    x, y = sphere(600, seed=1), sphere(600, seed=1) + 0.5 * sphere(600, seed=2)
    y = normalize(y, dim=1)
    assert metrics.recall_at_k(x, y, k) == pytest.approx(top_k_accuracy_score(np.arange(600), (x @ y.T).numpy(), k=k))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 10), st.data())
def test_recall_is_the_chance_over_all_orders_of_ties(n, data):
    whole = st.integers(0, 2)
    x = normalize(
        torch.tensor(data.draw(st.lists(st.tuples(whole, whole), min_size=n, max_size=n))).float() + 0.5, dim=1
    )
    y = normalize(
        torch.tensor(data.draw(st.lists(st.tuples(whole, whole), min_size=n, max_size=n))).float() + 0.5, dim=1
    )
    groups = torch.tensor(data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n)))
    k = data.draw(st.integers(1, n))
    similarity, chances = x @ y.T, []
    for i in range(n):
        score = similarity[i]
        best = max(float(score[j]) for j in range(n) if groups[j] == groups[i])
        nearer = sum(float(s) > best for s in score)
        tied = [j for j in range(n) if float(score[j]) == best]
        wrong = sum(bool(groups[j] != groups[i]) for j in tied)
        places = min(max(k - nearer, 0), len(tied))
        chances.append(1 - comb(wrong, places) / comb(len(tied), places))
    assert metrics.recall_at_k(x, y, k, groups) == pytest.approx(np.mean(chances), abs=1e-9)


# --- probes ------------------------------------------------------------------------------------------------------


def test_zero_shot_takes_the_nearest_prompt():
    assert metrics.zero_shot(at(10, 80, 100, 190), at(0, 90, 180), np.array([0, 1, 1, 0])) == 0.75


def test_a_probe_reads_what_is_linear_and_guesses_what_is_not_there():
    codes = MAD.sample(2000, generator(0))
    x = normalize(one_hot(torch.from_numpy(codes[:, 0]), 10).float() + 0.1 * sphere(2000, 10), dim=1)
    assert metrics.linear_probe(x, codes[:, 0], 1000) == 1
    assert metrics.linear_probe(x, codes[:, 5], 1000) == pytest.approx(1 / 7, abs=0.04)
