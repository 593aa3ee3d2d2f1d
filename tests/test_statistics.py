"""Verdicts rest on these: intervals that cover, tests that keep their level, floors as in theory."""

from itertools import permutations, product
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from data_gen import InputError
from synthgap.judging import seeds_needed
from synthgap.statistics import (
    difference_test,
    equivalence_test,
    falls_under,
    holm,
    holm_bars,
    judge,
    judge_order,
    kendall,
    kendall_test,
    matched_concordance,
    paired_interval,
    partial_spearman,
    path_coefficients,
    seeds_to_stand,
    smallest_kendall_p,
    smallest_p,
    trend_test,
    within_seed_interval,
)
from synthgap.study import Claim


def by_chance(share, n):
    """More than so many of n happen with a chance of 1 in 1,000 where each happens with the chance `share`: as a share."""
    return stats.binom.ppf(0.999, n, share) / n


@pytest.mark.parametrize("n", [3, 5, 8, 10])
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


@pytest.mark.parametrize("seeds", [4, 8])
def test_trend_test_keeps_its_level_where_nothing_happens(seeds):
    rng = np.random.default_rng(0)
    p = np.array([trend_test(rng.normal(size=(seeds, 5)), "falls") for _ in range(1000)])
    assert (p < 0.05).mean() == pytest.approx(0.05, abs=0.02)


def test_difference_test_keeps_its_level_where_nothing_happens():
    """Of 256 ways to flip 8 signs, 12 are under 0.05: the test finds something a little less often than 5 %."""
    rng = np.random.default_rng(0)
    p = np.array([difference_test(rng.normal(size=8), "rises") for _ in range(1000)])
    assert abs((p < 0.05).mean() - 12 / 256) < 3.3 * np.sqrt(0.05 * 0.95 / 1000)


@pytest.mark.parametrize("seeds", [3, 5, 8])
def test_floors_are_what_perfect_order_gives(seeds):
    rising = np.arange(3.0) + np.arange(seeds)[:, None]
    assert difference_test(rising[:, 1] + 1, "rises") == smallest_p(seeds, 2) == 2.0**-seeds
    assert trend_test(rising, "rises") == pytest.approx(smallest_p(seeds, 3), rel=1e-6)
    assert smallest_p(seeds, 3) == pytest.approx((1 / 6) ** seeds)


@given(st.floats(1e-9, 0.5), st.integers(2, 6), st.integers(1, 12))
def test_a_floor_passes_under_the_bar_at_the_seeds_that_are_told(bar, levels, seeds):
    floor = smallest_p(seeds, levels)
    enough = seeds_to_stand(floor, floor, seeds, bar)
    assert smallest_p(enough, levels) < bar * (1 + 1e-9)
    assert enough == seeds or smallest_p(enough - 1, levels) > bar * (1 - 1e-9)


def test_a_p_above_its_floor_falls_as_seeds_like_these_are_added():
    """The normal score of p grows with the root of the seeds: of 0.02, 2.05 at 8 and 3.09, that of 0.001, at 19."""
    assert seeds_to_stand(0.02, 0.0, 8, 0.001) == 19 == np.ceil(8 * (stats.norm.isf(0.001) / stats.norm.isf(0.02)) ** 2)
    assert seeds_to_stand(0.02, 0.5**8, 8, 0.03) == 8
    assert seeds_to_stand(0.49, 0.0, 8, 1e-4) == np.inf


def test_trend_p_is_the_share_of_orders_at_least_as_extreme():
    """Three levels, two seeds: 36 equally likely pairs of orders, enumerated."""
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


@pytest.mark.parametrize(("seeds", "levels"), [(4, 5), (8, 5), (8, 2)])
def test_false_support_is_rare(seeds, levels):
    """Whatever matters is said to be 0, which makes support as easy as can be."""
    rng = np.random.default_rng(0)
    found = [judge(rng.normal(size=(seeds, levels)), "falls", 0.0, fewest_levels=2).verdict for _ in range(400)]
    assert found.count("supported") / 400 <= by_chance(0.05, 400)


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


@given(arrays(float, st.integers(2, 12), elements=st.floats(-5, 5)), st.floats(0.1, 3))
def test_the_equivalence_test_is_scipy_s_t_test_twice(differences, margin):
    if differences.std() > 1e-6:
        above = stats.ttest_1samp(differences, -margin, alternative="greater").pvalue
        below = stats.ttest_1samp(differences, margin, alternative="less").pvalue
        assert equivalence_test(differences, margin) == pytest.approx(max(above, below))


@pytest.mark.parametrize("n", [4, 8])
def test_equivalence_is_rarely_found_at_the_margin_and_mostly_far_inside(n):
    """At the margin itself, 5 % of all samples may look equal; at a true change of 0 and small noise, almost all do."""
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.2, (4000, n))
    for edge in (-1, 1):
        assert np.mean([equivalence_test(edge + d, 1) < 0.05 for d in noise]) == pytest.approx(0.05, abs=0.012)
    assert np.mean([equivalence_test(d, 1) < 0.05 for d in noise]) > 0.99
    assert np.mean([equivalence_test(1.1 + d, 1) < 0.05 for d in noise]) < 0.05


def test_equivalence_of_what_never_varies_is_plain():
    assert equivalence_test([0.25] * 4, 0.5) == 0
    assert equivalence_test([0.5] * 4, 0.5) == equivalence_test([-0.75] * 4, 0.5) == 1
    assert np.isnan(equivalence_test([0.0], 0.5))


@pytest.mark.parametrize(
    ("change", "noise", "verdict"),
    [
        (0.0, 0.01, "supported"),
        (0.04, 0.001, "supported"),  # it moves, surely, by less than matters
        (0.3, 0.01, "contradicted"),
        (-0.3, 0.01, "contradicted"),
        (0.0, 0.3, "undecided"),
        (0.05, 0.01, "undecided"),  # at the margin
    ],
)
@pytest.mark.parametrize("levels", [2, 4])
def test_what_stays_is_surely_within_what_matters(change, noise, verdict, levels):
    values = table(np.linspace(0, change, levels), noise)
    judged = judge(values, "stays", matters=0.05, fewest_levels=2)
    assert judged.verdict == verdict
    assert judged.p == max(equivalence_test(values[:, i] - values[:, 0], 0.05) for i in range(1, levels))
    assert judged.p_floor == 0
    assert (judged.seeds_needed > judged.seeds) == (verdict == "undecided")


def test_seeds_that_are_needed_to_stay_are_about_enough():
    """Half the claims that are judged at the number of seeds that was told are decided, or more."""
    rng = np.random.default_rng(0)
    few = judge(np.array([[0, 0.05], [0, -0.06], [0, 0.07], [0, -0.03]]), "stays", 0.05, fewest_levels=2)
    assert few.verdict == "undecided"
    spread, n = 0.063, int(few.seeds_needed)
    again = [rng.normal(0, spread, n) for _ in range(300)]
    decided = [
        judge(np.stack([0 * d, d], axis=1), "stays", 0.05, fewest_levels=2).verdict == "supported" for d in again
    ]
    assert np.mean(decided) > 0.5


def spread_out(mean, spread, seeds):
    """Paired changes of just this mean and standard deviation."""
    d = np.linspace(-1, 1, seeds)
    return mean + spread * d / d.std(ddof=1)


@pytest.mark.parametrize(("mean", "decided"), [(0.5, "supported"), (0.25, "supported"), (0.0, "contradicted")])
@pytest.mark.parametrize("levels", [2, 4])
def test_at_the_seeds_that_are_needed_half_of_all_studies_decide(mean, decided, levels):
    """The promise of `seeds_needed`: a change, spread as it was seen, that rises evenly over the levels."""
    rng, share, matters = np.random.default_rng(0), np.linspace(0, 1, levels), 0.2
    few = judge(spread_out(mean, 0.35, 4)[:, None] * share, "rises", matters, fewest_levels=2)
    assert few.verdict == "undecided"
    n, studies, found = int(few.seeds_needed), 40, []
    for change in rng.normal(mean, 0.35, (studies, n)):
        found.append(judge(change[:, None] * share, "rises", matters, fewest_levels=2).verdict)
    assert found.count(decided) / studies > 1 - by_chance(0.5, studies)


def test_seeds_that_are_needed_are_enough_for_p_as_well():
    """Four seeds that all rise, surely: no interval is in doubt, but 1/16 is no evidence, and 1/32 is."""
    clear = judge(np.stack([0 * LEVELS[:4], spread_out(1, 0.1, 4)], axis=1), "rises", 0.05, fewest_levels=2)
    assert (clear.verdict, clear.low > 0, clear.seeds_needed) == ("undecided", True, 5)


def test_so_much_noise_that_no_thousand_seeds_would_do():
    noisy = judge(np.stack([np.zeros(4), spread_out(0.06, 100, 4)], axis=1), "rises", 0.05, fewest_levels=2)
    assert noisy.seeds_needed == np.inf


@pytest.mark.parametrize(("n", "effect"), [(5, 1.0), (8, 1.0), (8, 0.5)])
def test_the_interval_s_power_is_the_paired_t_test_s(n, effect):
    """How often the interval leaves 0 behind, for a change of so many standard deviations: the noncentral t says it."""
    rng = np.random.default_rng(0)
    found = np.mean([paired_interval(d)[0] > 0 for d in rng.normal(effect, 1, (4000, n))])
    expected = stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, effect * np.sqrt(n))
    assert found == pytest.approx(expected, abs=3.3 * 0.5 / np.sqrt(4000))


def test_a_claim_may_ask_for_more_seeds():
    judged = judge(table(LEVELS, 0.01), "falls", 0.05, fewest_seeds=8)
    assert (judged.verdict, judged.seeds, judged.seeds_needed) == ("undecided", 6, 8)
    assert judged.effect == pytest.approx(-0.4, abs=0.02)
    assert judge(table(LEVELS, 0.01, seeds=8), "falls", 0.05, fewest_seeds=8).verdict == "supported"


def test_what_leaves_and_comes_back_does_not_stay():
    """First and last are equal; the level between is not, and it is the one that is told."""
    judged = judge(table([0.5, 0.9, 0.5], 0.01), "stays", matters=0.05)
    assert judged.verdict == "contradicted" and judged.effect == pytest.approx(0.4, abs=0.02)


def test_false_equivalence_of_many_levels_is_no_more_frequent():
    """Three levels at the margin: all must seem equal, so that errors do not add up (and rarely all happen at once)."""
    rng = np.random.default_rng(0)
    edge = np.array([0, 1, 1, 1])
    found = [judge(edge + rng.normal(0, 0.2, (6, 4)), "stays", 1.0).verdict for _ in range(1000)]
    assert found.count("supported") / 1000 < 0.05


def test_two_seeds_show_no_equivalence():
    judged = judge(np.zeros((2, 2)), "stays", 0.05, fewest_levels=2)
    assert (judged.verdict, judged.seeds_needed) == ("undecided", 3)
    with pytest.raises(InputError, match="did you mean 'stays'"):
        judge(np.zeros((4, 2)), "stay", 0.05)


def variables(n=40, ties=False):
    """Three random variables that go together."""
    common, own = np.random.default_rng(n).normal(size=(2, 3, n))
    found = common[0] + own
    return found.round() if ties else found


@pytest.mark.parametrize("ties", [False, True])
def test_without_anything_given_partial_is_spearman(ties):
    y, x, _ = variables(ties=ties)
    assert partial_spearman(y, x) == pytest.approx(stats.spearmanr(y, x).statistic)
    assert partial_spearman(np.exp(y), x) == pytest.approx(partial_spearman(y, x))


@pytest.mark.parametrize("ties", [False, True])
def test_given_one_variable_partial_is_the_textbook_s_formula(ties):
    y, x, z = variables(ties=ties)
    yx, yz, xz = (stats.spearmanr(*pair).statistic for pair in ((y, x), (y, z), (x, z)))
    expected = (yx - yz * xz) / np.sqrt((1 - yz**2) * (1 - xz**2))
    assert partial_spearman(y, x, [z]) == pytest.approx(expected)


def test_given_several_variables_partial_is_read_off_the_inverse_of_the_correlations():
    values = np.random.default_rng(0).normal(size=(5, 60)) + np.linspace(0, 2, 60)
    inverse = np.linalg.inv(stats.spearmanr(values.T).statistic)
    expected = -inverse[0, 1] / np.sqrt(inverse[0, 0] * inverse[1, 1])
    assert partial_spearman(values[0], values[1], values[2:]) == pytest.approx(expected)


def test_what_a_common_cause_makes_is_gone_once_the_cause_is_given():
    rng = np.random.default_rng(0)
    cause = rng.normal(size=500)
    y, x = cause + rng.normal(0, 0.2, (2, 500))
    assert partial_spearman(y, x) > 0.9
    assert abs(partial_spearman(y, x, [cause])) < 0.1


@pytest.mark.parametrize("given", [(), (np.arange(5.0),)])
def test_what_does_not_vary_correlates_with_nothing(given):
    assert np.isnan(partial_spearman(np.full(5, 2.0), [3, 1, 4, 1, 5], given))
    assert np.isnan(partial_spearman([3, 1, 4, 1, 5], np.full(5, 2.0), given))


def test_so_few_runs_that_any_two_variables_agree_tell_nothing():
    y, x, z = variables(4)
    assert np.isnan(partial_spearman(y[:2], x[:2]))
    assert np.isnan(partial_spearman(y[:3], x[:3], [z[:3]]))
    assert -1 < partial_spearman(y, x, [z]) < 1


def test_what_is_given_entirely_has_nothing_left_to_tell():
    x = np.array([3.0, 1, 4, 1, 5])
    assert np.isnan(partial_spearman([1, 2, 3, 4, 5], x, [2 * x + 1]))
    constant = np.full(5, 7.0)
    assert partial_spearman([1, 2, 3, 4, 5], x, [constant]) == pytest.approx(partial_spearman([1, 2, 3, 4, 5], x))


@pytest.mark.parametrize("within", [0, 0.5, 10])
@pytest.mark.parametrize("ties", [False, True])
def test_concordance_is_the_mean_over_all_pairs_that_are_alike(within, ties):
    y, x, by = variables(25, ties)
    agreements = []
    for i in range(25):
        for j in range(i):
            if abs(by[i] - by[j]) <= within and x[i] != x[j]:
                agreements.append(np.sign((y[i] - y[j]) * (x[i] - x[j])))
    expected = np.mean(agreements) if agreements else np.nan
    assert matched_concordance(y, x, by, within) == pytest.approx(expected, nan_ok=True)


def test_concordance_without_matching_or_ties_is_kendall_s():
    y, x, by = variables()
    assert matched_concordance(y, x, by, np.inf) == pytest.approx(stats.kendalltau(y, x).statistic)


def test_matching_undoes_what_a_common_cause_makes():
    """y rises with the cause, and falls with x where the cause is the same: the sign turns."""
    cause = np.repeat(np.arange(10.0), 4)
    x = cause + np.tile([0, 0.1, 0.2, 0.3], 10)
    y = cause - np.tile([0, 0.1, 0.2, 0.3], 10)
    assert stats.spearmanr(y, x).statistic > 0.9
    assert matched_concordance(y, x, cause, within=0) == -1


def test_no_alike_pair_no_concordance():
    assert np.isnan(matched_concordance([1, 2, 3], [1, 2, 3], [0, 5, 10], within=1))
    assert np.isnan(matched_concordance([1, 2, 3], [2, 2, 2], [0, 0, 0], within=1))


def test_too_few_runs_tell_no_partial_correlation():
    """With two variables given, four runs leave one degree too few: whatever is left over would correlate by ±1."""
    y, x, *given = np.random.default_rng(0).normal(size=(4, 5))
    assert np.isnan(partial_spearman(y[:4], x[:4], [v[:4] for v in given]))
    assert abs(partial_spearman(y, x, given)) <= 1


@pytest.mark.parametrize("ties", [False, True])
def test_path_coefficients_are_a_regression_of_standardised_ranks(ties):
    from sklearn.linear_model import LinearRegression

    y, *causes = variables(ties=ties)
    z = stats.zscore(np.array([stats.rankdata(v) for v in (y, *causes)]), axis=1)
    assert path_coefficients(y, causes) == pytest.approx(LinearRegression().fit(z[1:].T, z[0]).coef_)
    assert path_coefficients(y, causes[:1]) == pytest.approx([stats.spearmanr(y, causes[0]).statistic])


def test_paths_that_data_cannot_tell_apart_have_no_coefficients():
    y, x, other = variables()
    assert np.isnan(path_coefficients(y, [x, np.exp(x)])).all()  # of the same ranks
    assert np.isnan(path_coefficients(y, [x, np.ones(40)])).all()
    assert np.isnan(path_coefficients(np.ones(40), [x, other])).all()
    assert np.isnan(path_coefficients(y[:3], [x[:3], other[:3]])).all()


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        ([1.0, 0.95, 0.85, 0.1], 1.5),  # 0.9 lies half-way between 0.95 and 0.85
        ([0.5, 1.0, 0.8, 1.0], 1.5),  # that it was low before its best, and recovered, is no matter
        ([1.0, 0.0, 0.0, 0.0], 0.1),
        ([0.1, 0.2, 0.9, 1.0], np.nan),
        ([1.0, 1.0, 0.9, 0.9], np.nan),  # not under it
        ([-1.0, -2.0, -3.0, -4.0], np.nan),  # a share of what is negative means nothing
    ],
)
def test_a_fall_is_interpolated_in_whatever_order_runs_come(y, expected):
    x = np.arange(4.0)
    shuffled = np.array([2, 0, 3, 1])
    assert falls_under(x, y, 0.9) == pytest.approx(expected, nan_ok=True)
    assert falls_under(x[shuffled], np.array(y)[shuffled], 0.9) == pytest.approx(expected, nan_ok=True)


SMALL = st.integers(-3, 3)  # so that there are ties


@given(arrays(int, st.tuples(st.just(2), st.integers(2, 9)), elements=SMALL))
def test_kendall_is_scipy_s(values):
    y, x = values
    expected = stats.kendalltau(y, x).statistic
    assert kendall(y, x) == pytest.approx(expected, nan_ok=True)
    assert kendall([y, x], [x, y]) == pytest.approx([expected] * 2, nan_ok=True), "a row a seed"


@given(arrays(int, st.tuples(st.just(3), st.integers(2, 9)), elements=SMALL))
def test_kendall_within_strata_counts_only_their_pairs(values):
    """Tau-b, written out: ties are those among pairs that count, too."""
    y, x, strata = values
    agree = y_differs = x_differs = 0
    for i in range(len(y)):
        for j in range(i):
            if strata[i] == strata[j]:
                agree += np.sign((y[i] - y[j]) * (x[i] - x[j]))
                y_differs += y[i] != y[j]
                x_differs += x[i] != x[j]
    expected = agree / np.sqrt(y_differs * x_differs) if y_differs * x_differs else np.nan
    assert kendall(y, x, strata) == pytest.approx(expected, nan_ok=True)


def test_what_is_held_no_longer_explains():
    """Larger models have larger gaps and perform better; among models of one size, it is the other way round."""
    size, gap = np.repeat([0, 1, 2], 3), np.tile([0, 1, 2], 3)
    assert kendall(10 * size - gap, 10 * size + gap) > 0.4
    assert kendall(10 * size - gap, 10 * size + gap, size) == -1


def orders_within(strata):
    """Every order of the units in which each stays in its stratum."""
    return [o for o in permutations(range(len(strata))) if all(strata[o[i]] == s for i, s in enumerate(strata))]


@pytest.mark.parametrize("strata", [(0, 0, 0, 0, 0), (1, 0, 1, 0, 0, 1), (0, 0, 0, 0, 2, 2)])
@pytest.mark.parametrize("ties", [False, True])
def test_kendall_s_p_is_the_share_of_orders_that_go_together_as_much(strata, ties):
    rng = np.random.default_rng(0)
    y, x = rng.normal(size=(2, 3, len(strata)))
    y, x = (np.round(v) if ties else v for v in (x + y, x))
    chance = []
    for order in orders_within(strata):  # the same in all seeds
        chance.append(np.mean([kendall(y[seed], x[seed, list(order)], strata) for seed in range(3)]))
    seen = chance[0]  # nothing changed places
    for direction, beyond in (("rises", np.greater_equal), ("falls", np.less_equal)):
        expected = np.mean(beyond(chance, seen) | np.isclose(chance, seen))
        assert kendall_test(y, x, strata)[direction] == pytest.approx(expected, abs=3.3 * 0.5 / 100)
    assert smallest_kendall_p(x, strata) == pytest.approx(
        1 / len({tuple(map(tuple, x[:, o])) for o in orders_within(strata)})
    )


def test_kendall_s_p_floor_is_one_of_the_orders_or_of_the_permutations():
    four, many = (np.stack([np.arange(float(n))] * 8) for n in (4, 10))
    assert kendall_test(four, four)["rises"] == smallest_kendall_p(four) == 1 / 24
    assert kendall_test(many, many)["rises"] == smallest_kendall_p(many) == 1 / 10_000
    assert smallest_kendall_p(np.array([[1.0, 1, 2, 2]])) == 1 / 6, "of equal ones, none is first"
    assert kendall_test(four, four)["falls"] == pytest.approx(1, abs=0.01)
    with pytest.raises(InputError, match="did you mean 'rises'"):
        judge_order(four, four, "rise", 0.1)


def test_more_seeds_of_the_same_cells_are_no_more_cells():
    """Runs are not exchangeable, cells are: seeds that repeat what three cells say make no evidence."""
    cells = np.array([[1.0, 2, 3]] * 50)
    judged = judge_order(cells, cells, "rises", 0.1)
    assert judged.effect == judged.low == 1 and judged.p == judged.p_floor == 1 / 6
    assert judged.verdict == "undecided" and np.isnan(judged.seeds_needed), "and no number of seeds would"


def test_false_support_by_cells_is_rare():
    """Cells differ, in y and in x, and have nothing to do with each other: seeds agree on a tau that is chance."""
    rng, found = np.random.default_rng(0), []
    for _ in range(300):
        y, x = rng.normal(size=(2, 1, 8)) + rng.normal(0, 0.3, (2, 4, 8))
        found.append(judge_order(y, x, "rises", 0.0))
    assert sum(v.p < 0.05 for v in found) / 300 <= by_chance(0.05, 300)
    assert sum(v.p < 0.05 for v in found) / 300 >= 0.02, "nor is it shy"
    assert sum(v.verdict == "supported" for v in found) / 300 <= by_chance(0.05, 300)
    assert sum(v.low > 0 for v in found) / 300 > 0.2, "the interval over seeds alone would be fooled"


@pytest.mark.parametrize(
    ("slope", "noise", "matters", "verdict"),
    [
        (1, 0.1, 0.3, "supported"),
        (-1, 0.1, 0.3, "contradicted"),
        (0, 1, 0.9, "contradicted"),  # whatever tau there is, it is less than matters
        (0.3, 1, 0.1, "undecided"),
    ],
)
def test_verdicts_by_cells(slope, noise, matters, verdict):
    rng = np.random.default_rng(0)
    x = np.tile(np.arange(9.0) / 9, (5, 1))
    y = slope * x + rng.normal(0, noise, (5, 9))
    judged = judge_order(y, x, "rises", matters)
    assert judged.verdict == verdict
    taus = [stats.kendalltau(*seed).statistic for seed in zip(y, x, strict=True)]
    assert judged.effect == pytest.approx(np.mean(taus))
    assert (judged.low, judged.high) == pytest.approx(paired_interval(taus))


def test_a_sure_change_without_a_trend_needs_as_many_seeds_as_its_trend_does():
    """The last level lies far below the first, and those between go up: more seeds make that no clearer trend."""
    rng = np.random.default_rng(0)
    table = np.array([0.11, 0.12, 0.15, 0.14, 0.01]) + rng.normal(0, 0.003, (8, 5))
    judged = judge(table, "falls", 0.05)
    assert judged.verdict == "undecided" and judged.high < -0.05 and judged.p > 0.1
    n = int(judged.seeds_needed)
    more = judge(np.tile(table, (n // 8 + 1, 1))[:n], "falls", 0.05)
    fewer = judge(np.tile(table, (n // 16 + 1, 1))[: n // 2], "falls", 0.05)
    assert (more.verdict, fewer.verdict) == ("supported", "undecided")
    rising = np.array([0.11, 0.13, 0.15, 0.17, 0.05]) + rng.normal(0, 0.003, (8, 5))
    assert np.isnan(judge(rising, "falls", 0.05).seeds_needed), "no number of seeds makes a trend of it"


def test_seeds_that_tell_no_tau_do_not_count():
    y = np.stack([np.arange(6.0)] * 4)
    x = y.copy()
    x[0] = 1
    assert judge_order(y, x, "rises", 0.1).seeds == 3
    few = judge_order(y, x, "rises", 0.1, fewest_seeds=4)
    assert (few.verdict, few.seeds, few.seeds_needed) == ("undecided", 3, 4) and np.isnan(few.p)
    assert np.isnan(judge_order(y, 0 * x, "rises", 0.1).seeds_needed)
    with pytest.raises(InputError, match="unknown direction 'stays'"):
        judge_order(y, x, "stays", 0.1)


P = st.lists(st.one_of(st.floats(0, 1), st.just(np.nan)), max_size=8)


@given(P)
def test_holm_is_its_definition(p):
    """The largest, over all that are no larger, of p times how many are no smaller."""
    tested = sorted(x for x in p if not np.isnan(x))
    for x, adjusted in zip(p, holm(p), strict=True):
        if np.isnan(x):
            assert np.isnan(adjusted)
        else:
            steps = [q * (len(tested) - k) for k, q in enumerate(tested) if q <= x]
            assert adjusted == pytest.approx(min(1, max(steps)))


@given(P, st.randoms())
def test_holm_keeps_order_and_makes_no_p_smaller(p, random):
    p = np.array(p, dtype=float)
    adjusted = holm(p)
    tested = np.isfinite(p)
    assert (adjusted[tested] >= p[tested]).all()
    assert (np.diff(adjusted[tested][np.argsort(p[tested])]) >= 0).all()
    order = random.sample(range(len(p)), len(p))
    assert holm(p[order]) == pytest.approx(adjusted[order], nan_ok=True)


def test_after_holm_any_false_support_at_all_is_rare():
    """Six claims, all false: in at most 5 % of such papers is any of them believed; uncorrected, in a quarter."""
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(2000, 6))
    assert np.mean([holm(row).min() < 0.05 for row in p]) <= by_chance(0.05, 2000)
    assert (p.min(axis=1) < 0.05).mean() > 0.2


@pytest.mark.parametrize("levels", [2, 3, 4, 5])
@pytest.mark.parametrize("direction", ["falls", "rises", "stays"])
def test_the_fewest_seeds_support_a_perfect_claim_and_one_fewer_cannot(levels, direction):
    """Seeds in perfect order, and changes so alike that only p's floor and the fewest seeds are in the way."""
    step = {"falls": -1.0, "rises": 1.0, "stays": 0.0}[direction]
    seeds = seeds_needed(Claim("", "rmg", "", direction, 0.1, "", over="seed", levels=tuple(range(levels))))
    table = step * np.arange(levels) + 1e-3 * np.random.default_rng(0).random((seeds, levels))
    outcomes = [judge(table[:n], direction, 0.1, fewest_levels=2).verdict for n in (seeds, seeds - 1)]
    assert outcomes == ["supported", "undecided"]


@given(st.lists(st.one_of(st.floats(1e-6, 1), st.just(float("nan"))), min_size=1, max_size=12))
def test_a_claim_stands_after_holm_just_under_its_bar_and_not_just_over_it(p):
    p = np.array(p)
    for i, bar in enumerate(holm_bars(p)):
        if np.isnan(p[i]):
            assert np.isnan(bar)
            continue
        for share, stands in ((0.999, True), (1.001, False)):
            p_there = p.copy()
            p_there[i] = share * bar
            assert (holm(p_there)[i] < 0.05) == stands
