"""What the application has for the node: asked for when a process says that there is something new.

A process may say so many times in a moment (each check that is registered, each handler that fails): it is
asked once, and once more if it has said so meanwhile.
"""

from collections.abc import Callable
from typing import Final

from limpet_supervisor.runtime.agents import AgentConnection
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire.agent import AgentAnswer

_PAUSE: Final = 0.05
"""Seconds between two questions to one process."""


class Wants:
    """Asks processes what they have.

    Args:
        checks: called with the names of a process's checks.
        telemetry: called with a process that uses telemetry, whenever it has something new.
    """

    def __init__(
        self,
        reactor: Reactor,
        *,
        checks: Callable[[AgentConnection, list[str]], None],
        telemetry: Callable[[AgentConnection], None],
    ) -> None:
        self.telemetry: set[AgentConnection] = set()
        """Agents of processes that use limpet.telemetry."""
        self._reactor = reactor
        self._on_checks = checks
        self._on_telemetry = telemetry
        self._asked: dict[AgentConnection, bool] = {}
        """Those that are being asked, or were within the pause; and whether they have said more since."""

    def wanted(self, connection: AgentConnection) -> None:
        """A process has something new."""
        if connection in self._asked:
            self._asked[connection] = True
            return
        self._asked[connection] = False

        def served(answer: AgentAnswer) -> None:
            if not answer.re:
                return
            self._take(connection, answer.data)
            self._reactor.call_later(_PAUSE, lambda: self._again(connection))

        connection.request("serve", served)

    def lost(self, connection: AgentConnection) -> None:
        """The process is gone."""
        self._asked.pop(connection, None)
        self.telemetry.discard(connection)

    def _again(self, connection: AgentConnection) -> None:
        if self._asked.pop(connection, False):
            self.wanted(connection)

    def _take(self, connection: AgentConnection, data: object) -> None:
        if connection not in self._asked or not isinstance(data, dict):
            return
        names = data.get("checks")
        if isinstance(names, list) and names:
            self._on_checks(connection, [name for name in names if isinstance(name, str)])
        if data.get("telemetry") is True:
            self.telemetry.add(connection)
            self._on_telemetry(connection)
