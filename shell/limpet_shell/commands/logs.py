"""The processes' output in the order of time: the last lines, and with -f also what comes from now on.

`logs limpet` are the lines of the node itself. Works from the log files when the node does not run.
One instance alone is shown as it was written; of several, each line begins with its process's name.
"""

from argparse import ArgumentParser, Namespace
from contextlib import suppress

from limpet_shell import asking, options, output, target
from limpet_shell.logs.choice import Choice, chosen
from limpet_shell.logs.view import LogView
from limpet_supervisor.client import Client, directory, messages
from limpet_supervisor.errors import ConfigError, NodeUnreachable, NoSuchProcess, UsageError

_NODE_LOG = "limpet"
"""The name of the node's own log, limpet.log beside those of the processes."""


def add_arguments(parser: ArgumentParser) -> None:
    """NAME…, -f, -n, what to choose, and --json."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="processes or instances: web, web.1 (all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    parser.add_argument(
        "-n",
        "--lines",
        type=options.natural,
        default=None,
        metavar="N",
        help="how many of each (10; since a time: all); of a running node the last 10,000 at most",
    )
    parser.add_argument("--since", metavar="TIME", help="not before: 10m (ago), 08:30, 2026-11-23T08:30:00Z")
    parser.add_argument("--until", metavar="TIME", help="not after")
    parser.add_argument(
        "--level", metavar="LEVEL", help="of this level or above: debug, info, warning, error, critical"
    )
    parser.add_argument("--grep", metavar="REGEX", help="in which this regular expression is found")
    parser.add_argument("-t", "--times", action="store_true", help="with the time of each line")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it; as JSON an object a line."""
    choice = chosen(
        arguments.names,
        follow=arguments.follow,
        times=arguments.times,
        lines=None if arguments.lines is None else str(arguments.lines),
        since=arguments.since,
        until=arguments.until,
        level=arguments.level,
        grep=arguments.grep,
    )
    terminal = output.stdout_is_terminal()
    view = LogView(choice, output.painter(), terminal=terminal, as_json=arguments.json)
    where = target.resolve(arguments)
    if choice.names == (_NODE_LOG,):
        if choice.follow:
            raise UsageError("The node's own log is not followed here", todo="say: limpet events -f")
        return _from_files(where.node, arguments, choice, view)
    try:
        client = Client.of_node(where.node)
    except NodeUnreachable:
        if choice.follow:
            raise
        return _from_files(where.node, arguments, choice, view)

    def show(answer: messages.AnyItem | messages.AnyReply) -> None:
        for line in view.take(answer):
            output.write(line)
        if note := view.note(answer):
            output.write_error(note)

    with client:
        return asking.follow(client, choice.request(), show)


def _from_files(node: str, arguments: Namespace, choice: Choice, view: LogView) -> int:
    from limpet_shell import logfiles

    file = ""
    if not arguments.node:
        with suppress(ConfigError):  # it says of files elsewhere; those in the usual place are found without
            file = target.file_of(arguments)
    files = logfiles.log_files(node, choice.names, file=file, release=arguments.release)
    if not files:
        places = directory.places(node)
        looked = ", ".join(directory.RunDirectory(*place).logs for place in places)
        raise NoSuchProcess(f"{node} does not run, and there is no such log file", f"looked in: {looked}")
    lines = logfiles.MOST if choice.among else choice.reads
    for line in view.show([entry for log in files for entry in logfiles.read(log, lines)]):
        output.write(line)
    return 0
