"""`synthgap plan`: what a sweep would do and take, before it is run."""

from synthgap.commands import asked as common

WHAT = (
    "say how many runs a study needs, how many are done, and what the others will take; nothing is trained or written"
)
KEPT = "nothing is written"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    from synthgap import report, sweep

    overrides, workers = common.workers(asked.overrides)
    study, overrides = common.study(asked.study, overrides)
    if study.table:
        report.say(f"{study.name} reads {study.table} and trains nothing")
    else:
        report.tell_plan(sweep.planned(study, overrides), workers)
    return 0
