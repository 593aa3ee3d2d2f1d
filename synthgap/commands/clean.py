"""`synthgap clean`: deletes what no table needs."""

import sys

from data_gen import InputError

WHAT = "list what no table needs, and delete it if you say yes"
KEPT = "what is deleted is gone, all else is whole"
EPILOG = """\
What can go: what killed commands left; records of failed runs; runs that are in no table of their study or its variations,
and that the last sweep did not ask for; models that keep=tables kept for as long as other runs took them; and, unless a
study is given, datasets that none of the kept runs read. A dataset can be drawn again and a run trained again: both come
out the same.
"""


def arguments(command) -> None:
    command.add_argument("studies", nargs="*", metavar="STUDY", help="only of this study (all); and out=DIR")
    command.add_argument("--yes", action="store_true", help="delete without asking, for scripts")
    command.epilog = EPILOG


def do(asked) -> int:
    from filelock import Timeout

    from synthgap import progress, sweep, terminal
    from synthgap.runs import leftovers

    names = [name for name in asked.studies if "=" not in name]
    out = sweep.only_out([name for name in asked.studies if "=" in name])
    if len(names) > 1:
        raise InputError(f"clean takes one study, or none for all; these are {len(names)}: {', '.join(names)}")
    if names and not (out / names[0]).is_dir():
        raise InputError(f"{out / names[0]}: no such folder; nothing of {names[0]} is kept there")
    found = leftovers.find(out, *names)
    total = terminal.tell_leftovers(found, out)
    if not found or not (asked.yes or _agreed(len(found), total)):
        return 0
    busy = []
    with progress.bar("deleting", len(found), after=progress.SOON) as advance_to:
        for i, left in enumerate(found):
            try:
                leftovers.remove(left)
            except (Timeout, FileNotFoundError):
                busy.append(left.path)
            advance_to(i + 1)
    for path in busy:
        terminal.say(f"not deleted, as another command is using it: {path}")
    terminal.say(f"deleted from {out}")
    return 0


def _agreed(number: int, total: str) -> bool:
    """Asks on a terminal; elsewhere the answer is no."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("nothing is deleted; add --yes to delete all of it")
        return False
    try:
        return input(f"delete all {number}, {total}? [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        return False
