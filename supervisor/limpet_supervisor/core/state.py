"""What the policy knows about a node: frozen values, replaced and never changed.

Three facts about an instance stay apart: what is wanted of it, what it is, whether it is ready.
"""

from enum import StrEnum
from typing import NamedTuple

from msgspec import Struct

from limpet_supervisor.model.spec import NodeSpec, ProcessSpec, SupervisorSpec
from limpet_supervisor.model.status import Exit, State


class Life(StrEnum):
    """What an instance is."""

    DOWN = "down"
    """Nothing of it runs."""
    STARTING = "starting"
    """Its process was asked for or exists, and is not ready."""
    UP = "up"
    """It runs and is ready."""
    CAPTURING = "capturing"
    """Its black box is being written; then it is terminated, or killed if it has had its stop signal."""
    TERMINATING = "terminating"
    """It has its stop signal."""
    KILLING = "killing"
    """It has SIGKILL."""
    SWEEPING = "sweeping"
    """Its main process is gone; descendants of it are not."""


class Cause(StrEnum):
    """Why an instance is being stopped; a process that ends without one ended by itself."""

    COMMAND = "stopped by a command"
    RESTART = "restarted by a command"
    REMOVED = "removed"
    SUPERVISOR = "stopped by its supervisor"
    UNREADY = "not ready in time"
    LIVENESS = "liveness check failed"
    MEMORY = "above max_memory"
    AGE = "reached max_age"


FAULTS = frozenset({Cause.UNREADY, Cause.LIVENESS, Cause.MEMORY})
"""Causes that count as an abnormal end, and so as a restart of the supervisor's intensity."""


class Outcome(StrEnum):
    """Why an instance is down and stays so though it is wanted up."""

    EXITED = "exited"
    """It has ended, and its restart type says that this is all."""
    FAILED = "failed"
    """Its supervisor has given up and is not started again."""
    ENDED = "ended"
    """Its supervisor has ended, or is about to, and it with it."""


class Instance(Struct, frozen=True):
    """One supervised process."""

    name: str
    process: str
    """Name of its spec, and of its place among its supervisor's children."""
    supervisor: str
    order: tuple[int, int]
    """Start order in the whole tree: (position of its process, its number)."""
    wanted: bool = True
    life: Life = Life.DOWN
    pid: int | None = None
    started_at: float = 0.0
    since: float = 0.0
    """When `life` became what it is."""
    restarts: int = 0
    """Times it was started again."""
    failures: int = 0
    """Failures in a row, for the delay."""
    retry_at: float | None = None
    """It waits until then."""
    deadline: float | None = None
    outcome: Outcome | None = None
    completed: bool = False
    """It has ended with success, and that is what its readiness is."""
    cause: Cause | None = None
    """Why it is being stopped, or was when it last ended."""
    detail: str = ""
    """The cause, in words of the check that found it."""
    exit: Exit | None = None
    """How it last ended."""
    shutdown: float = float("inf")
    """Seconds between its stop signal and the kill, this time, if its process's own are more."""
    signalled: bool = False
    """It has had its stop signal."""

    @property
    def ready(self) -> bool:
        """Whether those that are `after` it may start."""
        return self.life is Life.UP or self.completed

    @property
    def state(self) -> State:
        """The state that people see."""
        match self.life:
            case Life.UP:
                return State.RUNNING
            case Life.STARTING:
                return State.STARTING
            case Life.DOWN:
                if not self.wanted or self.outcome is Outcome.ENDED:
                    return State.STOPPED
                if self.outcome is Outcome.EXITED:
                    return State.EXITED
                if self.outcome is Outcome.FAILED:
                    return State.FAILED
                return State.STARTING if self.retry_at is None else State.BACKOFF
            case _:
                return State.STOPPING


class Phase(StrEnum):
    """What a supervisor is doing."""

    RUNNING = "running"
    RESTARTING = "restarting"
    """It terminates the children in `scope` in reverse start order, and then starts them again."""
    ENDING = "ending"
    """It terminates all its children in reverse start order, and then is down."""
    DOWN = "down"


class Reason(StrEnum):
    """Why a supervisor ends."""

    SHUTDOWN = "shutdown"
    """Its supervisor or an operator wants it."""
    ESCALATED = "escalated"
    """It reached its restart intensity."""
    AUTO_SHUTDOWN = "auto_shutdown"


class Supervisor(Struct, frozen=True):
    """One supervisor; its children are units: names of processes and of nested supervisors."""

    spec: SupervisorSpec
    parent: str | None
    units: tuple[str, ...]
    """Its children in start order."""
    phase: Phase = Phase.RUNNING
    pending: tuple[str, ...] = ()
    """Units still to be terminated, next one first."""
    scope: frozenset[str] = frozenset()
    """Units that are started again, whole, when none is pending."""
    held: frozenset[str] = frozenset()
    """Instances and nested supervisors whose end began the restart, and that are started again with it."""
    hold_until: float | None = None
    """They are started no sooner: the delay of the child whose end began it."""
    reason: Reason | None = None
    restarts: tuple[float, ...] = ()
    """Times of the restarts within its window."""

    @property
    def name(self) -> str:
        """Its spec's name."""
        return self.spec.name


class Place(NamedTuple):
    """Where a process stands, whether it has an instance or not."""

    supervisor: str
    position: int
    """In the start order of the whole tree."""


class Tree(Struct, frozen=True):
    """A node's supervision tree."""

    root: str
    supervisors: dict[str, Supervisor]
    """Each before those below it."""
    specs: dict[str, ProcessSpec]
    places: dict[str, Place]
    """Where each process stands."""
    instances: dict[str, Instance]
    members: dict[str, tuple[str, ...]]
    """Instances of each process, in order."""
    removing: frozenset[str] = frozenset()
    """Processes that are forgotten with their last instance."""
    waiting: frozenset[str] = frozenset()
    """Instances that are down and may have to be started. Invariant: contains every such instance."""
    ended: bool = False

    def in_order(self) -> list[Instance]:
        """All instances, in start order."""
        return sorted(self.instances.values(), key=lambda instance: instance.order)


def plant(spec: NodeSpec) -> Tree:
    """The tree of a node that runs nothing yet."""
    supervisors: dict[str, Supervisor] = {}
    specs: dict[str, ProcessSpec] = {}
    places: dict[str, Place] = {}
    instances: dict[str, Instance] = {}
    members: dict[str, tuple[str, ...]] = {}

    def grow(supervisor: SupervisorSpec, parent: str | None) -> None:
        units = (
            *(process.name for process in supervisor.processes),
            *(nested.name for nested in supervisor.supervisors),
        )
        supervisors[supervisor.name] = Supervisor(spec=supervisor, parent=parent, units=units)
        for process in supervisor.processes:
            place = places[process.name] = Place(supervisor.name, len(specs))
            specs[process.name] = process
            members[process.name] = process.instance_names()
            for number, name in enumerate(members[process.name], 1):
                instances[name] = seed(process.name, place, number)
        for nested in supervisor.supervisors:
            grow(nested, supervisor.name)

    grow(spec.root, None)
    return Tree(
        root=spec.root.name,
        supervisors=supervisors,
        specs=specs,
        places=places,
        instances=instances,
        members=members,
    )


def seed(process: str, place: Place, number: int) -> Instance:
    """Instance `number` of a process, never started."""
    return Instance(
        name=f"{process}.{number}",
        process=process,
        supervisor=place.supervisor,
        order=(place.position, number),
    )
