"""The supervision tree: supervisors with their strategy, processes, and each process's forks and children."""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, render, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it."""
    with target.connect(arguments) as client:
        reply: messages.TreeReply = client.request(messages.Tree())
    if arguments.json:
        output.write_json({"schema": 1, "tree": reply.root})
    else:
        for line in render.tree_lines(reply.root, output.painter()):
            output.write(line)
    return 0
