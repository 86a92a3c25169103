"""The control protocol's requests and what answers them: one table, each entry with the right it needs."""

import os
import signal as signals
import time
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from limpet_supervisor import __version__
from limpet_supervisor.config.load import load_process
from limpet_supervisor.core import events as ev
from limpet_supervisor.core.state import Cause, Instance, Life, Outcome
from limpet_supervisor.errors import LimpetError, NoSuchProcess, UsageError
from limpet_supervisor.model.spec import ProcessSpec
from limpet_supervisor.model.status import Event
from limpet_supervisor.wire import messages as m

from . import lines
from .consoles import Consoles
from .control import Answer, Peer
from .levels import Levels
from .node import Node
from .observe import Observer

if TYPE_CHECKING:
    from .detail import Details
    from .reports import Reports
    from .stuck import Stuck

_PROGRESS_EVERY: Final = 1.0
_MOST_INSTANCES: Final = 10_000


class Right(StrEnum):
    """What a request may do: each includes the ones before it."""

    OBSERVE = "observe"
    CONTROL = "control"
    EVAL = "eval"


class Entry(NamedTuple):
    """A row of the table."""

    right: Right
    handle: Callable[["Handlers", Any, Answer], None]


TABLE: Final[dict[type[m.Request], Entry]] = {}


def _answers(request: type[m.Request], right: Right) -> Callable[[Any], Any]:
    """Registers a method of Handlers for a request; a second one for the same is a bug."""

    def register(method: Any) -> Any:
        if request in TABLE:
            raise AssertionError(request)
        TABLE[request] = Entry(right, method)
        return method

    return register


class Handlers:
    """Answers requests; one that takes long is answered when it is done, and the loop goes on."""

    def __init__(
        self,
        node: Node,
        observer: Observer,
        consoles: Consoles,
        *,
        details: Callable[[], "Details"],
        reports: Callable[[], "Reports"],
        stuck: Callable[[], "Stuck"],
        restart: Callable[[bool], None],
    ) -> None:
        self.node = node
        self.observer = observer
        self.consoles = consoles
        self._make_details = details
        self._details: Details | None = None
        self.reports = reports
        self._make_stuck = stuck
        self._stuck: Stuck | None = None
        self.levels = Levels(node, observer, consoles)
        self._restart = restart
        self._last_words: list[Answer] = []

    def handle(self, request: m.AnyRequest, answer: Answer) -> None:
        """Answers a request, now or later.

        Raises:
            LimpetError: the request fails; the caller answers so.
        """
        TABLE[type(request)].handle(self, request, answer)

    def details(self) -> "Details":
        """Who answers those that watch; loaded when the first of them asks."""
        if self._details is None:
            self._details = self._make_details()
        return self._details

    def stuck(self) -> "Stuck":
        """Who looks at processes that may not answer; loaded when the first client asks."""
        if self._stuck is None:
            self._stuck = self._make_stuck()
        return self._stuck

    def gone(self, peer: Peer) -> None:
        """A client's connection has ended: so do its sessions."""
        self.consoles.close_all(peer)

    def finish(self, *, restarting: bool) -> None:
        """The node has stopped: whoever waits for that is told, as the last act."""
        text = f"{self.node.spec.name} is stopped" + " and boots again" * restarting
        killed = self.observer.killed(self.node.tree.instances, self.node.stopping_since)
        for answer in self._last_words:
            answer.reply(m.Done("\n".join((text, *killed))))

    # -- observe ------------------------------------------------------------------------------------------

    @_answers(m.Ping, Right.OBSERVE)
    def ping(self, _request: m.Ping, answer: Answer) -> None:
        """Who answers."""
        spec = self.node.spec
        answer.reply(m.Pong(node=spec.name, version=spec.version, pid=os.getpid(), limpet=__version__))

    @_answers(m.Status, Right.OBSERVE)
    def status(self, request: m.Status, answer: Answer) -> None:
        """Node and processes."""
        processes = self.observer.status(request.names)
        answer.reply(m.StatusReply(node=self.observer.facts(), processes=processes))

    @_answers(m.Tree, Right.OBSERVE)
    def tree(self, _request: m.Tree, answer: Answer) -> None:
        """The supervision tree."""
        answer.reply(m.TreeReply(root=self.observer.tree()))

    @_answers(m.Logs, Right.OBSERVE)
    def logs(self, request: m.Logs, answer: Answer) -> None:
        """The last lines, then new ones."""
        names = [name for asked in request.names for name in self.observer.names(asked)]
        names = names or [instance.name for instance in self.node.tree.in_order()]
        lines.answer(self.node.output, tuple(names), request, answer)

    @_answers(m.Events, Right.OBSERVE)
    def events(self, request: m.Events, answer: Answer) -> None:
        """The last lifecycle events, then new ones."""
        past = list(self.node.events)[-request.last :] if request.last > 0 else []
        for event in past:
            answer.item(m.EventItem(event=event))
        if not request.follow:
            answer.reply(m.StreamEnd())
            return
        key = object()

        def publish(event: Event) -> None:
            answer.item(m.EventItem(event=event))

        def end() -> None:
            self.node.subscribers.pop(key, None)
            answer.reply(m.StreamEnd())

        self.node.subscribers[key] = publish
        answer.until_gone(end)

    @_answers(m.Why, Right.OBSERVE)
    def why(self, request: m.Why, answer: Answer) -> None:
        """Why an instance is in its state; of several, the one most in need of an explanation."""
        tree = self.node.tree
        instances = [tree.instances[name] for name in self.observer.names(request.name)]
        deaths = self.node.deaths
        chosen = max(
            instances,
            key=lambda each: (
                not each.ready,
                deaths[each.name][0].at if deaths.get(each.name) else 0.0,
                -each.order[1],
            ),
        )

        def tell() -> None:
            line = self.observer.status((chosen.name,))[0]
            answer.reply(m.WhyReply(process=line, deaths=tuple(deaths.get(chosen.name, ()))))

        self.node.when_settled(tell)

    @_answers(m.Inspect, Right.OBSERVE)
    def inspect(self, request: m.Inspect, answer: Answer) -> None:
        """A passive look in a process."""
        self.consoles.inspect(request, answer)

    @_answers(m.System, Right.OBSERVE)
    def system(self, _request: m.System, answer: Answer) -> None:
        """The node and what it stands on."""
        self.details().system(answer)

    @_answers(m.Sample, Right.OBSERVE)
    def sample(self, _request: m.Sample, answer: Answer) -> None:
        """What each process uses."""
        self.details().sample(answer)

    @_answers(m.InDetail, Right.OBSERVE)
    def detail(self, request: m.InDetail, answer: Answer) -> None:
        """All about one instance."""
        self.details().detail(request.name, answer)

    @_answers(m.Lints, Right.OBSERVE)
    def lints(self, _request: m.Lints, answer: Answer) -> None:
        """What is wrong with the running system."""
        self.details().lints(answer)

    @_answers(m.Stacks, Right.OBSERVE)
    def stacks(self, request: m.Stacks, answer: Answer) -> None:
        """What processes are doing, whether they answer or not."""
        self.stuck().stacks(request, answer)

    @_answers(m.Health, Right.OBSERVE)
    def health(self, request: m.Health, answer: Answer) -> None:
        """Is all well?"""
        self.reports().answer_health(request, answer)

    @_answers(m.Vitals, Right.OBSERVE)
    def vitals(self, request: m.Vitals, answer: Answer) -> None:
        """What processes feel like from within."""
        self.reports().answer_vitals(request, answer)

    @_answers(m.Metrics, Right.OBSERVE)
    def metrics(self, _request: m.Metrics, answer: Answer) -> None:
        """All metrics."""
        self.reports().answer_metrics(answer)

    @_answers(m.Cancel, Right.OBSERVE)
    def cancel(self, request: m.Cancel, answer: Answer) -> None:
        """Ends what this client began by an earlier request."""
        end = answer.peer.on_gone.get(request.request)
        if end is not None:
            end()
        answer.reply(m.Done("cancelled" if end is not None else "it had ended"))

    # -- control ------------------------------------------------------------------------------------------

    @_answers(m.StopNode, Right.CONTROL)
    def stop_node(self, _request: m.StopNode, answer: Answer) -> None:
        """Stops everything and ends."""
        self._restart(False)
        self._last_words.append(answer)
        self._show_progress(answer)
        self.node.shut_down()

    @_answers(m.RestartNode, Right.CONTROL)
    def restart_node(self, _request: m.RestartNode, answer: Answer) -> None:
        """Stops everything and boots again."""
        self._restart(True)
        self._last_words.append(answer)
        self._show_progress(answer)
        self.node.shut_down()

    @_answers(m.StartProcess, Right.CONTROL)
    def start(self, request: m.StartProcess, answer: Answer) -> None:
        """Starts; done when ready."""
        names = self.observer.names(request.name)
        began = self.node.reactor.now()
        self.node.feed(ev.StartCommand(names))
        self._when_up(names, began, answer, f"{request.name} is started", fresh=False)

    @_answers(m.StopProcess, Right.CONTROL)
    def stop(self, request: m.StopProcess, answer: Answer) -> None:
        """Stops; done when nothing of it is left."""
        names = self.observer.names(request.name)
        began = time.time()
        self.node.feed(ev.StopCommand(names, self._supervisor(request.name)))

        def look() -> str | None:
            instances = self._instances(names)
            if all(each.life is Life.DOWN or each.wanted for each in instances):
                return "\n".join((f"{request.name} is stopped", *self.observer.killed(names, began)))
            return None

        self._until(look, answer)

    @_answers(m.RestartProcess, Right.CONTROL)
    def restart(self, request: m.RestartProcess, answer: Answer) -> None:
        """Stops and starts; done when ready again."""
        names = self.observer.names(request.name)
        began = self.node.reactor.now()
        self.node.feed(ev.RestartCommand(names, self._supervisor(request.name)))
        self._when_up(names, began, answer, f"{request.name} is restarted", fresh=True)

    def _supervisor(self, name: str) -> str:
        """The name, if it means a supervisor; see `Observer.names`."""
        tree = self.node.tree
        return name if name not in tree.instances and name not in tree.members else ""

    @_answers(m.Scale, Right.CONTROL)
    def scale(self, request: m.Scale, answer: Answer) -> None:
        """Sets the number of instances."""
        tree = self.node.tree
        process = request.name
        if process not in tree.specs:
            there = ", ".join(tree.specs)
            raise NoSuchProcess(f"There is no process {process} to scale", f"there are {there}")
        active = sum(tree.instances[name].cause is not Cause.REMOVED for name in tree.members[process])
        try:
            number = int(request.to)
        except ValueError:
            raise UsageError(f"{request.to!r} is no number of instances", todo="say 4, +1 or -1") from None
        wanted = active + number if request.to[0] in "+-" else number
        if not 1 <= wanted <= _MOST_INSTANCES:
            raise UsageError(f"{process} cannot have {wanted} instances", todo="stop or remove it instead")
        self.node.feed(ev.ScaleCommand(process, wanted))

        def look() -> str | None:
            members = self.node.tree.members.get(process, ())
            done = len(members) == wanted and all(self._is_up(each) for each in self._instances(members))
            return f"{process} has {wanted} instance{'s' if wanted != 1 else ''}" if done else None

        self._until(look, answer)

    @_answers(m.Signal, Right.CONTROL)
    def signal(self, request: m.Signal, answer: Answer) -> None:
        """Sends a signal."""
        number = _signal_number(request.signal)
        names = self.observer.names(request.name)
        sent = [name for name in names if self.node.processes.signal(name, number)]
        if not sent:
            raise LimpetError(f"{request.name} does not run", todo="see status")
        answer.reply(m.Done(f"{signals.Signals(number).name} sent to {', '.join(sent)}"))

    @_answers(m.AddProcess, Right.CONTROL)
    def add(self, request: m.AddProcess, answer: Answer) -> None:
        """Adds a process to the root supervisor."""
        tree = self.node.tree
        if request.name in tree.specs or request.name in tree.supervisors:
            kind = "process" if request.name in tree.specs else "supervisor"
            raise UsageError(f"A {kind} named {request.name} is there already")
        spec: ProcessSpec = load_process(request.name, request.table, self.node.spec, present=[*tree.specs])
        missing = [name for name in spec.after if name not in tree.specs]
        if missing:
            raise UsageError(f"{request.name} is after {', '.join(missing)}", "there is no such process")
        began = self.node.reactor.now()
        self.node.feed(ev.AddCommand(spec))
        names = spec.instance_names()
        self._when_up(names, began, answer, f"{request.name} is added", fresh=False)

    @_answers(m.RemoveProcess, Right.CONTROL)
    def remove(self, request: m.RemoveProcess, answer: Answer) -> None:
        """Stops a process and forgets it."""
        process = request.name
        tree = self.node.tree
        if process not in tree.specs:
            raise NoSuchProcess(f"There is no process {process}", f"there are {', '.join(tree.specs)}")
        users = [spec.name for spec in tree.specs.values() if process in spec.after]
        if users:
            raise UsageError(f"{process} cannot be removed", f"{', '.join(users)} start after it")
        self.node.feed(ev.RemoveCommand(process))
        self._until(lambda: None if process in self.node.tree.specs else f"{process} is removed", answer)

    @_answers(m.Profile, Right.CONTROL)
    def profile(self, request: m.Profile, answer: Answer) -> None:
        """Where a process spends its time."""
        self.stuck().profile(request, answer)

    @_answers(m.Level, Right.CONTROL)
    def level(self, request: m.Level, answer: Answer) -> None:
        """Sets the level of a logger for a time."""
        self.levels.answer(request, answer)

    # -- eval ---------------------------------------------------------------------------------------------

    @_answers(m.Attach, Right.EVAL)
    def attach(self, request: m.Attach, answer: Answer) -> None:
        """Opens a console session on a process."""
        self.consoles.attach(request, answer)

    @_answers(m.Detach, Right.EVAL)
    def detach(self, request: m.Detach, answer: Answer) -> None:
        """Closes a session."""
        self.consoles.detach(request, answer)

    @_answers(m.Evaluate, Right.EVAL)
    def evaluate(self, request: m.Evaluate, answer: Answer) -> None:
        """Evaluates in a process."""
        self.consoles.evaluate(request, answer)

    @_answers(m.Call, Right.EVAL)
    def call(self, request: m.Call, answer: Answer) -> None:
        """Calls a function in a process."""
        self.consoles.call(request, answer)

    @_answers(m.Complete, Right.EVAL)
    def complete(self, request: m.Complete, answer: Answer) -> None:
        """Completions from a process."""
        self.consoles.complete(request, answer)

    @_answers(m.Signature, Right.EVAL)
    def signature(self, request: m.Signature, answer: Answer) -> None:
        """A signature from a process."""
        self.consoles.signature(request, answer)

    @_answers(m.Check, Right.EVAL)
    def check(self, request: m.Check, answer: Answer) -> None:
        """Completeness by a process's own grammar."""
        self.consoles.check(request, answer)

    # -- waiting ------------------------------------------------------------------------------------------

    def _instances(self, names: tuple[str, ...]) -> list[Instance]:
        instances = self.node.tree.instances
        return [instances[name] for name in names if name in instances]

    def _is_up(self, instance: Instance) -> bool:
        """Ready, or ended as it should, or with its supervisor, or stopped by someone else meanwhile."""
        return instance.ready or instance.outcome in (Outcome.EXITED, Outcome.ENDED) or not instance.wanted

    def _when_up(
        self, names: tuple[str, ...], began: float, answer: Answer, text: str, *, fresh: bool
    ) -> None:
        """Answers when all are up, those that are to be restarted with a start since then."""

        def look() -> str | None:
            for each in self._instances(names):
                if each.outcome is Outcome.FAILED:
                    raise LimpetError(
                        f"{each.name} failed", self.observer.last_end(each), f"see limpet why {each.name}"
                    )
                if fresh and each.started_at < began and each.wanted and each.outcome is None:
                    return None
                if not self._is_up(each):
                    return None
            return text

        self._until(look, answer)

    def _until(self, look: Callable[[], str | None], answer: Answer) -> None:
        """Answers Done with what `look` says as soon as it says something; shows progress until then.

        `look` may raise a LimpetError: the request has failed. So it has when the node ends first.
        """
        node = self.node
        key = object()

        def end() -> None:
            node.conditions.pop(key, None)
            progress.cancel()

        def check() -> None:
            try:
                text = look()
            except LimpetError as error:
                end()
                answer.fail(error)
                return
            if text is not None:
                end()
                answer.reply(m.Done(text))
            elif node.tree.ended:
                end()
                answer.fail(LimpetError(f"{node.spec.name} has ended", "a supervisor gave up", "see its log"))

        node.conditions[key] = check

        def leave() -> None:
            end()
            answer.fail(LimpetError("No longer waited for", "what was asked for goes on", "see status"))

        progress = node.reactor.call_every(_PROGRESS_EVERY, lambda: self._progress(answer))
        answer.until_gone(leave)
        check()

    def _show_progress(self, answer: Answer) -> None:
        progress = self.node.reactor.call_every(_PROGRESS_EVERY, lambda: self._progress(answer))
        answer.until_gone(progress.cancel)

    def _progress(self, answer: Answer) -> None:
        """What the node waits for now."""
        lines = [
            f"{line.name}: {line.reason}"
            for line in (self.observer.line(each) for each in self.node.tree.in_order())
            if line.reason and line.state in ("stopping", "starting", "backoff")
        ]
        if lines:
            answer.item(m.ProgressItem(text="\n".join(lines)))


def _signal_number(text: str) -> int:
    """The number of `HUP`, `SIGHUP` or `1`.

    Raises:
        UsageError: there is no such signal.
    """
    name = text.upper().removeprefix("SIG")
    try:
        return int(signals.Signals(int(name)) if name.isdigit() else signals.Signals[f"SIG{name}"])
    except (KeyError, ValueError):
        raise UsageError(f"There is no signal {text}", todo="say HUP, USR1, TERM, …") from None
