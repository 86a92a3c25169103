"""A small HTTP/1.1 server on the loop: GET and HEAD, answers that may come later, h11 for the protocol.

Guarantees: the loop never waits for a client; a client that sends or reads too slowly is dropped, and so is
the one that has been idle the longest when there are too many; requests of one connection are answered in
order, one at a time.
"""

import os
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final, NamedTuple
from urllib.parse import parse_qs, unquote

import h11

from .acceptor import Acceptor
from .addresses import NotAnAddress, parse_address
from .reactor import READ, WRITE, Reactor
from .sockets import clear_stale

CONNECTIONS: Final = 64
REQUEST_WITHIN: Final = 10.0
"""Seconds from the first moment of a connection, or the end of an answer, to the end of the request."""
IDLE: Final = 75.0
"""Seconds that a connection may wait for its next request: longer than the usual time between two scrapes."""
ANSWER_WITHIN: Final = 30.0
"""Seconds within which a client has to take an answer, and we to make it."""
_HEAD: Final = 16 * 1024
"""Bytes of a request's line and headers."""
_BODY: Final = 64 * 1024
"""Bytes of a request's body, which nobody wants."""
_CHUNK: Final = 64 * 1024
_PAUSE: Final = 0.5
_BACKLOG: Final = 128
_LOST: Final = select.EPOLLHUP | select.EPOLLERR


class Request(NamedTuple):
    """What is asked for."""

    method: str
    path: str
    query: dict[str, list[str]]
    accept: str


class Response(NamedTuple):
    """An answer."""

    status: int
    body: bytes
    content_type: str = "text/plain; charset=utf-8"


Respond = Callable[[Response], None]
Handle = Callable[[Request, Respond], None]
"""Called with each request; calls back once with the answer, now or later."""


class HttpServer:
    """Listens on one address.

    Args:
        bind: `host:port` with a numeric host or `localhost`, or `unix:/path`; no name is asked for.
        handle: answers; what it raises is a bug, which the client sees as 500.
        mode: permissions of a Unix socket, octal; empty: as the umask has it.

    Raises:
        OSError: the address cannot be had.
        NotAnAddress: it is none.
    """

    def __init__(self, reactor: Reactor, bind: str, handle: Handle, mode: str = "") -> None:
        self.reactor = reactor
        self.handle = handle
        self.requests = 0
        self.dropped = 0
        """Connections that were given up: too slow, too many, not HTTP."""
        self._connections: dict[_Connection, None] = {}
        self._path = ""
        self._socket = self._listen(bind, mode)
        self._acceptor = Acceptor(reactor, self._socket, self._accepted, most=16)

    @property
    def address(self) -> str:
        """Where it listens, as it is written in a configuration."""
        name = self._socket.getsockname()
        if not isinstance(name, tuple):
            return "unix:" + (f"@{os.fsdecode(name[1:])}" if isinstance(name, bytes) else name)
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def close(self) -> None:
        """Ends all connections and frees the address."""
        for connection in list(self._connections):
            connection.close()
        self._acceptor.close()
        if self._path:
            with suppress(OSError):
                os.unlink(self._path)

    def gone(self, connection: "_Connection") -> None:
        """A connection has ended."""
        self._connections.pop(connection, None)

    def _listen(self, bind: str, mode: str) -> socket.socket:
        address = parse_address(bind)
        family, target = address.family, address.target
        if family == socket.AF_UNSPEC:
            # LIMPET_HEALTH is not checked by anyone else; to serve elsewhere than it says would be no answer.
            if address.host != "localhost":
                raise NotAnAddress(f"{bind!r}: expected a numeric address or localhost, not a name")
            family, target = socket.AF_INET, ("127.0.0.1", address.port)
        made = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
        try:
            if family == socket.AF_UNIX:
                if not address.host.startswith("\0"):
                    clear_stale(address.host)
                    self._path = address.host
            else:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind(target)
            if self._path and mode:
                # Not by the umask, which is other threads' as well; nobody is let in before `listen`.
                os.chmod(self._path, int(mode, 8))
            made.listen(_BACKLOG)
        except OSError:
            made.close()
            raise
        return made

    def _accepted(self, accepted: socket.socket) -> None:
        if len(self._connections) >= CONNECTIONS:
            # The oldest that waits for a request gives way; who is being answered stays.
            idle = next((each for each in self._connections if each.idle), None)
            self.dropped += 1
            if idle is None:
                accepted.close()
                return
            idle.close()
        self._connections[_Connection(self, accepted)] = None


class _Connection:
    """One client."""

    def __init__(self, server: HttpServer, accepted: socket.socket) -> None:
        self._server = server
        self._socket = accepted
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=_HEAD)
        self._out = bytearray()
        self._request: h11.Request | None = None
        self._body = 0
        self._answering = False
        self._closing = False
        """Whether this answer is the last."""
        self._ended = False
        """Whether the client has said all that it will say."""
        self._fresh = True
        """Whether nothing of a request has come yet."""
        self._timer = server.reactor.call_later(REQUEST_WITHIN, self._too_slow)
        server.reactor.add(accepted.fileno(), self._ready)

    @property
    def idle(self) -> bool:
        """Whether it waits for a request."""
        return not self._answering and not self._out

    def close(self) -> None:
        """Ends it."""
        self._timer.cancel()
        if self._socket.fileno() >= 0:
            self._server.reactor.remove(self._socket.fileno())
            self._socket.close()
            self._server.gone(self)

    def _within(self, seconds: float) -> None:
        self._timer.cancel()
        self._timer = self._server.reactor.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        if not self.idle or not self._fresh:
            self._server.dropped += 1
        self.close()

    def _ready(self, events: int) -> None:
        if events & _LOST:
            self.close()
            return
        if events & WRITE:
            self._flush()
        if events & READ and self._socket.fileno() >= 0:
            self._read()

    def _wait_for(self) -> None:
        """Waits for what is left to be read and written."""
        events = (0 if self._ended else READ) | (WRITE if self._out else 0)
        self._server.reactor.modify(self._socket.fileno(), events)

    def _read(self) -> None:
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self.close()
            return
        if not data:
            if not self._answering:
                self.close()
                return
            self._ended = self._closing = True  # it only says no more, and may well wait for the answer
            self._wait_for()
            return
        if self._answering:
            self._hold(data)
            return
        if self._fresh:  # the first bytes of a request: it has so long for all of it
            self._fresh = False
            self._within(REQUEST_WITHIN)
        self._feed(data)

    def _hold(self, data: bytes) -> None:
        """The next request is here before this one is answered."""
        try:
            self._protocol.receive_data(data)
        except h11.RemoteProtocolError:
            self.close()
        if len(self._protocol.trailing_data[0]) > _BODY:
            self._server.dropped += 1
            self.close()

    def _feed(self, data: bytes) -> None:
        try:
            self._protocol.receive_data(data)
            self._events()
        except h11.RemoteProtocolError as error:
            self._refuse(error.error_status_hint or 400, str(error))

    def _events(self) -> None:
        while True:
            event = self._protocol.next_event()
            if type(event) is h11.Request:
                self._request = event
                self._body = 0
            elif type(event) is h11.Data:
                self._body += len(event.data)
                if self._body > _BODY:
                    self._refuse(413, "nobody wants a body")
                    return
            elif type(event) is h11.EndOfMessage:
                self._ask()
                return
            elif type(event) is h11.ConnectionClosed:
                self.close()
                return
            else:  # NEED_DATA, PAUSED
                return

    def _ask(self) -> None:
        """A request is complete."""
        request = self._request
        assert request is not None
        self._server.requests += 1
        self._answering = True
        self._within(ANSWER_WITHIN)
        method = request.method.decode("ascii")
        target, _, query = request.target.decode("ascii", "replace").partition("?")
        if method not in ("GET", "HEAD"):
            self._respond(Response(405, b"only GET and HEAD\n"))
            return
        headers = {bytes(name): bytes(value) for name, value in request.headers}
        asked = Request(
            method,
            unquote(target),
            parse_qs(query, keep_blank_values=True),
            headers.get(b"accept", b"").decode("ascii", "replace"),
        )
        answered = False

        def respond(response: Response) -> None:
            nonlocal answered
            if not answered:
                answered = True
                self._respond(response)

        try:
            self._server.handle(asked, respond)
        except Exception:
            respond(Response(500, b"a bug in limpet; see the node's log\n"))
            raise

    def _respond(self, response: Response) -> None:
        if self._socket.fileno() < 0:  # it has not waited for the answer
            return
        request = self._request
        head = request is not None and request.method == b"HEAD"
        headers = [
            ("Content-Type", response.content_type),
            ("Content-Length", str(len(response.body))),
            ("Cache-Control", "no-store"),
            ("X-Content-Type-Options", "nosniff"),
        ]
        if response.status == 405:
            headers.append(("Allow", "GET, HEAD"))
        if self._closing:
            headers.append(("Connection", "close"))
        try:
            for event in (
                h11.Response(
                    status_code=response.status, headers=headers, reason=HTTPStatus(response.status).phrase
                ),
                *(() if head else (h11.Data(data=response.body),)),
                h11.EndOfMessage(),
            ):
                self._out += self._protocol.send(event) or b""
        except h11.LocalProtocolError:
            self.close()
            return
        self._flush()

    def _refuse(self, status: int, why: str) -> None:
        """What was sent is no request: it is told so, and let go."""
        self._server.dropped += 1
        self._closing = True
        self._answering = True
        if self._protocol.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self._respond(Response(status, f"{why}\n".encode()))
        else:
            self.close()

    def _flush(self) -> None:
        while self._out:
            try:
                sent = self._socket.send(self._out[:_CHUNK])
            except BlockingIOError:
                self._wait_for()
                return
            except OSError:
                self.close()
                return
            del self._out[:sent]
        if self._answering:
            self._answered()

    def _answered(self) -> None:
        """All of an answer is out."""
        self._answering = False
        if self._closing or self._protocol.our_state is not h11.DONE:
            self.close()
            return
        if self._protocol.their_state is not h11.DONE:
            self.close()
            return
        self._wait_for()
        self._protocol.start_next_cycle()
        self._request = None
        self._fresh = True
        self._within(IDLE)
        # Race: what came meanwhile is read already, and the descriptor will not tell of it.
        self._server.reactor.call_soon(self._go_on)

    def _go_on(self) -> None:
        if self._socket.fileno() >= 0 and not self._answering:
            try:
                self._events()
            except h11.RemoteProtocolError as error:
                self._refuse(error.error_status_hint or 400, str(error))
