"""`synthgap explore`: a modality gap to turn in the hand."""

from pathlib import Path

from synthgap.commands import asked as common

WHAT = "train a few small models and write a page on which their embeddings can be turned, played and compared"
EPILOG = """\
The page is one file that needs no network. It shows images and captions on the sphere all along training, with the gap, the
spread, the entropy and the temperature beside them. Whatever has several values becomes a slider:

  synthgap explore                                        attributes that captions name, temperature, start: 40 small runs
  synthgap explore captions.attributes=1,5                fewer
  synthgap explore loss=clip,modgap encoder.apart=0       another loss
  synthgap explore images=pixels captions.attributes=1,3  models that see pixels: slower
  synthgap explore encoder.embedding=3,16 encoder.apart=0 three dimensions, which are shown as they are, beside sixteen

Runs are kept in OUT/explore (out=DIR; runs), and taken again when they are asked for again. Any option of `synthgap run --help`
can be set. What is not set: images=symbolic, encoder.embedding=16, mad.images=8000, training.steps=400. More than
three dimensions are shown by a projection, which says what share of the variance it holds.
"""


def arguments(command) -> None:
    command.add_argument("overrides", nargs="*", help="name=value; several values make a slider")
    command.add_argument("--to", metavar="FILE", default="explore.html", help="where the page goes (explore.html)")
    command.epilog = EPILOG


def do(asked) -> int:
    from shlex import join

    from data_gen import InputError, files
    from synthgap import progress, runs, sweep, terminal
    from synthgap.pages import explorer
    from synthgap.runs import pool

    overrides, workers = common.workers(asked.overrides)
    to = Path(asked.to)
    if to.is_dir() or to.suffix != ".html":
        raise InputError(f"--to {to}: it is to be a file, as explore.html")
    for override in overrides:
        if override.startswith(("keep=", "preset=", "name=")):
            raise InputError(f"{override!r} is not understood here: `synthgap explore --help` says what is")
    overrides = [*overrides, "keep=course"]
    explorer.check(overrides)
    plan = sweep.begin(explorer.STUDY, overrides)
    new = pool.sweep(plan, workers)
    done, failed = [task for task in plan.tasks if plan.done(task)], runs.failures(plan)
    for name, record in failed.items():
        terminal.say(f"left out, as it failed: {name}: {record['reason']}")
    if not done:
        return 1
    runs.limit_threads()
    with progress.bar("measuring", len(done), after=progress.SOON) as advance_to:
        text = explorer.page(plan, done, join(["synthgap", "explore", *asked.overrides]), advance_to)
    with files.whole(to) as beside:
        beside.write_text(text, encoding="utf-8")
    terminal.say(
        f"{len(done)} runs ({new} new) in {plan.folder}; {len(text.encode()) / 1e6:.1f} MB; open it in a browser:"
    )
    terminal.say(f"{to}")
    return int(len(done) < len(plan.tasks))
