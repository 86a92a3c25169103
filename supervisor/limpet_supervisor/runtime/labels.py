"""How lines look on the node's own standard output: behind names, and for the journal with severities."""

import os
import time
from collections.abc import Mapping
from typing import Final, Protocol

from limpet_supervisor.model import levels
from limpet_supervisor.model.records import START, message_of, record_of
from limpet_supervisor.model.tracebacks import Kind, Tracebacks

_COLORS: Final = (36, 33, 32, 35, 34, 96, 93, 92, 95, 94)
_LEVEL_COLORS: Final = {"debug": 2, "info": 32, "warning": 33, "error": 31, "critical": 31}
_OBJECT: Final = START.encode()
_SPACE: Final = (b" ", b"\t")
_SEVERITIES: Final = {
    levels.DEBUG: b"<7>",
    levels.INFO: b"<6>",
    levels.WARNING: b"<4>",
    levels.ERROR: b"<3>",
    levels.CRITICAL: b"<2>",
}
"""sd-daemon(3)."""


class Labels(Protocol):
    """One of the looks."""

    def add(self, name: str) -> None:
        """A process whose lines may come."""
        ...

    def remove(self, name: str) -> None:
        """No line of it comes any more."""
        ...

    def lines(self, name: str, block: bytes) -> bytes:
        """Whole lines of a process (tracebacks whole, too) as they are written."""
        ...

    def say(self, text: str) -> bytes:
        """Lines of the node itself."""
        ...


class Names:
    """`web.1    | line`: names are aligned, and in colour each has its own.

    In colour, which is for a person, objects of `limpet.log` are written for one.
    """

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._names: dict[str, int] = {}
        self._added = 0
        self._width = 0

    def add(self, name: str) -> None:
        """See Labels."""
        self._width = max(self._width, len(name))
        if name not in self._names:
            self._names[name] = self._added
            self._added += 1

    def remove(self, name: str) -> None:
        """See Labels."""
        self._names.pop(name, None)
        self._width = max(map(len, self._names), default=0)

    def lines(self, name: str, block: bytes) -> bytes:
        """See Labels."""
        prefix = f"{name:<{self._width}} | "
        if self._color:
            prefix = f"\x1b[{_COLORS[self._names.get(name, 0) % len(_COLORS)]}m{prefix}\x1b[0m"
            if _OBJECT in block:
                block = b"".join(_for_person(line) for line in block[:-1].split(b"\n"))
        start = prefix.encode()
        return start + block[:-1].replace(b"\n", b"\n" + start) + b"\n"

    def say(self, text: str) -> bytes:
        """See Labels."""
        return text.encode("utf-8", "replace") + b"\n"


class Journal:
    """`<3>web.1: line`: each line with its severity, for systemd's journal (sd-daemon(3)).

    What says nothing is of severity info; what is indented has that of the line before it; the lines of a
    traceback are errors.
    """

    def __init__(self) -> None:
        self._last: dict[str, bytes] = {}

    def add(self, name: str) -> None:
        """See Labels."""

    def remove(self, name: str) -> None:
        """See Labels."""
        self._last.pop(name, None)

    def lines(self, name: str, block: bytes) -> bytes:
        """See Labels."""
        label = f"{name}: ".encode()
        written: list[bytes] = []
        for kind, part in Tracebacks().parts(block):
            for line in part[:-1].split(b"\n"):
                severity, text = _severity(line)
                if kind is not Kind.PLAIN:
                    severity = _SEVERITIES[levels.ERROR]
                elif severity is None:
                    before = self._last.get(name) if line.startswith(_SPACE) else None
                    severity = before or _SEVERITIES[levels.INFO]
                self._last[name] = severity
                written += (severity, label, text, b"\n")
        return b"".join(written)

    def say(self, text: str) -> bytes:
        """See Labels."""
        info = _SEVERITIES[levels.INFO]
        return b"".join(info + line + b"\n" for line in text.encode("utf-8", "replace").split(b"\n"))


def is_journal(descriptor: int, environ: Mapping[str, str]) -> bool:
    """Whether it leads to systemd's journal: JOURNAL_STREAM says its device and inode (systemd.exec(5))."""
    try:
        facts = os.fstat(descriptor)
    except OSError:
        return False
    return environ.get("JOURNAL_STREAM") == f"{facts.st_dev}:{facts.st_ino}"


def _severity(line: bytes) -> tuple[bytes | None, bytes]:
    """The severity that a line says it has, and the line without it, if it stood before it."""
    if len(line) > 2 and line[:1] == b"<" and line[2:3] == b">" and line[1:2] in b"01234567":
        return line[:3], line[3:]
    level = levels.level_of(line[:1000].decode("utf-8", "replace"))
    if level is None:
        return None, line
    return _SEVERITIES[levels.known(level)], line


def _for_person(line: bytes) -> bytes:
    """A line with its end; of an object of `limpet.log` the time, the level and what it says."""
    record = record_of(line.decode("utf-8", "replace")) if line.startswith(_OBJECT) else None
    if record is None:
        return line + b"\n"
    level = str(record.get("level", ""))
    clock = time.strftime("%H:%M:%S", time.localtime())
    painted = f"\x1b[2m{clock}\x1b[0m \x1b[{_LEVEL_COLORS.get(level, 0)}m{level.upper():<7}\x1b[0m"
    return f"{painted} {message_of(record)}\n".encode("utf-8", "replace")
