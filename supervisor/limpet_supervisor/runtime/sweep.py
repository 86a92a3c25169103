"""Ending what a process has left behind, however far it got away: stop means gone."""

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from .reactor import Priority, Reactor, Timer

_AGAIN: Final = 0.05
"""Seconds between two looks at a process that can be seen but not watched."""


class Sweep:
    """Signals all that `find` finds until it finds nothing, then calls `on_gone`.

    Each gets `number` once, and SIGKILL when `grace` seconds have passed. What is forked meanwhile is found
    by the next look.
    """

    def __init__(
        self,
        reactor: Reactor,
        find: Callable[[], list[int]],
        number: int,
        grace: float,
        on_gone: Callable[[], None],
    ) -> None:
        self._reactor = reactor
        self._find = find
        self._number = number
        self._on_gone = on_gone
        self._pidfds: dict[int, int] = {}
        self._again: Timer | None = None
        self._deadline = reactor.call_later(grace, self.kill) if grace > 0 else None
        if grace <= 0:
            self._number = signal.SIGKILL
        self._look()

    def kill(self) -> None:
        """The grace is over."""
        self._number = signal.SIGKILL
        for pidfd in self._pidfds.values():
            with suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        self._look()

    def waiting_for(self) -> list[int]:
        """The processes that are left."""
        return list(self._pidfds)

    def _look(self) -> None:
        found = self._find()
        for pid in found:
            if pid not in self._pidfds:
                self._take(pid)
        if found or self._pidfds:
            if not self._pidfds:
                self._again = self._reactor.call_later(_AGAIN, self._look)
            return
        if self._deadline is not None:
            self._deadline.cancel()
        if self._again is not None:
            self._again.cancel()
        self._on_gone()

    def _take(self, pid: int) -> None:
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return  # gone already, or no descriptor is left: the next look tells
        with suppress(ProcessLookupError, PermissionError):
            signal.pidfd_send_signal(pidfd, self._number)
        self._pidfds[pid] = pidfd
        self._reactor.add(pidfd, lambda _events: self._ended(pid), priority=Priority.DEATH)

    def _ended(self, pid: int) -> None:
        pidfd = self._pidfds.pop(pid)
        self._reactor.remove(pidfd)
        os.close(pidfd)
        if not self._pidfds:
            self._look()
