"""What a node knows of failing handlers when a process cannot say at once which there are."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.daemon import quarantine
from limpet_supervisor.daemon.changes import Changes
from limpet_supervisor.daemon.quarantine import Quarantine
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire.agent import AgentAnswer
from support.loop import turn_until

FAILING = {
    "id": "totals",
    "events": ["shop.order"],
    "quarantined": True,
    "failed": 1,
    "missed": 0,
    "reason": "KeyError: 1",
    "at": 1.0,
}


class Agent:
    """A process that refuses a few requests, as one does whose threads all wait for a disk."""

    process = "web.1"
    pid = 71

    def __init__(self, reactor: Reactor, refusals: int) -> None:
        self.asked = 0
        self._reactor = reactor
        self._refusals = refusals

    def request(self, op: str, heard: Any) -> int:
        assert op == "failures"
        self.asked += 1
        if self.asked <= self._refusals:
            answer = AgentAnswer(id=self.asked, re="error", error="16 requests wait")
        else:
            answer = AgentAnswer(id=self.asked, re="failures", data=[FAILING])
        self._reactor.call_soon(lambda: heard(answer))
        return self.asked

    def forget(self, request: int) -> None:
        raise AssertionError(f"{request} has been answered")


class World:
    """A node with one such process."""

    def __init__(self, refusals: int) -> None:
        self.reactor = Reactor()
        self.agent: Any = Agent(self.reactor, refusals)
        self.told: list[str] = []
        node: Any = SimpleNamespace(
            reactor=self.reactor,
            agents=SimpleNamespace(of=lambda _name: [self.agent]),
            publish=lambda kind, *_: self.told.append(kind),
        )
        self.quarantine = Quarantine(node, Changes(self.reactor), lambda _each: "web.1")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(quarantine, "_AGAIN", 0.01)
    made = World(refusals=2)
    yield made
    made.reactor.close()


def test_a_process_that_refuses_to_say_what_fails_is_asked_again_until_it_does(world: World) -> None:
    world.quarantine.look(world.agent)
    turn_until(world.reactor, lambda: world.told)
    (failure,) = world.quarantine.of("web.1")
    assert (failure.what, failure.quarantined) == ("telemetry handler totals", True)
    assert world.told == ["handler_failed"]
    assert world.agent.asked == 3


def test_of_a_process_that_is_gone_nothing_is_asked_again(world: World) -> None:
    world.quarantine.look(world.agent)
    world.reactor.turn()
    (timer,) = world.quarantine._again.values()
    world.quarantine.lost(world.agent)
    assert timer.callback is None
    assert not world.quarantine._again
