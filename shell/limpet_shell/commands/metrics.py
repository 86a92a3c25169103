"""All metrics as OpenMetrics text: the node's, its processes', and the application's own (limpet.telemetry).

The same as /metrics where [health] bind says so; here without HTTP.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """--timeout."""
    options.add_timeout(parser, 10.0, "how long to wait for the answer (10s)")


def run(arguments: Namespace) -> int:
    """Prints them."""
    with target.connect(arguments) as client:
        reply: messages.MetricsReply = client.request(messages.Metrics(), arguments.timeout)
    output.write(reply.text, end="")
    return 0
