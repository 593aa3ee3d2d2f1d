"""`synthgap run`: a study from its runs to its verdicts."""

from pathlib import Path

from synthgap import server
from synthgap.commands import asked as common

WHAT = "do the runs of a study (those that are left), then write its table, figure and verdicts"
arguments, epilog = common.study_arguments, common.overrides_help


def do(asked) -> int:
    given = dict(override.partition("=")[::2] for override in asked.overrides)
    place = Path(given.get("out", "runs"), Path(asked.study).stem)
    if given.get("engine", "local") == "local" and not place.exists():  # so there are runs to do here
        server.start()  # which takes as long to load as what follows

    from synthgap import sweep
    from synthgap.runs import engines

    overrides, workers = common.workers(asked.overrides)
    overrides, engine, settings = common.engine(overrides)
    overrides, figures = common.figures(overrides)
    study, overrides = common.study(asked.study, overrides)
    return sweep.run(study, overrides, lambda plan: engines.work(plan, engine, workers, settings), figures)
