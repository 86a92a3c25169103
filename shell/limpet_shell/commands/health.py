"""Is all well? Exit code 0 when every check that counts is, else 1: for HEALTHCHECK, probes and scripts.

The checks are Limpet's own (each process is ready, its event loop goes round, nothing runs out) and those of
the application (limpet.health). The same is served over HTTP where [health] bind says so.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, render, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """NAME…, --exclude, --json and --timeout."""
    parser.add_argument("names", nargs="*", metavar="NAME", help="processes or instances: web, web.1 (all)")
    parser.add_argument(
        "--exclude", action="append", default=[], metavar="CHECK", help="leave a check out; may be repeated"
    )
    options.add_json(parser)
    options.add_timeout(parser, 5.0, "how long to wait for the answer (5s)")


def run(arguments: Namespace) -> int:
    """Says it."""
    request = messages.Health(names=tuple(arguments.names), exclude=tuple(arguments.exclude))
    with target.connect(arguments) as client:
        reply: messages.HealthReply = client.request(request, arguments.timeout)
    healthy = reply.status == 200
    if arguments.json:
        import msgspec

        output.write_json(
            {
                "schema": 1,
                "healthy": healthy,
                "status": reply.status,
                "ready": reply.node.ready,
                "wanted": reply.node.wanted,
                "checks": reply.checks,
                "lines": msgspec.to_builtins(reply.lines),
            }
        )
    else:
        for line in render.health_lines(reply, output.painter()):
            output.write(line)
    return 0 if healthy else 1
