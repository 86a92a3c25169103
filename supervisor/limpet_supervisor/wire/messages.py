"""The control protocol's messages, one struct each, as msgspec tagged unions.

A client's request is answered by exactly one final reply (`Reply`), after any number of stream items
(`Item`). A stream that is followed (`logs -f`) ends when the client sends `Cancel` with its request's id,
goes away, or the node stops.
"""

from typing import Any, ClassVar

from msgspec import Struct

from limpet_supervisor.model.figures import Detail, Figures, Finding, Host, Limit, Listening, Own
from limpet_supervisor.model.health import Line
from limpet_supervisor.model.health import Vitals as VitalFacts
from limpet_supervisor.model.stacks import ProcessProfile, ProcessStacks
from limpet_supervisor.model.status import Death, Event, Member, NodeFacts, ProcessStatus


class Request(Struct, frozen=True, tag_field="op", omit_defaults=True):
    """Base of all requests; `reply` is the struct that answers it."""

    reply: ClassVar[type["Reply"]]
    streams: ClassVar[bool] = False


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


# --- requests: observe -------------------------------------------------------------------------------------


class Ping(Request, tag="ping", frozen=True):
    """Are you there?"""

    reply = Pong


class Status(Request, tag="status", frozen=True):
    """Node and processes; `names` (processes or instances) narrows it."""

    reply = StatusReply
    names: tuple[str, ...] = ()


class Tree(Request, tag="tree", frozen=True):
    """The supervision tree."""

    reply = TreeReply


class Logs(Request, tag="logs", frozen=True):
    """The last lines of the named processes (all if none) as LogItems, and LogsPast; with `follow`, new ones.

    One request reads 10,000 lines, of all its processes together; each process's come in their order.
    """

    reply = StreamEnd
    streams = True
    names: tuple[str, ...] = ()
    lines: int = 10
    follow: bool = False


class Events(Request, tag="events", frozen=True):
    """The last lifecycle events, then, with `follow`, new ones as EventItems."""

    reply = StreamEnd
    streams = True
    last: int = 20
    follow: bool = False


class Why(Request, tag="why", frozen=True):
    """Why a process is in its state."""

    reply = WhyReply
    name: str


class Inspect(Request, tag="inspect", frozen=True):
    """Takes a passive look (`tasks`, `mem`) in a live process; it runs no code of the application's."""

    reply = EvaluateReply
    streams = True
    what: str
    process: str = ""
    arguments: dict[str, Any] = {}
    timeout: float | None = 30.0
    """Seconds; None: no deadline."""


class System(Request, tag="system", frozen=True):
    """The node and what it stands on."""

    reply = SystemReply


class Sample(Request, tag="sample", frozen=True):
    """What each process uses, at most a second old."""

    reply = SampleReply


class InDetail(Request, tag="detail", frozen=True):
    """All about one instance; of a process's several, the first."""

    reply = DetailReply
    name: str


class Lints(Request, tag="lints", frozen=True):
    """What is wrong with the running system, or will be soon."""

    reply = LintsReply


class Stacks(Request, tag="stacks", frozen=True):
    """What a process is doing, and all below it, whether they answer or not.

    `name` is as of Attach; of a process with several instances all are looked at.
    """

    reply = StacksReply
    streams = True
    name: str
    native: bool = False
    """Frames of C extensions as well."""


class Health(Request, tag="health", frozen=True):
    """Is all well? `names` (processes or instances) narrows it; checks in `exclude` are left out."""

    reply = HealthReply
    names: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()


class Vitals(Request, tag="vitals", frozen=True):
    """The vitals of the named processes (all if none) as VitalsItems, measured as long as somebody asks."""

    reply = StreamEnd
    streams = True
    names: tuple[str, ...] = ()


class Metrics(Request, tag="metrics", frozen=True):
    """All metrics, as a scrape has them."""

    reply = MetricsReply


class Cancel(Request, tag="cancel", frozen=True):
    """Ends the stream or evaluation of an earlier request of this client; answered by Done."""

    reply = Done
    request: int


# --- requests: control -------------------------------------------------------------------------------------


class StopNode(Request, tag="stop_node", frozen=True):
    """Stops everything in order and ends the node; ProgressItems say what it waits for; Done at last."""

    reply = Done
    streams = True


class RestartNode(Request, tag="restart_node", frozen=True):
    """Stops everything and boots again under the same pid; Done when the processes are down."""

    reply = Done
    streams = True


class StartProcess(Request, tag="start", frozen=True):
    """Starts a stopped process or instance; Done when it is ready."""

    reply = Done
    streams = True
    name: str


class StopProcess(Request, tag="stop", frozen=True):
    """Stops a process or instance; Done when no descendant of it remains."""

    reply = Done
    streams = True
    name: str


class RestartProcess(Request, tag="restart", frozen=True):
    """Stops and starts a process or instance; Done when it is ready again."""

    reply = Done
    streams = True
    name: str


class Scale(Request, tag="scale", frozen=True):
    """Sets the number of instances: `"4"`, `"+1"` or `"-1"`; Done when it is so."""

    reply = Done
    streams = True
    name: str
    to: str


class Signal(Request, tag="signal", frozen=True):
    """Sends a signal (`HUP`, `USR1`, a number) to a process's main pid."""

    reply = Done
    name: str
    signal: str


class AddProcess(Request, tag="add", frozen=True):
    """Adds a process to the root supervisor: one [processes.NAME] table, as in the configuration."""

    reply = Done
    streams = True
    name: str
    table: dict[str, Any]


class RemoveProcess(Request, tag="remove", frozen=True):
    """Stops a process and forgets it."""

    reply = Done
    streams = True
    name: str


class Profile(Request, tag="profile", frozen=True):
    """Where a process spends its time, by samples; Cancel ends it early, with what there is by then.

    `name` is as of Attach; an instance with several processes is meant by the one with an agent, and by all
    of them with `every`.
    """

    reply = ProfileReply
    streams = True
    name: str
    seconds: float = 10.0
    rate: float = 100.0
    """Samples a second."""
    native: bool = False
    """Frames of C extensions as well."""
    gil: bool = False
    """Only of who holds the GIL."""
    every: bool = False


class Level(Request, tag="level", frozen=True):
    """Sets the level of a logger in every process that `process` means, for a time; or lists levels.

    It holds in processes and workers that come meanwhile, too, and is put back by itself.
    """

    reply = LevelReply
    process: str
    """An instance, a process, or one of its members by pid: `web.1/4711`."""
    logger: str = ""
    """Empty: the root logger; or, to put back, all."""
    level: str = ""
    """A name or a number; `reset` puts back now; empty: lists those that have a level of their own."""
    seconds: float = 300.0


# --- requests: eval ----------------------------------------------------------------------------------------


class Attach(Request, tag="attach", frozen=True):
    """Opens (or moves) this client's console session `session` on a process.

    `process` is an instance ("web.1"), a process ("web": its first with an agent), one of its members by pid
    ("web.1/4711"), or "" for the first process with an agent.
    """

    reply = AttachReply
    session: str
    process: str = ""


class Detach(Request, tag="detach", frozen=True):
    """Closes the session everywhere; its variables go."""

    reply = Done
    session: str


class Evaluate(Request, tag="evaluate", frozen=True):
    """Evaluates source in a live process; OutputItems carry what it prints. Cancel interrupts it."""

    reply = EvaluateReply
    streams = True
    source: str
    process: str = ""
    session: str = ""
    """Empty: a namespace of its own, gone afterwards."""
    timeout: float | None = 30.0
    """Seconds; None: no deadline."""
    numbered: bool = True
    """Whether it is an input of the session, with a number and a place in Out; a start-up file is none."""


class Call(Request, tag="call", frozen=True):
    """Calls `module:function` with string arguments in a live process; streams and ends as Evaluate."""

    reply = EvaluateReply
    streams = True
    function: str
    arguments: tuple[str, ...] = ()
    process: str = ""
    timeout: float | None = 30.0


class Complete(Request, tag="complete", frozen=True):
    """Completions for `source` (up to the cursor), computed in the process without running its code."""

    reply = CompleteReply
    session: str
    process: str
    source: str


class Signature(Request, tag="signature", frozen=True):
    """Signature and doc of the call that `source` (up to the cursor) stands in."""

    reply = SignatureReply
    session: str
    process: str
    source: str
    name: bool = False
    """Of the name or key that it ends with, instead: what that is, if it cannot be called."""


class Check(Request, tag="check", frozen=True):
    """Is `source` a complete input?"""

    reply = CheckReply
    session: str
    process: str
    source: str


AnyRequest = (
    Ping
    | Status
    | Tree
    | Logs
    | Events
    | Why
    | Inspect
    | Stacks
    | System
    | Sample
    | InDetail
    | Lints
    | Health
    | Vitals
    | Metrics
    | Cancel
    | StopNode
    | RestartNode
    | StartProcess
    | StopProcess
    | RestartProcess
    | Scale
    | Signal
    | AddProcess
    | RemoveProcess
    | Level
    | Profile
    | Attach
    | Detach
    | Evaluate
    | Call
    | Complete
    | Signature
    | Check
)
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
