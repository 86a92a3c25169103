"""What a node answers on the control socket: final replies, and the items of streams before them."""

from typing import Any

from msgspec import Struct

from limpet_supervisor.model.figures import Detail, Figures, Finding, Host, Limit, Listening, Own
from limpet_supervisor.model.health import Line
from limpet_supervisor.model.health import Vitals as VitalFacts
from limpet_supervisor.model.stacks import ProcessProfile, ProcessStacks
from limpet_supervisor.model.status import Death, Event, Member, NodeFacts, ProcessStatus


class Reply(Struct, frozen=True, tag_field="re", omit_defaults=True):
    """Base of all final replies."""


class Item(Struct, frozen=True, tag_field="it", omit_defaults=True):
    """Base of all stream items."""


# --- replies -----------------------------------------------------------------------------------------------


class Failure(Reply, tag="failure", frozen=True):
    """The request failed: an error of limpet_supervisor.errors, by its class name and facts."""

    error: str
    what: str
    why: str = ""
    todo: str = ""


class Done(Reply, tag="done", frozen=True):
    """It is done; `text` says what was done, for a person; what else there is to say is in further lines."""

    text: str = ""


class Pong(Reply, tag="pong", frozen=True):
    """Who answers."""

    node: str
    version: str
    pid: int
    limpet: str
    """Version of Limpet that runs the node."""


class StatusReply(Reply, tag="status", frozen=True):
    """The node and its processes, in start order."""

    node: NodeFacts
    processes: tuple[ProcessStatus, ...]

    @property
    def agents(self) -> list[str]:
        """Names of all processes with an agent, those below the supervised ones included."""
        return [name for process in self.processes for name in process.agents]


class TreeNode(Struct, frozen=True, omit_defaults=True):
    """One line of the tree: a supervisor, or a process with its members."""

    name: str
    kind: str
    """`supervisor` or `process`."""
    text: str
    """Strategy and intensity of a supervisor; state of a process."""
    pid: int | None = None
    children: tuple["TreeNode", ...] = ()
    members: tuple[Member, ...] = ()


class TreeReply(Reply, tag="tree", frozen=True):
    """The supervision tree with each process's forks and children."""

    root: TreeNode


class StreamEnd(Reply, tag="end", frozen=True):
    """The stream is over; `dropped` items were lost because the client read too slowly."""

    dropped: int = 0


class WhyReply(Reply, tag="why", frozen=True):
    """Why a process is in its state, and its last deaths, newest first."""

    process: ProcessStatus
    deaths: tuple[Death, ...]


class StacksReply(Reply, tag="stacks", frozen=True):
    """What each of the processes is doing."""

    processes: tuple[ProcessStacks, ...]


class ProfileReply(Reply, tag="profile", frozen=True):
    """Where each of the processes has spent its time."""

    profiles: tuple[ProcessProfile, ...]


class LoggerLevel(Struct, frozen=True):
    """A logger in a process."""

    process: str
    logger: str
    level: str
    """`notset`: the one above it counts."""
    before: str | None = None
    """What it will be again, if it was changed for a while."""
    left: float | None = None
    """Seconds until then."""
    note: str = ""
    """Why records of this level are not seen all the same, and whether it was asked for by a name above."""


class LevelReply(Reply, tag="levels", frozen=True):
    """Loggers: those asked for, or changed; and the processes in which it failed, with the reason."""

    loggers: tuple[LoggerLevel, ...]
    failures: dict[str, str] = {}


class EvaluateReply(Reply, tag="evaluated", frozen=True):
    """The end of an evaluation or call in a process."""

    process: str
    ok: bool
    value: str | None = None
    """Bounded repr of the final expression; None if it was None or there was none."""
    type: str | None = None
    error: str | None = None
    """The traceback, with source lines."""
    elapsed: float = 0.0
    """Seconds."""
    interrupted: bool = False
    timed_out: bool = False
    """Whether its deadline passed: it was interrupted then, abandoned, or not heard of."""
    abandoned: str | None = None
    """Where it still runs, if it could not be interrupted."""
    stalled: float = 0.0
    """Seconds for which it kept the process's event loop, or all of its other threads, from running; 0 if
    that was not worth telling."""
    number: int = 0
    """n of `Out[n]` in its session."""
    data: Any = None
    """Of a look (`tasks()`), what it found: {"kind", "rows", "columns", "units", "notes"}."""


class AttachReply(Reply, tag="attached", frozen=True):
    """A console session is open on a process."""

    process: str
    pid: int
    python: str
    argv: tuple[str, ...]
    loops: int = 0
    """Running asyncio loops."""
    others: tuple[str, ...] = ()
    """Names of the instance's other processes with an agent, unless one was asked for by its pid."""


class CompleteReply(Reply, tag="completions", frozen=True):
    """Completions at the end of the source: (text, kind) pairs that replace its last `start` characters."""

    start: int
    items: tuple[tuple[str, str], ...]


class SignatureReply(Reply, tag="signature", frozen=True):
    """Signature and first paragraph of documentation; empty if the expression has none."""

    signature: str = ""
    doc: str = ""


class CheckReply(Reply, tag="checked", frozen=True):
    """Whether a source is `complete`, `incomplete` or `invalid` by the process's own grammar."""

    state: str
    error: str = ""
    indent: int = 0
    """Spaces that the next line would begin with."""


class SystemReply(Reply, tag="system", frozen=True):
    """The node, what it uses itself, its host, what can run out, and its listening sockets."""

    node: NodeFacts
    own: Own
    host: Host
    limits: tuple[Limit, ...]
    sockets: tuple[Listening, ...] = ()


class SampleReply(Reply, tag="sample", frozen=True):
    """The node, its processes in start order, and what each uses."""

    at: float
    """When it was taken, by the node's monotonic clock: differences are taken over this."""
    node: NodeFacts
    processes: tuple[ProcessStatus, ...]
    figures: tuple[Figures, ...]
    cost: float
    """Seconds that it took: whoever asks often waits a multiple of it."""


class DetailReply(Reply, tag="detail", frozen=True):
    """All that the node and the kernel know of one instance, and its deaths, newest first."""

    process: ProcessStatus
    detail: Detail
    deaths: tuple[Death, ...] = ()


class LintsReply(Reply, tag="lints", frozen=True):
    """What is wrong with the running system, the worst first."""

    findings: tuple[Finding, ...]


class HealthReply(Reply, tag="health", frozen=True):
    """How the node and its processes are."""

    status: int
    """200 or 503: whether every check that counts is well."""
    checks: dict[str, str]
    """Each check by name, with the worst that it has come to anywhere."""
    lines: tuple[Line, ...]
    """Each check of each process."""
    node: NodeFacts


class MetricsReply(Reply, tag="metrics", frozen=True):
    """All metrics as text, OpenMetrics 1.0."""

    text: str


# --- stream items ------------------------------------------------------------------------------------------


class LogItem(Item, tag="log", frozen=True):
    """Lines of one process's output, without their ends."""

    process: str
    lines: tuple[str, ...]
    times: tuple[float | None, ...] = ()
    """When each came, in Unix seconds; None: before the node did, and its file does not say."""
    more: bool = False
    """Whether the next item of this process goes on with lines that came together with these."""


class LogsPast(Item, tag="past", frozen=True):
    """All lines that came before have been told: what follows is new."""

    cut: tuple[str, ...] = ()
    """Processes of which there are older lines than were asked for, or than one request reads."""


class EventItem(Item, tag="event", frozen=True):
    """One lifecycle event."""

    event: Event


class OutputItem(Item, tag="output", frozen=True):
    """What the evaluated code printed; `stream` is stdout or stderr."""

    stream: str
    text: str


class VitalsItem(Item, tag="vitals", frozen=True):
    """The vitals of one process with an agent, about once a second."""

    process: str
    pid: int
    vitals: VitalFacts


class ProgressItem(Item, tag="progress", frozen=True):
    """What a long command waits for now."""

    text: str


AnyReply = (
    Failure
    | Done
    | Pong
    | StatusReply
    | TreeReply
    | StreamEnd
    | WhyReply
    | LevelReply
    | StacksReply
    | ProfileReply
    | EvaluateReply
    | SystemReply
    | SampleReply
    | DetailReply
    | LintsReply
    | AttachReply
    | CompleteReply
    | SignatureReply
    | CheckReply
    | HealthReply
    | MetricsReply
)
AnyItem = VitalsItem | LogItem | LogsPast | EventItem | OutputItem | ProgressItem
