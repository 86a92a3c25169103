"""Handlers of the application's telemetry that fail, and what is polled for it: in `status`, and events.

A process says that something has changed (`limpet.telemetry.failures.changed`); it is then asked what fails.
Nothing is asked of one in which nothing ever failed.
"""

from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from limpet_supervisor.model.masking import masked_text
from limpet_supervisor.model.status import HandlerFailure
from limpet_supervisor.runtime.agents import AgentConnection
from limpet_supervisor.runtime.reactor import Timer
from limpet_supervisor.wire.agent import AgentAnswer

from .changes import Changes, Key, unsaid
from .node import Node

_MOST: Final = 100
_LONGEST: Final = 300
_AGAIN: Final = 5.0
"""Seconds after which a process is asked again that could not answer: a disk kept its threads, say."""


class Failure(Struct, frozen=True):
    """A failure as `limpet.telemetry.failures` has it."""

    id: str
    events: tuple[str, ...]
    quarantined: bool
    failed: int
    missed: int
    reason: str
    at: float


class Quarantine:
    """Knows what fails in which process.

    Args:
        changes: tells that something fails, and that it does so no more.
        name_of: `web.1`, or `web.1/4711` for a process below it.
    """

    def __init__(self, node: Node, changes: Changes, name_of: Callable[[AgentConnection], str]) -> None:
        self.garbage = 0
        self._node = node
        self._changes = changes
        self._name_of = name_of
        self._failures: dict[AgentConnection, tuple[HandlerFailure, ...]] = {}
        self._asked: dict[AgentConnection, int] = {}
        """Requests that wait for their answer."""
        self._again: dict[AgentConnection, Timer] = {}

    def look(self, connection: AgentConnection) -> None:
        """Asks a process that uses telemetry what fails in it."""

        def answered(answer: AgentAnswer) -> None:
            self._asked.pop(connection, None)
            if answer.re == "failures":
                self._take(connection, answer.data)
            elif answer.re == "error":  # what it has said of a change is not said again
                again = self._node.reactor.call_later(_AGAIN, lambda: self.look(connection))
                self._again[connection] = again

        # Race: two answers are made in threads of their own, and may overtake each other.
        if (before := self._asked.pop(connection, None)) is not None:
            connection.forget(before)
        self._ask_no_more(connection)
        self._asked[connection] = connection.request("failures", answered)

    def of(self, instance: str) -> tuple[HandlerFailure, ...]:
        """What has failed in the processes of an instance, as they last told."""
        return tuple(
            replace(failure, process=self._name_of(each))
            for each in self._node.agents.of(instance)
            for failure in self._failures.get(each, ())
        )

    def lost(self, connection: AgentConnection) -> None:
        """The process is gone, and its handlers with it."""
        self._failures.pop(connection, None)
        self._asked.pop(connection, None)
        self._ask_no_more(connection)

    def _ask_no_more(self, connection: AgentConnection) -> None:
        if (again := self._again.pop(connection, None)) is not None:
            again.cancel()

    def _take(self, connection: AgentConnection, data: object) -> None:
        try:
            told = msgspec.convert(data or [], list[Failure])[:_MOST]
        except msgspec.ValidationError:
            self.garbage += 1
            return
        process = self._name_of(connection)
        now = tuple(
            HandlerFailure(
                process=process,
                id=each.id[:_LONGEST],
                events=each.events,
                quarantined=each.quarantined,
                failed=each.failed,
                missed=each.missed,
                reason=masked_text(each.reason[:_LONGEST]),
                at=each.at,
            )
            for each in told
        )
        before = {each.id: each.failed for each in self._failures.get(connection, ())}
        if now:
            self._failures[connection] = now
        else:
            self._failures.pop(connection, None)
        here = {each.id for each in now}
        for gone in before.keys() - here:
            # Detached: it fails no more, and nobody can say that it works.
            self._changes.forget(connection, f"handler {gone}")
        for each in now:
            if each.failed > before.get(each.id, 0):  # also one that has recovered before it could be told of
                self._tell(connection, each, fails=True)
            self._tell(connection, each, fails=each.quarantined)

    def _tell(self, connection: AgentConnection, failure: HandlerFailure, *, fails: bool) -> None:
        def tell(fails: bool, untold: int) -> None:
            about, detail = failure.process, msgspec.to_builtins(failure)
            if fails:
                text = f"{about}: {failure.what} fails and is left out: {failure.reason}{unsaid(untold)}"
                self._node.publish("handler_failed", connection.process, text, connection.pid, detail)
            else:
                missed = f", {failure.missed:,} events in all were not told to it" if failure.missed else ""
                text = f"{about}: {failure.what} works again{missed}{unsaid(untold)}"
                self._node.publish("handler_recovered", connection.process, text, connection.pid, detail)

        self._changes.now(Key(connection, f"handler {failure.id}"), tell, fails=fails)
