"""Requests of a WSGI application as spans: `application = TelemetryMiddleware(application)`, outermost.

Events `("wsgi", "request", …)`: `start`, `stop` and `exception` as of `span`. A request ends when the server
closes what the application has returned (PEP 3333); if that is a list, or a file that the server sends by
itself, when the application has returned it.

metadata: method, path, scheme; at the end route, status
measurements: duration, response_bytes (not of a file that the server sends)

A list, whose length the server wants, and its file wrapper are given on as they are. As long as nobody is
attached the application is called directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Any, TypeAlias

from .definitions import counter, distribution
from .dispatch import is_heard
from .failures import answer
from .spans import Span

__all__ = ["METRICS", "TelemetryMiddleware"]

Environ: TypeAlias = dict[str, Any]
StartResponse: TypeAlias = Callable[..., Any]
Application: TypeAlias = Callable[[Environ, StartResponse], Iterable[bytes]]

REQUEST = ("wsgi", "request")

METRICS = (
    distribution(
        "wsgi.request.stop.duration",
        unit="seconds",
        tags=("method", "route", "status"),
        description="requests that were answered, by the time it took",
    ),
    counter(
        "wsgi.request.exception.count",
        tags=("method", "route", "kind"),
        description="requests in which the application raised",
    ),
)
"""For `telemetry.metrics(wsgi.METRICS)`."""


class TelemetryMiddleware:
    """The application, with its requests told."""

    def __init__(self, application: Application, *, route: Callable[[Environ], str] | None = None) -> None:
        """Takes the application.

        Args:
            application: the WSGI application.
            route: what tells the route from the environ, asked when the application begins to answer. With
                Flask: `lambda environ: str(environ["werkzeug.request"].url_rule or "")`.
        """
        self.application = application
        self._route = route

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        """Calls the application."""
        if not any(is_heard((*REQUEST, end)) for end in ("start", "stop", "exception")):
            return self.application(environ, start_response)
        request = _Request(environ, start_response, self._route)
        try:
            returned = self.application(environ, request.start_response)
        except BaseException as error:
            request.end(error)
            raise
        wrapper = environ.get("wsgi.file_wrapper")
        if isinstance(returned, list | tuple):
            request.sent += sum(map(len, returned))
            request.end()
            return returned
        if isinstance(wrapper, type) and isinstance(returned, wrapper):
            request.end()
            return returned
        try:
            return _Body(returned, request)
        except BaseException as error:  # it is nothing that can be iterated
            request.end(error)
            raise


class _Request:
    """A request that is under way; ends once."""

    def __init__(
        self, environ: Environ, start_response: StartResponse, route: Callable[[Environ], str] | None
    ) -> None:
        self._environ = environ
        self._start_response = start_response
        self._route = route
        self._ended = False
        self.sent = 0
        path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
        told = {
            "method": environ.get("REQUEST_METHOD", ""),
            "path": path,
            "scheme": environ.get("wsgi.url_scheme", ""),
        }
        self._span = Span(REQUEST, told)
        self._span.metadata.update(route="", status=None)
        self._span.__enter__()

    def start_response(self, status: str, headers: Any, *rest: Any) -> Any:
        self._ask_route()
        code = status[:3]
        self._span.metadata["status"] = int(code) if code.isdecimal() else None
        write = self._start_response(status, headers, *rest)

        def counted(data: bytes) -> Any:
            self.sent += len(data)
            return write(data)

        return counted

    def end(self, error: BaseException | None = None) -> None:
        if self._ended:
            return
        self._ended = True
        self._ask_route()
        if isinstance(error, Exception) and self._span.metadata["status"] is None:
            self._span.metadata["status"] = 500  # the server's answer
        self._span.measurements["response_bytes"] = self.sent
        trace: TracebackType | None = None if error is None else error.__traceback__
        self._span.__exit__(None if error is None else type(error), error, trace)

    def _ask_route(self) -> None:
        """Once, as early as it is known: Flask forgets it when the application returns."""
        if self._route is not None:
            self._span.metadata["route"] = answer(self._route, self._environ)
            self._route = None


class _Body:
    """What the application has returned, passed on piece by piece."""

    def __init__(self, returned: Iterable[bytes], request: _Request) -> None:
        self._returned = returned
        self._request = request
        self._pieces = iter(returned)

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            piece = next(self._pieces)
        except StopIteration:
            raise
        except BaseException as error:
            self._request.end(error)
            raise
        self._request.sent += len(piece)
        return piece

    def close(self) -> None:
        try:
            close = getattr(self._returned, "close", None)
            if close is not None:
                close()
        except BaseException as error:
            self._request.end(error)
            raise
        self._request.end()
