"""Changes of levels as the daemon carries them: what it remembers for those to come, and whom it believes."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from limpet_supervisor.daemon.levels import Levels
from limpet_supervisor.errors import LimpetError, NoSuchProcess
from limpet_supervisor.runtime.reactor import Reactor
from limpet_supervisor.wire import messages as m
from limpet_supervisor.wire.agent import AgentAnswer

ROWS = {"rows": [{"logger": "shop", "level": "debug"}]}


class Agent:
    """An agent that answers when the test says what."""

    is_process = True
    pid = 71

    def __init__(self, process: str) -> None:
        self.process = process
        self.asked: list[dict[str, Any]] = []
        self.heard: Any = None

    def request(self, _op: str, heard: Any, **parameters: Any) -> int:
        self.asked.append(parameters)
        self.heard = heard
        return len(self.asked)

    def say(self, data: Any = None, error: str = "") -> None:
        self.heard(AgentAnswer(id=1, re="error" if error else "level", error=error, data=data))


class Told:
    """What became of a request."""

    peer = SimpleNamespace(uid=0)

    def __init__(self) -> None:
        self.replies: list[m.LevelReply] = []
        self.errors: list[LimpetError] = []
        self.reply = self.replies.append
        self.fail = self.errors.append


class Node:
    """A node of the processes `web` and `job`, each of one instance, the first with an agent."""

    def __init__(self) -> None:
        self.reactor = Reactor()
        self.agent = Agent("web.1")
        self.names = {"web": ("web.1",), "web.1": ("web.1",), "job": ("job.1",)}
        agents = SimpleNamespace(of=lambda _instance: [self.agent], on_hello=None)
        node: Any = SimpleNamespace(reactor=self.reactor, agents=agents, publish=lambda *_: None)
        observer: Any = SimpleNamespace(names=self._named)
        consoles: Any = SimpleNamespace(name_of=lambda agent: agent.process)
        self.levels = Levels(node, observer, consoles)
        self._agents = agents

    def _named(self, name: str) -> tuple[str, ...]:
        if name not in self.names:
            raise NoSuchProcess(f"There is no process {name}")
        return self.names[name]

    def ask(self, process: str, logger: str, level: str) -> Told:
        told: Any = Told()
        self.levels.answer(m.Level(process=process, logger=logger, level=level, seconds=60.0), told)
        return told

    def successor(self) -> list[str]:
        """Loggers whose levels a process is told that begins as web.1 now."""
        come = Agent("web.1")
        self._agents.on_hello(come)
        return [each["logger"] for each in come.asked]


@pytest.fixture
def node() -> Iterator[Node]:
    made = Node()
    yield made
    made.reactor.close()


def test_what_failed_everywhere_is_not_done_to_those_that_come(node: Node) -> None:
    """A restart set what its operator had been told was not set."""
    told = node.ask("web", "shopp", "debug")
    node.agent.say(error="there is no logger shopp")
    assert "No level was changed" in str(told.errors[0])
    assert node.successor() == []
    node.ask("web", "shop", "debug")
    node.agent.say(ROWS)
    node.ask("web", "shop", "info")
    node.agent.say(error="it failed")
    assert node.successor() == ["shop"], "the change before that one holds"


def test_levels_are_put_back_though_a_process_is_gone_whose_levels_were_changed(node: Node) -> None:
    for process in ("job", "web"):
        node.ask(process, "shop", "debug")
        node.agent.say(ROWS)
    del node.names["job"]
    told = node.ask("web", "", "reset")
    node.agent.say({"rows": []})
    assert told.replies
    assert node.successor() == []


def test_putting_back_the_levels_of_one_pid_is_for_that_alone(node: Node) -> None:
    node.ask("web", "shop", "debug")
    node.agent.say(ROWS)
    node.ask("web.1/71", "", "reset")
    assert node.successor() == ["shop"]


@pytest.mark.parametrize("data", [None, {"rows": 5}, {"rows": [{"logger": 1, "level": "x"}]}, ["rows"]])
def test_an_answer_that_means_nothing_is_a_failure_and_keeps_nobody_waiting(node: Node, data: Any) -> None:
    told = node.ask("web", "shop", "debug")
    node.agent.say(data)
    assert "cannot be read" in str(told.errors[0])


def test_an_agent_speaks_of_its_own_loggers_only(node: Node) -> None:
    told = node.ask("web", "shop", "debug")
    node.agent.say({"rows": [{"process": "db.1", "logger": "shop", "level": "debug"}]})
    assert told.replies[0].loggers[0].process == "web.1"


def test_more_changes_than_are_remembered_are_refused_not_forgotten(node: Node) -> None:
    for number in range(100):
        node.ask("web", f"shop.{number}", "debug")
        node.agent.say(ROWS)
    with pytest.raises(LimpetError, match="100 changes hold already"):
        node.ask("web", "shop", "debug")


@pytest.mark.parametrize("level", ["²", "9" * 30])
def test_a_number_that_is_no_level_is_refused(node: Node, level: str) -> None:
    with pytest.raises(LimpetError, match="There is no level"):
        node.ask("web", "shop", level)
