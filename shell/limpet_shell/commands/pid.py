"""Print the node's pid. Exit code 69 if it does not run."""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.client import directory
from limpet_supervisor.errors import NodeUnreachable


def add_arguments(parser: ArgumentParser) -> None:
    """--json."""
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it, from the pid file: the node need not be able to answer."""
    node = target.resolve(arguments).node
    for place in directory.places(node):
        if pid := directory.pid_of(place.path):
            if arguments.json:
                output.write_json({"schema": 1, "name": node, "pid": pid})
            else:
                output.write(str(pid))
            return 0
    looked = ", ".join(place.path for place in directory.places(node))
    raise NodeUnreachable(
        f"{node} is not running", f"no pid file of a live process in: {looked}", "start it first"
    )
