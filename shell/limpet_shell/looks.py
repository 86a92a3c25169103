"""What can be seen in a live process, as commands of `ctl` and the console: `tasks web.1 by=coroutine`.

A new look takes a line of `LOOKS`; its name and options are those of the function in the process.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from limpet_shell.output import printable
from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError, TimedOut, UsageError
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
        if not equals:
            bare.append(word)
        elif key in look.options:
            arguments[key] = _value(word, look.options[key], value, usage)
        else:
            raise UsageError(f"{look.name} does not know {key}", todo=usage)
    if look.takes and look.takes not in arguments:
        if not bare:
            raise UsageError(f"{look.name} wants {look.takes.upper()}", todo=usage)
        arguments[look.takes] = bare.pop()
    if len(bare) > 1 or any(word.startswith("-") for word in bare):
        raise UsageError(f"{look.name} does not know {bare[-1]}", todo=usage)
    process = bare[0] if bare else ""
    if not look.tool:
        return [messages.Inspect(what=look.name, process=process, arguments=arguments)]
    given = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
    return [messages.Evaluate(source=f"{look.name}({given})", process=process)]


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


def lines(reply: messages.EvaluateReply) -> list[str]:
    """What it has found, for a person.

    Raises:
        LimpetError: it failed.
    """
    check(reply)
    return [printable(line) for line in (reply.value or "").split("\n")]


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
