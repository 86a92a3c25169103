"""The agents' socket: each agent inside a supervised process dials it and waits for requests.

An agent never commands: the daemon only reads hellos and answers from it, so a process that runs as another
user, or has been taken over, gains nothing here.
"""

import os
import socket
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from limpet_supervisor.wire import agent as wire

from .acceptor import Acceptor
from .reactor import READ, WRITE, Reactor, Timer

_CREDENTIALS: Final = struct.Struct("3i")
_MAX_QUEUED: Final = 8 * 1024 * 1024
"""Bytes that wait for one agent; one that reads so little is given up."""
_HELLO_WITHIN: Final = 5.0
OF_ONE: Final = 4
"""Connections of one process; it has one agent, and two connections while that dials again."""
GONE: Final = "gone"
"""The `re` of the answer that the daemon makes up when an agent's connection is lost."""

WANT: Final = "want"
"""The push that asks for stage 1: the application uses what it serves."""

SOURCE: Final = "source"
"""The push that asks for the source of a stage 1 whose compiled form is another interpreter's."""

OnAnswer = Callable[[wire.AgentAnswer], None]
OnPush = Callable[["AgentConnection", str, Any], None]
"""Called with what an agent says unasked: whose it is, its kind, its data."""


class AgentConnection:
    """One agent: a process, or a fork of one."""

    def __init__(self, agents: "Agents", connection: socket.socket, pid: int) -> None:
        self.pid = pid
        self.hello: wire.Hello | None = None
        self._agents = agents
        self._socket = connection
        self._splitter = wire.Splitter()
        self._queue = bytearray()
        self._pending: dict[int, OnAnswer] = {}
        self._staged = False
        self._compiled = True
        """Whether stage 1 may come compiled."""
        self._timer: Timer | None = agents.reactor.call_later(_HELLO_WITHIN, self.close)
        agents.reactor.add(connection.fileno(), self._ready)

    @property
    def process(self) -> str:
        """Name of the instance that it belongs to."""
        return self.hello.process if self.hello else ""

    @property
    def is_process(self) -> bool:
        """Whether it is more than one of multiprocessing's own."""
        return self.hello is not None and self.hello.role == "process"

    @property
    def closed(self) -> bool:
        """Whether the agent is gone."""
        return self._socket.fileno() < 0

    def request(self, op: str, on_answer: OnAnswer, **parameters: Any) -> int:
        """Sends a request; `on_answer` gets its items, and its final answer last. Returns its id.

        The answer comes in a later turn of the loop, of one that is closed too (`GONE`).
        """
        request_id = self._agents.next_id()
        self._pending[request_id] = on_answer
        if self.closed:
            self._agents.reactor.call_soon(self._answer_gone)
            return request_id
        self._stage()
        self._send(wire.encode({"id": request_id, "op": op, **parameters}))
        return request_id

    def _stage(self) -> None:
        if not self._staged:
            self._staged = True
            self._send(self._agents.bundle(self.hello.python if self.hello else ""))

    def forget(self, request_id: int) -> None:
        """Answers to that request mean nothing any more."""
        self._pending.pop(request_id, None)

    def close(self) -> None:
        """Lets the agent go; whoever waits for it is told."""
        if self._timer is not None:
            self._timer.cancel()
        if self.closed:
            return
        self._agents.reactor.remove(self._socket.fileno())
        self._socket.close()
        self._agents.lost(self)
        self._answer_gone()

    def _answer_gone(self) -> None:
        pending, self._pending = self._pending, {}
        for request_id, on_answer in pending.items():
            on_answer(
                wire.AgentAnswer(id=request_id, re=GONE, error="the process has ended, or its agent has")
            )

    def _send(self, data: bytes) -> None:
        if len(self._queue) + len(data) > _MAX_QUEUED:
            self._agents.reactor.call_soon(self.close)
            return
        self._queue += data
        self._flush()

    def _flush(self) -> None:
        while self._queue:
            try:
                sent = self._socket.send(self._queue)
            except BlockingIOError:
                self._agents.reactor.modify(self._socket.fileno(), READ | WRITE)
                return
            except OSError:
                self._agents.reactor.call_soon(self.close)
                return
            del self._queue[:sent]

    def _ready(self, events: int) -> None:
        if events & WRITE and self._queue:
            self._flush()
            if not self._queue and self._socket.fileno() >= 0:
                self._agents.reactor.modify(self._socket.fileno(), READ)
        if not events & ~WRITE:
            return
        try:
            data = self._socket.recv(256 * 1024)
            bodies = self._splitter.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            data, bodies = b"", []
        for body in bodies:
            if self._socket.fileno() < 0:  # refused: what else it says is nobody's
                return
            try:
                self._take(body)
            except msgspec.DecodeError:
                self._agents.garbage += 1
                data = b""
                break
            except Exception as error:  # noqa: BLE001 - a bug in who waits for this; others wait for the rest
                self._agents.reactor.raise_soon(error)
        if not data:
            self.close()

    def _take(self, body: bytes) -> None:
        if self.hello is None:
            self.hello = wire.decode_hello(body)
            if self._timer is not None:
                self._timer.cancel()
            self._agents.greeted(self)
            return
        answer = wire.decode_answer(body)
        if not answer.id:
            if answer.item == WANT:
                self._stage()
            elif answer.item == SOURCE and self._compiled:
                self._compiled = False
                self._send(self._agents.bundle(""))
            self._agents.pushed(self, answer.item, answer.data)
            return
        if (on_answer := self._pending.get(answer.id)) is None:
            return
        if answer.re:
            del self._pending[answer.id]
        on_answer(answer)


class Agents:
    """All agents of a node.

    Args:
        path: of the socket to listen on; made with `mode`.
        bundle: the stage 1 frame for a version of Python; the empty one: for any.
        uids: users that agents may run as.
        on_push: called with what an agent says unasked.
        owner: the instance that a pid descends from, as far as its ancestors tell; an agent that says
            otherwise is refused: code that an operator means for one process must not reach another.
    """

    def __init__(
        self,
        reactor: Reactor,
        path: str,
        *,
        bundle: Callable[[str], bytes],
        uids: frozenset[int],
        owner: Callable[[int], str | None],
        on_push: OnPush | None = None,
    ) -> None:
        self.pushed: OnPush = on_push or _unheard
        self.on_hello: Callable[[AgentConnection], None] | None = None
        """Called with an agent that has come."""
        self.on_lost: Callable[[AgentConnection], None] | None = None
        """Called with an agent that is gone."""
        self.on_excess: Callable[[int], None] | None = None
        """Called with the pid of a process that wants more than OF_ONE connections; once for an instance."""
        self.reactor = reactor
        self.bundle = bundle
        self.garbage = 0
        """Connections closed because they broke the protocol, were another user's, or too many."""
        self._uids = uids | {os.geteuid()}
        self._owner = owner
        self._connections: dict[AgentConnection, None] = {}
        self._by_process: dict[str, list[AgentConnection]] = {}
        self._by_pid: dict[int, AgentConnection] = {}
        self._open: Counter[int] = Counter()
        """Connections by pid, those without a hello included."""
        self._excessive: set[str | None] = set()
        self._last_id = 0
        # Guarantee: 0600 (0666 below a directory that others may search) from birth, by umask.
        listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        mask = os.umask(0o111 if uids else 0o177)
        try:
            listening.bind(path)
        finally:
            os.umask(mask)
        listening.listen(1024)
        self._path = path
        self._acceptor = Acceptor(reactor, listening, self._accepted, most=64)

    def __iter__(self) -> Iterator[AgentConnection]:
        return iter([connection for connection in self._connections if connection.hello])

    def of(self, process: str) -> list[AgentConnection]:
        """The agents of an instance, in the order in which they came."""
        return list(self._by_process.get(process, ()))

    def next_id(self) -> int:
        """A request id that no other request has."""
        self._last_id += 1
        return self._last_id

    def greeted(self, connection: AgentConnection) -> None:
        """An agent has said who it is."""
        owner = self._owner(connection.pid)
        if owner is not None and owner != connection.process:
            self.garbage += 1
            connection.close()
            return
        if connection.pid:  # 0: of another pid namespace
            if (other := self._by_pid.get(connection.pid)) is not None:
                other.close()  # after an exec, the old image's connection may linger
            self._by_pid[connection.pid] = connection
        self._by_process.setdefault(connection.process, []).append(connection)
        if self.on_hello is not None:
            self.on_hello(connection)

    def lost(self, connection: AgentConnection) -> None:
        """An agent is gone."""
        self._connections.pop(connection, None)
        self._open[connection.pid] -= 1
        if not self._open[connection.pid]:
            del self._open[connection.pid]
        of_process = self._by_process.get(connection.process, [])
        if connection in of_process:
            of_process.remove(connection)
            if not of_process:
                del self._by_process[connection.process]
        if self._by_pid.get(connection.pid) is connection:
            del self._by_pid[connection.pid]
        if self.on_lost is not None:
            self.on_lost(connection)

    def close(self) -> None:
        """Lets all agents go and removes the socket."""
        for connection in list(self._connections):
            connection.close()
        self._acceptor.close()
        if os.path.exists(self._path):
            os.unlink(self._path)

    def _accepted(self, connection: socket.socket) -> None:
        raw = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        pid, uid, _gid = _CREDENTIALS.unpack(raw)
        if uid not in self._uids and uid != 0:
            self.garbage += 1
            connection.close()
            return
        if pid and self._open[pid] >= OF_ONE:  # 0: of another pid namespace, as all the others there
            self.garbage += 1
            connection.close()
            self._exceeds(pid)
            return
        self._open[pid] += 1
        self._connections[AgentConnection(self, connection, pid)] = None

    def _exceeds(self, pid: int) -> None:
        owner = self._owner(pid)
        if owner not in self._excessive and self.on_excess is not None:
            self._excessive.add(owner)
            self.on_excess(pid)


def _unheard(_connection: AgentConnection, _kind: str, _data: Any) -> None:
    """Nobody wants to know."""
