"""What can be seen in a live process, as commands of `ctl` and the console: `tasks web.1 by=coroutine`.

A new look takes a line of `LOOKS`; its name and options are those of the function in the process.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from limpet_shell.fitting import fitted
from limpet_shell.output import printable
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError, NoSuchProcess, TimedOut, UsageError
from limpet_supervisor.model.units import Duration

TEXT: Final = "TEXT"
COUNT: Final = "N"
TIME: Final = "TIME"
SWITCH: Final = "true"
_WANTED: Final = {COUNT: "a number", TIME: "a time, such as 10s", SWITCH: "true or false"}


class Look(NamedTuple):
    """One look, or a tool that changes something or takes its time.

    Attributes:
        name: the command, and the function in the process.
        options: KEY=VALUE, by what the value is: TEXT, COUNT, TIME or SWITCH.
        help: what it shows.
        takes: the option that needs no KEY, and is needed.
        tool: it is evaluated; a look is passive, and who may only observe may ask for it.
    """

    name: str
    options: Mapping[str, str]
    help: str
    takes: str = ""
    tool: bool = False

    @property
    def arguments(self) -> str:
        """As help shows them."""
        options = [f"[{key}={kind}]" for key, kind in self.options.items() if key != self.takes]
        return " ".join(["[NAME]", *([self.takes.upper()] if self.takes else []), *options])


LOOKS: Final = (
    Look("tasks", {"filter": TEXT, "n": COUNT, "by": TEXT}, "asyncio tasks: where each waits, who for it"),
    Look("task", {"which": TEXT}, "one task: all that it awaits, with the variables", takes="which"),
    Look("timers", {"n": COUNT}, "what event loops have scheduled"),
    Look("loop", {}, "event loops: what is ready, scheduled, executed"),
    Look("threads", {}, "threads: processor time, state, where each is"),
    Look("greenlets", {"n": COUNT, "by": TEXT, "force": SWITCH}, "greenlets of gevent and eventlet"),
    Look("vitals", {"seconds": TIME}, "loop lag, waits for the GIL, pauses of the collector"),
    Look("mem", {"arenas": SWITCH}, "memory, and its limit"),
    Look("types", {"n": COUNT, "filter": TEXT, "force": SWITCH}, "how many objects of each type"),
    Look("instances", {"cls": TEXT, "n": COUNT, "force": SWITCH}, "objects of a class", takes="cls"),
    Look("gc_stats", {}, "the garbage collector"),
    Look("jobs", {}, "evaluations that run, those that were not waited for included"),
    Look("fds", {}, "open descriptors"),
    Look("sockets", {}, "sockets: ends, state, bytes that wait"),
    Look("environ", {"filter": TEXT}, "environment variables, secrets masked"),
    Look("modules", {"filter": TEXT, "n": COUNT}, "loaded modules and their versions"),
    Look("runtime_info", {"topic": TEXT}, "versions, memory, limits at a glance"),
    Look(
        "growth",
        {"seconds": TIME, "n": COUNT, "force": SWITCH},
        "types of which there are more after a while",
        tool=True,
    ),
    Look(
        "allocations",
        {"seconds": TIME, "depth": COUNT, "n": COUNT},
        "lines that keep memory; slows the process meanwhile",
        tool=True,
    ),
    Look("collect", {"generation": COUNT}, "run the garbage collector", tool=True),
    Look("cancel", {"which": TEXT}, "cancel a task", takes="which", tool=True),
    Look("kill_job", {"number": COUNT}, "interrupt an evaluation of whatever console", "number", tool=True),
    Look(
        "trace",
        {"what": TEXT, "limit": COUNT, "seconds": TIME, "where": TEXT, "returns": SWITCH, "stack": COUNT}
        | {"ask": SWITCH},
        "calls of module:function as they happen",
        takes="what",
        tool=True,
    ),
    Look(
        "snapshot",
        {"where": TEXT, "limit": COUNT, "seconds": TIME, "when": TEXT, "stack": COUNT, "ask": SWITCH},
        "variables and stack at module:line",
        takes="where",
        tool=True,
    ),
    Look(
        "watch",
        {"expression": TEXT, "seconds": TIME, "every": TIME},
        "an expression whenever its value changes",
        takes="expression",
        tool=True,
    ),
    Look(
        "patch",
        {"module": TEXT, "source": TEXT, "old": TEXT, "dry_run": SWITCH, "force": SWITCH},
        "exchange function bodies for those in the module's file; --all: in every instance",
        takes="module",
        tool=True,
    ),
    Look("undo", {"module": TEXT}, "take back the last patch", tool=True),
    Look("lingering", {"module": TEXT}, "what still runs code from before a patch", tool=True),
)
"""In the order of help."""


def requests(look: Look, words: list[str]) -> list[messages.Request]:
    """The request that a look's words mean; its process is empty if they name none.

    Raises:
        UsageError: they mean nothing.
    """
    usage = f"say: {look.name} {look.arguments}"
    arguments: dict[str, Any] = {}
    bare = []
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key.isidentifier() or value.startswith("="):  # an expression: len(x)==3
            bare.append(word)
        elif key in look.options:
            arguments[key] = _value(word, look.options[key], value, usage)
        else:
            raise UsageError(f"{look.name} does not know {key}", todo=usage)
    if look.takes and look.takes not in arguments:
        if not bare:
            raise UsageError(f"{look.name} wants {look.takes.upper()}", todo=usage)
        word = bare.pop()
        arguments[look.takes] = _value(word, look.options[look.takes], word, usage)
    if len(bare) > 1 or any(word.startswith("-") for word in bare):
        raise UsageError(f"{look.name} does not know {bare[-1]}", todo=usage)
    process = bare[0] if bare else ""
    if not look.tool:
        return [messages.Inspect(what=look.name, process=process, arguments=arguments)]
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return [messages.Evaluate(source=f"{look.name}({given})", process=process)]


def everywhere(asked: list[messages.Request], agents: Sequence[str]) -> list[messages.Request]:
    """The same for each of these processes that the name means, or for all; a patch is checked in all first.

    Raises:
        NoSuchProcess: it means none.
    """
    from msgspec.structs import replace

    found: list[messages.Request] = []
    for request in asked:
        if not isinstance(request, messages.Inspect | messages.Evaluate):
            raise UsageError("--all is for what looks into a process")
        name = request.process
        names = [
            each for each in agents if not name or each == name or each.startswith((f"{name}.", f"{name}/"))
        ]
        if not names:
            raise NoSuchProcess(f"No process {name} has an agent".replace("  ", " "), todo="see: status")
        if isinstance(request, messages.Evaluate) and request.source.startswith("patch("):
            first = replace(request, source=f"check_{request.source}")
            found += [replace(first, process=each) for each in names]
        found += [replace(request, process=each) for each in names]
    return found


def title(request: messages.Request) -> str:
    """What stands above an answer, if there are several."""
    if isinstance(request, messages.Evaluate) and request.source.startswith("check_"):
        return f"{request.process}, checked:"
    return f"{getattr(request, 'process', '')}:"


def _value(word: str, kind: str, text: str, usage: str) -> Any:
    try:
        match kind:
            case "N":
                return int(text)
            case "TIME":
                return float(Duration.parse(text))
            case "true":
                return {"true": True, "false": False}[text.lower()]
            case _:
                return text
    except (ValueError, KeyError):
        raise UsageError(f"{word}: {text!r} is not {_WANTED[kind]}", todo=usage) from None


def lines(reply: messages.EvaluateReply, width: int | None = None) -> list[str]:
    """What it has found, for a person; tables are cut to `width` columns.

    Raises:
        LimpetError: it failed.
    """
    check(reply)
    text = reply.value or ""
    return [printable(line) for line in (fitted(text, reply.data, width) if width else text).split("\n")]


def facts(reply: messages.EvaluateReply) -> dict[str, Any]:
    """What it has found, for a machine.

    Raises:
        LimpetError: it failed.
    """
    check(reply)
    data = reply.data if reply.data is not None else {"text": reply.value}
    return {"schema": 1, "process": reply.process, "data": data}


def check(reply: messages.EvaluateReply) -> None:
    """Raises what failed, if it did: the last line of the traceback, which is what a look says itself.

    Raises:
        LimpetError: it failed.
    """
    if reply.ok:
        return
    said = (reply.error or "it failed").strip().splitlines()[-1]
    kind, colon, text = said.partition(": ")
    why = text if colon and kind.isidentifier() else said
    raise (TimedOut if reply.timed_out else LimpetError)(f"{reply.process} cannot tell", why)
