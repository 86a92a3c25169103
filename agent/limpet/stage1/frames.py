"""Frames and code: where they are, their lines, their variables; read without leaving a trace in them."""

import linecache
import sys
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, Final, NamedTuple

FRAMES: Final = 60
"""Innermost frames of one stack that are followed."""
_OPTIMIZED: Final = 0x1
"""CO_OPTIMIZED of inspect: the variables are not in a dictionary."""
_SNAPSHOTS: Final = sys.version_info < (3, 13)
_UNHELD: Final = 3
"""References to a snapshot that nobody holds: the frame's, ours, and that of the call which counts them."""


class Place(NamedTuple):
    """A line of a function; of what has none, its name alone."""

    function: str
    """Qualified name."""
    file: str = ""
    line: int = 0

    @property
    def text(self) -> str:
        """`Database.ping bookshop/database.py:31`."""
        return _text(self)

    @property
    def lines(self) -> str:
        """As a traceback writes it, with the source line if there is one."""
        if not self.file:
            return f"  {self.function}"
        text = linecache.getline(self.file, self.line).strip()
        place = f'  File "{self.file}", line {self.line}, in {self.function}'
        return f"{place}\n    {text}" if text else place


@lru_cache(4096)
def _text(place: Place) -> str:
    """Of thousands of tasks most are in the same places."""
    return f"{place.function} {short(place.file)}:{place.line}" if place.file else place.function


def place_of_frame(frame: FrameType) -> Place:
    """Where it is now."""
    return place_of_code(frame.f_code, frame.f_lineno)


def place_of_code(code: CodeType, line: int | None = None) -> Place:
    """Its `line`, or its first one."""
    return Place(code.co_qualname, code.co_filename, line or code.co_firstlineno)


def outwards(frame: FrameType | None) -> Iterator[FrameType]:
    """The frame, its caller, and so on, FRAMES at the most."""
    for _ in range(FRAMES):
        if frame is None:
            return
        yield frame
        frame = frame.f_back


def stack_lines(innermost: FrameType | None) -> str:
    """A stack as a traceback writes it, the innermost frame last."""
    frames = list(outwards(innermost))
    lines = [place_of_frame(frame).lines for frame in frames]
    if frames and frames[-1].f_back is not None:
        lines.append("  …")
    return "\n".join(reversed(lines))


def where(ident: int) -> str:
    """`function (file:line)` of a thread's innermost frame; empty if it has none."""
    frame = sys._current_frames().get(ident)  # noqa: SLF001 - the documented way
    if frame is None:
        return ""
    place = place_of_frame(frame)
    return f"{place.function} ({short(place.file)}:{place.line})"


def variables(frame: FrameType) -> dict[str, Any]:
    """A copy of the frame's variables.

    Before 3.13 (PEP 667) they are copied into a dictionary that the frame keeps, so what is in it would live
    as long as the frame does. It is emptied again, unless it is the frame's own namespace (a module's, a
    class's), or somebody else holds it: who has called `locals()`, or a debugger.
    """
    names: Any = frame.f_locals
    if _SNAPSHOTS:
        if type(names) is not dict:  # a metaclass has prepared it: it may be anything
            return {}
        found = dict(names)
        held = sys.getrefcount(names) > _UNHELD or frame.f_trace is not None
        if frame.f_code.co_flags & _OPTIMIZED and not held:
            dict.clear(names)
        return found
    if not frame.f_code.co_flags & _OPTIMIZED and type(names) is not dict:
        return {}
    return dict(names)


def short(file: str) -> str:
    """`bookshop/web.py` for a file below an entry of sys.path."""
    for entry in list(sys.path):
        if type(entry) is str and entry and file.startswith(entry.rstrip("/") + "/"):
            return file[len(entry.rstrip("/")) + 1 :]
    return file
