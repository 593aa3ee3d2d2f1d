"""`synthgap verdicts`: the claims of all studies in one table."""

from synthgap.commands import asked as common

WHAT = "show the verdicts of all studies that have run, in one table"
VERDICTS = """\
name studies to see only theirs; out=DIR looks into another folder than runs

  supported      p < 0.05 in the claimed direction, the 95 % interval of the effect on that side of 0, and the effect at
                 least what the study says matters
  contradicted   the same in the other direction; or the whole interval below what matters
  undecided      anything else: not evidence against the claim. It says about how many seeds would tell

  test           trend: Page's, of three or more levels; difference: sign flips, of two; equivalence: two t tests that
                 something stays, within what matters; partial, matched, kendall: that one thing explains another
  p (floor)      the smallest p that so many seeds can give: (1/levels!)^seeds, 1/256 of two levels at 8 seeds
  p (Holm)       p corrected for all claims of its study, and for all that are shown: of those under 0.05, any is wrong
                 with a chance of at most 5 %. Where a supported claim is not under it, in brackets about how many seeds
                 would let it stand there
  the claim      with a hash of all that decides what is tested: a claim that is edited has another, and one that was
                 stated when runs were there already says after how many. One about a variation of the study, with
                 other overrides than it was written with, says with which, and has another hash
"""


def arguments(command) -> None:
    command.add_argument(
        "studies", nargs="*", help="studies that have run, or variations, STUDY+NAME (all); and out=DIR"
    )
    forms = command.add_mutually_exclusive_group()
    for form, what in (("markdown", "a row a claim, with its source and minutes"), ("latex", "the same in LaTeX")):
        help = f"for a paper: {what}"
        forms.add_argument(f"--{form}", dest="form", action="store_const", const=form, default="", help=help)
    command.epilog = VERDICTS


def do(asked) -> int:
    from synthgap import sweep, terminal

    names, overrides = common.results(asked.studies)
    terminal.all_verdicts(list(names), sweep.only_out(overrides), asked.form)
    return 0
