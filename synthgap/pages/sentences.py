"""Verdicts in sentences."""

from math import isnan

from synthgap.judging.overview import counted, seeds_in_words
from synthgap.study import METRIC, OF, Claim, told

#: what the effect of a test is, where it is no change
MEASURED = {
    "partial": "the partial rank correlation of {} with {}",
    "matched": "the concordance of {} with {}, among pairs of runs that are matched,",
    "kendall": "Kendall's τ of {} with {}",
}
FALLS = {"falls": ("falls", "rises"), "rises": ("rises", "falls")}


def sentence(row, claim: Claim) -> str:
    """What a row of `judging.verdicts` says of its claim, beside the verdict: what was found, and what follows from it."""
    effect = signed(row.effect)
    seeds = counted(row.seeds, "seed")
    sure = "" if isnan(row.low) else f"95 % interval {signed(row.low)} to {signed(row.high)}, "
    what = told({"metric": claim.metric, "of": claim.of})
    if claim.explained_by:
        test = MEASURED.get(row.test, "what the test measures of {} with {}")
        found = f"{test.format(what, told(claim.explained_by))} is {effect} ({sure}{seeds})"
    else:
        first, last = (told(claim.variables()[i]) if claim.over in (METRIC, OF) else claim.levels[i] for i in (0, -1))
        among = f"over {claim.over}, " if claim.over not in (METRIC, OF) else ""
        if claim.over in (METRIC, OF):
            what = "the metric"
        if claim.change:
            ends = [claim.change["levels"][i] for i in (0, -1)]
            what = f"the change of {what} from {claim.change['over']} = {ends[0]} to {ends[1]}"
        if claim.direction == "stays" and len(claim.levels) > 2:
            found = f"{among}the largest change of {what} from {first} is {effect} ({sure}{seeds})"
        else:
            differs = "differs" if claim.change else "changes"
            found = f"{among}from {first} to {last}, {what} {differs} by {effect} ({sure}{seeds})"
    return f"{found}{_so(row, claim)}."


def signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−")


def _so(row, claim: Claim) -> str:
    limit = f"the {claim.matters:g} that matters"
    if row.verdict == "undecided":
        if row.seeds < claim.seeds:
            return f". That is too few seeds to decide it: the claim asks for {claim.seeds}"
        if isnan(row.seeds_needed):
            return ". That decides nothing"
        return f". That decides nothing; {seeds_in_words(row.seeds_needed)} seeds would"
    if claim.direction == "stays":
        how = "difference" if claim.change else "change"
        if row.verdict == "supported":
            return f", so it stays: the {how} is surely less than {limit}"
        return f", so it does not stay: the {how} is surely more than {limit}"
    this, other = FALLS[claim.direction]
    with_it = " with it" if claim.explained_by else ""
    if row.verdict == "supported":
        return f", so it {this}{with_it}" + (f", by at least {limit}" if claim.matters else "")
    against, surely = (-row.effect, row.high < 0) if claim.direction == "rises" else (row.effect, row.low > 0)
    if surely and against >= claim.matters:
        return f", so it {other}{with_it} instead"
    return f", so if it {this}{with_it} at all, it is by less than {limit}"
