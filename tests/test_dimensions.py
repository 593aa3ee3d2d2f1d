"""The dimensions that hold the gap: on vectors at known places, against explicit loops, and against numpy and scipy."""

from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import svdvals
from scipy.stats import entropy
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import normalize

from data_gen import InputError
from data_gen.seeds import generator
from synthgap.metrics.dimensions import (
    effective_rank,
    gap_share,
    largest_differences,
    largest_means,
    mean_difference,
    separability,
    spectrum,
)
from synthgap.posthoc.ablation import ablation


def cloud(n: int, d: int = 8, seed: int = 0, centre=None) -> torch.Tensor:
    drawn = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return normalize(drawn if centre is None else drawn / 4 + torch.tensor(centre, dtype=torch.float32), dim=1)


def poles(n=60):
    """Three modalities whose means differ most in dimension 2, then in 0."""
    centres = {"image": [0.3, 0, 1.5, 0, 0], "audio": [-0.3, 0, -0.2, 0, 0], "text": [-0.3, 0, -1.0, 0, 0]}
    return {name: cloud(n, 5, seed, centre) for seed, (name, centre) in enumerate(centres.items())}


# --- means -------------------------------------------------------------------------------------------------------


def test_mean_difference_has_a_sign_and_the_norm_of_the_gap():
    x, y = torch.eye(3)[[0, 0]], torch.eye(3)[[0, 2]]
    assert mean_difference(x, y).tolist() == [0.5, 0, -0.5]
    x, y = cloud(50, seed=1), cloud(50, seed=2)
    expected = x.numpy().mean(0) - y.numpy().mean(0)
    assert mean_difference(x, y).numpy() == pytest.approx(expected, abs=1e-6)


def test_gap_share_at_known_places():
    x, y = torch.eye(4)[[0, 0]], torch.eye(4)[[1, 1]]  # means (1, 0, 0, 0) and (0, 1, 0, 0)
    assert [gap_share(x, y, k) for k in (1, 2, 3, 4)] == [0.5, 1, 1, 1]
    even = torch.full((2, 4), 0.5)
    assert gap_share(even, -even) == 0.25  # k/D: all dimensions hold as much
    assert np.isnan(gap_share(even, even))


@given(st.integers(2, 20), st.integers(2, 9), st.integers(0, 1000), st.data())
def test_gap_share_is_its_definition_and_within_its_range(n, d, seed, data):
    x, y, k = cloud(n, d, seed), cloud(n, d, seed + 1), data.draw(st.integers(1, d))
    squares = sorted(((x.double().mean(0) - y.double().mean(0)) ** 2).tolist(), reverse=True)
    share = gap_share(x, y, k)
    assert share == pytest.approx(sum(squares[:k]) / sum(squares), rel=1e-4)
    assert k / d - 1e-9 <= share <= 1 + 1e-9


@pytest.mark.parametrize("k", [0, -1, 9])
def test_gap_share_of_dimensions_there_are_not(k):
    with pytest.raises(InputError, match=f"k={k} must be in 1 … 8"):
        gap_share(cloud(5), cloud(5), k)


def test_largest_means_at_known_places():
    x, y = torch.eye(5)[[3, 3, 1]], torch.eye(5)[[0, 0, 4]]
    assert largest_means(x, y) == (3, 0)
    assert largest_means(y, x) == (0, 3)


def test_largest_means_are_signed_as_published():
    x, y = torch.tensor([[0.6, -0.8]] * 4), torch.tensor([[-0.8, 0.6]] * 4)
    assert largest_means(x, y) == (0, 1)  # by |mean| it would be (1, 0)


def test_two_modalities_that_share_their_largest_dimension_show_the_second_s_next():
    x, y = torch.eye(5)[[3, 3, 1]], torch.eye(5)[[3, 3, 4]]
    assert largest_means(x, y) == (3, 4)
    assert largest_means(y, x) == (3, 1)


def test_largest_differences_at_known_places():
    x, y = torch.eye(5)[[3, 3, 1]], torch.eye(5)[[3, 2, 2]]
    assert largest_differences(x, y) == (2, 1)  # 2/3; then 1/3 in dimensions 1 and 3, of which the first stands first


@given(st.integers(2, 9), st.integers(0, 1000))
def test_the_largest_are_numpy_s(d, seed):
    x, y = cloud(12, d, seed), cloud(12, d, seed + 1)
    of_x, of_y = (np.argsort(-z.numpy().mean(0), kind="stable") for z in (x, y))
    assert largest_means(x, y) == (of_x[0], of_y[0] if of_y[0] != of_x[0] else of_y[1])
    assert largest_differences(x, y) == tuple(np.argsort(-np.abs(mean_difference(x, y).numpy()), kind="stable")[:2])


# --- separability ------------------------------------------------------------------------------------------------


def test_modalities_apart_are_told_apart_by_a_line_and_alike_ones_are_not():
    z = poles(400)
    assert separability(z["image"], z["text"], (2, 0)) == 1
    assert separability(z["image"], z["text"], (1, 3)) == pytest.approx(0.5, abs=0.06)
    assert separability(z["text"], z["text"], (0, 2)) == 0.5


def test_separability_does_not_mind_how_short_the_entries_are():
    x, y = cloud(200, 4, 1, [0.3, 0, 0, 0]), cloud(200, 4, 2, [-0.3, 0, 0, 0])
    assert separability(x / 1000, y / 1000, (0, 1)) == pytest.approx(separability(x, y, (0, 1)), abs=0.01)


@pytest.mark.parametrize("n", [2, 3, 31, 300])
def test_separability_is_fitted_on_even_rows_and_asked_of_odd_ones(n):
    x, y = cloud(n, 4, 1, [0.2, 0.1, 0, 0]), cloud(n, 4, 2, [-0.1, 0.1, 0, 0])
    fitted = [row[[0, 3]].numpy() for z in (x, y) for i, row in enumerate(z) if i % 2 == 0]
    asked = [row[[0, 3]].numpy() for z in (x, y) for i, row in enumerate(z) if i % 2 == 1]
    middle, spread = np.mean(fitted, 0), np.std(fitted, 0)
    line = LogisticRegression(C=1000, max_iter=1000).fit((fitted - middle) / spread, np.repeat([0, 1], -(-n // 2)))
    right = line.predict((np.array(asked) - middle) / spread) == np.repeat([0, 1], n // 2)
    assert separability(x, y, (0, 3)) == pytest.approx(right.mean())


# --- ablation ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", range(5))
def test_ablation_against_an_explicit_loop(k):
    z = poles(20)
    means = {name: sum(rows) / len(rows) for name, rows in z.items()}
    apart = [sum(float(abs(a[j] - b[j])) for a, b in combinations(means.values(), 2)) for j in range(5)]
    gone = sorted(range(5), key=lambda j: -apart[j])[:k]
    assert gone[:2] == [2, 0][:k]
    for name, change in ablation(z, dimensions=k).items():
        for before, after in zip(z[name], change(z[name]), strict=True):
            left = torch.tensor([0.0 if j in gone else float(before[j]) for j in range(5)])
            torch.testing.assert_close(after, left / left.norm())


def test_ablation_of_nothing_changes_nothing_and_of_the_largest_lowers_the_gap():
    z = poles()
    for name, change in ablation(z, dimensions=0).items():
        torch.testing.assert_close(change(z[name]), z[name])
    gap = lambda maps: (maps["image"](z["image"]).mean(0) - maps["text"](z["text"]).mean(0)).norm()  # noqa: E731
    gaps = [gap(ablation(z, dimensions=k)) for k in (0, 1, 2)]
    assert gaps[0] > gaps[1] > gaps[2]


def test_the_order_is_that_of_the_fitted_embeddings_whatever_is_mapped():
    z = poles()
    change = ablation(z, dimensions=1)["image"]
    assert change(torch.eye(5))[:, 2].eq(0).all()
    torch.testing.assert_close(change(torch.eye(5))[[0, 1, 3, 4]], torch.eye(5)[[0, 1, 3, 4]])


def test_a_row_with_nothing_elsewhere_becomes_zero_and_stays_finite():
    after = ablation(poles(), dimensions=1)["text"](torch.eye(5)[2:3])
    assert after.tolist() == [[0, 0, 0, 0, 0]]


def test_random_ablation_takes_as_many_of_a_drawn_order():
    z = poles()

    def gone(**settings):
        return {j for j in range(5) if ablation(z, order="random", **settings)["image"](torch.eye(5))[j].norm() == 0}

    order = generator(3, "ablation").permutation(5).tolist()
    for k in range(5):
        assert gone(dimensions=k, seed=3) == set(order[:k])
    assert len({frozenset(gone(dimensions=2, seed=seed)) for seed in range(20)}) > 3


@pytest.mark.parametrize("dimensions", [-1, 5, 100])
def test_ablation_leaves_a_dimension(dimensions):
    with pytest.raises(InputError, match=rf"dimensions={dimensions} must be in 0 … 4"):
        ablation(poles(), dimensions=dimensions)


# --- spectrum ----------------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(1, 9), st.integers(0, 1000))
def test_spectrum_is_scipy_s_and_effective_rank_is_its_definition(n, d, seed):
    x = cloud(n, d, seed)
    oracle = np.zeros(d)
    values = svdvals(x.double().numpy() - x.double().numpy().mean(0))
    oracle[: len(values)] = values
    assert spectrum(x).numpy() == pytest.approx(oracle, abs=1e-6)
    if oracle[0] > 1e-5:
        rank = effective_rank(x)
        assert rank == pytest.approx(np.exp(entropy(oracle)), rel=1e-5)
        assert 1 - 1e-9 <= rank <= d + 1e-9


def test_spectrum_goes_in_blocks_and_minds_no_offset():
    x = cloud(9000, 6) * torch.tensor([6.0, 5, 4, 3, 2, 1])
    expected = np.linalg.svd(x.double().numpy() - x.double().numpy().mean(0), compute_uv=False)
    assert spectrum(x).numpy() == pytest.approx(expected, rel=1e-9)
    assert spectrum(x + 8).numpy() == pytest.approx(expected, rel=1e-5)  # x + 8 is rounded to float32


def test_effective_rank_of_known_clouds():
    cross = torch.cat([torch.eye(5), -torch.eye(5)])  # as much in each of five directions
    assert effective_rank(cross) == pytest.approx(5)
    assert effective_rank(cross[[0, 1, 5, 6]]) == pytest.approx(2)
    assert effective_rank(cross[[0, 5]] + cross[2]) == pytest.approx(1)
    assert np.isnan(effective_rank(cross[[3, 3, 3]]))
