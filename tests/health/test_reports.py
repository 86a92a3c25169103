"""What processes report, as long as they are there."""

import gc
import weakref
from types import SimpleNamespace
from typing import Any

from limpet_supervisor.daemon.counts import Counts
from limpet_supervisor.daemon.reports import Reports
from limpet_supervisor.model.spec import HealthSpec
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire.agent import AgentAnswer
from support.loop import turn_until


class Agent:
    """A process with a check, whose agent answers at once."""

    is_process = True
    process = "web.1"
    pid = 71

    def request(self, op: str, heard: Any, **_parameters: object) -> int:
        if op == "serve":
            heard(AgentAnswer(id=1, re="served", data={"checks": ["database"], "telemetry": True}))
        return 1

    def forget(self, request: int) -> None:
        """Nothing is on its way."""


class Agents(list[Agent]):
    on_lost: Any = None

    def of(self, _process: str) -> list[Agent]:
        return list(self)


def test_nothing_is_kept_of_a_process_that_is_gone_though_nobody_asks_for_health() -> None:
    """Of workers that are recycled each minute, results piled up until the next look at /health."""
    reactor = Reactor()
    agents = Agents()
    node: Any = SimpleNamespace(
        reactor=reactor,
        agents=agents,
        spec=SimpleNamespace(health=HealthSpec()),
        processes=SimpleNamespace(running={}),
        tree=SimpleNamespace(instances={}, members={}),
        conditions={},
        publish=lambda *_: None,
    )
    observer: Any = SimpleNamespace()
    reports = Reports(
        node, observer, counts=Counts(), directories=(), control=lambda: None, log=lambda _text: None
    )
    agent: Any = Agent()
    agents.append(agent)
    reports.pushed(agent, "want", None)
    reports.pushed(agent, "vitals", {"lag": {"now": 2.0}, "loops": 1})
    reports.pushed(agent, "health", {"check": "database", "status": "failing", "reason": "refused"})
    kept = weakref.ref(agent)
    agents.remove(agent)
    agents.on_lost(agent)
    reports.monitor._ask()
    del agent
    # It is not asked again for a moment, and a timer of that is still to come.
    turn_until(reactor, lambda: gc.collect() >= 0 and kept() is None)
    reactor.close()
