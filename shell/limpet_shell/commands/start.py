"""Start the node in the foreground: its log, and its processes' output with a prefix, on standard output.

TERM and INT stop it in order. Exit code: 0 after a stop, else the reason's.
"""

import sys
from argparse import ArgumentParser, Namespace

from limpet_shell import output, target


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(arguments: Namespace) -> int:
    """Becomes the node: this very process is its supervisor."""
    from limpet_supervisor.daemon.start import foreground

    from limpet_supervisor.config import load

    spec = load.load(target.file_of(arguments), release=arguments.release)
    sys.stdout.flush()
    return foreground(spec, color=output.painter() is output.paint)
