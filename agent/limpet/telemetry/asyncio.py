"""How late an asyncio loop is: `watch_lag()`, in a coroutine or with the loop; uvloop's as well.

Event `("asyncio", "loop")`, once in a period: measurement `lag`, the seconds between when a callback was due
and when the loop came to it, which is what every callback of that moment has waited. While a loop is blocked
nothing is told; afterwards how long it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from limpet.durations import seconds

from .definitions import distribution
from .dispatch import execute

__all__ = ["METRICS", "watch_lag"]

LOOP = ("asyncio", "loop")

METRICS = (
    distribution(
        "asyncio.loop.lag",
        unit="seconds",
        buckets=(0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5),
        description="how late the loop came to what was due",
    ),
)
"""For `telemetry.metrics(asyncio.METRICS)`."""


def watch_lag(
    loop: asyncio.AbstractEventLoop | None = None, *, every: str | float = "1s"
) -> Callable[[], None]:
    """Measures how late a loop is, from now until it ends.

    Args:
        loop: the running one, if none is given. One that runs in another thread is told to begin.
        every: a duration such as `"1s"`, or seconds.

    Returns:
        What ends it.

    Raises:
        RuntimeError: no loop was given, and none is running.
        ValueError: no duration, or none at all.
    """
    period = seconds(every)
    if period <= 0:
        raise ValueError(f"a period is more than nothing: not {every!r}")
    running = loop or asyncio.get_running_loop()
    ended = False
    due = 0.0

    def begin() -> None:
        nonlocal due
        due = running.time() + period
        running.call_at(due, tick)

    def tick() -> None:
        if ended:
            return
        lag = max(0.0, running.time() - due)
        begin()
        execute(LOOP, {"lag": lag})

    def end() -> None:
        nonlocal ended
        ended = True

    running.call_soon_threadsafe(begin)
    return end
