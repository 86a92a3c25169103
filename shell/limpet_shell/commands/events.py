"""What happened: starts, exits, restarts, commands, evaluations; with -f also what happens from now on."""

from argparse import ArgumentParser, Namespace

import msgspec

from limpet_shell import asking, options, output, render, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """-f, -n and --json."""
    parser.add_argument("-f", "--follow", action="store_true", help="go on with new ones")
    parser.add_argument("-n", "--last", type=options.natural, default=20, metavar="N", help="how many (20)")
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints them; as JSON one object a line."""
    paint = output.painter()

    def show(answer: messages.AnyItem | messages.AnyReply) -> None:
        match answer:
            case messages.EventItem(event=event) if arguments.json:
                output.write_json({"schema": 1, **msgspec.to_builtins(event)})
            case messages.EventItem(event=event):
                output.write(render.event_line(event, paint))
            case messages.StreamEnd(dropped=dropped) if dropped:
                output.write_error(f"({dropped} events were dropped: they came faster than they were read)")
            case _:
                pass

    with target.connect(arguments) as client:
        return asking.follow(client, messages.Events(last=arguments.last, follow=arguments.follow), show)
