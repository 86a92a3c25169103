"""A log file: appended to, rotated at line ends, and read from its end; also with no daemon at all."""

import os
import stat
from contextlib import suppress
from typing import Final

from limpet_supervisor.model.spec import Log
from limpet_supervisor.runtime.lines import plain

_BLOCK: Final = 65536
LINE_CHARACTERS: Final = 8192
"""A longer line is shortened where last lines are asked for."""


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

    def __init__(self, path: str, max_bytes: int, backups: int) -> None:
        self.path = path
        self.users = 0
        """Processes that write to it; counted by the loop's thread."""
        self.shared = False
        """Whether it ever had two: then each writes whole lines only, for ever."""
        self.failure: OSError | None = None
        """Why the last write was refused."""
        self.in_line = False
        """Whether it ends inside a line; known once it is open."""
        self._max_bytes = max_bytes
        self._backups = backups
        self._fd = -1
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
        return True

    def _look(self) -> None:
        facts = os.fstat(self._fd)
        regular = stat.S_ISREG(facts.st_mode)
        self._size = self._line_end = facts.st_size if regular else 0
        self._limit = self._max_bytes if regular else 0
        self.in_line = regular and self._size > 0 and os.pread(self._fd, 1, self._size - 1) != b"\n"

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
                stop = end
                if self._limit and end - start > self._limit - self._size:
                    stop = self._cut(data, start, end)
                    if stop == start:
                        self._rotate()
                        continue
                try:
                    taken = os.write(self._fd, view[start:stop])
                except OSError as error:
                    self.failure = error
                    return start
                last = data.rfind(b"\n", start, start + taken)
                if last >= 0:
                    self._line_end = self._size + last + 1 - start
                start += taken
                self._size += taken
                self.in_line = last != start - 1
        self.failure = None
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

    def _rotate(self) -> None:
        self.close()
        try:
            for number in range(self._backups - 1, 0, -1):
                with suppress(FileNotFoundError):
                    os.rename(f"{self.path}.{number}", f"{self.path}.{number + 1}")
            if self._backups:
                os.rename(self.path, f"{self.path}.1")
            else:
                os.unlink(self.path)
        except OSError as error:
            # Guarantee: what cannot be rotated is appended to, and tried again a file's length later.
            if self.open():
                self._limit = self._size + self._max_bytes
            self.failure = error

    def take_back_line(self) -> None:
        """Removes the unfinished last line: its rest will not come. Needs no room on a full disk."""
        if self._fd >= 0 and self.in_line:
            try:
                os.ftruncate(self._fd, self._line_end)
                self._look()
            except OSError as error:
                self.failure = error


def tail(path: str, size: int) -> bytes:
    """The last `size` bytes that were written to a file and its first backup; fewer if there are fewer."""
    found = b""
    for each in (path, f"{path}.1"):
        missing = size - len(found)
        if missing <= 0:
            break
        try:
            with open(each, "rb", buffering=0) as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - missing))
                found = file.read(missing) + found
        except OSError:
            break
    return found


def decode(block: bytes, count: int, form: str) -> list[str]:
    """The last `count` lines of a block, as the process wrote them, each at most 8,192 characters."""
    if count <= 0:
        return []
    lines = block.decode("utf-8", "replace").split("\n")
    if not lines[-1]:
        lines.pop()
    found = [each for line in lines[-count:] for each in plain(line, form).split("\n")]
    return [line if len(line) <= LINE_CHARACTERS else line[:LINE_CHARACTERS] + "…" for line in found[-count:]]


def last_lines(path: str, count: int, form: str = "raw") -> list[str]:
    """The last `count` lines that a process wrote, from its log file and, if need be, the backups.

    Needs no node: works on what stands on the disk. Lines are as the process wrote them, without what the
    format `form` adds. A file that is not there has no lines.
    """
    blocks: list[bytes] = []
    newlines = 0
    for each in _newest_first(path):
        try:
            with open(each, "rb", buffering=0) as file:
                position = file.seek(0, os.SEEK_END)
                while position > 0 and newlines <= count:
                    size = min(_BLOCK, position)
                    position = file.seek(position - size)
                    block = file.read(size)
                    newlines += block.count(b"\n")
                    blocks.append(block)
        except OSError:
            break
        if newlines > count:
            break
    return decode(b"".join(reversed(blocks)), count, form)


def _newest_first(path: str) -> list[str]:
    found = [path] if path else []
    number = 1
    while path and os.path.exists(f"{path}.{number}"):
        found.append(f"{path}.{number}")
        number += 1
    return found
