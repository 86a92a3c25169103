"""One module for each verb; `limpet_shell.cli` says which, and imports no other than the one it runs.

A module's docstring is the verb's `--help`; it has two functions, as `Command` says.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs 8 ms, which `version` and `pid` do not spend
    from argparse import ArgumentParser, Namespace
    from typing import Protocol

    class Command(Protocol):
        """What the module of a verb is."""

        def add_arguments(self, parser: ArgumentParser) -> None:
            """Declares the verb's own arguments.

            --file, --directory, --release, --node, --color and --debug are there already; a short form that
            the verb declares itself (`-f`) takes the common option's place.
            """

        def run(self, arguments: Namespace) -> int:
            """Does it and returns the exit code, or raises an error of limpet_supervisor.errors."""
