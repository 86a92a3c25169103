"""What shall run: OTP's supervisor flags and child specs, for operating-system processes.

Each option is defined here once: its name, type, default and meaning are the configuration's, the
documentation's and the daemon's. Values are as they are used: seconds, bytes, tuples.
"""

from enum import StrEnum
from typing import Literal

from msgspec import Struct, field

from .units import Duration, Shutdown, Size


class Strategy(StrEnum):
    """Whom the death of a child concerns (OTP supervisor(3))."""

    ONE_FOR_ONE = "one_for_one"
    ONE_FOR_ALL = "one_for_all"
    REST_FOR_ONE = "rest_for_one"


class RestartType(StrEnum):
    """Whether an ended child is started again: always, after an abnormal end, never."""

    PERMANENT = "permanent"
    TRANSIENT = "transient"
    TEMPORARY = "temporary"


class AutoShutdown(StrEnum):
    """Whether a supervisor ends by itself when significant children have ended by themselves."""

    NEVER = "never"
    ANY_SIGNIFICANT = "any_significant"
    ALL_SIGNIFICANT = "all_significant"


class Ready(Struct, frozen=True, forbid_unknown_fields=True):
    """When a process counts as ready.

    kind and target: `spawned` (it was started); `notify` (it sends READY=1, sd_notify(3)); `tcp`
    (`host:port` or `unix:/path` accepts); `http` (the URL answers 200 to 399); `log` (a line of output
    matches the regular expression); `exec` (the command exits 0); `completed` (it has ended with
    success: a task that others wait for).
    """

    kind: Literal["spawned", "notify", "tcp", "http", "log", "exec", "completed"] = "spawned"
    target: str = ""
    command: tuple[str, ...] = ()
    """The command of `exec`."""
    timeout: Duration = Duration(60)
    """Not ready by then: killed, a failed start."""
    every: Duration = Duration(0.1)
    """Time between two attempts of tcp, http and exec."""


class Liveness(Struct, frozen=True, forbid_unknown_fields=True):
    """A check that a ready process must keep passing; it is killed after `failures` in a row."""

    kind: Literal["tcp", "http", "exec"]
    target: str = ""
    command: tuple[str, ...] = ()
    every: Duration = Duration(10)
    timeout: Duration = Duration(2)
    failures: int = 3


class Backoff(Struct, frozen=True, forbid_unknown_fields=True):
    """Delay before a restart: none for the first two in a row, then base * factor**n, at most max.

    A run of failures ends when a process has stayed up for as long as `reset`.
    """

    base: Duration = Duration(0.1)
    max: Duration = Duration(30)
    factor: float = 2.0
    jitter: float = 0.1
    """Each delay is varied at random by up to this part of itself, both ways."""
    reset: Duration = Duration(1)


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the output of a process goes, beside the node's own standard output in the foreground."""

    file: str = ""
    """Empty: NAME.log in the node's log directory. `none`: no file."""
    max_bytes: Size = Size(10 * 1024**2)
    backups: int = 5
    format: Literal["raw", "prefix", "json"] = "raw"
    on_full: Literal["block", "drop"] = "block"
    """What happens when the disk is full or the file cannot be written: the writer waits, or lines are
    dropped and counted."""


class ProcessSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A child spec: one command, run in `instances` copies named `name.1`, `name.2`, …."""

    name: str
    command: tuple[str, ...] = ()
    entry: str = ""
    """`module:function`, run by the application's Python, in place of a command."""
    instances: int = 1
    restart: RestartType = RestartType.PERMANENT
    shutdown: Shutdown = Shutdown(10)
    stop_signal: str = "TERM"
    """A signal's name without SIG."""
    significant: bool = False
    success_exit_codes: tuple[int, ...] = (0,)
    """The exit codes of a normal end, for `transient`."""
    ready: Ready = Ready()
    liveness: Liveness | None = None
    after: tuple[str, ...] = ()
    """Names of processes: start only when all their instances are ready."""
    env: dict[str, str] = field(default_factory=dict)
    env_file: str = ""
    cwd: str = ""
    user: str = ""
    group: str = ""
    umask: str = ""
    """Octal, as in umask(1): `"027"`."""
    nice: int = 0
    limits: dict[str, int | str] = field(default_factory=dict)
    """setrlimit(2) by ulimit's long names (nofile, core, nproc, …): a number or "infinity"."""
    max_memory: Size | None = None
    """Resident bytes of the process and its descendants; above it, it is restarted."""
    max_age: Duration | None = None
    """Restarted when it has been up for so long (and up to a tenth more, so that instances differ)."""
    backoff: Backoff = Backoff()
    log: Log = Log()
    agent: bool = True
    """Whether its Python processes carry the agent, for console, rpc and stacks."""

    def instance_names(self, instances: int | None = None) -> tuple[str, ...]:
        """`web.1`, `web.2`, … for as many instances as given, or as specified."""
        count = self.instances if instances is None else instances
        return tuple(f"{self.name}.{k}" for k in range(1, count + 1))


class SupervisorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A supervisor: its flags, and its children in start order: processes, then nested supervisors."""

    name: str
    strategy: Strategy = Strategy.ONE_FOR_ONE
    max_restarts: int = 3
    """More restarts than this within max_seconds, and the supervisor ends: escalation."""
    max_seconds: Duration = Duration(5)
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    restart: RestartType = RestartType.PERMANENT
    """As a child of its own supervisor; the root's says nothing."""
    significant: bool = False
    processes: tuple[ProcessSpec, ...] = ()
    supervisors: tuple["SupervisorSpec", ...] = ()


class SocketSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A listening socket that the node owns and its processes inherit: connections survive their restarts."""

    name: str
    bind: str
    """`host:port`, `[v6]:port` or `unix:/path`."""
    backlog: int = 2048
    mode: str = ""
    """Permissions of a Unix socket, octal."""


class NodeSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One release as it runs here: its name and version, its sockets and its root supervisor."""

    name: str
    version: str
    root: SupervisorSpec
    sockets: tuple[SocketSpec, ...] = ()
    directory: str = "."
    """The project's directory (absolute): the default cwd of every process."""
    source: str = ""
    """The file the configuration came from."""
    python: str = ""
    """The application's interpreter (absolute path)."""
    runtime_config: str = ""
    """Path of the file evaluated at each boot; empty: none."""
    env: str = "dev"
    """What config_env() says: dev in a project, prod in a release."""
    on_supervisor_death: Literal["adopt", "die"] = "adopt"


def processes(supervisor: SupervisorSpec) -> tuple[ProcessSpec, ...]:
    """Every process below `supervisor`, in start order."""
    found = list(supervisor.processes)
    for nested in supervisor.supervisors:
        found.extend(processes(nested))
    return tuple(found)
