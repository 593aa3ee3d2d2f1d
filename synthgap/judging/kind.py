"""A test of claims: of which it is, what it compares in a table of runs, and how that is judged."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import pandas as pd

from data_gen import user_file
from data_gen.errors import unknown
from synthgap.judging import kinds
from synthgap.statistics import ALPHA, FEWEST_SEEDS, Verdict
from synthgap.study import Claim, Study

#: names of the tests that come with synthgap: a file each
TESTS = tuple(sorted(name for _, name, _ in iter_modules(kinds.__path__)))


@dataclass(frozen=True)
class ClaimTest:
    """about: of what claims it is, in words. fits: whether it is of this claim.

    compare: (table of the runs that count, study, claim) → in each arm, what is judged; no arm that tells nothing. judge:
    (that, claim) → `statistics.Verdict`. floor: (claim, seeds) → the smallest p that so many seeds can give; 0 where there is
    none, or it is not seeds that set it. lacks: what the runs lack where no arm tells anything. usual: whether it is taken, of
    all that fit, where a claim names none.
    """

    about: str
    compare: Callable[[pd.DataFrame, Study, Claim], Mapping[str, Any]]
    judge: Callable[[Any, Claim], Verdict]
    fits: Callable[[Claim], bool] = lambda claim: True
    floor: Callable[[Claim, int], float] = lambda claim, seeds: 0.0
    lacks: str = "no arm of this sweep has what its test compares"
    usual: bool = True


def load(name: str) -> ClaimTest:
    """A test by its name, or the `test` that a user's Python file defines. Raises InputError."""
    if name in TESTS:
        return import_module(f"{kinds.__name__}.{name}").test
    if not name.endswith(".py"):
        raise unknown("test", name, (*TESTS, "a Python file"))
    path, what = Path(name), f"test: {Path(name).name}"
    example = "test = synthgap.judging.ClaimTest(about, compare, judge)"
    test = user_file.defined(path, what, "test", ClaimTest, example)
    return user_file.all_named(test, path, what, ("compare", "judge", "fits", "floor"))


def fitting(claim: Claim) -> list[str]:
    """The tests that fit what is claimed, the usual one first."""
    return sorted((name for name in TESTS if load(name).fits(claim)), key=lambda name: not load(name).usual)


def test_of(claim: Claim) -> ClaimTest:
    return load(claim.test or fitting(claim)[0])


def seeds_needed(claim: Claim) -> int:
    """How many seeds can support a claim at all: what it asks for, and where p's floor is low enough."""
    seeds, test = max(claim.seeds, FEWEST_SEEDS), test_of(claim)
    while test.floor(claim, seeds) >= ALPHA:
        seeds += 1
    return seeds
