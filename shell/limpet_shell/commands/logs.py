"""The processes' output: the last lines, and with -f also what comes from now on.

`logs limpet` are the lines of the node itself. Works from the log files when the node does not run.
One instance alone is shown as it was written; of several, each line begins with its process's name.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import asking, options, output, render, target
from limpet_supervisor.client import Client, directory, messages
from limpet_supervisor.errors import NodeUnreachable, NoSuchProcess, UsageError

_NODE_LOG = "limpet"
"""The name of the node's own log, limpet.log beside those of the processes."""


def add_arguments(parser: ArgumentParser) -> None:
    """NAME…, -f, -n and --json."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="processes or instances: web, web.1 (all)")
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new lines")
    parser.add_argument(
        "-n",
        "--lines",
        type=options.natural,
        default=10,
        metavar="N",
        help="how many of each (10); of a running node the last 10,000 at most",
    )
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it; as JSON an object a line."""
    where = target.resolve(arguments)
    if arguments.names == [_NODE_LOG]:
        if arguments.follow:
            raise UsageError("The node's own log is not followed here", todo="say: limpet events -f")
        return _from_files(where.node, arguments)
    try:
        client = Client.of_node(where.node)
    except NodeUnreachable:
        if arguments.follow:
            raise
        return _from_files(where.node, arguments)
    paint = output.painter()
    terminal = output.stdout_is_terminal()

    def show(answer: messages.AnyItem | messages.AnyReply) -> None:
        match answer:
            case messages.LogItem(process=process, lines=lines) if arguments.json:
                for line in lines:
                    output.write(output.to_json({"schema": 1, "process": process, "line": line}))
            case messages.LogItem(process=process):
                prefix = arguments.names != [process]
                for line in render.log_lines(answer, paint, prefix=prefix, terminal=terminal):
                    output.write(line)
            case messages.StreamEnd(dropped=dropped) if dropped:
                output.write_error(f"({dropped} lines were dropped: they came faster than they were read)")
            case _:
                pass

    with client:
        request = messages.Logs(names=tuple(arguments.names), lines=arguments.lines, follow=arguments.follow)
        return asking.follow(client, request, show)


def _from_files(node: str, arguments: Namespace) -> int:
    from limpet_shell import logfiles

    files = logfiles.log_files(node, arguments.names)
    if not files:
        places = directory.places(node)
        looked = ", ".join(directory.RunDirectory(*place).logs for place in places)
        raise NoSuchProcess(f"{node} does not run, and there is no such log file", f"looked in: {looked}")
    paint = output.painter()
    terminal = output.stdout_is_terminal()
    for process, path in files.items():
        item = messages.LogItem(process=process, lines=tuple(logfiles.tail(path, arguments.lines)))
        if arguments.json:
            for line in item.lines:
                output.write(output.to_json({"schema": 1, "process": process, "line": line}))
        else:
            for line in render.log_lines(item, paint, prefix=arguments.names != [process], terminal=terminal):
                output.write(line)
    return 0
