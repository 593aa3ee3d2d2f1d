"""The gap taken apart: closed forms at known angles, against explicit loops, and against scipy and scikit-learn."""

from importlib import import_module
from math import comb

import numpy as np
import pytest
import torch
from conftest import POSTHOC
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import sqrtm, subspace_angles
from scipy.stats import norm
from sklearn.linear_model import LogisticRegression
from torch.nn.functional import normalize

from data_gen.seeds import generator
from synthgap import metrics
from synthgap.metrics import tiles


def sphere(n: int, d: int = 8, seed: int = 0, towards=0.0) -> torch.Tensor:
    """Rows all around, or in a cone: those that are drawn, moved along the first axis, and brought back to length 1."""
    rows = torch.randn(n, d, generator=torch.Generator().manual_seed(seed))
    return normalize(rows + towards * torch.eye(d)[0], dim=1)


def at(*degrees: float) -> torch.Tensor:
    radians = torch.tensor(degrees, dtype=torch.float64) * torch.pi / 180
    return torch.stack([radians.cos(), radians.sin()], dim=1)


def circle(n: int) -> torch.Tensor:
    return at(*(360 * i / n for i in range(n)))


# --- means and what is left of them --------------------------------------------------------------------------------


def test_each_modality_in_one_point_is_nothing_but_distance_of_means():
    x, y = at(0, 0, 0), at(60, 60, 60)
    assert metrics.spread(x, y) == pytest.approx(0)
    assert metrics.effective_scale(x, y, 100) == pytest.approx(0)
    assert metrics.mean_cosine(x, y) == pytest.approx(0.5)
    assert metrics.centroid_share(x, y) == pytest.approx(1)
    assert metrics.distribution_gap(x, y) == pytest.approx(0)
    assert np.isnan(metrics.distribution_gap_normalised(x, y)), "all that is left has no direction"
    assert metrics.mean_within_cosine(x) == pytest.approx(1)


def test_a_circle_has_no_mean_and_turned_by_an_angle_is_nothing_but_unlike_pairs():
    x, y = circle(12), at(*(30 * i + 90 for i in range(12)))
    assert metrics.spread(x, y) == pytest.approx(1)
    assert metrics.effective_scale(x, y, 14.3) == pytest.approx(14.3)
    assert np.isnan(metrics.mean_cosine(x, y))
    assert metrics.centroid_share(x, y) == pytest.approx(0)
    assert metrics.distribution_gap(x, y) == metrics.l2i(x, y) == pytest.approx(2**0.5)
    assert metrics.distribution_gap_normalised(x, y) == pytest.approx(2**0.5)
    assert metrics.mean_within_cosine(x) == pytest.approx(-1 / 11), "distinct pairs: no less is possible"
    assert np.isnan(metrics.centroid_share(x, x)), "all pairs coincide: there is no distance to be shared"


def test_antipodal_cones_with_alike_rows_are_apart_by_their_means_alone():
    wide = at(-30, 0, 30) @ torch.tensor([[1.0, 0.0], [0.0, 1.0]], dtype=torch.float64)
    x, y = wide, wide * torch.tensor([-1.0, 1.0])  # as wide, and each pair at the same height
    length = (1 + 2 * np.cos(np.pi / 6)) / 3
    assert metrics.mean_cosine(x, y) == pytest.approx(-1)
    assert metrics.spread(x, y) == pytest.approx(1 - length**2)
    assert metrics.l2m(x, y) == pytest.approx(2 * length)
    assert 0 < metrics.distribution_gap(x, y) < 0.3 < metrics.l2m(x, y)
    assert metrics.centroid_share(x, y) == pytest.approx(length**2 / np.mean(wide[:, 0].numpy() ** 2))


@given(st.integers(2, 30), st.floats(0, 4), st.integers(0, 1000))
def test_the_parts_are_their_definitions_and_sum_to_rmg_s_numerator(n, towards, seed):
    both = (sphere(n, seed=some, towards=towards).double() for some in (seed, seed + 1))
    x, y = (normalize(z, dim=1) for z in both)  # in double, as a small spread is what is left of 1
    rows = list(zip(x.numpy(), y.numpy(), strict=True))
    means = [sum(z) / n for z in zip(*rows, strict=True)]
    within = np.mean(
        [np.mean([(row - m) @ (row - m) for row in z]) for m, z in zip(means, (x.numpy(), y.numpy()), strict=True)]
    )
    v, c = metrics.spread(x, y), metrics.mean_cosine(x, y)
    assert v == pytest.approx(within)
    assert c == pytest.approx(means[0] @ means[1] / np.linalg.norm(means[0]) / np.linalg.norm(means[1]))
    assert metrics.effective_scale(x, y, 20.0) == pytest.approx(20 * within)
    left = [a - means[0] - b + means[1] for a, b in rows]
    assert metrics.distribution_gap(x, y) == pytest.approx(np.mean([np.linalg.norm(d) for d in left]))
    matching = np.mean([(1 - a @ b) / 2 for a, b in rows])
    of_means = metrics.l2m(x, y) ** 2 / 4
    assert matching == pytest.approx(of_means + np.mean([d @ d for d in left]) / 4)
    assert metrics.centroid_share(x, y) == pytest.approx(of_means / matching)
    gap = metrics.rmg(x, y)
    assert v * n / (n - 1) == pytest.approx((1 - metrics.alignment(x, y)) * (1 - gap) / gap)
    for z in (x, y):
        pairs = sum(float(z[i] @ z[j]) for i in range(n) for j in range(i))
        assert metrics.mean_within_cosine(z) == pytest.approx(pairs / comb(n, 2))


def test_l2m_follows_from_spread_and_cosine_where_means_are_equally_long():
    x = sphere(40, towards=2.0).double()
    y = x @ torch.linalg.qr(sphere(8, seed=5).double())[0]  # turned as a whole, so that its mean is as long
    v, c = metrics.spread(x, y), metrics.mean_cosine(x, y)
    assert metrics.l2m(x, y) ** 2 == pytest.approx(2 * (1 - v) * (1 - c))


def test_the_normalised_distribution_gap_is_the_distance_of_pairs_after_centring():
    z = {"x": sphere(50, towards=2.0), "y": sphere(50, seed=1, towards=-1.0)}
    maps = POSTHOC["centring"](z)
    after = metrics.l2i(*(maps[name](rows) for name, rows in z.items()))
    assert metrics.distribution_gap_normalised(*z.values()) == pytest.approx(after, rel=1e-5)


def test_of_listed_pairs_the_means_are_those_of_the_pairs():
    x, y, pairs = sphere(6, towards=1.0), sphere(9, seed=1), torch.tensor([[0, 1], [0, 2], [5, 8], [3, 8], [3, 3]])
    a, b = x[pairs[:, 0]], y[pairs[:, 1]]
    assert metrics.centroid_share(x, y, pairs) == metrics.centroid_share(a, b)
    assert metrics.distribution_gap(x, y, pairs) == metrics.distribution_gap(a, b)
    alike = torch.arange(6)[:, None].expand(6, 2)
    for gap in (metrics.centroid_share, metrics.distribution_gap, metrics.distribution_gap_normalised):
        assert gap(x, y[:6], alike) == gap(x, y[:6])


# --- two clouds ----------------------------------------------------------------------------------------------------


def test_modalities_are_told_apart_where_they_lie_apart_and_not_where_they_are_alike():
    assert metrics.modality_auc(sphere(60, towards=9.0), sphere(60, seed=1, towards=-9.0)) == 1
    assert metrics.modality_auc(sphere(2000), sphere(2000, seed=1)) == pytest.approx(0.5, abs=0.05)
    assert metrics.modality_auc(at(0, 0), at(0, 0)) == 0.5, "the same rows: a coin"


def test_modality_auc_counts_held_out_pairs_by_another_solver_of_the_same_probe():
    x, y = sphere(80, towards=0.3), sphere(60, seed=1, towards=-0.3)
    fitted = (torch.cat([x[::2], y[::2]]).double() * 8**0.5).numpy()
    probe = LogisticRegression(tol=1e-8, max_iter=1000).fit(fitted, [0] * 40 + [1] * 30)
    of_x, of_y = (probe.decision_function(z[1::2].double().numpy() * 8**0.5) for z in (x, y))
    pairs = [(b > a) + (b == a) / 2 for a in of_x for b in of_y]
    assert metrics.modality_auc(x, y) == pytest.approx(np.mean(pairs), abs=2e-3)
    assert 0.5 < np.mean(pairs) < 1


@given(st.integers(20, 40), st.sampled_from([1, 2, 5, 8]), st.integers(0, 1000))
def test_the_frechet_distance_is_scipy_s_and_never_beyond_independent_clouds(n, d, seed):
    x, y = sphere(n, d, seed, towards=1.0).double(), sphere(n + 3, d, seed + 1).double()
    m, other = x.mean(0).numpy(), y.mean(0).numpy()
    cov, other_cov = (np.atleast_2d(np.cov(z.numpy().T, bias=True)) for z in (x, y))
    common = np.trace(sqrtm(cov @ other_cov)).real
    value = metrics.frechet(x, y)
    assert value == pytest.approx((m - other) @ (m - other) + np.trace(cov + other_cov) - 2 * common, abs=1e-5)
    assert 0 <= value <= 2 - 2 * m @ other + 1e-9 <= 4 + 1e-9
    assert metrics.frechet(x, x) == pytest.approx(0, abs=1e-6)


def test_frechet_of_points_and_circles():
    assert metrics.frechet(at(0, 0), at(180, 180)) == pytest.approx(4)
    assert metrics.frechet(circle(8), circle(12)) == pytest.approx(0, abs=1e-9), "as Gaussians they are the same"
    assert metrics.frechet(circle(8), at(0, 0)) == pytest.approx(2), "a point of length 1, and a variance of 1"


def test_principal_angles_of_planes_that_share_a_line_or_are_tilted():
    ring, none = circle(12), torch.zeros(12, dtype=torch.float64)

    def pad(*columns):
        return torch.stack(columns, dim=1)

    floor, wall = pad(ring[:, 0], ring[:, 1], none), pad(ring[:, 0], none, ring[:, 1])
    assert metrics.principal_angles(floor, wall).tolist() == pytest.approx([0, 90], abs=1e-5)
    tilt = np.deg2rad(25)
    planes = pad(ring[:, 0], ring[:, 1], none, none), pad(*(ring * np.cos(tilt)).T, *(ring * np.sin(tilt)).T)
    assert metrics.principal_angles(*planes).tolist() == pytest.approx([25, 25])
    assert metrics.principal_angles(at(0, 0), at(70, 70)).tolist() == pytest.approx([70]), "two points: lines through 0"


@given(st.integers(2, 12), st.sampled_from([3, 6]), st.integers(0, 1000))
def test_principal_angles_are_scipy_s_of_what_holds_the_share(n, d, seed):
    x, y = sphere(n, d, seed).double(), sphere(n, d, seed + 1).double()
    bases = []
    for z in (x, y):
        _, values, axes = np.linalg.svd(z.numpy(), full_matrices=False)
        kept = next(k for k in range(1, len(values) + 1) if (values[:k] ** 2).sum() >= 0.9 * (values**2).sum())
        bases.append(axes[:kept].T)
    expected = np.rad2deg(np.sort(subspace_angles(*bases)))
    assert metrics.principal_angles(x, y, 0.9).numpy() == pytest.approx(expected, abs=1e-4)


# --- noise ---------------------------------------------------------------------------------------------------------


def test_with_two_candidates_robustness_is_the_normal_distribution_s():
    many, length = 20_000, 1.5
    query, candidates = at(0).float().expand(many, 2), at(20, -50).float()
    found = metrics.robustness(query, candidates, length)
    sigma, apart = length / 2**0.5, float((candidates[0] - candidates[1]).norm())
    margin = float(query[0] @ (candidates[0] - candidates[1]))
    assert found["query"] == pytest.approx(norm.cdf(margin / (sigma * apart)), abs=0.01)
    assert set(found) == {"query", "candidates", "both"}


@pytest.mark.parametrize("few", [False, True])
def test_robustness_is_a_loop_over_noisy_rows(few, monkeypatch):
    """Also in many tiles, with noise drawn in many pieces."""
    if few:
        monkeypatch.setattr(tiles, "ROWS", 16)
        monkeypatch.setattr(tiles, "COLUMNS", 16)
        monkeypatch.setattr(import_module("synthgap.metrics.moments"), "NUMBERS", 8 * 7)
    x, y = sphere(30).double().numpy(), sphere(20, seed=1).double().numpy()
    y = np.concatenate([y, y])  # each candidate has a twin, which is as good
    noise = generator(0, "robustness")
    moved_x, moved_y = (z + 0.4 / 8**0.5 * noise.standard_normal(z.shape) for z in (x, y))
    nearest = lambda query, candidates: np.linalg.norm(candidates - query, axis=1).argmin() % 20  # noqa: E731
    expected = {
        "query": np.mean([nearest(a, y) == nearest(b, y) for a, b in zip(x, moved_x, strict=True)]),
        "candidates": np.mean([nearest(a, y) == nearest(a, moved_y) for a in x]),
        "both": np.mean([nearest(a, y) == nearest(b, moved_y) for a, b in zip(x, moved_x, strict=True)]),
    }
    found = metrics.robustness(torch.from_numpy(x), torch.from_numpy(y), 0.4)
    assert found == pytest.approx(expected) and 0.2 < found["both"] < found["query"] < 1


def test_a_gap_harms_where_candidates_are_noisy_and_not_where_the_query_is():
    flat = torch.cat([sphere(200, 6), torch.zeros(200, 1)], dim=1)
    there = torch.cat([sphere(200, 6, seed=1), torch.zeros(200, 1)], dim=1)
    up, n = torch.eye(7)[6], 0.5
    together = metrics.robustness(flat, there, n)
    apart = metrics.robustness(flat + 2 * up, there - 2 * up, n)
    assert apart["query"] == together["query"], "what is the same for all candidates cancels"
    assert apart["candidates"] < together["candidates"] - 0.1


def test_embeddings_that_are_all_the_same_keep_their_nearest():
    assert set(metrics.robustness(at(10, 10, 10), at(90, 90, 90)).values()) == {1.0}
