"""What the application has for the daemon: its health checks, its telemetry's metrics and failures.

The daemon asks by `serve` whenever the application has called `limpet.agent.want`; nothing is imported here
that the application has not imported itself.
"""

import sys
from typing import Any, Final

from .checks import Checks

TELEMETRY: Final = "limpet.telemetry"
FAILURES: Final = 100
"""Failures that are told of, at most."""
EVENTS: Final = 10
"""Events that are named of each."""


def serve(checks: Checks) -> dict[str, Any]:
    """Takes up the checks; what there is: their names, and whether it uses telemetry."""
    checks.look()
    return {"data": {"checks": checks.names, "telemetry": TELEMETRY in sys.modules}}


def telemetry() -> dict[str, Any]:
    """The application's metrics as families; None if it has none."""
    module: Any = sys.modules.get(TELEMETRY)
    snapshot = getattr(module, "snapshot", None)
    return {"data": snapshot() if snapshot is not None else None}


def failures() -> dict[str, Any]:
    """Handlers and polls that have failed, those first that still do; None if there is no telemetry."""
    module: Any = sys.modules.get(TELEMETRY)
    known = getattr(module, "failures", None)
    if known is None:
        return {"data": None}
    found = sorted(known(), key=lambda failure: not failure.quarantined)
    return {
        "data": [{**each._asdict(), "events": each.events[:EVENTS]} for each in found[:FAILURES]],
    }
