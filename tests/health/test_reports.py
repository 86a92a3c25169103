"""What processes report, as long as they are there."""

import gc
import threading
import weakref
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.daemon import figures
from limpet_supervisor.daemon.counts import Counts
from limpet_supervisor.daemon.reports import Reports
from limpet_supervisor.model.spec import HealthSpec, Liveness
from limpet_supervisor.model.status import Event, NodeState
from limpet_supervisor.runtime import aside, host
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire.agent import AgentAnswer
from support.loop import turn_until

NAMES = ("web.1", "web.2", "job.1")


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
        subscribers={},
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


def test_a_disk_that_hangs_takes_no_figures_away(monkeypatch: pytest.MonkeyPatch) -> None:
    reactor = Reactor()
    released = threading.Event()
    looked = threading.Event()

    def hang(*_directories: str) -> tuple[()]:
        looked.set()
        released.wait(60)
        return ()

    monkeypatch.setattr(host, "limits", hang)
    monkeypatch.setattr(aside, "_WITHIN", 60.0)
    node: Any = SimpleNamespace(
        reactor=reactor,
        agents=Agents(),
        spec=SimpleNamespace(health=HealthSpec()),
        processes=SimpleNamespace(running={}),
        tree=SimpleNamespace(instances={}, members={}, in_order=list),
        subscribers={},
    )
    observer: Any = SimpleNamespace()
    reports = Reports(
        node, observer, counts=Counts(), directories=(), control=lambda: None, log=lambda _text: None
    )
    known: list[bool] = []
    reports.health.limits.look(lambda: known.append(True))
    turn_until(reactor, looked.is_set)
    taken: list[object] = []
    monkeypatch.setattr(figures, "_FRESH", -1.0)  # one is asked for anew
    reports.sampler.take(taken.append, taken.append)
    turn_until(reactor, lambda: taken)
    assert isinstance(taken[0], figures.Taken)
    assert not known
    released.set()
    turn_until(reactor, lambda: known)
    reactor.close()


def test_a_process_has_been_ready_once_all_of_its_instances_have_that_shall_run() -> None:
    """Looked at as it happens, and of the one that it happens to: at each change all were gone through."""
    reactor = Reactor()
    looked: list[str] = []

    class Instances(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            looked.append(name)
            return super().__getitem__(name)

    instances = Instances(
        {name: SimpleNamespace(process=name.partition(".")[0], ready=False, wanted=True) for name in NAMES}
    )
    node: Any = SimpleNamespace(
        reactor=reactor,
        agents=Agents(),
        spec=SimpleNamespace(health=HealthSpec()),
        processes=SimpleNamespace(running={}),
        tree=SimpleNamespace(instances=instances, members={"web": NAMES[:2], "job": NAMES[2:]}),
        subscribers={},
    )
    observer: Any = SimpleNamespace()
    health = Reports(
        node, observer, counts=Counts(), directories=(), control=lambda: None, log=lambda _text: None
    ).health

    def happens(kind: str, name: str) -> None:
        looked.clear()
        for heard in node.subscribers.values():
            heard(Event(at=0.0, kind=kind, process=name, pid=None, text="", detail={}))

    instances["web.1"].ready = True
    happens("ready", "web.1")
    assert not health.has_been_ready("web")
    assert "job.1" not in looked
    instances["web.2"].wanted = False
    happens("stopped", "web.2")
    assert health.has_been_ready("web")
    instances["web.1"].ready = False
    happens("exited", "web.1")
    assert health.has_been_ready("web")
    node.tree.members.pop("web")
    happens("removed", "web.1")
    assert not health.has_been_ready("web")
    assert not health.has_been_ready("job")
    reactor.close()


def test_a_check_that_must_be_there_is_unknown_until_its_process_has_told_of_it() -> None:
    """Just after a boot or a restart all was said to be well: nobody had said otherwise yet."""
    reactor = Reactor()
    now = [1000.0]
    reactor.now = lambda: now[0]  # type: ignore[method-assign]
    agents = Agents()
    instance = SimpleNamespace(
        name="web.1", process="web", pid=71, started_at=1000.0, ready=True, wanted=True, outcome=None
    )
    spec = SimpleNamespace(liveness=None)
    node: Any = SimpleNamespace(
        reactor=reactor,
        agents=agents,
        spec=SimpleNamespace(health=HealthSpec()),
        spec_of=lambda _instance: spec,
        processes=SimpleNamespace(running={}),
        tree=SimpleNamespace(
            instances={"web.1": instance}, members={"web": ("web.1",)}, in_order=lambda: [instance]
        ),
        subscribers={},
        state=NodeState.RUNNING,
        deaths={},
        publish=lambda *_: None,
    )
    observer: Any = SimpleNamespace()
    reports = Reports(
        node, observer, counts=Counts(), directories=(), control=lambda: None, log=lambda _text: None
    )

    def unwell() -> list[tuple[str, str]]:
        return [(line.check, line.reason) for line in reports.health.lines() if not line.is_well]

    assert unwell() == []
    spec.liveness = Liveness("health", "database")
    assert unwell() == [("database", "nothing has been heard of it yet")]
    assert reports.health.judge("web.1", spec.liveness)[0] is None, "nobody is restarted for it"
    agent: Any = Agent()
    agents.append(agent)
    reports.pushed(agent, "want", None)
    assert unwell() == [("database", "it has not run yet")]
    reports.pushed(agent, "health", {"check": "database", "status": "ok"})
    reports.pushed(agent, "health", {"check": "cache", "status": "ok", "critical": False})
    reports.pushed(agent, "health", {"check": "queue", "status": "ok"})
    assert unwell() == []
    # Its next life: what it had before is waited for, a while; what is configured for ever.
    agents.remove(agent)
    agents.on_lost(agent)
    assert [check for check, _ in unwell()] == ["database", "queue"]
    now[0] += 11.0
    assert [check for check, _ in unwell()] == ["database"]
    # Of workers whose checks have names of their own, not all that ever were are kept.
    now[0] = 1000.0
    for pid in range(400):
        agent = Agent()
        agent.pid = 100 + pid
        reports.health.registered(agent, [f"connection {pid}"])
        reports.health.lost(agent)
    awaited = {check for check, _ in unwell()}
    assert len(awaited) == 201
    assert {"database", "connection 200", "connection 399"} <= awaited
    reactor.close()
