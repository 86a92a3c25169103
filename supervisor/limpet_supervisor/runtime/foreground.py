"""The node's own standard output: the lines of all processes, each behind its name, in the foreground.

It has a thread of its own because a terminal, a pipe or the journal may block, and no flag may be set on a
descriptor that is shared with whoever started us.
"""

import errno
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Final

from limpet_supervisor.runtime.labels import Labels

ROOM: Final = 1024 * 1024
"""Bytes that may wait; from there on the writers of output wait."""
STALL_SECONDS: Final = 5.0
"""After so long with no byte taken they wait no longer: lines are dropped here (files have them)."""
_WRITE: Final = 8192
_CLOSE_SECONDS: Final = 2.0
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class Foreground:
    """Writes blocks of complete lines to a descriptor."""

    def __init__(self, fd: int, room: Callable[[], None], labels: Labels) -> None:
        """Begins at once.

        Args:
            fd: written to, never closed, no flag of it changed.
            room: called in our thread when there is room again after `full`, and when it is given up.
            labels: how lines look.
        """
        self.alive = True
        """False once it is broken (its reader is gone): nothing is written any more."""
        self.dropped = 0
        """Lines that were not shown."""
        self._fd = fd
        self._room = room
        self._labels = labels
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._unsaid = 0  # dropped and not reported yet
        self._progress = time.monotonic()
        self._closing = False
        self._condition = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="foreground", daemon=True)
        self._thread.start()

    def add(self, name: str) -> None:
        """A process whose lines may come."""
        self._labels.add(name)

    def remove(self, name: str) -> None:
        """No line of it comes any more."""
        self._labels.remove(name)

    def put(self, name: str, block: bytes) -> None:
        """Queues lines of a process; `block` ends with a line end."""
        self._put(self._labels.lines(name, block))

    def say(self, text: str) -> None:
        """Queues lines of the node itself, without a prefix."""
        self._put(self._labels.say(text))

    def _put(self, block: bytes) -> None:
        with self._condition:
            if not self.alive:
                return
            if self._size >= ROOM and not self.full():
                lines = block.count(b"\n")
                self.dropped += lines
                self._unsaid += lines
                return
            if not self._waiting:
                self._progress = time.monotonic()
            if self._unsaid and self._size < ROOM // 2:
                notice = self._labels.say(
                    f"limpet: {self._unsaid} lines were not shown here: nothing took them"
                )
                self._waiting.append(notice)
                self._size += len(notice)
                self._unsaid = 0
            self._waiting.append(block)
            self._size += len(block)
            self._condition.notify()

    def full(self) -> float:
        """Seconds for which writers should wait now, at most; 0: go on."""
        if self._size < ROOM or not self.alive:
            return 0.0
        return max(0.0, self._progress + STALL_SECONDS - time.monotonic())

    def close(self) -> None:
        """Writes what waits, for two seconds at most, and ends the thread; a stuck one ends with the node."""
        with self._condition:
            self._closing = True
            self._condition.notify()
        self._thread.join(_CLOSE_SECONDS)

    def _run(self) -> None:
        while True:
            with self._condition:
                while not self._waiting and not self._closing:
                    self._condition.wait()
                if not self._waiting:
                    return
                block = self._waiting.popleft()
                while self._waiting and len(block) < _WRITE:
                    block += self._waiting.popleft()
            if not self._write(block):
                with self._condition:
                    self.alive = False
                    self._waiting.clear()
                    self._size = 0
                    self._tell_room()
                return

    def _write(self, block: bytes) -> bool:
        """Writes all of it, however long that takes; False: it is broken."""
        with memoryview(block) as view:
            start = 0
            while start < len(block):
                try:
                    taken = os.write(self._fd, view[start : start + _WRITE])
                except BlockingIOError:  # someone else has made it non-blocking
                    writable = select.poll()
                    writable.register(self._fd, select.POLLOUT)
                    writable.poll(1000)
                    continue
                except OSError as error:
                    if error.errno in _FULL and not self._closing:
                        time.sleep(0.5)
                        continue
                    return False
                start += taken
                self._taken(taken)
        return True

    def _taken(self, count: int) -> None:
        with self._condition:
            was_full = self._size >= ROOM
            self._size -= count
            self._progress = time.monotonic()
            if was_full and self._size < ROOM:
                self._tell_room()

    def _tell_room(self) -> None:
        # Race: the condition is held, so once `close` has begun nobody is told any more.
        if not self._closing:
            self._room()
