"""`synthgap run`: a study from its runs to its verdicts."""

from synthgap.commands import asked as common

WHAT = "do the runs of a study (those that are left), then write its table, figure and verdicts"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    from synthgap import sweep
    from synthgap.runs import pool

    overrides, workers = common.workers(asked.overrides)
    overrides, figures = common.figures(overrides)
    study, overrides = common.study(asked.study, overrides)
    return sweep.run(study, overrides, lambda plan: pool.sweep(plan, workers), figures)
