"""The node in full screen: load, processes, one process's detail, tasks, memory, output, events, lints.

Looks only, unless --allow-destructive is given. `?` shows the keys.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.errors import UsageError

_LEAST = 0.5


def add_arguments(parser: ArgumentParser) -> None:
    """--interval, --page and --allow-destructive."""
    parser.add_argument(
        "--interval", type=options.duration, default=2.0, metavar="TIME", help="between two refreshes (2s)"
    )
    parser.add_argument("--page", default="", metavar="PAGE", help="begin with it: processes, logs, …")
    parser.add_argument(
        "--allow-destructive", action="store_true", help="keys that restart, stop and kill processes"
    )


def run(arguments: Namespace) -> int:
    """Shows it until the user leaves."""
    if not (output.stdin_is_terminal() and output.stdout_is_terminal()) or output.is_dumb():
        raise UsageError("The observer is for a terminal", todo="see: status, tree, events -f, ctl lints")
    interval = arguments.interval
    if interval is None or interval < _LEAST:
        raise UsageError(f"An interval is {_LEAST:g}s at least")
    where = target.resolve(arguments)
    from limpet_shell.observer.opening import run_observer

    return run_observer(
        where.node,
        destructive=arguments.allow_destructive,
        interval=interval,
        page=arguments.page,
    )
