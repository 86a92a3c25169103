"""Print the release's name and version: `bookshop 1.0.0`. Works with nothing running."""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it."""
    name, version, *_ = target.resolve(arguments)
    if not version:
        from limpet_supervisor.client import Client, messages

        with Client.of_node(name) as client:
            pong: messages.Pong = client.request(messages.Ping())
        name, version = pong.node, pong.version
    if arguments.json:
        output.write_json({"schema": 1, "name": name, "version": version})
    else:
        output.write(f"{name} {version}")
    return 0
