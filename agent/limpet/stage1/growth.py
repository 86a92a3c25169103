"""Tools that find what grows, types or lines that allocate; and a collection on demand."""

import gc
import sys
from typing import Any, Final

from limpet import agent as stage0

from .frames import short
from .heap import Counts, differences
from .jobs import Mailbox, current
from .natives import allocate_lock, monotonic
from .render import Text
from .view import View, duration, size

MOST: Final = 600.0
"""Seconds that may lie between two counts."""
TRACED: Final = 60.0
"""Seconds for which allocations may be traced: the application is several times slower meanwhile."""
_DEPTH: Final = 10
"""Frames of an allocation at the most."""


def growth(seconds: float = 10.0, n: int = 20, force: bool = False) -> View:
    """The types of which there are more objects after so many seconds, the most first.

    Args:
        seconds: between the two counts.
        n: rows at the most.
        force: also if there are so many objects that counting them stops the process for a while.
    """
    if not 0 < seconds <= MOST:
        raise ValueError(f"growth() takes up to {MOST:g} seconds, not {seconds!r}")
    job = current()
    job.lasts(seconds + 10)
    before = Counts(force=force)
    _pause(seconds)
    after = Counts(force=force)
    rows, fewer = differences(before, after, n)
    total = after.of.total()
    less = f"; of {fewer:,} types there are fewer" if fewer else ""
    notes = [f"{total - before.of.total():+,} objects, {total:,} now{less}"]
    return View("growth", rows, notes=notes, empty="of no type there are more")


def collect(generation: int = 2) -> Text:
    """Runs the garbage collector, with the finalizers of what it finds; every thread waits for it.

    Args:
        generation: the oldest one to collect: 0, 1, 2.
    """
    before = sys.getallocatedblocks()
    began = monotonic()
    found = gc.collect(generation)
    took = monotonic() - began
    freed = before - sys.getallocatedblocks()
    left = len(gc.garbage)
    return Text(
        f"{found:,} unreachable objects; {freed:,} blocks less; {duration(took)}; {left:,} uncollectable"
    )


class _Tracing:
    """Who has tracemalloc on."""

    def __init__(self) -> None:
        self.lock = allocate_lock()
        self.users = 0


_tracing: Final = _Tracing()


def allocations(seconds: float = 5.0, depth: int = 1, n: int = 20) -> View:
    """The lines that allocate, and keep, the most memory within so many seconds; tracemalloc is on meanwhile.

    The application is several times slower while it is on, at a depth above 1 much more. If the application
    itself has it on, it stays on.

    Args:
        seconds: up to a minute.
        depth: frames of each allocation; with more than one, those are counted together that share them all.
        n: rows at the most.
    """
    if not 0 < seconds <= TRACED:
        raise ValueError(f"allocations() takes up to {TRACED:g} seconds, not {seconds!r}")
    if not 1 <= depth <= _DEPTH:
        raise ValueError(f"allocations() takes a depth of 1 to {_DEPTH}, not {depth!r}")
    import tracemalloc

    job = current()
    job.lasts(seconds + 30)
    off = _Off(tracemalloc)
    job.at_end(off)
    foreign = job.shelter(off.on, depth)
    try:
        before = tracemalloc.take_snapshot()
        _pause(seconds)
        after = tracemalloc.take_snapshot()
        overhead = tracemalloc.get_tracemalloc_memory()
    finally:
        job.shelter(off, False)
    key = "lineno" if depth == 1 else "traceback"
    rows: list[dict[str, Any]] = []
    ours = ("<limpet ", tracemalloc.__file__, stage0.__file__)
    for change in after.compare_to(before, key):
        frame = change.traceback[-1]
        if change.size_diff > 0 and not frame.filename.startswith(ours):
            places = [f"{short(one.filename)}:{one.lineno}" for one in change.traceback]
            rows.append({
                "grown": change.size_diff,
                "blocks": change.count_diff,
                "at": " > ".join(places),
            })  # fmt: skip
    rows.sort(key=lambda row: -row["grown"])
    notes = [f"{len(rows) - n:,} more lines"] if len(rows) > n else []
    if foreign:
        notes.append("the application has tracemalloc on, and it stays on")
    notes.append(f"in {duration(seconds)}; tracing took {size(overhead)}")
    return View(
        "allocations", rows[:n], units={"grown": "bytes"}, notes=notes, empty="no line has kept memory"
    )


class _Off:
    """Ends one use of tracemalloc, once."""

    def __init__(self, tracemalloc: Any) -> None:
        self._tracemalloc = tracemalloc
        self._uses = False

    def on(self, depth: int) -> bool:
        """Begins; whether it was the application that had it on already."""
        with _tracing.lock:
            foreign = bool(self._tracemalloc.is_tracing() and not _tracing.users)
            if not foreign:
                _tracing.users += 1
                self._uses = True
                if _tracing.users == 1:
                    self._tracemalloc.start(depth)
            return foreign

    def __call__(self, forked: bool) -> None:
        if forked:  # the lock's owner may not have come along
            if self._uses:
                self._tracemalloc.stop()
            return
        with _tracing.lock:
            if self._uses:
                self._uses = False
                _tracing.users -= 1
                if not _tracing.users:
                    self._tracemalloc.stop()


def _pause(seconds: float) -> None:
    """Waits; an interruption ends it at once."""
    job = current()
    end = monotonic() + seconds
    nothing = Mailbox()
    while (left := end - monotonic()) > 0:
        job.wait(nothing, left)
