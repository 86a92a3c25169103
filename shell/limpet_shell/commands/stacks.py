"""What a process and all below it are doing now, whether they answer or not.

The agent tells the stacks of its threads and asyncio tasks. If it does not answer within 2 seconds, because
its interpreter is stuck in C or the process is stopped, it is looked at from outside: by py-spy, by its own
interpreter (Python 3.14 and later), by a signal that makes its agent write them, or by what the kernel knows.
The answer says which way it was, and what the better ways lacked; see also: doctor.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import asking, options, output, target
from limpet_supervisor.client import messages


def add_arguments(parser: ArgumentParser) -> None:
    """NAME, --native and --json."""
    parser.add_argument("name", metavar="NAME", help="web, web.1 or web.1/PID")
    parser.add_argument(
        "--native", action="store_true", help="frames of C extensions as well (by py-spy; takes seconds)"
    )
    options.add_json(parser)


def run(arguments: Namespace) -> int:
    """Prints them."""
    from limpet_shell import stacks

    with target.connect(arguments) as client:
        reply = asking.command(client, messages.Stacks(name=arguments.name, native=arguments.native))
    assert isinstance(reply, messages.StacksReply)
    if arguments.json:
        output.write_json({"schema": 1, "processes": reply.processes})
    else:
        for line in stacks.stacks_lines(reply, output.painter()):
            output.write(line)
    return 0
