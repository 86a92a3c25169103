"""What all pages are: state that messages of the node feed, asked for only while the page is seen."""

from collections import deque
from typing import Any, Final

from limpet_supervisor.client import messages
from limpet_supervisor.errors import LimpetError

from .table import Table

SHARE: Final = 0.01
"""Part of the time that whoever is asked may spend on answers: the node, or an application's process."""


class Page:
    """One page.

    Attributes:
        title: on its tab.
        table: what the arrow keys move in; None: it has none.
        error: why its last request failed; empty: it did not.
        cost: seconds that the one asked spent on the last answer.
        asked: whether an answer to a request has ever come.
    """

    title = ""
    short = ""
    """The title where there is little room; empty: the same."""

    def __init__(self) -> None:
        self.table: Table | None = None
        self.error = ""
        self.cost = 0.0
        self.asked = False
        self.clock = 0.0
        """Seconds, by whoever asks, when the last answer came."""
        self.beginnings = 0
        """How often it wants to follow from the start again, the same request or not."""

    def requests(self) -> list[messages.Request]:
        """What it asks for at each refresh."""
        return []

    def follows(self) -> messages.Request | None:
        """What it follows while it is seen."""
        return None

    def take(self, reply: Any) -> None:
        """Feeds it with the answer to one of its requests."""

    def item(self, item: Any) -> bool:  # noqa: ARG002 - most pages follow nothing
        """Feeds it with an item of what it follows; whether there is something new to be seen."""
        return False

    def began(self) -> None:
        """It follows (again), from the start."""

    def failed(self, error: LimpetError) -> None:
        """One of its requests failed: it says so, and the others go on."""
        self.error = str(error)

    def every(self, interval: float) -> float:
        """Seconds until it asks again, where `interval` was asked for: none who is asked pays much for it."""
        return max(interval, self.cost / SHARE)

    def filter(self, needle: str) -> None:
        """Shows only what contains that text."""
        if self.table is not None:
            self.table.filter(needle)

    @property
    def needle(self) -> str:
        """The text of its filter."""
        return self.table.needle if self.table is not None else ""


class Lines:
    """Lines that come and go by: the last so many, filtered, with a place to read at.

    Attributes:
        needle: only lines that contain this text, in any case, are there.
        back: lines between the last one and the last that is shown; 0: it moves with what comes.
    """

    def __init__(self, most: int = 2000) -> None:
        self.needle = ""
        self.back = 0
        self._lines: deque[Any] = deque(maxlen=most)
        self._shown: list[Any] | None = None

    def add(self, line: Any) -> None:
        """Appends one: a tuple whose parts are searched."""
        self._lines.append(line)
        if self._shown is not None and self._passes(line):
            self._shown.append(line)
            if self.back:
                self.back += 1
            if len(self._shown) > 2 * (self._lines.maxlen or 0):
                self._shown = None

    def clear(self) -> None:
        """Forgets all."""
        self._lines.clear()
        self._shown = None
        self.back = 0

    def filter(self, needle: str) -> None:
        """Shows only the lines with that text."""
        self.needle = needle
        self.back = 0
        self._shown = None

    def all(self) -> list[Any]:
        """The lines that pass the filter, oldest first."""
        if self._shown is None:
            self._shown = [line for line in self._lines if self._passes(line)]
        return self._shown

    def _passes(self, line: Any) -> bool:
        needle = self.needle.casefold()
        return not needle or any(needle in str(part).casefold() for part in line)

    def window(self, height: int) -> list[Any]:
        """The lines that `height` lines of the screen show."""
        lines = self.all()
        self.back = max(0, min(self.back, len(lines) - height))
        end = len(lines) - self.back
        return lines[max(0, end - height) : end]

    def scroll(self, by: int) -> None:
        """Moves towards the end, or back (negative)."""
        self.back = max(0, min(self.back - by, len(self.all())))
