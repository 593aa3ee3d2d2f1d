"""`synthgap show`: the result of a study again, nothing trained."""

from synthgap.commands import asked as common

WHAT = "draw and tell a study's result again, from its table; with overrides, from the runs that they ask for"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    from synthgap import sweep

    overrides, _ = common.workers(asked.overrides)
    overrides, figures = common.figures(overrides)
    return sweep.show(*common.study(asked.study, overrides), figures)
