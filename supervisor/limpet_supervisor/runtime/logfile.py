"""A log file: appended to, and rotated at line ends."""

import math
import os
import stat
import time
from typing import Final

from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.backups import Cap, Packer, shift
from limpet_supervisor.runtime.history import Arrivals
from limpet_supervisor.runtime.inhand import InHand

_RETRY: Final = 1.0
"""Seconds until a file is tried to be rotated for its age again, at least."""


def log_path(directory: str, name: str, log: Log) -> str:
    """Where the output of the process `name` is kept; empty: nowhere. A relative file is in `directory`."""
    if log.file == "none":
        return ""
    return os.path.join(directory, log.file or f"{name}.log")


class LogFile:
    """One file and its backups `.1` (the latest) to `.N`.

    Invariant: rotation cuts at line ends only. A line that came in pieces ends in the file in which it began,
    which may make that one longer than the limit; at twice the limit, and only there, a line is cut.
    """

    def __init__(
        self,
        path: str,
        max_bytes: int,
        backups: int,
        *,
        max_age: float | None = None,
        timed: bool = False,
        packer: Packer | None = None,
        compress: bool = False,
        cap: Cap | None = None,
        in_hand: InHand | None = None,
    ) -> None:
        """Opens nothing yet.

        Args:
            path: of the file.
            max_bytes: of it before it is rotated; 0: it never is.
            backups: rotated files that are kept.
            max_age: seconds after which it is rotated, with the next line; None: it never is for its age.
            timed: whether to remember when its bytes came, which say nothing of that themselves.
            packer: whose names are not to change while backups are rotated.
            compress: whether it compresses them.
            cap: of all files of the node together.
            in_hand: is told before it grows.
        """
        self.path = path
        self.users = 0
        """Processes that write to it; counted by the loop's thread."""
        self.shared = False
        """Whether it ever had two: then each writes whole lines only, for ever."""
        self.failure: OSError | None = None
        """Why the last write was refused."""
        self.in_line = False
        """Whether it ends inside a line; known once it is open."""
        self.arrivals = Arrivals() if timed else None
        """When what it has got came."""
        self._total = 0  # bytes written here since it was made, with those that stood there before
        self._max_bytes = min(max_bytes or cap.largest, cap.largest) if cap is not None else max_bytes
        self._backups = backups
        self._max_age = max_age
        self._due = math.inf
        self._packer = packer or Packer()
        self._compress = compress
        self._cap = cap
        self._in_hand = in_hand
        self._fd = -1
        self._inode = 0
        self._size = 0
        self._limit = 0
        self._line_end = 0  # offset after the last line end

    def open(self) -> bool:
        """Opens it unless it is open; False: it cannot be, `failure` says why."""
        if self._fd >= 0:
            return True
        # O_NONBLOCK: should it be a FIFO that nobody reads, that is a failure, not a wait for ever
        flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK
        try:
            try:
                self._fd = os.open(self.path, flags, 0o640)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(self.path), exist_ok=True)
                self._fd = os.open(self.path, flags, 0o640)
            self._look()
        except OSError as error:
            self.failure = error
            self.close()
            return False
        if self._cap is not None:
            self._cap.add(self.path, self._give_up, reserve=self._max_bytes if self._compress else 0)
        if self._compress:
            self._packer.pack(self.path)
        return True

    def _look(self) -> None:
        facts = os.fstat(self._fd)
        regular = stat.S_ISREG(facts.st_mode)
        self._size = self._line_end = facts.st_size if regular else 0
        self._limit = self._max_bytes if regular else 0
        self._inode = facts.st_ino if regular else 0
        if self._max_age is not None:
            self._due = time.monotonic() + self._max_age - self._age(facts) if regular else math.inf
        if not self._total:
            self._total = self._size
            if self.arrivals is not None:
                self.arrivals.begin(self._size)
        self.in_line = regular and self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"

    def _age(self, facts: os.stat_result) -> float:
        """How long ago the file was begun; if that is not known, how long it has not been written to."""
        if not facts.st_size:
            return 0.0
        from limpet_supervisor.runtime.birth import made_at  # for the few that ask for it

        made = made_at(self.path)
        return max(0.0, time.time() - (facts.st_mtime if made is None else made))

    def close(self) -> None:
        """Closes it; the next write opens it anew, whatever stands at its path by then."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def write(self, data: bytes | bytearray, end: int) -> int:
        """Appends `data[:end]`, rotating where it must.

        Returns:
            How many bytes were taken; if not all, `failure` says why.
        """
        start = 0
        with memoryview(data) as view:
            while start < end:
                if not self.open():
                    return start
                if self._due < math.inf and self._is_due():
                    self._rotate()
                    continue
                stop = end
                if self._limit and end - start > self._limit - self._size:
                    stop = self._cut(data, start, end)
                    if stop == start:
                        self._rotate()
                        continue
                if self._cap is not None:
                    stop = min(stop, start + self._cap.chunk)
                    if not self._cap.room(stop - start):
                        stop = data.rfind(b"\n", start, stop) + 1 or stop
                    if self._fd < 0:  # it had to give up what it had
                        continue
                if self._in_hand is not None and self._inode:
                    self._in_hand.grows(self.path, self._inode, self._size)
                try:
                    taken = os.write(self._fd, view[start:stop])
                except OSError as error:
                    self.failure = error
                    return start
                last = data.rfind(b"\n", start, start + taken)
                if last >= 0:
                    self._line_end = self._size + last + 1 - start
                if self._cap is not None:
                    self._cap.grown(taken)
                start += taken
                self._size += taken
                self._total += taken
                self.in_line = last != start - 1
        self.failure = None
        if self.arrivals is not None:
            self.arrivals.note(self._total, time.time())
        return end

    def _cut(self, data: bytes | bytearray, start: int, end: int) -> int:
        """Up to where to write before the next look at the size; `start`: rotate first."""
        room = self._limit - self._size
        if room > 0 and (fitting := data.rfind(b"\n", start, start + room) + 1):
            return fitting
        if not self.in_line and self._size:
            return start
        longest = start + max(0, room + self._limit)
        return min(data.find(b"\n", start, end) + 1 or end, longest)

    def _is_due(self) -> bool:
        return self._size > 0 and not self.in_line and time.monotonic() >= self._due

    def _rotate(self) -> None:
        self.close()
        try:
            with self._packer.names:
                shift(self.path, self._backups)
        except OSError as error:
            # Guarantee: what cannot be rotated is appended to, and tried again a file's length or age later.
            if self.open():
                self._limit = self._size + self._max_bytes if self._max_bytes else 0
                self._due = time.monotonic() + max(self._max_age or math.inf, _RETRY)
            self.failure = error

    def _give_up(self) -> bool:
        """Removes what is in it, to make room; False inside a line."""
        if self.in_line:
            return False
        self.close()
        try:
            os.unlink(self.path)
        except OSError as error:
            self.failure = error
            return False
        return True

    def take_back_line(self) -> None:
        """Removes the unfinished last line: its rest will not come. Needs no room on a full disk."""
        if self._fd >= 0 and self.in_line:
            try:
                self._total -= self._size - self._line_end
                os.ftruncate(self._fd, self._line_end)
                self._look()
            except OSError as error:
                self.failure = error
