"""Remove old versions of a release, and the interpreters and supervisors that only they needed.

The version that boots by default stays, and so does one that processes run from.
"""

from argparse import ArgumentParser, Namespace

from limpet_shell import built, options, output
from limpet_supervisor.errors import UsageError


def add_arguments(parser: ArgumentParser) -> None:
    """--keep, --path."""
    parser.add_argument("--keep", type=options.natural, required=True, metavar="N", help="how many stay")
    parser.add_argument("--path", metavar="DIR", help="the release's root")


def run(arguments: Namespace) -> int:
    """Removes them."""
    from limpet_supervisor.release import place

    if not arguments.keep:
        raise UsageError("One version has to stay", todo="use --keep 1")
    where = built.find(arguments)
    removed, in_use = place.prune(where.root, where.name, arguments.keep)
    for line in in_use:
        output.write(f"kept: {line}")
    for part in removed:
        output.write(f"removed {part}")
    if not removed:
        output.write("nothing to remove")
    return 0
