"""Levels of loggers in live processes, changed for a while: in those that are there, and those that come."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from limpet_supervisor.errors import LimpetError, UsageError
from limpet_supervisor.model import levels
from limpet_supervisor.runtime.agents import GONE, AgentConnection
from limpet_supervisor.wire import messages as m
from limpet_supervisor.wire.agent import AgentAnswer

from .consoles import Consoles
from .control import Answer
from .node import Node
from .observe import Observer

RESET: Final = "reset"
LONGEST: Final = 24 * 3600.0
"""Seconds that a change may last."""
_ANSWER_WITHIN: Final = 5.0
_MOST: Final = 100
"""Changes that are remembered for processes to come."""
_HIGHEST: Final = 1_000_000
"""The highest level that anybody means."""


class _Rows(msgspec.Struct):
    """What an agent answers."""

    rows: list[dict[str, Any]]


class Levels:
    """Carries changes to agents; remembers them for as long as they hold.

    A worker that is forked meanwhile, a process that is restarted or added: each is told when its agent says
    hello, with the time that is left.
    """

    def __init__(self, node: Node, observer: Observer, consoles: Consoles) -> None:
        self._node = node
        self._observer = observer
        self._consoles = consoles
        self._held: dict[tuple[str, str], tuple[int, float]] = {}
        """(process as it was named, logger) -> level, and until when."""
        node.agents.on_hello = self._welcome

    def answer(self, request: m.Level, answer: Answer) -> None:
        """Answers a request: lists, sets or puts back, in all processes that its name means.

        Raises:
            LimpetError: it makes no sense, or means no process with an agent.
        """
        parameters = self._parameters(request)
        name, _, member = request.process.partition("/")
        instances = self._observer.names(name)
        agents = [
            each for instance in instances for each in self._node.agents.of(instance) if each.is_process
        ]
        if member:
            agents = [each for each in agents if str(each.pid) == member]
        if not agents:
            self._consoles.find(request.process)  # says why there is none
        failed = self._remember(request, parameters) if request.level else _nothing
        if request.level:
            self._audit(request, answer)
        _Round(self._node, self._consoles.name_of, agents, parameters, answer, failed=failed).begin()

    def _parameters(self, request: m.Level) -> dict[str, Any]:
        if not request.level:
            return {"logger": request.logger, "level": None, "seconds": 0.0}
        if request.level == RESET:
            return {"logger": request.logger, "level": RESET, "seconds": 0.0}
        number = int(request.level) if request.level.isdecimal() else levels.named(request.level)
        if number is None or number > _HIGHEST:
            raise UsageError(
                f"There is no level {request.level!r}",
                todo=f"say {', '.join(levels.NAMES.values())} or reset",
            )
        if not 0 < request.seconds <= LONGEST:
            raise UsageError(f"{request.seconds:g}s is no time for a level", todo="say 60s, or at most 1d")
        return {"logger": request.logger, "level": number, "seconds": request.seconds}

    def _remember(self, request: m.Level, parameters: dict[str, Any]) -> Callable[[], None]:
        """Keeps a change for processes to come, or forgets those that are put back.

        Returns:
            What takes it back: whoever is told that no level was changed must not find it changed later.

        Raises:
            LimpetError: too many are kept already.
        """
        now = self._node.reactor.now()
        held = self._held = {key: change for key, change in self._held.items() if change[1] > now}
        if "/" in request.process:  # of a pid: for that alone
            return _nothing
        if parameters["level"] == RESET:
            meant = self._instances(request.process)
            for key in [key for key in held if not request.logger or key[1] == request.logger]:
                if self._instances(key[0]) <= meant:
                    del held[key]
            return _nothing
        key = (request.process, request.logger)
        before = held.get(key)
        if before is None and len(held) >= _MOST:
            why = f"{_MOST} changes hold already, also for processes to come"
            raise LimpetError("No level was changed", why, "put some back: limpet ctl level NAME reset")
        change = held[key] = (parameters["level"], now + request.seconds)

        def take_back() -> None:
            if self._held.get(key) is change:
                del self._held[key]
                if before is not None:
                    self._held[key] = before

        return take_back

    def _welcome(self, connection: AgentConnection) -> None:
        """An agent has come: what still holds for its process is set there too."""
        if not (self._held and connection.is_process):
            return
        now = self._node.reactor.now()
        for (process, logger), (level, until) in list(self._held.items()):
            if until <= now:
                del self._held[process, logger]
            elif connection.process in self._instances(process):
                seconds = until - now
                connection.request(
                    "level", _unheard, logger=logger, level=level, seconds=seconds, awaited=True
                )

    def _instances(self, name: str) -> frozenset[str]:
        try:
            return frozenset(self._observer.names(name))
        except LimpetError:  # it has been removed since
            return frozenset()

    def _audit(self, request: m.Level, answer: Answer) -> None:
        change = f"{request.logger or 'root'} to {request.level}"
        how_long = "" if request.level == RESET else f" for {request.seconds:g}s"
        text = f"uid {answer.peer.uid}: level of {change} in {request.process}{how_long}"
        self._node.publish("level", request.process, text)


class _Round:
    """One request to several agents; answered when all have, or have had their time."""

    def __init__(
        self,
        node: Node,
        name_of: Callable[[AgentConnection], str],
        agents: list[AgentConnection],
        parameters: dict[str, Any],
        answer: Answer,
        *,
        failed: Callable[[], None],
    ) -> None:
        self._on_failed = failed
        self._node = node
        self._parameters = parameters
        self._answer = answer
        self._waiting: dict[str, tuple[AgentConnection, int]] = {}
        self._agents = {name_of(agent): agent for agent in agents}
        self._found: dict[str, list[m.LoggerLevel]] = {}
        self._failed: dict[str, str] = {}

    def begin(self) -> None:
        """Asks all."""
        self._timer = self._node.reactor.call_later(_ANSWER_WITHIN, self._late)
        for name, agent in self._agents.items():
            request = agent.request("level", self._heard(name), **self._parameters)
            if name not in self._found and name not in self._failed:
                self._waiting[name] = (agent, request)
        self._finish()

    def _heard(self, name: str) -> Callable[[AgentAnswer], None]:
        def heard(said: AgentAnswer) -> None:
            self._waiting.pop(name, None)
            if said.re == "level":
                try:
                    rows = msgspec.convert(said.data, _Rows).rows
                    named = [{**row, "process": name} for row in rows]
                    self._found[name] = msgspec.convert(named, list[m.LoggerLevel])
                except msgspec.ValidationError as error:
                    self._failed[name] = f"its agent's answer cannot be read: {error}"
            else:
                self._failed[name] = "it has ended" if said.re == GONE else said.error or "its agent failed"
            self._finish()

        return heard

    def _late(self) -> None:
        for name, (agent, request) in self._waiting.items():
            agent.forget(request)
            self._failed[name] = "its agent does not answer: the interpreter is stuck in C, or stopped"
        self._waiting.clear()
        self._finish()

    def _finish(self) -> None:
        if self._waiting or len(self._found) + len(self._failed) < len(self._agents):
            return
        self._timer.cancel()
        loggers = tuple(line for name in self._agents for line in self._found.get(name, ()))
        if not self._found:
            self._on_failed()
            why = "; ".join(f"{name}: {reason}" for name, reason in self._failed.items())
            self._answer.fail(
                LimpetError("No level was changed", why)
                if self._parameters["level"]
                else LimpetError("No levels are known", why)
            )
            return
        self._answer.reply(m.LevelReply(loggers=loggers, failures=self._failed))


def _nothing() -> None:
    """There is nothing to take back."""


def _unheard(_answer: AgentAnswer) -> None:
    """It is set, or will be once the process has such a logger."""
