"""What comes by itself: the processes' output, and what happens to them."""

import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from limpet_shell.logs.entries import Entries, Entry
from limpet_shell.logs.view import merged
from limpet_shell.tones import tone_of
from limpet_supervisor.client import messages
from limpet_supervisor.model import levels
from limpet_supervisor.model.records import OWN, record_of
from limpet_supervisor.model.status import Event

from .page import Lines, Page
from .table import Column, Row, Table

_LAST_LINES: Final = 200
_LAST_EVENTS: Final = 500
_CHOICES: Final = (0, levels.WARNING, levels.ERROR)
"""Levels from which lines are shown, in turn."""
_LEVEL_STYLES: Final = {levels.WARNING: "warn", levels.DEBUG: "dim"}
_SIGNS: Final = {"good": "●", "bad": "✗", "warn": "◐", "dim": "·", "": " "}


class LogLine(NamedTuple):
    """A line of a process's output."""

    process: str
    text: str
    level: int | None
    """As numbers of `logging`; None: it says none."""
    at: float | None
    """When it came, in Unix seconds."""
    whole: str
    """The entry that it is a line of: of a traceback, all of it."""

    @property
    def style(self) -> str:
        """Of its level."""
        if self.level is None:
            return ""
        return "bad" if self.level >= levels.ERROR else _LEVEL_STYLES.get(self.level, "")

    @property
    def sign(self) -> str:
        """What says the same without colour."""
        return {"bad": "E", "warn": "W", "dim": "D"}.get(self.style, " ")


def log_lines(entry: Entry) -> list[LogLine]:
    """The lines of an entry; an object of `limpet.log` is its message and what goes with it."""
    record = record_of(entry.text)
    text = entry.text
    if record is not None:
        logger = f"{record['logger']}: " if record.get("logger") else ""
        more = [f"{key}={value}" for key, value in record.items() if key not in OWN]
        text = "  ".join((f"{logger}{record.get('message', '')}", *more))
        text += "".join(
            f"\n{record[key]}" for key in ("exception", "stack") if isinstance(record.get(key), str)
        )
    return [LogLine(entry.process, line, entry.stated, entry.at, entry.text) for line in text.split("\n")]


class LogsPage(Page):
    """Output of one process, or of all."""

    title = "Logs"

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        """Whose; empty: of all."""
        self.least = 0
        """Only entries of that level or above are kept; one that says none counts as info."""
        self.lines = Lines()
        self.dropped = 0
        self._entries = Entries()
        self._past: dict[str, list[Entry]] | None = {}
        """What came before, until all of it is there: each process's comes by itself."""

    def follows(self) -> messages.Request:
        """The last lines, and what comes."""
        names = (self.name,) if self.name else ()
        return messages.Logs(names=names, lines=_LAST_LINES, follow=True)

    def began(self) -> None:
        """The last lines come again."""
        self.lines.clear()
        self._entries = Entries()
        self._past = {}
        self.error = ""

    def item(self, item: Any) -> bool:
        """Takes lines."""
        match item:
            case messages.LogItem(process=process, lines=lines, times=times, more=more):
                self.asked = True
                found = self._entries.feed(process, lines, times, more=more)
                if self._past is not None:
                    self._past.setdefault(process, []).extend(found)
                else:
                    self._add(found)
            case messages.LogsPast():
                past, self._past = self._past, None
                self._add(merged(past.values()) if past else ())
            case messages.StreamEnd(dropped=dropped):
                self.dropped += dropped
            case _:
                pass
        return self._past is None

    def _add(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            if entry.level >= self.least:
                for line in log_lines(entry):
                    self.lines.add(line)

    def filter(self, needle: str) -> None:
        """Shows only entries with that text."""
        self.lines.filter(needle)

    @property
    def needle(self) -> str:
        """The text of its filter."""
        return self.lines.needle

    def show(self, name: str) -> None:
        """Another process's output."""
        if name != self.name:
            self.name = name
            self.began()

    def turn_level(self) -> None:
        """All, warnings and worse, errors and worse, in turn; the last lines come again."""
        place = _CHOICES.index(self.least)
        self.least = _CHOICES[(place + 1) % len(_CHOICES)]
        self.beginnings += 1


class EventsPage(Page):
    """What happened to the processes, the latest first.

    Attributes:
        now: Unix seconds: an event of another day than this shows its date.
    """

    title = "Events"

    def __init__(self) -> None:
        super().__init__()
        self.now: Callable[[], float] = time.time
        self.table: Table = Table(
            (
                Column("at", "TIME", width=12),
                Column("kind", "EVENT", width=10),
                Column("process", "PROCESS", width=7, most=30),
                Column("text", "WHAT", width=20),
            )
        )
        self.table.ordered = False
        self._events: deque[Event] = deque(maxlen=_LAST_EVENTS)
        self._number = 0
        self._rows: deque[Row] = deque(maxlen=_LAST_EVENTS)

    def follows(self) -> messages.Request:
        """The last events, and what comes."""
        return messages.Events(last=_LAST_EVENTS, follow=True)

    def began(self) -> None:
        """The last events come again."""
        self._rows.clear()
        self._number = 0
        self.table.put(())
        self.error = ""

    def item(self, item: Any) -> bool:
        """Takes an event."""
        if not isinstance(item, messages.EventItem):
            return False
        self.asked = True
        event = item.event
        style = tone_of(event)
        self._number += 1
        cells = {
            "at": _moment(event.at, self.now()),
            "kind": event.kind,
            "process": event.process,
            "text": event.text,
        }
        row = Row(str(self._number), cells, sign=_SIGNS[style], styles={"kind": style, "@": style})
        self._rows.appendleft(row)
        self.table.put(self._rows)
        return True


def _moment(at: float, now: float) -> str:
    """`14:03:07.630`; of another day `11-22 14:03`."""
    local = time.localtime(at)
    if local[:3] != time.localtime(now)[:3]:
        return time.strftime("%m-%d %H:%M", local)
    return f"{time.strftime('%H:%M:%S', local)}.{int(at % 1 * 1000):03d}"
