"""The `synthgap` command, which is `python -m synthgap` too: it answers signals before it loads what takes time."""

import sys

from synthgap import interrupts


def main() -> int:
    """As `synthgap.cli.main`, for a process of its own."""
    interrupts.leave_at_once()
    from synthgap import cli

    code = cli.main()
    interrupts.ignore()
    return code


if __name__ == "__main__":
    sys.exit(main())
