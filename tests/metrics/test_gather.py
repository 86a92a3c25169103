"""Who waits for figures is answered, also after a bug, and nobody changes them beside another."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.daemon import figures, metrics
from limpet_supervisor.daemon.counts import Counts
from limpet_supervisor.daemon.reports import Reports
from limpet_supervisor.model.spec import HealthSpec
from limpet_supervisor.model.status import NodeFacts, NodeState
from limpet_supervisor.runtime import aside, host
from limpet_supervisor.runtime.reactor import Reactor
from support.loop import turn_until


class Agents(list[Any]):
    on_lost: Any = None

    def of(self, _process: str) -> list[Any]:
        return list(self)


class Agent:
    """A process that uses telemetry, and never answers."""

    process = "web.1"
    pid = 71
    is_process = True

    def request(self, _op: str, _answered: object) -> int:
        return 1

    def forget(self, request: int) -> None:
        """It would not have answered."""


class Rig:
    """The reports of a node without processes, and what its loop was told of bugs."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.bugs: list[Exception] = []
        self.reactor.on_error = self.bugs.append
        self.node: Any = SimpleNamespace(
            reactor=self.reactor,
            agents=Agents(),
            spec=SimpleNamespace(health=HealthSpec()),
            processes=SimpleNamespace(running={}),
            tree=SimpleNamespace(instances={}, members={}, specs={}, in_order=list),
            subscribers={},
            state=NodeState.RUNNING,
            deaths={},
        )
        self.observer: Any = SimpleNamespace(facts=lambda: NodeFacts("node", "1", 1, 1.0, NodeState.RUNNING))
        self.reports = Reports(
            self.node,
            self.observer,
            counts=Counts(),
            directories=(),
            control=lambda: None,
            log=lambda _text: None,
        )

    def until(self, condition: Any) -> None:
        turn_until(self.reactor, condition)


@pytest.fixture
def rig() -> Any:
    made = Rig()
    yield made
    made.reactor.close()


def fail(*_arguments: object) -> Any:
    raise RuntimeError("a bug")


def test_after_a_bug_on_the_way_a_scrape_fails_and_the_next_is_made(rig: Rig) -> None:
    scrape = rig.reports.metrics.scrape
    facts, rig.observer.facts = rig.observer.facts, fail
    told: list[bytes | None] = []
    scrape(told.append)
    rig.until(lambda: told and rig.bugs)
    assert told == [None]
    rig.observer.facts = facts
    scrape(told.append)
    rig.until(lambda: len(told) == 2)
    assert (told[1] or b"").endswith(b"# EOF\n")


@pytest.mark.parametrize("where", ["limits.look", "sampler.take", "name_of", "request"])
def test_after_a_bug_before_the_text_is_made_a_scrape_fails_and_the_next_is_made(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """All later ones waited for ever."""
    monkeypatch.setattr(metrics, "WITHIN", 0.02)
    monkeypatch.setattr("limpet_supervisor.daemon.limits._FRESH", -1.0)
    agent: Any = Agent()
    rig.node.agents.append(agent)
    rig.reports._wants.telemetry.add(agent)
    owner, name = {
        "limits.look": (rig.reports.health.limits, "look"),
        "sampler.take": (rig.reports.sampler, "take"),
        "name_of": (rig.reports.health, "name_of"),
        "request": (agent, "request"),
    }[where]
    scrape = rig.reports.metrics.scrape
    told: list[bytes | None] = []
    with monkeypatch.context() as patch:
        patch.setattr(owner, name, fail)
        scrape(told.append)
        scrape(told.append)
        rig.until(lambda: len(told) == 2 and rig.bugs)
    assert told == [None, None]
    scrape(told.append)
    rig.until(lambda: len(told) == 3)
    assert (told[2] or b"").endswith(b"# EOF\n")


def test_a_scrape_that_fails_twice_ends_once_and_not_the_next(rig: Rig) -> None:
    told: list[bytes | None] = []
    patch = pytest.MonkeyPatch()

    def again(text: bytes | None) -> None:
        told.append(text)
        patch.undo()
        rig.reports.metrics.scrape(told.append)

    def look(then: Any) -> None:
        then()
        fail()

    patch.setattr(rig.reports.health.limits, "look", look)
    patch.setattr(rig.reports.sampler, "take", fail)
    rig.reports.metrics.scrape(again)
    rig.until(lambda: len(told) == 2 and len(rig.bugs) == 2)
    assert told[0] is None
    assert (told[1] or b"").endswith(b"# EOF\n")


def test_a_bug_on_the_way_of_the_next_costs_those_nothing_whose_figures_are_made(rig: Rig) -> None:
    """Who pushes would have waited for ever, and pushed no more."""
    gathering = rig.reports.metrics
    told: list[bytes | None] = []

    def another() -> list[Any]:
        gathering.add(list)
        rig.observer.facts = fail
        gathering.gather(lambda _own, _theirs: b"second", told.append)
        return []

    gathering.add(another)
    gathering.gather(lambda _own, _theirs: b"first", told.append)
    rig.until(lambda: len(told) == 2)
    assert set(told) == {b"first", None}


def test_a_bug_in_one_who_waits_for_a_scrape_costs_the_others_nothing(rig: Rig) -> None:
    told: list[bytes | None] = []
    rig.reports.metrics.scrape(fail)
    rig.reports.metrics.scrape(told.append)
    rig.until(lambda: told and rig.bugs)
    assert (told[0] or b"").endswith(b"# EOF\n")


@pytest.mark.parametrize("where", ["_keep", "_figures"])
def test_after_a_bug_in_a_sample_who_waits_is_told_and_the_next_is_taken(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setattr(figures, "_FRESH", -1.0)
    instance: Any = SimpleNamespace(name="web.1", pid=None)
    rig.node.tree.instances["web.1"] = instance
    rig.node.tree.in_order = lambda: [instance]
    rig.node.output = SimpleNamespace(counters=lambda _name: (0, 0, ""))
    sampler = rig.reports.sampler
    taken: list[object] = []
    with monkeypatch.context() as patch:
        patch.setattr(sampler, where, fail)
        sampler.take(taken.append, taken.append)
        sampler.take(fail, fail)
        rig.until(lambda: taken and len(rig.bugs) == 2)
    assert "a bug" in str(taken[0])
    sampler.take(fail, fail)
    sampler.take(taken.append, taken.append)
    rig.until(lambda: len(taken) == 2)
    assert isinstance(taken[1], figures.Taken)


def test_after_a_bug_in_the_limits_who_waits_is_told_and_they_are_looked_at_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = rig.reports.health.limits
    told: list[bool] = []

    def note() -> None:
        told.append(True)

    with monkeypatch.context() as patch:
        patch.setattr(limits, "_out", fail)
        limits.look(fail)
        limits.look(note)
        rig.until(lambda: told and len(rig.bugs) == 2)
    monkeypatch.setattr("limpet_supervisor.daemon.limits._FRESH", -1.0)
    monkeypatch.setattr(host, "limits", lambda *_: ())
    limits.look(note)
    rig.until(lambda: len(told) == 2)
    assert not limits.lines


def test_while_a_scrape_that_was_given_up_goes_on_no_other_is_made(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both would change the application's counts, and the encoder of what is pushed."""
    released = threading.Event()
    began: list[int] = []
    ended: list[int] = []

    def families(*_arguments: object) -> list[Any]:
        began.append(threading.get_ident())
        released.wait(60)
        ended.append(threading.get_ident())
        return []

    monkeypatch.setattr(metrics, "families", families)
    monkeypatch.setattr(aside, "_WITHIN", 600.0)
    told: list[bytes | None] = []
    scrape = rig.reports.metrics.scrape
    scrape(told.append)
    rig.until(lambda: began)
    given_up = rig.reports.metrics._aside._timer
    assert given_up is not None
    assert given_up.callback is not None
    given_up.callback()
    given_up.cancel()
    assert told == [None]
    scrape(told.append)
    rig.until(lambda: len(told) == 2)
    assert told == [None, None]
    assert (len(began), ended) == (1, [])
    released.set()
    rig.until(lambda: rig.reports.metrics._aside._left == 0)
    scrape(told.append)
    rig.until(lambda: len(told) == 3)
    assert (told[2] or b"").endswith(b"# EOF\n")
