"""What the policy knows about a node: frozen values, replaced and never changed.

Three facts about an instance stay apart: what is wanted of it, what it is, whether it is ready.
"""

from enum import StrEnum

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
    FAILED = "failed"


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
                if self.outcome is Outcome.EXITED:
                    return State.EXITED
                if self.outcome is Outcome.FAILED:
                    return State.FAILED
                if not self.wanted:
                    return State.STOPPED
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
    """Units that are started again when none is pending."""
    hold_until: float | None = None
    """The scope is started no sooner: the delay of the child whose end began it."""
    reason: Reason | None = None
    restarts: tuple[float, ...] = ()
    """Times of the restarts within its window."""

    @property
    def name(self) -> str:
        """Its spec's name."""
        return self.spec.name


class Tree(Struct, frozen=True):
    """A node's supervision tree."""

    root: str
    supervisors: dict[str, Supervisor]
    specs: dict[str, ProcessSpec]
    instances: dict[str, Instance]
    members: dict[str, tuple[str, ...]]
    """Instances of each process, in order."""
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
    instances: dict[str, Instance] = {}
    members: dict[str, tuple[str, ...]] = {}

    def grow(supervisor: SupervisorSpec, parent: str | None) -> None:
        units = (
            *(process.name for process in supervisor.processes),
            *(nested.name for nested in supervisor.supervisors),
        )
        supervisors[supervisor.name] = Supervisor(spec=supervisor, parent=parent, units=units)
        for process in supervisor.processes:
            position = len(specs)
            specs[process.name] = process
            members[process.name] = process.instance_names()
            for number, name in enumerate(members[process.name], 1):
                instances[name] = Instance(
                    name=name, process=process.name, supervisor=supervisor.name, order=(position, number)
                )
        for nested in supervisor.supervisors:
            grow(nested, supervisor.name)

    grow(spec.root, None)
    return Tree(
        root=spec.root.name, supervisors=supervisors, specs=specs, instances=instances, members=members
    )
