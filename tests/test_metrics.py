"""Every metric on vectors at known angles, against an explicit loop, and against an independent implementation."""

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist
from scipy.stats import entropy as scipy_entropy
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.decomposition import PCA
from sklearn.metrics import normalized_mutual_info_score, top_k_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from torch.nn.functional import normalize, one_hot

from data_gen import MAD, Factor, FactorSpace, InputError
from data_gen.seeds import generator
from synthgap import metrics
from synthgap.metrics import clustering


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


def published_separation(x, labels) -> float:
    """As the published code walks: label by label, the upper triangle of each block of cosines. labels: [N] sets."""
    groups = [[i for i, held in enumerate(labels) if label in held] for label in sorted(set().union(*labels))]
    positive, negative = [], []
    for a, b in product(range(len(groups)), repeat=2):
        for p, i in enumerate(groups[a]):
            for q, j in enumerate(groups[b]):
                if p < q:
                    (positive if a == b else negative).append(float(x[i] @ x[j]))
    return np.mean(positive) - np.mean(negative) if positive and negative else np.nan


@settings(deadline=None, max_examples=20)
@given(st.integers(6, 25), st.integers(0, 1000))
def test_pooled_moad_is_the_published_walk_over_blocks(n, seed):
    """Unlike the corrected form it pools the values of all attributes, and takes half of each rectangular block."""
    space = FactorSpace((Factor("o", ("o0", "o1")), Factor("b", ("b0", "b1", "b2")), Factor("c", ("c0", "c1"))))
    x, codes = sphere(n, seed=seed), space.sample(n, generator(seed))
    attributes = [{("b", b), ("c", c)} for _, b, c in codes.tolist()]
    expected = published_separation(x, [{o} for o in codes[:, 0]]) - published_separation(x, attributes)
    assert metrics.moad_pooled(x, codes, space, "o") == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_pooled_moad_of_six_known_vectors():
    """−0.222222 over all pairs of different values; the published blocks leave out half of them, and it is −0.266667."""
    x = torch.tensor([[1, 0], [1, 0], [0, 1], [0, 1], [0.6, 0.8], [0.8, 0.6]])
    codes = np.array([[0, 0], [0, 0], [1, 1], [1, 1], [0, 1], [1, 0]])
    space = FactorSpace((Factor("o", ("o0", "o1")), Factor("a", ("a0", "a1"))))
    assert metrics.moad(x, codes, space, "o") == pytest.approx(-0.222222, abs=1e-6)
    assert metrics.moad_pooled(x, codes, space, "o") == pytest.approx(-0.266667, abs=1e-6)


def test_in_pooled_moad_a_row_is_among_its_own_negatives():
    """Orthogonal rows, two attributes: the only negative cosines that are not 0 are those of a row with itself."""
    x, codes = torch.eye(4), np.array([[0, 0, 1], [0, 1, 0], [1, 0, 0], [1, 1, 1]])
    space = FactorSpace(Factor(name, (f"{name}0", f"{name}1")) for name in "oab")
    assert metrics.moad(x, codes, space, "o") == 0
    # groups a0: 0 2, a1: 1 3, b0: 1 2, b1: 0 3, so rows 1 and 2 stand at one rank in both their groups, and so do 0 and 3
    assert metrics.moad_pooled(x, codes, space, "o") == 0
    # groups a0: 0 1, a1: 2 3, b0: 1, b1: 0 2 3: of the 14 negatives three are of a row with itself, 1, 2 and 3
    uneven = np.array([[0, 0, 1], [0, 0, 0], [1, 1, 1], [1, 1, 1]])
    assert metrics.moad_pooled(x, uneven, space, "o") == pytest.approx(3 / 14)


def test_moad_says_which_factor_rules_the_space_and_pooling_hides_it():
    codes = MAD.sample(20_000, generator(0))
    colour_only = one_hot(torch.from_numpy(codes[:, MAD.index("colour")]), 7).float()
    assert metrics.moad(colour_only, codes, MAD, "colour") == pytest.approx(1, abs=0.01)
    assert metrics.moad(colour_only, codes, MAD, "digit") == pytest.approx(-0.2, abs=0.01)
    assert metrics.moad_pooled(colour_only, codes, MAD, "digit") == pytest.approx(-0.067, abs=0.003)
    towards = metrics.moads(colour_only, codes, MAD)
    assert towards == [metrics.moad(colour_only, codes, MAD, name) for name in MAD.names]
    assert sum(towards) == pytest.approx(0, abs=1e-9)
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
    whole = st.integers(0, 2)  # so that no product is rounded, and ties do not depend on the order of sums
    x = torch.tensor(data.draw(st.lists(st.tuples(whole, whole), min_size=n, max_size=n))).float()
    y = torch.tensor(data.draw(st.lists(st.tuples(whole, whole), min_size=n, max_size=n))).float()
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


@given(st.integers(2, 300), st.integers(0, 3), st.booleans(), st.integers(0, 1000))
def test_ranks_by_parts_are_those_of_rows_with_these_dimensions_alone(n, further, listed, seed):
    chance = generator(seed, "parts")
    size = n + further
    x, y = (torch.from_numpy(chance.standard_normal((rows, 9))).float() for rows in (n, size))
    y[size // 2 :] = y[: -(size // 2)].clone()  # equal rows tie
    x[0, :2] = 0  # nothing in the first part: all candidates are as near
    order = chance.permutation(np.arange(2, 9)).tolist()
    parts = [[0, 1], order[:3], order[3:]]
    pairs = torch.from_numpy(chance.integers(0, n, (n, 2))) if listed else None
    right = torch.eye(n, size, dtype=torch.bool)
    if listed:
        right = torch.zeros(n, size, dtype=torch.bool)
        right[pairs[:, 0], pairs[:, 1]] = True
    asked = right.any(1)
    for i, found in enumerate(metrics.ranks_by_parts(normalize(x, dim=1), normalize(y, dim=1), parts, pairs)):
        kept = [d for part in parts[: i + 1] for d in part]
        a, b = (normalize(z[:, kept].double(), dim=1) for z in (x, y))
        score = (a @ b.T)[asked]
        best = score.masked_fill(~right[asked], -torch.inf).amax(1, keepdim=True)
        near = (score - best).abs() <= 1e-5  # further than rounding goes
        surely = ((score > best) & ~near).sum(1)
        assert (surely <= found.nearer).all() and (found.nearer + found.tied <= surely + near.sum(1)).all()
        equal = (b[:, None] == b[None]).all(-1)[score.masked_fill(~right[asked], -torch.inf).argmax(1)]
        for ties, some in ((found.tied, near), (found.right, near & right[asked])):
            assert ((equal & some).sum(1) <= ties).all() and (ties <= some.sum(1)).all()
        assert i or not asked[0] or found.tied[0] == size


def test_ranks_of_listed_pairs_against_a_slow_loop():
    g = torch.Generator().manual_seed(0)
    x, y = (normalize(torch.randn(n, 4, generator=g), dim=1) for n in (700, 30))  # more than a block
    listed = torch.stack([torch.randint(0, 600, (900,), generator=g), torch.randint(0, 30, (900,), generator=g)], dim=1)
    right = torch.zeros(700, 30, dtype=torch.bool)
    right[listed[:, 0], listed[:, 1]] = True
    places = [1 + int((s > s[r].max()).sum()) for s, r in zip(x @ y.T, right, strict=True) if r.any()]
    found = metrics.ranks(x, y, pairs=listed)
    assert (found.nearer + 1).tolist() == places  # without the queries that have no partner
    assert metrics.median_rank(found) == np.median(places)
    assert metrics.recall(found, 5) == pytest.approx(np.mean(np.array(places) <= 5))


def test_the_median_rank_of_ties_is_that_of_a_random_order():
    x, y = torch.eye(2)[[0, 0, 0, 1]], torch.eye(2)[[0, 0, 0, 1]]
    assert metrics.median_rank(metrics.ranks(x, y)) == 2  # of three equal candidates the own is the second on average
    assert metrics.median_rank(metrics.ranks(x, y, torch.tensor([0, 0, 0, 1]))) == 1
    assert metrics.median_rank(metrics.ranks(x[2:], y[2:])) == 1


def test_gaps_of_listed_pairs():
    g = torch.Generator().manual_seed(0)
    x, y = (normalize(torch.randn(n, 4, generator=g), dim=1) for n in (5, 9))
    listed = torch.tensor([[0, 8], [0, 1], [4, 1]])
    cosines = (x[[0, 0, 4]] * y[[8, 1, 1]]).sum(1)
    assert metrics.alignment(x, y, listed) == pytest.approx(float(cosines.mean()), abs=1e-6)
    assert metrics.l2i(x, y, listed) == pytest.approx(float((2 - 2 * cosines).sqrt().mean()), abs=1e-6)
    within = [
        np.mean([(1 - float(z[i] @ z[j])) / 2 for i in range(len(z)) for j in range(len(z)) if i != j]) for z in (x, y)
    ]
    matching = (1 - float(cosines.mean())) / 2
    assert metrics.rmg(x, y, listed) == pytest.approx(matching / (matching + np.mean(within)), abs=1e-6)


# --- probes ------------------------------------------------------------------------------------------------------


def test_zero_shot_takes_the_nearest_prompt():
    assert metrics.zero_shot(at(10, 80, 100, 190), at(0, 90, 180), np.array([0, 1, 1, 0])) == 0.75


def test_a_probe_reads_what_is_linear_and_guesses_what_is_not_there():
    codes = MAD.sample(2000, generator(0))
    x = normalize(one_hot(torch.from_numpy(codes[:, 0]), 10).float() + 0.1 * sphere(2000, 10), dim=1)
    assert metrics.linear_probe(x, codes[:, 0], 1000) == 1
    assert metrics.linear_probe(x, codes[:, 5], 1000) == pytest.approx(1 / 7, abs=0.04)


# --- clustering --------------------------------------------------------------------------------------------------


def grouped(gap: float, n: int = 120, classes: int = 3, noise: float = 0.05) -> tuple[dict, np.ndarray]:
    """Two modalities of n samples, each near the axis of its class, and apart along an axis of their own."""
    of_class = np.arange(n) % classes
    axes = torch.eye(classes + 1)
    modality = {"image": gap * axes[-1], "text": -gap * axes[-1]}
    around = {name: axes[of_class] + noise * sphere(n, classes + 1, seed) for seed, name in enumerate(modality)}
    return {name: normalize(x + modality[name], dim=1) for name, x in around.items()}, of_class


def test_groups_without_a_gap_are_found():
    z, classes = grouped(gap=0)
    found = metrics.clusters(z, 3)
    assert found.shape == (2, 120) and set(found.ravel()) == {0, 1, 2}
    assert metrics.v_measure(found, classes) == pytest.approx(1) and metrics.nmi(found, classes) == pytest.approx(1)
    assert metrics.single_modality_clusters(found) == 0
    assert metrics.knn(z, classes) == 1


def test_a_gap_hides_groups_until_each_modality_is_centred():
    z, classes = grouped(gap=3, classes=2)
    found = metrics.clusters(z, 2)
    assert metrics.v_measure(found, classes) == pytest.approx(0, abs=1e-9)  # a cluster is a modality
    assert metrics.single_modality_clusters(found) == 2
    assert metrics.v_measure(metrics.clusters(metrics.centred(z), 2), classes) == pytest.approx(1)
    assert metrics.knn(z, classes) == 1  # neighbours of the same modality tell the class all the same


def test_centring_takes_each_modality_s_mean_and_nothing_else():
    z = metrics.centred({"image": sphere(50, seed=1), "text": sphere(50, seed=2)})
    assert all(x.mean(0).abs().max() < 1e-6 for x in z.values())
    assert torch.allclose(z["text"][0] - z["text"][1], sphere(50, seed=2)[0] - sphere(50, seed=2)[1], atol=1e-6)


def test_clusters_repeat_and_may_be_more_than_the_points():
    z, _ = grouped(gap=0.3)
    assert (metrics.clusters(z, 5) == metrics.clusters(z, 5)).all()
    few = metrics.clusters({"image": at(0, 0, 90), "text": at(0, 90, 90)}, 4)
    assert few[0, 0] == few[0, 1] == few[1, 0] != few[0, 2]


@pytest.mark.parametrize(("n", "d", "k"), [(400, 16, 2), (400, 16, 7), (90, 3, 12), (5, 8, 5), (40, 8, 1)])
def test_clusters_are_scikit_learn_s_from_its_own_starts(n, d, k):
    x = normalize(sphere(n, d) + sphere(12, d, seed=1)[torch.arange(n) % 12], dim=1)
    z = {"image": x, "text": normalize(x + 0.5 * sphere(n, d, seed=2) + 0.3, dim=1)}
    stacked = torch.cat(list(z.values())).numpy()
    centred, chance = stacked - stacked.mean(0), np.random.RandomState(0)
    own = np.stack([kmeans_plusplus(centred, k, random_state=chance)[0] for _ in range(10)])
    assert (clustering.starts(centred, k) == own).all()
    assert (metrics.clusters(z, k).ravel() == KMeans(k, n_init=10, random_state=0).fit_predict(stacked)).all()


def test_v_measure_and_nmi_of_known_clusters():
    classes = np.array([0, 0, 1, 1])
    shattered = np.array([[0, 1, 2, 3], [0, 1, 2, 3]])  # homogeneous, but half complete
    assert metrics.v_measure(shattered, classes) == pytest.approx(2 / 3)
    assert metrics.nmi(shattered, classes) == pytest.approx(0.5**0.5)
    assert metrics.v_measure(shattered, torch.from_numpy(classes)) == pytest.approx(2 / 3)
    assert metrics.v_measure(np.zeros((2, 4), int), classes) == 0
    assert metrics.v_measure(np.array([[1, 1, 0, 0], [0, 0, 1, 1]]), classes) == pytest.approx(0)
    assert metrics.v_measure(np.array([[1, 1, 0, 0]] * 2), classes) == pytest.approx(1)  # names do not matter


@settings(deadline=None)
@given(st.integers(2, 40), st.integers(2, 5), st.integers(0, 1000))
def test_v_measure_is_its_definition(n, k, seed):
    g = np.random.default_rng(seed)
    classes, found = g.integers(0, k, n), g.integers(0, k, (2, n))
    counts = np.zeros((k, k))
    np.add.at(counts, (np.tile(classes, 2), found.ravel()), 1)
    h = lambda table: scipy_entropy(table.ravel())  # noqa: E731
    of_class, of_cluster, joint = h(counts.sum(1)), h(counts.sum(0)), h(counts)
    if not of_class:
        assert np.isnan(metrics.v_measure(found, classes)) and np.isnan(metrics.nmi(found, classes)), "nothing to find"
        return
    homogeneity = 1 - (joint - of_cluster) / of_class
    completeness = 1 - (joint - of_class) / of_cluster if of_cluster else 1
    total = homogeneity + completeness
    expected = 2 * homogeneity * completeness / total if total > 1e-12 else 0
    assert metrics.v_measure(found, classes) == pytest.approx(expected, abs=1e-9)
    assert metrics.v_measure(found, classes) == pytest.approx(
        normalized_mutual_info_score(np.tile(classes, 2), found.ravel()), abs=1e-9
    )


def test_single_modality_clusters_are_counted_among_those_that_hold_anything():
    assert metrics.single_modality_clusters(np.array([[0, 0, 1], [2, 2, 1]])) == 2
    assert metrics.single_modality_clusters(np.array([[0, 0, 5], [5, 5, 0], [7, 7, 7]])) == 1


def test_knn_is_scikit_learn_s_on_a_split_by_sample():
    g = generator(3, "classes")
    z = {"image": sphere(700, 3, seed=1), "audio": sphere(700, 3, seed=2), "text": sphere(700, 3, seed=3)}
    classes = (z["image"][:, 0] > 0).long().numpy() + 2 * g.integers(0, 2, 700)
    order = generator(0, "knn").permutation(700)
    known, asked = order[:560], order[560:]
    oracle = KNeighborsClassifier(5).fit(np.concatenate([x[known] for x in z.values()]), np.tile(classes[known], 3))
    expected = oracle.score(np.concatenate([x[asked] for x in z.values()]), np.tile(classes[asked], 3))
    assert metrics.knn(z, classes) == pytest.approx(expected, abs=1e-9)
    assert metrics.knn(z, torch.from_numpy(classes)) == metrics.knn(z, classes) != metrics.knn(z, classes, seed=1)


def test_a_sample_s_other_modality_does_not_give_its_class_away():
    x, classes = sphere(5000, 16), generator(0, "classes").integers(0, 10, 5000)
    assert metrics.knn({"image": x, "text": x}, classes, k=1) == pytest.approx(0.1, abs=0.03)


# --- projection --------------------------------------------------------------------------------------------------


def test_pca_is_scikit_learn_s():
    z = {"image": sphere(90, 6, seed=1) * torch.arange(1, 7), "text": sphere(90, 6, seed=2) + 1}
    shown, shares = metrics.pca(z)
    oracle = PCA(2).fit(torch.cat(list(z.values())).double().numpy())
    for name, x in z.items():
        assert np.abs(shown[name].numpy()) == pytest.approx(np.abs(oracle.transform(x.double().numpy())), abs=1e-5)
    assert shares.numpy() == pytest.approx(oracle.explained_variance_ratio_)


def test_pca_shows_the_gap_first_and_does_not_flip():
    z, _ = grouped(gap=3)
    (shown, shares), (again, _) = metrics.pca(z, 3), metrics.pca({name: x.flip(0) for name, x in z.items()}, 3)
    assert shown["image"].shape == (120, 3) and shares[0] > 0.8 and (shares.diff() <= 0).all()
    assert (shown["image"][:, 0] > 0).all() and (shown["text"][:, 0] < 0).all()
    assert torch.allclose(shown["text"].flip(0), again["text"], atol=1e-5)
