"""Wilcoxon's signed-rank test in place of sign flips: a test of claims, in a study file `test: my_test.py`."""

from scipy.stats import wilcoxon

from synthgap.judging import ClaimTest
from synthgap.judging.comparison import by_level
from synthgap.statistics import Verdict, paired_interval


def judge(values, claim):
    change = values[:, 1] - values[:, 0]
    p = wilcoxon(change, alternative="less" if claim.direction == "falls" else "greater").pvalue
    outcome = "supported" if p < 0.05 else "undecided"
    return Verdict(outcome, change.mean(), *paired_interval(change), p, 0.5 ** len(change), len(change), float("nan"))


test = ClaimTest(
    "two levels",
    by_level,
    judge,
    fits=lambda claim: len(claim.levels) == 2,
    floor=lambda claim, seeds: 0.5**seeds,
)
