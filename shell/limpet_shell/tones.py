"""What an event is for who reads it, by kind: the colours and signs of verbs, console and observer."""

from typing import Final, Literal

from limpet_supervisor.model.status import Event

Tone = Literal["good", "bad", "warn", ""]

_TONES: Final[dict[str, Tone]] = {
    "ready": "good",
    "node_ready": "good",
    "check_passed": "good",
    "handler_recovered": "good",
    "push_recovered": "good",
    "exited": "bad",
    "fault": "bad",
    "start_failed": "bad",
    "killed": "bad",
    "escalated": "bad",
    "check_failed": "bad",
    "restarting": "warn",
    "stopping": "warn",
    "handler_failed": "warn",
    "agent_failed": "warn",
    "push_failing": "warn",
    "node_paused": "warn",
}


def tone_of(event: Event) -> Tone:
    """Its tone: of a process that has ended with code 0, none."""
    if event.kind == "exited" and event.detail.get("code") == 0:
        return ""
    return _TONES.get(event.kind, "")
