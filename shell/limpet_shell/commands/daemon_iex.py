"""Start the node in the background, then attach a console. Leaving the console leaves the node running."""

from argparse import ArgumentParser, Namespace

from limpet_shell.commands import daemon, remote


def add_arguments(parser: ArgumentParser) -> None:
    """Those of daemon and of remote."""
    daemon.add_arguments(parser)
    remote.add_arguments(parser)


def run(arguments: Namespace) -> int:
    """Starts it and attaches."""
    return daemon.run(arguments) or remote.run(arguments)
