"""The node: what happens becomes events for the policy, and its effects are executed here."""

import os
import signal
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, assert_never

from msgspec.structs import replace

from limpet_supervisor.core import effects as do
from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import FAULTS, Instance, Life, Tree, plant
from limpet_supervisor.core.tree import is_settled, step
from limpet_supervisor.model.health import Vitals
from limpet_supervisor.model.spec import NodeSpec, ProcessSpec
from limpet_supervisor.model.status import Death, Event, HandlerFailure, NodeState
from limpet_supervisor.model.units import format_duration
from limpet_supervisor.runtime.agents import Agents
from limpet_supervisor.runtime.output import Output
from limpet_supervisor.runtime.reactor import Periodic, Reactor, Timer

from .blackbox import BlackBoxes
from .processes import Processes

_DEATHS: Final = 20
"""Ends remembered of each instance."""
_EVENTS: Final = 1000
"""Lifecycle events remembered."""
_LAST_LINES: Final = 20
"""Lines of output kept with a death."""
_TICK: Final = 1.0
"""Seconds between two turns of the loop, at most, while a deadline is on its way."""
_TOLD: Final = 5.0
"""Seconds of a pause from which on it is an event."""


class Node:
    """One running release.

    Args:
        log: prints one of the node's own lines, of a kind of event.
        on_end: called when nothing runs any more and nothing shall, with the reason.
    """

    def __init__(
        self,
        spec: NodeSpec,
        reactor: Reactor,
        *,
        output: Output,
        agents: Agents,
        boxes: BlackBoxes,
        log: Callable[[str, str], None],
        on_end: Callable[[str], None],
    ) -> None:
        self.spec = spec
        self.reactor = reactor
        self.output = output
        self.agents = agents
        self.tree: Tree = plant(spec)
        self.state = NodeState.STARTING
        self.started_at = reactor.now()
        self.stopping_since = 0.0
        """Wall-clock time at which the node began to stop."""
        self.deaths: dict[str, deque[Death]] = {}
        self.events: deque[Event] = deque(maxlen=_EVENTS)
        self.subscribers: dict[object, Callable[[Event], None]] = {}
        """Called with each lifecycle event."""
        self.remarks: dict[str, str] = {}
        """What `status` says of the node itself, by whose it is: something does not work."""
        self.conditions: dict[object, Callable[[], None]] = {}
        """Called after each change, until they remove themselves."""
        self.vitals: Callable[[str], Vitals | None] = _unknown
        """What an instance feels like from within, as far as somebody measures it."""
        self.failures: Callable[[str], tuple[HandlerFailure, ...]] = _none
        """What of an instance's telemetry has failed, as far as it has told."""
        self.processes: Processes
        self._boxes = boxes
        self._log = log
        self._on_end = on_end
        self._inbox: deque[ev.Event] = deque()
        self._stepping = False
        self._deadlines: dict[str, Timer] = {}
        self._tick: Periodic | None = None
        """As long as there are deadlines."""
        reactor.on_pause = self._was_paused
        self._box_paths: dict[str, str] = {}
        self._groups: dict[str, int] = {}
        self._unsettled = 0
        """Deaths whose last words are on their way."""
        self._until_settled: deque[Callable[[], None]] = deque()

    # -- the policy's view --------------------------------------------------------------------------------

    def instance(self, name: str) -> Instance | None:
        """The policy's view of an instance."""
        return self.tree.instances.get(name)

    @property
    def stopping(self) -> bool:
        """Whether it stops: nothing is started any more."""
        return self.state is NodeState.STOPPING

    def spec_of(self, instance: Instance) -> ProcessSpec:
        """The spec of an instance's process."""
        return self.tree.specs[instance.process]

    def feed(self, *events: ev.Event) -> None:
        """Takes events to the policy and executes what it asks for, until nothing is left to do.

        Invariant: one step at a time; an event that an effect causes waits for its turn.
        """
        self._inbox.extend(events)
        if self._stepping:
            return
        self._stepping = True
        try:
            while self._inbox:
                batch = tuple(self._inbox)
                self._inbox.clear()
                self.tree, effects = step(self.tree, batch, self.reactor.now())
                self._execute(effects)
        finally:
            self._stepping = False
        self._changed()

    def _changed(self) -> None:
        if self.state is NodeState.STARTING and not self.processes.starting and is_settled(self.tree):
            self.state = NodeState.RUNNING
            self.publish("node_ready", "", f"{self.spec.name} {self.spec.version} is ready")
        for look in list(self.conditions.values()):
            self._alone(look)

    def _alone(self, what: Callable[..., None], *arguments: Any) -> None:
        """Guarantee: what goes wrong in one costs none of the others; the loop hears of it as of its own."""
        try:
            what(*arguments)
        except Exception as error:  # noqa: BLE001 - a bug, raised again where it stops nothing
            self.reactor.raise_soon(error)

    def settles_in(self, seconds: float) -> float | None:
        """Seconds until everything is ready, and has run for that long if running is all its readiness.

        None: something is not ready (any more).
        """
        if not is_settled(self.tree):
            return None
        now = self.reactor.now()
        youngest = max(
            (
                each.started_at
                for each in self.tree.instances.values()
                if each.life is Life.UP and self.tree.specs[each.process].ready.kind == "spawned"
            ),
            default=now - seconds,
        )
        return max(0.0, youngest + seconds - now)

    # -- effects ------------------------------------------------------------------------------------------

    def _execute(self, effects: list[do.Effect]) -> None:
        # Spawns first: between a crash and its replacement stands nothing that can wait.
        spawns = [effect.name for effect in effects if type(effect) is do.Spawn]
        if spawns:
            self._alone(self.processes.start, spawns)
        for effect in effects:
            self._alone(self._perform, effect)

    def _perform(self, effect: do.Effect) -> None:
        match effect:
            case do.Spawn():
                pass
            case do.Report(kind, process, text):
                self._report(kind, process, text)
            case do.SetDeadline(name, at):
                self._set_deadline(name, at)
            case do.Died():
                self._died(effect)
            case do.Terminate(name):
                self.processes.terminate(name)
            case do.Kill(name):
                self.processes.kill(name)
            case do.Sweep(name):
                self._sweep(name)
            case do.Capture(name, pid, cause):
                self._capture(name, pid, cause)
            case do.Forget(name):
                self._forget(name)
            case do.End(reason):
                self._end(reason)
            case _:
                assert_never(effect)

    def _report(self, kind: str, process: str, text: str) -> None:
        if kind == "ready":
            self.processes.became_ready(process)
        if kind == "exited" and (deaths := self.deaths.get(process)):
            death = deaths[0]  # the policy tells of the death before it reports it
            how = {"code": death.exit.code, "signal": death.exit.signal, "core": death.exit.core}
            detail = {**how, "uptime": death.uptime, "cause": death.cause, "black_box": death.black_box}
            self.publish(kind, process, text, death.pid, detail)
            return
        instance = self.tree.instances.get(process)
        self.publish(kind, process, text, instance.pid if instance else None)

    def publish(
        self, kind: str, process: str, text: str, pid: int | None = None, detail: dict[str, Any] | None = None
    ) -> None:
        """A lifecycle event: to the node's log, and to all who follow."""
        event = Event(at=time.time(), kind=kind, process=process, pid=pid, text=text, detail=detail or {})
        self.events.append(event)
        self._log(kind, text)
        for subscriber in list(self.subscribers.values()):
            subscriber(event)

    def _set_deadline(self, name: str, at: float | None) -> None:
        if (timer := self._deadlines.pop(name, None)) is not None:
            timer.cancel()
        if at is None:
            return

        def passed() -> None:
            del self._deadlines[name]
            self.feed(ev.Deadline(name))

        self._deadlines[name] = self.reactor.call_at(at, passed)
        if self._tick is None:
            self._tick = self.reactor.call_every(_TICK, self._ticked)

    def _ticked(self) -> None:
        """The loop has been here: a pause that ends before the next deadline is noticed as well."""
        if not self._deadlines and self._tick is not None:
            self._tick.cancel()
            self._tick = None

    def _was_paused(self, seconds: float) -> None:
        if seconds >= _TOLD:
            text = f"the node could not run for {format_duration(seconds)}: all deadlines are later by that"
            self.publish("node_paused", "", text)

    def _died(self, died: do.Died) -> None:
        wall = time.time()
        box = self._box_paths.pop(died.name, None)
        self._groups[died.name] = died.pid
        if self.state is not NodeState.STOPPING:
            self.processes.ended(died.name)

        death = Death(
            at=wall, pid=died.pid, exit=died.exit, uptime=died.uptime, cause=died.cause, black_box=box
        )
        deaths = self.deaths.setdefault(died.name, deque(maxlen=_DEATHS))
        deaths.appendleft(death)

        def settled(lines: tuple[str, ...]) -> None:
            if death in deaths:
                deaths[deaths.index(death)] = replace(death, last_lines=lines[-_LAST_LINES:])
            self._unsettled -= 1
            while self._unsettled == 0 and self._until_settled:
                self._until_settled.popleft()()

        # A node that stops asks for nobody's last words: they are in the files.
        if died.pid and self.state is not NodeState.STOPPING:
            self._unsettled += 1
            self.output.settled(died.name, settled)

    def when_settled(self, call: Callable[[], None]) -> None:
        """Calls as soon as the last words of whatever has died are known; at once if they are."""
        if self._unsettled:
            self._until_settled.append(call)
        else:
            call()

    def _sweep(self, name: str) -> None:
        instance = self.tree.instances[name]
        spec = self.tree.specs[instance.process]
        killed = instance.signalled and instance.cause in FAULTS
        number = signal.SIGKILL if killed else getattr(signal, f"SIG{spec.stop_signal}")
        grace = 0.0 if killed else float(spec.shutdown)
        self.processes.sweep(name, self._groups.get(name, 0), number=number, grace=grace)

    def _capture(self, name: str, pid: int, cause: str) -> None:
        def written(path: str | None) -> None:
            if path is not None:
                # Race: it may have died of itself meanwhile; its box is no other's.
                if (running := self.processes.running.get(name)) is not None and running.pid == pid:
                    self._box_paths[name] = path
                self.publish("black_box", name, f"black box of {name} is in {path}")
            self.feed(ev.Captured(name, pid))

        self._boxes.write(name, pid, cause, written)

    def _forget(self, name: str) -> None:
        self._set_deadline(name, None)
        self.deaths.pop(name, None)
        self._groups.pop(name, None)
        self._box_paths.pop(name, None)
        self.processes.forget(name)

    def _end(self, reason: str) -> None:
        self.state = NodeState.STOPPING

        def over() -> None:
            # In a turn of its own: whoever waits for a condition is told that the node has ended, first.
            self.reactor.call_soon(lambda: self._on_end(reason))

        # The last words of whoever is to blame are part of the reason.
        self.processes.sweep_strays(lambda: self.when_settled(over))

    # -- commands -----------------------------------------------------------------------------------------

    def boot(self) -> None:
        """Starts everything."""
        self.feed(ev.Boot())

    def shut_down(self) -> None:
        """Stops everything in order; then the node ends."""
        if self.state is not NodeState.STOPPING:
            self.state = NodeState.STOPPING
            self.stopping_since = time.time()
            self.publish("node_stopping", "", f"stopping {self.spec.name} (pid {os.getpid()})")
        self.feed(ev.ShutdownCommand())

    def kill_all(self) -> None:
        """For whoever cannot wait: SIGKILL for everything, now."""
        for name in list(self.tree.instances):
            self.processes.kill(name)


def _unknown(_name: str) -> None:
    """Nobody measures it."""


def _none(_name: str) -> tuple[HandlerFailure, ...]:
    """Nothing has."""
    return ()
