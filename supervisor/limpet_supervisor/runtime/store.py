"""What a successor of this daemon needs to know, in files: one small file for each process.

Each is replaced by rename(2), so a reader sees the old one or the new one; and a change costs the same with
one process as with five thousand. Only facts about what runs: no environment, no secret.
"""

import errno
import os
from contextlib import suppress
from typing import Final

import msgspec
from msgspec import Struct


class Record(Struct, frozen=True):
    """A process that runs."""

    name: str
    pid: int
    start_time: int
    """Ticks since boot, from /proc/PID/stat: with the pid, it names one process for ever."""
    started_at: float
    """Wall-clock time, Unix seconds."""
    spec: str
    """Fingerprint of the command that it was started with; the same in every daemon."""
    output: str
    """Path of its FIFO."""


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Record).decode


class Store:
    """The records in one directory."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        os.makedirs(directory, mode=0o700, exist_ok=True)

    def put(self, record: Record) -> None:
        """Replaces the record of a process.

        Raises:
            OSError: it cannot be written, say on a full disk.
        """
        path = f"{self._directory}/{record.name}.json"
        fd = os.open(f"{path}.new", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            data = _encode(record)
            if os.write(fd, data) < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(fd)
        os.rename(f"{path}.new", path)

    def remove(self, name: str) -> None:
        """Forgets a process; that it is not known is as good."""
        with suppress(FileNotFoundError):
            os.unlink(f"{self._directory}/{name}.json")

    def clear(self) -> None:
        """Forgets all."""
        with suppress(FileNotFoundError):
            for entry in os.listdir(self._directory):
                os.unlink(f"{self._directory}/{entry}")

    def records(self) -> list[Record]:
        """What an earlier daemon has left; a file that cannot be read is passed over."""
        found = []
        for entry in sorted(os.listdir(self._directory)):
            if entry.endswith(".json"):
                with suppress(OSError, msgspec.DecodeError), open(f"{self._directory}/{entry}", "rb") as file:
                    found.append(_decode(file.read()))
        return found
