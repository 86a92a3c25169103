"""The list of commands, or the help of one: `help status`."""

from argparse import ArgumentParser, Namespace

from limpet_shell import cli, output
from limpet_supervisor.errors import UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """The verb."""
    parser.add_argument("verb", nargs="?", metavar="COMMAND")


def run(arguments: Namespace) -> int:
    """Prints it."""
    verb = arguments.verb
    if verb is None:
        output.write(cli.usage())
        return 0
    if verb not in cli.VERBS:
        raise UsageError(f"Unknown command {verb}", todo=f"see: {cli.program()} help")
    output.write(cli.parser_of(verb, cli.load(verb)).format_help(), end="")
    return 0
