"""What probes find: counted, limited, made text where they are found, and printed by the job."""

import sys
import time
from collections.abc import Callable
from itertools import count, islice
from types import FrameType
from typing import Any, Final

from .frames import outwards, place_of_frame
from .jobs import Mailbox, current
from .natives import get_ident, main_thread, monotonic
from .predicates import Predicate
from .probes import Probe, Site, backend, own_threads
from .render import bounded
from .sketch import sketch
from .tracebacks import BY_USER
from .view import View, duration

MOST: Final = 10_000
"""Hits of one probe."""
VALUE: Final = 200
"""Characters of an argument or a value."""
SHARE: Final = 0.25
"""What conditions may take of the time before the probe is taken off."""
_FIRST: Final = 1.0
"""Seconds before that is looked at."""
_PASSING: Final = 0.02
"""Seconds in which a thread that is in the middle of a hit ends it."""
_NAMED: Final = 5
"""Sites that are named when it begins."""
_LATE: Final = 1.0
"""Seconds that a thread of the application's has to hand over the last hits."""


class Hits:
    """The hits of one probe.

    Args:
        limit: how many; or (how many, in how many seconds).
        condition: which frames count; empty: all.
        ask: values are shown by their own `__repr__`.

    Attributes:
        mailbox: where rows arrive; and text, which is for the person alone.
        over: why there will be no more; empty as long as there may be.

    Raises:
        ValueError: the limit is none.
        SyntaxError: the condition is none.
    """

    def __init__(self, limit: int | tuple[int, float], condition: str, *, ask: bool) -> None:
        most, per = (limit, 0.0) if isinstance(limit, int) else limit
        if not 1 <= most <= MOST:
            raise ValueError(f"the limit is 1 to {MOST:,}, not {most:,}")
        self.limit = most
        self.mailbox = Mailbox()
        self.over = ""
        self._per = per
        self._predicate = Predicate(condition) if condition else None
        self._ask = ask
        self._numbers = count()
        self._taken: list[None] = []
        self._window = self._began = 0.0
        self._in_window = count()
        self._spent = 0.0
        self._said = False
        self._full = False

    def __str__(self) -> str:
        return f"limit {self.limit:,}" + (f" in {self._per:g}s" if self._per else "")

    def begin(self) -> None:
        """Counts from here on: all sites are probed, so that none takes the limit from the others."""
        self._window = self._began = monotonic()

    def wants(self, frame: FrameType) -> bool:
        """Whether the frame counts."""
        if self.over or not self._began:
            return False
        if self._predicate is None:
            return True
        now = monotonic()
        held = self._predicate.holds(frame)
        after = monotonic()
        if self._predicate.failed and not self._said:
            self._said = True
            self.mailbox.put(f"(the condition raises {self._predicate.failure})")
        self._spent += after - now
        if after - self._began > _FIRST and self._spent > SHARE * (after - self._began):
            self._end(f"the condition took more than {SHARE:.0%} of the application's time")
        return held

    def put(self, row: dict[str, Any]) -> bool:
        """Takes a hit, unless there are enough; whether it was taken.

        Guarantee: with a limit of n exactly n are taken, whatever threads they come from.
        """
        if self._per:
            now = monotonic()
            if now - self._window > self._per:
                self._window, self._in_window = now, count()
            if next(self._in_window) >= self.limit:
                self._end("the rate limit is tripped")
                return False
            most = MOST
        else:
            most = self.limit
        number = next(self._numbers)
        if number >= most:
            return False
        self._taken.append(None)
        thread, task = who()
        self.mailbox.put({"time": clock(), "thread": thread, "task": task, **row})
        if number == most - 1:
            self._full = not self._per
            self._end("the limit is reached")
        return True

    def text(self, value: Any, name: str = "", limit: int = VALUE) -> str:
        """A value as text."""
        return bounded(value, limit) if self._ask else sketch(value, limit, name=name)

    def taken(self) -> int:
        """How many were taken, of which some may still be on their way."""
        return self.limit if self._full else len(self._taken)

    def notes(self) -> list[str]:
        """What else is to be said."""
        predicate = self._predicate
        if predicate is None or not predicate.failed:
            return []
        return [f"the condition raised {predicate.failed:,} times, first {predicate.failure}"]

    def _end(self, why: str) -> None:
        self.over = self.over or why
        self.mailbox.ring()


def run(
    probe: Probe,
    hits: Hits,
    sites: list[Site],
    *,
    seconds: float,
    title: str,
    show: Callable[[dict[str, Any]], str],
    view: Callable[[list[dict[str, Any]], str], View],
) -> View:
    """Sets the probe, prints hits as they come until they are over or the time is, and takes it off.

    Args:
        probe: makes the hits.
        hits: where they are counted.
        sites: where it is set.
        seconds: how long.
        title: what is being done, above the hits.
        show: a hit as it is printed.
        view: what the hits, and how it ended, are for who has asked; also if they interrupt it.
    """
    job = current()
    job.lasts(seconds)
    probing = backend()
    job.at_end(lambda forked: probing.disarm(probe, forked=forked))
    ident = get_ident()
    began = monotonic()
    rows: list[dict[str, Any]] = []

    def take(wait: float) -> None:
        for found in job.wait(hits.mailbox, wait):
            if isinstance(found, str):
                job.say(found, "stderr")
            else:
                rows.append(found)
                job.say(show(found))

    def shown(end: str) -> View:
        took = duration(monotonic() - began)
        return view(rows, f"{len(rows):,} in {took}: {end}")

    job.wait(hits.mailbox, 0)  # refuses to hold the event loop before anything is set
    # Until all is shown, for an interruption may come behind the last hit as well.
    job.found = lambda: shown(BY_USER)
    try:
        try:
            own_threads.add(ident)
            # Half set, it could not be taken off: it holds a lock, and a tool's id, until it is through.
            job.shelter(probing.arm, probe, sites)
            hits.begin()
            names = ", ".join(site.name for site in sites[:_NAMED])
            more = f" and {len(sites) - _NAMED} more" if len(sites) > _NAMED else ""
            job.say(f"({title} {names}{more}: {hits}, {seconds:g}s; Ctrl-C ends it)", "stderr")
            while not hits.over and (left := began + seconds - monotonic()) > 0:
                take(left)
        finally:
            own_threads.discard(ident)
            job.shelter(lambda: probing.disarm(probe, forked=False))
        late = monotonic() + _LATE
        take(0 if len(rows) == hits.limit else _PASSING)
        while len(rows) < hits.taken() and monotonic() < late:
            take(0.05)
        found = shown(hits.over or "the time is over")
    except Exception:
        job.found = None
        raise
    job.found = None
    return found


def who() -> tuple[str, str]:
    """Names of the running thread and of its asyncio task; the latter empty if there is none."""
    ident = get_ident()
    threading: Any = sys.modules.get("threading")
    known = (getattr(threading, "_active", None) or {}).get(ident)
    if known is not None:
        thread = str(getattr(known, "_name", "") or "")
    else:
        thread = "MainThread" if ident == main_thread() else f"thread {ident:#x}"
    asyncio: Any = sys.modules.get("asyncio")
    loop = asyncio._get_running_loop() if hasattr(asyncio, "_get_running_loop") else None  # noqa: SLF001 - documented
    task = asyncio.current_task(loop) if loop is not None else None
    return thread, "" if task is None else asyncio.Task.get_name(task)


def clock() -> str:
    """`09:54:35.145`, for people."""
    now = time.time()
    return f"{time.strftime('%H:%M:%S', time.localtime(now))}.{int(now % 1 * 1000):03}"


def callers(frame: FrameType | None, most: int) -> list[str]:
    """`function file:line` of a frame and of those that called it, at most so many."""
    return [place_of_frame(each).text for each in islice(outwards(frame), most)]
