"""Pauses of the garbage collector: `install()`.

Event `("gc", "pause")` for each collection: measurements `duration` (seconds), `collected` and
`uncollectable` (objects), `skipped`; metadata `generation`. They are told about a second later, by a thread
of its own: a collection begins anywhere, also where the thread holds a lock that a handler would want. Of
more than a thousand in that time the rest is only counted, as `skipped` of the next one.
"""

from __future__ import annotations

import gc
import os
from collections import deque
from collections.abc import Callable
from time import perf_counter

from .definitions import distribution, sum  # noqa: A004 - Telemetry.Metrics' name
from .dispatch import execute
from .poller import poll

__all__ = ["METRICS", "install"]

PAUSE = ("gc", "pause")
KEPT = 1000
"""Collections between two tellings."""

METRICS = (
    distribution(
        "gc.pause.duration",
        unit="seconds",
        buckets=(0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1),
        tags=("generation",),
        description="collections, by the time they took",
    ),
    sum("gc.pause.collected", description="objects that were collected"),
    sum("gc.pause.uncollectable", description="objects that could not be"),
)
"""For `telemetry.metrics(gc.METRICS)`."""


class _Pauses:
    """What has been noted and is not told yet."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[dict[str, float], int]] = deque()
        self.skipped = 0
        self._began = 0.0

    def note(self, phase: str, info: dict[str, int]) -> None:
        """The collector's callback. Takes no lock, and calls nothing of the application's."""
        if phase == "start":
            self._began = perf_counter()
        elif len(self.waiting) >= KEPT:
            self.skipped += 1
        else:
            measured = {
                "duration": perf_counter() - self._began,
                "collected": info["collected"],
                "uncollectable": info["uncollectable"],
            }
            self.waiting.append((measured, info["generation"]))

    def tell(self) -> None:
        """Tells of those that are waiting now."""
        for _ in range(len(self.waiting)):
            measured, generation = self.waiting.popleft()
            skipped, self.skipped = self.skipped, 0
            execute(PAUSE, {**measured, "skipped": skipped}, {"generation": generation})

    def forget(self) -> None:
        """In a fork's child: these were the parent's."""
        self.waiting.clear()
        self.skipped = 0


_installed: list[_Pauses] = []


def install(*, every: str | float = "1s") -> Callable[[], None]:
    """Tells of every collection from now on.

    Args:
        every: how long they are gathered before they are told: a duration, or seconds.

    Returns:
        What ends it.
    """
    pauses = _Pauses()
    telling = poll(pauses.tell, every=every)
    gc.callbacks.append(pauses.note)
    _installed.append(pauses)

    def end() -> None:
        telling.stop()
        if pauses in _installed:
            _installed.remove(pauses)
            gc.callbacks.remove(pauses.note)

    return end


def _after_fork() -> None:
    for pauses in _installed:
        pauses.forget()


os.register_at_fork(after_in_child=_after_fork)
