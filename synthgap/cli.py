"""The `synthgap` command: ask a question, watch it run, read the verdict."""

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module

from data_gen import InputError
from data_gen.errors import DrawingFailedError, NotStartedError, one_line
from synthgap import interrupts, memory

#: each is a module of synthgap.commands: WHAT it does, its `arguments`, and `do`
COMMANDS = (
    "studies",
    "plan",
    "run",
    "status",
    "show",
    "verdicts",
    "report",
    "explore",
    "pool",
    "clean",
    "pack",
    "make",
    "embed",
    "measure",
    "ideal",
    "lessons",
)

CODES = """\
exit codes: 0 done, 1 some run failed, or memory is short, 2 a mistake in what was asked, 130 interrupted (Ctrl-C),
143 ended by SIGTERM, 129 by SIGHUP
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code, as `CODES` has it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a notebook's has not
            stream.reconfigure(errors="replace")  # a → is no reason to crash where the terminal is not UTF-8
    given = sys.argv[1:] if arguments is None else arguments
    parser = _parser(helps=not {"-h", "--help"}.isdisjoint(given))
    asked, more = parser.parse_known_args(arguments)  # overrides behind an option, which argparse takes for strangers
    many = next((name for name in ("overrides", "studies", "matrices", "folders") if hasattr(asked, name)), None)
    if any(argument.startswith("-") for argument in more) or (more and not many):
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    if more:
        setattr(asked, many, getattr(asked, many) + more)
    return guarded(lambda: asked.do(asked), kept=asked.kept)


def guarded(do: Callable[[], int], kept: str = interrupts.KEPT) -> int:
    """The exit code of `do()`; a mistake of the user ends in one line, and so does a signal, with what is kept."""
    heard: list[int] = []
    try:
        with interrupts.raised(heard):
            return do()
    except BaseException as error:
        if heard or isinstance(error, KeyboardInterrupt):  # or what a library made of it
            number = heard[0] if heard else signal.SIGINT
            with suppress(OSError):  # the terminal is gone
                print(interrupts.line(number, kept), file=sys.stderr, flush=True)
            return interrupts.exit_code(number)
        if isinstance(error, InputError):
            return _complain(str(error))
        told = isinstance(error, DrawingFailedError | NotStartedError)
        if told or memory.is_short(error):
            _complain(str(error) if told else memory.LINE)
            return 1
        if isinstance(error, OSError) and error.errno is not None:
            where = f": {error.filename}" if error.filename else ""
            hint = "ask its owner" if isinstance(error, PermissionError) else "is the output folder roomy enough?"
            return _complain(f"{error.strerror}{where} ({hint})")
        raise


def _parser(helps: bool) -> argparse.ArgumentParser:
    """helps: whether help is asked for; what stands below it lists every option, which takes a second."""
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="synthgap",
        description="Controlled synthetic data for the science of the modality gap: factors in, evidence out.",
        epilog=f"start with: synthgap run imbalance preset=quick\n\n{CODES}",
        formatter_class=raw,
    )
    choices = parser.add_subparsers(required=True, metavar="COMMAND")
    for name in COMMANDS:
        command = import_module(f"synthgap.commands.{name}")
        sub = choices.add_parser(name, help=command.WHAT, description=command.WHAT, formatter_class=raw)
        command.arguments(sub)
        if helps and hasattr(command, "epilog"):
            sub.epilog = command.epilog()
        sub.set_defaults(do=command.do, kept=getattr(command, "KEPT", interrupts.KEPT))
    return parser


def _complain(line: str) -> int:
    print(f"synthgap: error: {one_line(line)}", file=sys.stderr)
    return 2
