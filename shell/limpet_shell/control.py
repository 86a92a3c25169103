"""The commands that begin with `:` at the console, which are those of `ctl` too: one table for both.

A command turns its words into requests; what answers them becomes lines by `show`. Those that are the
console's own business (use, all, help, quit) have no `build`.
"""

import os
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from limpet_shell import looks, render
from limpet_shell.output import columns, printable
from limpet_supervisor.errors import UsageError
from limpet_supervisor.wire import messages
from limpet_supervisor.wire.messages import AnyItem, AnyReply, Request

Build = Callable[[list[str]], list[Request]]
Show = Callable[[AnyItem | AnyReply], list[str]]


class ControlCommand(NamedTuple):
    """One command: its name, its arguments as help shows them, what it does, and its requests."""

    name: str
    arguments: str
    help: str
    build: Build | None


def _names(words: list[str], usage: str) -> list[str]:
    if not words:
        raise UsageError("Which process?", todo=f"say: {usage}")
    for word in words:
        if word.startswith("-"):
            raise UsageError(f"{usage.partition(' ')[0]} does not know {word}", todo=f"say: {usage}")
    return words


def _option(words: list[str], *flags: str) -> tuple[str | None, list[str]]:
    """The value that follows one of `flags`, and the other words."""
    for k, word in enumerate(words):
        if word in flags:
            if k + 1 == len(words):
                raise UsageError(f"{word} wants a value")
            return words[k + 1], words[:k] + words[k + 2 :]
    return None, words


def _switch(words: list[str], *flags: str) -> tuple[bool, list[str]]:
    return any(word in flags for word in words), [word for word in words if word not in flags]


def _count(text: str | None, default: int) -> int:
    if text is None:
        return default
    if not text.isdigit():
        raise UsageError(f"-n wants a number, not {text!r}")
    return int(text)


def _ps(words: list[str]) -> list[Request]:
    return [messages.Status(names=tuple(words))]


def _tree(words: list[str]) -> list[Request]:
    if words:
        raise UsageError("tree takes no arguments")
    return [messages.Tree()]


def _logs(words: list[str]) -> list[Request]:
    from .logs.choice import of_words

    return [of_words(words).request()]


def _events(words: list[str]) -> list[Request]:
    last, words = _option(words, "-n", "--last")
    follow, words = _switch(words, "-f", "--follow")
    if words:
        raise UsageError(f"events does not know {words[0]!r}", todo="say: events [-f] [-n N]")
    return [messages.Events(last=_count(last, 20), follow=follow)]


def _lints(words: list[str]) -> list[Request]:
    if words:
        raise UsageError("lints takes no arguments")
    return [messages.Lints()]


def _level(words: list[str]) -> list[Request]:
    from .logs.loggers import request

    return [request(words)]


def _restart(words: list[str]) -> list[Request]:
    return [messages.RestartProcess(name=name) for name in _names(words, "restart NAME…")]


def _stop(words: list[str]) -> list[Request]:
    return [messages.StopProcess(name=name) for name in _names(words, "stop NAME…")]


def _start(words: list[str]) -> list[Request]:
    return [messages.StartProcess(name=name) for name in _names(words, "start NAME…")]


def _remove(words: list[str]) -> list[Request]:
    return [messages.RemoveProcess(name=name) for name in _names(words, "remove NAME…")]


def _health(words: list[str]) -> list[Request]:
    return [messages.Health(names=tuple(words))]


def _why(words: list[str]) -> list[Request]:
    return [messages.Why(name=name) for name in _names(words, "why NAME…")]


def _stacks(words: list[str]) -> list[Request]:
    native, words = _switch(words, "--native")
    return [messages.Stacks(name=name, native=native) for name in _names(words, "stacks NAME…")]


_PROFILE: Final = "NAME [TIME] [-o FILE] [--rate N] [--native] [--gil] [--all]"


def _profile(words: list[str]) -> list[Request]:
    usage = f"profile {_PROFILE}"
    rate, words = _option(words, "--rate")
    path, words = _option(words, "-o", "--output")
    native, words = _switch(words, "--native")
    gil, words = _switch(words, "--gil")
    every, words = _switch(words, "--all")
    name, *rest = _names(words, usage)
    if len(rest) > 1:
        raise UsageError(f"profile does not know {rest[1]!r}", todo=f"say: {usage}")
    from limpet_supervisor.model.units import Duration

    try:
        seconds = float(Duration.parse(rest[0])) if rest else 10.0
        samples = float(rate or 100)
    except ValueError as error:
        raise UsageError(f"{' '.join(words)}: {error}", todo=f"say: {usage}") from None
    if path is not None:
        from limpet_shell import profiles

        profiles.check_writable(os.path.expanduser(path))
    return [messages.Profile(name=name, seconds=seconds, rate=samples, native=native, gil=gil, every=every)]


def _scale(words: list[str]) -> list[Request]:
    if len(words) != 2 or not words[1].lstrip("+-").isdigit():
        raise UsageError("scale wants a process and a number", todo="say: scale web 4, or scale web +1")
    return [messages.Scale(name=words[0], to=words[1])]


def _signal(words: list[str]) -> list[Request]:
    if len(words) < 2:
        raise UsageError("signal wants a signal and a process", todo="say: signal HUP web")
    number = words[0].upper().removeprefix("SIG")
    return [messages.Signal(name=name, signal=number) for name in words[1:]]


def _add(words: list[str]) -> list[Request]:
    if len(words) < 2:
        raise UsageError("add wants a name and keys", todo="say: add echo 'command=[\"cat\"]' instances=2")
    return [messages.AddProcess(name=words[0], table=dict(_key(word) for word in words[1:]))]


def _key(word: str) -> tuple[str, Any]:
    """`key=value`: the value as TOML, or as the text it is."""
    import tomllib

    key, equals, value = word.partition("=")
    if not (key and equals):
        raise UsageError(f"{word!r} is not KEY=VALUE")
    try:
        return key, tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key, value


LOOKS: Final = tuple(look.name for look in looks.LOOKS)
"""Commands that look into a process."""
_OF_ONE: Final = (
    messages.RestartProcess,
    messages.StopProcess,
    messages.StartProcess,
    messages.RemoveProcess,
    messages.Signal,
    messages.Why,
)
COMMANDS: Final = {
    command.name: command
    for command in (
        ControlCommand("ps", "[NAME…]", "a line for each process", _ps),
        ControlCommand("tree", "", "the supervision tree, with forks and children", _tree),
        ControlCommand("use", "NAME", "evaluate in another process from now on", None),
        ControlCommand("all", "[NAME] EXPR", "in every process (of NAME); equal answers together", None),
        ControlCommand(
            "logs",
            "[NAME…] [-f] [-n N] [--since TIME] [--level LEVEL] [--grep REGEX]",
            "the processes' output in the order of time",
            _logs,
        ),
        ControlCommand(
            "level",
            "NAME [LOGGER LEVEL|reset [TIME]]",
            "levels of loggers; one is set for a time (5m)",
            _level,
        ),
        ControlCommand("events", "[-f] [-n N]", "what happened", _events),
        ControlCommand("health", "[NAME…]", "is all well? Limpet's checks and the application's", _health),
        ControlCommand("why", "NAME…", "why a process is in its state, and its last deaths", _why),
        ControlCommand("lints", "", "what is wrong with the running system, or will be soon", _lints),
        ControlCommand("stacks", "NAME… [--native]", "what a process is doing, whether it answers", _stacks),
        ControlCommand(
            "profile",
            _PROFILE,
            "where it spends its time (10s of it); -o saves it",
            _profile,
        ),
        *(
            ControlCommand(look.name, look.arguments, look.help, partial(looks.requests, look))
            for look in looks.LOOKS
        ),
        ControlCommand("restart", "NAME…", "stop and start a process; waits until it is ready", _restart),
        ControlCommand("stop", "NAME…", "stop a process; waits until nothing of it is left", _stop),
        ControlCommand("start", "NAME…", "start a stopped process; waits until it is ready", _start),
        ControlCommand("scale", "NAME N|+N|-N", "set the number of a process's instances", _scale),
        ControlCommand("signal", "SIGNAL NAME…", "send a signal to a process", _signal),
        ControlCommand("add", "NAME KEY=VALUE…", "add a process, with the keys of its table", _add),
        ControlCommand("remove", "NAME…", "stop a process and forget it", _remove),
        ControlCommand("observer", "[PAGE]", "the node in full screen; q comes back", None),
        ControlCommand("help", "[COMMAND…]", "this list; all about a command", None),
        ControlCommand("quit", "", "leave the console", None),
    )
}


def parse(words: list[str]) -> tuple[ControlCommand, list[str]]:
    """The command that the first word names (in full, or so that only one is meant), and its arguments.

    Raises:
        UsageError: there is no such command, or several begin so.
    """
    if not words:
        raise UsageError("Which command?", todo="see: help")
    name, *rest = words
    if command := COMMANDS.get(name):
        return command, rest
    meant = [command for command in COMMANDS.values() if command.name.startswith(name)]
    if len(meant) == 1:
        return meant[0], rest
    if meant:
        raise UsageError(f"{name} may mean {', '.join(command.name for command in meant)}")
    from difflib import get_close_matches

    near = get_close_matches(name, COMMANDS, n=1)
    todo = f"did you mean {near[0]}?" if near else "see: help"
    raise UsageError(f"There is no command {name}", todo=todo)


def requests(command: ControlCommand, words: list[str], here: str = "") -> list[Request]:
    """What a command with these words asks for; `here` is the process that a look without a name is of.

    Raises:
        UsageError: the words mean nothing.
    """
    assert command.build is not None
    return [_at(here, request) for request in command.build(words)]


def _at(here: str, request: Request) -> Request:
    if isinstance(request, messages.Inspect | messages.Evaluate) and not request.process:
        from msgspec.structs import replace

        return replace(request, process=here)
    return request


def of_all(command: ControlCommand, words: list[str]) -> tuple[bool, list[str]]:
    """Whether a look or a tool is meant for every process, `--all`, and the other words."""
    return _switch(words, "--all") if command.name in LOOKS else (False, words)


def names_first(requests: list[Request]) -> messages.Status | None:
    """What to ask before several commands to processes: it fails if one of the names is wrong.

    Otherwise those before the wrong one would be done, and those after it not.
    """
    names = [request.name for request in requests if isinstance(request, _OF_ONE)]
    return messages.Status(names=tuple(names)) if len(names) > 1 else None


def split(text: str) -> list[str]:
    """The words of a command line, by the shell's quoting rules.

    Raises:
        UsageError: a quote is not closed.
    """
    import shlex

    try:
        return shlex.split(text)
    except ValueError as error:
        raise UsageError(f"{text}: {str(error).lower()}") from None


def shower(
    request: Request, words: list[str], paint: render.Paint, *, terminal: bool = True, as_json: bool = False
) -> Show:
    """What turns the answers to a command's request into lines, one after the other.

    Args:
        request: one of those that the command's words have become.
        words: these; of logs they say what is shown of what comes, of a profile where it is saved as well.
        paint: colours.
        terminal: control characters are escaped.
        as_json: of logs, an object a line.
    """
    if isinstance(request, messages.Logs):
        from .logs.choice import of_words
        from .logs.view import LogView

        view = LogView(of_words(words), paint, terminal=terminal, as_json=as_json)

        def logs(answer: AnyItem | AnyReply) -> list[str]:
            note = view.note(answer)
            return view.take(answer) + ([paint(note, "yellow")] if note and not as_json else [])

        return logs
    path, _ = _option(words, "-o", "--output") if isinstance(request, messages.Profile) else (None, words)
    if path is not None:
        return lambda answer: [*show(answer, request, paint, terminal=terminal), *_saved(answer, path)]
    return lambda answer: show(answer, request, paint, terminal=terminal)


def _saved(answer: AnyItem | AnyReply, path: str) -> list[str]:
    """Saves a profile; says so."""
    if not isinstance(answer, messages.ProfileReply):
        return []
    from limpet_shell import profiles

    kind = profiles.format_of(path)
    profiles.save(os.path.expanduser(path), profiles.content(answer.profiles, kind, lines=False))
    return [f"saved to {printable(path)} ({kind})"]


def show(
    answer: AnyItem | AnyReply,
    request: Request,
    paint: render.Paint,
    *,
    terminal: bool = True,
) -> list[str]:
    """The lines that an answer to a command's request is for a person."""
    match answer:
        case messages.StatusReply():
            return render.status_lines(answer, paint, columns() if terminal else None)
        case messages.TreeReply(root=root):
            return render.tree_lines(root, paint)
        case messages.HealthReply():
            return render.health_lines(answer, paint)
        case messages.WhyReply():
            return render.why_lines(answer, paint)
        case messages.StacksReply():
            from limpet_shell import stacks

            return stacks.stacks_lines(answer, paint)
        case messages.ProfileReply(profiles=profiles):
            from limpet_shell.profiles import profile_lines

            return profile_lines(profiles, paint)
        case messages.LevelReply():
            from .logs.loggers import level_lines

            return level_lines(answer, paint)
        case messages.LintsReply(findings=findings):
            return render.lint_lines(findings, paint)
        case messages.EvaluateReply():
            return looks.lines(answer, columns() if terminal else None)
        case messages.OutputItem(text=text):
            return [printable(line) for line in text.removesuffix("\n").split("\n")]
        case messages.EventItem(event=event):
            return [render.event_line(event, paint)]
        case messages.LogItem():
            alone = isinstance(request, messages.Logs) and [answer.process] == list(request.names)
            return render.log_lines(answer, paint, prefix=not alone, terminal=terminal)
        case messages.StreamEnd(dropped=dropped) if dropped:
            return [paint(f"({dropped} lines were dropped: they came faster than they were read)", "yellow")]
        case messages.Done(text=text) if text:
            return [printable(line) for line in text.split("\n")]
        case _:
            return []
