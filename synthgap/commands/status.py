"""`synthgap status`: how far a sweep is."""

from synthgap.commands import asked as common

WHAT = "say which runs of a study are done, running and failed, how long the others will take, and the size on disk"
KEPT = "nothing is written"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    from synthgap import sweep, terminal
    from synthgap.runs import variations

    if found := common.trained(asked):
        study, overrides, workers = found
        if variations.only_a_place(overrides):  # what the last sweep there was asked for
            overrides = [*variations.made_by(study, overrides), *overrides]
        terminal.tell_status(sweep.planned(study, overrides), workers)
    return 0
