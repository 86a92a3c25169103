"""Requests of an ASGI application as spans: `app = TelemetryMiddleware(app)`, outermost.

Events `("asgi", "request", …)` and `("asgi", "websocket", …)`, each `start`, `stop` and `exception` as of
`span`. A request ends when the application has returned, all of a streamed body included.

request     metadata: method, path, scheme; at the end route, status, disconnected
            measurements: duration, first_byte (seconds to the response's beginning), request_bytes,
            response_bytes
websocket   metadata: path, scheme; at the end route, accepted, code (of the close; None if there was none)
            measurements: duration, received and sent (messages), received_bytes, sent_bytes

Bodies and headers are only counted or left alone, and nothing is changed on its way. As long as nobody is
attached the application is called directly.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from time import monotonic
from typing import Any, TypeAlias

from .definitions import counter, distribution
from .dispatch import is_heard
from .failures import answer
from .spans import Span

__all__ = ["METRICS", "TelemetryMiddleware", "route"]

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Application: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

REQUEST = ("asgi", "request")
WEBSOCKET = ("asgi", "websocket")
_ENDS = ("start", "stop", "exception")

METRICS = (
    distribution(
        "asgi.request.stop.duration",
        unit="seconds",
        tags=("method", "route", "status"),
        description="requests that were answered, by the time it took",
    ),
    counter(
        "asgi.request.exception.count",
        tags=("method", "route", "kind"),
        description="requests in which the application raised",
    ),
    counter(
        "asgi.request.disconnected.count",
        event_name=(*REQUEST, "stop"),
        keep=lambda told: told["disconnected"],
        tags=("method", "route"),
        description="requests whose client was gone before the end of the answer",
    ),
    distribution(
        "asgi.websocket.stop.duration",
        unit="seconds",
        buckets=(0.1, 1, 10, 60, 600, 3600),
        tags=("route", "code"),
        description="websockets, by the time they were open",
    ),
)
"""For `telemetry.metrics(asgi.METRICS)`."""


def route(scope: Scope) -> str:
    """The route that has matched, as Starlette and FastAPI note it (`/carts/{cart}`); without one empty text.

    Never the path itself: there are as many as clients make up.
    """
    path = getattr(scope.get("route"), "path", None)
    return path if isinstance(path, str) else ""


class TelemetryMiddleware:
    """The application, with its requests and websockets told."""

    def __init__(self, app: Application, *, route: Callable[[Scope], str] = route) -> None:
        """Takes the application.

        Args:
            app: the ASGI application.
            route: what tells the route from the scope, when the request is over.
        """
        self.app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Calls the application."""
        name = {"http": REQUEST, "websocket": WEBSOCKET}.get(scope["type"])
        if name is None or not any(is_heard((*name, end)) for end in _ENDS):
            await self.app(scope, receive, send)
        elif name is REQUEST:
            await self._request(scope, receive, send)
        else:
            await self._websocket(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {key: scope.get(key, "") for key in ("method", "path", "scheme")}
        with Span(REQUEST, told) as span:
            passing = _Request(receive, send)
            try:
                await self.app(scope, passing.receive, passing.send)
            except Exception:
                passing.answered()
                raise
            else:
                passing.answered()
            finally:
                span.measurements.update(passing.measurements())
                span.metadata.update(
                    route=answer(self._route, scope), status=passing.status, disconnected=passing.disconnected
                )

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        told = {key: scope.get(key, "") for key in ("path", "scheme")}
        with Span(WEBSOCKET, told) as span:
            passing = _WebSocket(receive, send)
            try:
                await self.app(scope, passing.receive, passing.send)
            finally:
                span.measurements.update(passing.measurements())
                span.metadata.update(
                    route=answer(self._route, scope), accepted=passing.accepted, code=passing.code
                )


class _Request:
    """Looks at the messages of a request as they pass."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._began = monotonic()
        self._first: float | None = None
        self._received = 0
        self._sent = 0
        self._complete = False
        self._trailers = False
        self.status: int | None = None
        self.disconnected = False
        """Whether the client was gone before the answer was complete."""

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            self._received += len(message.get("body", b""))
        elif message["type"] == "http.disconnect" and not self._complete:
            self.disconnected = True
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "http.response.start":
            self.status = message["status"]
            self._trailers = message.get("trailers", False)
            self._first = monotonic() - self._began
        elif kind == "http.response.body":
            self._sent += len(message.get("body", b""))
        try:
            await self._send(message)
        except OSError:  # ASGI 2.4: how a server tells that the client is gone
            self.disconnected = True
            raise
        if kind == "http.response.trailers":
            self._complete = not message.get("more_trailers", False)
        elif kind in ("http.response.body", "http.response.pathsend", "http.response.zerocopysend"):
            self._complete = not message.get("more_body", False) and not self._trailers

    def answered(self) -> None:
        """The application is through; if it has not begun to answer, the server does."""
        if self.status is None and not self.disconnected:
            self.status = 500

    def measurements(self) -> dict[str, float]:
        found: dict[str, float] = {"request_bytes": self._received, "response_bytes": self._sent}
        if self._first is not None:
            found["first_byte"] = self._first
        return found


class _WebSocket:
    """Looks at the messages of a websocket as they pass."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._counts = {"received": 0, "sent": 0, "received_bytes": 0, "sent_bytes": 0}
        self.accepted = False
        self.code: int | None = None

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "websocket.receive":
            self._count("received", message)
        elif message["type"] == "websocket.disconnect" and self.code is None:
            self.code = message.get("code", 1005)
        return message

    async def send(self, message: Message) -> None:
        kind = message["type"]
        if kind == "websocket.accept":
            self.accepted = True
        elif kind == "websocket.close" and self.code is None:
            self.code = message.get("code", 1000)
        await self._send(message)
        if kind == "websocket.send":
            self._count("sent", message)

    def measurements(self) -> dict[str, int]:
        return self._counts

    def _count(self, way: str, message: Message) -> None:
        data = message.get("bytes")
        if data is None:
            data = (message.get("text") or "").encode("utf-8", "surrogatepass")
        self._counts[way] += 1
        self._counts[f"{way}_bytes"] += len(data)
