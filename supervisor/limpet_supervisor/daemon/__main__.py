"""`python -m limpet_supervisor.daemon FILE RELEASE PIPE`: the node that `daemon` starts in the background."""

import os
import sys

from limpet_supervisor import lean

if __name__ == "__main__":
    lean.refuse_typing_extensions()
    from .background import child_main

    file, release, pipe = sys.argv[1:]
    # A second life (restart) has no parent that waits.
    try:
        os.fstat(int(pipe))
    except OSError:
        pipe = "-1"
    sys.exit(child_main(file, release, int(pipe)))
