"""What is: the facts about a node and its processes that people and programs read.

Field names and shapes are a contract (`status --json`, `events --json`): seconds and bytes.
"""

from enum import StrEnum
from typing import Any, Final

from msgspec import Struct, field


class State(StrEnum):
    """The actual state of a process; what is wanted of it and whether it is ready are facts of their own."""

    STARTING = "starting"
    """Started and not ready yet, or waiting for those it is `after`."""
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    """Not running, by a command."""
    BACKOFF = "backoff"
    """It ended; its restart waits."""
    EXITED = "exited"
    """It ended by itself, and its restart type says that this is all."""
    FAILED = "failed"
    """Given up: its supervisor reached its restart intensity."""


class NodeState(StrEnum):
    """The state of a node."""

    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"


class Exit(Struct, frozen=True):
    """How a process ended: exactly one of the two is set, or neither if it is not known (adopted)."""

    code: int | None = None
    signal: str | None = None
    """The signal's name, with SIG."""
    core: bool = False

    def __str__(self) -> str:
        if self.signal is not None:
            return f"killed by {self.signal}" + (" (core dumped)" if self.core else "")
        return f"exit code {self.code}" if self.code is not None else "ended, how is not known"


class Death(Struct, frozen=True):
    """One end of one process, as `why` shows it."""

    at: float
    """Wall-clock time, Unix seconds."""
    pid: int
    exit: Exit
    uptime: float
    cause: str
    """In words: `crashed`, `stopped by a command`, `not ready within 60s`, …"""
    black_box: str | None = None
    """Path of the black box, if one was written before a kill of ours."""
    last_lines: tuple[str, ...] = ()


class Member(Struct, frozen=True):
    """A process below a supervised one: a fork, a worker, a shell's child."""

    pid: int
    ppid: int
    command: str
    memory: int
    agent: str
    """`ready`, `none`, or `helper`: one that multiprocessing has started for itself."""


class HandlerFailure(Struct, frozen=True):
    """A handler of an application's telemetry that has failed, or a function that it polls."""

    process: str
    """`web.1`, `web.1/4711`."""
    id: str
    events: tuple[str, ...]
    """Their names, with dots; none of a poll."""
    quarantined: bool
    """It fails, and is left out until it is tried again; False: it works again."""
    failed: int
    """Calls in which it raised, since it was attached or its process forked."""
    missed: int
    """Events of which it was not told, in the same time."""
    reason: str
    """What it raised last."""
    at: float
    """When, as Unix seconds."""

    @property
    def what(self) -> str:
        """`telemetry handler totals`; a poll's id says that it is one."""
        return f"telemetry {'handler ' if self.events else ''}{self.id}"


class ProcessStatus(Struct, frozen=True):
    """A line of `status`."""

    name: str
    state: State
    ready: bool
    pid: int | None
    uptime: float | None
    restarts: int
    cpu: float | None
    """Percent of one core, since the previous status or since its start; with its descendants."""
    memory: int | None
    """Resident bytes, with its descendants."""
    agent: str
    """`ready` or `none`."""
    agent_reason: str | None = None
    reason: str | None = None
    """Why it is in this state: what it waits for, when the next try is, how it ended."""
    supervisor: str = ""
    """Name of its supervisor."""
    agents: tuple[str, ...] = ()
    """Names of its processes with an agent, by which they are evaluated in: `web.1`, then `web.1/4711`, …"""
    consoles: int = 0
    """Consoles that have variables in them."""
    lag: float | None = None
    """Seconds that its event loop was late at most within the last ten; None: there is none, or nobody
    measures."""
    gil_wait: float | None = None
    """Seconds that a thread in it has waited at most for the interpreter, or a CPU, within the last ten."""
    gc_pause: float | None = None
    """Seconds of the longest pause for its garbage collector within the last ten."""
    failures: tuple[HandlerFailure, ...] = ()
    """What of its telemetry has failed, as of the last failure or recovery."""


class NodeFacts(Struct, frozen=True):
    """The node's own line."""

    name: str
    version: str
    pid: int
    uptime: float
    state: NodeState
    wanted: int = 0
    """Processes that shall run."""
    ready: int = 0
    """Processes that are ready."""
    remarks: tuple[str, ...] = ()
    """What of the node itself does not work."""


EVENTS: Final = {
    "started": "a process runs; its pid is known",
    "ready": "a process is ready",
    "start_failed": "a process could not be started",
    "fault": "a process runs and must not: liveness, memory, age, or not ready in time",
    "black_box": "what a process was doing is written down, before it is killed",
    "killed": "a process gets SIGKILL: it did not stop in time, or had to go",
    "exited": "a process has ended; `detail` has code, signal, core, uptime, cause, black_box",
    "restarting": "a process is started again, now or after the delay that it says",
    "stopping": "a process is being stopped, and why",
    "stopped": "a process is stopped: nothing of it is left",
    "escalated": "a supervisor has seen more restarts than it allows, and ends",
    "auto_shutdown": "a supervisor ends because its significant children have",
    "added": "a process was added while the node runs",
    "removed": "a process was removed",
    "scaled": "a process has another number of instances",
    "evaluated": "somebody evaluates in a process: who, where, the beginning of what",
    "level": "somebody changes the level of a logger in a process, or puts it back",
    "check_failed": "a check of a process fails that did not: one of its own, or `loop`",
    "check_passed": "a check of a process that failed passes again",
    "handler_failed": "a handler of a process's telemetry raises and is left out; `detail` is as in `status`",
    "handler_recovered": "such a handler works again",
    "agent_failed": "a part of the agent in a process fails and is left out; its other parts go on",
    "push_failing": "metrics cannot be pushed to where they shall, since now; and why",
    "push_recovered": "metrics are pushed again",
    "node_paused": "the node could not run for a while, frozen or stopped; all deadlines are later by that",
    "node_ready": "everything is ready",
    "node_stopping": "the node stops",
}
"""What happens in a node, by the kind of its event."""


class Event(Struct, frozen=True):
    """A lifecycle event of the node: `events -f` streams them."""

    at: float
    """Wall-clock time, Unix seconds."""
    kind: str
    """One of EVENTS."""
    process: str = ""
    pid: int | None = None
    text: str = ""
    """The event for a person."""
    detail: dict[str, Any] = field(default_factory=dict)
