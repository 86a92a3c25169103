"""Why a process is in its state, and its last deaths with their last lines, newest first."""

from argparse import ArgumentParser, Namespace

from limpet_shell import options, output, render, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """NAME and --json."""
    parser.add_argument("name", metavar="NAME", help="a process or an instance: web, web.1")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints it."""
    with target.connect(arguments) as client:
        reply: messages.WhyReply = client.request(messages.Why(name=arguments.name))
    if arguments.json:
        output.write_json({"schema": 1, "process": reply.process, "deaths": reply.deaths})
    else:
        for line in render.why_lines(reply, output.painter()):
            output.write(line)
    return 0
