"""Exit code 0 when every process that should run is ready, else 1: for HEALTHCHECK and scripts."""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """--json and --timeout."""
    options.add_json(parser)
    options.add_timeout(parser, 5.0, "how long to wait for the answer (5s)")


def run(arguments: Namespace) -> int:
    """Says it."""
    with target.connect(arguments) as client:
        reply: messages.StatusReply = client.request(messages.Status(), arguments.timeout)
    node = reply.node
    waiting = [p for p in reply.processes if not p.ready and p.state not in {"exited", "stopped"}]
    healthy = node.ready >= node.wanted and node.state == "running"
    if arguments.json:
        not_ready = [p.name for p in waiting]
        output.write_json(
            {
                "schema": 1,
                "healthy": healthy,
                "ready": node.ready,
                "wanted": node.wanted,
                "not_ready": not_ready,
            }
        )
        return 0 if healthy else 1
    output.write(f"{node.name} is {node.state.value}: {node.ready} of {node.wanted} processes ready")
    for process in waiting:
        reason = f": {output.printable(process.reason)}" if process.reason else ""
        output.write(f"  {process.name} is {process.state.value}{reason}")
    return 0 if healthy else 1
