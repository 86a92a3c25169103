"""How the node is: the application's checks as its agents push them, and those of Limpet itself.

Limpet's own: each process by its name (ready, as many as shall run), `loop` (its event loop goes round, its
interpreter answers), `restarts` (nothing ends again and again), and what can run out: `memory`, `disk`,
`descriptors`, `processes`. Only the first two count as long as nothing has run out: a node that is near a
limit still serves.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from limpet_supervisor.core.state import Instance, Outcome
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.health import WELL, Line, Result, Status, Vitals
from limpet_supervisor.model.masking import masked_text
from limpet_supervisor.model.spec import Liveness
from limpet_supervisor.model.status import Event, NodeFacts, NodeState
from limpet_supervisor.model.units import Duration, format_duration
from limpet_supervisor.runtime.agents import AgentConnection
from limpet_supervisor.wire import messages as m

from .changes import Changes, Key, unsaid
from .limits import Limits
from .lints import storm
from .node import Node
from .observe import Observer
from .vitals import Monitor

_STALE: Final = 2.0
"""Seconds beyond its period and timeout after which a result says nothing any more."""
_LOOP: Final = "loop"
_OURS: Final = frozenset(
    {"descriptors", "disk", _LOOP, "memory", "node", "ping", "processes", "restarts"},
)
"""Names of Limpet's own checks, beside those of processes."""
_AWAITED: Final = 10.0
"""Seconds from a process's start for which checks that it had before are waited for."""
_CHECKS: Final = 200
"""Checks of one process that are kept."""
_REASON: Final = 500
_ORDER: Final = {status: rank for rank, status in enumerate(Status)}


class Health:
    """Knows how all is.

    Args:
        changes: tells that a check of a process fails, or passes again.
    """

    def __init__(
        self,
        node: Node,
        observer: Observer,
        *,
        monitor: Monitor,
        limits: Limits,
        changes: Changes,
    ) -> None:
        self.garbage = 0
        self.limits = limits
        """What can run out."""
        self._been_ready: set[str] = set()
        """Processes of which every instance that shall run has been ready at once."""
        self._node = node
        self._spec = node.spec.health
        self._observer = observer
        self._monitor = monitor
        self._changes = changes
        self._had: dict[str, dict[str, bool]] = {}
        """The checks that a process has told of, in this life or before; whether they are critical."""
        self._results: dict[AgentConnection, dict[str, tuple[float, Result]]] = {}

    # -- what agents say ----------------------------------------------------------------------------------

    def registered(self, connection: AgentConnection, names: list[str]) -> None:
        """A process has these checks; each will be pushed when it has run."""
        known = self._results.setdefault(connection, {})
        now = self._node.reactor.now()
        instance = self._node.tree.instances.get(connection.process)
        if instance is not None:
            had = self._had.get(instance.process, {})
            of_forks = {} if connection.pid == instance.pid else had
            told = {**of_forks, **{name: had.get(name, True) for name in names}}
            # The last: names may be others in each worker that is forked.
            self._had[instance.process] = dict(list(told.items())[-_CHECKS:])
        for name in names[:_CHECKS]:
            if name not in known:
                known[name] = now, Result(name, reason="it has not run yet")
        self._monitor.need(connection)

    def pushed(self, connection: AgentConnection, data: Any) -> None:
        """A result of a check."""
        try:
            result = msgspec.convert(data, Result)
        except msgspec.ValidationError:
            self.garbage += 1
            return
        known = self._results.setdefault(connection, {})
        instance = self._node.tree.instances.get(connection.process)
        had = self._had.setdefault(instance.process, {}) if instance is not None else {}
        if result.gone:
            known.pop(result.check, None)
            had.pop(result.check, None)
            self._changes.forget(connection, self._shown(result.check))
            return
        if len(known) >= _CHECKS and result.check not in known:
            self.garbage += 1
            return
        result = msgspec.structs.replace(
            result, check=result.check[:_REASON], reason=masked_text(result.reason[:_REASON])
        )
        known[result.check] = self._node.reactor.now(), result
        if len(had) < _CHECKS or result.check in had:
            had[result.check] = result.critical
        if result.status is not Status.UNKNOWN:
            self._tell(connection, self._shown(result.check), result.reason, fails=result.status not in WELL)

    def _shown(self, check: str) -> str:
        """A check of the application's as it is called beside Limpet's own and the processes' names."""
        tree = self._node.tree
        return f"app/{check}" if check in _OURS or check in tree.members or check in tree.instances else check

    def felt(self, connection: AgentConnection, _vitals: Vitals) -> None:
        """An agent has told its vitals: is its loop blocked, or was it?"""
        seconds, text = self._monitor.blocked(connection) or (0.0, "")
        reason = f"{text} for {format_duration(seconds)}" if seconds else ""
        self._tell(connection, _LOOP, reason, fails=seconds > 0)

    def _tell(self, connection: AgentConnection, check: str, reason: str, *, fails: bool) -> None:
        """A check of a process has come to this; it is an event if it has changed."""

        def tell(fails: bool, untold: int) -> None:
            process = self.name_of(connection)
            detail = {"check": check, "process": process, "reason": reason}
            about = connection.process, connection.pid
            if fails:
                text = f"{process}: check {check} fails{f': {reason}' if reason else ''}{unsaid(untold)}"
                self._node.publish("check_failed", about[0], text, about[1], detail)
            else:
                text = f"{process}: check {check} passes again{unsaid(untold)}"
                self._node.publish("check_passed", about[0], text, about[1], detail)

        self._changes.now(Key(connection, check), tell, fails=fails)

    # -- what is so now -----------------------------------------------------------------------------------

    def lines(self, names: Iterable[str] = ()) -> tuple[Line, ...]:
        """Every check that can be told of at once: all but those of what can run out.

        Args:
            names: instances, processes or supervisors; the node's own checks are left out then.

        Raises:
            NoSuchProcess: a name means none.
        """
        instances = self._instances(names)
        found = [*self._processes(instances, _is_ready)]
        for instance in instances:
            told: set[str] = set()
            for connection in self._node.agents.of(instance.name):
                if connection.is_process:
                    found += self._of_agent(connection)
                    told.update(self._results.get(connection, ()))
            found += self._awaited(instance, told)
        if not names:
            found = [*self._of_node(), *found]
        return tuple(found)

    def living(self, names: Iterable[str]) -> tuple[Line, ...]:
        """Whether those of these processes run that shall, ready or not, and their loops go round.

        Raises:
            NoSuchProcess: a name means none.
        """
        loops = (line for line in self.lines(names) if line.check == "loop")
        return (*self._processes(self._instances(names), _runs), *loops)

    def _instances(self, names: Iterable[str]) -> Iterable[Instance]:
        tree = self._node.tree
        chosen = [instance for name in names for instance in self._observer.names(name)]
        return [tree.instances[name] for name in chosen] if names else tree.in_order()

    def report(
        self,
        names: tuple[str, ...],
        exclude: Iterable[str],
        then: Callable[[m.HealthReply], None],
    ) -> None:
        """Calls `then` with all checks, now or soon.

        Raises:
            NoSuchProcess: a name means none.
        """
        self.lines(names)
        left_out = frozenset(exclude)

        def told() -> None:
            try:
                lines = self.lines(names)
            except LimpetError:  # removed meanwhile
                lines = ()
            if not names:
                lines = (*lines, *self.limits.lines)
            then(reply(self.counted(lines, left_out), self._observer.facts()))

        self.limits.look(told)

    def all_lines(self) -> tuple[Line, ...]:
        """Every check, those of what can run out as they were last looked at."""
        return self.counted((*self.lines(), *self.limits.lines))

    def counted(self, lines: Iterable[Line], left_out: Iterable[str] = ()) -> tuple[Line, ...]:
        """The lines without those that are left out; those that are configured to be ignored do not count."""
        out = frozenset(left_out)
        ignored = frozenset(self._spec.ignore)
        return tuple(
            msgspec.structs.replace(line, critical=False) if line.check in ignored else line
            for line in lines
            if line.check not in out
        )

    def judge(self, name: str, liveness: Liveness) -> tuple[bool | None, str]:
        """Whether an instance passes its liveness check, of kind `health` or `loop`; None: not known."""
        agents = [each for each in self._node.agents.of(name) if each.is_process]
        if liveness.kind == "loop":
            limit = float(Duration.parse(liveness.target))
            known = [found for each in agents if (found := self._monitor.blocked(each, limit)) is not None]
            seconds, text = max(known, default=(0.0, ""))
            if not known:
                return None, "nothing is known of its event loop"
            return (False, f"{text} for {format_duration(seconds)}") if seconds > limit else (True, "")
        lines = [
            line
            for each in agents
            for line in self._of_agent(each)
            if line.check == self._shown(liveness.target)
        ]
        if not lines:
            return None, f"there is no check {liveness.target}"
        worst = max(lines, key=lambda line: _ORDER[line.status])
        if worst.status is Status.UNKNOWN:
            return None, worst.reason
        return worst.status in WELL, f"{worst.check} is {worst.status}: {worst.reason}"

    def _of_node(self) -> Iterator[Line]:
        state = self._node.state
        if state is NodeState.STOPPING:
            yield Line("node", Status.FAILING, reason="it stops")
        ends = [
            (len(recent), name)
            for name, deaths in self._node.deaths.items()
            if (recent := storm(deaths, time.time()))
        ]
        count, name = max(ends, default=(0, ""))
        reason = f"{name} ended {count} times within a minute" if ends else ""
        yield Line("restarts", Status.WARNING if ends else Status.OK, reason=reason, critical=False)

    def _processes(
        self, instances: Iterable[Instance], is_well: Callable[[Instance], bool]
    ) -> Iterator[Line]:
        """A line for each process: whether those of its instances are well that shall run."""
        of_process: dict[str, list[Instance]] = {}
        for instance in instances:
            of_process.setdefault(instance.process, []).append(instance)
        for process, members in of_process.items():
            wanted = [each for each in members if each.wanted]
            missing = [
                each
                for each in wanted
                if not is_well(each) and each.outcome not in (Outcome.EXITED, Outcome.ENDED)
            ]
            lines = (self._observer.line(each) for each in missing[:3])
            reason = "; ".join(f"{line.name}: {line.reason or line.state.value}" for line in lines)
            yield Line(process, Status.FAILING if missing else Status.OK, process=process, reason=reason)

    def _of_agent(self, connection: AgentConnection) -> Iterator[Line]:
        name = self.name_of(connection)
        now = self._node.reactor.now()
        blocked = self._monitor.blocked(connection)
        if blocked is not None:
            yield self._loop(name, connection, *blocked)
        for at, result in list(self._results.get(connection, {}).values()):
            age = now - at
            status, reason = result.status, result.reason
            if age > result.every + result.timeout + _STALE:
                # An agent pushes a result each period, also that a check hangs: it cannot.
                status = Status.UNKNOWN
                reason = f"nothing was heard of it for {format_duration(age)}"
            yield Line(
                self._shown(result.check),
                status,
                process=name,
                reason=reason,
                critical=result.critical,
                age=round(age, 3),
                took=result.took,
            )

    def _awaited(self, instance: Instance, told: set[str]) -> Iterator[Line]:
        """The checks that an instance must have and has not told of: until it does, nobody knows how it is.

        As a container is not ready before its probe has passed for the first time (Kubernetes).
        """
        if instance.pid is None:  # its process's own line says so
            return
        awaited: dict[str, bool] = {}
        if self._node.reactor.now() - instance.started_at < _AWAITED:
            awaited |= self._had.get(instance.process, {})
        liveness = self._node.spec_of(instance).liveness
        if liveness is not None and liveness.kind == "health":
            awaited.setdefault(liveness.target, True)
        for check, critical in awaited.items():
            if check not in told:
                reason = "nothing has been heard of it yet"
                yield Line(self._shown(check), Status.UNKNOWN, instance.name, reason, critical)

    def _loop(self, name: str, connection: AgentConnection, seconds: float, text: str) -> Line:
        if seconds:
            return Line(_LOOP, Status.FAILING, process=name, reason=f"{text} for {format_duration(seconds)}")
        vitals = self._monitor.felt(connection)
        longest = vitals.lag.max if vitals is not None and vitals.lag is not None else 0.0
        if longest > self._spec.loop:
            reason = f"its event loop was blocked for {format_duration(longest)} within the last 10s"
            return Line(_LOOP, Status.WARNING, process=name, reason=reason)
        return Line(_LOOP, Status.OK, process=name)

    def name_of(self, connection: AgentConnection) -> str:
        """`web.1`, or `web.1/4711` for a process below it."""
        instance = self._node.tree.instances.get(connection.process)
        if instance is not None and instance.pid == connection.pid:
            return connection.process
        return f"{connection.process}/{connection.pid}"

    def has_been_ready(self, process: str) -> bool:
        """Whether all instances of a process have been ready once."""
        return process in self._been_ready

    def note_ready(self, *processes: str) -> None:
        """Those of these processes (default: of all) that are ready now have been ready."""
        tree = self._node.tree
        for process in processes or tree.members:
            members = [tree.instances[name] for name in tree.members.get(process, ())]
            if not members:
                self._been_ready.discard(process)
            elif process not in self._been_ready and all(each.ready or not each.wanted for each in members):
                self._been_ready.add(process)

    def heard(self, event: Event) -> None:
        """An event of the node's: only the process that it is about is looked at, of thousands perhaps."""
        if event.kind == "removed":
            self._had = {name: had for name, had in self._had.items() if name in self._node.tree.members}
        if event.kind in ("ready", "stopped", "removed"):
            instance = self._node.tree.instances.get(event.process)
            self.note_ready(instance.process if instance is not None else event.process.rpartition(".")[0])

    def lost(self, connection: AgentConnection) -> None:
        """A process is gone, and the results of its checks with it."""
        self._results.pop(connection, None)


def _is_ready(instance: Instance) -> bool:
    return instance.ready


def _runs(instance: Instance) -> bool:
    return instance.pid is not None


def reply(lines: tuple[Line, ...], node: NodeFacts) -> m.HealthReply:
    """The verdict on these lines."""
    checks: dict[str, str] = {}
    for line in lines:
        before = checks.get(line.check)
        if before is None or _ORDER[line.status] > _ORDER[Status(before)]:
            checks[line.check] = line.status.value
    status = 200 if all(line.is_well for line in lines) else 503
    return m.HealthReply(status=status, checks=checks, lines=lines, node=node)
