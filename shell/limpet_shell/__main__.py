"""`python -m limpet_shell`: the same as `limpet`."""

import sys

from limpet_shell.cli import main

if __name__ == "__main__":
    sys.exit(main())
