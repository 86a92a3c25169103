"""What `ctl help` and `:help` say of the commands."""

from collections.abc import Sequence
from typing import Any, Final

from limpet_shell.control import COMMANDS, LOOKS, ControlCommand, parse
from limpet_shell.fitting import listed
from limpet_shell.output import columns
from limpet_shell.render import Paint

_FORM: Final = 22
"""Columns of a command in the list of all; what is longer is told by `help COMMAND`."""
WIDEST: Final = 80
"""Columns of a list of help, however wide the terminal is."""


def help_facts(words: Sequence[str] = ()) -> dict[str, Any]:
    """The commands, or those that are named, for `--json`.

    Raises:
        UsageError: one of `words` is no command.
    """
    told = [{"name": each.name, "arguments": each.arguments, "help": each.help} for each in _chosen(words)]
    return {"schema": 1, "commands": told}


def help_lines(prefix: str, paint: Paint, words: Sequence[str] = ()) -> list[str]:
    """The commands as help, each name with `prefix` (":" at the console); `words`: in full, of these.

    Raises:
        UsageError: one of `words` is no command.
    """
    if words:
        return [line for command in _chosen(words) for line in _usage(command, prefix, paint)]
    from textwrap import wrap

    commands = []
    for command in COMMANDS.values():
        if command.name not in LOOKS:
            form = f"{prefix}{command.name} {command.arguments}".rstrip()
            form = form if len(form) <= _FORM else f"{prefix}{command.name} …"
            commands.append((form.ljust(_FORM), command.help))
    width = min(columns(), WIDEST)
    return [
        *listed(commands, width, paint),
        *wrap(f"What is inside of a process ({prefix}help NAME says more of any):", width - 1),
        *(
            f"  {paint(row, 'cyan')}"
            for row in wrap(" ".join(f"{prefix}{name}" for name in LOOKS), width - 4)
        ),
    ]


def _chosen(words: Sequence[str]) -> list[ControlCommand]:
    return [parse([word.removeprefix(":")])[0] for word in words] or list(COMMANDS.values())


def _usage(command: ControlCommand, prefix: str, paint: Paint) -> list[str]:
    return [
        paint(f"{prefix}{command.name} {command.arguments}".rstrip(), "cyan"),
        f"  {command.help}",
    ]
