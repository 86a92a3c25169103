"""One evaluation in many processes at once: `rpc --all`, and `:all` of the console.

Every process has the deadline for itself. One that is not heard of a little after it, as its interpreter is
stuck in C, is reported as such, and the answers of the others are shown: nobody waits for it.
"""

import time
from collections.abc import Callable, Iterable
from typing import Final

from limpet_supervisor.client import Client, messages
from limpet_supervisor.client.sync import Stream
from limpet_supervisor.errors import LimpetError, NodeUnreachable, NoSuchProcess, TimedOut, UsageError

LATE: Final = 2.0
"""Seconds beyond the deadline for what was interrupted to say so."""

Ask = Callable[[str], messages.Request]
"""The request for a process of that name."""
Show = Callable[[str, messages.OutputItem], None]
"""What a process of that name has printed."""


def addressed(text: str, status: messages.StatusReply) -> tuple[str, str]:
    """What `:all` is followed by: the process, instance or member that it begins with, or none; the source.

    Raises:
        UsageError: there is no source.
    """
    first, _, rest = text.strip().partition(" ")
    known = {name for line in status.processes for name in (line.name, line.name.rpartition(".")[0])}
    where, source = (first, rest.strip()) if first in known or first in status.agents else ("", text.strip())
    if not source:
        raise UsageError("What in every process?", todo="say: all EXPR, or all PROCESS EXPR")
    return where, source


def targets(status: messages.StatusReply, where: str = "") -> list[str]:
    """Names of the processes with an agent: all of them, or those that `where` means.

    Raises:
        NoSuchProcess: there are none; says why.
    """
    if "/" in where and where in status.agents:
        return [where]
    lines = [
        line
        for line in status.processes
        if not where or where in (line.name, line.name.rpartition(".")[0], line.supervisor)
    ]
    if not lines:
        there = ", ".join(dict.fromkeys(line.name.rpartition(".")[0] for line in status.processes))
        raise NoSuchProcess(f"There is no process {where}", f"there are {there}" if there else "")
    found = [name for line in lines for name in line.agents]
    if not found:
        why = "; ".join(f"{line.name}: {line.agent_reason}" for line in lines if line.agent_reason)
        what = f"{where} has no agent" if where else "No process has an agent"
        raise NoSuchProcess(what, why, "see: status")
    return found


def failed(process: str, error: LimpetError, timeout: float | None = None) -> messages.EvaluateReply:
    """The answer for a process that the request did not reach, or that was not heard of in time."""
    late = isinstance(error, TimedOut)
    text = f"no answer within {timeout:g}s, nor to its interruption" if late else str(error)
    return messages.EvaluateReply(process=process, ok=False, error=text, timed_out=late)


def gather(
    client: Client, names: Iterable[str], ask: Ask, show: Show, timeout: float | None
) -> tuple[list[messages.EvaluateReply], bool]:
    """Asks all of them at once.

    The first Ctrl-C interrupts the evaluations, the second leaves.

    Args:
        client: the node.
        names: whom to ask.
        ask: makes the request for one.
        show: is told what they print, as it comes.
        timeout: the deadline that `ask` gives them.

    Returns:
        Their answers in the order of `names`, and whether Ctrl-C came.

    Raises:
        NodeUnreachable: the node went away.
        KeyboardInterrupt: the second Ctrl-C.
    """
    streams = {name: client.stream(ask(name)) for name in names}
    replies: dict[str, messages.EvaluateReply] = {}
    deadline = None if timeout is None else time.monotonic() + timeout + LATE
    interrupted = False
    while len(replies) < len(streams):
        waiting = {name: stream for name, stream in streams.items() if name not in replies}
        try:
            client.receive(waiting.values(), deadline)
            for name, stream in waiting.items():
                _read(name, stream, replies, show)
        except TimedOut as error:
            for name, stream in waiting.items():
                stream.close()
                replies[name] = failed(name, error, timeout)
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            deadline = time.monotonic() + LATE
            for stream in waiting.values():
                stream.cancel()
    return [replies[name] for name in streams], interrupted


def _read(name: str, stream: Stream, replies: dict[str, messages.EvaluateReply], show: Show) -> None:
    """Takes what has come from one of them."""
    while stream.answers and name not in replies:
        try:
            answer = next(stream)
        except NodeUnreachable:
            raise
        except LimpetError as error:
            replies[name] = failed(name, error)
            return
        match answer:
            case messages.OutputItem():
                show(name, answer)
            case messages.EvaluateReply():
                replies[name] = answer
            case _:
                pass
