"""The loop: one epoll of descriptors, a heap of timers, a wake-up descriptor for signals.

Invariant: callbacks run on the thread that called `run`, one at a time, and never block.
Guarantee: in one turn, ready descriptors of `Priority.CONTROL` come first, then deaths, then the rest; each
is called once, so no source can starve another by being ready again.
"""

import heapq
import itertools
import os
import select
import signal
import time
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from enum import IntEnum
from functools import partial
from math import isnan
from typing import Final

READ: Final = select.EPOLLIN
WRITE: Final = select.EPOLLOUT
_SPARE: Final = 256
"""Cancelled timers that may stay in the heap; beyond them, as long as they are fewer than the others."""
_LONGEST_WAIT: Final = 86400.0
"""Seconds of one wait: epoll_wait(2) counts milliseconds in an int, which is full after 24 days."""

_LATE: Final = 1.0
"""Seconds by which a wait may last too long; one that lasts longer was none of ours: nothing ran."""


class Priority(IntEnum):
    """Order of callbacks within one turn."""

    CONTROL = 0
    DEATH = 1
    NORMAL = 2


class Timer:
    """A callback at a time; cancelled by `cancel`."""

    __slots__ = ("_cancelled", "callback", "when")

    def __init__(self, when: float, callback: Callable[[], None], cancelled: Callable[[], None]) -> None:
        self.when = when
        self.callback: Callable[[], None] | None = callback
        self._cancelled = cancelled

    def cancel(self) -> None:
        """The callback will not be called."""
        if self.callback is not None:
            self.callback = None
            self._cancelled()


class Periodic:
    """A callback at regular times; cancelled by `cancel`, also from within."""

    def __init__(self, reactor: "Reactor", period: float, callback: Callable[[], None]) -> None:
        self._reactor = reactor
        self._period = period
        self._callback = callback
        self._timer = reactor.call_later(period, self._run)

    def cancel(self) -> None:
        """The callback will not be called again."""
        self._timer.cancel()
        self._period = 0

    def _run(self) -> None:
        try:
            self._callback()
        finally:  # also after a bug in it: a look that is taken no more would say for ever that all is well
            if self._period:
                self._timer = self._reactor.call_later(self._period, self._run)


class Reactor:
    """An event loop of the daemon's own: `asyncio` costs 65 ms of start and half a millisecond a respawn."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._callbacks: dict[int, tuple[int, Callable[[int], None]]] = {}
        self._timers: list[tuple[float, int, Timer]] = []
        self._idle_timers = 0
        """Those of the heap that are cancelled."""
        self._sequence = itertools.count()
        self._soon: deque[Callable[[], None]] = deque()
        self._running = False
        self._signals: dict[int, Callable[[], None]] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self.add(self._wake_read, self._woken)
        self._paused = 0.0
        """Seconds for which the loop's clock has stood still."""
        self.on_pause: Callable[[float], None] = _ignored
        """Told of each pause, in seconds, before anything else that comes after it."""
        self.on_error: Callable[[Exception], None] | None = None
        """Told of an exception that a callback lets through; without it, `turn` raises it."""

    # -- descriptors --

    def add(
        self,
        fd: int,
        callback: Callable[[int], None],
        events: int = READ,
        priority: Priority = Priority.NORMAL,
    ) -> None:
        """Calls `callback(ready events)` whenever `fd` is ready for one of `events` (level-triggered)."""
        self._epoll.register(fd, events)
        self._callbacks[fd] = (priority, callback)

    def modify(self, fd: int, events: int) -> None:
        """Waits for other events of an fd that was added."""
        self._epoll.modify(fd, events)

    def remove(self, fd: int) -> None:
        """Forgets `fd`: no callback for it comes after this, not even in the same turn. Close it then."""
        if self._callbacks.pop(fd, None) is not None:
            self._epoll.unregister(fd)

    # -- time --

    def now(self) -> float:
        """Monotonic seconds in which the loop could run.

        The clock stands still while it could not: a container that is frozen, a session that is stopped. As
        CLOCK_MONOTONIC does while the machine sleeps (clock_gettime(2)), so that no deadline of a process
        passes in a time that the process has not had. Noticed is a wait that lasts longer than its timer:
        a pause within a callback, or while there is no timer, is time like any other.
        """
        return time.monotonic() - self._paused

    def call_at(self, when: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` once the monotonic clock has reached `when`; inf: never.

        Raises:
            ValueError: `when` is not a number.
        """
        if isnan(when):  # in the heap it would keep every later timer from its turn
            raise ValueError("a timer needs a time")
        timer = Timer(when, callback, self._timer_cancelled)
        heapq.heappush(self._timers, (when, next(self._sequence), timer))
        return timer

    def _timer_cancelled(self) -> None:
        """Deadlines are cancelled by whoever keeps them: most timers never come to their turn."""
        self._idle_timers += 1
        if self._idle_timers > _SPARE and self._idle_timers * 2 > len(self._timers):
            # In place: `turn` holds the list while callbacks cancel.
            self._timers[:] = [entry for entry in self._timers if entry[2].callback is not None]
            heapq.heapify(self._timers)
            self._idle_timers = 0

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        """Calls `callback` in `delay` seconds."""
        return self.call_at(self.now() + delay, callback)

    def call_every(self, period: float, callback: Callable[[], None]) -> "Periodic":
        """Calls `callback` every `period` seconds, the first time after one."""
        return Periodic(self, period, callback)

    def call_soon(self, callback: Callable[[], None]) -> None:
        """Calls `callback` in the next turn. Only for callbacks of this thread."""
        self._soon.append(callback)

    def raise_soon(self, error: Exception) -> None:
        """Raises an exception in a turn of its own: where it came up, others have to go on."""

        def fail() -> None:
            raise error

        self.call_soon(fail)

    def call_each(self, callbacks: Iterable[Callable[[], None]]) -> None:
        """Calls each of them now; what one raises comes up in a turn of its own, after the others."""
        for callback in callbacks:
            try:
                callback()
            except Exception as error:  # noqa: BLE001 - a bug in one, which the loop is told of
                self.raise_soon(error)

    def call_from_thread(self, callback: Callable[[], None]) -> None:
        """The same from any other thread, and from there only: it wakes the loop."""
        self._soon.append(callback)
        self._wake()

    # -- signals --

    def on_signal(self, number: signal.Signals, callback: Callable[[], None]) -> None:
        """Calls `callback` in the loop when the signal has come; several arrivals may be one call."""
        self._signals[number] = callback
        signal.signal(number, _nothing)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.siginterrupt(number, False)

    def _wake(self) -> None:
        if self._wake_write >= 0:  # else it is closed, and whoever has that number now wants no byte of ours
            with suppress(BlockingIOError):  # full of wake-ups: it will wake
                os.write(self._wake_write, b"\0")

    def arrived(self) -> frozenset[int]:
        """Signals that have come and whose callbacks have not been called; they are taken."""
        try:
            return frozenset(os.read(self._wake_read, 4096))
        except BlockingIOError:
            return frozenset()

    def _woken(self, _events: int) -> None:
        for number in self.arrived():
            if callback := self._signals.get(number):
                callback()

    # -- running --

    def run(self) -> None:
        """Runs turns until `stop`."""
        self._running = True
        while self._running:
            self.turn()

    def stop(self) -> None:
        """The current turn is the last."""
        self._running = False

    def turn(self) -> None:
        """Waits for whatever comes first, a day at most, and calls its callbacks."""
        timers = self._timers
        while timers and timers[0][2].callback is None:
            heapq.heappop(timers)
            self._idle_timers -= 1
        began = self.now() if timers else 0.0
        if self._soon:
            timeout: float = 0
        elif timers:
            timeout = min(max(0.0, timers[0][0] - began), _LONGEST_WAIT)
        else:
            timeout = -1
        ready = self._epoll.poll(timeout)
        if timers and (late := self.now() - began - timeout) > _LATE:
            self._paused += late
            self._call(partial(self.on_pause, late))
        callbacks = self._callbacks
        if len(ready) == 1:
            fd, events = ready[0]
            if entry := callbacks.get(fd):
                self._call(entry[1], events)
        elif ready:
            order = [(callbacks[fd][0], fd, events, callbacks[fd]) for fd, events in ready if fd in callbacks]
            order.sort()  # by priority and number, of which there is one each
            for _priority, fd, events, entry in order:
                # Race: a number that was closed in this turn may be another descriptor's by now.
                if callbacks.get(fd) is entry:
                    self._call(entry[1], events)
        if timers:
            now = self.now()
            while timers and timers[0][0] <= now:
                timer = heapq.heappop(timers)[2]
                if callback := timer.callback:
                    timer.callback = None
                    self._call(callback)
                else:
                    self._idle_timers -= 1
        for _ in range(len(self._soon)):
            self._call(self._soon.popleft())

    def _call(self, callback: Callable[..., None], *arguments: int) -> None:
        """A bug in one callback must not end the supervision of everything."""
        try:
            callback(*arguments)
        except Exception as error:
            if self.on_error is None:
                raise
            self.on_error(error)

    def close(self) -> None:
        """Frees the loop's own descriptors. What other threads still tell it is nobody's."""
        signal.set_wakeup_fd(-1)
        self._epoll.close()
        os.close(self._wake_read)
        wake, self._wake_write = self._wake_write, -1
        os.close(wake)


def _ignored(_seconds: float) -> None:
    """Nobody wants to know of pauses."""


def _nothing(_number: int, _frame: object) -> None:
    """Python's part of a signal that the loop handles through the wake-up descriptor."""
