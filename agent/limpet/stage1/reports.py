"""What the application has for the daemon: its health checks, and the metrics of its telemetry.

The daemon asks by `serve` whenever the application has called `limpet.agent.want`; nothing is imported here
that the application has not imported itself.
"""

import sys
from typing import Any, Final

from .checks import Checks

TELEMETRY: Final = "limpet.telemetry"


def serve(checks: Checks) -> dict[str, Any]:
    """Takes up the checks; what there is: their names, and whether there are metrics."""
    checks.look()
    return {"data": {"checks": checks.names, "telemetry": TELEMETRY in sys.modules}}


def telemetry() -> dict[str, Any]:
    """The application's metrics as families; None if it has none."""
    module: Any = sys.modules.get(TELEMETRY)
    snapshot = getattr(module, "snapshot", None)
    return {"data": snapshot() if snapshot is not None else None}
