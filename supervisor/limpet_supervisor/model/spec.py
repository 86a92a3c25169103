"""What shall run: OTP's supervisor flags and child specs, for operating-system processes.

Each option is defined here once: its name, type, default and meaning are the configuration's, the
documentation's and the daemon's. Values are as they are used: seconds, bytes, tuples. The string below
a field is its entry in docs/configuration.md; the `Meta` of its type is what the configuration accepts
(msgspec checks it again when a spec is decoded).
"""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from msgspec import Meta, Struct, field

from .units import Duration, Shutdown, Size

ReleaseName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_]*$",
        description="a name of lower-case letters, digits and underscores that begins with a letter",
    ),
]
"""As mix release's: it becomes a directory, a script and the prefix of variables."""

Name = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9_-]{0,199}$",
        description="a name of at most 200 lower-case letters, digits, _ and - that begins with a letter",
    ),
]
"""Of a process, supervisor or socket; the dot is left for the instance's number. Files are called after it,
whose names have 255 bytes at most."""

Version = Annotated[
    str,
    Meta(pattern=r"^[0-9A-Za-z][0-9A-Za-z.+!_-]*$", description='a version such as "1.0.0"'),
]

Count = Annotated[int, Meta(ge=0, description="a whole number, 0 or more")]
Positive = Annotated[int, Meta(ge=1, description="a whole number, 1 or more")]
Interval = Annotated[
    Duration, Meta(extra={"gt": 0}, description='a duration above 0, such as "250ms", "10s" or "1m30s"')
]
"""msgspec has no ranges for types of ours, so the one bound stands in `extra`."""
Percent = Annotated[int, Meta(ge=1, le=100, description="percent, 1 to 100")]
Octal = Annotated[str, Meta(pattern=r"^([0-7]{3,4})?$", description='octal permissions such as "027"')]
Entry = Annotated[
    str,
    Meta(
        pattern=r"^([^\W\d][\w.]*:[^\W\d][\w.]*)?$",
        description='"module:function", as in "bookshop.worker:main"',
    ),
]


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
    """What tcp, http and log look at: an address, a URL, a regular expression."""
    command: tuple[str, ...] = ()
    """The command of `exec`."""
    timeout: Interval = Duration(60)
    """Not ready by then: killed, a failed start."""
    every: Interval = Duration(0.1)
    """Time between two attempts of tcp, http and exec."""


class Liveness(Struct, frozen=True, forbid_unknown_fields=True):
    """A check that a ready process must keep passing; it is killed after `failures` in a row.

    kind and target: `tcp`, `http` and `exec` as for `ready`; `health` (the application's own check of that
    name, limpet.health, has not failed); `loop` (its event loop has not been blocked for so long).
    """

    kind: Literal["tcp", "http", "exec", "health", "loop"]
    target: str = ""
    """What the others look at: an address, a URL, the name of a check, a duration."""
    command: tuple[str, ...] = ()
    """The command of `exec`."""
    every: Interval = Duration(10)
    """Time between two checks."""
    timeout: Interval = Duration(2)
    """A check that takes longer has failed."""
    failures: Positive = 3
    """So many failed checks in a row, and the process is stopped, or killed, and restarted."""
    shutdown: Shutdown | None = None
    """Time between its stop signal and the kill then, where the process's own `shutdown` is longer; default:
    that one, but `1s` of `loop`: a blocked loop hears no signal."""


class HealthSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """What counts as healthy, and where it is served."""

    bind: str = ""
    """`127.0.0.1:9464` or `unix:/path`: there /health, /livez, /readyz, /startupz and /metrics are served.
    Empty: nowhere. The node's variable LIMPET_HEALTH comes first; there `off` is nowhere."""
    mode: Octal = ""
    """Permissions of a Unix socket, octal (systemd's `SocketMode=`): `"666"` lets a proxy of another user in.
    Default: as the node's umask has it."""
    loop: Interval = Duration(1)
    """An event loop that is blocked for longer fails the check `loop`."""
    memory: Percent = 90
    """The check `memory` warns above so much of the control group's limit, or the host's memory."""
    disk: Percent = 95
    """The check `disk` warns above so much of a file system with the node's state or logs."""
    descriptors: Percent = 85
    """The check `descriptors` warns above so much of the limit of the node or of a process."""
    processes: Percent = 90
    """The check `processes` warns above so much of the limit of processes and threads, the control group's
    or the host's."""
    ignore: tuple[str, ...] = ()
    """Names of checks that are shown and count for nothing."""


OTLP: Final = "LIMPET_OTLP"
"""The node's variable that comes before `[otlp] endpoint`: `on`, `off`, or a URL."""


class OtlpSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the node pushes its metrics to, by OTLP over HTTP."""

    endpoint: str = ""
    """`http://collector:4318`; /v1/metrics is put after it. `on`: where OTEL_EXPORTER_OTLP_ENDPOINT says,
    else http://localhost:4318. Empty: nowhere. The node's variable LIMPET_OTLP comes first; there `off` is
    nowhere."""
    headers: dict[str, str] = {}
    """What is sent along, such as `authorization`; never shown. Default: OTEL_EXPORTER_OTLP_HEADERS."""
    interval: Interval | None = None
    """From one push to the next. Default: OTEL_METRIC_EXPORT_INTERVAL, else 60s."""
    timeout: Interval | None = None
    """A push that takes longer has failed. Default: OTEL_EXPORTER_OTLP_TIMEOUT, else 10s."""
    compression: Literal["gzip", "none"] | None = None
    """Default: OTEL_EXPORTER_OTLP_COMPRESSION, else gzip."""
    resource: dict[str, str] = {}
    """Attributes of the node, such as `deployment.environment.name`; before those of OTEL_RESOURCE_ATTRIBUTES
    and those that the node has of itself."""
    certificate: str = ""
    """A file with the authorities that an https endpoint may have its certificate from. Default:
    OTEL_EXPORTER_OTLP_CERTIFICATE, else the system's."""
    client_certificate: str = ""
    """A file with the node's own. Default: OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE."""
    client_key: str = ""
    """A file with its key. Default: OTEL_EXPORTER_OTLP_CLIENT_KEY."""


class Backoff(Struct, frozen=True, forbid_unknown_fields=True):
    """Delay before a restart: none for the first two in a row, then base * factor**n, at most max.

    A run of failures ends when a process has stayed up for as long as `reset`.
    """

    base: Duration = Duration(0.1)
    """The first delay."""
    max: Duration = Duration(30)
    """No delay is longer, jitter aside."""
    factor: Annotated[float, Meta(ge=1, description="a number, 1 or more")] = 2.0
    """Each delay is so many times the one before."""
    jitter: Annotated[float, Meta(ge=0, le=1, description="a number from 0 to 1")] = 0.1
    """Each delay is varied at random by up to this part of itself, both ways."""
    reset: Duration = Duration(1)
    """A process that has stayed up for so long starts again without a delay."""


class Log(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the output of a process goes, beside the node's own standard output in the foreground."""

    file: str = ""
    """Empty: NAME.log in the node's log directory. `none`: no file."""
    max_bytes: Size = Size(10 * 1024**2)
    """The file is rotated, at the end of a line, before it grows beyond this; 0: never."""
    max_age: Interval | None = None
    """The file is rotated, with the next line, when it was begun so long ago."""
    backups: Count = 5
    """Rotated files that are kept."""
    compress: bool = False
    """Whether rotated files are compressed (gzip), but for the latest."""
    format: Literal["raw", "prefix", "json"] = "raw"
    """Lines as they come; each with time and process before it; or each as a JSON object."""
    on_full: Literal["block", "drop"] = "block"
    """What happens when the disk is full or the file cannot be written: the writer waits, or lines are
    dropped and counted."""


class ProcessSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A child spec: one command, run in `instances` copies named `name.1`, `name.2`, …."""

    name: Name
    """The key of its table: `[processes.NAME]`."""
    command: tuple[str, ...] = ()
    """What is run: a list of arguments, or a string that is split as a POSIX shell splits words (no shell
    runs). Either this or `entry`."""
    entry: Entry = ""
    """`module:function`, run by the application's Python, in place of a command."""
    instances: Count = 1
    """How many copies run; they are named `NAME.1`, `NAME.2`, …."""
    restart: RestartType = RestartType.PERMANENT
    """Whether it is started again when it has ended: always (`permanent`), after an abnormal end
    (`transient`), never (`temporary`)."""
    shutdown: Shutdown = Shutdown(10)
    """Time between the stop signal and the kill; `brutal_kill` kills at once, `infinity` waits for ever."""
    stop_signal: str = "TERM"
    """A signal's name without SIG."""
    significant: bool = False
    """Its end by itself counts for its supervisor's `auto_shutdown`; needs `transient` or `temporary`."""
    success_exit_codes: tuple[
        Annotated[int, Meta(ge=0, le=255, description="an exit code, 0 to 255")], ...
    ] = (0,)
    """The exit codes of a normal end, for `transient`."""
    ready: Ready = Ready()
    """When it counts as ready: `"notify"`, or a table such as `{ http = "http://…", timeout = "2m" }`."""
    liveness: Liveness | None = None
    """A check that it must keep passing: `{ http = "http://…", every = "5s" }`."""
    after: tuple[str, ...] = ()
    """Names of processes: start only when all their instances are ready."""
    sockets: tuple[str, ...] = ()
    """Sockets of the node that it inherits by socket activation, sd_listen_fds(3): the node's sockets are its
    descriptors 3, 4, … and LISTEN_FDS and LISTEN_PID say so. A process that names them with `${sockets.X}`
    needs nothing here: it has them, and no LISTEN_PID, or servers would take each of them twice."""
    names_sockets: bool = False
    """Whether its command or env names a socket with `${sockets.X}`: found out, not written."""
    env: dict[str, str] = field(default_factory=dict)
    """Environment variables, added to the node's own."""
    env_file: str = ""
    """A file of `NAME=value` lines, below `env`; read when the node boots."""
    cwd: str = ""
    """Working directory; a relative one is below the project's directory, which is the default."""
    user: str = ""
    """Name or number of the user it runs as; needs root."""
    group: str = ""
    """Name or number of its group; default: the user's own."""
    umask: Octal = ""
    """Octal, as in umask(1): `"027"`."""
    nice: Annotated[int, Meta(ge=-20, le=19, description="a niceness, -20 to 19")] = 0
    """Added to the node's niceness, nice(2)."""
    limits: dict[str, int | str] = field(default_factory=dict)
    """setrlimit(2) by ulimit's long names (nofile, core, nproc, …): a number or "infinity"."""
    max_memory: Size | None = None
    """Resident bytes of the process and its descendants; above it, it is restarted."""
    max_age: Interval | None = None
    """Restarted when it has been up for so long (and up to a tenth more, so that instances differ)."""
    backoff: Backoff = Backoff()
    """The delay before a restart."""
    log: Log = Log()
    """Where its output goes."""
    agent: bool = True
    """Whether its Python processes carry the agent, for console, rpc and stacks."""

    def instance_names(self, instances: int | None = None) -> tuple[str, ...]:
        """`web.1`, `web.2`, … for as many instances as given, or as specified."""
        count = self.instances if instances is None else instances
        return tuple(f"{self.name}.{k}" for k in range(1, count + 1))


class SupervisorSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A supervisor: its flags, and its children in start order: processes, then nested supervisors."""

    name: Name
    """Unique among the release's supervisors and processes."""
    strategy: Strategy = Strategy.ONE_FOR_ONE
    """Whom the death of a child concerns: itself (`one_for_one`), all children (`one_for_all`), itself and
    those started after it (`rest_for_one`)."""
    max_restarts: Count = 3
    """More restarts than this within max_seconds, and the supervisor ends: escalation."""
    max_seconds: Interval = Duration(5)
    """The sliding window in which restarts are counted."""
    auto_shutdown: AutoShutdown = AutoShutdown.NEVER
    """Whether it ends by itself when significant children have ended by themselves: `any_significant`,
    `all_significant`."""
    restart: RestartType = RestartType.PERMANENT
    """As a child of its own supervisor; the root's says nothing."""
    significant: bool = False
    """As a child of its own supervisor: its end by itself counts for that one's `auto_shutdown`."""
    processes: tuple[ProcessSpec, ...] = ()
    """Tables `[….processes.NAME]`, in start order."""
    supervisors: tuple["SupervisorSpec", ...] = ()
    """Nested supervisors, `[[….supervisors]]`, started after the processes."""


class SocketSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """A listening socket that the node owns and its processes inherit: connections survive their restarts."""

    name: Name
    """The key of its table: `[sockets.NAME]`; its descriptor's number is `${sockets.NAME}`."""
    bind: str
    """`host:port`, `[v6]:port` or `unix:/path`."""
    backlog: Positive = 2048
    """Connections that may wait, listen(2)."""
    mode: Octal = ""
    """Permissions of a Unix socket, octal."""


class Strip(Struct, frozen=True, forbid_unknown_fields=True):
    """What a release leaves out."""

    keep: tuple[Literal["docs", "tests", "sources", "types"], ...] = ()
    """Kept although the rest is stripped."""


class ReleaseOptions(Struct, frozen=True, forbid_unknown_fields=True):
    """How `limpet release` builds it (mix release's options); a running node does not look at them."""

    python: str = "bundle"
    """`bundle` copies the interpreter in, `host` uses the host's, an absolute path copies that prefix."""
    overlays: tuple[str, ...] = ()
    """Directories copied verbatim over the release's root."""
    steps: tuple[str, ...] = ("assemble",)
    """`assemble`, `tar`, and functions `module:function` before, between and after."""
    extras: tuple[str, ...] = ()
    """Optional dependencies of the project that go in."""
    groups: tuple[str, ...] = ()
    """Dependency groups that go in; none does by default."""
    requirements: str = ""
    """A file of requirements with hashes, in place of uv.lock."""
    include: tuple[str, ...] = ()
    """Files and directories copied beside the application; default, for a project that is no package: its
    modules."""
    strip: bool | Strip = True
    """Leave out tests, documentation and what else does not run; `{ keep = ["docs"] }` names exceptions."""


class Provider(Struct, frozen=True, forbid_unknown_fields=True):
    """Configuration from elsewhere, read at each boot."""

    kind: Literal["json", "toml", "env_file", "credentials", "object"]
    source: str
    """A file; of credentials, the application; of an object, `module:name`."""
    optional: bool = False
    """Whether the file may be absent."""
    arguments: dict[str, Any] = field(default_factory=dict)
    """What an object's `init` gets at build."""
    state: Any = None
    """What it returned."""


class NodeSpec(Struct, frozen=True, forbid_unknown_fields=True):
    """One release as it runs here: its name and version, its sockets and its root supervisor."""

    name: ReleaseName
    """The release's."""
    version: Version
    """Default: the project's; `{ from_package = "bookshop" }` takes an installed distribution's."""
    root: SupervisorSpec
    sockets: tuple[SocketSpec, ...] = ()
    """Tables `[….sockets.NAME]`; their descriptors are 3, 4, … in this order."""
    directory: str = "."
    """The project's directory (absolute): the default cwd of every process."""
    source: str = ""
    """The file the configuration came from."""
    python: str = ""
    """The application's interpreter (absolute path)."""
    config: str = ""
    """The file evaluated when a release is built, in a project at each boot; default: `config/config.py`, if
    there is one; `false`: none. Its values come first."""
    validate_compile_env: bool = True
    """Whether a boot is refused at which a variable that `config` read is set to something else than at its
    build, or a value that it read by `compile_env()` is another."""
    providers: tuple[Provider, ...] = ()
    """Configuration from elsewhere: `{ json = "/etc/shop.json" }`, and so on; in this order, after
    `runtime_config`."""
    runtime_config: str = ""
    """The file evaluated at each boot; default: `config/runtime.py`, if there is one; `false`: none."""
    health: HealthSpec = HealthSpec()
    """Table `[….health]`: what counts as healthy, and where it is served."""
    otlp: OtlpSpec = OtlpSpec()
    """Table `[….otlp]`: where the node pushes its metrics to."""
    env: str = "dev"
    """What config_env() says: dev in a project, prod in a release."""
    max_logs: Size = Size(0)
    """What all log files together may come to; the oldest rotated ones go first, whosever they are. No file
    grows beyond an eighth of it. 0: no limit but that of each process."""
    on_supervisor_death: Literal["adopt", "die"] = "adopt"
    """What becomes of the processes when the supervisor is killed. No successor adopts them yet: with either
    value they go on until a node starts in the same place, which ends them before it starts its own."""
    release: ReleaseOptions = ReleaseOptions()
    """How it is built."""
    release_root: str = ""
    """The root of the built release that it runs from; empty in a project."""


def is_configured(node: NodeSpec) -> bool:
    """Whether there is a configuration for its processes to read."""
    return bool(node.config or node.runtime_config or node.providers)


def processes(supervisor: SupervisorSpec) -> tuple[ProcessSpec, ...]:
    """Every process below `supervisor`, in start order."""
    found = list(supervisor.processes)
    for nested in supervisor.supervisors:
        found.extend(processes(nested))
    return tuple(found)
