"""Entries of several processes in the order of time, and as text or JSON."""

import heapq
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

from limpet_shell.output import printable_line, to_json
from limpet_shell.render import Paint, clock, name_style
from limpet_supervisor.model import levels
from limpet_supervisor.model.records import message_of, record_of
from limpet_supervisor.wire import messages

from .choice import MOST, Choice
from .entries import Entries, Entry

_STYLES: Final = {
    "debug": "dim",
    "info": "green",
    "warning": "yellow",
    "error": "red",
    "critical": "bold red",
}


class LogView:
    """Turns the answers to a request for logs into lines.

    What came before is held until all of it is there, since each process's lines come by themselves; what is
    new is shown as it comes.

    Args:
        choice: what is to be shown.
        paint: colours.
        terminal: control characters are escaped, and objects of `limpet.log` are for a person.
        as_json: an object a line, instead.
    """

    def __init__(self, choice: Choice, paint: Paint, *, terminal: bool, as_json: bool = False) -> None:
        self._choice = choice
        self._paint = paint
        self._terminal = terminal
        self._as_json = as_json
        self._entries = Entries()
        self._past: list[Entry] | None = []

    def take(self, answer: messages.AnyItem | messages.AnyReply) -> list[str]:
        """The lines to show of an answer."""
        match answer:
            case messages.LogItem(process=process, lines=lines, times=times, more=more):
                found = self._entries.feed(process, lines, times, more=more)
                if self._past is not None:
                    self._past += found
                    return []
                return [line for entry in found if self._choice.takes(entry) for line in self._lines(entry)]
            case messages.LogsPast() | messages.StreamEnd():
                past, self._past = self._past, None
                return self.show(past) if past else []
            case _:
                return []

    def note(self, answer: messages.AnyItem | messages.AnyReply) -> str:
        """What there is to say of the lines that are not shown; empty: nothing."""
        match answer:
            case messages.LogsPast(cut=cut) if cut and self._choice.among:
                return f"(of {', '.join(cut)} only the last lines were looked at: {MOST:,} in all)"
            case messages.StreamEnd(dropped=dropped) if dropped:
                return f"({dropped} lines were dropped: they came faster than they were read)"
            case _:
                return ""

    def show(self, entries: list[Entry]) -> list[str]:
        """The lines to show of all that there is."""
        of_each: dict[str, deque[Entry]] = {}
        for entry in entries:
            if self._choice.takes(entry):
                of_each.setdefault(entry.process, deque(maxlen=self._choice.most)).append(entry)
        return [line for entry in merged(of_each.values()) for line in self._lines(entry)]

    def _lines(self, entry: Entry) -> list[str]:
        if self._as_json:
            return [to_json(_object(entry))]
        lines = entry.text.split("\n")
        if self._terminal:
            lines = [printable_line(line) for each in lines for line in self._for_person(each, entry.at)]
        begin = ""
        if self._choice.names != (entry.process,):
            begin = self._paint(f"{entry.process} |", name_style(entry.process)) + " "
        if self._choice.times:
            begin += self._paint(clock(entry.at) if entry.at is not None else "-", "dim") + " "
        return [f"{begin}{line}" for line in lines]

    def _for_person(self, line: str, at: float | None) -> list[str]:
        """An object of `limpet.log` as its author would like to read it; any other line as it is."""
        record = record_of(line)
        if record is None:
            return [line]
        level = str(record.get("level", ""))
        when = "" if self._choice.times or at is None else f"{self._paint(clock(at), 'dim')} "
        shown = self._paint(f"{level.upper():<7}", _STYLES.get(level, ""))
        return f"{when}{shown} {message_of(record)}".split("\n")


def merged(processes: Iterable[Iterable[Entry]]) -> list[Entry]:
    """The entries of all, by time; each process's own stay in their order, also where a clock jumped.

    An entry whose time is not known comes where the one before it is, or the one after.
    """
    timed: list[list[tuple[float, Entry]]] = []
    for entries in processes:
        known = list(entries)
        at = next((entry.at for entry in known if entry.at is not None), 0.0)
        line: list[tuple[float, Entry]] = []
        for entry in known:
            at = max(at, entry.at) if entry.at is not None else at
            line.append((at, entry))
        timed.append(line)
    return [entry for _at, entry in heapq.merge(*timed, key=lambda pair: pair[0])]


def _object(entry: Entry) -> dict[str, Any]:
    """As JSON: `record` is there if the line is an object itself."""
    from datetime import UTC, datetime

    at = datetime.fromtimestamp(entry.at, UTC) if entry.at is not None else None
    found: dict[str, Any] = {
        "schema": 1,
        "process": entry.process,
        "time": at.isoformat(timespec="microseconds").replace("+00:00", "Z") if at is not None else None,
        "level": levels.name_of(entry.stated) if entry.stated is not None else None,
        "line": entry.text,
    }
    if (record := record_of(entry.text)) is not None:
        found["record"] = record
    return found
