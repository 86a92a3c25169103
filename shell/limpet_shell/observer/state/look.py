"""What looks inside a process find (`tasks`, `mem`, `types`), whatever their columns are."""

from typing import Any, Final

from limpet_supervisor.client import messages

from .page import Page
from .table import NUMBERS, Column, Row, Table

_LONG: Final = 30.0
"""Seconds that a look may take."""
_NAMES: Final = frozenset({"pid", "tid", "fd", "port", "line", "inode"})
"""Columns whose numbers name something and measure nothing."""


class Look:
    """What one look has found: rows for a table, or text, and notes.

    Attributes:
        rows: of the table; without any, `text` is shown.
    """

    def __init__(self, what: str) -> None:
        self.what = what
        self.table = Table(())
        self.rows: list[dict[str, Any]] = []
        self.text: list[str] = []
        self.notes: list[str] = []
        self.error = ""
        self.process = ""

    def take(self, reply: messages.EvaluateReply) -> None:
        """Takes what it found, or why it failed."""
        if not reply.ok:
            self.error = (reply.error or "it failed").strip().splitlines()[-1]
            return
        self.error = ""
        self.process = reply.process
        data = reply.data if isinstance(reply.data, dict) else {}
        self.rows = [row for row in data.get("rows", ()) if isinstance(row, dict)]
        self.notes = [str(note) for note in data.get("notes", ())]
        self.text = (reply.value or "").splitlines()
        units = data.get("units") or {}
        columns = tuple(
            Column(key, str(key).replace("_", " ").upper(), _unit(key, units, self.rows))
            for key in data.get("columns", ())
        )
        if columns != self.table.columns:
            old = self.table
            self.table = Table(columns)
            self.table.filter(old.needle)
        self.table.put(Row(_key(row, k, columns), row) for k, row in enumerate(self.rows))

    def clear(self) -> None:
        """Forgets what it found."""
        self.rows, self.text, self.notes, self.error = [], [], [], ""
        self.table.put(())


def _unit(key: str, units: dict[str, str], rows: list[dict[str, Any]]) -> str:
    """A column's unit: what the look says, else `count` where all its cells are numbers."""
    if units.get(key) in NUMBERS:
        return units[key]
    if key in _NAMES:
        return "id"
    values = [row.get(key) for row in rows]
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    return "count" if numbers and len(numbers) + values.count(None) == len(values) else ""


def _key(row: dict[str, Any], number: int, columns: tuple[Column, ...]) -> str:
    """By what a row is known at the next look: its first cell, and its number where that is not enough."""
    first = row.get(columns[0].key) if columns else None
    return f"{first}" if isinstance(first, str) and first else str(number)


class LookPage(Page):
    """The page of one or several looks at one process; the first with rows has the cursor."""

    def __init__(self, title: str, *looks: str, short: str = "") -> None:
        super().__init__()
        self.title = title
        self.short = short
        self.process = ""
        """Where to look; empty: the first process with an agent."""
        self.looks = tuple(Look(what) for what in looks)
        self.shown = 0
        """Which of them is seen."""
        self._asked = 0
        self._costs: dict[str, float] = {}

    @property
    def look(self) -> Look:
        """The look that is seen."""
        return self.looks[self.shown]

    def requests(self) -> list[messages.Request]:
        """The look that is seen, and no other."""
        return [messages.Inspect(what=self.look.what, process=self.process, timeout=_LONG)]

    def take(self, reply: Any) -> None:
        """Takes what a look found."""
        if isinstance(reply, messages.EvaluateReply):
            look = self.look
            look.take(reply)
            self._costs[look.what] = reply.elapsed
            self.cost = reply.elapsed
            self.table = look.table

    def turn(self, by: int) -> None:
        """To the next look, or the one before."""
        self.shown = (self.shown + by) % len(self.looks)
        self.table = self.look.table
        self.cost = self._costs.get(self.look.what, 0.0)
        self.error = ""

    def go_to(self, process: str) -> None:
        """Looks at another process."""
        if process != self.process:
            self.process = process
            self.error = ""
            for look in self.looks:
                look.clear()
