"""The pump: one thread that moves what processes write from their FIFOs to files, foreground and listeners.

It is a thread because reading and writing free the interpreter's lock: control goes on at its own pace. It
sleeps in epoll; when nothing is written it never wakes up. A FIFO is held open for writing too, by us and
by the process, so there is no end of file and no SIGPIPE, whoever dies.
"""

import fcntl
import heapq
import itertools
import os
import select
import struct
import termios
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from limpet_supervisor.runtime.foreground import Foreground
from limpet_supervisor.runtime.inhand import InHand
from limpet_supervisor.runtime.source import RETRY_SECONDS, Source

BUFFER: Final = 128 * 1024
"""Bytes read at once: what fits the processor's cache, and a bound for the Python that works on it."""
_LARGE_PIPE: Final = 1024 * 1024
_LARGE_PIPES: Final = 16
"""At most so many pipes are enlarged: an unprivileged user's pipes share 64 MiB (pipe(7))."""
_LONGEST_RETRY: Final = 2.0
_PACE: Final = 0.0005
"""Seconds between two looks at a hot source."""
_EMPTY_PASSES: Final = 4
_PAUSE: Final = 0.1
"""Seconds without output after which a traceback is over."""
_AFTER_FAULT: Final = 0.1


class Pump:
    """The thread and what it waits for.

    A source is in one of three places: in the epoll set; hot, while its process writes without a pause; held,
    while its file takes nothing. A hot one is out of the epoll set, since each write to a pipe that is in one
    pays for a wake-up, and is looked at every half millisecond: that is faster for the writer, and cheaper.
    """

    def __init__(self, failed: Callable[[Exception], None], in_hand: InHand) -> None:
        """Begins at once.

        Args:
            failed: is told, in our thread, of an exception that should not have come up.
            in_hand: keeps what is being moved.
        """
        self.foreground: Foreground | None = None
        self._failed = failed
        self._in_hand = in_hand
        self._epoll = select.epoll()
        self._sources: dict[int, Source] = {}
        self._hot: dict[int, Source] = {}
        self._commands: deque[Callable[[], None]] = deque()
        self._wake_fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._wake_fd, select.EPOLLIN)
        self._retries: list[tuple[float, int, Source]] = []
        self._open: dict[Source, float] = {}
        """Those inside a traceback, and when it is over."""
        self._sequence = itertools.count()
        self._buffer = bytearray(BUFFER)
        self._view = memoryview(self._buffer)
        self._large_pipes = 0
        self._running = True
        self._thread = threading.Thread(target=self._run, name="pump", daemon=True)
        self._thread.start()

    # -- called by other threads --

    def add(self, source: Source) -> None:
        """Moves what `source` has and will have; epoll_ctl(2) works while another thread waits."""
        self._sources[source.fd] = source
        self._epoll.register(source.fd, select.EPOLLIN)

    def command(self, command: Callable[[], None]) -> None:
        """Runs `command` in the pump's thread, before it moves anything of sources added later."""
        self._commands.append(command)
        self.wake()

    def wake(self) -> None:
        """Makes the pump look at its commands and at the foreground."""
        os.eventfd_write(self._wake_fd, 1)

    def stop(self) -> None:
        """Runs the commands given so far, then ends the thread and frees what it held."""
        if self._thread.is_alive():
            self.command(self._stop)
            self._thread.join()
        if self.foreground is not None:
            self.foreground.close()  # before the descriptor by which it would wake us
        for source in self._sources.values():
            os.close(source.fd)
        self._epoll.close()
        os.close(self._wake_fd)

    # -- the thread --

    def _stop(self) -> None:
        self._running = False

    def _run(self) -> None:
        while self._running:
            try:
                self._turn()
            except Exception as error:  # noqa: BLE001 - a bug must not leave every writer waiting in silence
                self._failed(error)
                time.sleep(_AFTER_FAULT)
                self.wake()  # for commands that it has kept from being run

    def _turn(self) -> None:
        waited = self.foreground.full() if self.foreground is not None else 0.0
        if waited:
            ready = self._wait_for_room(waited)
        elif self._hot:
            ready = self._epoll.poll(0, 64)
        else:
            ready = self._epoll.poll(self._until_due(), 64)
        wake_fd = self._wake_fd
        for fd, _events in ready:
            if fd == wake_fd:
                # Race: the counter is cleared before the commands are taken: none is left without a wake-up.
                os.eventfd_read(fd)
                while self._commands:
                    self._commands.popleft()()
        sources = self._sources
        for fd, _events in ready:
            # Race: a command of this turn may have found that the file takes nothing, or closed the source.
            if (source := sources.get(fd)) is not None and not source.held:
                before = source.pulled
                often = self._pull(source) and source.pulled - before < 2 * _PACE
                if often and source.may_heat and not source.held:
                    self._epoll.unregister(fd)
                    self._hot[fd] = source
        if self._hot and not waited:
            self._pull_hot()
        if self._retries:
            self._retry(time.monotonic())
        if self._open:
            self._pause(time.monotonic())

    def _until_due(self) -> float:
        """Seconds until something is to be done unasked; -1: nothing is."""
        due = [self._retries[0][0]] if self._retries else []
        due += self._open.values()
        return max(0.0, min(due) - time.monotonic()) if due else -1

    def _pause(self, now: float) -> None:
        """What has not gone on for so long is complete."""
        for source in [source for source, due in self._open.items() if due <= now]:
            del self._open[source]
            if not source.held:
                source.pause(self.foreground)
                if source.pending:
                    self._hold(source)

    def _note_open(self, source: Source) -> None:
        if source.open:
            self._open[source] = time.monotonic() + _PAUSE
        elif self._open:
            self._open.pop(source, None)

    def _pull_hot(self) -> None:
        """Looks once at every hot source, lets go of those that cooled, and pauses unless one is pressing."""
        pressing = False
        for source in tuple(self._hot.values()):
            count = self._pull(source)
            pressing = pressing or count == BUFFER
            source.empty_passes = 0 if count else source.empty_passes + 1
            if (source.empty_passes == _EMPTY_PASSES or not source.may_heat) and not source.held:
                source.empty_passes = 0
                del self._hot[source.fd]
                self._epoll.register(source.fd, select.EPOLLIN)
        if self._hot and not pressing:
            time.sleep(_PACE)

    def _wait_for_room(self, seconds: float) -> list[tuple[int, int]]:
        """Leaves the FIFOs alone until the foreground has room; commands are still met at once."""
        waiting = select.poll()
        waiting.register(self._wake_fd, select.POLLIN)
        return waiting.poll(seconds * 1000)

    def _pull(self, source: Source) -> int:
        """Moves a block from a source, and returns how many bytes."""
        count = self._look(source)
        if not count:
            return 0
        source.pulled = time.monotonic()
        if count * 2 > source.capacity < _LARGE_PIPE:
            self._enlarge(source)
        self._move(source, count)
        while source.holding:  # once more, at once: the rest of a line, if it is there
            rest = self._look(source)
            self._move(source, rest)
            count += rest
        if source.pending:
            self._hold(source)
        self._note_open(source)
        return count

    def _look(self, source: Source) -> int:
        """Copies what is in the FIFO into the buffer."""
        if source.owed:  # its file had not taken all of it
            self._in_hand.take(source.fd, source.owed)
            source.owed = 0
            self._in_hand.forget(source.name)
        return self._in_hand.look(source.fd, self._view)

    def _move(self, source: Source, count: int) -> None:
        """The buffer's first bytes to file and listeners; then they are taken out of the FIFO."""
        in_hand = self._in_hand
        in_hand.begin(source.name, self._view[:count])
        try:
            source.take(self._buffer, count, self.foreground, more=count == BUFFER)
        finally:
            if source.pending:  # Guarantee: it stays in the FIFO until it is written.
                source.owed = count
                # Of a file that others write to as well, what they have got since must not be cut off.
                shared = source.file is None or source.file.shared
                in_hand.end(waits="" if shared else source.name)
            else:
                in_hand.take(source.fd, count)
                in_hand.end()

    def _enlarge(self, source: Source) -> None:
        """A pipe that was found half full gets more room, as far as pipe(7) has it."""
        if source.may_heat and self._large_pipes < _LARGE_PIPES:
            with suppress(OSError):
                source.capacity = fcntl.fcntl(source.fd, fcntl.F_SETPIPE_SZ, _LARGE_PIPE)
                self._large_pipes += 1
        source.may_heat = source.capacity >= _LARGE_PIPE

    # -- files that cannot be written --

    def _hold(self, source: Source) -> None:
        """Leaves its bytes in the FIFO, where its writer waits, and tries again later."""
        if not source.held:
            source.held = True
            if self._hot.pop(source.fd, None) is None:
                self._epoll.unregister(source.fd)
            source.retry_delay = RETRY_SECONDS
            self._retry_later(source)

    def _retry_later(self, source: Source) -> None:
        when = time.monotonic() + source.retry_delay
        source.retry_delay = min(source.retry_delay * 2, _LONGEST_RETRY)
        heapq.heappush(self._retries, (when, next(self._sequence), source))

    def _retry(self, until: float) -> None:
        """Tries again what was to be tried until then."""
        due = []
        while self._retries and self._retries[0][0] <= until:
            due.append(heapq.heappop(self._retries)[2])
        for source in due:
            if source.closed:
                continue
            if not source.retry():
                self._retry_later(source)
            elif source.closing:
                source.held = False
                self._epoll.register(source.fd, select.EPOLLIN)
                self.close(source)
            else:
                source.held = False
                self._epoll.register(source.fd, select.EPOLLIN)
                self._note_open(source)

    # -- commands --

    def _drain(self, source: Source) -> None:
        """Moves what is in the FIFO now; stops where the file takes nothing."""
        (left,) = struct.unpack("i", fcntl.ioctl(source.fd, termios.FIONREAD, b"\0\0\0\0"))
        source.retry()
        while left > 0 and not source.pending:
            count = self._pull(source)
            if not count:
                break
            left -= count

    def settle(self, source: Source) -> tuple[str, ...]:
        """Drains a dead process's FIFO, ends its last line, and returns its last lines."""
        if source.closed:
            return ()
        self._drain(source)
        source.end_line(self.foreground)
        if source.pending:
            self._hold(source)
        return source.last_lines()

    def reopen(self) -> None:
        """Closes all files, which the next write opens anew, and tries at once what took nothing."""
        for source in tuple(self._sources.values()):
            source.reopen()
        self._retry(time.monotonic() + _LONGEST_RETRY)

    def close(self, source: Source, *, keep: bool = False, final: bool = False) -> None:
        """Drains and forgets a source.

        Args:
            source: which.
            keep: a successor goes on where we stop, perhaps inside a line.
            final: now, even if its file takes nothing; else it stays until that does.
        """
        if source.closed:
            return
        self._drain(source)
        if not keep:
            source.end_line(self.foreground)
        if source.pending and not final:
            source.closing = True
            self._hold(source)
            return
        source.closed = True
        del self._sources[source.fd]
        self._open.pop(source, None)
        if self._hot.pop(source.fd, None) is None and not source.held:
            self._epoll.unregister(source.fd)
        os.close(source.fd)
        if not keep:
            self._in_hand.forget(source.name)
        self._large_pipes -= source.capacity >= _LARGE_PIPE
        if source.file is not None and not source.file.users:
            source.file.close()
