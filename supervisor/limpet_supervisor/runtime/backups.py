"""Rotated log files: `.1` is the latest; those from `.2` on may be compressed, by a thread of their own.

Crash-safe: a compressed file gets its name when it is whole and on the disk; then the plain one goes. A node
that is killed in between leaves both, and whoever reads takes the plain one.
"""

import os
import threading
import zlib
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

PACKED: Final = ".gz"
PACKING: Final = ".packing"
"""Behind a log's name: the compressed file that is being written."""
_BLOCK: Final = 256 * 1024
_GZIP: Final = 31
"""wbits of zlib for the gzip format."""
_NICE: Final = 10
_PATIENCE: Final = 2.0


def shift(path: str, count: int) -> None:
    """The file becomes `.1`, `.1` becomes `.2`, and so on; no more than `count` stay.

    Raises:
        OSError: it cannot be; what could be done is done.
    """
    if not count:
        os.unlink(path)
        return
    for suffix in ("", PACKED):
        with suppress(FileNotFoundError):
            os.unlink(f"{path}.{count}{suffix}")
        for number in range(count - 1, 0, -1):
            with suppress(FileNotFoundError):
                os.rename(f"{path}.{number}{suffix}", f"{path}.{number + 1}{suffix}")
    os.rename(path, f"{path}.1")


class Packer:
    """Compresses backups, one after the other, in a thread that ends when there is nothing left to do."""

    def __init__(self) -> None:
        self.names = threading.Lock()
        """Held while backups get other names: by a rotation, and when a compressed one takes its place."""
        self._waiting: deque[str] = deque()
        self._state = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def pack(self, path: str) -> None:
        """Compresses the backups of the log at `path`, but for the latest."""
        with self._state:
            if self._stopped or path in self._waiting:
                return
            self._waiting.append(path)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="packer", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """Ends it; a file that is being compressed stays as it was."""
        with self._state:
            self._stopped = True
            self._waiting.clear()
            thread = self._thread
        if thread is not None:
            thread.join(_PATIENCE)

    def _run(self) -> None:
        with suppress(OSError):  # less is no harm
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
        while True:
            with self._state:
                if not self._waiting:
                    self._thread = None
                    return
                path = self._waiting.popleft()
            try:
                while (found := self._next(path)) is not None and self._pack(path, found):
                    pass
            except OSError:  # a full disk: the backup stays as it is, and is tried after the next rotation
                pass
            with suppress(OSError):  # also one that a killed node has left
                os.unlink(path + PACKING)

    def _next(self, path: str) -> str | None:
        """A backup to compress: the oldest, so that one that is about to go is not begun with."""
        number = 2
        found = None
        while True:
            plain = f"{path}.{number}"
            if os.path.exists(plain):
                found = plain
            elif not os.path.exists(plain + PACKED):
                return found
            number += 1

    def _pack(self, path: str, backup: str) -> bool:
        """Compresses one; False: no more of this log's now."""
        with open(backup, "rb", buffering=0) as source:
            facts = os.fstat(source.fileno())
            with open(path + PACKING, "wb", buffering=0) as target:
                os.fchmod(target.fileno(), facts.st_mode & 0o777)
                packer = zlib.compressobj(wbits=_GZIP)
                while block := source.read(_BLOCK):
                    if self._stopped:
                        raise InterruptedError
                    target.write(packer.compress(block))
                target.write(packer.flush())
                os.fsync(target.fileno())
        os.utime(path + PACKING, ns=(facts.st_atime_ns, facts.st_mtime_ns))
        with self.names:
            number = _number_of(path, (facts.st_dev, facts.st_ino))
            if number is None:  # rotated away meanwhile
                os.unlink(path + PACKING)
                return False
            os.rename(path + PACKING, f"{path}.{number}{PACKED}")
            os.unlink(f"{path}.{number}")
        return True


def _number_of(path: str, identity: tuple[int, int]) -> int | None:
    """The number that a backup has by now."""
    number = 1
    while True:
        try:
            facts = os.stat(f"{path}.{number}")
        except FileNotFoundError:
            if not os.path.exists(f"{path}.{number}{PACKED}"):
                return None
        else:
            if (facts.st_dev, facts.st_ino) == identity:
                return number
        number += 1


class Cap:
    """A bound on what all log files of a node come to: before it is passed, the oldest backups go.

    Where there is no backup left, the largest log that ends with a line goes in its place. Used by the
    pump's thread alone.

    Args:
        most: bytes.
        directory: where logs are, of processes that are gone as well.
        names: held while backups go.
    """

    def __init__(self, most: int, directory: str, names: threading.Lock) -> None:
        self.chunk = max(1, most // 16)
        """Bytes that are written at once, at most: room for them can always be made."""
        self.largest = max(1, most // 8)
        """Bytes of one file: what goes at once is not all that there is."""
        self._most = most
        self._directory = directory
        self._names = names
        self._reserve = 0
        self._used = -1
        self._logs: dict[str, Callable[[], bool]] = {}

    def add(self, path: str, give_up: Callable[[], bool], *, reserve: int = 0) -> None:
        """A log that is written to.

        Args:
            path: its own.
            give_up: removes what is in it; false inside a line.
            reserve: bytes to be kept free for one of its backups while that is compressed.
        """
        self._logs[path] = give_up
        self._reserve = min(max(self._reserve, reserve), self._most // 4)

    def room(self, count: int) -> bool:
        """Whether there is room for so many bytes; it is made where that is possible.

        If not (all logs end inside a line), a log may go on to its line's end: a chunk is kept free for that.
        """
        limit = self._most - self._reserve - self.chunk
        if self._used < 0 or self._used + count > limit:
            self._make_room(limit - count - self.chunk)
        return self._used + count <= limit

    def grown(self, count: int) -> None:
        """So many bytes have been written."""
        self._used += count

    def _make_room(self, goal: int) -> None:
        with self._names:
            backups, logs, other = self._files()
            used = other + sum(size for _, size, _ in backups) + sum(size for size, _ in logs)
            for _modified, size, path in sorted(backups):
                if used <= goal:
                    break
                with suppress(OSError):
                    os.unlink(path)
                    used -= size
        self._logs = {path: self._logs[path] for _, path in logs}
        for size, path in sorted(logs, reverse=True):
            if used <= goal:
                break
            if self._logs[path]():
                used -= size
        self._used = used

    def _files(self) -> tuple[list[tuple[float, int, str]], list[tuple[int, str]], int]:
        """Backups with time and size, logs with size, and the bytes of all else that is there."""
        backups: list[tuple[float, int, str]] = []
        logs: list[tuple[int, str]] = []
        other = 0
        for directory in {self._directory, *map(os.path.dirname, self._logs)}:
            with suppress(FileNotFoundError), os.scandir(directory) as entries:
                for entry in entries:
                    path = os.path.join(directory, entry.name)
                    base = _base(path)
                    ours = directory == self._directory
                    if path.endswith(PACKING) or not (ours or path in self._logs or base in self._logs):
                        continue
                    try:
                        facts = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if path in self._logs:
                        logs.append((facts.st_size, path))
                    elif base in self._logs or base.endswith(".log"):
                        backups.append((facts.st_mtime, facts.st_size, path))
                    else:
                        other += facts.st_size
        return backups, logs, other


def _base(path: str) -> str:
    """The log that a path would be a backup of; empty: of none."""
    base, _, number = path.removesuffix(PACKED).rpartition(".")
    return base if number.isdigit() else ""
