"""What comes by itself: the processes' output, and what happens to them."""

import re
import time
from collections import deque
from typing import Any, Final, NamedTuple

from limpet_supervisor.client import messages
from limpet_supervisor.model.status import Event

from .page import Lines, Page
from .table import Column, Row, Table

_LAST_LINES: Final = 200
_LAST_EVENTS: Final = 500
_LEVELS: Final = (
    (
        "bad",
        re.compile(
            r"\b(CRITICAL|FATAL|ERROR|EXCEPTION|PANIC|Traceback|[A-Z]\w*Error:)|\[(error|crit)", re.ASCII
        ),
    ),
    ("warn", re.compile(r"\b(WARNING|WARN)\b|\[warn", re.ASCII)),
    ("dim", re.compile(r"\b(DEBUG|TRACE)\b|\[debug", re.ASCII)),
)
_HEAD: Final = 200
"""Characters of a line in which its level is looked for."""

EVENT_STYLES: Final = {
    "ready": "good",
    "node_ready": "good",
    "exited": "bad",
    "fault": "bad",
    "start_failed": "bad",
    "killed": "bad",
    "escalated": "bad",
    "restarting": "warn",
    "stopping": "warn",
}
_SIGNS: Final = {"good": "●", "bad": "✗", "warn": "◐", "dim": "·", "": " "}


class LogLine(NamedTuple):
    """A line of a process's output, with the style of its level."""

    process: str
    text: str
    style: str = ""

    @property
    def sign(self) -> str:
        """What says the same as the style without colour."""
        return {"bad": "E", "warn": "W", "dim": "D"}.get(self.style, " ")


def level_of(text: str) -> str:
    """The style of a line by the level that it speaks of near its beginning."""
    head = text[:_HEAD]
    return next((style for style, pattern in _LEVELS if pattern.search(head)), "")


class LogsPage(Page):
    """Output of one process, or of all."""

    title = "Logs"

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.name = name
        """Whose; empty: of all."""
        self.lines = Lines()
        self.dropped = 0

    def follows(self) -> messages.Request:
        """The last lines, and what comes."""
        names = (self.name,) if self.name else ()
        return messages.Logs(names=names, lines=_LAST_LINES, follow=True)

    def began(self) -> None:
        """The last lines come again."""
        self.lines.clear()
        self.error = ""

    def item(self, item: Any) -> None:
        """Takes lines."""
        if isinstance(item, messages.LogItem):
            self.asked = True
            for text in item.lines:
                self.lines.add(LogLine(item.process, text, level_of(text)))
        elif isinstance(item, messages.StreamEnd):
            self.dropped += item.dropped

    def filter(self, needle: str) -> None:
        """Shows only lines with that text."""
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


class EventsPage(Page):
    """What happened to the processes, the latest first."""

    title = "Events"

    def __init__(self) -> None:
        super().__init__()
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

    def item(self, item: Any) -> None:
        """Takes an event."""
        if not isinstance(item, messages.EventItem):
            return
        self.asked = True
        event = item.event
        style = EVENT_STYLES.get(event.kind, "")
        self._number += 1
        local = time.localtime(event.at)
        cells = {
            "at": f"{time.strftime('%H:%M:%S', local)}.{int(event.at % 1 * 1000):03d}",
            "kind": event.kind,
            "process": event.process,
            "text": event.text,
        }
        row = Row(str(self._number), cells, sign=_SIGNS[style], styles={"kind": style, "@": style})
        self._rows.appendleft(row)
        self.table.put(self._rows)
