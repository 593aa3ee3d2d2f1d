"""`python -m synthgap` is the `synthgap` command."""

import sys

from synthgap.cli import main

if __name__ == "__main__":
    sys.exit(main())
