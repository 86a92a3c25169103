"""What has happened since the node began, counted for its metrics: starts, and ends by their cause."""

from collections import Counter
from collections.abc import Mapping
from typing import Final

from limpet_supervisor.model.status import Event

CAUSES: Final = {
    "stopped by a command": "stopped",
    "restarted by a command": "restarted",
    "removed": "removed",
    "stopped by its supervisor": "supervisor",
    "not ready": "not_ready",
    "liveness": "liveness",
    "uses ": "memory",
    "above max_memory": "memory",
    "reached max_age": "age",
    "could not be started": "not_started",
}
"""What the cause of an end begins with, and the label that it becomes: there are never more than these, and
`exit` (by itself, with code 0), `crash` (with another code) and `signal`."""


class Counts:
    """Hears of the node's events."""

    def __init__(self) -> None:
        self.starts: Counter[str] = Counter()
        """By instance."""
        self.escalations = 0
        self._ends: dict[str, Counter[str]] = {}

    def ends(self, instance: str) -> Mapping[str, int]:
        """How often it has ended, by the cause."""
        return self._ends.get(instance, {})

    def heard(self, event: Event) -> None:
        """An event of the node's."""
        match event.kind:
            case "started":
                self.starts[event.process] += 1
            case "exited":
                self._ended(event.process, cause_of(event))
            case "start_failed":
                self._ended(event.process, "not_started")
            case "escalated":
                self.escalations += 1
            case "removed":
                self.starts.pop(event.process, None)
                self._ends.pop(event.process, None)

    def _ended(self, instance: str, cause: str) -> None:
        self._ends.setdefault(instance, Counter())[cause] += 1


def cause_of(event: Event) -> str:
    """The label for why a process has ended."""
    text = str(event.detail.get("cause", ""))
    for beginning, label in CAUSES.items():
        if text.startswith(beginning):
            return label
    if event.detail.get("signal"):
        return "signal"
    return "crash" if event.detail.get("code") else "exit"
