"""Whose vitals the node asks for: of thousands of agents, with what one look at each of them costs."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.daemon.vitals import Monitor
from limpet_supervisor.runtime.reactor import Reactor
from support.loop import turn_until


class Agent:
    """What the monitor sees of an agent's connection."""

    is_process = True

    def __init__(self, process: str) -> None:
        self.process = process
        self.on: list[bool] = []

    def request(self, op: str, _answer: object, *, on: bool, limit: float) -> int:
        assert (op, limit) == ("vitals", 1.0)
        self.on.append(on)
        return 1


class Agents(list[Agent]):
    """All of them; counts how often they are gone through."""

    looks = 0

    def __iter__(self) -> Iterator[Agent]:
        self.looks += 1
        return super().__iter__()


class Node:
    """A node with an instance each."""

    def __init__(self, *names: str) -> None:
        self.reactor = Reactor()
        self.agents = Agents(Agent(name) for name in names)
        self.tree = SimpleNamespace(instances=dict.fromkeys(names))

    def monitor(self) -> Monitor:
        node: Any = self
        return Monitor(node, 1.0)


FINE = {"lag": {"now": 0.0, "p50": 0.0, "max": 0.0}, "loops": 1}


def test_who_says_nothing_is_silent_as_long_as_we_have_looked(node: Node) -> None:
    now = [1000.0]
    node.reactor.now = lambda: now[0]
    monitor = node.monitor()
    web: Any = node.agents[0]
    monitor.hold("http", lambda _each: True)
    monitor.pushed(web, FINE)
    assert monitor.blocked(web) == (0.0, "")
    for _ in range(4):
        now[0] += 1.0
        monitor.hold("http", lambda _each: True)  # looks
    assert "does not answer" in (monitor.blocked(web) or (0, ""))[1]


def test_a_pause_of_our_own_is_nobodys_silence(node: Node) -> None:
    """After a pause of its container, or of the machine, all processes with such a liveness were killed."""
    now = [1000.0]
    node.reactor.now = lambda: now[0]
    monitor = node.monitor()
    web: Any = node.agents[0]
    silent: Any = node.agents[1]
    monitor.hold("http", lambda _each: True)
    monitor.pushed(web, FINE)
    now[0] += 60.0
    assert monitor.blocked(web) is None, "nobody knows before the first look"
    monitor.hold("http", lambda _each: True)  # looks
    assert monitor.blocked(web) == (0.0, "")
    assert monitor.blocked(silent) is None
    for _ in range(6):
        now[0] += 1.0
        monitor.hold("http", lambda _each: True)
    assert monitor.blocked(web) == (
        6.0,
        "its interpreter does not answer: stuck in C, stopped, or without a CPU",
    )
    assert (monitor.blocked(silent) or (0, ""))[0] == 6.0


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node("web.1", "web.2", "job.1")
    yield made
    made.reactor.close()


def test_an_instance_whose_loop_is_judged_each_second_costs_no_look_at_all_the_others(node: Node) -> None:
    """Each judgement asked all agents about all instances: with a hundred a million questions a second."""
    monitor = node.monitor()
    monitor.need("web.1")
    assert [each.on for each in node.agents] == [[True], [], []]
    looks = node.agents.looks
    for _ in range(10):
        monitor.need("web.1")
    assert node.agents.looks == looks


def test_who_is_needed_is_asked_once_and_forgotten_with_its_instance(node: Node) -> None:
    monitor = node.monitor()
    web, _, job = node.agents[:]
    needed: Any = job
    monitor.need("web.1")
    monitor.need(needed)
    worker = Agent("web.1")
    node.agents.append(worker)
    turn_until(node.reactor, lambda: worker.on)
    assert (web.on, job.on, worker.on) == ([True], [True], [True])
    del node.tree.instances["web.1"]
    node.agents.remove(job)
    turn_until(node.reactor, lambda: not web.on[-1])
    assert (web.on, worker.on) == ([True, False], [True, False])


def test_those_that_look_want_the_vitals_of_whom_they_look_at_until_they_go(node: Node) -> None:
    monitor = node.monitor()
    monitor.need("web.1")
    monitor.hold("http", lambda _each: True)
    assert [each.on for each in node.agents] == [[True], [True], [True]]
    monitor.release("http")
    assert [each.on for each in node.agents] == [[True], [True, False], [True, False]]
    monitor.release("http")


def test_of_very_many_agents_those_that_came_first_are_measured(node: Node) -> None:
    """An observer's page has its bound, whoever comes and goes; others may need others."""
    monitor = node.monitor()
    first, second, third = node.agents[:]
    key = object()
    monitor.need("job.1")
    monitor.hold(key, lambda _each: True, most=1)
    assert [each.on for each in node.agents] == [[True], [], [True]]
    subjects: list[Any] = [first, second, third]
    assert [monitor.means(key, each) for each in subjects] == [True, False, False]
    node.agents.append(Agent("web.3"))
    node.agents.remove(first)
    turn_until(node.reactor, lambda: second.on)
    assert [each.on for each in node.agents] == [[True], [True], []]
    monitor.release(key)
    assert [each.on for each in node.agents] == [[True, False], [True], []]
