"""Events of an application, after BEAM's `telemetry`: told where they happen, heard by whoever attaches.

    from limpet import telemetry

    telemetry.execute(("bookshop", "checkout", "stop"), {"duration": 0.012}, {"cart": "ada"})
    telemetry.attach("log slow ones", ("bookshop", "checkout", "stop"), handler)
    telemetry.metrics([telemetry.counter("bookshop.checkout.stop.count")])

dispatch      execute, attach, detach; quarantine of handlers that fail
failures      what has failed
spans         span: start, stop and exception of what takes time
definitions   counter, sum, last_value, summary, distribution
series        what a metric keeps; registry: metrics, snapshot
poller        poll: what is measured periodically

Ready instrumentation, each imported for itself and never from here: asgi, wsgi, sqlalchemy, httpx, logging,
asyncio (loop lag) and gc (pauses).

Times are seconds, sizes bytes. A handler that fails never reaches the one who tells of an event.
"""

from .definitions import Metric, counter, distribution, last_value, sum, summary  # noqa: A004 - Telemetry.Metrics' name
from .dispatch import (
    AlreadyExists,
    Event,
    Handler,
    Measurements,
    Metadata,
    NotFound,
    attach,
    attach_many,
    detach,
    execute,
    list_handlers,
)
from .failures import Failure, failures
from .poller import Poll, poll
from .registry import Metrics, metrics, snapshot
from .spans import Span, current_span, span

__all__ = [
    "AlreadyExists",
    "Event",
    "Failure",
    "Handler",
    "Measurements",
    "Metadata",
    "Metric",
    "Metrics",
    "NotFound",
    "Poll",
    "Span",
    "attach",
    "attach_many",
    "counter",
    "current_span",
    "detach",
    "distribution",
    "execute",
    "failures",
    "last_value",
    "list_handlers",
    "metrics",
    "poll",
    "snapshot",
    "span",
    "sum",
    "summary",
]
