"""What the shop tells of itself: logs, events, metrics, health. All of it by Limpet, and nothing without it.

Events, beside those of the ASGI and SQLAlchemy instrumentation:

("bookshop", "checkout", start | stop | exception)   a span: duration; at the end cents
("bookshop", "shipping", start | stop | exception)   a span: duration; at the end state
("bookshop", "stock")                                every ten seconds: copies; metadata: isbn
"""

import os
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from bookshop import shop
from bookshop.database import Database

try:
    from limpet import health, log, telemetry
    from limpet.telemetry import asgi, sqlalchemy
except ImportError:  # the shop runs without Limpet as well
    telemetry = None

LONGEST_WAIT = 60
"""Seconds that an order may be pending."""


def web(database: Database) -> Callable[[], None]:
    """An instance of the site, as it opens; what ends it."""
    if telemetry is None:
        return _nothing
    end = _begin(
        database,
        *asgi.METRICS,
        telemetry.counter("bookshop.checkout.stop.count", description="orders"),
        telemetry.sum("bookshop.checkout.stop.cents", description="what they come to"),
    )

    @health.check("database", every="5s", timeout="1s", critical=True)
    async def _database() -> None:
        await database.ping()

    return end


def worker(database: Database) -> Callable[[], None]:
    """The worker, as it begins; what ends it."""
    if telemetry is None:
        return _nothing
    end = _begin(
        database,
        telemetry.distribution("bookshop.shipping.stop.duration", unit="seconds", tags=["state"]),
        telemetry.last_value("bookshop.stock.copies", tags=["isbn"]),
    )

    @health.check("orders", every="5s", timeout="2s", critical=True)
    def _orders() -> str | None:
        with database.session() as session:
            late = shop.pending_longer(session, LONGEST_WAIT)
        return f"{late} orders are pending for more than {LONGEST_WAIT} s" if late else None

    def stock() -> None:
        with database.session() as session:
            books = shop.books(session)
        for book in books:
            telemetry.execute(("bookshop", "stock"), {"copies": book["stock"]}, {"isbn": book["isbn"]})

    polling = telemetry.poll(stock, every="10s")

    def end_all() -> None:
        polling.stop()
        end()

    return end_all


def span(name: str) -> AbstractContextManager[Any]:
    """A span of the shop's, `with span("checkout") as told:`; `told` is None without Limpet."""
    return nullcontext() if telemetry is None else telemetry.span(("bookshop", name))


class Observed:
    """ASGI middleware: requests are told as events, and their id is in each line that is logged inside."""

    def __init__(self, app: Any) -> None:
        self._inside = app
        self._app = app if telemetry is None else asgi.TelemetryMiddleware(self._with_id)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await self._app(scope, receive, send)

    async def _with_id(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._inside(scope, receive, send)
            return
        sent = dict(scope.get("headers", ())).get(b"x-request-id", b"").decode("latin-1")[:64]
        with log.bind(request_id=sent or uuid.uuid4().hex[:12]):
            await self._inside(scope, receive, send)


def _begin(database: Database, *metrics: Any) -> Callable[[], None]:
    """Logs, queries and these metrics; in development uvicorn's own lines stay, which are for a person."""
    if os.environ.get("LIMPET_ENV") == "prod":
        log.setup(form="json")
    end_queries = sqlalchemy.instrument(database.engine)
    attached = telemetry.metrics([*sqlalchemy.METRICS, *metrics])

    def end() -> None:
        attached.detach()
        end_queries()

    return end


def _nothing() -> None:
    pass
