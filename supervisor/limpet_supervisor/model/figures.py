"""What a node, its host and its processes use, as whoever watches them reads it: seconds and bytes.

Counters are absolute, so that each who looks takes differences over a window of their own. What could not be
found out is None, never 0.
"""

from typing import Any

from msgspec import Struct


class Figures(Struct, frozen=True):
    """What one instance uses, all that descends from it included."""

    name: str
    kernel_state: str = ""
    """The main process's, proc(5): R runs, S sleeps, D waits for a device, T is stopped, Z is a zombie."""
    cpu_time: float | None = None
    """Seconds of CPU that its living processes have spent."""
    memory: int | None = None
    """Resident bytes."""
    threads: int | None = None
    fds: int | None = None
    """Open file descriptors."""
    fds_limit: int | None = None
    """RLIMIT_NOFILE (soft) of the main process."""
    processes: int = 0
    zombies: int = 0
    """Of them, those that have ended and that their parent has not waited for."""
    written: int = 0
    """Bytes of output that the node has moved."""
    lost: int = 0
    """Lines of output that reached no file, because the disk was full."""
    problem: str = ""
    """Why its output cannot be written now."""


class Limit(Struct, frozen=True):
    """Something that can run out."""

    name: str
    used: float
    limit: float
    unit: str = ""
    """`bytes`, or empty for a number of things."""

    @property
    def share(self) -> float:
        """The used part, 0 to 1 (and above, where more is used than is allowed)."""
        return self.used / self.limit if self.limit > 0 else 0.0


class Host(Struct, frozen=True):
    """The machine, or what a container sees of it."""

    name: str
    kernel: str
    cpus: int
    """That the node may run on."""
    uptime: float
    load: tuple[float, float, float]
    """Of the last 1, 5 and 15 minutes."""
    busy: float
    """Seconds that all CPUs together have worked since the boot."""
    passed: float
    """Seconds that they all could have."""
    memory: int
    available: int
    """Bytes that could be had without swapping."""
    quota: float | None = None
    """CPUs' worth of time that the control group allows; None: no limit."""


class Own(Struct, frozen=True):
    """What the node itself uses, its processes apart."""

    limpet: str
    """Version of Limpet."""
    python: str
    """Version of the Python that runs it."""
    pid: int
    cpu_time: float
    memory: int
    fds: int | None
    threads: int
    agents: int
    """Processes with an agent that it is connected to."""


class Listening(Struct, frozen=True):
    """A listening socket that the node holds for its processes."""

    name: str
    bind: str
    waiting: int | None = None
    """Connections that nobody has accepted yet."""
    backlog: int = 0


class OpenFile(Struct, frozen=True):
    """One open descriptor."""

    fd: int
    kind: str
    """file, directory, device, pipe, socket, anonymous, deleted."""
    target: str


class Connection(Struct, frozen=True):
    """One socket of a process."""

    fd: int
    protocol: str
    """tcp, tcp6, udp, udp6, unix."""
    local: str
    remote: str = ""
    state: str = ""
    queued: int = 0
    """Bytes received that the process has not read; of one that listens, connections that wait."""
    unsent: int = 0
    """Bytes that the other end has not taken."""


class ThreadFacts(Struct, frozen=True):
    """One thread of a main process, by the kernel."""

    tid: int
    name: str
    state: str
    cpu_time: float
    waits_in: str = ""
    """The kernel's function that it sleeps in, where that may be seen."""


class Detail(Struct, frozen=True):
    """What the kernel and the node know of one instance, its agents not asked."""

    name: str
    figures: Figures
    started_at: float | None = None
    """Wall-clock time, Unix seconds."""
    command: tuple[str, ...] = ()
    executable: str = ""
    cwd: str = ""
    user: str = ""
    spec: dict[str, Any] = {}
    """Its child spec, what it leaves at its default included; secrets are masked."""
    environ: dict[str, str] = {}
    """What it was started with; secrets are masked."""
    limits: tuple[Limit, ...] = ()
    files: tuple[OpenFile, ...] = ()
    connections: tuple[Connection, ...] = ()
    threads: tuple[ThreadFacts, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be read, and why; what was left out."""


class Finding(Struct, frozen=True):
    """Something that is wrong with the running system, or will be soon."""

    rule: str
    """restart_storm, always_killed, fd_leak, …"""
    severity: str
    """`critical`: it does harm now; `warning`: it will; `info`: worth to know."""
    process: str
    """Empty: the node itself, or its host."""
    text: str
    """What was seen, with its figures."""
    todo: str = ""
