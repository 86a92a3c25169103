"""What a node is asked on the control socket: to be looked at, controlled, or to evaluate."""

from typing import Any, ClassVar

from msgspec import Struct

from .replies import (
    AttachReply,
    CheckReply,
    CompleteReply,
    DetailReply,
    Done,
    EvaluateReply,
    HealthReply,
    LevelReply,
    LintsReply,
    MetricsReply,
    Pong,
    ProfileReply,
    Reply,
    SampleReply,
    SignatureReply,
    StacksReply,
    StatusReply,
    StreamEnd,
    SystemReply,
    TreeReply,
    WhyReply,
)


class Request(Struct, frozen=True, tag_field="op", omit_defaults=True):
    """Base of all requests; `reply` is the struct that answers it."""

    reply: ClassVar[type[Reply]]
    streams: ClassVar[bool] = False


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
    most: int = 0
    """Agents that are measured for this request, those that have come first; 0: all."""


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
