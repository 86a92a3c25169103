"""The command line: the table of verbs, and the one place where errors become messages and exit codes."""

import errno
import gc
import os
import sys
from contextlib import suppress

from limpet_supervisor import lean
from limpet_supervisor.errors import ConfigError, LimpetError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from argparse import ArgumentParser
    from collections.abc import Sequence
    from typing import NoReturn

    from limpet_shell.commands import Command

GROUPS = {
    "run": "Run a node",
    "ask": "Look at it",
    "command": "Command it",
    "code": "Run code",
    "project": "Set up",
}
"""Headings of the usage."""

VERBS = {
    "start": ("start", "run", "start in the foreground"),
    "start_iex": ("start_iex", "run", "start in the foreground with a console on this terminal"),
    "console": ("start_iex", "", "the same as start_iex"),
    "daemon": ("daemon", "run", "start in the background; returns when every process is ready"),
    "daemon_iex": ("daemon_iex", "run", "daemon, then remote"),
    "stop": ("stop", "run", "stop the node, and wait until it is gone"),
    "restart": ("restart", "run", "restart the node's processes; its pid stays"),
    "status": ("status", "ask", "a line for each process"),
    "tree": ("tree", "ask", "the supervision tree, with each process's forks and children"),
    "logs": ("logs", "ask", "the processes' output"),
    "events": ("events", "ask", "what happened: starts, exits, restarts"),
    "why": ("why", "ask", "why a process is in its state, and its last deaths"),
    "stacks": ("stacks", "ask", "what a process is doing, whether it answers or not"),
    "profile": ("profile", "ask", "where a process spends its time: a table, a flame graph, a file"),
    "observer": ("observer", "ask", "the node in full screen: load, processes, tasks, output, lints"),
    "health": ("health", "ask", "is all well? exit code 0 when it is"),
    "metrics": ("metrics", "ask", "all metrics, as OpenMetrics text"),
    "pid": ("pid", "ask", "the node's pid"),
    "version": ("version", "ask", "name and version, also with nothing running"),
    "ctl": ("ctl", "command", "any console command once: ctl restart web.1"),
    "remote": ("remote", "code", "the console, inside the live processes"),
    "rpc": ("rpc", "code", "evaluate an expression or call a function in a live process"),
    "eval": ("eval", "code", "evaluate an expression in a fresh process, with nothing started"),
    "release": ("release", "project", "build a release: all it needs to run, in one directory"),
    "config": ("config", "project", "the effective configuration, and where each value comes from"),
    "verify": ("verify", "project", "compare a release with its manifest: what is changed"),
    "prune": ("prune", "project", "remove old versions of a release: prune --keep 3"),
    "check": ("check", "project", "validate the configuration; starts nothing"),
    "paths": ("paths", "project", "where sockets, state and logs are, and why"),
    "doctor": ("doctor", "project", "what this machine has and lacks"),
    "new": ("new", "project", "make a project that runs at once"),
    "init": ("init", "project", "add [tool.limpet] to the project here, by what its files speak of"),
    "import": ("import_file", "project", "make a limpet.toml of supervisord's, circus's or another's"),
    "gen": ("gen", "project", "write files that ship it: gen systemd, docker, ci, kubernetes"),
    "completion": ("completion", "project", "a completion script for bash, zsh or fish"),
    "help": ("help", "project", "this text, or a verb's"),
    "_complete": ("completion_names", "", "names for the completion scripts"),
}
"""Verb -> its module in limpet_shell.commands, its heading (empty: not in the usage), and what it does."""

QUICK = frozenset(
    (
        "stop",
        "restart",
        "status",
        "tree",
        "logs",
        "events",
        "why",
        "stacks",
        "health",
        "metrics",
        "pid",
        "version",
        "ctl",
        "rpc",
        "help",
    )
)
"""Verbs whose process lives for milliseconds: it spends none on garbage, nor on its own teardown."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No bug: the disk is full, which is usually the one that standard output is redirected to."""
NEEDS_PROJECT = frozenset(("release", "new", "init", "import"))
"""Verbs that a built release does not offer."""

_WITH_VALUE = ("--file", "--directory", "--release", "--node", "--color")


def main(argv: "Sequence[str] | None" = None) -> int:
    """Runs one command line and returns its exit code.

    Args:
        argv: the arguments without the command's own name; the process's own if None.
    """
    if argv is not None:
        return _main(list(argv))
    lean.refuse_typing_extensions()
    arguments = sys.argv[1:]
    quick = bool(arguments) and arguments[0] in QUICK
    if quick:
        gc.disable()
    code = _main(arguments)
    if quick:
        # Everything is flushed, and nothing of ours waits for the interpreter's end.
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
    return code


def _main(arguments: list[str]) -> int:
    debug = "--debug" in arguments or os.environ.get("LIMPET_DEBUG") == "1"
    as_json = "--json" in arguments
    try:
        code = _run(arguments)
        sys.stdout.flush()
    except LimpetError as error:
        if debug:
            raise
        return _report(error, as_json=as_json)
    except KeyboardInterrupt:
        if debug:
            raise
        return 130
    except BrokenPipeError:
        # Whoever read our output has left, as `head` does.
        _leave_stdout()
        return 0
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in _FULL:
            _leave_stdout()
            what = f"{error.filename or 'What there is to say'} cannot be written"
            return _report(LimpetError(what, error.strerror or ""), as_json=as_json)
        bug = LimpetError(
            f"A bug in Limpet: {type(error).__name__}: {error}", "", "run it again with --debug and report it"
        )
        return _report(bug, as_json=as_json, code=70)
    return code


def _leave_stdout() -> None:
    """Points standard output elsewhere, or the interpreter would report the rest of its buffer at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def _run(arguments: list[str]) -> int:
    leading = []
    while arguments and arguments[0].startswith("-"):
        word = arguments.pop(0)
        if word in {"-h", "--help"}:
            arguments[:0] = ["help"]
        elif word == "--version":
            return _print_version()
        elif word == "-f" or word in _WITH_VALUE:
            leading += ["--file" if word == "-f" else word, *arguments[:1]]
            del arguments[:1]
        else:
            leading.append(word)
    from limpet_shell import output

    if not arguments:
        output.write_error(usage())
        return 0
    verb, *rest = arguments
    if verb not in VERBS:
        from difflib import get_close_matches

        near = get_close_matches(verb, [known for known, facts in VERBS.items() if facts[1]], n=1)
        meant = f"; did you mean {near[0]}?" if near else ""
        output.write_error(f"{usage()}\n\nERROR: Unknown command {output.printable(verb)}{meant}")
        return 1
    command = load(verb)
    parsed = parser_of(verb, command).parse_args([*leading, *rest])
    output.configure(parsed.color)
    return command.run(parsed)


def load(verb: str) -> "Command":
    """The module of a verb."""
    name = f"limpet_shell.commands.{VERBS[verb][0]}"
    __import__(name)
    module: Command = sys.modules[name]
    return module


def parser_of(verb: str, command: "Command") -> "ArgumentParser":
    """The parser of a verb's arguments, common options included."""
    from argparse import ArgumentParser, RawDescriptionHelpFormatter

    from limpet_shell import output

    class Parser(ArgumentParser):
        def error(self, message: str) -> "NoReturn":
            text = message[:1].upper() + message[1:]
            raise UsageError(text, todo=f"see: {program()} {verb} --help")

    class Formatter(RawDescriptionHelpFormatter):
        def __init__(self, prog: str) -> None:
            super().__init__(prog, width=min(output.columns(), 100))  # without a width it imports shutil

        def _fill_text(self, text: str, width: int, indent: str) -> str:
            from limpet_shell.fitting import flowed

            return "\n".join(f"{indent}{line}".rstrip() for line in flowed(text, width - len(indent)))

    parser = Parser(
        prog=f"{program()} {verb}",
        description=(sys.modules[f"limpet_shell.commands.{VERBS[verb][0]}"].__doc__ or "").strip(),
        formatter_class=Formatter,
        conflict_handler="resolve",
        allow_abbrev=False,
    )
    common = parser.add_argument_group("common options")
    common.add_argument(
        "-f", "--file", metavar="FILE", help="the configuration: pyproject.toml or limpet.toml"
    )
    common.add_argument("--directory", metavar="DIR", help="the project's directory, in place of this one")
    common.add_argument("--release", metavar="NAME", help="which of the project's releases")
    common.add_argument("--node", metavar="NAME", help="a running node by its name, from any directory")
    common.add_argument("--color", choices=("auto", "always", "never"), default="auto", help="colours")
    common.add_argument("--debug", action="store_true", help="show a traceback when something fails")
    command.add_arguments(parser)
    return parser


def program() -> str:
    """What the user typed to get here: the release's boot script, or limpet."""
    return os.environ.get("RELEASE_PROG") or "limpet"


def usage() -> str:
    """The text of `help` without a verb."""
    released = "RELEASE_ROOT" in os.environ
    lines = [f"Usage: {program()} COMMAND [ARGUMENTS]"]
    for group, heading in GROUPS.items():
        lines += ["", f"{heading}:"]
        lines += [
            f"  {verb:<12}{text}"
            for verb, (_, place, text) in VERBS.items()
            if place == group and not (released and verb in NEEDS_PROJECT)
        ]
    return "\n".join([*lines, "", f"{program()} COMMAND --help says more of one."])


def _print_version() -> int:
    from limpet_shell import output
    from limpet_supervisor import __version__

    output.write(f"limpet {__version__}")
    return 0


def _report(error: LimpetError, *, as_json: bool, code: int | None = None) -> int:
    """Says what failed, on standard error; returns the exit code."""
    from limpet_shell import output

    exit_code = error.exit_code if code is None else code
    if as_json:
        facts: dict[str, object] = {
            "schema": 1,
            "error": type(error).__name__,
            "what": error.what,
            "why": error.why,
            "todo": error.todo,
            "exit_code": exit_code,
        }
        if isinstance(error, ConfigError):
            facts["problems"] = error.problems
        output.write_json(facts, stream=sys.stderr)
    else:
        color = output.painter(sys.stderr)
        first, *rest = str(error).split("\n")
        lines = (output.printable_line(line) for line in rest)
        output.write_error(
            "\n".join((f"{color('limpet:', 'bold red')} {output.printable_line(first)}", *lines))
        )
    return exit_code
