"""Completion scripts for bash, zsh and fish, generated from the verbs' own parsers.

A script knows verbs, options and fixed choices; names of processes, releases and console commands it asks
`limpet _complete` for.
"""

from argparse import SUPPRESS, Action, ArgumentParser
from typing import NamedTuple

from limpet_shell import cli

_NAMED = {"names": "names", "name": "names", "process": "agents", "release": "releases", "words": "commands"}
"""Argument -> what `_complete` lists for it."""
_FILES = frozenset({"file", "directory", "output", "source", "path"})


class Option(NamedTuple):
    """An option of a verb."""

    flags: tuple[str, ...]
    help: str
    takes: str
    """What its value is: empty (it has none), `file`, `names`, `releases`, `value`, or the choices."""


class VerbShape(NamedTuple):
    """A verb as a completion script knows it."""

    verb: str
    help: str
    options: tuple[Option, ...]
    positional: str
    """As `Option.takes`."""


def shapes() -> list[VerbShape]:
    """All verbs of the usage, and aliases, with their options."""
    found = []
    for verb, (_, group, text) in cli.VERBS.items():
        if not (group or not verb.startswith("_")):
            continue
        parser = cli.parser_of(verb, cli.load(verb))
        options = tuple(
            Option(tuple(action.option_strings), _help(action), _takes(action, verb))
            for action in actions(parser)
            if action.option_strings and action.help != SUPPRESS
        )
        positional = next((_takes(a, verb) for a in actions(parser) if not a.option_strings), "")
        found.append(VerbShape(verb, text, options, positional))
    return found


def actions(parser: ArgumentParser) -> list[Action]:
    """The arguments that a parser declares."""
    return parser._actions  # noqa: SLF001 - argparse has no public way to list them


def _help(action: Action) -> str:
    return (action.help or "").replace("%%", "%")


def _takes(action: Action, verb: str) -> str:
    if action.nargs == 0:
        return ""
    if action.choices:
        return " ".join(map(str, action.choices))
    if action.dest == "verb":
        return " ".join(name for name in cli.VERBS if not name.startswith("_"))
    if action.dest in _FILES:
        return "file"
    if action.dest == "words" and verb != "ctl":
        return "value"
    return _NAMED.get(action.dest, "value")


def _bash_words(takes: str, command: str) -> str:
    if takes == "commands":  # the first word is one of them; most of them want names then
        return f"$({command} _complete $([ $COMP_CWORD -eq 2 ] && echo commands || echo names) 2>/dev/null)"
    if takes in set(_NAMED.values()):
        return f"$({command} _complete {takes} 2>/dev/null)"
    return "" if takes in {"value", "file"} else takes


def bash() -> str:
    """The script for bash."""
    command = cli.program()
    function = f"_{command.replace('-', '_')}_complete"
    cases = []
    values: dict[tuple[str, ...], str] = {}
    for shape in shapes():
        flags = " ".join(flag for option in shape.options for flag in option.flags)
        words = _bash_words(shape.positional, command)
        cases.append(f'    {shape.verb}) flags="{flags}"; words="{words}" ;;')
        for option in shape.options:
            if option.takes:
                pattern = "|".join(f"{shape.verb}:{flag}" for flag in option.flags)
                values[(pattern,)] = "FILES" if option.takes == "file" else _bash_words(option.takes, command)
    value_cases = [
        f'    {pattern}) COMPREPLY=($(compgen -f -- "$current")); return ;;'
        if words == "FILES"
        else f'    {pattern}) COMPREPLY=($(compgen -W "{words}" -- "$current")); return ;;'
        for (pattern,), words in values.items()
    ]
    verbs = " ".join(shape.verb for shape in shapes())
    return "\n".join(
        [
            f"{function}() {{",
            '  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}"',
            '  local verb="" flags="" words=""',
            "  COMPREPLY=()",
            '  if [ "$COMP_CWORD" -eq 1 ]; then',
            f'    COMPREPLY=($(compgen -W "{verbs}" -- "$current")); return',
            "  fi",
            '  verb="${COMP_WORDS[1]}"',
            '  case "$verb:$before" in',
            *value_cases,
            "  esac",
            '  case "$verb" in',
            *cases,
            "  esac",
            '  case "$current" in',
            '    -*) COMPREPLY=($(compgen -W "$flags" -- "$current")) ;;',
            '    *) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;',
            "  esac",
            "}",
            f"complete -o default -F {function} {command}",
            "",
        ]
    )


def _zsh_quote(text: str) -> str:
    return text.replace("'", "'\\''").replace("[", "(").replace("]", ")").replace(":", "\\:")


def _zsh_value(takes: str, command: str) -> str:
    if takes in set(_NAMED.values()):
        return f': :{{compadd -- ${{(f)"$({command} _complete {takes} 2>/dev/null)"}}}}'
    if takes == "file":
        return ": :_files"
    return ": : " if takes == "value" else f": :({takes})"


def zsh() -> str:
    """The script for zsh."""
    command = cli.program()
    function = f"_{command.replace('-', '_')}"
    lines = [
        f"#compdef {command}",
        f"{function}() {{",
        "  local context state line",
        "  typeset -A opt_args",
        "  if (( CURRENT == 2 )); then",
        "    local -a verbs=(",
        *(f"      '{shape.verb}:{_zsh_quote(shape.help)}'" for shape in shapes()),
        "    )",
        "    _describe command verbs",
        "    return",
        "  fi",
        "  local verb=$words[2]",
        "  shift words; (( CURRENT-- ))",
        "  case $verb in",
    ]
    for shape in shapes():
        specs = []
        for option in shape.options:
            value = _zsh_value(option.takes, command) if option.takes else ""
            specs += [f"'{flag}[{_zsh_quote(option.help)}]{value}'" for flag in option.flags]
        if shape.positional == "commands":
            specs += [f"'1{_zsh_value('commands', command)}'", f"'*{_zsh_value('names', command)}'"]
        elif shape.positional:
            specs.append(f"'*{_zsh_value(shape.positional, command)}'")
        lines.append(f"    {shape.verb}) _arguments {' '.join(specs)} ;;")
    lines += ["  esac", "}", f"compdef {function} {command}", ""]
    return "\n".join(lines)


def _fish_quote(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _fish_value(takes: str, command: str) -> str:
    if takes in set(_NAMED.values()):
        return f"-a {_fish_quote(f'({command} _complete {takes} 2>/dev/null)')}"
    return "" if takes in {"value", "file"} else f"-a {_fish_quote(takes)}"


def fish() -> str:
    """The script for fish."""
    command = cli.program()
    lines = [f"complete -c {command} -f"]
    for shape in shapes():
        lines.append(
            f"complete -c {command} -n __fish_use_subcommand -a {shape.verb} -d {_fish_quote(shape.help)}"
        )
        seen = f"-n '__fish_seen_subcommand_from {shape.verb}'"
        for option in shape.options:
            flags = " ".join(
                f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags
            )
            value = ""
            if option.takes:
                required = "-rF" if option.takes == "file" else "-r"
                value = f" {required} {_fish_value(option.takes, command)}".rstrip()
            lines.append(f"complete -c {command} {seen} {flags}{value} -d {_fish_quote(option.help)}")
        if shape.positional == "commands":
            for takes, test in (("commands", "-eq"), ("names", "-gt")):
                when = (
                    f"__fish_seen_subcommand_from {shape.verb}; and test (count (commandline -opc)) {test} 2"
                )
                lines.append(f"complete -c {command} -n '{when}' {_fish_value(takes, command)}")
        elif words := _fish_value(shape.positional, command):
            lines.append(f"complete -c {command} {seen} {words}")
    return "\n".join([*lines, ""])


SCRIPTS = {"bash": bash, "zsh": zsh, "fish": fish}
"""Shell -> the function that writes its script."""
