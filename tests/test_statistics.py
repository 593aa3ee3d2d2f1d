"""Verdicts rest on these: intervals that cover, tests that keep their level, floors as in theory."""

from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from data_gen import InputError
from synthgap.statistics import difference_test, judge, paired_interval, smallest_p, trend_test, within_seed_interval


@pytest.mark.parametrize("n", [3, 5, 10])
def test_intervals_cover_as_often_as_they_say(n):
    rng = np.random.default_rng(0)
    intervals = np.array([paired_interval(row) for row in rng.normal(1, 2, (4000, n))])
    covered = ((intervals[:, 0] < 1) & (intervals[:, 1] > 1)).mean()
    assert covered == pytest.approx(0.95, abs=0.012)


@given(arrays(float, st.integers(2, 12), elements=st.floats(-5, 5)), st.sampled_from([0.8, 0.95]))
def test_interval_is_scipy_s(differences, level):
    if differences.std() > 1e-6:
        expected = stats.ttest_1samp(differences, 0).confidence_interval(level)
        assert paired_interval(differences, level) == pytest.approx(tuple(expected))


def test_one_seed_has_no_interval():
    assert np.isnan(paired_interval([1.0])).all()


def test_trend_test_knows_directions():
    falling = np.array([[5.0, 4, 3, 2, 1]] * 4) + np.arange(4)[:, None]
    assert trend_test(falling, "falls") == pytest.approx(smallest_p(4, 5), rel=1e-6)
    assert trend_test(falling, "rises") == pytest.approx(1)
    assert trend_test(falling) == pytest.approx(2 * smallest_p(4, 5), rel=1e-6)
    with pytest.raises(InputError, match="did you mean 'falls'"):
        trend_test(falling, "fall")


def test_trend_test_keeps_its_level_where_nothing_happens():
    rng = np.random.default_rng(0)
    p = np.array([trend_test(rng.normal(size=(4, 5)), "falls") for _ in range(1000)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_trend_p_is_the_share_of_orders_at_least_as_extreme():
    """Three levels, two seeds: 36 equally likely pairs of orders, enumerated."""
    from itertools import permutations, product

    seen = np.array([[3.0, 2, 1], [3, 1, 2]])
    page = lambda table: sum((table.argsort(1).argsort(1) + 1) @ np.array([3, 2, 1]))  # noqa: E731
    orders = [page(np.array(pair, dtype=float)) for pair in product(permutations([1, 2, 3]), repeat=2)]
    assert len(orders) == factorial(3) ** 2
    assert trend_test(seen, "falls") == pytest.approx(np.mean(np.array(orders) >= page(seen)))


LEVELS = np.array([0.5, 0.4, 0.3, 0.2, 0.1])


def table(levels, noise, seeds=6):
    return np.array(levels) + np.random.default_rng(1).normal(0, noise, (seeds, len(levels)))


@pytest.mark.parametrize(
    ("values", "direction", "verdict"),
    [
        (table(LEVELS, 0.01), "falls", "supported"),
        (table(LEVELS, 0.01), "rises", "contradicted"),
        (table(LEVELS[::-1], 0.01), "rises", "supported"),
        (table(np.full(5, 0.3), 0.002), "falls", "contradicted"),  # a change so small that it does not matter
        (table(np.full(5, 0.3), 0.2), "falls", "undecided"),
        (table(LEVELS, 0.01, seeds=2), "falls", "undecided"),  # too few seeds for any verdict
    ],
)
def test_verdicts(values, direction, verdict):
    judged = judge(values, direction, matters=0.05)
    assert judged.verdict == verdict
    assert judged.effect == pytest.approx((values[:, -1] - values[:, 0]).mean())
    assert judged.low < judged.effect < judged.high
    assert judged.seeds == len(values)
    assert (judged.seeds_needed > judged.seeds) == (verdict == "undecided")


def test_two_levels_are_no_trend_and_no_number_of_seeds_makes_them_one():
    judged = judge(table(LEVELS, 0.01)[:, [0, 4]], "falls", 0.05)
    assert judged.verdict == "undecided"
    assert judged.effect == pytest.approx(-0.4, abs=0.02)
    assert np.isnan(judged.p)
    assert np.isnan(judged.seeds_needed)


def test_a_claim_about_two_levels_is_judged_by_flipping_signs():
    """Eight seeds that all fall: of the 256 ways to flip signs, only the one seen is as extreme."""
    falling = table(LEVELS, 0.01, seeds=8)[:, [0, 4]]
    judged = judge(falling, "falls", 0.05, fewest_levels=2)
    assert judged.verdict == "supported"
    assert judged.p == judged.p_floor == 1 / 256
    assert judge(falling, "rises", 0.05, fewest_levels=2).verdict == "contradicted"
    assert judge(falling[:4], "falls", 0.05, fewest_levels=2).verdict == "undecided"  # 1/16 is no evidence


def test_the_sign_flip_test_is_the_one_written_out():
    d = np.array([0.3, -0.1, 0.4, 0.2, -0.05])
    flips = np.array(np.meshgrid(*[[-1, 1]] * 5)).reshape(5, -1)
    means = (d[:, None] * flips).mean(axis=0)
    assert difference_test(d, "rises") == pytest.approx((means >= d.mean() - 1e-12).mean())
    assert difference_test(d, "falls") == pytest.approx((means <= d.mean() + 1e-12).mean())
    with pytest.raises(InputError, match="did you mean 'rises'"):
        difference_test(d, "rise")


def test_a_trend_too_small_to_matter_is_not_support():
    judged = judge(table(LEVELS / 100, 1e-5), "falls", matters=0.05)
    assert judged.p < 0.001
    assert judged.verdict == "contradicted"


def test_false_support_is_rare():
    rng = np.random.default_rng(0)
    found = [judge(rng.normal(size=(4, 5)), "falls", 0.0).verdict for _ in range(400)]
    assert found.count("supported") / 400 < 0.05


def test_a_seed_with_a_missing_level_does_not_count():
    values = table(LEVELS, 0.01)
    values[0, 2] = np.nan
    assert judge(values, "falls", 0.05).seeds == 5


def test_within_seed_intervals_forget_what_a_seed_shifts():
    quiet = table(LEVELS, 0.01)
    shifted = quiet + np.random.default_rng(2).normal(0, 3, (6, 1))
    _, low, high = within_seed_interval(quiet)
    mean, low_shifted, high_shifted = within_seed_interval(shifted)
    assert high_shifted - low_shifted == pytest.approx(high - low)
    assert mean == pytest.approx(shifted.mean(axis=0))
    _, low, high = within_seed_interval(quiet[:, :1])
    assert (low[0], high[0]) == pytest.approx(paired_interval(quiet[:, 0]))


def test_within_seed_intervals_cover_a_level_s_deviation():
    """With independent noise of one size, the interval about (level − seed mean) covers its expectation 95 % of the time."""
    rng, hits = np.random.default_rng(0), 0
    for _ in range(1500):
        values = LEVELS + rng.normal(0, 1, (8, 1)) + rng.normal(0, 0.1, (8, 5))
        _, low, high = within_seed_interval(values)
        shift = values.mean() - LEVELS.mean()
        hits += low[0] - shift < LEVELS[0] < high[0] - shift
    assert hits / 1500 >= 0.94
