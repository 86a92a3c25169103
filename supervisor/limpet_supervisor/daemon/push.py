"""Pushes the node's metrics to an OTLP endpoint: every figure of a scrape, each interval, and at the end.

The figures are cumulative, so the newest say all: nothing is queued, and after a failure the next push has
what is so then. The loop asks the agents and goes on; what is sent is made beside it, and sent by a thread
that lives as long as that takes.
"""

import random
import time
from _thread import start_new_thread
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

from limpet_supervisor import __version__
from limpet_supervisor.model.masking import masked_text
from limpet_supervisor.model.status import Event
from limpet_supervisor.runtime.openmetrics import Family
from limpet_supervisor.runtime.otlp import CONTENT_TYPE, Encoder, Scope, rejected, why
from limpet_supervisor.runtime.otlp_target import KEY, Target
from limpet_supervisor.runtime.post import Answer, post
from limpet_supervisor.runtime.reactor import Timer

from .metrics import Metrics
from .node import Node

LAST: Final = 3.0
"""Seconds that the last push may take, while the node stops."""
_LAST_FAILING: Final = 1.0
"""The same if the one before has failed."""
_FIRST: Final = 5.0
"""Seconds, at most, until the first one and between the first two after a failure."""
_RETRY_MOST: Final = 60.0
"""Seconds between two tries, at most, if the interval is not longer."""
_ASKED_MOST: Final = 3600.0
"""Seconds for which an endpoint may ask to be left alone."""
_GRACE: Final = 1.0
"""Seconds beyond its time after which a push is given up: the look-up of a name has no deadline."""
_RETRYABLE: Final = (429, 502, 503, 504)
"""What the protocol calls so (https://opentelemetry.io/docs/specs/otlp/#failures-1)."""
_SHOWN: Final = 300


class Outcome(NamedTuple):
    """What came of a push."""

    kind: str
    """ok, rejected, refused, unreachable."""
    reason: str = ""
    again: float | None = 0.0
    """Seconds after which it may be tried again, 0: as usual after a failure; None: the next in its turn."""
    rejected: int = 0


class Push:
    """Pushes, until `finish`.

    Args:
        metrics: what is measured.
        began: when the node began, in Unix seconds.
    """

    def __init__(self, node: Node, metrics: Metrics, target: Target, *, began: float) -> None:
        self.failing = ""
        """Why, as long as it fails."""
        self._node = node
        self._reactor = node.reactor
        self._metrics = metrics
        self._target = target
        self._encoder = Encoder(target.resource, int(began * 1e9))
        self._outcomes: Counter[str] = Counter()
        self._rejected = 0
        self._failures = 0
        """In a row."""
        self._seconds = 0.0
        self._bytes = 0
        self._current: object | None = None
        """The push on its way."""
        self._sending = False
        """Whether a thread sends, be it one that nobody waits for any more."""
        self._began = 0.0
        self._timer: Timer | None = None
        self._then: Callable[[], None] | None = None
        """Called when the last push is over."""
        self._is_last = False
        """Whether the one on its way was begun as the last."""
        node.subscribers[self] = self._heard
        metrics.add(self.families)
        self._schedule(random.uniform(0, min(target.interval, _FIRST)))

    def families(self) -> list[Family]:
        """What has come of the pushes, as metrics."""
        outcomes = [((kind,), self._outcomes[kind]) for kind in ("ok", "rejected", "refused", "unreachable")]
        return [
            Family(
                "limpet_otlp_pushes",
                "counter",
                "Pushes of metrics, by what came of them.",
                ("outcome",),
                outcomes,
            ),
            _one("limpet_otlp_failing", "gauge", "1: the last push has failed.", int(bool(self.failing))),
            _one(
                "limpet_otlp_rejected_points", "counter", "Data points that were not taken.", self._rejected
            ),
            _one(
                "limpet_otlp_last_push_seconds",
                "gauge",
                "How long the last push took.",
                self._seconds,
                "seconds",
            ),
            _one("limpet_otlp_last_push_bytes", "gauge", "What the last push sent.", self._bytes, "bytes"),
        ]

    def finish(self, then: Callable[[], None]) -> None:
        """Pushes once more, within `LAST` seconds, and calls `then`."""
        if self._then is not None:
            return
        self._then = then
        self._cancel()
        self._timer = self._reactor.call_later(_LAST_FAILING if self.failing else LAST, self._over)
        if self._current is None:
            self._is_last = True
            self._push()

    def _heard(self, event: Event) -> None:
        """The processes are about to be stopped, and tell what they have counted while they can."""
        if event.kind == "node_stopping":
            self._metrics.keep()

    def _over(self) -> None:
        """Nothing is pushed any more."""
        self._cancel()
        self._current = None
        then, self._then = self._then, _nothing
        if then is not None:
            then()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- one push -----------------------------------------------------------------------------------------

    def _schedule(self, delay: float) -> None:
        self._timer = self._reactor.call_later(delay, self._push)

    def _push(self) -> None:
        """Takes the figures, then sends them."""
        current = self._current = object()
        self._began = self._reactor.now()
        last = self._then is not None
        if self._sending:
            self._ended(current, Outcome("unreachable", "the look-up of its name has not ended"))
            return
        encoder = self._encoder

        def make(own: list[Family], theirs: list[Family]) -> bytes:
            scopes = (Scope("limpet", __version__, own), Scope("limpet.telemetry", __version__, theirs))
            return encoder.encode(scopes, time.time_ns())

        def made(body: bytes | None) -> None:
            if self._current is not current:
                return
            if body is None:
                self._ended(current, Outcome("unreachable", "the figures could not be gathered in time"))
                return
            self._send(current, body, min(self._target.timeout, LAST) if last else self._target.timeout)

        self._metrics.gather(make, made)

    def _send(self, current: object, body: bytes, within: float) -> None:
        target = self._target
        self._sending = True
        if self._then is None:
            late = Outcome("unreachable", "the look-up of its name takes too long")
            self._timer = self._reactor.call_later(within + _GRACE, lambda: self._ended(current, late))

        def run() -> None:
            size, outcome = _deliver(target, body, within)

            def told() -> None:
                self._sending = False
                if self._current is current:
                    self._bytes = size
                    self._ended(current, outcome)

            with suppress(OSError):  # the loop has been closed: the node has not waited for this
                self._reactor.call_from_thread(told)

        try:
            start_new_thread(run, ())
        except RuntimeError as error:  # EAGAIN: no more tasks for this user, or this control group
            self._sending = False
            self._ended(current, Outcome("unreachable", str(error)))

    def _ended(self, current: object, outcome: Outcome) -> None:
        """A push is over: it is counted, said if it is news, and followed by the next."""
        if self._current is not current:
            return
        self._current = None
        self._seconds = self._reactor.now() - self._began
        self._outcomes[outcome.kind] += 1
        self._rejected += outcome.rejected
        if outcome.kind == "ok":
            self._encoder.delivered()
            self._failures = 0
        else:
            self._failures += 1
        self._note(outcome)
        if self._then is not None:
            self._last_of(outcome)
            return
        self._cancel()
        interval = self._target.interval
        rest = max(0.0, interval - self._seconds)
        if outcome.kind == "ok" or outcome.again is None:
            self._schedule(rest)
        else:
            backoff = min(
                min(interval, _FIRST) * 2 ** min(self._failures - 1, 16), max(interval, _RETRY_MOST)
            )
            # Jitter: many nodes whose endpoint comes back do not all come at once.
            self._schedule(max(outcome.again, backoff * random.uniform(0.5, 1.0)))

    def _last_of(self, outcome: Outcome) -> None:
        """What was on its way when the node had stopped is old: if that has arrived, the last one follows."""
        if outcome.kind != "ok" or self._is_last:
            self._over()
        else:
            self._is_last = True
            self._push()

    def _note(self, outcome: Outcome) -> None:
        """News is said once: that it fails, and that it does no more."""
        failing = "" if outcome.kind == "ok" else masked_text(outcome.reason)[:_SHOWN]
        was, self.failing = self.failing, failing
        where = self._target.shown
        if failing:
            text = self._node.remarks[KEY] = f"metrics cannot be pushed to {where}: {failing}"
            if not was:
                self._node.publish("push_failing", "", text)
        elif was:
            del self._node.remarks[KEY]
            self._node.publish("push_recovered", "", f"metrics are pushed to {where} again")


def _deliver(target: Target, body: bytes, within: float) -> tuple[int, Outcome]:
    """Sends a request; how many bytes it was, and what came of it.

    For a thread: nothing of the loop's is touched.
    """
    headers = [
        ("user-agent", f"limpet/{__version__}"),
        ("content-type", CONTENT_TYPE),
        *([("content-encoding", "gzip")] if target.gzip else []),
    ]
    ours = {name for name, _ in headers}
    headers += [(name, value) for name, value in target.headers if name not in ours]
    try:
        data = _packed(body) if target.gzip else body
        return len(data), _outcome(post(target.place, headers, data, within))
    except TimeoutError:
        return 0, Outcome("unreachable", f"it has not answered within {within:g}s")
    except OSError as error:
        return 0, Outcome("unreachable", error.strerror or str(error))
    except ValueError as error:
        return 0, Outcome("unreachable", str(error))
    except Exception as error:  # noqa: BLE001 - a bug in a thread of its own would else end all pushes unheard
        return 0, Outcome(
            "unreachable", f"a bug in limpet, please report it: {type(error).__name__}: {error}"
        )


def _packed(body: bytes) -> bytes:
    import zlib

    packer = zlib.compressobj(wbits=31)  # gzip's header
    return packer.compress(body) + packer.flush()


def _outcome(answer: Answer) -> Outcome:
    """What an answer means (https://opentelemetry.io/docs/specs/otlp/#otlphttp-response)."""
    status = answer.status
    if 200 <= status < 300:
        try:
            count, message = rejected(answer.body)
        except ValueError:
            count, message = 0, ""  # it has taken them, and says so in a language of its own
        if not count:
            return Outcome("ok")
        return Outcome("rejected", f"{count} data points are not taken: {message}", None, count)
    if 300 <= status < 400:
        there = masked_text(answer.headers.get("location", "nowhere").partition("?")[0])
        return Outcome(
            "refused", f"it answers {status}, and is at {there}: headers are sent to no other place", None
        )
    text = f"it answers {status}"
    if answer.headers.get("content-type", "").startswith(CONTENT_TYPE):
        with suppress(ValueError):
            text = f"{text}: {why(answer.body)}"
    if status in _RETRYABLE:
        return Outcome("unreachable", text, _retry_after(answer.headers.get("retry-after", "")))
    return Outcome("refused", text, None)


def _retry_after(value: str) -> float:
    """Seconds of a Retry-After (RFC 9110): a number or a date; 0 if it is neither."""
    if value.strip().isdecimal():
        return min(float(value[:9]), _ASKED_MOST)
    from email.utils import parsedate_to_datetime

    try:
        seconds = parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, OverflowError):
        return 0.0
    return min(max(seconds, 0.0), _ASKED_MOST)


def _one(name: str, kind: str, help_: str, value: float, unit: str = "") -> Family:
    return Family(name, kind, help_, (), [((), value)], unit)


def _nothing() -> None:
    """Whoever waited has been told."""
