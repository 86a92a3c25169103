"""Restart the node's processes: all are stopped in reverse order, then booted again. The node's pid stays.

One process: `ctl restart NAME`.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import asking, options, output, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout."""
    options.add_timeout(parser, None, "give up waiting after this time, with exit code 75 (wait for ever)")


def run(arguments: Namespace) -> int:
    """Asks for it and waits."""
    with target.connect(arguments) as client:
        reply = asking.command(client, messages.RestartNode(), arguments.timeout)
    output.write(output.printable(getattr(reply, "text", "")) or "restarted")
    return 0
