"""Start the node in the foreground: its log, and its processes' output with a prefix, on standard output.

TERM and INT stop it in order. Exit code: 0 after a stop, else the reason's.
"""

import sys
from argparse import SUPPRESS, ArgumentParser, Namespace

from limpet_shell import output, target


def add_arguments(parser: ArgumentParser) -> None:
    """One for start_iex."""
    parser.add_argument("--for-console", action="store_true", help=SUPPRESS)


def run(arguments: Namespace) -> int:
    """Becomes the node: this very process is its supervisor."""
    from limpet_supervisor.config.load import load
    from limpet_supervisor.daemon.start import foreground

    if arguments.for_console:
        import signal

        from limpet_supervisor.runtime import prctl

        prctl.die_with_parent(signal.SIGTERM)
    spec = load(target.file_of(arguments), release=arguments.release)
    sys.stdout.flush()
    color = output.painter() is output.paint
    return foreground(spec, color=color, for_console=arguments.for_console)
