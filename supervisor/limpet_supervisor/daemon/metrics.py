"""A scrape: what the node, its processes and the application have measured, as OpenMetrics text.

The loop asks the agents, for a second at most, and goes on; /proc is read and the text made beside it. Those
who ask while one is on its way get the same. An agent that is late is left out, and counted.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

from limpet_supervisor import __version__
from limpet_supervisor.core.state import Instance
from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.figures import Figures
from limpet_supervisor.runtime import procfs
from limpet_supervisor.runtime.agents import AgentConnection
from limpet_supervisor.runtime.aside import Aside
from limpet_supervisor.runtime.openmetrics import Family, Histogram, render
from limpet_supervisor.wire.agent import AgentAnswer

from .application import Application, Source
from .control import TOOK_BOUNDS, Control
from .counts import Counts
from .families import Facts, ProcessFacts, families
from .figures import Sampler, Taken
from .health import Health
from .node import Node
from .observe import Observer
from .vitals import Monitor
from .wants import Wants

WITHIN: Final = 1.0
"""Seconds that the agents have."""
_PSS_EVERY: Final = 60.0
"""Seconds between two looks at a process's proportional memory: the kernel walks all of it for that."""
_PSS_WITHIN: Final = 1.0
"""Seconds that these looks may take of one scrape; for the others there is the next, longest ago first."""

Then = Callable[[bytes | None], None]
Make = Callable[[list[Family], list[Family]], bytes]
"""Makes something of the node's own families and of the application's; beside the loop."""


class Asked(NamedTuple):
    """What agents have answered."""

    source: Source
    data: Any
    seconds: float
    """That it took."""


class Metrics:
    """Scrapes a node.

    Args:
        control: the control socket, once there is one.
    """

    def __init__(
        self,
        node: Node,
        observer: Observer,
        *,
        health: Health,
        wants: Wants,
        monitor: Monitor,
        sampler: Sampler,
        counts: Counts,
        control: Callable[[], Control | None],
    ) -> None:
        self.late = 0
        """Times that an agent was."""
        self._node = node
        self._observer = observer
        self._health = health
        self._wants = wants
        self._monitor = monitor
        self._sampler = sampler
        self._counts = counts
        self._control = control
        # What was given up goes on in its thread, and changes what the next would change beside it.
        self._aside = Aside(node.reactor, left=1)
        self._application = Application()
        self._scrapes = 0
        self._waiting: list[tuple[Make, Then]] = []
        self._round: object | None = None
        """The scrape that is on its way."""
        self._pushing: Callable[[], list[Family]] = list
        """Families of the pushes of metrics, where there are any."""
        self._pss: dict[int, tuple[float, int]] = {}

    def scrape(self, then: Then) -> None:
        """Calls `then` with the text; None: it could not be made."""
        self.gather(_text, then)

    def add(self, pushing: Callable[[], list[Family]]) -> None:
        """Has the families of the pushes of metrics told with the others."""
        self._pushing = pushing

    def keep(self) -> None:
        """Has the application's processes tell what they have counted so far: they are about to end."""

        def then(asked: list[Asked], _late: list[AgentConnection]) -> None:
            told = [each for each in asked if each.data is not None]

            def work() -> None:
                for each in told:
                    self._application.take(each.source, each.data)

            self._aside.do(work, _nothing, _nothing)

        self._ask(then)

    def gather(self, make: Make, then: Then) -> None:
        """Calls `then` with what `make` makes of all that is measured; None: it could not be made."""
        self._waiting.append((make, then))
        if self._round is None:
            self._begin()

    def _begin(self) -> None:
        """Begins a scrape for all who wait. Guarantee: a bug on its way ends it, and they are told."""
        self._scrapes += 1
        current = self._round = object()

        def step(work: Callable[[], None]) -> None:
            if self._round is not current:
                return
            try:
                work()
            except Exception as error:  # noqa: BLE001 - a bug, which the loop is told of
                self._node.reactor.raise_soon(error)
                self._tell(current, {})

        def ask(figures: tuple[Figures, ...]) -> None:
            step(lambda: self._ask(lambda asked, late: compose(figures, asked, late)))

        def compose(figures: tuple[Figures, ...], asked: list[Asked], late: list[AgentConnection]) -> None:
            step(lambda: self._compose(current, figures, asked, late))

        def sampled(taken: Taken) -> None:
            ask(taken.figures)

        def failed(_error: LimpetError) -> None:
            ask(())

        step(lambda: self._health.limits.look(lambda: step(lambda: self._sampler.take(sampled, failed))))

    def _tell(self, current: object, made: dict[Make, bytes]) -> None:
        """Ends a scrape, unless it has ended: one that comes to it twice must not end the next."""
        if self._round is not current:
            return
        self._round = None
        waiting = self._waiting
        # Whoever came for something else while this was made waits for the next.
        self._waiting = [each for each in waiting if made and each[0] not in made]
        if self._waiting:
            self._begin()
        self._node.reactor.call_each(
            partial(then, made.get(make)) for make, then in waiting if not made or make in made
        )

    # -- agents -------------------------------------------------------------------------------------------

    def _ask(self, then: Callable[[list[Asked], list[AgentConnection]], None]) -> None:
        """Asks all agents that have something to tell; `then` gets the answers, and who is late."""
        reactor = self._node.reactor
        began = reactor.now()
        asked: list[Asked] = []
        waiting: dict[AgentConnection, int] = {}
        done = False

        def finish() -> None:
            nonlocal done
            if done:
                return
            done = True
            timer.cancel()
            for connection, request_id in waiting.items():
                connection.forget(request_id)
            self.late += len(waiting)
            then(asked, list(waiting))

        def ask(connection: AgentConnection) -> None:
            source = Source(connection, self._process_of(connection), self._health.name_of(connection))

            def answered(answer: AgentAnswer) -> None:
                if not answer.re:
                    return
                waiting.pop(connection, None)
                if answer.re in ("telemetry", "pong"):
                    asked.append(Asked(source, answer.data, reactor.now() - began))
                if not waiting and asking_is_over:
                    finish()

            op = "telemetry" if connection in self._wants.telemetry else "ping"
            waiting[connection] = connection.request(op, answered)

        asking_is_over = False
        timer = reactor.call_later(WITHIN, finish)
        for connection in list(self._node.agents):
            if connection in self._wants.telemetry or self._monitor.felt(connection) is not None:
                ask(connection)
        asking_is_over = True
        if not waiting:
            finish()

    def _process_of(self, connection: AgentConnection) -> str:
        instance = self._node.tree.instances.get(connection.process)
        return instance.process if instance is not None else connection.process.rpartition(".")[0]

    # -- text ---------------------------------------------------------------------------------------------

    def _compose(
        self, current: object, figures: tuple[Figures, ...], asked: list[Asked], late: list[AgentConnection]
    ) -> None:
        """Takes all that the loop knows, and has the rest done beside it."""
        tree = self._node.tree
        of_instance = {each.name: each for each in figures}
        processes = [self._facts(instance, of_instance.get(instance.name)) for instance in tree.in_order()]
        agents = {each.source.name: each.seconds for each in asked}
        vitals = {
            self._health.name_of(each): felt
            for each in self._node.agents
            if (felt := self._monitor.felt(each)) is not None
        }
        control = self._control()
        facts = Facts(
            limpet=__version__,
            node=self._observer.facts(),
            processes=processes,
            health=self._health.all_lines(),
            vitals=vitals,
            agents=agents,
            late=self.late,
            requests=control.requests if control else 0,
            garbage=control.garbage if control else 0,
            took=Histogram(
                TOOK_BOUNDS,
                tuple(control.took) if control else (0,) * (len(TOOK_BOUNDS) + 1),
                control.took_seconds if control else 0.0,
            ),
            escalations=self._counts.escalations,
            scrapes=self._scrapes,
        )
        here = list(self._node.agents)
        known = list(tree.specs)
        now = self._node.reactor.now()
        application = self._application
        pss = self._pss

        makes = {make for make, _ in self._waiting}
        pushing = self._pushing()

        def work() -> dict[Make, bytes]:
            for each in asked:
                if each.data is not None:
                    application.take(each.source, each.data)
            application.forget_all_but(here, known)
            theirs = application.families(late)
            kernel = _kernel({each.name: each.pid for each in processes if each.pid is not None}, now, pss)
            own = [*families(facts, kernel, application.dropped), *pushing]
            return {make: make(own, theirs) for make in makes}

        self._aside.do(work, partial(self._tell, current), lambda _error: self._tell(current, {}))

    def _facts(self, instance: Instance, figures: Figures | None) -> ProcessFacts:
        running = self._node.processes.running.get(instance.name)
        return ProcessFacts(
            name=instance.name,
            state=instance.state,
            ready=instance.ready,
            wanted=instance.wanted,
            pid=instance.pid,
            restarts=instance.restarts,
            starts=self._counts.starts[instance.name],
            ends=self._counts.ends(instance.name),
            started_at=running.wall if running is not None else None,
            figures=figures,
        )


def _nothing(_result: object) -> None:
    """Nobody waits for it."""


def _text(own: list[Family], theirs: list[Family]) -> bytes:
    return render([*own, *theirs])


def _kernel(
    pids: dict[str, int], now: float, pss: dict[int, tuple[float, int]]
) -> dict[str, tuple[float, int | None]]:
    """Of each instance: seconds of CPU of all that it has run, and bytes of PSS.

    CPU time of a child that has ended is its parent's from then on (`cutime` of proc(5)): the sum goes on.
    """
    families = {name: (main, *procfs.children(main)) for name, main in pids.items()}
    ticks = {
        pid: facts.ticks + facts.waited
        for family in families.values()
        for pid in family
        if (facts := procfs.stat(pid)) is not None
    }
    for gone in pss.keys() - ticks.keys():
        del pss[gone]
    never = float("-inf"), 0
    until = time.monotonic() + _PSS_WITHIN
    for pid in sorted(ticks, key=lambda pid: pss.get(pid, never)[0]):
        if now - pss.get(pid, never)[0] <= _PSS_EVERY:
            break
        pss[pid] = now, procfs.proportional(pid) or 0
        if time.monotonic() >= until:
            break
    found = {}
    for name, family in families.items():
        used = sum(ticks.get(pid, 0) for pid in family) / procfs.TICKS_PER_SECOND
        found[name] = used, sum(pss.get(pid, never)[1] for pid in family) or None
    return found
