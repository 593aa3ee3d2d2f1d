"""The `synthgap` command, which is `python -m synthgap` too: it answers signals before it loads what takes time."""

import _signal  # Python's own half of `signal`, which is there already: while the other half loads, Ctrl-C is a traceback
import sys


def main() -> int:
    """As `synthgap.cli.main`, for a process of its own."""
    if _signal.getsignal(_signal.SIGINT) is _signal.default_int_handler:
        _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
    from synthgap import interrupts

    interrupts.leave_at_once()
    from synthgap import memory

    if line := memory.lacking(memory.OF_COMMANDS):
        print(f"synthgap: error: {line}", file=sys.stderr)
        return 1
    try:
        from synthgap import cli
    except Exception as error:
        if not memory.is_short(error):
            raise
        print(f"synthgap: error: {memory.LINE}", file=sys.stderr)
        return 1
    code = cli.main()
    interrupts.ignore()
    return code


if __name__ == "__main__":
    sys.exit(main())
