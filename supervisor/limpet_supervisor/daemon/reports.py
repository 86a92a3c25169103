"""What processes report of themselves, and what comes of it: health, vitals, telemetry, metrics, HTTP.

Loaded when the first of it is needed: a node whose application reports nothing, and that serves nothing over
HTTP, has none of it.
"""

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from limpet_supervisor.errors import ConfigError, LimpetError
from limpet_supervisor.model.health import Vitals
from limpet_supervisor.model.masking import masked_text
from limpet_supervisor.model.spec import Liveness
from limpet_supervisor.model.units import format_duration
from limpet_supervisor.runtime.agents import WANT, AgentConnection
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.wire import messages as m

from .changes import Changes, Key
from .control import Answer, Control
from .counts import Counts
from .figures import Sampler
from .health import Health
from .limits import Limits
from .node import Node
from .observe import Observer
from .quarantine import Quarantine
from .vitals import Monitor
from .wants import Wants

if TYPE_CHECKING:
    from .http import Endpoint
    from .metrics import Metrics
    from .push import Push

SERVICES: Final = {
    "evaluate": "evaluations",
    "checks": "health checks",
    "levels": "levels",
    "vitals": "vitals",
    "samplings": "profiles",
}
"""The services of an agent, in words."""
_REASON: Final = 300


class Reports:
    """Holds them together.

    Args:
        directories: whose file systems must not run full.
        control: the control socket, once there is one.
        log: says a line to whoever reads the node's log.
    """

    def __init__(
        self,
        node: Node,
        observer: Observer,
        *,
        counts: Counts,
        directories: tuple[str, ...],
        control: Callable[[], Control | None],
        log: Callable[[str], None],
    ) -> None:
        self.aside = Aside(node.reactor)
        # Of its own: a disk that hangs takes no figures away.
        self.sampler = Sampler(node, Aside(node.reactor))
        self.monitor = Monitor(node, float(node.spec.health.loop))
        self._changes = Changes(node.reactor)
        self.health = Health(
            node,
            observer,
            monitor=self.monitor,
            limits=Limits(
                node.reactor,
                node.spec.health,
                aside=self.aside,
                sampler=self.sampler,
                directories=directories,
            ),
            changes=self._changes,
        )
        self._quarantine = Quarantine(node, self._changes, self.health.name_of)
        self._wants = Wants(node.reactor, checks=self.health.registered, telemetry=self._quarantine.look)
        self._node = node
        self._observer = observer
        self._counts = counts
        self._control = control
        self._log = log
        self._metrics: Metrics | None = None
        self._endpoint: Endpoint | None = None
        self._push: Push | None = None
        node.vitals = self.monitor.worst
        node.failures = self._quarantine.of
        node.agents.on_lost = self._lost
        self.monitor.listeners[self] = self.health.felt
        node.subscribers[self] = self.health.heard
        self.health.note_ready()
        for name in node.processes.running:
            self.lives(name)

    def pushed(self, connection: AgentConnection, kind: str, data: Any) -> None:
        """An agent says something unasked."""
        match kind:
            case "health":
                self.health.pushed(connection, data)
            case "vitals":
                self.monitor.pushed(connection, data)
            case "failed":
                self._failed(connection, data)
            case str() if kind == WANT:
                self._wants.wanted(connection)

    def _failed(self, connection: AgentConnection, data: Any) -> None:
        """A service of an agent has failed; it is told once of each."""
        match data:
            case {"service": str(service), "error": str(error)} if service in SERVICES:
                reason = masked_text(error[:_REASON])
            case _:
                self.health.garbage += 1
                return

        def tell(_fails: bool, _untold: int) -> None:
            process = self.health.name_of(connection)
            text = f"{process}: the agent's {SERVICES[service]} have failed and are left out: {reason}"
            detail = {"service": service, "process": process, "reason": reason}
            self._node.publish("agent_failed", connection.process, text, connection.pid, detail)

        self._changes.now(Key(connection, f"agent {service}"), tell, fails=True)

    def _lost(self, connection: AgentConnection) -> None:
        self._wants.lost(connection)
        self.health.lost(connection)
        self._quarantine.lost(connection)
        self._changes.forget(connection)

    def lives(self, name: str) -> None:
        """An instance whose liveness is its loop's: its vitals are wanted."""
        instance = self._node.instance(name)
        liveness = self._node.spec_of(instance).liveness if instance is not None else None
        if liveness is not None and liveness.kind == "loop":
            self.monitor.need(name)

    def judge(self, name: str, liveness: Liveness) -> tuple[bool | None, str]:
        """Whether an instance passes its liveness check, of kind `health` or `loop`; None: not known."""
        self.lives(name)
        return self.health.judge(name, liveness)

    # -- HTTP ---------------------------------------------------------------------------------------------

    @property
    def metrics(self) -> "Metrics":
        """Who scrapes; loaded when the first scrape comes."""
        if self._metrics is None:
            from .metrics import Metrics

            self._metrics = Metrics(
                self._node,
                self._observer,
                health=self.health,
                wants=self._wants,
                monitor=self.monitor,
                sampler=self.sampler,
                counts=self._counts,
                control=self._control,
            )
        return self._metrics

    def serve(self, bind: str) -> None:
        """Serves health and metrics there, and has the processes' vitals measured for them."""
        from .http import Endpoint

        self.monitor.hold("http", lambda _each: True)
        self._endpoint = Endpoint(self._node, self.health, lambda: self.metrics, bind, self._log)

    def push(self, directory: str) -> None:
        """Pushes metrics to where the configuration says; if that cannot be used, the node goes without."""
        from limpet_supervisor.runtime.otlp_target import KEY, target

        try:
            found = target(self._node.spec, os.environ, directory)
        except ConfigError as error:
            self._node.remarks[KEY] = f"{error.what}: {'; '.join(error.problems)}"
            self._log(f"metrics are not pushed: {'; '.join(error.problems)}")
            return
        if found is not None:
            from .push import Push

            self.monitor.hold(KEY, lambda _each: True)
            began = time.time() - (self._node.reactor.now() - self._node.started_at)
            self._push = Push(self._node, self.metrics, found, began=began)
            self._log(f"metrics are pushed to {found.shown} every {format_duration(found.interval)}")

    def finish(self, then: Callable[[], None]) -> None:
        """Calls `then` when what is to be told at the end is told, within a few seconds."""
        if self._push is None:
            then()
        else:
            self._push.finish(then)

    def close(self) -> None:
        """Serves nothing more."""
        if self._endpoint is not None:
            self._endpoint.close()

    # -- control socket -----------------------------------------------------------------------------------

    def answer_health(self, request: m.Health, answer: Answer) -> None:
        """Is all well?"""
        self.health.report(request.names, request.exclude, answer.reply)

    def answer_metrics(self, answer: Answer) -> None:
        """All metrics."""

        def then(text: bytes | None) -> None:
            if text is None:
                answer.fail(LimpetError("The metrics could not be gathered in time", todo="try again"))
            else:
                answer.reply(m.MetricsReply(text=text.decode()))

        self.metrics.scrape(then)

    def answer_vitals(self, request: m.Vitals, answer: Answer) -> None:
        """Vitals as they come, as long as the client wants them."""
        names = frozenset(name for asked in request.names for name in self._observer.names(asked))
        key = object()

        def heard(connection: AgentConnection, vitals: Vitals) -> None:
            if self.monitor.means(key, connection):
                process = self.health.name_of(connection)
                answer.item(m.VitalsItem(process=process, pid=connection.pid, vitals=vitals))

        def end() -> None:
            self.monitor.listeners.pop(key, None)
            self.monitor.release(key)
            answer.reply(m.StreamEnd())

        self.monitor.listeners[key] = heard
        self.monitor.hold(key, lambda each: not names or each.process in names, request.most)
        answer.until_gone(end)
