"""Print the release's name and version: `bookshop 1.0.0`. Works with nothing running."""

from argparse import ArgumentParser, Namespace

from limpet_shell import output, target


def add_arguments(parser: ArgumentParser) -> None:
    """None of its own."""


def run(arguments: Namespace) -> int:
    """Prints it."""
    where = target.resolve(arguments)
    if where.version:
        output.write(f"{where.node} {where.version}")
        return 0
    from limpet_supervisor.client import Client, messages

    with Client.of_node(where.node) as client:
        pong = client.request(messages.Ping())
    output.write(f"{pong.node} {pong.version}")
    return 0
