"""Names for the completion scripts, of processes (and members with agents), releases, commands."""

from argparse import ArgumentParser, Namespace

from limpet_shell import output, target
from limpet_supervisor.errors import LimpetError


def add_arguments(parser: ArgumentParser) -> None:
    """What to name."""
    parser.add_argument("what", choices=("names", "agents", "releases", "commands"))


def run(arguments: Namespace) -> int:
    """Prints them; a node that does not answer within a second has none."""
    try:
        names = _names(arguments)
    except LimpetError:
        return 0  # Tab is no place for messages
    for name in names:
        output.write(output.printable(name))
    return 0


def _names(arguments: Namespace) -> list[str]:
    if arguments.what == "commands":
        from limpet_shell import control

        return [command.name for command in control.COMMANDS.values() if command.build]
    if arguments.what == "releases":
        from limpet_supervisor.config import names

        document = names.read(target.file_of(arguments))
        return list(document.get("tool", {}).get("limpet", {}).get("releases", {}))
    from limpet_supervisor.client import messages

    with target.connect(arguments) as client:
        reply: messages.StatusReply = client.request(messages.Status(), 1.0)
    instances = [process.name for process in reply.processes]
    below = [name for name in reply.agents if "/" in name] if arguments.what == "agents" else []
    return [*dict.fromkeys(name.rpartition(".")[0] for name in instances), *instances, *below]
