"""Measuring again and again: functions that are called periodically, each in a thread of its own.

A function that hangs therefore holds up no other. The threads are daemons, and begin anew in a fork's child.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from time import monotonic, time
from types import BuiltinFunctionType

from limpet.durations import seconds

from .dispatch import execute
from .failures import Failure, changed, contained, describe, sources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Event

__all__ = ["Poll", "poll"]

FAILURE = ("limpet", "telemetry", "poll", "failure")

LONGEST = 30 * 86400.0
"""Seconds of a period."""

_polls: dict[int, Poll] = {}


class Poll:
    """A function that is called periodically, until `stop`."""

    def __init__(self, function: Callable[[], object], every: float, name: str) -> None:
        self.function = function
        self.every = every
        """Seconds between two calls."""
        self.name = name
        self.failed = 0
        """Calls in which it raised."""
        self._reason = ""
        self._at = 0.0
        self._failing = False
        self._stopped: Event | None = None

    def stop(self) -> None:
        """Calls it no more; a call that has begun is not waited for."""
        if self._stopped is not None:
            self._stopped.set()
        _polls.pop(id(self), None)
        if self._failing:
            changed()

    def __repr__(self) -> str:
        return f"<poll {self.name} every {self.every:g} s>"

    def start(self) -> None:
        """Begins, in a thread of its own."""
        from threading import Event, Thread

        _begin_anew_after_fork()
        self._stopped = Event()
        Thread(target=self._run, args=(self._stopped,), name=f"poll {self.name}", daemon=True).start()

    def _run(self, stopped: Event) -> None:
        due = monotonic()
        while True:
            # What could not be called in time is left out, not made up for.
            due = max(due + self.every, monotonic())
            if stopped.wait(due - monotonic()):
                return
            self.call()

    def call(self) -> None:
        """Calls the function now; what it raises is reported."""
        try:
            self.function()
        except BaseException as error:
            if not contained(error):
                raise
            self.failed += 1
            was, self._failing = self._failing, True
            self._reason = describe(error)
            self._at = time()
            execute(
                FAILURE,
                {"monotonic_time": monotonic(), "system_time": self._at},
                {
                    "poll": self.name,
                    "kind": type(error).__name__,
                    "reason": error,
                    "stacktrace": error.__traceback__,
                },
            )
            if not was:
                changed()
        else:
            if self._failing:
                self._failing = False
                changed()

    def failure(self) -> Failure | None:
        """How it has failed, if ever; `quarantined` says that it did so the last time."""
        if not self.failed:
            return None
        retry = self.every if self._failing else None
        return Failure(f"poll {self.name}", [], self._failing, self.failed, 0, self._reason, self._at, retry)


def poll(function: Callable[[], object], *, every: str | float) -> Poll:
    """Calls a function periodically; it may `execute` events, or set what a metric reads.

        telemetry.poll(lambda: telemetry.execute(("bookshop", "carts"), {"open": len(carts)}), every="10s")

    Args:
        function: what to call, without arguments; not `async`.
        every: a duration such as `"10s"`, or seconds. The first call is after that time.

    What it raises is reported by `failures` and the event `("limpet", "telemetry", "poll", "failure")`, and
    it is called again at the next time.

    Raises:
        ValueError: no duration, or none at all.
        TypeError: the function cannot be called.
    """
    period = seconds(every)
    if not 0 < period < LONGEST:
        raise ValueError(f"a period is more than nothing and at most 30 days: not {every!r}")
    if not callable(function):
        raise TypeError(f"expected a function, found {function!r}")
    made = Poll(function, period, getattr(function, "__qualname__", None) or repr(function))
    _polls[id(made)] = made
    made.start()
    return made


def _failures() -> list[Failure]:
    return [failure for made in list(_polls.values()) if (failure := made.failure()) is not None]


def _after_fork() -> None:
    import threading

    # gevent's and eventlet's, whose functions are Python's own, come along into the child and go on there.
    gone = isinstance(threading.get_ident, BuiltinFunctionType)
    for made in _polls.values():
        made.failed = 0
        if gone:
            made.start()


@functools.cache
def _begin_anew_after_fork() -> None:
    # After `threading` was imported: else its own hook came later, and took new threads for the parent's.
    os.register_at_fork(after_in_child=_after_fork)


sources.append(_failures)
