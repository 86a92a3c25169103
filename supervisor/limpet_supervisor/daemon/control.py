"""The control socket: a ZeroMQ ROUTER on the loop, drained on every wake-up.

Guarantees: garbage is counted and dropped; a slow reader loses stream items and is told how many; the node
never blocks on a client; what a client began ends when its connection does.
"""

import os
import socket
import struct
from bisect import bisect_left
from collections.abc import Callable
from typing import Any, Final

import zmq

from limpet_supervisor.errors import LimpetError, ProtocolError
from limpet_supervisor.runtime.reactor import Priority, Reactor, Timer
from limpet_supervisor.wire import codec
from limpet_supervisor.wire.messages import AnyRequest, Failure, Item, Reply, StreamEnd

_PER_TURN: Final = 64
"""Requests answered in one turn of the loop; the rest in the next."""
_QUEUE: Final = 2_000
"""Messages that wait for one slow client; with those of a follower, of 32 KiB, that is 64 MB."""
_RETRY: Final = 0.05
_LAST_RETRY: Final = 2.0
"""Seconds before a final reply that was not taken is tried again: doubled from the first to the last."""
_MORE: Final = int(zmq.NOBLOCK | zmq.SNDMORE)
_LAST: Final = int(zmq.NOBLOCK)
_CREDENTIALS: Final = struct.Struct("3i")
TOOK_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 1.0)
_MONITOR_EVENT: Final = struct.Struct("=HI")
"""zmq_socket_monitor(3): event and value. zmq.utils.monitor would import asyncio, which costs 8 MB."""


class Peer:
    """One client's connection."""

    __slots__ = ("fd", "identity", "on_gone", "sessions", "uid")

    def __init__(self, identity: bytes, fd: int, uid: int) -> None:
        self.identity = identity
        self.fd = fd
        self.uid = uid
        """Who it is, by SO_PEERCRED; -1 if that is not known."""
        self.on_gone: dict[int, Callable[[], None]] = {}
        """What to end for each open request when the client goes or cancels it, by request id."""
        self.sessions: set[str] = set()
        """Console sessions that it has opened."""


class Answer:
    """Where the answers to one request go."""

    __slots__ = ("_control", "done", "dropped", "peer", "request_id")

    def __init__(self, control: "Control", peer: Peer, request_id: int) -> None:
        self._control = control
        self.peer = peer
        self.request_id = request_id
        self.dropped = 0
        """Items that the client was too slow for."""
        self.done = False

    def item(self, item: Item) -> None:
        """Sends a stream item, or counts it as dropped."""
        if not self.done and not self._control.send(self, item):
            self.dropped += 1

    def reply(self, reply: Reply) -> None:
        """Sends the final reply; what comes later is nobody's."""
        if self.done:
            return
        self.done = True
        self.peer.on_gone.pop(self.request_id, None)
        if isinstance(reply, StreamEnd) and self.dropped:
            reply = StreamEnd(dropped=self.dropped)
        if not self._control.send(self, reply):
            self._control.send_later(self, reply)

    def fail(self, error: LimpetError) -> None:
        """Sends the error as the final reply."""
        self.reply(Failure(error=type(error).__name__, what=error.what, why=error.why, todo=error.todo))

    def until_gone(self, end: Callable[[], None]) -> None:
        """Calls `end` if the client goes or cancels before the final reply."""
        self.peer.on_gone[self.request_id] = end


class Control:
    """The server's end.

    Args:
        path: of the ipc socket.
        handle: called with each request; it answers now or later.
        on_gone: called with a client whose connection has ended.
    """

    def __init__(
        self,
        reactor: Reactor,
        path: str,
        handle: Callable[[AnyRequest, Answer], None],
        on_gone: Callable[[Peer], None],
    ) -> None:
        self.garbage = 0
        """Requests that could not be read."""
        self.requests = 0
        self.took = [0] * (len(TOOK_BOUNDS) + 1)
        """Requests by the time that the loop has spent on each, by TOOK_BOUNDS."""
        self.took_seconds = 0.0
        self._reactor = reactor
        self._handle = handle
        self._on_gone = on_gone
        self._peers: dict[bytes, Peer] = {}
        self._context = zmq.Context(io_threads=1)
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.SNDHWM, _QUEUE)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.MAXMSGSIZE, codec.MAX_REQUEST)
        self._monitor = self._socket.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        # Guarantee: 0600 from birth; a bind before a chmod would leave a window.
        mask = os.umask(0o177)
        try:
            self._socket.bind(f"ipc://{path}")
        finally:
            os.umask(mask)
        self._drain_scheduled = False
        self._draining = False
        self._unsent: list[tuple[Answer, Reply]] = []
        self._retry_timer: Timer | None = None
        reactor.add(_descriptor(self._monitor), lambda _events: self._disconnections())
        reactor.add(_descriptor(self._socket), lambda _events: self._drain(), priority=Priority.CONTROL)
        self._schedule()

    def send(self, answer: Answer, message: Item | Reply) -> bool:
        """Whether the message is on its way."""
        head, body = codec.encode_answer(answer.request_id, message)
        send = self._socket.send
        try:
            # Guarantee: a full queue and a client that is gone are both told of by the first frame.
            send(answer.peer.identity, _MORE)
            send(head, _MORE)
            send(body, _LAST)
        except zmq.Again:
            return False
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            return False
        finally:
            # The descriptor is edge-triggered: a send may have consumed the edge of a request.
            if not self._draining:
                self._schedule()
        return True

    def send_later(self, answer: Answer, reply: Reply) -> None:
        """Sends a final reply once the client takes something again: it waits for that, for ever."""
        if len(self._unsent) < _QUEUE:
            self._unsent.append((answer, reply))
            if self._retry_timer is None:
                self._retry_in(_RETRY)

    def _retry_in(self, delay: float) -> None:
        self._retry_timer = self._reactor.call_later(delay, lambda: self._retry(delay))

    def _retry(self, delay: float) -> None:
        self._retry_timer = None
        unsent, self._unsent = self._unsent, []
        for answer, reply in unsent:
            here = self._peers.get(answer.peer.identity) is answer.peer
            if here and not self.send(answer, reply):
                self._unsent.append((answer, reply))
        if self._unsent:
            self._retry_in(min(2 * delay, _LAST_RETRY))

    def close(self) -> None:
        """Sends what waits (for half a second at most) and closes."""
        if self._retry_timer is not None:
            self._retry_timer.cancel()
        self._reactor.remove(_descriptor(self._socket))
        self._reactor.remove(_descriptor(self._monitor))
        self._socket.disable_monitor()
        self._monitor.close(linger=0)  # a socket left open would keep term() waiting for ever
        self._socket.close()
        self._context.term()

    def _schedule(self) -> None:
        if not self._drain_scheduled:
            self._drain_scheduled = True
            self._reactor.call_soon(self._drain_later)

    def _drain_later(self) -> None:
        self._drain_scheduled = False
        self._drain()

    def _drain(self) -> None:
        """Takes requests until there is none left: only then does the descriptor tell of the next."""
        receive, receive_rest = self._socket.recv, self._socket.recv_multipart
        self._draining = True
        empty = False
        try:
            for _ in range(_PER_TURN):
                try:
                    identity = receive(_LAST, copy=False)
                except zmq.Again:
                    empty = True
                    return
                self._take(self._peer(identity), receive_rest(_LAST))
        finally:
            self._draining = False
            if not empty:  # also after a bug: what came behind it would not be told of again
                self._schedule()

    def _peer(self, identity: Any) -> Peer:
        key = bytes(identity)
        if (peer := self._peers.get(key)) is None:
            # Race: a new connection may have the descriptor of one whose end is not told yet.
            self._disconnections()
            fd = identity.get(zmq.SRCFD)
            peer = self._peers[key] = Peer(key, fd, _uid_of(fd))
        return peer

    def _take(self, peer: Peer, frames: list[bytes]) -> None:
        self.requests += 1
        try:
            request_id, request = codec.decode_request(frames)
        except ProtocolError as error:
            self.garbage += 1
            if (unread := codec.request_id_of(frames)) is not None:
                Answer(self, peer, unread).fail(error)
            return
        answer = Answer(self, peer, request_id)
        began = self._reactor.now()
        try:
            self._handle(request, answer)
        except LimpetError as error:
            answer.fail(error)
        except Exception as error:
            # A bug of ours in one request is that request's failure.
            answer.fail(ProtocolError(f"The node failed to answer: {error!r}", todo="please report this"))
            raise
        finally:
            took = self._reactor.now() - began
            self.took[bisect_left(TOOK_BOUNDS, took)] += 1
            self.took_seconds += took

    def _disconnections(self) -> None:
        while True:
            try:
                told, _endpoint = self._monitor.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            _event, fd = _MONITOR_EVENT.unpack(told)
            for peer in [peer for peer in self._peers.values() if peer.fd == fd]:
                del self._peers[peer.identity]
                for end in list(peer.on_gone.values()):
                    end()
                self._on_gone(peer)


def _descriptor(of: zmq.Socket[bytes]) -> int:
    """The descriptor that tells, edge-triggered, that a socket may have something."""
    descriptor = of.getsockopt(zmq.FD)
    assert isinstance(descriptor, int)
    return descriptor


def _uid_of(fd: int) -> int:
    """The user at the other end of one of libzmq's connections."""
    try:
        duplicate = socket.socket(fileno=os.dup(fd))
    except OSError:
        return -1
    try:
        raw = duplicate.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    except OSError:
        return -1
    finally:
        duplicate.close()
    return int(_CREDENTIALS.unpack(raw)[1])
