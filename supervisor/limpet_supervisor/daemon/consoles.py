"""Console sessions and one-shot evaluations: requests of clients, carried to agents and back."""

from collections.abc import Callable
from typing import Any, Final

from limpet_supervisor.errors import LimpetError, NoSuchProcess, UsageError
from limpet_supervisor.model.status import NodeState
from limpet_supervisor.runtime.agents import GONE, AgentConnection
from limpet_supervisor.runtime.reactor import Timer
from limpet_supervisor.wire import messages as m
from limpet_supervisor.wire.agent import AgentAnswer

from .control import Answer, Peer
from .node import Node
from .observe import Observer

_ANSWER_WITHIN: Final = 5.0
"""Seconds that an agent has for what it answers without running anybody's code."""
_GRACE: Final = 5.0
"""Seconds beyond its deadline after which an evaluation that is not heard of is given up."""
_SHOWN: Final = 200


class Consoles:
    """Evaluates in live processes, on behalf of clients."""

    def __init__(self, node: Node, observer: Observer) -> None:
        self._node = node
        self._observer = observer
        self._sessions: dict[str, dict[AgentConnection, None]] = {}
        observer.consoles = self._count

    # -- finding the process ------------------------------------------------------------------------------

    def find(self, process: str) -> AgentConnection:
        """The agent that a name means: `web.1`, `web` (its first), `web.1/4711`, or `` (the first of all).

        The first of all is never a task, which is about to end, but a process that stays.

        Raises:
            NoSuchProcess: no process of that name.
            LimpetError: it has no agent; says why.
        """
        name, _slash, member = process.partition("/")
        names = self._observer.names(name) if name else self._that_stay()
        for instance in names:
            if (found := self._agent_of(instance, member)) is not None:
                return found
        if member:
            raise NoSuchProcess(f"There is no agent in {process}", todo="see limpet tree")
        if not name:
            raise LimpetError("No process has an agent", todo="see limpet status for the reason of each")
        why = "; ".join(
            f"{line.name}: {line.agent_reason}" for line in self._observer.status(names) if line.agent_reason
        )
        raise LimpetError(f"{process} has no agent", why)

    def _that_stay(self) -> tuple[str, ...]:
        """Instances that are no tasks, those that are ready first; while the node starts, no others."""
        tree = self._node.tree
        starting = self._node.state is NodeState.STARTING
        stay = (each for each in tree.in_order() if tree.specs[each.process].ready.kind != "completed")
        chosen = sorted(stay, key=lambda each: not each.ready)
        return tuple(each.name for each in chosen if each.ready or not starting)

    def _agent_of(self, instance: str, member: str) -> AgentConnection | None:
        agents = self._node.agents.of(instance)
        if member:
            return next((each for each in agents if str(each.pid) == member), None)
        main = self._node.tree.instances[instance].pid
        processes = [each for each in agents if each.is_process]
        return next((each for each in processes if each.pid == main), processes[0] if processes else None)

    def name_of(self, connection: AgentConnection) -> str:
        """`web.1`, or `web.1/4711` for a process below it."""
        instance = self._node.tree.instances.get(connection.process)
        if instance is not None and instance.pid == connection.pid:
            return connection.process
        return f"{connection.process}/{connection.pid}"

    def _others(self, connection: AgentConnection) -> tuple[str, ...]:
        """Names of the other processes with an agent of the same instance."""
        instance = self._node.tree.instances.get(connection.process)
        name = self.name_of(connection)
        return tuple(each for each in self._observer.agents(instance) if each != name) if instance else ()

    # -- sessions -----------------------------------------------------------------------------------------

    def attach(self, request: m.Attach, answer: Answer) -> None:
        """Opens the session in the process."""
        connection = self.find(request.process)
        hello = connection.hello
        assert hello is not None

        # Race: a client that goes before the agent has answered, or an agent that answers too late, leaves no
        # variables: the session is closed where it was asked for, and the agent does one after the other.
        self._open(request.session, connection, answer.peer)

        def attached(said: AgentAnswer) -> None:
            name = self.name_of(connection)
            self._audit(answer.peer, f"attaches a console to {name}", name)
            answer.reply(
                m.AttachReply(
                    process=name,
                    pid=connection.pid,
                    python=hello.python,
                    argv=hello.argv,
                    loops=said.loops,
                    others=() if "/" in request.process else self._others(connection),
                )
            )

        self._ask(connection, answer, "attach", attached, session=request.session)

    def detach(self, request: m.Detach, answer: Answer) -> None:
        """Closes the session wherever it was opened."""
        self._close(request.session)
        answer.peer.sessions.discard(request.session)
        answer.reply(m.Done())

    def close_all(self, peer: Peer) -> None:
        """A client is gone: its sessions' variables go, too."""
        for session in peer.sessions:
            self._close(session)
        peer.sessions.clear()

    def _open(self, session: str, connection: AgentConnection, peer: Peer) -> None:
        """A session has variables in that process, and in none of those that have ended meanwhile."""
        peer.sessions.add(session)
        opened = self._sessions.get(session, {})
        self._sessions[session] = {each: None for each in (*opened, connection) if not each.closed}

    def _close(self, session: str) -> None:
        for connection in self._sessions.pop(session, {}):
            connection.request("detach", _nothing, session=session)

    def _count(self, instance: str) -> int:
        """Sessions that are open in an instance."""
        return sum(
            any(each.process == instance and not each.closed for each in opened)
            for opened in self._sessions.values()
        )

    # -- evaluation ---------------------------------------------------------------------------------------

    def evaluate(self, request: m.Evaluate, answer: Answer) -> None:
        """Evaluates source."""
        connection = self.find(request.process)
        if request.session:
            self._open(request.session, connection, answer.peer)
        self._run(
            connection,
            answer,
            "evaluate",
            request.timeout,
            request.source if request.numbered else f"a start-up file: {request.source}",
            session=request.session,
            source=request.source,
            numbered=request.numbered,
        )

    def call(self, request: m.Call, answer: Answer) -> None:
        """Calls a function with strings."""
        connection = self.find(request.process)
        shown = f"{request.function}({', '.join(map(repr, request.arguments))})"
        self._run(
            connection,
            answer,
            "call",
            request.timeout,
            shown,
            function=request.function,
            arguments=list(request.arguments),
        )

    def inspect(self, request: m.Inspect, answer: Answer) -> None:
        """Takes a look; nobody's code runs, so nothing is told of it."""
        self._run(
            self.find(request.process),
            answer,
            "inspect",
            request.timeout,
            "",
            what=request.what,
            arguments=request.arguments,
        )

    def _run(
        self,
        connection: AgentConnection,
        answer: Answer,
        op: str,
        timeout: float | None,
        shown: str,
        **parameters: Any,
    ) -> None:
        if timeout is not None and not timeout > 0:  # NaN is neither above nor below
            raise UsageError(
                f"{timeout} is no time for an evaluation", todo="say a number of seconds above 0"
            )
        name = self.name_of(connection)
        if shown:
            self._audit(answer.peer, f"evaluates in {name}: {' '.join(shown.split())[:_SHOWN]}", name)
        began = self._node.reactor.now()
        deadline: Timer | None = None

        def heard(said: AgentAnswer) -> None:
            nonlocal deadline
            if said.item == "output":
                answer.item(m.OutputItem(stream=said.stream, text=said.text))
            elif said.item == "lasts" and deadline is not None:
                deadline.cancel()
                deadline = self._node.reactor.call_later(said.seconds + _GRACE, give_up)
            elif said.re:
                if deadline is not None:
                    deadline.cancel()
                answer.reply(
                    m.EvaluateReply(
                        process=name,
                        ok=said.ok,
                        value=said.value,
                        type=said.type,
                        error=_ended(name) if said.re == GONE else said.error,
                        elapsed=said.elapsed or self._node.reactor.now() - began,
                        interrupted=said.interrupted,
                        timed_out=said.timed_out,
                        abandoned=said.abandoned,
                        stalled=said.stalled,
                        number=said.number,
                        data=said.data,
                    )
                )

        request_id = connection.request(op, heard, timeout=timeout, **parameters)

        def give_up() -> None:
            connection.forget(request_id)
            where = "its agent does not answer: the interpreter is stuck in C, or stopped"
            answer.reply(
                m.EvaluateReply(
                    process=name,
                    ok=False,
                    error=f"no answer within {timeout:g}s: {where}",
                    elapsed=self._node.reactor.now() - began,
                    timed_out=True,
                    abandoned=where,
                )
            )

        if timeout is not None:
            deadline = self._node.reactor.call_later(timeout + _GRACE, give_up)

        def interrupt() -> None:
            # The evaluation's own answer ends the request: interrupted, or abandoned.
            connection.request("interrupt", _nothing, target=request_id)

        answer.until_gone(interrupt)

    # -- help for the prompt ------------------------------------------------------------------------------

    def complete(self, request: m.Complete, answer: Answer) -> None:
        """Completions."""
        self._ask_prompt(
            request,
            answer,
            "complete",
            lambda said: m.CompleteReply(start=said.start, items=said.items),
        )

    def signature(self, request: m.Signature, answer: Answer) -> None:
        """A signature."""
        self._ask_prompt(
            request,
            answer,
            "signature",
            lambda said: m.SignatureReply(signature=said.signature, doc=said.doc),
            name=request.name,
        )

    def check(self, request: m.Check, answer: Answer) -> None:
        """Completeness."""
        self._ask_prompt(
            request,
            answer,
            "check",
            lambda said: m.CheckReply(state=said.state, error=said.error or "", indent=said.indent),
        )

    def _ask_prompt(
        self,
        request: m.Complete | m.Signature | m.Check,
        answer: Answer,
        op: str,
        reply: Callable[[AgentAnswer], m.Reply],
        **parameters: Any,
    ) -> None:
        """What a prompt wants to know of the source typed so far."""
        self._ask(
            self.find(request.process),
            answer,
            op,
            lambda said: answer.reply(reply(said)),
            session=request.session,
            source=request.source,
            **parameters,
        )

    def _ask(
        self,
        connection: AgentConnection,
        answer: Answer,
        op: str,
        answered: Callable[[AgentAnswer], None],
        **parameters: Any,
    ) -> None:
        """A request that the agent answers by itself, soon."""
        name = self.name_of(connection)

        def heard(said: AgentAnswer) -> None:
            timer.cancel()
            if said.re in (GONE, "error"):
                answer.fail(LimpetError(f"{name} did not answer", said.error or "its agent failed"))
            elif said.re:
                answered(said)

        def late() -> None:
            connection.forget(request_id)
            answer.fail(
                LimpetError(
                    f"The agent of {name} does not answer", "its interpreter is stuck in C, or stopped"
                )
            )

        request_id = connection.request(op, heard, **parameters)
        timer = self._node.reactor.call_later(_ANSWER_WITHIN, late)

    def _audit(self, peer: Peer, text: str, process: str) -> None:
        self._node.publish("evaluated", process, f"uid {peer.uid} {text}")


def _ended(name: str) -> str:
    return f"{name} ended while it evaluated this"


def _nothing(_answer: AgentAnswer) -> None:
    """The answer tells nothing new."""
