"""What the processes feel like from within, as their agents push it: measured only while somebody wants it.

Whoever wants vitals says of which agents; once a second each agent is told whether it is meant, so that one
that comes later, a fork's, is not forgotten.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Any, Final, NamedTuple

import msgspec

from limpet_supervisor.model.health import Vitals
from limpet_supervisor.runtime.agents import AgentConnection
from limpet_supervisor.runtime.reactor import Periodic
from limpet_supervisor.wire.agent import AgentAnswer

from .node import Node

_LOOK_EVERY: Final = 1.0
_LATE: Final = 1.0
"""Seconds by which our own look may be late; beyond, a callback took long, and nobody's silence is known."""
SILENT: Final = 2.0
"""Seconds beyond the limit of a loop without a push, of which there is one each second: the interpreter is
stuck, stopped, or gets no CPU."""

Wanted = Callable[[AgentConnection], bool]
Heard = Callable[[AgentConnection, Vitals], None]


class Felt(NamedTuple):
    """The last vitals of one agent."""

    at: float
    vitals: Vitals


class Hold:
    """Somebody's wish for vitals, and the agents that are measured for it.

    Args:
        wanted: whether an agent is meant.
        most: how many are, those that have come first; 0: all.
    """

    def __init__(self, wanted: Wanted, most: int) -> None:
        self.meant: frozenset[AgentConnection] = frozenset()
        self._wanted = wanted
        self._most = most

    def choose(self, connections: Iterable[AgentConnection]) -> None:
        """Chooses among the agents that are there, in the order in which they came."""
        wanted = (each for each in connections if each.is_process and self._wanted(each))
        self.meant = frozenset(islice(wanted, self._most or None))


class Monitor:
    """Asks agents for vitals, and keeps the last of each.

    Args:
        limit: seconds; an agent pushes at once when a loop has been blocked for longer.
    """

    def __init__(self, node: Node, limit: float) -> None:
        self.listeners: dict[object, Heard] = {}
        """Called with each push."""
        self.garbage = 0
        self._node = node
        self._limit = limit
        self._held: dict[object, Hold] = {}
        self._needed: set[AgentConnection | str] = set()
        self._felt: dict[AgentConnection, Felt] = {}
        self._since: dict[AgentConnection, float] = {}
        """When each agent that measures was asked to."""
        self._looked = 0.0
        """When each agent was looked at last."""
        self._look: Periodic | None = None

    def need(self, whose: AgentConnection | str) -> None:
        """Vitals are wanted of this agent, or of this instance's, as long as there is such a one."""
        if whose not in self._needed:
            self._needed.add(whose)
            self._go_on()

    def hold(self, key: object, wanted: Wanted, most: int = 0) -> None:
        """Vitals are wanted of the agents that `wanted` says yes to, until `release(key)`.

        Args:
            key: whose wish it is.
            wanted: whether an agent is meant.
            most: of so many, those that have come first; 0: of all.
        """
        self._held[key] = Hold(wanted, most)
        self._go_on()

    def means(self, key: object, connection: AgentConnection) -> bool:
        """Whether that agent is one of those that are measured for whoever holds."""
        held = self._held.get(key)
        return held is not None and connection in held.meant

    def release(self, key: object) -> None:
        """Whoever held wants them no more."""
        if self._held.pop(key, None) is not None:
            self._ask()

    def _go_on(self) -> None:
        if self._look is None:
            self._look = self._node.reactor.call_every(_LOOK_EVERY, self._ask)
        self._ask()

    def _ask(self) -> None:
        """Tells each agent whether it is meant. One look at each: they may be thousands, all with checks."""
        in_order = list(self._node.agents)
        here = set(in_order)
        now = self._node.reactor.now()
        if self._was_busy(now):
            # The silence was ours, and all begin anew.
            self._felt = {each: Felt(now, felt.vitals) for each, felt in self._felt.items()}
            self._since = dict.fromkeys(self._since, now)
        self._looked = now
        for gone in self._since.keys() - here:
            del self._since[gone]
            self._felt.pop(gone, None)
        instances = self._node.tree.instances
        self._needed = {each for each in self._needed if each in here or each in instances}
        if self._look is not None and not (self._held or self._needed):
            self._look.cancel()
            self._look = None
        held = tuple(self._held.values())
        for each in held:
            each.choose(in_order)
        needed = self._needed
        for connection in in_order:
            on = (
                connection in needed
                or connection.process in needed
                or any(connection in each.meant for each in held)
            )
            if on is (connection in self._since) or not connection.is_process:
                continue
            if on:
                self._since[connection] = now
            else:
                del self._since[connection]
                self._felt.pop(connection, None)
            connection.request("vitals", _nothing, on=on, limit=self._limit)

    def _was_busy(self, now: float) -> bool:
        """Whether one of our callbacks took long, or was paused in.

        In any other pause the loop's clock stands still (`Reactor.now`): for the looks there is a timer.
        """
        return now - self._looked > _LOOK_EVERY + _LATE

    def pushed(self, connection: AgentConnection, data: Any) -> None:
        """An agent has told its vitals."""
        if connection not in self._since:
            return
        try:
            vitals = msgspec.convert(data, Vitals)
        except msgspec.ValidationError:
            self.garbage += 1
            return
        self._felt[connection] = Felt(self._node.reactor.now(), vitals)
        for heard in list(self.listeners.values()):
            heard(connection, vitals)

    def felt(self, connection: AgentConnection) -> Vitals | None:
        """The last vitals of an agent; None if it does not measure, or has not told yet."""
        found = self._felt.get(connection)
        return found.vitals if found is not None else None

    def blocked(self, connection: AgentConnection, limit: float | None = None) -> tuple[float, str] | None:
        """Seconds for which its loop has been blocked, or its interpreter silent, and what is known of it.

        None: nothing is known. 0: it is not, or not for longer than `limit` (default: the configured one).
        """
        limit = self._limit if limit is None else limit
        now = self._node.reactor.now()
        if self._was_busy(now):
            return None
        found = self._felt.get(connection)
        if found is None:
            since = self._since.get(connection)
            # Until its first push it has time to load what it is asked for.
            if since is None or now - since < limit + 2 * SILENT:
                return None
            return now - since, "its interpreter does not answer: stuck in C, stopped, or without a CPU"
        silent = now - found.at
        if silent > limit + SILENT:
            return silent, "its interpreter does not answer: stuck in C, stopped, or without a CPU"
        lag = found.vitals.lag
        if lag is None or lag.now <= limit:
            return 0.0, ""
        place = f" in {found.vitals.blocked_in}" if found.vitals.blocked_in else ""
        return lag.now + silent, f"its event loop is blocked{place}"

    def worst(self, name: str) -> Vitals | None:
        """The vitals of an instance, of all its agents the worst each."""
        found = [felt.vitals for each in self._node.agents.of(name) if (felt := self._felt.get(each))]
        if not found:
            return None
        return Vitals(
            lag=max((each.lag for each in found if each.lag), key=lambda lag: lag.max, default=None),
            loops=sum(each.loops for each in found),
            blocked_in=next((each.blocked_in for each in found if each.blocked_in), ""),
            gil_wait=max(
                (each.gil_wait for each in found if each.gil_wait), key=lambda wait: wait.max, default=None
            ),
            gc=max((each.gc for each in found), key=lambda gc: gc.pause),
        )


def _nothing(_answer: AgentAnswer) -> None:
    """What counts is what is pushed then."""
