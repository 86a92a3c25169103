"""A line for each process: name, state, readiness, pid, uptime, restarts, cpu, memory and agent.

On a terminal a table; in a pipe tab-separated, without a header, with seconds and bytes.
Exit code: 0 all run, 3 the node or a process that should run does not, 4 not known.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, render, target
from limpet_supervisor.client import Client, directory, messages
from limpet_supervisor.errors import LimpetError, NodeUnreachable, NotPermitted, NotRunning, TimedOut
from limpet_supervisor.model.status import State


class StatusUnknown(LimpetError):
    """Whether the node runs cannot be told."""

    exit_code = 4


def add_arguments(parser: ArgumentParser) -> None:
    """NAME… and --json."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="processes or instances: web, web.1 (all)")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it."""
    reply = _ask(arguments)
    if arguments.json:
        import msgspec

        facts = msgspec.to_builtins(reply)
        output.write_json({"schema": 1, "node": facts["node"], "processes": facts["processes"]})
    elif output.stdout_is_terminal():
        for line in render.status_lines(reply, output.painter(), output.columns()):
            output.write(line)
    else:
        for line in render.status_plain(reply):
            output.write(line)
    fine = {State.RUNNING, State.EXITED}
    return 0 if all(process.state in fine for process in reply.processes) else 3


def _ask(arguments: Namespace) -> messages.StatusReply:
    where = target.resolve(arguments)
    try:
        with Client.of_node(where.node) as client:
            reply: messages.StatusReply = client.request(messages.Status(names=tuple(arguments.names)))
            return reply
    except NodeUnreachable as error:
        if any(directory.pid_of(place.path) for place in directory.places(where.node)):
            raise StatusUnknown(error.what, error.why, error.todo) from error
        raise NotRunning(error.what, error.why, error.todo) from error
    except (NotPermitted, TimedOut) as error:
        raise StatusUnknown(error.what, error.why, error.todo) from error
