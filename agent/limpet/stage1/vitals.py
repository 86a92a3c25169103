"""What a process feels like from within: lag of its event loops, waits for the GIL, pauses of the collector.

Measured only while somebody wants it, by the agent's thread, which wakes up RATE times a second then:

- lag: how long a callback waits that is handed to a running event loop now. A marker is on its way to each
  loop most of the time; one that has not arrived tells for how long the loop has been blocked so far.
- GIL wait: how much later than asked for the agent's thread goes on after a timed wait. It contains what the
  kernel keeps a thread waiting for a CPU: on a busy machine it is an upper bound.
- pauses: what `gc.callbacks` sees, thread by thread: the time in which no Python code runs in this process.

A block of the loop that begins between two markers is seen without its first moments: RATE bounds the error.
"""

import gc
from bisect import bisect_left
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from .frames import where
from .jobs import Mailbox, current
from .loops import running_loops, runs
from .natives import monotonic
from .services import service
from .view import View

RATE: Final = 20
"""Markers a second: half a percent of a CPU."""
_STEP: Final = 0.618034
"""Of the golden section: the pauses between markers vary by it, so that nothing keeps step with them."""
PERIOD: Final = 1 / RATE
WINDOW: Final = 10
"""Seconds that a median or a maximum looks back."""
PUSH: Final = 1.0
"""Seconds between two pushes."""
FIND: Final = 10.0
"""Seconds between two searches for loops, while there is one that runs."""
FIND_FIRST: Final = 1.0
"""The same while there is none."""
PLACE: Final = 0.1
"""Seconds that a loop has been blocked for when it is told where."""
LOOPS: Final = 8
"""Loops that are measured, at most."""
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Upper bounds, in seconds, of the histogram of lags."""


class Marker:
    """What is handed to one loop, again and again."""

    def __init__(self, loop: Any, thread: int) -> None:
        self.loop = loop
        self.thread = thread
        self.posted = 0.0
        """When it was handed over; 0: it is not on its way."""
        self.arrived = 0.0
        """Set by the loop."""

    def arrive(self) -> None:
        """On the loop: the only line of ours that runs there."""
        self.arrived = monotonic()

    def post(self, now: float) -> bool:
        """Hands it over; False if the loop takes nothing any more."""
        self.arrived = 0.0
        self.posted = now
        try:
            self.loop.call_soon_threadsafe(self.arrive)
        except RuntimeError:
            return False
        return True


class Vitals:
    """The vitals of this process; `send` takes frames to the daemon."""

    def __init__(self, send: Callable[..., None]) -> None:
        self._send = send
        self._holders: set[object] = set()
        self._limit = 1.0
        self._markers: list[Marker] = []
        self._find_at = 0.0
        self._next = 0.0
        self._phase = 0.0
        self._push_at = 0.0
        self._asleep = 0.0
        """When the agent's thread began its wait, and for how long; 0: that is not known."""
        self._asked = 0.0
        self._told_blocked = False
        self._lags: deque[float] = deque(maxlen=WINDOW * RATE)
        self._waits: deque[float] = deque(maxlen=WINDOW * RATE)
        self._histogram = [0] * (len(BUCKETS) + 1)
        self._lag_sum = 0.0
        self._callback = self._collected
        """One object: each look at the method makes another."""
        self._gc_began = 0.0
        self._pauses: deque[tuple[float, float]] = deque(maxlen=1000)
        """(When it ended, how long it was) of each collection."""
        self._gc_seconds = 0.0
        self._gc_counts = [0, 0, 0]

    # --- who wants them --------------------------------------------------------------------------------

    def hold(self, holder: object, limit: float = 0.0) -> None:
        """Measures from now on, until all that hold have let go.

        Args:
            holder: whoever wants it.
            limit: seconds; a loop that is blocked for longer is pushed at once.
        """
        self._limit = limit or self._limit
        if not self._holders:
            self._next = self._find_at = 0.0
            self._push_at = monotonic() + PUSH
            self._asleep = 0.0
            if not any(each is self._callback for each in gc.callbacks):
                gc.callbacks.append(self._callback)
        self._holders.add(holder)

    def release(self, holder: object, _limit: float = 0.0) -> None:
        """Whoever held wants them no more; without a holder nothing is left in the process."""
        self._holders.discard(holder)
        if not self._holders:
            self._remove()

    def close(self, *, forked: bool) -> None:  # noqa: ARG002 - a service's; it has no lock
        """The connection is gone, or this is the child of a fork."""
        self._holders.clear()
        self._remove()

    def _remove(self) -> None:
        # By identity: `remove` would compare, and so run code of whatever the application has put there.
        for index, callback in enumerate(gc.callbacks):
            if callback is self._callback:
                del gc.callbacks[index]
                break
        self._markers = []
        self._lags.clear()
        self._waits.clear()
        self._pauses.clear()

    # --- the agent's thread ----------------------------------------------------------------------------

    def tick(self) -> float:
        """Measures; seconds until the next time."""
        if not self._holders:
            return 3600.0
        now = monotonic()
        if self._asleep and now - self._asleep >= self._asked:
            self._waits.append(now - self._asleep - self._asked)
        self._asleep = 0.0
        if now < self._next:
            return self._next - now
        self._phase = (self._phase + _STEP) % 1
        self._next = now + PERIOD * (0.5 + self._phase)
        self._find(now)
        blocked = False
        for marker in list(self._markers):
            blocked = self._look(marker, now) or blocked
        if now >= self._push_at or blocked is not self._told_blocked:
            self._told_blocked = blocked
            self._push_at = now + PUSH
            self._push()
        return self._next - now

    def waits(self, seconds: float) -> None:
        """The agent's thread begins a wait of so long."""
        if self._holders:
            self._asked = seconds
            self._asleep = monotonic()

    def woken(self) -> None:
        """It was woken by a request: how long it waited tells nothing."""
        self._asleep = 0.0

    def _find(self, now: float) -> None:
        if now < self._find_at:
            return
        self._find_at = now + (FIND if self._markers else FIND_FIRST)
        known = {id(marker.loop) for marker in self._markers}
        for loop, thread in running_loops().items():
            if id(loop) not in known and len(self._markers) < LOOPS:
                self._markers.append(Marker(loop, thread))
                self._find_at = now + FIND

    def _look(self, marker: Marker, now: float) -> bool:
        """Takes what has arrived and sends the marker on; whether the loop is blocked beyond the limit."""
        if marker.posted:
            if arrived := marker.arrived:
                self._measured(max(0.0, arrived - marker.posted))
            elif runs(marker.loop):
                return now - marker.posted > self._limit
        if not runs(marker.loop) or not marker.post(now):
            # What it has still to run is nobody's.
            # Not `remove`: an evaluation that lets go takes all of them off, at any moment.
            self._markers = [each for each in self._markers if each is not marker]
            self._find_at = min(self._find_at, now + FIND_FIRST)
        return False

    def _measured(self, lag: float) -> None:
        self._lags.append(lag)
        self._lag_sum += lag
        self._histogram[bisect_left(BUCKETS, lag)] += 1

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        """In whichever thread collects, with the GIL: must not raise, and takes no time."""
        now = monotonic()
        if phase == "start":
            self._gc_began = now
        elif self._gc_began:
            pause = now - self._gc_began
            self._gc_began = 0.0
            self._gc_seconds += pause
            self._gc_counts[min(info["generation"], 2)] += 1
            self._pauses.append((now, pause))

    # --- what they are ---------------------------------------------------------------------------------

    def _push(self) -> None:
        self._send({"id": 0, "item": "vitals", "data": self.facts()}, droppable=True)

    def facts(self) -> dict[str, Any]:
        """All of them, as plain JSON: seconds; None where there is nothing to measure."""
        now = monotonic()
        waiting = [(now - each.posted, each) for each in self._markers if each.posted and not each.arrived]
        stuck, marker = max(waiting, key=lambda pair: pair[0], default=(0.0, None))
        lags = sorted(self._lags)
        lag = None
        if self._markers or lags:
            longest = max(lags[-1] if lags else 0.0, stuck)
            lag = {"now": stuck, "p50": _median(lags), "max": longest}
        waits = sorted(self._waits)
        recent = [pause for ended, pause in list(self._pauses) if now - ended <= WINDOW]
        return {
            "lag": lag,
            "loops": len(self._markers),
            "blocked_in": where(marker.thread) if marker is not None and stuck > PLACE else "",
            "gil_wait": {"p50": _median(waits), "max": waits[-1]} if waits else None,
            "gc": {
                "pause": max(recent, default=0.0),
                "seconds": self._gc_seconds,
                "collections": list(self._gc_counts),
            },
            "lags": {"counts": list(self._histogram), "sum": self._lag_sum},
        }


def _median(ordered: list[float]) -> float:
    return ordered[len(ordered) // 2] if ordered else 0.0


def serve(send: Callable[..., None]) -> Vitals:
    """The service."""
    return Vitals(send)


def vitals(seconds: float = 1.0) -> View:
    """Loop lag, wait for the GIL and pauses of the collector, of ten seconds at most; measured if need be."""
    here: Vitals = service("vitals")
    job = current()
    job.at_end(lambda _forked: here.release(job))
    here.hold(job)
    job.lasts(seconds)
    job.wait(Mailbox(), seconds)
    facts = here.facts()
    rows = []
    lag, gil_wait, collector = facts["lag"], facts["gil_wait"], facts["gc"]
    if lag is not None:
        rows.append({"what": "loop lag", "median": lag["p50"], "longest": lag["max"], "now": lag["now"]})
    if gil_wait is not None:
        rows.append({"what": "GIL wait", "median": gil_wait["p50"], "longest": gil_wait["max"], "now": None})
    rows.append({"what": "gc pause", "median": None, "longest": collector["pause"], "now": None})
    units = {"median": "seconds", "longest": "seconds", "now": "seconds"}
    notes = [f"blocked in {facts['blocked_in']}"] if facts["blocked_in"] else []
    if lag is None:
        notes.append("no event loop runs")
    return View("vitals", rows, units=units, notes=notes)
