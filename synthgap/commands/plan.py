"""`synthgap plan`: what a sweep would do and take, before it is run."""

from synthgap.commands import asked as common

WHAT = (
    "say how many runs a study needs, how many are done, and what the others will take; nothing is trained or written"
)
KEPT = "nothing is written"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    from synthgap import sweep, terminal

    if found := common.trained(asked):
        study, overrides, workers = found
        terminal.tell_plan(sweep.planned(study, overrides), workers)
    return 0
