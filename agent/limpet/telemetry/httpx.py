"""Requests that httpx sends: `instrument(client)`; or a transport in `Transport` or `AsyncTransport`.

Events `("httpx", "request", …)`: `start`, `stop` and `exception` as of `span`. Each request that goes out is
one, so that a redirect that is followed is another. It stops when the response's headers are there.

metadata: method, scheme, host, port (None if it is the scheme's own), path; at the end status. Never the
    query, headers or body.
measurements: duration
"""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import httpx

from .definitions import counter, distribution
from .spans import Span

__all__ = ["METRICS", "AsyncTransport", "Transport", "instrument"]

REQUEST = ("httpx", "request")

METRICS = (
    distribution(
        "httpx.request.stop.duration",
        unit="seconds",
        tags=("method", "host", "status"),
        description="requests to others, by the time to the response's headers",
    ),
    counter(
        "httpx.request.exception.count",
        tags=("method", "host", "kind"),
        description="requests to others that had no response",
    ),
)
"""For `telemetry.metrics(httpx.METRICS)`."""


class Transport(httpx.BaseTransport):
    """Sends through another transport, and tells of it."""

    def __init__(self, transport: httpx.BaseTransport | None = None) -> None:
        self.transport = transport or httpx.HTTPTransport()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request."""
        with Span(REQUEST, _about(request)) as span:
            response = self.transport.handle_request(request)
            span.metadata["status"] = response.status_code
            return response

    def close(self) -> None:
        """Closes the other transport."""
        self.transport.close()

    def __enter__(self) -> Self:
        self.transport.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None = None,
        reason: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        self.transport.__exit__(kind, reason, trace)


class AsyncTransport(httpx.AsyncBaseTransport):
    """Sends through another transport, and tells of it."""

    def __init__(self, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.transport = transport or httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request."""
        with Span(REQUEST, _about(request)) as span:
            response = await self.transport.handle_async_request(request)
            span.metadata["status"] = response.status_code
            return response

    async def aclose(self) -> None:
        """Closes the other transport."""
        await self.transport.aclose()

    async def __aenter__(self) -> Self:
        await self.transport.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        reason: BaseException | None = None,
        trace: TracebackType | None = None,
    ) -> None:
        await self.transport.__aexit__(kind, reason, trace)


def instrument(client: httpx.Client | httpx.AsyncClient) -> None:
    """Tells the requests of a client that exists, those through proxies and mounts included; once.

    httpx has no public way: this is the one that its other instrumentations take (httpx 0.20 to 0.28).
    """
    inside: Any = client
    wrapped = Transport if isinstance(client, httpx.Client) else AsyncTransport
    if isinstance(inside._transport, wrapped):  # noqa: SLF001 - as said
        return
    inside._transport = wrapped(inside._transport)  # noqa: SLF001 - as said
    inside._mounts = {  # noqa: SLF001 - as said
        pattern: None if mounted is None else wrapped(mounted)
        for pattern, mounted in inside._mounts.items()  # noqa: SLF001 - as said
    }


def _about(request: httpx.Request) -> dict[str, Any]:
    url = request.url
    return {
        "method": request.method,
        "scheme": url.scheme,
        "host": url.host,
        "port": url.port,
        "path": url.path,
    }
