"""Attach a console: Python evaluated in the live processes, commands that begin with `:` for the node.

Leaving it (Ctrl-D, exit(), :quit) only detaches. In a pipe it evaluates what it reads, statement by
statement, and its exit code is 1 if one failed.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import output, target


def add_arguments(parser: ArgumentParser) -> None:
    """--process."""
    parser.add_argument(
        "--process", default="", metavar="P", help="web, web.1 or web.1/PID (first with an agent)"
    )


def run(arguments: Namespace) -> int:
    """Attaches."""
    where = target.resolve(arguments)
    if output.stdin_is_terminal() and output.stdout_is_terminal() and not output.is_dumb():
        from limpet_shell.console.opening import run_console

        return run_console(where, arguments.process)
    from limpet_shell.console.batch import run_batch

    return run_batch(where, arguments.process)
