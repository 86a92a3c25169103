"""Which lines of a stream belong together because they are one traceback of Python's.

By shape alone: from `Traceback (most recent call last):` through its frames to the line of the exception,
with what that one is known to go on with, and with the tracebacks chained to it. Groups of exceptions are
recognised too. Whatever it is, it ends at a bound: a stream that looks like a traceback for ever is cut.
"""

import re
from enum import Enum
from typing import Final, NamedTuple

HEADER: Final = b"Traceback (most recent call last):"
LONGEST: Final = 512 * 1024
"""Bytes of one traceback."""
MOST_LINES: Final = 5000
_LOOK: Final = 160
"""Bytes of a line by which it is known."""
_HEADER_LINE: Final = re.compile(rb"[ \t]*(?:\+ Exception Group )?Traceback \(most recent call last\):\s*$")
_INDENTED: Final = re.compile(rb"(?:[ \t][^\n]*\S[^\n]*\n)+")
_CHAINED: Final = (
    b"During handling of the above exception, another exception occurred:",
    b"The above exception was the direct cause of the following exception:",
)
_SPACE: Final = (b" ", b"\t")
_DETAILS: Final = (b"[SQL: ", b"[parameters: ", b"(Background on this error at: ")
"""Lines of an exception's text that begin like nothing else: SQLAlchemy's."""


class Kind(Enum):
    """What a part of the stream is."""

    PLAIN = "plain"
    """Lines that belong to nothing."""
    BEGINS = "begins"
    """A traceback from its first line on; or, if that line was begun before, from there."""
    GOES_ON = "goes on"
    """The part of a traceback that follows on what came before."""


class Part(NamedTuple):
    """A part of a block."""

    kind: Kind
    data: bytes


class _State(Enum):
    OUTSIDE = 0
    FRAMES = 1
    AFTER = 2
    """After the line of the exception, or inside a group."""
    BLANK = 3
    CHAINED = 4
    CHAINED_BLANK = 5


class Tracebacks:
    """Follows one stream, block by block; blocks begin and end anywhere."""

    def __init__(self) -> None:
        self._state = _State.OUTSIDE
        self._begun = b""  # the beginning of the line that the stream is inside of
        self._decided: Kind | None = (
            None  # what that line was taken for; None: the stream is at a line's start
        )
        self._lines = 0
        self._bytes = 0

    @property
    def open(self) -> bool:
        """Whether what comes next may belong to the traceback that has begun."""
        return self._state is not _State.OUTSIDE or self._decided is Kind.BEGINS

    @property
    def in_line(self) -> bool:
        """Whether the stream is inside a line."""
        return self._decided is not None

    def end(self) -> None:
        """The traceback is over, and so is the line, if one was begun."""
        self._state = _State.OUTSIDE
        self._decided = None
        self._begun = b""

    def parts(self, data: bytes) -> list[Part]:
        """The block in parts, in order; together they are the block."""
        if (
            not self.open
            and HEADER not in data
            and not (self._begun and HEADER in self._begun + data[:_LOOK])
        ):
            self._pass(data)
            return [Part(Kind.PLAIN, data)] if data else []
        found: list[tuple[Kind, int]] = []  # where each part begins
        position = 0
        while position < len(data):
            kind, end = self._next(data, position)
            last = found[-1][0] if found else None
            joins = kind is last is Kind.PLAIN or (kind is Kind.GOES_ON and last is not None)
            if not joins:
                found.append((kind, position))
            position = end
        ends = [start for _kind, start in found[1:]] + [len(data)]
        return [Part(kind, data[start:end]) for (kind, start), end in zip(found, ends, strict=True)]

    def _next(self, data: bytes, position: int) -> tuple[Kind, int]:
        """What stands at `position`, and where that ends: as many lines as are known at once, or one."""
        if self._decided is None:
            if self._state is _State.OUTSIDE:
                header = data.find(HEADER, position)
                lines = data.rfind(b"\n", position, header if header >= 0 else len(data)) + 1
                if lines > position:
                    return Kind.PLAIN, lines
            elif self._state in (_State.FRAMES, _State.AFTER) and (frames := _INDENTED.match(data, position)):
                self._count(frames[0], new=False)
                return Kind.GOES_ON, frames.end()
        end = data.find(b"\n", position) + 1 or len(data)
        whole = data.startswith(b"\n", end - 1)
        kind = self._line(data[position : min(end, position + _LOOK)], whole=whole)
        if kind is not Kind.PLAIN:
            self._count(data[position:end], new=kind is Kind.BEGINS)
        return kind, end

    def _pass(self, data: bytes) -> None:
        """Lines outside of any traceback, without a look at each."""
        line = data.rfind(b"\n") + 1
        rest = data[line : line + _LOOK]
        self._begun = rest if line else (self._begun + rest)[:_LOOK]
        if data:
            self._decided = Kind.PLAIN if self._begun else None

    def _line(self, seen: bytes, *, whole: bool) -> Kind:
        """What a line is, or the part of it that is in this block."""
        line = (self._begun + seen)[:_LOOK]
        kind, state = self._look(line.removesuffix(b"\n"), whole=whole)
        decided = self._decided
        if decided is Kind.BEGINS or decided is Kind.GOES_ON:
            kind = Kind.GOES_ON
            if state is _State.OUTSIDE:  # more of the line shows that it was none; what has begun goes on
                state = _State.AFTER
        if whole:
            self._state, self._decided, self._begun = state, None, b""
        else:
            self._decided = kind if decided in (None, Kind.PLAIN) else decided
            self._begun = line
            if kind is Kind.PLAIN:
                self._state = _State.OUTSIDE
        return kind

    def _look(self, line: bytes, *, whole: bool) -> tuple[Kind, _State]:
        """What a line, or its beginning, is by its shape, and what can follow on it."""
        state = self._state
        if _HEADER_LINE.match(line):
            following = _State.AFTER if b"Group" in line else _State.FRAMES
            if state is _State.CHAINED_BLANK:
                return Kind.GOES_ON, following
            if state is _State.OUTSIDE or not line.startswith(_SPACE):
                return Kind.BEGINS, following
        blank = not line.strip()
        match state:
            case _State.FRAMES:
                return Kind.GOES_ON, state if blank or line.startswith(_SPACE) else _State.AFTER
            case _State.AFTER if blank:
                return Kind.GOES_ON, _State.BLANK
            case _State.AFTER if line.startswith((*_SPACE, *_DETAILS)):
                return Kind.GOES_ON, state
            case _State.BLANK if line.startswith(_CHAINED):
                return Kind.GOES_ON, _State.CHAINED
            case _State.BLANK if not whole and any(text.startswith(line) for text in _CHAINED):
                return Kind.GOES_ON, state
            case _State.CHAINED if blank:
                return Kind.GOES_ON, _State.CHAINED_BLANK
            case _State.CHAINED_BLANK if not whole:
                return Kind.GOES_ON, state
        return Kind.PLAIN, _State.OUTSIDE

    def _count(self, lines: bytes, *, new: bool) -> None:
        """Ends a traceback that is too long, with the line that made it so."""
        self._lines = lines.count(b"\n") + (0 if new else self._lines)
        self._bytes = len(lines) + (0 if new else self._bytes)
        if (self._lines >= MOST_LINES or self._bytes >= LONGEST) and not self.in_line:
            self._state = _State.OUTSIDE
