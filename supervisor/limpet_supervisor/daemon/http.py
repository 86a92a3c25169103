"""What the node answers over HTTP: /health, /livez, /readyz, /startupz (each also for one process), /metrics.

The three with a z are shaped as Kubernetes' own (https://kubernetes.io/docs/reference/using-api/health-checks/):
`ok`, or a line for each check with `?verbose` or when one fails; `?exclude=NAME` leaves one out.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec

from limpet_supervisor.errors import LimpetError
from limpet_supervisor.model.health import WELL, Line, Status
from limpet_supervisor.model.status import NodeState
from limpet_supervisor.runtime.addresses import NotAnAddress
from limpet_supervisor.runtime.http import HttpServer, Request, Respond, Response
from limpet_supervisor.runtime.openmetrics import CONTENT_TYPE
from limpet_supervisor.runtime.reactor import Timer
from limpet_supervisor.wire import messages as m

from .health import Health
from .node import Node

if TYPE_CHECKING:
    from .metrics import Metrics

_RETRY: Final = 5.0
"""Seconds between two tries to have the address."""


class Endpoint:
    """Serves a node's health and metrics on one address; while somebody else has it, it is tried again.

    Args:
        log: says a line to whoever reads the node's log.
    """

    def __init__(
        self,
        node: Node,
        health: Health,
        metrics: "Callable[[], Metrics]",
        bind: str,
        log: Callable[[str], None],
    ) -> None:
        self._node = node
        self._health = health
        self._metrics = metrics
        self._bind = bind
        self._log = log
        self._server: HttpServer | None = None
        self._timer: Timer | None = None
        self._complained = False
        self._open()

    def _open(self) -> None:
        try:
            self._server = HttpServer(
                self._node.reactor, self._bind, self._handle, self._node.spec.health.mode
            )
        except NotAnAddress as error:
            self._log(f"health and metrics are not served: {error}")
        except OSError as error:
            if not self._complained:
                self._complained = True
                again = f"it is tried again every {_RETRY:g}s"
                self._log(
                    f"health and metrics cannot be served on {self._bind}: {error.strerror or error}; {again}"
                )
            self._timer = self._node.reactor.call_later(_RETRY, self._open)
        else:
            self._log(f"health and metrics are served on {self._server.address}")

    def close(self) -> None:
        """Serves nothing more."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()

    def _handle(self, request: Request, respond: Respond) -> None:
        first, _, process = request.path.strip("/").partition("/")
        names = (process,) if process else ()
        try:
            match first:
                case "health":
                    self._health.report(names, _excluded(request), lambda found: respond(_json(found)))
                case "readyz":
                    self._health.report(
                        names, _excluded(request), lambda found: respond(_text(request, first, found.lines))
                    )
                case "livez":
                    respond(_text(request, first, self._live(names, request)))
                case "startupz":
                    respond(_text(request, first, self._started(names)))
                case "metrics" if not process:
                    self._metrics().scrape(lambda text: respond(_metrics(text)))
                case "":
                    respond(Response(200, b"/health\n/livez\n/readyz\n/startupz\n/metrics\n"))
                case _:
                    respond(Response(404, b"there are /health, /livez, /readyz, /startupz, /metrics\n"))
        except LimpetError as error:  # no process of that name
            respond(Response(404, f"{error.what}: {error.why}\n".encode()))

    def _live(self, names: tuple[str, ...], request: Request) -> tuple[Line, ...]:
        """That we answer is all there is to a node's life; of a process, that it runs, and its loop.

        Raises:
            NoSuchProcess: a name means none.
        """
        lines = self._health.living(names) if names else ()
        return self._health.counted((Line("ping", Status.OK), *lines), _excluded(request))

    def _started(self, names: tuple[str, ...]) -> tuple[Line, ...]:
        """Whether every process has been ready once.

        Raises:
            NoSuchProcess: a name means none.
        """
        if not names:
            up = self._node.state is not NodeState.STARTING
            return (Line("node", Status.OK if up else Status.FAILING, reason="" if up else "it starts"),)
        return tuple(
            line
            if line.is_well or not self._health.has_been_ready(line.process)
            else Line(line.check, Status.OK, process=line.process)
            for line in self._health.lines(names)
            if line.check == line.process
        )


def _excluded(request: Request) -> list[str]:
    return [name for value in request.query.get("exclude", []) for name in value.split(",")]


def _json(found: m.HealthReply) -> Response:
    reasons: dict[str, list[str]] = {}
    for line in found.lines:
        if line.reason and line.status is not Status.OK:
            where = f"{line.process}: " if line.process and line.process != line.check else ""
            reasons.setdefault(line.check, []).append(f"{where}{line.reason}")
    facts: dict[str, object] = {"status": found.status, "checks": found.checks}
    if reasons:
        facts["reasons"] = reasons
    return Response(found.status, msgspec.json.encode(facts) + b"\n", "application/json")


def _text(request: Request, name: str, lines: tuple[Line, ...]) -> Response:
    well = all(line.is_well for line in lines)
    if well and "verbose" not in request.query:
        return Response(200, b"ok")
    text = "\n".join((*map(_shown, lines), f"{name} check {'passed' if well else 'failed'}"))
    return Response(200 if well else 503, f"{text}\n".encode())


def _shown(line: Line) -> str:
    of = f" ({line.process})" if line.process and line.process != line.check else ""
    reason = f": {' '.join(line.reason.split())}" if line.reason else ""
    if line.status in WELL:
        return f"[+]{line.check}{of} {line.status}{reason}"
    sign = "-" if line.critical else "!"
    return f"[{sign}]{line.check}{of} {line.status}{reason}"


def _metrics(text: bytes | None) -> Response:
    if text is None:
        return Response(503, b"the metrics could not be gathered in time\n")
    return Response(200, text, CONTENT_TYPE)
