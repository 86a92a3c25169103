"""The daemon's end of its agents: what one of them says badly costs nobody else."""

import os
import socket
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.stacks import ProcessProfile
from limpet_supervisor.runtime import profiler, pyspy
from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import agent as wire
from support.loop import turn_until


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    made = Reactor()
    yield made
    made.close()


def test_a_bug_in_who_takes_one_answer_costs_none_of_the_others(reactor: Reactor, tmp_path: Path) -> None:
    """What had come with it was lost: whoever waited for that waited for ever."""
    path = str(tmp_path / "a.sock")
    agents = Agents(reactor, path, bundle=lambda _python: b"", uids=frozenset(), owner=lambda _pid: None)
    bugs: list[Exception] = []
    reactor.on_error = bugs.append
    answered: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as agent:
        agent.connect(path)
        body = msgspec.json.encode(wire.Hello(os.getpid(), 1, "web.1", "3.11.7"))
        agent.sendall(len(body).to_bytes(4, "big") + body)
        turn_until(reactor, lambda: agents.of("web.1"))
        (connection,) = agents.of("web.1")
        first = connection.request("ping", lambda answer: answer.data["missing"])
        second = connection.request("ping", lambda answer: answered.append(answer.re))
        agent.sendall(wire.encode({"id": first, "re": "pong"}) + wire.encode({"id": second, "re": "pong"}))
        turn_until(reactor, lambda: answered)
        turn_until(reactor, lambda: bugs)
        assert not connection.closed
    assert answered == ["pong"]
    assert [type(bug) for bug in bugs] == [TypeError]
    agents.close()


@pytest.mark.parametrize(
    "data",
    [None, {}, {"stacks": 5, "samples": 1}, {"stacks": [["main", 1]], "samples": 1}, {"samples": "many"}],
)
def test_a_profile_that_means_nothing_is_a_failure_and_keeps_nobody_waiting(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch, data: Any
) -> None:
    told = _profiled(reactor, monkeypatch, data)
    assert isinstance(told, LimpetError)
    assert "cannot be read" in told.why


def test_a_stack_without_frames_is_none(reactor: Reactor, monkeypatch: pytest.MonkeyPatch) -> None:
    told = _profiled(reactor, monkeypatch, {"stacks": [[[], 1], [["main (a.py:1)"], 2]], "samples": 3})
    assert isinstance(told, ProcessProfile)
    assert told.stacks == ((("main (a.py:1)",), 2),)
    assert told.samples == 2


def _profiled(reactor: Reactor, monkeypatch: pytest.MonkeyPatch, data: Any) -> ProcessProfile | LimpetError:
    """What a profile is that the agent of a process answers so."""
    monkeypatch.setattr(pyspy, "find", lambda: None)

    def request(_op: str, heard: Any, **_parameters: object) -> int:
        reactor.call_soon(lambda: heard(wire.AgentAnswer(id=1, re="sampled", data=data)))
        return 1

    agent = SimpleNamespace(request=request, forget=lambda _request: None)
    ladder: Any = SimpleNamespace(reactor=reactor, traced=set(), agent=lambda _instance, _pid: agent)
    told: list[ProcessProfile | LimpetError] = []
    profiler.Profiling(
        ladder, "web.1", "web.1", os.getpid(), told.append, seconds=1, rate=100, native=False, gil=False
    )
    turn_until(reactor, lambda: told)
    return told[0]
