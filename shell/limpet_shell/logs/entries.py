"""Lines -> entries: a traceback is one, any other line is one."""

from collections.abc import Sequence
from typing import Final

from limpet_supervisor.model import levels
from limpet_supervisor.model.tracebacks import Kind, Tracebacks

from .moments import own

_UNSEEN: Final = -1
_SPACE: Final = (" ", "\t")


class Entry:
    """What one process wrote at one time.

    Attributes:
        process: who.
        at: when it came, in Unix seconds; None: that is not known.
        text: a line, or the lines of a traceback.
    """

    __slots__ = ("_level", "at", "process", "text")

    def __init__(self, process: str, text: str, at: float | None, level: int | None = None) -> None:
        self.process = process
        self.text = text
        self.at = own(text) if at is None else at
        self._level: int | None = _UNSEEN if level is None else level

    @property
    def stated(self) -> int | None:
        """The level that it says it has; None: it says none."""
        if self._level == _UNSEEN:
            self._level = levels.level_of(self.text)
        return self._level

    @property
    def level(self) -> int:
        """The same; what says nothing is info."""
        return levels.INFO if self.stated is None else self.stated


class Entries:
    """Makes entries of the lines of processes, as they come."""

    def __init__(self) -> None:
        self._begun: dict[str, tuple[Tracebacks, list[str], list[float | None]]] = {}
        self._last: dict[str, Entry] = {}

    def feed(
        self, process: str, lines: Sequence[str], times: Sequence[float | None], *, more: bool = False
    ) -> list[Entry]:
        """The entries that these lines complete; `more` of the same block follow on them."""
        seen, begun, begun_at = self._begun.setdefault(process, (Tracebacks(), [], []))
        found: list[Entry] = []
        position = 0
        data = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogatepass")
        for kind, part in seen.parts(data):
            count = part.count(b"\n")
            texts = lines[position : position + count]
            at = times[position : position + count] if times else [None] * count
            position += count
            if kind is not Kind.GOES_ON:
                self._end(process, found)
            if kind is Kind.PLAIN:
                found += [self._entry(process, text, when) for text, when in zip(texts, at, strict=True)]
            else:
                begun += texts
                begun_at += at
        if not more:
            seen.end()
            self._end(process, found)
        return found

    def _end(self, process: str, found: list[Entry]) -> None:
        _seen, begun, begun_at = self._begun[process]
        if begun:
            found.append(self._entry(process, "\n".join(begun), begun_at[0]))
            begun.clear()
            begun_at.clear()

    def _entry(self, process: str, text: str, at: float | None) -> Entry:
        """An entry; a line that is indented and says no level has that of the line before it."""
        last = self._last.get(process)
        entry = Entry(process, text, at)
        if last is not None and text.startswith(_SPACE) and entry.stated is None:
            entry = Entry(process, text, last.at if at is None else at, last.stated)
        self._last[process] = entry
        return entry
