"""Start the node in the foreground with a console on this terminal. Leaving the console stops the node.

The output of the processes appears above the prompt.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import output, target
from limpet_supervisor.errors import UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """--process."""
    parser.add_argument(
        "--process", default="", metavar="P", help="web, web.1 or web.1/PID (first with an agent)"
    )


def run(arguments: Namespace) -> int:
    """Starts the node as a child, and the console in front of it."""
    if not (output.stdin_is_terminal() and output.stdout_is_terminal()) or output.is_dumb():
        raise UsageError("start_iex wants a terminal", todo="say: start, or daemon and remote")
    from limpet_shell.console.foreground import run_with_node

    where = target.resolve(arguments)
    return run_with_node(where, arguments.process)
